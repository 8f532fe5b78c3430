# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import weights


class HypervisorVersionWeigher(weights.Weigher):
    """The version of the hypervisor.  A positive multiplier prefers newer ones."""

    column = 'hypervisor_version'
    option = 'hypervisor_version_weight_multiplier'
