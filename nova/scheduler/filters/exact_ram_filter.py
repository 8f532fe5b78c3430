# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal


class ExactRamFilter(filters.HostFilter):
    """The host has exactly as much memory left as the server needs, in MiB."""

    def refuse(self, host, request):
        if host.free_ram_mb == request.memory_mb:
            return None
        return Refusal('memory', word=f'without exactly {request.memory_mb:,} MiB left')

    def mask(self, hosts, request):
        return hosts.free_ram_mb == request.memory_mb
