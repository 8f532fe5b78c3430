# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import utils


class CoreFilter(filters.HostFilter):
    """The host has CPUs left for the server, after over-commit.

    A server is never larger than the host without over-commit: it would compete with itself.
    """

    def applies(self, request):
        return request.vcpus > 0

    def refuse(self, host, request):
        if host.vcpus_total < request.vcpus:
            return Refusal('vcpus', needs=request.vcpus, best=host.vcpus_total, unit='CPUs', may_change=False)
        left = self.left(host)
        return None if left >= request.vcpus else Refusal('vcpus', needs=request.vcpus, best=left, unit='CPUs')

    def left(self, host):
        """What may still be promised."""
        return host.vcpus_free

    def mask(self, hosts, request):
        return (hosts.vcpus_total >= request.vcpus) & (hosts.vcpus_free >= request.vcpus)


class AggregateCoreFilter(CoreFilter):
    """The same, by the `cpu_allocation_ratio` of the host's aggregates, the least of them; the claim keeps it.

    Without one it is the host's own ratio that counts.
    """

    mask = None

    def limit(self, host):
        ratio = utils.aggregate_number(host, 'cpu_allocation_ratio', host.cpu_allocation_ratio, float)
        return int(host.vcpus_total * ratio)

    def claim_limits(self, host):
        return {'vcpus': self.limit(host)}

    def left(self, host):
        return self.limit(host) - host.vcpus_used
