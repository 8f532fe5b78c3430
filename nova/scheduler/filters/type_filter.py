# SPDX-License-Identifier: Apache-2.0
from nova import objects
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import utils

OTHER_TYPES = Refusal('flavor', word='with servers of other flavors')


class TypeAffinityFilter(filters.HostFilter):
    """The host has no servers of other flavors than the request's."""

    def prepare(self, context, request):
        """Look up which hosts have servers of other flavors; one query in each cell."""
        answers, _down = objects.cell.ask_each(
            context, lambda in_cell: objects.InstanceList.hosts_with_other_flavors(in_cell, request.flavor.id))
        request.hosts_with_other_flavors = set().union(*(hosts for _cell, hosts in answers))

    def refuse(self, host, request):
        return OTHER_TYPES if host.host in request.hosts_with_other_flavors else None


class AggregateTypeAffinityFilter(filters.HostFilter):
    """The key `instance_type` of the host's aggregates, if there is one, lists the flavor's name (with commas)."""

    run_filter_once_per_request = True

    def refuse(self, host, request):
        for value in utils.aggregate_values_from_key(host, 'instance_type'):
            names = utils.split(value)
            if request.flavor.name not in names:
                return Refusal('flavor', word=f'for the flavors {", ".join(sorted(names))}')
        return None
