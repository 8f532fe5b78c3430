# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal


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
        if host.memory_mb_free < request.memory_mb:
            return Refusal('memory', needs=request.memory_mb, best=host.memory_mb_free, unit='MiB')
        return None

    def mask(self, hosts, request):
        return (hosts.total_usable_ram_mb >= request.memory_mb) & (hosts.memory_mb_free >= request.memory_mb)
