# SPDX-License-Identifier: Apache-2.0
"""When nova-compute starts: take up what an earlier start left, and remove what should not be here (design D3)."""

from oslo_log import log

from nova import exception, objects
from nova.compute import block_devices, consoles, power_state, power_sync, shares, vm_states, volumes
from nova.conf import CONF
from nova.objects.migration import OVER

LOG = log.getLogger(__name__)

#: States in which a guest should run.
RUNNING = (vm_states.ACTIVE,)


def take_up(host, context):
    """Make orders that an earlier start of this service held pending again.  They are found by the next poll."""
    for action in objects.InstanceActionList.held_by_host(context, host.name, host.binary, host.start_id):
        if action.put_back('nova-compute was restarted in the middle'):
            LOG.info('Taking up %s of server %s, which was cut off when this service ended', action.action,
                     action.instance_uuid)


def repair(host, context):
    """Compare the records with the hypervisor, server by server; one that fails does not keep the others."""
    instances = objects.InstanceList.get_by_host(context, host.name)
    host.firewall.sync(instances)
    for instance in instances:
        try:
            _repair_one(host, context, instance)
        except Exception:
            LOG.exception('Server %s could not be looked after at start; going on with the others', instance.uuid)
    remove_strangers(host, context, {instance.uuid for instance in instances})
    volumes.find_unsettled(host, context)
    shares.give_back_of_deleted(host, context)
    for migration in objects.MigrationList.get_by_filters(context, {
            'source_compute': host.name, 'migration_type': 'evacuation', 'status': 'done'}):
        migration.change({'status': 'completed'}, ['done'])


def _repair_one(host, context, instance):
    if instance.task_state is not None or instance.vm_state == vm_states.BUILDING:
        return      # its order says what to do
    seen = power_sync.of_guest(host.driver, instance)
    if instance.vm_state in RUNNING and seen in (power_state.SHUTDOWN, power_state.NOSTATE) and \
            CONF.resume_guests_state_on_host_boot:
        network_info = instance.get_network_info()
        bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
        LOG.info('Server %s ran before the host went down; starting it again', instance.uuid)
        try:
            shares.mount_again(host, context, instance)
        except shares.ShareMountFailed as exc:
            LOG.warning('Server %s stays off: %s', instance.uuid, exc.__cause__)
        else:
            consoles.close(context, instance)
            host.driver.resume_state_on_host_boot(context, instance, network_info,
                                                  block_devices.info_of(instance, bdms))
            seen = power_sync.of_guest(host.driver, instance)
    power_sync.sync(instance, seen)


def remove_strangers(host, context, known):
    """Remove guests whose servers were deleted while this host was down, or that other hosts have now."""
    for uuid in host.driver.list_instance_uuids():
        if uuid in known:
            continue
        try:
            instance = objects.Instance.get_by_uuid(context.elevated(read_deleted='yes'), uuid)
        except exception.InstanceNotFound:
            LOG.warning('The guest %s belongs to no server of ours; it is left alone', uuid)
            continue
        if instance.task_state is not None and not instance.deleted:
            continue    # on its way here, or from here: its order says what becomes of it
        offloaded = instance.vm_state == vm_states.SHELVED_OFFLOADED and instance.host is None
        if instance.deleted or offloaded or instance.host not in (None, host.name):
            LOG.info('Removing the guest of server %s, which %s', uuid,
                     'was deleted meanwhile' if instance.deleted else 'is offloaded' if offloaded else
                     f'is on {instance.host} now')
            host.driver.destroy(context, instance, instance.get_network_info(), block_devices.info_of(instance, []))
            host.firewall.remove(instance)
    _remove_files(host, context, known)


def _remove_files(host, context, known):
    """Remove files and filters without a guest: of servers that were deleted between a move and its confirmation, of
    moves that failed while this host was not there to clean up.
    """
    kinds = {}
    for found in host.driver.find_leftovers(known):
        kinds.setdefault(found['uuid'], set()).add(found['kind'])
    for uuid, found in kinds.items():
        if not found & {'disk', 'file', 'filter'}:
            continue
        try:
            instance = objects.Instance.get_by_uuid(context.elevated(read_deleted='yes'), uuid)
        except exception.InstanceNotFound:
            continue
        if instance.deleted:
            LOG.info('Removing what is left of server %s, which was deleted', uuid)
            host.driver.confirm_migration(None, instance, instance.get_network_info())
            host.driver.delete_instance_files(instance)
            host.driver.unfilter_instance(instance, instance.get_network_info())
        elif _is_elsewhere(host, instance) and not _is_moving(context, uuid):
            host.driver.delete_instance_files(instance)
            host.driver.unfilter_instance(instance, instance.get_network_info())


def _is_elsewhere(host, instance):
    if instance.task_state is not None:
        return False
    return instance.host not in (None, host.name) or instance.vm_state == vm_states.SHELVED_OFFLOADED


def _is_moving(context, uuid):
    """Whether what is kept here may be needed for the way back."""
    return any(migration.status not in OVER
               for migration in objects.MigrationList.get_by_filters(context, {'instance_uuid': uuid}))
