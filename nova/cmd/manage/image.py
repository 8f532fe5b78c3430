# SPDX-License-Identifier: Apache-2.0
"""Images."""

import os

from nova import exception
from nova import image as images
from nova.cmd.manage import output
from nova.cmd.manage.arguments import arg, pairs


def _row(image):
    return {name: image.get(name) for name in ('id', 'name', 'status', 'disk_format', 'size', 'visibility')}


class _Watched:
    """A file of which somebody is told how much was read."""

    def __init__(self, file, show):
        self._file, self._show = file, show

    def read(self, size=-1):
        data = self._file.read(size)
        self._show(self._file.tell())
        return data


@arg('path', nargs='?', help='file with its content')
@arg('--file', help='the same')
@arg('--name', required=True)
@arg('--disk-format', required=True, help='qcow2, raw, vmdk, vdi, vhd, vhdx, iso, aki, ari, ami')
@arg('--container-format', default='bare')
@arg('--id', help='a UUID is made unless given')
@arg('--public', action='store_true', help='for all projects')
@arg('--min-disk', type=int, default=0, help='GiB')
@arg('--min-ram', type=int, default=0, help='MiB')
@arg('--property', action='append', help='key=value; may be repeated')
def register(context, path, file, name, disk_format, container_format, id, public, min_disk, min_ram, property):
    """Store a file as an image.  Its content must be what --disk-format says."""
    record = {'name': name, 'disk_format': disk_format, 'container_format': container_format, 'min_disk': min_disk,
              'min_ram': min_ram, 'properties': pairs(property), 'visibility': 'public' if public else 'private'}
    if id:
        record['id'] = id
    path = path or file
    if not path:
        raise exception.InvalidInput(reason='path: which file is the content?')
    try:
        with open(path, 'rb') as content, output.progress(name, os.path.getsize(path), 'bytes') as show:
            return _row(images.API().create(context, record, data=_Watched(content, show)))
    except OSError as error:
        raise exception.InvalidInput(reason=f'file: {error}') from error


def list_images(context):
    """Images of all projects."""
    return [_row(image) for image in images.API().get_all(context)]


def find(context, name_or_id):
    """The image with this id or, if only one has it, this name.  Raises ImageNotFound, Conflict."""
    named = [image for image in images.API().get_all(context) if image['name'] == name_or_id]
    if len(named) > 1:
        raise exception.Conflict(reason=f'{len(named)} images are called {name_or_id}; say which by its id')
    return dict(named[0]) if named else dict(images.API().get(context, name_or_id))


@arg('image', help='id or name')
def show(context, image):
    """One image."""
    return find(context, image)


@arg('image', help='id or name')
def delete(context, image):
    """Remove an image."""
    images.API().delete(context, find(context, image)['id'])


COMMANDS = {'register': register, 'list': list_images, 'show': show, 'delete': delete}
