# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import weights


class IoOpsWeigher(weights.Weigher):
    """How many servers the host is building, resizing, snapshotting.  A negative multiplier prefers the idle."""

    minval = 0
    column = 'num_io_ops'
    option = 'io_ops_weight_multiplier'
