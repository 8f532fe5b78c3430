# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal

NOT_THERE = Refusal('same_host', word='without the server to be with')
THERE = Refusal('different_host', word='with a server to keep away from')


class SameHostFilter(filters.HostFilter):
    """The host has one of the servers that the hint `same_host` names."""

    run_filter_once_per_request = True

    def applies(self, request):
        return bool(request.hint('same_host'))

    def refuse(self, host, request):
        hosts = (request.instance_hosts.get(uuid) for uuid in request.hint('same_host'))
        return None if host.host in hosts else NOT_THERE


class DifferentHostFilter(filters.HostFilter):
    """The host has none of the servers that the hint `different_host` names."""

    run_filter_once_per_request = True

    def applies(self, request):
        return bool(request.hint('different_host'))

    def refuse(self, host, request):
        hosts = (request.instance_hosts.get(uuid) for uuid in request.hint('different_host'))
        return THERE if host.host in hosts else None
