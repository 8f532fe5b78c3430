# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters, placement
from nova.scheduler.diagnosis import Refusal

NONE_LEFT = Refusal('pci', word='without the PCI devices')


class PciPassthroughFilter(filters.HostFilter):
    """The host has the PCI devices left that the flavor asks for (`pci_passthrough:alias`).  The claim keeps it."""

    def applies(self, request):
        return bool(request.pci)

    def refuse(self, host, request):
        return NONE_LEFT if placement.place(request, host)[1] == 'pci' else None
