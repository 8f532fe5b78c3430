# SPDX-License-Identifier: Apache-2.0
"""Where on a host a server would be: its cells on those of the host, and its PCI devices."""

import dataclasses

from nova import numa
from nova.pci import devices as pci


@dataclasses.dataclass(slots=True)
class Placement:
    """numa: cells as `nova.numa.place` gives them; pci: devices; resources: {class: amount} of both."""

    numa: list | None = None
    pci: list | None = None
    resources: dict = dataclasses.field(default_factory=dict)

    def to_dict(self):
        """As it is kept with the server; None where there is nothing to keep."""
        return {'numa': self.numa, 'pci': self.pci} if self.numa or self.pci else None


def place(request, host):
    """(Placement, None) of a request on a host; or (None, 'numa' or 'pci'), which of the two cannot be had."""
    found = Placement()
    if request.numa is not None:
        def accepts(cells):
            return not request.pci or pci.place(host.pci_devices, host.left_of, request.pci, cells) is not None
        placed = numa.place(host.numa_topology, host.left_of, request.numa, accepts)
        if placed is None:
            alone = request.pci and numa.place(host.numa_topology, host.left_of, request.numa)
            return None, 'pci' if alone else 'numa'
        found.numa = placed[0]
        found.resources |= placed[1]
    if request.pci:
        cells = {cell['host_cell'] for cell in found.numa} if found.numa else None
        placed = pci.place(host.pci_devices, host.left_of, request.pci, cells)
        if placed is None:
            return None, 'pci'
        found.pci = placed[0]
        found.resources |= placed[1]
    return found, None
