# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import utils

KEY = 'filter_tenant_id'
OTHERS = Refusal('tenant', word='kept for other projects')


class AggregateMultiTenancyIsolation(filters.HostFilter):
    """A host in aggregates with the key `filter_tenant_id` takes servers of the projects listed there only.

    The list is written with commas; more lists may be in keys with a suffix (`filter_tenant_id_2`), since one value
    has at most 255 characters.  A host in no such aggregate takes everybody's servers.
    """

    run_filter_once_per_request = True

    def refuse(self, host, request):
        allowed = {project for name, values in utils.aggregate_metadata_get_by_host(host).items()
                   if name.startswith(KEY) for project in values}
        return OTHERS if allowed and request.project_id not in allowed else None
