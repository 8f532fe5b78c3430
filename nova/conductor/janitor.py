# SPDX-License-Identifier: Apache-2.0
"""Finishes, gives back or fails operations whose owner is gone (design D3).

Every conductor does this; the guarded writes make sure that only one of them does each thing.
"""

from oslo_log import log

from nova import exception, objects, servicegroup
from nova.compute import operations, resize, shelve, states
from nova.conf import CONF
from nova.notifications import servers as notifications

LOG = log.getLogger(__name__)
#: So often it is asked whether a volume that no server has is still there (s), and of so many in one round.
_VOLUMES_EVERY_S, _VOLUMES_AT_ONCE = 24 * 3600, 100
_services = None


def service_is_up(context, host, binary):
    global _services
    if _services is None:
        _services = servicegroup.API()
    try:
        return _services.service_is_up(objects.Service.get_by_args(context, host, binary))
    except exception.ServiceNotFound:
        return False


def look_round(manager, context):
    """One look at everything that is late, in one cell.  Yields after each, so that the watch sees progress."""
    for action in objects.InstanceActionList.expired(context):
        _look_at(manager, context, action)
        yield action.id
    for action in objects.InstanceActionList.waiting(context, CONF.order_lease):
        if not service_is_up(context, action.host, action.binary):
            fail(manager, context, action, f'Host {action.host} is down.', begun=False)
        yield action.id


def _look_at(manager, context, action):
    if action.is_overdue:
        fail(manager, context, action,
             f'{action.action} was not finished within {CONF.action_deadline} seconds and was given up.')
    elif action.binary == 'nova-compute' and not service_is_up(context, action.host, action.binary):
        fail(manager, context, action, f'Host {action.host} went down in the middle of {action.action}.')
    elif action.put_back(f'{action.binary} on {action.owner} gave no sign of life'):
        LOG.warning('%s of server %s was left behind by %s on %s; it is taken up again', action.action,
                    action.instance_uuid, action.binary, action.owner)


def fail(manager, context, action, why, begun=True):
    """End an order that nobody will finish.  A deletion is carried out all the same, in the records.

    :param begun: whether its step was taken up.
    """
    if action.action == 'delete':
        if action.reassign('nova-conductor', 'terminate_instance'):
            manager.terminate_instance(context, action.id)
        return
    LOG.warning('%s of server %s: %s', action.action, action.instance_uuid, why)
    _stop_moving(context, action)
    values = {'task_state': None, **shelve.give_up(context, action)}
    state = states.by_record(action.action, action.args)
    if state.fails and not resize.is_untouched(action.method, begun):
        values['vm_state'] = state.fails
    error = exception.Unavailable(why)
    if action.finish(values, fault=operations.fault_of(error, action.host), result='Error', details=why):
        notifications.gave_up(manager, context, action, error)


def _stop_moving(context, action):
    """The migration that an order is about, if it is about one, comes to its end too."""
    uuid = (action.args or {}).get('migration_uuid')
    if not uuid:
        return
    migration = objects.Migration.get_by_uuid(context, uuid)
    if action.action == 'confirmResize':
        migration.change({'status': 'finished'}, ['confirming'])    # it may be confirmed again
        return
    try:
        instance = objects.Instance.get_by_uuid(context, action.instance_uuid)
    except exception.InstanceNotFound:
        instance = None
    if instance is not None and migration.migration_type in ('resize', 'migration'):
        resize.settle(context, instance, migration)
    else:
        migration.fail()


def sweep(manager, context):
    """Give back what servers hold that are gone, on no host, or never recorded.  Yields what was given back.

    There is none of it while everything is written in transactions; but the global tables and a cell's are two, and a
    nova-api that dies between them leaves the first.
    """
    for claim in objects.ClaimList.get_orphans(context):
        if objects.Claim.release_orphaned(context, claim.instance_uuid):
            LOG.warning('Server %s is gone, or on no host, and still had a claim on %s; it is given back',
                        claim.instance_uuid, claim.host)
        yield claim.instance_uuid
    for uuid in objects.FixedIPList.get_orphans(context):
        LOG.warning('Server %s is gone and still had addresses; they are given back', uuid)
        objects.FixedIPList.deallocate_for_instance(context, uuid)
        yield uuid
    yield from _forget_volumes(manager, context)
    if context.cell is not None:
        return      # what follows is of no cell, and was done
    for uuid in objects.InstanceMappingList.forget_unrecorded(context, CONF.order_lease):
        LOG.warning('Server %s was counted and never recorded; it is not counted any more', uuid)
        yield uuid


def _forget_volumes(manager, context):
    """Forget how much volumes were used that no server has, and that somebody deleted in the volume service: of that
    nobody tells us.
    """
    for volume_id in objects.VolumeUsageList.unattached(context, _VOLUMES_EVERY_S, _VOLUMES_AT_ONCE):
        try:
            manager.volume.get(context, volume_id)
            objects.VolumeUsage.keep(context, volume_id)
        except exception.VolumeNotFound:
            objects.VolumeUsage.forget(context, volume_id)
        except (exception.CinderConnectionFailed, exception.PolicyNotAuthorized) as exc:
            LOG.info('Whether volumes that no server has are still there cannot be asked now: %s', exc)
            return
        yield volume_id
