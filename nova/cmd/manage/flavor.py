# SPDX-License-Identifier: Apache-2.0
"""Flavors."""

from oslo_utils import uuidutils

from nova import exception, objects
from nova.cmd.manage.arguments import arg, at_least, pairs

#: Characters of a name at most.
_LONGEST = 255


def _row(flavor):
    return {'id': flavor.flavorid, 'name': flavor.name, 'ram_mb': flavor.memory_mb, 'vcpus': flavor.vcpus,
            'disk_gb': flavor.root_gb, 'ephemeral_gb': flavor.ephemeral_gb, 'swap_mb': flavor.swap,
            'public': flavor.is_public, 'extra_specs': flavor.extra_specs}


@arg('--name', required=True)
@arg('--ram', type=at_least(1), required=True, help='MiB')
@arg('--vcpus', type=at_least(1), required=True)
@arg('--disk', type=at_least(0), required=True, help='GiB of the root disk; 0: as large as the image')
@arg('--id', dest='flavorid', help='a UUID is made unless given')
@arg('--ephemeral', type=at_least(0), default=0, help='GiB')
@arg('--swap', type=at_least(0), default=0, help='MiB')
@arg('--private', action='store_true', help='only for projects that are given access')
@arg('--property', action='append', help='extra spec key=value; may be repeated')
def create(context, name, ram, vcpus, disk, flavorid, ephemeral, swap, private, property):
    """Make a flavor."""
    if not name.strip() or len(name) > _LONGEST:
        raise exception.InvalidInput(reason=f'name: must have 1 to {_LONGEST} characters that are not all blank')
    flavor = objects.Flavor(context, name=name, memory_mb=ram, vcpus=vcpus, root_gb=disk, ephemeral_gb=ephemeral,
                            flavorid=flavorid or uuidutils.generate_uuid(), swap=swap, is_public=not private,
                            extra_specs=pairs(property))
    flavor.create()
    return _row(flavor)


def list_flavors(context):
    """All flavors, private ones too."""
    return [_row(flavor) for flavor in objects.FlavorList.get_all(context)]


def _find(context, name_or_id):
    for flavor in objects.FlavorList.get_all(context):
        if name_or_id in (flavor.flavorid, flavor.name):
            return flavor
    return objects.Flavor.get_by_flavor_id(context, name_or_id)


@arg('flavor', help='id or name')
def show(context, flavor):
    """One flavor."""
    return _row(_find(context, flavor))


@arg('flavor', help='id or name')
@arg('--property', action='append', help='extra spec key=value; may be repeated')
@arg('--no-property', action='append', default=[], help='extra spec to remove; may be repeated')
def set_flavor(context, flavor, property, no_property):
    """Change extra specs."""
    found = _find(context, flavor)
    found._context = context
    found.update_extra_specs(pairs(property), no_property)
    return _row(found)


@arg('flavor', help='id or name')
def delete(context, flavor):
    """Remove a flavor; servers keep their copy."""
    found = _find(context, flavor)
    found._context = context
    found.destroy()


COMMANDS = {'create': create, 'list': list_flavors, 'show': show, 'set': set_flavor, 'delete': delete}
