# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal


class CoreFilter(filters.HostFilter):
    """The host has CPUs left for the server, after over-commit.

    A server is never larger than the host without over-commit: it would compete with itself.
    """

    def applies(self, request):
        return request.vcpus > 0

    def refuse(self, host, request):
        if host.vcpus_total < request.vcpus:
            return Refusal('vcpus', needs=request.vcpus, best=host.vcpus_total, unit='CPUs', may_change=False)
        if host.vcpus_free < request.vcpus:
            return Refusal('vcpus', needs=request.vcpus, best=host.vcpus_free, unit='CPUs')
        return None

    def mask(self, hosts, request):
        return (hosts.vcpus_total >= request.vcpus) & (hosts.vcpus_free >= request.vcpus)
