# SPDX-License-Identifier: Apache-2.0
"""How the disks of servers are kept: a class for each kind, by its name in [libvirt]images_type."""

import os

from oslo_concurrency import processutils

from nova import conf, exception
from nova.virt import images
from nova.virt.libvirt import diskinfo

CONF = conf.CONF


class NoSpace(exception.NovaException):
    msg_fmt = 'There is no space for a disk of %(size)d bytes on this host.'


class Backend:
    """One way to keep disks in files."""

    #: format of the disks, as QEMU is told
    format = None

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


BACKENDS = {'qcow2': Qcow2, 'raw': Raw, 'flat': Raw}


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
