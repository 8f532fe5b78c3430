# SPDX-License-Identifier: Apache-2.0
"""Block devices: from what the user asked for to what a driver takes."""

import base64

from oslo_utils import uuidutils

from nova import exception

#: Prefix of device names unless the driver says otherwise.
_PREFIX = '/dev/vd'


def of_request(flavor, image_id, requested=None):
    """Column values of the disks of a new server: its root disk, and ephemeral and swap disks of its flavor.

    :param requested: [block_device_mapping_v2 item], already validated by schema.
    Raises InvalidBDM.
    """
    disks = []
    if not requested:
        disks.append(_row(source_type='image', destination_type='local', device_type='disk', boot_index=0,
                          image_id=image_id or None, delete_on_termination=True, volume_size=flavor.root_gb or None))
    if flavor.ephemeral_gb:
        disks.append(_row(source_type='blank', destination_type='local', device_type='disk', boot_index=-1,
                          delete_on_termination=True, volume_size=flavor.ephemeral_gb))
    if flavor.swap:
        disks.append(_row(source_type='blank', destination_type='local', device_type='disk', boot_index=-1,
                          delete_on_termination=True, volume_size=flavor.swap, guest_format='swap'))
    return disks + [_requested(item) for item in requested or ()]


def _row(**values):
    row = dict.fromkeys(('source_type', 'destination_type', 'guest_format', 'device_name', 'device_type', 'disk_bus',
                         'boot_index', 'snapshot_id', 'volume_id', 'volume_size', 'volume_type', 'image_id', 'tag'))
    return {**row, 'uuid': uuidutils.generate_uuid(), 'delete_on_termination': False, 'no_device': False, **values}


def _requested(item):
    source = item.get('source_type') or ('volume' if item.get('volume_id') else
                                         'snapshot' if item.get('snapshot_id') else 'blank')
    goal = item.get('destination_type') or ('volume' if source in ('volume', 'snapshot') else 'local')
    if goal == 'volume':
        return _to_volume(item, source)
    if source not in ('image', 'blank'):
        raise exception.InvalidBDM(reason=f'block_device_mapping_v2: destination_type: a disk from a {source} must be '
                                          'a volume')
    return _row(source_type=source, destination_type='local', guest_format=item.get('guest_format'),
                device_name=item.get('device_name'), device_type=item.get('device_type'),
                disk_bus=item.get('disk_bus'), boot_index=item.get('boot_index'),
                image_id=item.get('uuid') or item.get('image_id'), tag=item.get('tag'),
                volume_size=item.get('volume_size'),
                delete_on_termination=bool(item.get('delete_on_termination', True)))


def _to_volume(item, source):
    """A disk that is a volume: one that there is, or one that is made of an image, of a snapshot, or empty."""
    reference = item.get('uuid')
    where = {'volume': 'volume_id', 'snapshot': 'snapshot_id', 'image': 'image_id'}.get(source)
    found = (reference or item.get(where)) if where else None
    if where and not found:
        raise exception.InvalidBDM(reason=f'block_device_mapping_v2: uuid: says which {source}, and is missing')
    if source in ('blank', 'image') and not item.get('volume_size'):
        raise exception.InvalidBDM(reason=f'block_device_mapping_v2: volume_size: is needed for a volume from {source}')
    return _row(source_type=source, destination_type='volume', guest_format=item.get('guest_format'),
                device_name=item.get('device_name'), device_type=item.get('device_type') or 'disk',
                disk_bus=item.get('disk_bus'), boot_index=item.get('boot_index'), tag=item.get('tag'),
                volume_size=item.get('volume_size'), volume_type=item.get('volume_type'),
                delete_on_termination=bool(item.get('delete_on_termination')), **({where: found} if where else {}))


def volume_row(instance_uuid, volume, device, attachment_id, tag=None, delete_on_termination=False):
    """Column values of a volume that is attached to a server that there is."""
    return _row(instance_uuid=instance_uuid, source_type='volume', destination_type='volume', device_type='disk',
                device_name=device, volume_id=volume.id, volume_size=volume.size_gb, attachment_id=attachment_id,
                tag=tag, delete_on_termination=delete_on_termination, deleted=0)


def device_for(instance, bdms, wanted=None):
    """The device name for one more disk: the one wanted, or the next.  Raises InvalidInput when it is taken."""
    names = _names(instance, bdms)
    taken = {instance.root_device_name or f'{_PREFIX}a', *(names(bdm) for bdm in bdms)}
    if wanted:
        wanted = wanted if wanted.startswith('/dev/') else f'/dev/{wanted}'
        if wanted in taken:
            raise exception.InvalidInput(reason=f'device: {wanted} is taken')
        return wanted
    return next(name for name in (f'{_PREFIX}{letter}' for letter in 'bcdefghijklmnopqrstuvwxyz') if name not in taken)


def name_of(instance, bdms, bdm):
    """The device name that a disk has, or gets, among the others of a server."""
    names = _names(instance, bdms)
    return next(name for each, name in ((each, names(each)) for each in bdms) if each is bdm)


def info_of(instance, bdms):
    """The dict a driver takes: root device, image disks, ephemerals (GiB), swap (MiB) and volumes.

    Names that nobody chose are given in order; they are the same every time.
    """
    root = next((bdm for bdm in bdms if bdm.boot_index == 0), None)
    others = [bdm for bdm in bdms if bdm is not root and not bdm.no_device]
    ephemerals = [bdm for bdm in others if bdm.source_type == 'blank' and bdm.guest_format != 'swap'
                  and bdm.destination_type == 'local']
    swaps = [bdm for bdm in others if bdm.guest_format == 'swap']
    images = [bdm for bdm in bdms if bdm.source_type == 'image' and bdm.destination_type == 'local']
    volumes = [bdm for bdm in bdms if bdm.destination_type == 'volume']
    names = _names(instance, bdms)
    info = {
        'root_device_name': instance.root_device_name or f'{_PREFIX}a',
        'image': [{'device_name': names(bdm), 'size': bdm.volume_size or 0, 'boot_index': bdm.boot_index,
                   'image_id': bdm.image_id, 'disk_bus': bdm.disk_bus, 'device_type': bdm.device_type}
                  for bdm in images],
        'ephemerals': [{'device_name': names(bdm), 'size': bdm.volume_size or 0, 'guest_format': bdm.guest_format,
                        'disk_bus': bdm.disk_bus, 'device_type': bdm.device_type} for bdm in ephemerals],
        'swap': None,
        'block_device_mapping': [{'mount_device': names(bdm), 'connection_info': bdm.connection_info,
                                  'boot_index': bdm.boot_index, 'disk_bus': bdm.disk_bus,
                                  'device_type': bdm.device_type, 'delete_on_termination': bdm.delete_on_termination,
                                  'guest_format': bdm.guest_format, 'attachment_id': bdm.attachment_id}
                                 for bdm in volumes],
    }
    if swaps:
        info['swap'] = {'device_name': names(swaps[0]), 'swap_size': swaps[0].volume_size,
                        'disk_bus': swaps[0].disk_bus, 'device_type': swaps[0].device_type}
    return info


def _names(instance, bdms):
    taken = {bdm.device_name for bdm in bdms if bdm.device_name} | {instance.root_device_name or f'{_PREFIX}a'}
    free = (f'{_PREFIX}{letter}' for letter in 'bcdefghijklmnopqrstuvwxyz')

    def name(bdm):
        if bdm.device_name:
            return bdm.device_name
        if bdm.boot_index == 0:
            return instance.root_device_name or f'{_PREFIX}a'
        chosen = next(letter for letter in free if letter not in taken)
        taken.add(chosen)
        return chosen
    return name


def injected_files(items):
    """[(path, bytes)] of the personality [{'path', 'contents' (base64)}, …]."""
    return [(item['path'], base64.b64decode(item['contents'])) for item in items or ()]
