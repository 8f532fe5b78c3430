# SPDX-License-Identifier: Apache-2.0
"""Moving a server while it is off, to another host or size, and back.

The order goes prep_resize (destination) -> resize_instance (source) -> finish_resize (destination), and after the
user's word confirm_resize (source), or revert_resize (destination) -> finish_revert_resize (source).  Every step may be
repeated.
"""

from oslo_utils import timeutils

from nova import exception, objects
from nova.compute import block_devices, consoles, power, power_state, task_states, vm_states, volume_usage, volumes
from nova.compute.operations import carries_out


def _migration(op):
    return objects.Migration.get_by_uuid(op.context, op.args['migration_uuid'])


def _flavor_values(flavor):
    """Columns of a server of this flavor (a snapshot)."""
    return {'flavor': flavor, 'instance_type_id': flavor['id'], 'vcpus': flavor['vcpus'],
            'memory_mb': flavor['memory_mb'], 'root_gb': flavor['root_gb'], 'ephemeral_gb': flavor['ephemeral_gb']}


def _count(op, flavor):
    objects.Quotas.resize(op.context, op.instance.uuid, op.instance.project_id,
                          {'cores': flavor['vcpus'], 'ram': flavor['memory_mb']}, check=False)


def is_untouched(method, begun):
    """Whether a server is still as it was when a step of a move came to nothing.

    :param begun: whether the step was taken up.
    """
    return method == 'prep_resize' or (method == 'resize_instance' and not begun)


def settle(context, instance, migration):
    """A move stopped halfway: the server is on the host and of the size that it is recorded with, and has what it
    needs there; the other claim is given back.
    """
    arrived = instance.host == migration.dest_compute and (
        not migration.is_same_host or instance.instance_type_id == migration.new_instance_type_id)
    if arrived:
        migration.arrive('error')
    else:
        migration.fail()
    flavor = migration.new_flavor if arrived else migration.old_flavor
    objects.Quotas.resize(context, instance.uuid, instance.project_id,
                          {'cores': flavor['vcpus'], 'ram': flavor['memory_mb']}, check=False)


def _give_up(op, migration):
    migration.fail()
    _count(op, migration.old_flavor)


def _pass_on(op, host, method, **more):
    op.hand_over('nova-compute', host, method, **more)
    op.host.compute_rpcapi.ring(op.context, host, method, op.action.id)


@carries_out('prep_resize')
def prep(op):
    """The destination agrees."""
    op.failure_state = None
    migration = _migration(op)
    op.undo(_give_up, op, migration)
    if migration.is_same_host and not op.host.driver.capabilities.get('supports_migrate_to_same_host', False):
        raise exception.CannotMigrateToSameHost()
    _pass_on(op, migration.source_compute, 'resize_instance')


@carries_out('resize_instance')
@consoles.closes
def send(op):
    """The source stops the guest and sends its disks."""
    instance, migration = op.instance, _migration(op)
    op.undo(_give_up, op, migration)
    op.save([task_states.RESIZE_PREP, task_states.RESIZE_MIGRATING], task_state=task_states.RESIZE_MIGRATING)
    migration.change({'status': 'migrating'})
    flavor = objects.Flavor.from_row(op.context, migration.new_flavor)
    timeout, interval = power.patience(op)
    try:
        with volume_usage.ending(op, op.bdms):
            disk_info = op.host.driver.migrate_disk_and_power_off(
                op.context, instance, _address_of(op, migration.dest_compute), flavor, instance.get_network_info(),
                block_devices.info_of(instance, op.bdms), timeout, interval)
    except exception.InstanceFaultRollback as exc:
        op.failure_state = None     # nothing was lost
        raise exc.inner_exception from exc
    except NotImplementedError as exc:
        op.failure_state = None
        raise exception.DriverUnsupported(host=op.host.name, method='migrate servers that are off') from exc
    migration.change({'status': 'post-migrating'})
    if not migration.is_same_host:
        volumes.leave_all(op)
        op.tidy(op.host.firewall.remove, instance)
    _pass_on(op, migration.dest_compute, 'finish_resize', args={**op.args, 'disk_info': disk_info},
             values={'host': migration.dest_compute, 'node': migration.dest_node,
                     'compute_id': migration.dest_compute_id, 'placement': migration.dest_placement,
                     'task_state': task_states.RESIZE_MIGRATED, **_flavor_values(migration.new_flavor)})


def _address_of(op, host):
    """The address by which a host is reached, or its name where it did not say."""
    for node in objects.ComputeNodeList.get_by_host(op.context, host):
        if node.host_ip:
            return str(node.host_ip)
    return host


@carries_out('finish_resize')
def finish(op):
    """The destination makes the guest from the disks that came."""
    instance, migration = op.instance, _migration(op)
    op.undo(settle, op.context, instance, migration)
    op.save([task_states.RESIZE_MIGRATED, task_states.RESIZE_FINISH], task_state=task_states.RESIZE_FINISH)
    resized = migration.old_flavor != migration.new_flavor
    instance.trust('flavor', objects.Flavor.from_row(op.context, migration.new_flavor))
    network_info, bdi = _network(op, migration, migration.dest_compute), volumes.connect_all(op)
    op.host.driver.finish_migration(
        op.context, migration, instance, op.args.get('disk_info'), network_info, instance.image_meta, resized,
        bdi, power_on=migration.old_vm_state != vm_states.STOPPED)
    migration.change({'status': 'finished'})
    op.ends(vm_state=vm_states.RESIZED, power_state=op.host.driver.get_info(instance).state,
            launched_at=timeutils.utcnow(with_timezone=True), **_flavor_values(migration.new_flavor))
    op.expects(task_states.RESIZE_FINISH)


def _network(op, migration, host):
    """The server's addresses, served where it is now and filtered here."""
    op.host.network.migrate_instance_finish(op.context, op.instance, migration, host)
    network_info = op.instance.get_network_info()
    op.host.firewall.apply(op.instance, network_info)
    return network_info


@carries_out('confirm_resize')
def confirm(op):
    """The source removes what it kept."""
    instance, migration = op.instance, _migration(op)
    op.undo(migration.change, {'status': 'finished'}, ['confirming'])    # it may be confirmed again
    op.host.driver.confirm_migration(migration, instance, instance.get_network_info())
    migration.arrive('confirmed')
    _count(op, migration.new_flavor)
    op.ends(vm_state=vm_states.STOPPED if instance.power_state == power_state.SHUTDOWN else vm_states.ACTIVE)


@carries_out('revert_resize')
@consoles.closes
def revert(op):
    """The destination removes what it made."""
    instance, migration = op.instance, _migration(op)
    op.undo(settle, op.context, instance, migration)
    with volume_usage.ending(op, op.bdms):
        op.host.driver.destroy(op.context, instance, instance.get_network_info(),
                               block_devices.info_of(instance, op.bdms), destroy_disks=not migration.is_same_host)
    if not migration.is_same_host:
        volumes.leave_all(op)
    op.tidy(op.host.firewall.remove, instance)
    _pass_on(op, migration.source_compute, 'finish_revert_resize',
             values={'host': migration.source_compute, 'node': migration.source_node,
                     'compute_id': migration.source_compute_id, 'placement': migration.source_placement,
                     **_flavor_values(migration.old_flavor)})


@carries_out('finish_revert_resize')
def finish_revert(op):
    """The source starts what it kept."""
    instance, migration = op.instance, _migration(op)
    op.undo(settle, op.context, instance, migration)
    network_info, bdi = _network(op, migration, migration.source_compute), volumes.connect_all(op)
    ran = migration.old_vm_state != vm_states.STOPPED
    op.host.driver.finish_revert_migration(op.context, instance, network_info, bdi, power_on=ran)
    migration.fail('reverted')
    _count(op, migration.old_flavor)
    op.ends(vm_state=vm_states.ACTIVE if ran else vm_states.STOPPED,
            power_state=op.host.driver.get_info(instance).state, launched_at=timeutils.utcnow(with_timezone=True))
    op.expects(task_states.RESIZE_REVERTING)
