# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import weights


class RAMWeigher(weights.Weigher):
    """Free memory, without over-commit.  A negative multiplier fills one host after the other."""

    minval = 0
    column = 'free_ram_mb'
    option = 'ram_weight_multiplier'
