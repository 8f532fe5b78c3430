# SPDX-License-Identifier: Apache-2.0
"""What becomes due: deletions that nobody took back, resizes that nobody confirmed, servers long on the shelf.

What only a host can do waits until it is up: while it is down an order would fail, and be given anew, again and again.
"""

import datetime

from oslo_log import log
from oslo_utils import timeutils

from nova import exception, objects
from nova.compute import records, states, vm_states
from nova.conductor import janitor
from nova.conf import CONF

LOG = log.getLogger(__name__)


def _before(seconds):
    return timeutils.utcnow(with_timezone=True) - datetime.timedelta(seconds=seconds)


def _of_state(context, vm_state):
    return objects.InstanceList.get_by_filters(context, {'vm_state': vm_state, 'deleted': False})


def _is_up(context, host):
    return janitor.service_is_up(context, host, 'nova-compute')


def _order(manager, context, instance, action, host, method, why, **more):
    """Order an action of the state table; whether that was possible."""
    try:
        row = states.require(context, instance, action)
        action_id = records.order(context, instance, row, 'nova-compute', host, method,
                                  by='nova-conductor', **more)
    except exception.NovaException as exc:
        LOG.info('Server %s: %s is due (%s) and not possible now: %s', instance.uuid, action, why, exc)
        return False
    LOG.info('Server %s: %s, because %s', instance.uuid, action, why)
    manager.compute_rpcapi.ring(context, host, method, action_id)
    return True


def reclaim(manager, context):
    """End what was put away longer than `reclaim_instance_interval` ago, in one cell.  Yields each uuid."""
    if CONF.reclaim_instance_interval <= 0:
        return
    before = _before(CONF.reclaim_instance_interval)
    for instance in _of_state(context, vm_states.SOFT_DELETED):
        if instance.terminated_at is not None and instance.terminated_at <= before and _order(
                manager, context, instance, 'force_delete', instance.host, 'terminate_instance',
                f'it was deleted at {instance.terminated_at}', queue_delete=True):
            yield instance.uuid


def confirm(manager, context):
    """Confirm what was resized longer than `resize_confirm_window` ago.  Yields each uuid."""
    if CONF.resize_confirm_window <= 0:
        return
    for migration in objects.MigrationList.get_by_filters(context, {
            'status': 'finished', 'changes-before': _before(CONF.resize_confirm_window)}):
        try:
            instance = objects.Instance.get_by_uuid(context, migration.instance_uuid)
        except exception.InstanceNotFound:
            migration.change({'status': 'error'}, ['finished'])
            continue
        host = migration.source_compute
        if _is_up(context, host) and _order(
                manager, context, instance, 'confirm_resize', host, 'confirm_resize', 'nobody said no to its resize',
                args={'migration_uuid': migration.uuid}, migration_step=(migration.uuid, 'finished', 'confirming')):
            yield instance.uuid


def offload(manager, context):
    """Take what was shelved longer than `shelved_offload_time` ago off its host.  Yields each uuid."""
    if CONF.shelved_offload_time <= 0:
        return
    before = _before(CONF.shelved_offload_time)
    for instance in _of_state(context, vm_states.SHELVED):
        shelved_at = (instance.system_metadata or {}).get('shelved_at')
        if not shelved_at or timeutils.parse_isotime(f'{shelved_at}Z') > before:
            continue
        if _is_up(context, instance.host) and _order(manager, context, instance, 'shelve_offload', instance.host,
                                                     'shelve_offload_instance', f'it was shelved at {shelved_at}'):
            yield instance.uuid
