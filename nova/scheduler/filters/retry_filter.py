# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal

TRIED = Refusal('tried', word='tried already', may_change=False)


class RetryFilter(filters.HostFilter):
    """The server's build has not failed on the host before."""

    run_filter_once_per_request = True

    def applies(self, request):
        return bool(request.tried)

    def refuse(self, host, request):
        return TRIED if (host.host, host.nodename) in request.tried else None
