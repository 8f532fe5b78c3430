# SPDX-License-Identifier: Apache-2.0
"""Files of servers that belong to somebody else: the hypervisor's user owns the disks of running guests, root their
logs.

Nothing outside of the directory of servers (`instances_path`) is touched, whatever the caller says.  Which directory
that is comes from the configuration, not from the caller.
"""

import os
import shutil
import stat

from nova import conf, privsep

CONF = conf.CONF


@privsep.sys_admin_pctxt.entrypoint
def read_tail(path: str, max_bytes: int) -> bytes:
    """The last bytes of a regular file of a server; b'' when there is no such file.

    :raises ValueError: it is something else than a regular file, or is elsewhere.
    """
    try:
        # A pipe would make us wait for a writer, and a link would lead elsewhere.
        descriptor = os.open(_inside(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b''
    except OSError as exc:
        raise ValueError(f'{path} cannot be read: {exc.strerror}') from exc
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise ValueError(f'{path} is not a regular file')
        return os.pread(descriptor, max_bytes, max(0, state.st_size - max_bytes))
    finally:
        os.close(descriptor)


@privsep.sys_admin_pctxt.entrypoint
def remove_tree(path: str) -> None:
    """Remove a directory of a server and all that is in it; nothing happens when it is not there.

    :raises ValueError: `path` is elsewhere, or is not a directory.
    """
    path = _inside(path)
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(state.st_mode):
        raise ValueError(f'{path} is not a directory')
    shutil.rmtree(path)


@privsep.sys_admin_pctxt.entrypoint
def take_files(path: str) -> None:
    """Give a directory of a server, and the regular files in it, to whoever owns the directory of servers.

    The hypervisor leaves disks of guests that are off to root, and so does libvirt those that it received.

    :raises ValueError: `path` is elsewhere, or is not a directory.
    """
    path = _inside(path)
    owner = os.stat(os.path.realpath(CONF.instances_path))
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(directory, owner.st_uid, owner.st_gid)
        for name in os.listdir(directory):
            state = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISREG(state.st_mode) and state.st_nlink == 1:
                os.chown(name, owner.st_uid, owner.st_gid, dir_fd=directory, follow_symlinks=False)
    finally:
        os.close(directory)


def _inside(path):
    """`path` with its directory resolved; the last part is not followed.  :raises ValueError: it is elsewhere."""
    if not os.path.isabs(path):
        raise ValueError(f'{path} is not absolute')
    parent, name = os.path.split(os.path.normpath(path))
    resolved, root = os.path.realpath(parent), os.path.realpath(CONF.instances_path)
    if not name or os.path.commonpath((resolved, root)) != root:
        raise ValueError(f'{path} is not in {root}')
    return os.path.join(resolved, name)
