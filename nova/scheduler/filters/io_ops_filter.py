# SPDX-License-Identifier: Apache-2.0
from nova.conf import CONF
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import utils


class IoOpsFilter(filters.HostFilter):
    """The host is not building, resizing, snapshotting, … too many servers at once (max_io_ops_per_host)."""

    def limit(self, host):
        """How many the host may be busy with before it takes no more."""
        return CONF.filter_scheduler.max_io_ops_per_host

    def refuse(self, host, request):
        limit = self.limit(host)
        if host.num_io_ops < limit:
            return None
        return Refusal('busy', word=f'busy with {limit} servers or more')

    def mask(self, hosts, request):
        return hosts.num_io_ops < CONF.filter_scheduler.max_io_ops_per_host


class AggregateIoOpsFilter(IoOpsFilter):
    """The same, by the key `max_io_ops_per_host` of the host's aggregates; the least counts."""

    mask = None

    def limit(self, host):
        return utils.aggregate_number(host, 'max_io_ops_per_host', super().limit(host))
