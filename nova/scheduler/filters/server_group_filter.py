# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal

NOT_THERE = Refusal('server_group', word='without the servers of its group')


class ServerGroupAffinityFilter(filters.HostFilter):
    """All servers of a group with the policy `affinity` are on one host."""

    #: Where the first server of a request goes decides about all hosts for the next.
    asks_all_again = True

    def applies(self, request):
        return request.group_policy == 'affinity'

    def refuse(self, host, request):
        hosts = request.hosts_of_group()
        return NOT_THERE if hosts and host.host not in hosts else None


class ServerGroupAntiAffinityFilter(filters.HostFilter):
    """Of a group with the policy `anti-affinity` each host has one server, or `max_server_per_host` of them."""

    def applies(self, request):
        return request.group_policy == 'anti-affinity'

    def refuse(self, host, request):
        there, most = request.hosts_of_group().get(host.host, 0), request.group_limit
        if there < most:
            return None
        return Refusal('server_group', word=f'with {there} of the {most} servers of its group that a host may have')
