# SPDX-License-Identifier: Apache-2.0
"""File systems and swap space in files, made before a guest sees them.  Needs no root."""

from oslo_concurrency import processutils

from nova import exception

# What makes each, up to the label; `%s` stands for it.  The path follows at the end.
_PROGRAMS = {
    'ext2': ('mkfs.ext2', '-q', '-F', '-L', '%s'),
    'ext3': ('mkfs.ext3', '-q', '-F', '-L', '%s'),
    'ext4': ('mkfs.ext4', '-q', '-F', '-L', '%s'),
    'xfs': ('mkfs.xfs', '-q', '-f', '-L', '%s'),
    'vfat': ('mkfs.vfat', '-n', '%s'),
    'ntfs': ('mkfs.ntfs', '-Q', '-F', '-L', '%s'),
    'swap': ('mkswap', '-L', '%s'),
}
# How long a label may be.
_LABEL_LENGTH = {'xfs': 12, 'vfat': 11, 'swap': 15}

#: File systems that a disk can be made with.
FILE_SYSTEMS = tuple(sorted(set(_PROGRAMS) - {'swap'}))


class CannotMakeFileSystem(exception.NovaException):
    msg_fmt = 'No %(file_system)s can be made in %(path)s: %(reason)s'


def default_file_system(conf, os_type):
    """The file system of a disk whose user asked for none.

    :param os_type: the image's property of that name, or None.
    """
    return conf.default_ephemeral_format or ('vfat' if os_type == 'windows' else 'ext4')


def make(path, file_system, label):
    """Make a file system, or 'swap' space, on the whole of a file or device.

    :param label: its name; cut to what the kind allows.
    Raises `exception.InvalidBDM` for a kind we do not know, `CannotMakeFileSystem` when its program fails or is not
    installed.
    """
    if file_system not in _PROGRAMS:
        raise exception.InvalidBDM(
            reason=f'guest_format: {file_system!r} is not one of {", ".join(FILE_SYSTEMS)}, swap.')
    label = label[:_LABEL_LENGTH.get(file_system, 16)]
    command = [label if word == '%s' else word for word in _PROGRAMS[file_system]]
    try:
        processutils.execute(*command, path)
    except FileNotFoundError as exc:
        raise CannotMakeFileSystem(file_system=file_system, path=path, reason=f'{command[0]} is not installed') from exc
    except processutils.ProcessExecutionError as exc:
        raise CannotMakeFileSystem(file_system=file_system, path=path,
                                   reason=(exc.stderr or exc.stdout).strip()) from exc
