# SPDX-License-Identifier: Apache-2.0
"""Volumes come to guests and leave them.  Every step may be repeated."""

from oslo_log import log

from nova import exception
from nova.compute import block_devices, volume_usage
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
    op.undo(op.host.driver.detach_volume, info, op.instance, bdm.device_name)
    op.host.volume.attachment_complete(op.context, bdm.attachment_id, bdm.device_name)


def connect(op, bdm):
    """Have the volume exported to this host; returns its connection info, which is stored."""
    info = op.host.volume.attachment_update(op.context, bdm.volume_id, bdm.attachment_id,
                                            _connector(op.host, op.instance, bdm.device_name))
    bdm.connection_info = _of_host(info, op.host.name)
    bdm.save()
    return bdm.connection_info


def _connector(host, instance, device):
    return {**host.driver.get_volume_connector(instance), 'mountpoint': device}


def _of_host(info, host):
    """The connection info as it is stored: it says which host has the volume."""
    return {**info, 'host': host}


def connect_all(op):
    """Connect the volumes of a server that is being made here; new ones are created first.

    Returns the block device info for the driver.  `leave_all` takes it back.
    """
    for bdm in op.bdms or ():
        if not bdm.is_volume:
            continue
        if not bdm.attachment_id:
            _promise(op, bdm)
        connect(op, bdm)
        op.host.volume.attachment_complete(op.context, bdm.attachment_id, bdm.device_name)
    return block_devices.info_of(op.instance, op.bdms)


def _promise(op, bdm):
    if not bdm.volume_id:
        _create(op, bdm)
    if bdm.source_type != 'volume':
        _await(op, bdm)
    if not bdm.device_name:
        bdm.device_name = block_devices.name_of(op.instance, op.bdms, bdm)
    bdm.attachment_id = op.host.volume.attachment_create(op.context, bdm.volume_id, op.instance.uuid)
    bdm.save()


def _create(op, bdm):
    source = {'image': {'image_id': bdm.image_id}, 'snapshot': {'snapshot_id': bdm.snapshot_id}}.get(
        bdm.source_type, {})
    made = op.host.volume.create(op.context, bdm.volume_size, name=f'{op.instance.uuid}-{bdm.source_type}',
                                 volume_type=bdm.volume_type,
                                 availability_zone=op.host.volume.zone_for(op.instance.availability_zone), **source)
    # At once: whatever happens next, it is known whose it is.
    bdm.volume_id, bdm.volume_size = made.id, made.size_gb
    bdm.save()


def _await(op, bdm):
    """Wait for a volume that was made for this server; one that fails is nobody's, and goes."""
    try:
        op.host.volume.wait_for(op.context, bdm.volume_id)
    except exception.VolumeNotCreated:
        failed, bdm.volume_id = bdm.volume_id, None
        _delete(op.host, op.context, failed)
        bdm.save()
        raise


def leave_all(op):
    """The server has left this host, or never came: its volumes stay promised to it, and are no host's."""
    for bdm in op.bdms or ():
        if bdm.attachment_id and bdm.connection_info:
            bdm.attachment_id = op.host.volume.attachment_create(op.context, bdm.volume_id, op.instance.uuid)
            bdm.connection_info = None
            bdm.save()
            _drop_others(op.host, op.context, bdm)


def _others(host, context, bdm):
    """The attachments of a volume to this server besides the one that is recorded: of another host, while it moves."""
    if not bdm.attachment_id:
        return []
    return [each for each in host.volume.attachments_of(context, bdm.volume_id, bdm.instance_uuid)
            if each['id'] != bdm.attachment_id]


def _drop_others(host, context, bdm):
    for each in _others(host, context, bdm):
        host.volume.attachment_delete(context, each['id'])


# While a running server moves ----------------------------------------------------------------------------------------

def connect_too(host, context, instance, bdms):
    """Have the volumes exported to this host besides the one that the server is on.  The records stay as they are;
    in `bdms` is how this host has them.  `disconnect_too` takes it back.
    """
    for bdm in bdms:
        if bdm.attachment_id:
            _drop_others(host, context, bdm)    # of a try that was cut off
            host.volume.attachment_create(context, bdm.volume_id, instance.uuid,
                                          _connector(host, instance, bdm.device_name))
            (new,) = _others(host, context, bdm)
            bdm.connection_info = _of_host(new['connection_info'], host.name)


def see_too(host, context, bdms):
    """Put into `bdms` how this host, to which the server is moving, has the volumes."""
    for bdm in bdms:
        bdm.connection_info = next((each['connection_info'] for each in _others(host, context, bdm)), None)


def disconnect_too(host, context, bdms):
    for bdm in bdms:
        _drop_others(host, context, bdm)


def hand_over(op, dest):
    """The server is on the other host now: so are its volumes, by the records.  Again changes nothing."""
    for bdm in op.bdms or ():
        if (bdm.connection_info or {}).get('host') == dest:
            continue
        for new in _others(op.host, op.context, bdm):
            bdm.attachment_id, bdm.connection_info = new['id'], _of_host(new['connection_info'], dest)
            bdm.save()
            op.host.volume.attachment_complete(op.context, bdm.attachment_id, bdm.device_name)
            break


# Leaving -------------------------------------------------------------------------------------------------------------

@carries_out('detach_volume')
def detach(op):
    """Take a volume out of the guest."""
    bdm = _bdm(op)
    op.undo(op.host.volume.roll_detaching, op.context, bdm.volume_id)
    with volume_usage.ending(op, [bdm]):
        op.host.driver.detach_volume(bdm.connection_info or {}, op.instance, bdm.device_name)
    # While the volume service does not take it back it can be detached again.
    op.host.volume.attachment_delete(op.context, bdm.attachment_id)
    op.forget_undo()
    bdm.destroy()
    op.bdms.remove(bdm)


@carries_out('swap_volume')
def swap(op):
    """Replace a volume by another while the guest runs."""
    bdm, args, volumes = _bdm(op), op.args, op.host.volume
    op.undo(volumes.roll_detaching, op.context, bdm.volume_id)
    op.undo(volumes.attachment_delete, op.context, args['new_attachment_id'])
    old = volumes.get(op.context, bdm.volume_id)
    info = volumes.attachment_update(op.context, args['new_volume_id'], args['new_attachment_id'],
                                     _connector(op.host, op.instance, bdm.device_name))
    info = _of_host(info, op.host.name)
    resize_to = args['resize_to'] if args['resize_to'] > (bdm.volume_size or 0) else 0
    with volume_usage.ending(op, [bdm]):
        op.host.driver.swap_volume(bdm.connection_info, info, op.instance, bdm.device_name, resize_to)
    op.forget_undo()
    former = bdm.attachment_id
    bdm.volume_id, bdm.attachment_id, bdm.connection_info = args['new_volume_id'], args['new_attachment_id'], info
    bdm.volume_size = args['resize_to']
    bdm.save()
    volumes.attachment_complete(op.context, bdm.attachment_id, bdm.device_name)
    volumes.attachment_delete(op.context, former)
    bdm.volume_id = volumes.swapped(op.context, old, bdm.volume_id)
    bdm.save()
    volume_usage.goes_on(op, bdm)


def give_back_all(host, context, bdms):
    """The server is gone: its volumes are free, and those that were to go with it are deleted."""
    for bdm in bdms or ():
        if not bdm.volume_id:
            continue
        if bdm.attachment_id:
            _drop_others(host, context, bdm)
            host.volume.attachment_delete(context, bdm.attachment_id)
        if bdm.delete_on_termination:
            _delete(host, context, bdm.volume_id)


def _delete(host, context, volume_id):
    try:
        host.volume.delete(context.elevated(), volume_id)
        volume_usage.forget(context, volume_id)
    except (exception.VolumeNotFound, exception.InvalidVolume, exception.PolicyNotAuthorized) as exc:
        LOG.warning('Volume %s was to be deleted with its server and stays: %s', volume_id, exc)
