# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import extra_specs_ops, utils

SCOPE = 'aggregate_instance_extra_specs'


class AggregateInstanceExtraSpecsFilter(filters.HostFilter):
    """The metadata of the host's aggregates meets the flavor's extra specs.

    Keys without a scope, or with the scope `aggregate_instance_extra_specs`.  An aggregate may list several values with
    commas; one of them has to do.
    """

    run_filter_once_per_request = True

    def applies(self, request):
        return any(True for _wanted in _wanted(request))

    def refuse(self, host, request):
        metadata = utils.aggregate_metadata_get_by_host(host)
        for name, value in _wanted(request):
            if not any(extra_specs_ops.match(has, value) for has in metadata.get(name, ())):
                return Refusal('flavor', word=f'in no aggregate with {name} {value}')
        return None


def _wanted(request):
    for name, value in request.extra_specs.items():
        scope, colon, rest = name.partition(':')
        if not colon:
            yield name, value
        elif scope == SCOPE:
            yield rest, value
