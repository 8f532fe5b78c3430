# SPDX-License-Identifier: Apache-2.0
from nova.conf import CONF
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import utils


class NumInstancesFilter(filters.HostFilter):
    """The host has fewer servers than max_instances_per_host.  The claim keeps it."""

    def limit(self, host):
        """How many servers the host may have."""
        return CONF.filter_scheduler.max_instances_per_host

    def claim_limits(self, host):
        return {'servers': self.limit(host)}

    def refuse(self, host, request):
        limit = self.limit(host)
        return None if host.num_instances < limit else Refusal('full', word=f'with {limit} servers or more')

    def mask(self, hosts, request):
        return hosts.num_instances < CONF.filter_scheduler.max_instances_per_host


class AggregateNumInstancesFilter(NumInstancesFilter):
    """The same, by the key `max_instances_per_host` of the host's aggregates; the least counts."""

    mask = None

    def limit(self, host):
        return utils.aggregate_number(host, 'max_instances_per_host', super().limit(host))
