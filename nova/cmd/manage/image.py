# SPDX-License-Identifier: Apache-2.0
"""Images."""

from nova import exception
from nova import image as images
from nova.cmd.manage.arguments import arg, pairs


def _row(image):
    return {name: image.get(name) for name in ('id', 'name', 'status', 'disk_format', 'size', 'visibility')}


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
    try:
        with open(path or file or '', 'rb') as content:
            return _row(images.API().create(context, record, data=content))
    except OSError as error:
        raise exception.InvalidInput(reason=f'file: {error}') from error


def list_images(context):
    """Images of all projects."""
    return [_row(image) for image in images.API().get_all(context)]


@arg('image', help='id')
def show(context, image):
    """One image."""
    return dict(images.API().get(context, image))


@arg('image', help='id')
def delete(context, image):
    """Remove an image."""
    images.API().delete(context, image)


COMMANDS = {'register': register, 'list': list_images, 'show': show, 'delete': delete}
