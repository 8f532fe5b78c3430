# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal


class DiskFilter(filters.HostFilter):
    """The host has disk left for the server's root, ephemeral and swap disks, after over-commit.  Sizes in GiB."""

    def applies(self, request):
        return request.disk_gb > 0

    def refuse(self, host, request):
        if host.total_usable_disk_gb < request.disk_gb:
            return Refusal('disk', needs=request.disk_gb, best=host.total_usable_disk_gb, unit='GiB', may_change=False)
        if host.disk_gb_free < request.disk_gb:
            return Refusal('disk', needs=request.disk_gb, best=host.disk_gb_free, unit='GiB')
        return None

    def mask(self, hosts, request):
        return (hosts.total_usable_disk_gb >= request.disk_gb) & (hosts.disk_gb_free >= request.disk_gb)
