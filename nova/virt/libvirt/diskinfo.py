# SPDX-License-Identifier: Apache-2.0
"""What we know of a server's disks, written down when they are made.

The format of a disk is decided once; from then on it is read from here, never from the disk, which a guest writes.
"""

import contextlib
import dataclasses
import os

from oslo_serialization import jsonutils

from nova.virt.libvirt import paths

_FILE = 'disk.info'


@dataclasses.dataclass(frozen=True, slots=True)
class DiskInfo:
    """format: 'raw' or 'qcow2'; size: bytes the guest sees; base, base_format: name and format of the cached file that
    it is an overlay of, or None; content: what we put on it ('ext4', 'swap', 'iso9660', …), or None; group: the volume
    group that it is a logical volume of, None for a file."""

    format: str
    size: int
    base: str | None = None
    base_format: str | None = None
    content: str | None = None
    group: str | None = None


def path(directory, name, info):
    """Where a disk is, by its record in this directory.  One without a record is a file, if anything."""
    return paths.disk(directory, name, info.group if info else None)


def to_dict(info):
    """As plain data."""
    return dataclasses.asdict(info)


def alone(info):
    """A disk with this content that is an overlay of nothing."""
    return dataclasses.replace(info, base=None, base_format=None)


def of_size(info, size):
    """The same disk with another size (bytes)."""
    return dataclasses.replace(info, size=size)


def read(directory):
    """{file name: DiskInfo} of the server in this directory; empty where there is none."""
    try:
        with open(os.path.join(directory, _FILE)) as source:
            found = jsonutils.loads(source.read())
    except FileNotFoundError:
        return {}
    return {name: DiskInfo(**values) for name, values in found.items()}


def of(instance):
    return read(paths.of(instance))


def record(instance, name, info):
    """Write down a disk.  The file is complete at any time: the old or the new one."""
    directory = paths.of(instance)
    known = {**read(directory), name: info}
    path = os.path.join(directory, _FILE)
    write_file(path, jsonutils.dumps({name: dataclasses.asdict(info) for name, info in known.items()}))


def forget(instance, *names):
    """Disks that are gone.  Nothing happens to what was not there."""
    known = of(instance)
    if not known.keys() & set(names):
        return
    write_file(os.path.join(paths.of(instance), _FILE), jsonutils.dumps(
        {name: dataclasses.asdict(info) for name, info in known.items() if name not in names}))


def all_servers(instances_path):
    """{uuid: {file name: DiskInfo}} of all servers with files below this directory."""
    found = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(instances_path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                disks = read(entry.path)
                if disks:
                    found[entry.name] = disks
    return found


def write_file(path, text):
    """Put a small text file in place of an old one, in one step."""
    temporary = f'{path}.new'
    try:
        with open(temporary, 'w') as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.rename(temporary, path)
    except OSError:
        # The disk is full, for example.
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
