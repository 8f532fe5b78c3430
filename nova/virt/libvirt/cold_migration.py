# SPDX-License-Identifier: Apache-2.0
"""Moving a guest that is off, to another host or size, and back.

Until the user is content the source keeps the server's files, in a directory beside where they were; what goes to the
destination is a copy.  Every step may be repeated: what a cut off one has done is found done.
"""

import contextlib
import os

from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import units

from nova import conf, exception
from nova.image import transfer
from nova.privsep import path as privileged
from nova.virt import driver, images, power_state
from nova.virt.libvirt import diskinfo, disks, imagebackend, imagecache, lifecycle, paths, power, remote, tpm, volume
from nova.virt.libvirt import guest as libvirt_guest

CONF = conf.CONF
LOG = logging.getLogger(__name__)

#: Ending of a disk that was made to stand alone, for a host that cannot get what it is an overlay of.
_FLAT = '.flat'
#: Where nothing goes over a wire.
_HERE = contextlib.nullcontext()


class ResizeRefused(exception.Invalid):
    msg_fmt = 'Unable to resize disk down: %(reason)s'


# The source ----------------------------------------------------------------------------------------------------------

def send(host, image_api, context, instance, dest, flavor, block_device_info, timeout=0, retry_interval=0):
    """Stop the guest, and copy its disks to the host of that address (our own: another size here).

    Returns JSON text for `finish`.  Raises InstanceFaultRollback with the reason; the guest runs again then, if it did.
    """
    try:
        stays = dest in (CONF.my_ip, CONF.host)
        _require_not_smaller(instance, flavor, block_device_info)
        _require_bases(image_api, context, instance)
        if not stays:
            disks.require_files(instance, {**diskinfo.read(paths.kept(instance)), **diskinfo.of(instance)})
        with _HERE if stays else remote.Remote(dest) as other:
            if other is not None:
                volume.require_seen(block_device_info, other)
                other = None if other.shares(CONF.instances_path) else other
            sent = _stop_and_copy(host, image_api, context, instance, other, (timeout, retry_interval))
    except (exception.NovaException, OSError) as exc:
        raise exception.InstanceFaultRollback(exc) from exc
    volume.disconnect_all(block_device_info)
    LOG.info('The guest is off, and its disks are copied', instance_uuid=instance.uuid)
    return jsonutils.dumps(sent)


def _stop_and_copy(host, image_api, context, instance, other, patience):
    with contextlib.ExitStack() as undo:
        undo.callback(_go_back, host, instance, other)
        guest = libvirt_guest.Guest(host, instance.uuid)
        if guest.exists():
            power.power_off(guest, *patience)
        sent = _copy(image_api, context, instance, _put_aside(instance), other)
        lifecycle.destroy(host, instance)
        undo.pop_all()
    return sent


def _require_not_smaller(instance, flavor, block_device_info):
    """Raises ResizeRefused: what a guest has on its disks would not fit any more."""
    old, known = instance.flavor, diskinfo.of(instance)
    if paths.ROOT in known and flavor.root_gb < old.root_gb:
        raise ResizeRefused(reason=f'the root disk has {old.root_gb} GiB, the flavor {flavor.root_gb}')
    asked = driver.block_device_info_get_ephemerals(block_device_info)
    # The records say what they began with.
    now = sum(info.size for name, info in known.items() if name.startswith(paths.EPHEMERAL)) // units.Gi
    has = max(now, sum(disk['size'] for disk in asked) or old.ephemeral_gb)
    if flavor.ephemeral_gb < has:
        raise ResizeRefused(reason=f'the ephemeral disks have {has} GiB, the flavor {flavor.ephemeral_gb}')


def _require_bases(image_api, context, instance):
    """What the disks are overlays of is here, or is fetched.  Raises what that raises.

    A guest that runs has it open even where it was removed; once off it would be off for good.
    """
    for name, info in diskinfo.of(instance).items():
        if info.base and not (imagecache.find(info.base) or imagecache.remake(info.base)):
            disks.require_same(imagecache.fetch(context, image_api, instance.image_ref), paths.of(instance, name), info)


def _put_aside(instance):
    """Move the server's disks, and what is beside them, to where they are kept.  {name: DiskInfo} of the disks."""
    # While the files are the server's it says whose they are; a copy on its way does not.
    if disks.host_of(instance) is not None:
        confirm(instance)
        privileged.take_files(os.path.abspath(paths.of(instance)))
        os.rename(paths.of(instance), paths.kept(instance))
    for own, kept, info in _pairs(instance):
        # Where there are both, that which has the old name is a copy.
        if not os.path.exists(kept):
            imagebackend.of(info).follow(own, kept)
    tpm.keep(instance, paths.kept(instance))
    return {name: info for name, info in diskinfo.read(paths.kept(instance)).items()
            if os.path.exists(_kept(instance, name, info))}


def _kept(instance, name, info):
    """Where a disk is kept."""
    return diskinfo.path(paths.kept(instance), name, info)


def _pairs(instance):
    """[(where it was, where it is kept, DiskInfo)] of the disks that are kept."""
    return [(diskinfo.path(paths.of(instance), name, info), _kept(instance, name, info), info)
            for name, info in diskinfo.read(paths.kept(instance)).items()]


def _copy(image_api, context, instance, files, other):
    """Copy disks to the other host (None: to where this one had them).  Returns what `finish` has to know."""
    directory, sent = paths.of(instance), {}
    if other is None:
        _forget_copy(instance)
        os.makedirs(directory)
    for name, info in files.items():
        source, info = _standing_alone(image_api, context, instance, name, info)
        try:
            size = _copy_disk(source, directory, name, info, other)
        finally:
            if source.endswith(_FLAT):
                transfer.remove(source)
        sent[name] = {**diskinfo.to_dict(info), 'file_size': size}
    beside = {name: _copy_disk(paths.kept(instance, name), directory, name, None, other) for name in paths.BESIDE
              if os.path.exists(paths.kept(instance, name))}
    return {'disks': sent, 'beside': beside, 'packed': other is not None}


def _copy_disk(source, directory, name, info, other):
    """Bytes of its file.  `info`: its record; None for a file that is no disk."""
    if other is not None:
        other.send({name: source}, directory)
    elif info is None:
        transfer.copy_file(source, os.path.join(directory, name))
    else:
        imagebackend.of(info).copy(source, diskinfo.path(directory, name, info), info.size)
    return os.path.getsize(source)


def _standing_alone(image_api, context, instance, name, info):
    """(path, DiskInfo) of a disk that the destination can use: the disk, or a copy without anything below it.

    The image that a server was made from may have been removed, and that which it was shelved as has been.
    """
    source = _kept(instance, name, info)
    if can_be_fetched(image_api, context, instance, info):
        return source, info
    flat = source + _FLAT
    transfer.remove(flat)
    images.convert(source, info.format, flat, info.format)
    return flat, diskinfo.alone(info)


def can_be_fetched(image_api, context, instance, info):
    """Whether any host can get the file that a disk is an overlay of."""
    if info.base is None or imagecache.is_empty(info.base):
        return True
    if not instance.image_ref or info.base != imagecache.name_of(instance.image_ref):
        return False
    try:
        # The store may have lost the content of what it has a record of.
        image_api.data_path(context, instance.image_ref)
        return image_api.get(context, instance.image_ref)['status'] == 'active'
    except exception.NovaException:
        return False


def _go_back(host, instance, other):
    """The undo of `send`: the guest is as it was."""
    def restore():
        # While the files are the server's own, what is kept is what an old move left.
        if disks.host_of(instance) is None and os.path.isdir(paths.kept(instance)):
            _take_back(instance)
        guest = libvirt_guest.Guest(host, instance.uuid)
        if guest.exists():
            tpm.forget(instance)
            if instance.power_state == power_state.RUNNING:
                guest.start()
    steps = [restore]
    if other is not None and os.path.isdir(paths.kept(instance)):
        steps.append(lambda: other.remove(paths.of(instance)))
    lifecycle.quietly(instance, *steps)


def _forget_copy(instance):
    privileged.remove_tree(os.path.abspath(paths.of(instance)))


def _take_back(instance):
    """Put what was kept in place of the copy."""
    for own, kept, info in _pairs(instance):
        if info.group and os.path.exists(kept):
            # What has the name is a copy: where the kept one is not there, it is that one already.
            imagebackend.of(info).remove(own)
            imagebackend.of(info).follow(kept, own)
    _forget_copy(instance)
    os.rename(paths.kept(instance), paths.of(instance))
    disks.take(instance)


def confirm(instance):
    """Remove what was kept."""
    disks.remove_volumes(instance, paths.kept(instance))
    privileged.remove_tree(os.path.abspath(paths.kept(instance)))


def finish_revert(host, image_api, request, power_on):
    """Make the guest from what was kept."""
    if os.path.isdir(paths.kept(request.instance)):
        _take_back(request.instance)
    lifecycle.make_here(host, image_api, request, power_on)


# The destination -----------------------------------------------------------------------------------------------------

def finish(host, image_api, request, disk_info, resized, power_on):
    """Make the guest from the disks that came.  On error it is not here; the disks are."""
    instance = request.instance
    _unpack(instance, jsonutils.loads(disk_info))
    if resized:
        request.block_device_info = _resized(instance, request.block_device_info)
        _drop_swap(instance)
    lifecycle.make_here(host, image_api, request, power_on, before_start=lambda: _grow(instance) if resized else None)
    LOG.info('The guest has arrived', instance_uuid=instance.uuid)


def _unpack(instance, sent):
    """The disks as they were at the source, whatever user and names they came by."""
    directory = paths.of(instance)
    # One that boots from a volume has sent nothing.
    os.makedirs(directory, exist_ok=True)
    privileged.take_files(os.path.abspath(directory))
    disks.take(instance)
    known = diskinfo.of(instance)
    for name, values in sent['disks'].items():
        size = values.pop('file_size')
        if name in known:
            continue
        if sent['packed']:
            remote.unpack(directory, name, size)
        diskinfo.record(instance, name, diskinfo.DiskInfo(**values))
    for name, size in sent.get('beside', {}).items():
        path = os.path.join(directory, name)
        if os.path.exists(path + paths.MOVING):
            remote.unpack(directory, name, size)
        if os.path.exists(path):
            # There are secrets in it.
            os.chmod(path, 0o600)


def _resized(instance, block_device_info):
    """The block devices by the new flavor: the records of the disks that came with the old one say its sizes."""
    info = dict(block_device_info or {})
    ephemerals = driver.block_device_info_get_ephemerals(info)
    if len(ephemerals) == 1:
        info['ephemerals'] = [{**ephemerals[0], 'size': instance.flavor.ephemeral_gb}]
    if info.get('swap') and instance.flavor.swap:
        info['swap'] = {**info['swap'], 'swap_size': instance.flavor.swap}
    return info


def _drop_swap(instance):
    """What is in swap space of another size is worth nothing: it is made anew."""
    swap, wanted_mb = diskinfo.of(instance).get(paths.SWAP), instance.flavor.swap
    if swap is not None and wanted_mb and swap.size != wanted_mb * units.Mi:
        disks.remove_some(instance, paths.SWAP)


def _grow(instance):
    """Give disks the sizes of the flavor."""
    flavor, known = instance.flavor, diskinfo.of(instance)
    wanted = {paths.ROOT: flavor.root_gb}
    if paths.ephemeral(1) not in known:
        wanted[paths.ephemeral(0)] = flavor.ephemeral_gb
    for name, size_gb in wanted.items():
        info = known.get(name)
        if info is not None and info.size < size_gb * units.Gi:
            size = imagebackend.of(info).grow(disks.path_of(instance, name, known), size_gb * units.Gi)
            diskinfo.record(instance, name, diskinfo.of_size(info, size))
