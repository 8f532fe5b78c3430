# SPDX-License-Identifier: Apache-2.0
"""How the disks of servers are kept: a class for each kind, by its name in [libvirt]images_type."""

import contextlib
import os

from oslo_concurrency import processutils

from nova import conf, exception
from nova.image import transfer
from nova.privsep import lvm
from nova.virt import images
from nova.virt.libvirt import diskinfo, paths

CONF = conf.CONF


class NoSpace(exception.NovaException):
    msg_fmt = 'There is no space for a disk of %(size)d bytes on this host.'


class Backend:
    """One way to keep disks in files."""

    #: format of the disks, as QEMU is told
    format = None
    #: volume group that they are in; None: they are files
    group = None

    def require_usable(self):
        """Raises `exception.ConfigInvalid` where this host can have no such disks."""

    def path(self, directory, name):
        """Where a new disk of the server with this directory is."""
        return paths.disk(directory, name, self.group)

    def create(self, path, cached, size):
        """Make the disk at `path` with the content of a cached file, and at least `size` bytes.

        Returns its `diskinfo.DiskInfo`.  On failure there is no file.  Raises `images.DiskToolFailed`, NoSpace.
        """
        size = max(size, cached.virtual_size)
        try:
            self._create(path, cached, size)
            if CONF.preallocate_images == 'space':
                self._take_space(path, size)
        except BaseException:
            if os.path.exists(path):
                os.unlink(path)
            raise
        return diskinfo.DiskInfo(self.format, size, **self._base(cached))

    def _create(self, path, cached, size):
        raise NotImplementedError()

    def _base(self, cached):
        """What the disk needs from now on of the cached file."""
        return {}

    def grow(self, path, size):
        """Make a disk larger, to at least `size` bytes; how many it has.  Raises `images.DiskToolFailed`."""
        images.resize(path, self.format, size)
        return size

    def copy(self, source, target, size):
        """A second disk with the same content, in place of what is there.  Raises OSError, `images.DiskToolFailed`."""
        transfer.copy_file(source, target)

    def remove(self, path):
        """Nothing happens when it is not there.  Raises OSError, `images.DiskToolFailed`."""
        transfer.remove(path)

    def follow(self, source, target):
        """The server's directory has another name now: so has the disk, unless it was in there."""

    def open_up(self, path):
        """Let this service read and write a disk that no guest uses.  Files are open to it."""

    @staticmethod
    def _take_space(path, size):
        try:
            processutils.execute('fallocate', '--keep-size', '--length', str(size), path)
        except processutils.ProcessExecutionError as exc:
            raise NoSpace(size=size) from exc


class Qcow2(Backend):
    """An overlay: what the guest has not written is read from the cached file."""

    format = 'qcow2'

    def _create(self, path, cached, size):
        images.create(path, 'qcow2', size, backing_file=cached.path, backing_format=cached.format)

    def _base(self, cached):
        return {'base': cached.name, 'base_format': cached.format}


class Raw(Backend):
    """A copy of its own."""

    format = 'raw'

    def _create(self, path, cached, size):
        images.convert(cached.path, cached.format, path, 'raw')
        if size > cached.virtual_size:
            images.resize(path, 'raw', size)


class Lvm(Backend):
    """A logical volume: a copy of its own as well."""

    format = 'raw'

    def __init__(self, group=None):
        self.group = group or CONF.libvirt.images_volume_group
        if not self.group:
            raise exception.ConfigInvalid(option='[libvirt]images_volume_group',
                                          reason='images_type lvm needs the name of a volume group.')
        try:
            lvm.group_name(self.group)
        except ValueError as exc:
            raise exception.ConfigInvalid(option='[libvirt]images_volume_group', reason=f'{exc}.') from exc

    def require_usable(self):
        try:
            lvm.space(self.group)
        except (processutils.ProcessExecutionError, OSError) as exc:
            raise exception.ConfigInvalid(option='[libvirt]images_volume_group',
                                          reason=f'{self.group} cannot be used: {_reason(exc)}') from exc

    def create(self, path, cached, size):
        with self._made(path, max(size, cached.virtual_size)) as made_size:
            self._fill(path, cached.path, cached.format)
        return diskinfo.DiskInfo(self.format, made_size, group=self.group)

    @contextlib.contextmanager
    def _made(self, path, size):
        """A new volume, and its size; it is gone when the body fails.

        One that is there, and has come to this, was not finished.  One that is there and has no device, because nobody
        activated it for example, is not touched: lvm2 refuses to make it again.
        """
        if os.path.exists(path):
            self.remove(path)
        with _translated(f'{path} cannot be made'):
            size = lvm.create(self.group, os.path.basename(path), size, CONF.libvirt.sparse_logical_volumes)
        try:
            yield size
        except BaseException:
            with contextlib.suppress(images.DiskToolFailed):
                self.remove(path)
            raise

    def _fill(self, path, source, source_format):
        self.open_up(path)
        images.fill(source, source_format, path, is_zero=CONF.libvirt.sparse_logical_volumes)

    def grow(self, path, size):
        with _translated(f'{path} cannot be resized'):
            return lvm.extend(self.group, os.path.basename(path), size)

    def copy(self, source, target, size):
        with self._made(target, size):
            self.open_up(source)
            self._fill(target, source, self.format)

    def remove(self, path):
        with _translated(f'{path} cannot be removed'):
            lvm.remove(self.group, os.path.basename(path))

    def follow(self, source, target):
        with _translated(f'{source} cannot be renamed'):
            lvm.rename(self.group, os.path.basename(source), os.path.basename(target))

    def open_up(self, path):
        with _translated(f'{path} cannot be opened'):
            lvm.take(self.group, os.path.basename(path))


@contextlib.contextmanager
def _translated(complaint):
    try:
        yield
    except (processutils.ProcessExecutionError, OSError, ValueError, KeyError) as exc:
        raise images.DiskToolFailed(what=complaint, reason=_reason(exc)) from exc


def _reason(exc):
    lines = (getattr(exc, 'stderr', None) or str(exc)).strip().splitlines()
    return lines[-1].strip() if lines else type(exc).__name__


BACKENDS = {'qcow2': Qcow2, 'raw': Raw, 'flat': Raw, 'lvm': Lvm}


def backend(images_type=None):
    """The backend of this name, by default the configured one.  Raises `exception.ConfigInvalid`."""
    name = images_type or CONF.libvirt.images_type
    if name == 'default':
        # A container's disk is mounted by the kernel, which knows no qcow2.
        name = 'qcow2' if CONF.use_cow_images and CONF.libvirt.virt_type != 'lxc' else 'raw'
    try:
        return BACKENDS[name]()
    except KeyError:
        raise exception.ConfigInvalid(option='[libvirt]images_type',
                                      reason=f'{name!r} is not one of {", ".join(sorted(BACKENDS))}.') from None


def of(info):
    """The backend of a disk that there is, by its record."""
    return Lvm(info.group) if info.group else BACKENDS[info.format]()
