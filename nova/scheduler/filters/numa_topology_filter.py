# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters, placement
from nova.scheduler.diagnosis import Refusal

NO_CELLS = Refusal('numa', word='without NUMA cells that fit', may_change=False)
NO_ROOM = Refusal('numa', word='without room in its NUMA cells')


class NUMATopologyFilter(filters.HostFilter):
    """The server's NUMA cells, pinned CPUs and pages fit into those of the host.  The claim keeps it."""

    def applies(self, request):
        return request.numa is not None

    def refuse(self, host, request):
        if len((host.numa_topology or {}).get('cells', ())) < len(request.numa['cells']):
            return NO_CELLS
        return NO_ROOM if placement.place(request, host)[1] == 'numa' else None
