# SPDX-License-Identifier: Apache-2.0
"""What may be asked of the scheduler."""

import oslo_messaging
from oslo_log import log

from nova import context as nova_context
from nova import rpc
from nova.conf import CONF

LOG = log.getLogger(__name__)

# Version  what, and why
#   1.0    select_destinations; update_aggregates, delete_aggregate
VERSION = '1.0'
TOPIC = 'scheduler'


class SchedulerAPI:
    """Client of nova-scheduler."""

    def __init__(self):
        pin = CONF.upgrade_levels.scheduler
        # There is one version, so whatever is found automatically is that.
        self.client = rpc.get_client(oslo_messaging.Target(topic=TOPIC, version=VERSION),
                                     version_cap=None if pin == 'auto' else pin)

    def can_send_version(self, version):
        """Whether all schedulers understand this version, as far as the pin says."""
        return self.client.can_send_version(version)

    def select_destinations(self, context, request_spec, instance_uuids, alternates=2, migration_uuid=''):
        """Hosts for the servers of one request, claimed: see `SchedulerManager.select_destinations`.

        Raises NoValidHost.
        """
        def ask():
            # Schedulers see all cells, and are at the top.
            with nova_context.target_cell(context, None) as at_top:
                return self.client.call(
                    at_top, 'select_destinations', request_spec=request_spec, instance_uuids=instance_uuids,
                    alternates=alternates, migration_uuid=migration_uuid)
        try:
            return ask()
        except oslo_messaging.MessagingTimeout as exc:
            # One that died with the question; another answers it.  New claims take the place of those that it made.
            LOG.warning('No scheduler has answered (%s); asking again', exc)
            return ask()

    def update_aggregates(self, context, aggregates):
        """Tell all schedulers that aggregates were made or changed."""
        self.client.prepare(fanout=True).cast(context, 'update_aggregates', aggregates=aggregates)

    def delete_aggregate(self, context, aggregate):
        """Tell all schedulers that an aggregate is gone."""
        self.client.prepare(fanout=True).cast(context, 'delete_aggregate', aggregate=aggregate)
