# SPDX-License-Identifier: Apache-2.0
"""Copies of images on this host, which disks are made from.

`$instances_path/_base/<sha1 of the image's id>` is the copy, and `….json` beside it says what it is: it was inspected
when it was fetched, and its format is that record's for ever.  Nobody writes to a copy again.  Empty ephemeral and swap
disks are cached as `ephemeral_<GiB>_<file system>` and `swap_<MiB>`.
"""

import contextlib
import dataclasses
import glob
import hashlib
import os
import time

from oslo_concurrency import lockutils
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import units

from nova import conf, exception, progress
from nova.virt import images
from nova.virt.disk import mkfs
from nova.virt.libvirt import diskinfo, paths

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_RECORD = '.json'
_PART = '.part'
# A download that has not grown for so long (s) belongs to a process that died.
_PART_AGE_S = 6 * 3600


@dataclasses.dataclass(frozen=True, slots=True)
class Cached:
    """name: of the file in the cache; format: 'raw' or 'qcow2'; virtual_size: bytes of the disk."""

    name: str
    format: str
    virtual_size: int

    @property
    def path(self):
        return paths.cache(self.name)


def name_of(image_id):
    """File name of an image's copy."""
    return hashlib.sha1(image_id.encode(), usedforsecurity=False).hexdigest()


@contextlib.contextmanager
def _locked(name):
    """Hold the lock of a file in the cache, against other processes on this host too."""
    os.makedirs(paths.locks(), exist_ok=True)
    with lockutils.lock(f'cache-{name}', external=True, lock_path=paths.locks()):
        yield


def find(name):
    """The `Cached` file of this name, or None."""
    try:
        with open(paths.cache(name + _RECORD)) as source:
            record = jsonutils.loads(source.read())
    except FileNotFoundError:
        return None
    if not os.path.exists(paths.cache(name)):
        return None
    return Cached(name, record['format'], record['virtual_size'])


def _keep(name, path, image_format, virtual_size, **more):
    """Put a finished file into its place.  The record comes last: with it the file counts."""
    os.rename(path, paths.cache(name))
    diskinfo.write_file(paths.cache(name + _RECORD), jsonutils.dumps(
        {'format': image_format, 'virtual_size': virtual_size, **more}))
    return Cached(name, image_format, virtual_size)


def _touch(name):
    """It is used now; what is not for a while goes."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(paths.cache(name))


# Images --------------------------------------------------------------------------------------------------------------

def fetch(context, image_api, image_id, max_size=None):
    """The copy of an image, fetched if there is none yet.  At the same time only one fetches.

    :param max_size: bytes of the disk it is for; None is any.
    Raises FlavorDiskSmallerThanImage, ImageUnacceptable, InvalidDiskFormat, ImageNotFound, ….  Nothing is left of a
    copy that failed.
    """
    name = name_of(image_id)
    # Who waits for another that fetches it comes further with that one.
    with progress.watching(lambda: _taken(name)), _locked(name):
        cached = find(name)
        if cached is None:
            cached = _fetch(context, image_api, image_id, name, max_size)
        _touch(name)
    _require_fits(cached.virtual_size, max_size)
    return cached


def fetch_plain(context, image_api, image_id):
    """The copy of an image that is no disk (a kernel, a ramdisk).  Raises as `fetch`.

    What it contains is given to the guest as it is, so it is not inspected.
    """
    name = name_of(image_id)
    with _locked(name):
        cached = find(name)
        if cached is None:
            declared = image_api.get(context, image_id)['disk_format']
            if declared not in ('aki', 'ari', 'raw'):
                raise exception.ImageUnacceptable(
                    image_id=image_id, reason=f'its disk_format is {declared}; a kernel is aki or raw, a ramdisk ari '
                                              f'or raw.')
            with _part_file(name) as part:
                image_api.download(context, image_id, dest_path=part)
                cached = _keep(name, part, 'raw', os.path.getsize(part), image_id=image_id, plain=True)
        _touch(name)
    return cached


def _taken(name):
    """Blocks on the disk that a copy of this name takes, as far as it has come."""
    return sum(os.stat(path).st_blocks for path in glob.glob(f'{glob.escape(paths.cache(name))}*'))


def _require_fits(virtual_size, max_size):
    if max_size is not None and virtual_size > max_size:
        raise exception.FlavorDiskSmallerThanImage(flavor_size=max_size, image_size=virtual_size)


@contextlib.contextmanager
def _part_file(name):
    """A path to make a file at; it is gone afterwards, unless it was renamed."""
    os.makedirs(paths.cache(), exist_ok=True)
    part = paths.cache(name + _PART)
    try:
        yield part
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def _fetch(context, image_api, image_id, name, max_size):
    started = time.monotonic()
    with _part_file(name) as part:
        # Inspected on the way: what comes back is the format, once and for ever.
        found = image_api.download(context, image_id, dest_path=part)
        _require_fits(found.virtual_size, max_size)
        image_format = 'qcow2' if found.format == 'qcow2' else 'raw'
        if images.FORMATS[found.format] == 'raw' or (image_format == 'qcow2' and not CONF.force_raw_images):
            cached = _keep(name, part, image_format, found.virtual_size, image_id=image_id)
        else:
            cached = _fetch_converted(image_id, found, name, part)
    LOG.info('Image %s is cached as %s (%s, %d MiB) after %.1f s', image_id, name, cached.format,
             cached.virtual_size // units.Mi, time.monotonic() - started)
    return cached


def _fetch_converted(image_id, found, name, part):
    with _part_file(name + '.raw') as raw:
        images.convert(part, found.format, raw, 'raw')
        size = os.path.getsize(raw)
        if size < found.virtual_size:
            raise exception.ImageUnacceptable(image_id=image_id, reason=f'its disk has {size} bytes when converted to '
                                                                        f'raw, '
                                                                        f'and {found.virtual_size} by its header')
        # Formats that count in cylinders have a little more in them than their header says.
        return _keep(name, raw, 'raw', size, image_id=image_id)


# Empty disks ---------------------------------------------------------------------------------------------------------

def ephemeral(size_gb, file_system):
    """An empty disk of this size (GiB) with a file system.  Raises `mkfs.CannotMakeFileSystem`,
    `exception.InvalidBDM`.
    """
    return _empty(f'ephemeral_{size_gb}_{file_system}', size_gb * units.Gi, file_system, 'ephemeral0')


def swap(size_mb):
    """An empty disk of this size (MiB) with swap space."""
    return _empty(f'swap_{size_mb}', size_mb * units.Mi, 'swap', 'swap')


def is_empty(name):
    """Whether a file of the cache is an empty disk, which any host makes by its name."""
    return name.startswith(('swap_', 'ephemeral_'))


def remake(name):
    """The empty disk of this name, made anew where it was lost; None for what is none."""
    if not is_empty(name):
        return None
    kind, what = name.split('_', 1)
    if kind == 'swap':
        return swap(int(what))
    size_gb, file_system = what.split('_', 1)
    return ephemeral(int(size_gb), file_system)


def _empty(name, size, file_system, label):
    with _locked(name):
        cached = find(name)
        if cached is None:
            with _part_file(name) as part:
                images.create(part, 'raw', size)
                mkfs.make(part, file_system, label)
                cached = _keep(name, part, 'raw', size)
        _touch(name)
    return cached


# Cleaning ------------------------------------------------------------------------------------------------------------

def clean(used_image_ids):
    """Remove what no server has used for long enough ([image_cache]remove_unused_…).

    :param used_image_ids: images (disks, kernels, ramdisks) of the servers that may use this cache.  What a disk on
        this host is an overlay of is never removed, whoever owns it.
    Returns the names of what went.
    """
    if not CONF.image_cache.remove_unused_base_images:
        return []
    used = {name_of(image_id) for image_id in used_image_ids}
    for disks in diskinfo.all_servers(CONF.instances_path).values():
        used.update(info.base for info in disks.values() if info.base)
    removed = []
    for entry in _files():
        if entry.name.endswith(_PART):
            if _age_s(entry) > _PART_AGE_S:
                _remove(entry.name)
        elif entry.name in used:
            _touch(entry.name)
        elif _age_s(entry) > _age_limit_s(entry.name) and _remove_if_unused(entry.name):
            removed.append(entry.name)
    return removed


def _age_s(entry):
    """0 for what has gone meanwhile, or has its final name now."""
    try:
        return time.time() - entry.stat().st_mtime
    except FileNotFoundError:
        return 0


def _files():
    try:
        with os.scandir(paths.cache()) as entries:
            return [entry for entry in entries if entry.is_file(follow_symlinks=False)
                    and not entry.name.endswith((_RECORD, '.new'))]
    except FileNotFoundError:
        return []


def _age_limit_s(name):
    if name.startswith(('ephemeral_', 'swap_')):
        return CONF.image_cache.remove_unused_resized_minimum_age_seconds
    return CONF.image_cache.remove_unused_original_minimum_age_seconds


def _remove_if_unused(name):
    with _locked(name):
        # Somebody may have begun to use it since it was looked at: then its time is new.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - os.stat(paths.cache(name)).st_mtime <= _age_limit_s(name):
                return False
        _remove(name)
    LOG.info('Removed %s from the image cache: no server uses it', name)
    return True


def _remove(name):
    # The record first: without it the file does not count.
    for path in (paths.cache(name + _RECORD), paths.cache(name)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
