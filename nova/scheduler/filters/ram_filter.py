# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import utils


class RamFilter(filters.HostFilter):
    """The host has memory left for the server, after over-commit.  Sizes in MiB.

    A server is never larger than the host without over-commit: it would compete with itself.
    """

    def applies(self, request):
        return request.memory_mb > 0

    def refuse(self, host, request):
        if host.total_usable_ram_mb < request.memory_mb:
            return Refusal('memory', needs=request.memory_mb, best=host.total_usable_ram_mb, unit='MiB',
                           may_change=False)
        left = self.left(host)
        return None if left >= request.memory_mb else Refusal('memory', needs=request.memory_mb, best=left, unit='MiB')

    def left(self, host):
        """What may still be promised."""
        return host.memory_mb_free

    def mask(self, hosts, request):
        return (hosts.total_usable_ram_mb >= request.memory_mb) & (hosts.memory_mb_free >= request.memory_mb)


class AggregateRamFilter(RamFilter):
    """The same, by the `ram_allocation_ratio` of the host's aggregates, the least of them; the claim keeps it.

    Without one it is the host's own ratio that counts.
    """

    mask = None

    def limit(self, host):
        ratio = utils.aggregate_number(host, 'ram_allocation_ratio', host.ram_allocation_ratio, float)
        return int(host.total_usable_ram_mb * ratio)

    def claim_limits(self, host):
        return {'memory_mb': self.limit(host)}

    def left(self, host):
        return self.limit(host) - host.memory_mb_used
