# SPDX-License-Identifier: Apache-2.0
from nova.conf import CONF
from nova.scheduler import weights


class RAMWeigher(weights.Weigher):
    """Free memory, without over-commit.  A negative multiplier fills one host after the other."""

    minval = 0
    column = 'free_ram_mb'

    def weight_multiplier(self, host_state=None):
        return CONF.filter_scheduler.ram_weight_multiplier
