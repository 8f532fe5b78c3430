# SPDX-License-Identifier: Apache-2.0
"""The disks of a server, made from the image cache, or out of nothing."""

import dataclasses
import os
import shutil

from oslo_concurrency import processutils
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import units

from nova import concurrency, conf, exception
from nova.image import transfer
from nova.privsep import lvm
from nova.privsep import path as privileged
from nova.virt.libvirt import container, diskinfo, imagebackend, imagecache, paths

CONF = conf.CONF
LOG = logging.getLogger(__name__)


class BaseImageChanged(exception.NovaException):
    msg_fmt = ('The image that disk %(path)s is an overlay of was lost, and came back as %(found)s instead of '
               '%(wanted)s.')


class DisksStay(exception.Invalid):
    msg_fmt = ('Disks of server %(instance_uuid)s are volumes in volume group %(group)s of its host, and cannot '
               'move to another.')


@dataclasses.dataclass
class Wanted:
    """What the disks of a server are made from.

    write_config_drive: f(path), which writes the config drive; asked for only where there is none yet; images: {file:
    id of the image that it is made from}, where that is not the server's own.
    """

    context: object
    image_api: object
    instance: object
    places: list
    write_config_drive: object = None
    config_drive_format: str | None = None
    images: dict = dataclasses.field(default_factory=dict)


def make(wanted):
    """Make every disk that is not there yet, and fetch what the others need.  {file name: DiskInfo} of all.

    Doing so again changes nothing.  Raises what `imagecache` and `imagebackend` raise; the caller removes the server's
    directory if nothing was there before.
    """
    os.makedirs(paths.of(wanted.instance), exist_ok=True)
    take(wanted.instance)
    container.link(wanted.instance, paths.of(wanted.instance))
    known = diskinfo.of(wanted.instance)
    for place in wanted.places:
        path = path_of(wanted.instance, place.file, known)
        info = known.get(place.file)
        if info is None or not os.path.exists(path):
            info = _MAKERS.get(place.file, _make_ephemeral)(wanted, place, info)
            diskinfo.record(wanted.instance, place.file, info)
        elif info.base is not None:
            _require_base(wanted, place, path, info)
        known[place.file] = info
    make_plain_files(wanted)
    return known


def path_of(instance, name, known=None):
    """Where a disk of a server is.  `known`: {name: DiskInfo} of its disks, where they were looked up already."""
    return diskinfo.path(paths.of(instance), name, (diskinfo.of(instance) if known is None else known).get(name))


def _require_base(wanted, place, path, info):
    """The cached file below an overlay may have been lost, with the host's disk for example: get it again."""
    found = imagecache.find(info.base) or imagecache.remake(info.base) or _source(wanted, place)
    require_same(found, path, info)


def require_same(cached, path, info):
    """Raises BaseImageChanged where a cached file is not that which a disk is an overlay of."""
    if (cached.name, cached.format) != (info.base, info.base_format):
        raise BaseImageChanged(path=path, found=f'{cached.name} ({cached.format})', wanted=f'{info.base} '
                                                                                           f'({info.base_format})')


def _root_size(wanted, place):
    """Bytes of the root disk by the flavor; None: as large as the image is."""
    root_gb = wanted.instance.flavor.root_gb
    return root_gb * units.Gi if root_gb and place.device == 'disk' else None


def _source(wanted, place):
    """The cached file that a disk is made from."""
    if place.file == paths.ROOT:
        return imagecache.fetch(wanted.context, wanted.image_api, wanted.instance.image_ref, _root_size(wanted, place))
    if place.file in wanted.images:
        return imagecache.fetch(wanted.context, wanted.image_api, wanted.images[place.file])
    if place.file == paths.SWAP:
        return imagecache.swap(place.size_mb)
    return imagecache.ephemeral(place.size_gb, place.file_system)


def _create(wanted, place, lost, size):
    """Make a disk of the configured kind.  `lost`: record of the one that is not there any more, or None.

    A volume that is lost is made again where it was, and nowhere else: there it may be found to be only out of sight.
    """
    backend = imagebackend.of(lost) if lost and lost.group else imagebackend.backend()
    path = backend.path(paths.of(wanted.instance), place.file)
    return backend.create(path, _source(wanted, place), size)


def _make_root(wanted, place, lost):
    return _create(wanted, place, lost, _root_size(wanted, place) or 0)


def _make_rescue(wanted, place, lost):
    return _create(wanted, place, lost, 0)


def _make_ephemeral(wanted, place, lost):
    return dataclasses.replace(_create(wanted, place, lost, place.size_gb * units.Gi), content=place.file_system)


def _make_swap(wanted, place, lost):
    return dataclasses.replace(_create(wanted, place, lost, place.size_mb * units.Mi), content='swap')


def _make_config_drive(wanted, place, _lost):
    path = paths.of(wanted.instance, place.file)
    wanted.write_config_drive(path)
    return diskinfo.DiskInfo('raw', os.path.getsize(path), content=wanted.config_drive_format)


_MAKERS = {paths.ROOT: _make_root, paths.SWAP: _make_swap, paths.CONFIG_DRIVE: _make_config_drive,
           paths.RESCUE: _make_rescue, paths.RESCUE_CONFIG_DRIVE: _make_config_drive}


def make_plain_files(wanted):
    """Kernel and ramdisk: copies, for libvirt gives each guest's files to that guest's user."""
    more = [(wanted.images[name], name) for name in (paths.RESCUE_KERNEL, paths.RESCUE_RAMDISK)
            if name in wanted.images]
    for image_id, name in ((wanted.instance.kernel_id, paths.KERNEL), (wanted.instance.ramdisk_id, paths.RAMDISK),
                           *more):
        path = paths.of(wanted.instance, name)
        if image_id and not os.path.exists(path):
            cached = imagecache.fetch_plain(wanted.context, wanted.image_api, image_id)
            concurrency.native(shutil.copyfile, cached.path, f'{path}.part')
            os.rename(f'{path}.part', path)


# Whose they are -------------------------------------------------------------------------------------------------------

def take(instance, host=None):
    """Say that the files of a server are a host's, by default this one's.  Where hosts share them, that changes."""
    host, former = host or CONF.host, host_of(instance)
    if former == host:
        return
    if former is not None:
        diskinfo.write_file(paths.of(instance, paths.FORMER_HOST), former)
    diskinfo.write_file(paths.of(instance, paths.HOST), host)


def give_back(instance, host):
    """Say that files that were taken over are that host's again."""
    diskinfo.write_file(paths.of(instance, paths.HOST), host)
    transfer.remove(paths.of(instance, paths.FORMER_HOST))


def host_of(instance):
    """Name of the host that the files of a server belong to; None where there are none, or nobody said."""
    return _said(instance, paths.HOST)


def former_host_of(instance):
    """Name of the host that this one took the files of a server over from; None where it did not, or they are not its
    own.
    """
    former = None if are_elsewhere(instance) else _said(instance, paths.FORMER_HOST)
    return None if former == CONF.host else former


def _said(instance, name):
    try:
        with open(paths.of(instance, name)) as source:
            return source.read().strip() or None
    except FileNotFoundError:
        return None


def are_elsewhere(instance):
    """Whether the files that are seen here belong to another host: the server runs there."""
    return host_of(instance) not in (None, CONF.host)


def are_complete(instance):
    """Whether all disks that a server is recorded to have on this host are here, and are this host's."""
    known = diskinfo.of(instance)
    moving = [name for name in os.listdir(paths.of(instance)) if name.endswith(paths.MOVING)] if known else []
    return bool(known) and not moving and not are_elsewhere(instance) and all(
        os.path.exists(path_of(instance, name, known)) for name in known)


def remove(instance):
    """Remove all files of a server.  Nothing happens when there are none, or when they are another host's.

    Those that this host took over for a server that is recorded where they come from are its disks: it never got here.
    They are given back.  Returns whether they are gone.
    """
    former = former_host_of(instance)
    if former is not None and instance.host == former and not instance.deleted:
        give_back(instance, former)
    if are_elsewhere(instance):
        LOG.info('The files of the server are those of %s: they stay', host_of(instance), instance_uuid=instance.uuid)
        return True
    container.unlink(instance)
    try:
        # The directory goes last: while it is there, so may be the others.
        remove_volumes(instance, paths.of(instance))
        privileged.remove_tree(os.path.abspath(paths.of(instance)))
    except (OSError, processutils.ProcessExecutionError) as exc:
        LOG.warning('Files of the server cannot be removed: %s', exc, instance_uuid=instance.uuid)
        return False
    return True


def remove_volumes(instance, directory):
    """Remove the logical volumes that belong to a directory of a server, those that were never recorded too."""
    groups = {*in_groups(diskinfo.read(directory)), *in_groups(diskinfo.of(instance)), imagebackend.backend().group}
    for group in groups - {None}:
        for name in lvm.volumes(group):
            if name.startswith(f'{os.path.basename(directory)}_disk'):
                lvm.remove(group, name)


def remove_some(instance, *names):
    """Remove disks that a server does not need any more, and their records.  Nothing happens to what was not there."""
    known = diskinfo.of(instance)
    for name in names:
        backend = imagebackend.of(known[name]) if name in known else imagebackend.Raw()
        backend.remove(path_of(instance, name, known))
    diskinfo.forget(instance, *names)


def in_groups(known):
    """Names of the volume groups that disks ({name: DiskInfo}) are in."""
    return sorted({info.group for info in known.values()} - {None})


def require_files(instance, known):
    """Raises DisksStay where disks ({name: DiskInfo}) cannot go to another host."""
    groups = in_groups(known)
    if groups:
        raise DisksStay(instance_uuid=instance.uuid, group=', '.join(groups))


def usage(instance_uuid, disks, volumes=None):
    """[{'path', 'type', 'virt_disk_size', 'disk_size', 'over_committed_disk_size', 'backing_file'}] of a server's
    disks; sizes in bytes.

    :param volumes: {volume group: `lvm.volumes` of it} for who asks for many servers.
    """
    if volumes is None:
        volumes = {group: lvm.volumes(group) for group in in_groups(disks)}
    directory, found = os.path.join(CONF.instances_path, instance_uuid), []
    for name, info in sorted(disks.items()):
        path = diskinfo.path(directory, name, info)
        try:
            taken = volumes[info.group][os.path.basename(path)]['taken'] if info.group else (
                os.stat(path).st_blocks * 512)
        except (FileNotFoundError, KeyError):
            continue
        found.append({'path': path, 'type': info.format, 'virt_disk_size': info.size, 'backing_file': info.base or '',
                      'disk_size': taken, 'over_committed_disk_size': max(0, info.size - taken)})
    return found


def usage_json(instance):
    """`usage` as JSON text, as the driver contract has it."""
    return jsonutils.dumps(usage(instance.uuid, diskinfo.of(instance)))
