# SPDX-License-Identifier: Apache-2.0
"""What the documents know as request filters: aggregates that projects, images and flavors are tied to.

Each is enabled by an option of its own in [scheduler].
"""

from nova.conf import CONF
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import utils

NOT_OURS = Refusal('tenant', word='in no aggregate of the project')


class TenantAggregateFilter(filters.HostFilter):
    """A project that aggregates list in `filter_tenant_id` is placed in these only.

    [scheduler]limit_tenants_to_placement_aggregate turns it on; with placement_aggregate_required_for_tenants a project
    that no aggregate lists has no host at all.
    """

    run_filter_once_per_request = True

    def applies(self, request):
        return CONF.scheduler.limit_tenants_to_placement_aggregate

    def refusals(self, hosts, request):
        ours = [any(name.startswith('filter_tenant_id') and request.project_id in values for name, values in
                    utils.aggregate_metadata_get_by_host(host).items()) for host in hosts]
        if not any(ours) and not CONF.scheduler.placement_aggregate_required_for_tenants:
            return [None] * len(hosts)
        return [None if mine else NOT_OURS for mine in ours]

    def refuse(self, host, request):
        return self.refusals([host], request)[0]


class IsolatedAggregateFilter(filters.HostFilter):
    """A host in an aggregate with `trait:NAME=required` takes only servers whose flavor or image requires that trait.

    [scheduler]enable_isolated_aggregate_filtering turns it on.
    """

    run_filter_once_per_request = True

    def applies(self, request):
        return CONF.scheduler.enable_isolated_aggregate_filtering

    def refuse(self, host, request):
        for name, values in utils.aggregate_metadata_get_by_host(host).items():
            scope, _colon, trait = name.partition(':')
            if scope == 'trait' and 'required' in values and trait not in request.required_traits:
                return Refusal('traits', word=f'kept for servers that require {trait}')
        return None
