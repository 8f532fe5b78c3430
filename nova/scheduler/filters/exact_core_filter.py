# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal


class ExactCoreFilter(filters.HostFilter):
    """The host has exactly as many CPUs left as the server needs: it takes the whole host."""

    def refuse(self, host, request):
        left = host.vcpus_total - host.vcpus_used
        return None if left == request.vcpus else Refusal('vcpus', word=f'without exactly {request.vcpus} CPUs left')

    def mask(self, hosts, request):
        return hosts.free_vcpus == request.vcpus
