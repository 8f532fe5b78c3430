# SPDX-License-Identifier: Apache-2.0
"""The content of volumes: sparse raw files in a directory."""

import contextlib
import os
import pathlib
import tempfile

from oslo_concurrency import processutils

from nova import conf, exception, progress
from nova.image import formats

CONF = conf.CONF
GIB = 1024 ** 3
#: Disk formats of images that are made of volumes: what qemu-img is told besides.
IMAGE_FORMATS = {'raw': (), 'qcow2': (), 'vdi': (), 'vhd': ('-o', 'subformat=dynamic,force_size=on'), 'vhdx': (),
                 'vmdk': ('-o', 'subformat=streamOptimized')}


def _path(kind, item_id):
    directory = pathlib.Path(CONF.volume.store_path)
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f'{kind}-{item_id}'


def connection_info(volume_id, read_only=False):
    """What a driver needs to use a volume."""
    return {'driver_volume_type': 'file', 'serial': volume_id,
            'data': {'device_path': str(_path('volume', volume_id)), 'format': 'raw',
                     'access_mode': 'ro' if read_only else 'rw'}}


def make(volume_id, size_gb, source=None):
    """The file of a new volume: empty, or a copy of ('snapshot' or 'volume', id)."""
    path = _path('volume', volume_id)
    if source:
        _copy(_path(*source), path)
    else:
        path.touch(mode=0o660)
    os.truncate(path, size_gb * GIB)


def fill(volume_id, size_gb, image_api, context, image_id):
    """Make a volume's content that of an image.  Raises InvalidInput (too small), what the image service raises."""
    path = _path('volume', volume_id)
    fetched = path.with_suffix('.part')
    try:
        inspection = image_api.download(context, image_id, dest_path=str(fetched))
        if inspection.virtual_size > size_gb * GIB:
            raise exception.InvalidInput(reason=f'size: {size_gb} GB is less than the {inspection.virtual_size} bytes '
                                                f'of image {image_id}')
        tool_format = formats.TOOL_NAMES[inspection.format]
        if tool_format == 'raw':
            fetched.rename(path)
        else:
            with progress.of_process() as watch:
                processutils.execute('qemu-img', 'convert', '-f', tool_format, '-O', 'raw', str(fetched), str(path),
                                     on_execute=watch)
    finally:
        fetched.unlink(missing_ok=True)
    os.truncate(path, size_gb * GIB)


@contextlib.contextmanager
def as_image(volume_id, disk_format):
    """The content of a volume in one of `IMAGE_FORMATS`, as a file object."""
    path = _path('volume', volume_id)
    if disk_format == 'raw':
        with open(path, 'rb') as content:
            yield content
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f'{path.name}.') as content:
        # -U: a guest may have it.
        processutils.execute('qemu-img', 'convert', '-U', '-f', 'raw', '-O', formats.TOOL_NAMES[disk_format],
                             *IMAGE_FORMATS[disk_format], str(path), content.name)
        yield content


def extend(volume_id, size_gb):
    os.truncate(_path('volume', volume_id), size_gb * GIB)


def snapshot(volume_id, snapshot_id):
    """Copy a volume as it is now."""
    _copy(_path('volume', volume_id), _path('snapshot', snapshot_id))


def _copy(source, target):
    """Holes stay holes; where the file system can share blocks, none is written."""
    processutils.execute('cp', '--sparse=auto', '--reflink=auto', str(source), str(target))


def remove(kind, item_id):
    _path(kind, item_id).unlink(missing_ok=True)
