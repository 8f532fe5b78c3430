# SPDX-License-Identifier: Apache-2.0
"""Making a server of a dead host anew on this one."""

from oslo_utils import timeutils

from nova import objects
from nova.compute import consoles, task_states, vm_states, volumes
from nova.compute.operations import carries_out


@carries_out('rebuild_on_other_host', 'compute_rebuild_instance')
@consoles.closes
def rebuild(op):
    """From the disk, where hosts share it; from the image otherwise.  The server keeps its addresses and volumes."""
    instance = op.instance
    migration = objects.Migration.get_by_uuid(op.context, op.args['migration_uuid'])
    op.undo(migration.fail, 'failed')
    op.save(task_state=task_states.REBUILD_SPAWNING)
    op.host.network.migrate_instance_finish(op.context, instance, migration, op.host.name)
    # The dead host has them no more, whatever it thinks.
    volumes.leave_all(op)
    op.undo(volumes.leave_all, op)
    network_info, bdi = instance.get_network_info(), volumes.connect_all(op)
    op.host.firewall.apply(instance, network_info)
    op.undo(op.host.firewall.remove, instance)
    instance.trust('host', op.host.name)
    instance.trust('node', migration.dest_node)
    shared = op.args.get('on_shared_storage')
    if shared is None:
        shared = op.host.driver.instance_on_disk(instance)
    if op.host.driver.instance_exists(instance):
        op.host.driver.destroy(op.context, instance, network_info, bdi, destroy_disks=not shared)
    op.host.driver.spawn(op.context, instance, instance.image_meta, [], op.args.get('admin_password'),
                         network_info=network_info, block_device_info=bdi)
    op.undo(op.host.driver.destroy, op.context, instance, network_info, bdi, destroy_disks=not shared)
    vm_state = vm_states.ACTIVE
    if op.args.get('stopped'):
        op.host.driver.power_off(instance)
        vm_state = vm_states.STOPPED
    seen = op.host.driver.get_info(instance).state
    migration.arrive('done')
    op.ends(vm_state=vm_state, power_state=seen, host=op.host.name,
            node=migration.dest_node, compute_id=migration.dest_compute_id, placement=migration.dest_placement,
            launched_at=timeutils.utcnow(with_timezone=True))
