# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import weights


class CPUWeigher(weights.Weigher):
    """Free CPUs, after over-commit.  A negative multiplier fills one host after the other."""

    minval = 0
    column = 'vcpus_free'
    option = 'cpu_weight_multiplier'
