# SPDX-License-Identifier: Apache-2.0
"""Moving a running guest.  The order is carried out by the source; the destination is asked."""

import contextlib

from oslo_log import log

from nova import concurrency, exception, objects
from nova.compute import block_devices, consoles, task_states, volume_usage, volumes
from nova.compute.operations import carries_out, insist

LOG = log.getLogger(__name__)


@carries_out('live_migration')
@consoles.closes
def live_migrate(op):
    """Have the destination prepare, send the guest, and clean up on the side where it is not."""
    instance = op.instance
    migration = objects.Migration.get_by_uuid(op.context, op.args['migration_uuid'])
    op.undo(_failed, migration)
    dest, data = migration.dest_compute, {**(op.args.get('migrate_data') or {}), 'migration': migration.uuid}
    transfer = _Transfer(op, migration, dest)
    op.undo(op.host.compute_rpcapi.rollback_live_migration_at_destination, op.context, instance, dest, data)
    if op.action.attempts > 1 and _was_cut_off(op, transfer):
        return
    if not migration.change({'status': 'preparing'}, ['queued', 'preparing', 'accepted']):
        raise exception.MigrationCancelled()
    bdi = block_devices.info_of(instance, op.bdms)
    disk_info = op.host.driver.get_instance_disk_info(instance, bdi)
    data = op.host.compute_rpcapi.pre_live_migration(op.context, instance, dest, disk_info, data)
    if not migration.change({'status': 'running'}, ['preparing']):
        raise exception.MigrationCancelled()
    with volume_usage.ending(op, op.bdms):
        try:
            op.host.driver.live_migration(op.context, instance, dest, transfer.arrived, transfer.stayed,
                                          block_migration=bool(op.args.get('block_migration')), migrate_data=data)
        except exception.MigrationCancelled:
            migration.change({'status': 'cancelled'}, ['running'])
            raise
        if not transfer.has_arrived:
            raise exception.MigrationError(reason='the guest stayed where it was')


def _was_cut_off(op, transfer):
    """An earlier start of this service was sending the guest.  Whether it has arrived, and that is settled.

    Raises MigrationError when it is here.
    """
    if transfer.migration.status not in ('running', 'post-migrating'):
        return False
    op.host.driver.live_migration_interrupted(op.instance)
    if op.host.driver.instance_exists(op.instance):
        raise exception.MigrationError(reason=f'nova-compute on {op.host.name} ended in the middle')
    transfer.arrived(op.context, op.instance, transfer.dest, bool(op.args.get('block_migration')),
                     op.args.get('migrate_data'))
    return True


def _failed(migration):
    migration.fail('cancelled' if migration.status == 'cancelled' else 'error')


class _Transfer:
    """What the driver calls back."""

    def __init__(self, op, migration, dest):
        self.op, self.migration, self.dest = op, migration, dest
        self.has_arrived = False
        self.power_state = op.instance.power_state

    def arrived(self, context, instance, dest, block_migration=False, migrate_data=None):
        """The guest runs at the destination: there is no way back from here."""
        op = self.op
        self.has_arrived = True
        op.forget_undo()
        self.migration.change({'status': 'post-migrating'})
        network_info, bdi = instance.get_network_info(), block_devices.info_of(instance, op.bdms)
        with op.told.span('live_migration_post'):
            op.tidy(volumes.hand_over, op, dest)
            op.tidy(op.host.driver.post_live_migration, context, instance, bdi, migrate_data)
            op.tidy(op.host.firewall.remove, instance)
            op.tidy(op.host.driver.post_live_migration_at_source, context, instance, network_info)
        op.tidy(op.host.network.migrate_instance_finish, context, instance, self.migration, dest)
        op.tidy(self._welcome, context, instance, dest, block_migration)
        # Last: where hosts share disks these are the destination's now, and stay.
        op.tidy(op.host.driver.cleanup, context, instance, network_info, bdi, destroy_disks=True,
                migrate_data=migrate_data, destroy_vifs=False)
        op.tidy(volumes.disconnect_too, op.host, context, op.bdms)
        place = {'host': dest, 'node': self.migration.dest_node, 'compute_id': self.migration.dest_compute_id,
                 'placement': self.migration.dest_placement}
        # Whatever becomes of the order: its new host would remove a guest that is another's by the records.
        insist(op.action.update_instance, place)
        insist(self.migration.arrive, 'completed')
        op.ends(**place, power_state=self.power_state)
        op.expects(task_states.MIGRATING)

    def _welcome(self, context, instance, dest, block_migration):
        self.power_state = self.op.host.compute_rpcapi.post_live_migration_at_destination(context, instance, dest,
                                                                                          block_migration)

    def stayed(self, context, instance, dest, block_migration=False, migrate_data=None):
        """It did not work; the guest runs here still, and what the destination prepared is undone."""
        LOG.info('Server %s stayed on %s', instance.uuid, self.op.host.name)


def stop(host, instance):
    """Have a live migration of a server come to nothing, whatever it is doing; until it is told to end.

    Where it is too late for that it ends by itself, soon.
    """
    while True:
        for migration in objects.MigrationList.get_by_filters(instance._context, {
                'instance_uuid': instance.uuid, 'migration_type': 'live-migration',
                'status': ['queued', 'preparing', 'running']}):
            if migration.change({'status': 'cancelled'}, ['queued', 'preparing']):
                LOG.info('Server %s is to be deleted: it does not move any more', instance.uuid)
                return
            with contextlib.suppress(exception.Conflict, NotImplementedError):
                host.driver.live_migration_abort(instance)
                LOG.info('Server %s is to be deleted: its live migration is stopped', instance.uuid)
                return
        concurrency.sleep(1)


# What the destination does -------------------------------------------------------------------------------------------

def check_destination(host, context, instance, block_migration, disk_over_commit):
    """Whether the guest could run here; asks the source too.  Returns migrate data.  Raises MigrationPreCheckError."""
    here = objects.ComputeNodeList.get_by_host(context, host.name)
    there = objects.ComputeNodeList.get_by_host(context, instance.host)
    data = None
    try:
        data = host.driver.check_can_live_migrate_destination(
            context, instance, there[0] if there else None, here[0] if here else None, block_migration,
            bool(disk_over_commit))
        return host.compute_rpcapi.check_can_live_migrate_source(context, instance, data)
    except NotImplementedError as exc:
        raise exception.MigrationPreCheckError(reason='this hypervisor cannot live migrate') from exc
    finally:
        if data is not None:
            host.driver.check_can_live_migrate_destination_cleanup(context, data)


def check_source(host, context, instance, data):
    bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
    return host.driver.check_can_live_migrate_source(context, instance, data, block_devices.info_of(instance, bdms))


def prepare(host, context, instance, disk_info, data):
    """Bring up networks, filters and disks for a guest that will come."""
    bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
    network_info = instance.get_network_info()
    if (data or {}).get('migration'):
        migration = objects.Migration.get_by_uuid(context, data['migration'])
        if migration.status != 'preparing':
            # This came late, to a host that was cut off: the source has given it up.
            raise exception.MigrationCancelled()
        # Where it will lie here.
        instance.trust('placement', migration.dest_placement)
    host.network.setup_networks_on_host(context, instance, host.name)
    host.firewall.apply(instance, network_info)
    volumes.connect_too(host, context, instance, bdms)
    return host.driver.pre_live_migration(context, instance, block_devices.info_of(instance, bdms), network_info,
                                          disk_info, data)


def roll_back(host, context, instance, data):
    """Take back `prepare`."""
    bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
    host.firewall.remove(instance)
    volumes.see_too(host, context, bdms)
    host.driver.rollback_live_migration_at_destination(
        context, instance, instance.get_network_info(), block_devices.info_of(instance, bdms), destroy_disks=True,
        migrate_data=data)
    volumes.disconnect_too(host, context, bdms)


def welcome(host, context, instance, block_migration):
    """The guest has come; returns its power state."""
    bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
    network_info = instance.get_network_info()
    host.firewall.apply(instance, network_info)
    instance.trust('host', host.name)
    host.driver.post_live_migration_at_destination(context, instance, network_info, block_migration,
                                                   block_devices.info_of(instance, bdms))
    return host.driver.get_info(instance).state
