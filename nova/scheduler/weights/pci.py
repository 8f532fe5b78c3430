# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import weights


class PCIWeigher(weights.Weigher):
    """Prefers hosts with many free PCI devices for servers that ask for some, and with few for those that do not."""

    column = 'pci_left'
    option = 'pci_weight_multiplier'

    def sign(self, request):
        return 1 if request.pci else -1
