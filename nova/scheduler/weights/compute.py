# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import weights


class BuildFailureWeigher(weights.Weigher):
    """Prefers hosts where no build has failed since one succeeded; the more failed, the worse."""

    column = 'failed_builds'
    option = 'build_failure_weight_multiplier'

    def weight_multiplier(self, host_state=None):
        return -super().weight_multiplier(host_state)
