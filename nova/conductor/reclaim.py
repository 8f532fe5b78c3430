# SPDX-License-Identifier: Apache-2.0
"""Servers that were put away and not asked for again are deleted for good."""

import datetime

from oslo_log import log
from oslo_utils import timeutils

from nova import exception, objects
from nova.compute import records, states, vm_states
from nova.conf import CONF

LOG = log.getLogger(__name__)


def reclaim(manager, context):
    """End what was put away longer than `reclaim_instance_interval` ago, in one cell.  Yields each uuid."""
    if CONF.reclaim_instance_interval <= 0:
        return
    before = timeutils.utcnow(with_timezone=True) - datetime.timedelta(seconds=CONF.reclaim_instance_interval)
    for instance in objects.InstanceList.get_by_filters(context, {'vm_state': vm_states.SOFT_DELETED,
                                                                  'deleted': False}):
        if instance.terminated_at is None or instance.terminated_at > before:
            continue
        try:
            row = states.require(context, instance, 'force_delete')
            action_id = records.order(context, instance, row, 'nova-compute', instance.host, 'terminate_instance',
                                      queue_delete=True)
        except exception.NovaException as exc:
            LOG.info('Server %s, put away since %s, is not deleted now: %s', instance.uuid, instance.terminated_at, exc)
            continue
        LOG.info('Server %s was put away at %s; it is deleted now', instance.uuid, instance.terminated_at)
        manager.compute_rpcapi.ring(context, instance.host, 'terminate_instance', action_id)
        yield instance.uuid
