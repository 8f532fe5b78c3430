# SPDX-License-Identifier: Apache-2.0
"""State of emulated trusted platform modules: files that libvirt keeps for itself, and removes with the guest.

The caller names a server.  Where libvirt has its files and where the server has its own is not the caller's to say.
"""

import contextlib
import os
import stat
import uuid

from nova import conf, privsep

CONF = conf.CONF

#: Where libvirt has the state of all modules, by uuid of the guest.
STATES = '/var/lib/libvirt/swtpm'
#: Name of a module's state -> name of the directory that it is in.
_NAMES = {'tpm-00.permall': 'tpm1.2', 'tpm2-00.permall': 'tpm2'}
#: More than a module can have (bytes).
_MOST_BYTES = 1 << 20


@privsep.sys_admin_pctxt.entrypoint
def copy_out(server_uuid: str, directory: str) -> list:
    """Copy the state that libvirt has of a server's module into a directory of servers; names of what was copied.

    :param directory: name of a directory in `instances_path`.
    :raises ValueError: a name is none of these, or a file is none.
    """
    found, owner = [], os.stat(os.path.realpath(CONF.instances_path))
    target = _open_directory(os.path.realpath(CONF.instances_path), _plain(directory))
    try:
        for name in _NAMES:
            with contextlib.suppress(FileNotFoundError):
                content = _read(_state(server_uuid, name))
                _write(target, name, content, owner)
                found.append(name)
    finally:
        os.close(target)
    return found


@privsep.sys_admin_pctxt.entrypoint
def copy_in(server_uuid: str, name: str) -> bool:
    """Give libvirt the state that is in the directory of a server, unless it has one; whether it was given.

    :param name: which.
    :raises ValueError: a name is none of these, or a file is none.
    """
    place = _state(server_uuid, name)
    if os.path.lexists(place):
        return False
    try:
        content = _read(os.path.join(os.path.realpath(CONF.instances_path), _uuid(server_uuid), name))
    except FileNotFoundError:
        return False
    # libvirt gives it to the user of the module when the guest starts.
    for directory, mode in ((os.path.dirname(os.path.dirname(place)), 0o711), (os.path.dirname(place), 0o700)):
        os.makedirs(directory, mode=mode, exist_ok=True)
    target = _open_directory(os.path.dirname(os.path.dirname(place)), os.path.basename(os.path.dirname(place)))
    try:
        _write(target, name, content, os.fstat(target))
    finally:
        os.close(target)
    return True


def _uuid(text):
    if str(uuid.UUID(text)) != text:
        raise ValueError(f'{text!r} is not the uuid of a server')
    return text


def _plain(name):
    if name in ('', '.', '..') or os.path.basename(name) != name:
        raise ValueError(f'{name!r} is not the name of a directory')
    return name


def _state(server_uuid, name):
    if name not in _NAMES:
        raise ValueError(f'{name!r} is not the state of a module')
    return os.path.join(STATES, _uuid(server_uuid), _NAMES[name], name)


def _open_directory(parent, name):
    return os.open(os.path.join(parent, name), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _read(path):
    """Content of a small regular file, which is not a link.  Raises FileNotFoundError, ValueError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise ValueError(f'{path} cannot be read: {exc.strerror}') from exc
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > _MOST_BYTES:
            raise ValueError(f'{path} is not a small regular file')
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)


def _write(directory, name, content, owner):
    """A file in place of an old one, in one step; nobody but its owner reads it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f'{name}.new', dir_fd=directory)
    descriptor = os.open(f'{name}.new', os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600,
                         dir_fd=directory)
    with open(descriptor, 'wb') as out:
        out.write(content)
        out.flush()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
        os.fsync(descriptor)
    os.rename(f'{name}.new', name, src_dir_fd=directory, dst_dir_fd=directory)
