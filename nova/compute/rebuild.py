# SPDX-License-Identifier: Apache-2.0
"""Making a server anew on its host out of an image."""

from oslo_utils import timeutils

from nova import exception
from nova.compute import block_devices, consoles, power, shares, snapshot, task_states, vm_states, volume_usage, volumes
from nova.compute.operations import carries_out


@carries_out('rebuild_instance')
@consoles.closes
def rebuild(op):
    """Addresses and volumes stay; one that was stopped is stopped afterwards.  May be repeated.

    The volume that a server boots from gets the content of the image where that is another one.
    """
    instance = op.instance
    tasks = (*snapshot.own_tasks(op), task_states.POWERING_OFF)
    op.save(tasks, task_state=task_states.REBUILDING)
    network_info, bdi = instance.get_network_info(), block_devices.info_of(instance, op.bdms)
    files = block_devices.injected_files(op.args.get('injected_files'))
    if not op.args.get('was_stopped'):
        shares.mount_all(op, mend=True)
    if op.args.get('reimage') or not _by_driver(op, files, network_info, bdi):
        _from_nothing(op, tasks, files, network_info, bdi)
    vm_state = vm_states.ACTIVE
    if op.args.get('was_stopped'):
        op.save(tasks, task_state=task_states.POWERING_OFF)
        op.host.driver.power_off(instance)
        vm_state = vm_states.STOPPED
    op.ends(vm_state=vm_state, power_state=op.host.driver.get_info(instance).state, progress=0,
            launched_at=timeutils.utcnow(with_timezone=True))
    op.expects(*tasks)


def _by_driver(op, files, network_info, bdi):
    """Whether the driver knows a way of its own.

    Raises PreserveEphemeralNotSupported where it does not, and only its own way would keep what is to be kept.
    """
    keep = bool(op.args.get('preserve_ephemeral') and bdi['ephemerals'])
    try:
        op.host.driver.rebuild(op.context, op.instance, op.instance.image_meta, files, op.args.get('admin_password'),
                               op.bdms, None, None, network_info=network_info, block_device_info=bdi,
                               preserve_ephemeral=keep)
    except NotImplementedError:
        if keep:
            refuse(op)
            raise exception.PreserveEphemeralNotSupported() from None
        return False
    return True


def _from_nothing(op, tasks, files, network_info, bdi):
    driver, instance, args = op.host.driver, op.instance, op.args
    if driver.instance_exists(instance):
        with volume_usage.ending(op, op.bdms):
            driver.power_off(instance, *power.patience(op))
    # Its disks too where the guest is lost.
    driver.destroy(op.context, instance, network_info, bdi)
    op.save(tasks, task_state=task_states.REBUILD_BLOCK_DEVICE_MAPPING)
    if args.get('reimage'):
        root = next(bdm for bdm in op.bdms if bdm.is_root)
        volumes.leave_all(op)
        op.undo(volumes.connect_all, op)
        op.host.volume.reimage(op.context, root.volume_id, args['reimage'])
        bdi = volumes.connect_all(op)
    op.save(tasks, task_state=task_states.REBUILD_SPAWNING)
    op.host.firewall.apply(instance, network_info)
    driver.spawn(op.context, instance, instance.image_meta, files, args.get('admin_password'),
                 network_info=network_info, block_device_info=bdi)


def refuse(op):
    """Should it fail now, nothing has happened to the server: it keeps its image and its state."""
    op.failure_state = None
    op.undo(op.save, **op.args['before'])
