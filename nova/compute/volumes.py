# SPDX-License-Identifier: Apache-2.0
"""Volumes come to guests and leave them.  Every step may be repeated."""

import contextlib

from oslo_log import log

from nova import concurrency, exception, objects, volume
from nova.compute import block_devices, volume_usage
from nova.compute.operations import carries_out, insist

LOG = log.getLogger(__name__)

#: So many of a server's actions may be under way at a time.
_RECENT = 50


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
    bdm.attachment_id = _reserve(op, bdm)
    bdm.save()


def _reserve(op, bdm):
    """The promise of a volume; the one that an earlier try got and never heard of, where there is one."""
    try:
        return op.host.volume.attachment_create(op.context, bdm.volume_id, op.instance.uuid)
    except exception.InvalidVolume:
        recorded = {each.attachment_id for each in op.bdms}
        for each in op.host.volume.attachments_of(op.context, bdm.volume_id, op.instance.uuid):
            if each['id'] not in recorded:
                return each['id']
        raise


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
            _close(op.host, op.context, bdm)
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
    _drop_others(op.host, op.context, bdm)
    op.host.volume.attachment_delete(op.context, bdm.attachment_id)
    op.forget_undo()
    bdm.destroy()
    op.bdms.remove(bdm)


# Swapping ------------------------------------------------------------------------------------------------------------
# The guest has the one volume or the other, whatever is cut off when.  So while a disk is being swapped its connection
# info keeps what it may become, and then what it was, until all is recorded as the guest has it.

_TO, _FROM = 'swapping_to', 'swapped_from'


def is_swapping(bdm):
    """Whether it is not settled yet which volume the disk has, or what becomes of the other one."""
    return bool({_TO, _FROM} & set(bdm.connection_info or ()))


def _plain(connection_info):
    return {name: value for name, value in (connection_info or {}).items() if name not in (_TO, _FROM)}


def _note(bdm, **notes):
    """Keep these notes with a disk, and no others."""
    bdm.connection_info = {**_plain(bdm.connection_info), **notes}
    bdm.save()


@carries_out('swap_volume')
def swap(op):
    """Replace a volume by another while the guest runs.  May be repeated."""
    bdm = _bdm(op)
    op.host.unsettled.add(op.instance.uuid)
    if bdm.attachment_id != op.args['new_attachment_id']:
        _replace(op, bdm)
    op.tidy(_close, op.host, op.context, bdm)
    volume_usage.goes_on(op, bdm)


def _replace(op, bdm):
    """Have the driver do it, and record it."""
    args, old = op.args, _plain(bdm.connection_info)
    if is_swapping(bdm) and not _is_of(op, bdm):
        op.undo(op.host.volume.roll_detaching, op.context, bdm.volume_id)
        op.undo(op.host.volume.attachment_delete, op.context, args['new_attachment_id'])
        raise exception.InvalidVolume(reason=f'an earlier swap of {bdm.device_name} is not settled yet')
    # Of a try that was cut off: it tells what the guest may have by now.
    new = (bdm.connection_info or {}).get(_TO) or {
        'volume_id': args['new_volume_id'], 'attachment_id': args['new_attachment_id'],
        'volume_size': args['resize_to'], 'connection_info': None}
    op.undo(_take_back, op.host, op.context, op.instance, bdm)
    _note(bdm, **{_TO: new})
    info = op.host.volume.attachment_update(op.context, new['volume_id'], new['attachment_id'],
                                            _connector(op.host, op.instance, bdm.device_name))
    info = _of_host(info, op.host.name)
    new = {**new, 'connection_info': info}
    _note(bdm, **{_TO: new})
    op.hear(False)
    resize_to = args['resize_to'] if args['resize_to'] > (bdm.volume_size or 0) else 0
    with volume_usage.ending(op, [bdm]):
        op.host.driver.swap_volume(old, info, op.instance, bdm.device_name, resize_to)
    op.forget_undo()
    _has_become(bdm, new)


def _has_become(bdm, new):
    """The guest has the new volume: record that, at any price."""
    former = {'volume_id': bdm.volume_id, 'attachment_id': bdm.attachment_id}
    bdm.volume_id, bdm.attachment_id, bdm.volume_size = new['volume_id'], new['attachment_id'], new['volume_size']
    bdm.connection_info = {**new['connection_info'], _FROM: former}
    insist(bdm.save)


def _is_of(op, bdm):
    """Whether what is noted with a disk is of this very order."""
    attachment_id = (bdm.connection_info or {}).get(_TO, {}).get('attachment_id', bdm.attachment_id)
    return op.args.get('new_attachment_id') == attachment_id


def _take_back(host, context, instance, bdm):
    """The swap failed."""
    try:
        _settle(host, context, instance, bdm)
    except NotImplementedError:
        # It is said of each driver that the guest has the old volume then.
        _close(host, context, bdm)


def _settle(host, context, instance, bdm):
    """After a swap that was cut off, or failed: record what the guest has, and give back the other volume."""
    new = (bdm.connection_info or {}).get(_TO)
    if new and _guest_has(host, instance, bdm, new):
        _has_become(bdm, new)
    _close(host, context, bdm)


def _guest_has(host, instance, bdm, new):
    if new['connection_info'] is None or bdm.connection_info.get('host') != host.name:
        return False    # it was not begun, or not here, where the guest is as it is recorded
    return host.driver.swap_volume_interrupted(_plain(bdm.connection_info), new['connection_info'], instance,
                                               bdm.device_name)


def _close(host, context, bdm):
    """Of the two volumes of a swap the server has the one that is recorded; the other one is free."""
    notes = bdm.connection_info or {}
    if _TO in notes:
        host.volume.attachment_delete(context, notes[_TO]['attachment_id'])
        host.volume.roll_detaching(context, bdm.volume_id)
    elif _FROM in notes:
        with contextlib.suppress(exception.VolumeNotFound):
            host.volume.attachment_complete(context, bdm.attachment_id, bdm.device_name)
        host.volume.attachment_delete(context, notes[_FROM]['attachment_id'])
        bdm.volume_id = _name_of_swapped(host, context, notes[_FROM]['volume_id'], bdm.volume_id)
    else:
        return
    _note(bdm)


def _name_of_swapped(host, context, former_id, volume_id):
    """The id that the new volume goes by: where the service itself moved the volume, it gets the former one's."""
    try:
        former = host.volume.get(context, former_id)
    except exception.VolumeNotFound:
        return volume_id
    try:
        host.volume.get(context, volume_id)
    except exception.VolumeNotFound:
        return former_id    # an earlier try had come so far
    return host.volume.swapped(context, former, volume_id)


def settle(op):
    """What an earlier swap has left must not come into the way of an operation; if it does not work, of the next."""
    for bdm in op.bdms or ():
        if is_swapping(bdm) and not _is_of(op, bdm):
            op.tidy(_settle, op.host, op.context, op.instance, bdm)


def find_unsettled(host, context):
    """When the service starts: which servers have swaps that were cut off."""
    for bdm in objects.BlockDeviceMappingList.get_volumes_on(context, host.name):
        if is_swapping(bdm):
            host.unsettled.add(bdm.instance_uuid)


def settle_all(host, context):
    """Look at the servers with such swaps; those that are being done are left alone."""
    for uuid in sorted(host.unsettled - host.busy):
        try:
            if _is_settled(host, context, uuid):
                host.unsettled.discard(uuid)
        except Exception as exc:    # noqa: BLE001  (the edge: the next one must have its turn)
            LOG.warning('The volumes of server %s are not settled yet: %s: %s', uuid, type(exc).__name__, exc)


def _is_settled(host, context, uuid):
    with concurrency.lock(f'server {uuid}'):
        try:
            instance = objects.Instance.get_by_uuid(context, uuid)
        except exception.InstanceNotFound:
            return True
        bdms = [bdm for bdm in objects.BlockDeviceMappingList.get_by_instance_uuid(context, uuid) if is_swapping(bdm)]
        if not bdms or instance.host != host.name:
            return True
        if any(action.action == 'swap_volume' and action.state != 'done'
               for action in objects.InstanceActionList.get_by_instance_uuid(context, uuid, limit=_RECENT)):
            return False
        for bdm in bdms:
            _settle(host, context, instance, bdm)
            LOG.info('Server %s has volume %s as %s, after a swap that was cut off', uuid, bdm.volume_id,
                     bdm.device_name)
        return True


def give_up(context, action, volume_api=None):
    """Nobody will do this order any more.  Where a host has begun with it, that settles it when it can."""
    if action.action != 'swap_volume':
        return
    args, volume_api = action.args, volume_api or volume.API()
    bdm = next((bdm for bdm in objects.BlockDeviceMappingList.get_by_instance_uuid(context, action.instance_uuid)
                if bdm.uuid == args['bdm_uuid']), None)
    if bdm is not None and (is_swapping(bdm) or bdm.attachment_id == args['new_attachment_id']):
        return
    try:
        volume_api.attachment_delete(context, args['new_attachment_id'])
        if bdm is not None:
            volume_api.roll_detaching(context, bdm.volume_id)
    except exception.NovaException as exc:
        LOG.warning('Volume %s was not swapped for %s, which could not be said to the volume service: %s',
                    getattr(bdm, 'volume_id', None), args['new_volume_id'], exc)


def give_back_all(host, context, bdms):
    """The server is gone: its volumes are free, and those that were to go with it are deleted."""
    for bdm in bdms or ():
        if not bdm.volume_id:
            continue
        _close(host, context, bdm)
        # Also those of which the record knows nothing: whoever asked for one never heard of it.
        held = [each['id'] for each in host.volume.attachments_of(context, bdm.volume_id, bdm.instance_uuid)]
        for attachment_id in {*held, bdm.attachment_id} - {None}:
            host.volume.attachment_delete(context, attachment_id)
        if bdm.delete_on_termination:
            _delete(host, context, bdm.volume_id)


def _delete(host, context, volume_id):
    try:
        host.volume.delete(context.elevated(), volume_id)
    except exception.VolumeNotFound:
        LOG.info('Volume %s was to be deleted with its server, and is not there any more', volume_id)
    except (exception.InvalidVolume, exception.PolicyNotAuthorized) as exc:
        LOG.warning('Volume %s was to be deleted with its server and stays: %s', volume_id, exc)
        return
    volume_usage.forget(context, volume_id)
