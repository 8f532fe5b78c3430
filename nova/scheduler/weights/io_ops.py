# SPDX-License-Identifier: Apache-2.0
from nova.conf import CONF
from nova.scheduler import weights


class IoOpsWeigher(weights.Weigher):
    """How many servers the host is building, resizing, snapshotting.  A negative multiplier prefers the idle."""

    minval = 0
    column = 'num_io_ops'

    def weight_multiplier(self, host_state=None):
        return CONF.filter_scheduler.io_ops_weight_multiplier
