# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import weights


class DiskWeigher(weights.Weigher):
    """Free disk, without over-commit.  A negative multiplier fills one host after the other."""

    minval = 0
    column = 'free_disk_mb'
    option = 'disk_weight_multiplier'
