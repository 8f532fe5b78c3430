# SPDX-License-Identifier: Apache-2.0
"""Moving a running guest.  The order is carried out by the source; the destination is asked."""

from oslo_log import log

from nova import exception, objects
from nova.compute import block_devices, task_states
from nova.compute.operations import carries_out

LOG = log.getLogger(__name__)


@carries_out('live_migration')
def live_migrate(op):
    """Have the destination prepare, send the guest, and clean up on the side where it is not."""
    instance = op.instance
    migration = objects.Migration.get_by_uuid(op.context, op.args['migration_uuid'])
    op.undo(_failed, migration)
    if not migration.change({'status': 'preparing'}, ['queued', 'preparing', 'accepted']):
        raise exception.MigrationCancelled()
    dest, data = migration.dest_compute, op.args.get('migrate_data')
    bdi = block_devices.info_of(instance, op.bdms)
    disk_info = op.host.driver.get_instance_disk_info(instance, bdi)
    data = op.host.compute_rpcapi.pre_live_migration(op.context, instance, dest, disk_info, data)
    op.undo(op.host.compute_rpcapi.rollback_live_migration_at_destination, op.context, instance, dest, data)
    if not migration.change({'status': 'running'}, ['preparing']):
        raise exception.MigrationCancelled()
    transfer = _Transfer(op, migration, dest)
    op.host.driver.live_migration(op.context, instance, dest, transfer.arrived, transfer.stayed,
                                  block_migration=bool(op.args.get('block_migration')), migrate_data=data)
    if not transfer.has_arrived:
        raise exception.MigrationError(reason='the guest stayed where it was')


def _failed(migration):
    migration.fail('cancelled' if migration.status == 'cancelled' else 'error')


class _Transfer:
    """What the driver calls back."""

    def __init__(self, op, migration, dest):
        self.op, self.migration, self.dest = op, migration, dest
        self.has_arrived = False

    def arrived(self, context, instance, dest, block_migration=False, migrate_data=None):
        """The guest runs at the destination: there is no way back from here."""
        op = self.op
        self.has_arrived = True
        op.forget_undo()
        self.migration.change({'status': 'post-migrating'})
        network_info = instance.get_network_info()
        op.host.firewall.remove(instance)
        op.host.driver.post_live_migration_at_source(context, instance, network_info)
        op.host.network.migrate_instance_finish(context, instance, self.migration, dest)
        state = op.host.compute_rpcapi.post_live_migration_at_destination(context, instance, dest, block_migration)
        self.migration.arrive('completed')
        op.ends(host=dest, node=self.migration.dest_node, compute_id=self.migration.dest_compute_id, power_state=state,
                placement=self.migration.dest_placement)
        op.expects(task_states.MIGRATING)

    def stayed(self, context, instance, dest, block_migration=False, migrate_data=None):
        """It did not work; the guest runs here still, and what the destination prepared is undone."""
        LOG.info('Server %s stayed on %s', instance.uuid, self.op.host.name)


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
    host.network.setup_networks_on_host(context, instance, host.name)
    host.firewall.apply(instance, network_info)
    return host.driver.pre_live_migration(context, instance, block_devices.info_of(instance, bdms), network_info,
                                          disk_info, data)


def roll_back(host, context, instance, data):
    """Take back `prepare`."""
    bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
    host.firewall.remove(instance)
    host.driver.rollback_live_migration_at_destination(
        context, instance, instance.get_network_info(), block_devices.info_of(instance, bdms), destroy_disks=True,
        migrate_data=data)


def welcome(host, context, instance, block_migration):
    """The guest has come; returns its power state."""
    bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
    network_info = instance.get_network_info()
    host.firewall.apply(instance, network_info)
    instance.trust('host', host.name)
    host.driver.post_live_migration_at_destination(context, instance, network_info, block_migration,
                                                   block_devices.info_of(instance, bdms))
    return host.driver.get_info(instance).state
