# SPDX-License-Identifier: Apache-2.0
"""Volumes come to guests and leave them.  Every step may be repeated."""

from oslo_log import log

from nova import exception
from nova.compute import block_devices
from nova.compute.operations import carries_out

LOG = log.getLogger(__name__)


def _bdm(op):
    found = next((bdm for bdm in op.bdms or () if bdm.uuid == op.args['bdm_uuid']), None)
    if found is None:
        raise exception.InvalidVolume(reason='the attachment is gone')
    return found


@carries_out('attach_volume')
def attach(op):
    """Connect a volume to the guest; on failure it is free again."""
    bdm = _bdm(op)
    op.undo(op.host.volume.attachment_delete, op.context, bdm.attachment_id)
    op.undo(bdm.destroy)
    info = connect(op, bdm)
    if op.action.attempts > 1:
        # A try that was cut off may have come that far.
        op.host.driver.detach_volume(info, op.instance, bdm.device_name)
    op.host.driver.attach_volume(op.context, info, op.instance, bdm.device_name, disk_bus=bdm.disk_bus,
                                 device_type=bdm.device_type)
    op.host.volume.attachment_complete(op.context, bdm.attachment_id, bdm.device_name)


def connect(op, bdm):
    """Have the volume exported to this host; returns its connection info, which is stored."""
    connector = op.host.driver.get_volume_connector(op.instance)
    info = op.host.volume.attachment_update(op.context, bdm.volume_id, bdm.attachment_id, connector)
    bdm.connection_info = info
    bdm.save()
    return info


def connect_all(op):
    """Connect the volumes of a server that is being made here; new ones are created first.

    Returns the block device info for the driver.
    """
    for bdm in op.bdms or ():
        if not bdm.is_volume:
            continue
        if not bdm.volume_id:
            _create(op, bdm)
        if not bdm.device_name:
            bdm.device_name = block_devices.name_of(op.instance, op.bdms, bdm)
        if not bdm.attachment_id:
            bdm.attachment_id = op.host.volume.attachment_create(op.context, bdm.volume_id, op.instance.uuid)
        bdm.save()
        connect(op, bdm)
        op.host.volume.attachment_complete(op.context, bdm.attachment_id, bdm.device_name)
    return block_devices.info_of(op.instance, op.bdms)


def _create(op, bdm):
    source = {'image': {'image_id': bdm.image_id}, 'snapshot': {'snapshot_id': bdm.snapshot_id}}.get(
        bdm.source_type, {})
    made = op.host.volume.create(op.context, bdm.volume_size, name=f'{op.instance.uuid}-{bdm.source_type}',
                                 volume_type=bdm.volume_type, **source)
    bdm.volume_id, bdm.volume_size = made.id, made.size_gb
    bdm.save()


@carries_out('detach_volume')
def detach(op):
    """Take a volume out of the guest."""
    bdm = _bdm(op)
    op.undo(_in_use_again, op, bdm)
    op.host.driver.detach_volume(bdm.connection_info or {}, op.instance, bdm.device_name)
    op.forget_undo()
    bdm.destroy()
    op.host.volume.attachment_delete(op.context, bdm.attachment_id)


def _in_use_again(op, bdm):
    op.host.volume.attachment_complete(op.context, bdm.attachment_id, bdm.device_name)


@carries_out('swap_volume')
def swap(op):
    """Replace a volume by another while the guest runs."""
    bdm, args = _bdm(op), op.args
    op.undo(op.host.volume.attachment_delete, op.context, args['new_attachment_id'])
    connector = op.host.driver.get_volume_connector(op.instance)
    info = op.host.volume.attachment_update(op.context, args['new_volume_id'], args['new_attachment_id'], connector)
    op.host.driver.swap_volume(bdm.connection_info, info, op.instance, bdm.device_name, args['resize_to'])
    old = bdm.attachment_id
    bdm.volume_id, bdm.attachment_id, bdm.connection_info = args['new_volume_id'], args['new_attachment_id'], info
    bdm.volume_size = args['resize_to']
    bdm.save()
    op.host.volume.attachment_complete(op.context, bdm.attachment_id, bdm.device_name)
    op.host.volume.attachment_delete(op.context, old)


def give_back_all(host, context, bdms):
    """The server is gone: its volumes are free, and those that were to go with it are deleted."""
    for bdm in bdms or ():
        if not bdm.volume_id:
            continue
        if bdm.attachment_id:
            host.volume.attachment_delete(context, bdm.attachment_id)
        if bdm.delete_on_termination:
            try:
                host.volume.delete(context.elevated(), bdm.volume_id)
            except (exception.VolumeNotFound, exception.InvalidVolume) as exc:
                LOG.warning('Volume %s was to be deleted with server %s and stays: %s', bdm.volume_id,
                            bdm.instance_uuid, exc)

