# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal


class ExactDiskFilter(filters.HostFilter):
    """The host has exactly as much disk left as the server needs, in GiB."""

    def refuse(self, host, request):
        if host.free_disk_mb == request.disk_gb * 1024:
            return None
        return Refusal('disk', word=f'without exactly {request.disk_gb:,} GiB left')

    def mask(self, hosts, request):
        return hosts.free_disk_mb == request.disk_gb * 1024
