# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import utils


class DiskFilter(filters.HostFilter):
    """The host has disk left for the server's root, ephemeral and swap disks, after over-commit.  Sizes in GiB."""

    def applies(self, request):
        return request.disk_gb > 0

    def refuse(self, host, request):
        if host.total_usable_disk_gb < request.disk_gb:
            return Refusal('disk', needs=request.disk_gb, best=host.total_usable_disk_gb, unit='GiB', may_change=False)
        left = self.left(host)
        return None if left >= request.disk_gb else Refusal('disk', needs=request.disk_gb, best=left, unit='GiB')

    def left(self, host):
        """What may still be promised."""
        return host.disk_gb_free

    def mask(self, hosts, request):
        return (hosts.total_usable_disk_gb >= request.disk_gb) & (hosts.disk_gb_free >= request.disk_gb)


class AggregateDiskFilter(DiskFilter):
    """The same, by the `disk_allocation_ratio` of the host's aggregates, the least of them; the claim keeps it.

    Without one it is the host's own ratio that counts.
    """

    mask = None

    def limit(self, host):
        ratio = utils.aggregate_number(host, 'disk_allocation_ratio', host.disk_allocation_ratio, float)
        return int(host.total_usable_disk_gb * ratio)

    def claim_limits(self, host):
        return {'disk_gb': self.limit(host)}

    def left(self, host):
        return self.limit(host) - host.disk_gb_used
