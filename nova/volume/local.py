# SPDX-License-Identifier: Apache-2.0
"""The content of volumes: sparse raw files in a directory."""

import os
import pathlib

from oslo_concurrency import processutils

from nova import conf, exception

CONF = conf.CONF
GIB = 1024 ** 3


def _path(kind, item_id):
    directory = pathlib.Path(CONF.volume.store_path)
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f'{kind}-{item_id}'


def connection_info(volume_id):
    """What a driver needs to use a volume."""
    return {'driver_volume_type': 'file', 'serial': volume_id,
            'data': {'device_path': str(_path('volume', volume_id)), 'format': 'raw'}}


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
        if inspection.format == 'raw':
            fetched.rename(path)
        else:
            processutils.execute('qemu-img', 'convert', '-f', inspection.format, '-O', 'raw', str(fetched), str(path))
    finally:
        fetched.unlink(missing_ok=True)
    os.truncate(path, size_gb * GIB)


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
