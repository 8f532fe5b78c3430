# SPDX-License-Identifier: Apache-2.0
"""Short paths to the disks of containers.

libvirt mounts a container's disk itself, where only the container sees it.  It fails where the disk's path is longer
than the kernel's field for it, and a server's directory has a long name.  So a link with a short name leads to it.
"""

import contextlib
import os

from nova import conf, exception
from nova.virt.libvirt import paths

CONF = conf.CONF

# Of `lo_file_name` in the kernel's `struct loop_info64`, without the final zero.
_MOST_BYTES = 63


class PathTooLong(exception.ConfigInvalid):
    msg_fmt = '[DEFAULT]%(option)s: %(reason)s'


def _link(server_name):
    return os.path.join(os.path.abspath(CONF.state_path), 'lxc', server_name)


def path(instance, name):
    """Path of a file in the server's directory, as libvirt is told.  Raises PathTooLong."""
    return _short(instance.name, name)


def require_room():
    """Raises PathTooLong where no container of this host could have a disk."""
    _short(CONF.instance_name_template % 0, paths.ROOT)


def _short(server_name, name):
    found = os.path.join(_link(server_name), name)
    if len(os.fsencode(found)) > _MOST_BYTES:
        raise PathTooLong(option='state_path', reason=f'{found} is longer than the {_MOST_BYTES} bytes that a path to '
                                                      f'the disk of a container may have.')
    return found


def link(instance, directory):
    """Make the short path lead to the server's directory; one that led elsewhere is replaced."""
    if CONF.libvirt.virt_type != 'lxc':
        return
    place = _link(instance.name)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f'{place}.new')
    os.symlink(os.path.abspath(directory), f'{place}.new')
    os.rename(f'{place}.new', place)


def unlink(instance):
    """Nothing happens when there is none."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_link(instance.name))
