# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters


class AllHostsFilter(filters.HostFilter):
    """Every host passes."""

    run_filter_once_per_request = True

    def applies(self, request):
        return False

    def refuse(self, host, request):
        return None
