# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal

OTHER_ZONE = Refusal('zone', word='in another zone')


class AvailabilityZoneFilter(filters.HostFilter):
    """The host is in one of the zones that the user asked for.

    A host's zone is the metadata `availability_zone` of an aggregate it is in, or else the default zone.
    """

    run_filter_once_per_request = True

    def applies(self, request):
        return bool(request.zones)

    def refuse(self, host, request):
        return None if host.availability_zone in request.zones else OTHER_ZONE

    def mask(self, hosts, request):
        return hosts.judge_kinds('availability_zone', lambda host: host.availability_zone in request.zones)
