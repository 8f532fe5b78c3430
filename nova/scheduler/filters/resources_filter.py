# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal


class ResourcesFilter(filters.HostFilter):
    """The host has what the flavor asks for of other classes than CPU, memory and disk (`resources:CLASS=amount`).

    What a host has is the inventory that its driver reports.  The claim keeps it.
    """

    def applies(self, request):
        return bool(request.resources)

    def refuse(self, host, request):
        for name, amount in request.resources.items():
            capacity = host.capacity_of(name)
            if capacity < amount:
                return Refusal('resources', needs=amount, best=capacity, unit=name, may_change=False)
            left = host.left_of(name)
            if left < amount:
                return Refusal('resources', needs=amount, best=left, unit=name)
        return None
