# SPDX-License-Identifier: Apache-2.0
from nova import servicegroup
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal

# An administrator's decision stands until it is taken back; a service that is down may come back by itself.  Either may
# change while a server waits.
DISABLED = Refusal('service', word='disabled')
FORCED_DOWN = Refusal('service', word='forced down')
DOWN = Refusal('service', word='down')
NO_SERVICE = Refusal('service', word='without a service')


class ComputeFilter(filters.HostFilter):
    """The host's nova-compute is enabled and gives signs of life."""

    run_filter_once_per_request = True

    def __init__(self):
        self._servicegroup = servicegroup.API()

    def refuse(self, host, request):
        service = host.service
        if service is None:
            return NO_SERVICE
        if service.disabled:
            return DISABLED
        if self._servicegroup.service_is_up(service):
            return None
        return FORCED_DOWN if service.forced_down else DOWN

    def mask(self, hosts, request):
        return hosts.is_enabled & hosts.is_up
