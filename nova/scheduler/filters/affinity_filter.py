# SPDX-License-Identifier: Apache-2.0
import ipaddress

from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal

NOT_THERE = Refusal('same_host', word='without the server to be with')
THERE = Refusal('different_host', word='with a server to keep away from')
TOO_FAR = Refusal('near', word='in another block of addresses')
UNREADABLE = Refusal('near', word='asked with a block of addresses that is none', may_change=False)


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


class SimpleCIDRAffinityFilter(filters.HostFilter):
    """The host's address is in the block that the hints `build_near_host_ip` and `cidr` ('/24') name."""

    run_filter_once_per_request = True

    def applies(self, request):
        return bool(request.hint('build_near_host_ip'))

    def refuse(self, host, request):
        length = str((request.hint('cidr') or ['/24'])[0]).lstrip('/')
        try:
            block = ipaddress.ip_network(f'{request.hint("build_near_host_ip")[0]}/{length}', strict=False)
        except ValueError:
            return UNREADABLE
        return None if host.host_ip and ipaddress.ip_address(host.host_ip) in block else TOO_FAR
