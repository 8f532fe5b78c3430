# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import weights


class NumInstancesWeigher(weights.Weigher):
    """How many servers the host has.  A negative multiplier prefers hosts with few."""

    column = 'num_instances'
    option = 'num_instances_weight_multiplier'
