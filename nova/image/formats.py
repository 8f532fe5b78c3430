# SPDX-License-Identifier: Apache-2.0
"""The formats of disk images, and the door to what looks into them.

`format_inspect` loads a cryptography library (7 MiB), and so is loaded by processes that do look into images.
"""

import importlib
import typing

from oslo_utils import units

#: Bytes read at once.
CHUNK = 256 * units.Ki

# What the content may be, for each format that an image can be declared as.  A disk with a partition table is still
# raw, and so is one that can be burnt on a CD; a kernel often has the signature of a boot sector.
PLAIN = {'raw', 'gpt', 'iso'}
ACCEPTED = {
    'raw': PLAIN,
    'ami': PLAIN,
    'aki': PLAIN,
    'ari': PLAIN,
    'iso': {'iso', 'gpt'},
    'qcow2': {'qcow2'},
    'vmdk': {'vmdk'},
    'vhd': {'vhd'},
    'vhdx': {'vhdx'},
    'vdi': {'vdi'},
}

#: Formats an image may be declared as.
DISK_FORMATS = tuple(sorted(ACCEPTED))

#: What qemu-img calls them.
TOOL_NAMES = {'raw': 'raw', 'qcow2': 'qcow2', 'vmdk': 'vmdk', 'vdi': 'vdi', 'vhd': 'vpc', 'vhdx': 'vhdx',
              'iso': 'raw', 'ami': 'raw', 'aki': 'raw', 'ari': 'raw'}


class Inspection(typing.NamedTuple):
    """What an image is.  Sizes in bytes; `virtual_size` is that of the disk, `size` that of the file."""

    format: str
    virtual_size: int
    size: int


def inspector(image_id, disk_format):
    """What looks at an image while it passes by; see `format_inspect.Inspector`."""
    return _format_inspect().Inspector(image_id, disk_format)


def inspect_file(path, disk_format, image_id):
    """What a file is; see `format_inspect.inspect_file`."""
    return _format_inspect().inspect_file(path, disk_format, image_id)


def _format_inspect():
    return importlib.import_module('nova.image.format_inspect')
