# SPDX-License-Identifier: Apache-2.0
"""Servers whose cell does not answer: what is known of them elsewhere (2.69)."""

from nova import exception, objects
from nova.api.openstack import microversions
from nova.api.openstack.compute.servers import views
from nova.api.openstack.view import LINKS, MAP, shape

SINCE = microversions.minor('2.69')
_GROUPS_SINCE = microversions.minor('2.71')
UNKNOWN = 'UNKNOWN'
ITEM = shape(optional=('tenant_id', 'created'), id='string', status={'const': UNKNOWN}, tenant_id='string?',
             created='string?', links=LINKS)
SERVER = shape(server=shape(
    optional=('server_groups',), id='string', status={'const': UNKNOWN}, tenant_id='string?', created='string?',
    links=LINKS, user_id='string?', server_groups='string*',
    image={'anyOf': [{'const': ''}, shape(id='string', links=LINKS)]},
    flavor=shape(original_name='string', vcpus='integer', ram='integer', disk='integer', ephemeral='integer',
                 swap='integer', extra_specs=MAP),
    **{'OS-EXT-AZ:availability_zone': 'string', 'OS-EXT-STS:power_state': 'integer'}))


def wanted(query, minor):
    """Whether a list is to have them: nothing was asked for that needs what only their cell knows."""
    asked = {name for name, value in query.items() if value} - {'all_tenants', 'limit'}
    return minor >= SINCE and not asked


def items(context, cells, project_id, limit, links, detailed):
    """Those of a project (None: of all) in cells, for a list."""
    found = objects.InstanceMappingList.get_in_cells(context, cells, project_id, limit)
    return [_known(mapping, links) if detailed else _named(mapping, links) for mapping in found.objects]


def _named(mapping, links):
    return {'id': mapping.instance_uuid, 'status': UNKNOWN, 'links': links.item('servers', mapping.instance_uuid)}


def _known(mapping, links):
    return {**_named(mapping, links), 'tenant_id': mapping.project_id, 'created': views.second(mapping.created_at)}


def show(context, server_id, links, minor):
    """One of them, with what was asked for when it was created.

    Raises InstanceNotFound: there is no such server, or not for the caller, or its cell is the one that answers.
    """
    try:
        mapping = objects.InstanceMapping.get_by_instance_uuid(context, server_id)
        spec = objects.RequestSpec.get_by_instance_uuid(context, server_id)
    except exception.NotFound as exc:
        raise exception.InstanceNotFound(instance_id=server_id) from exc
    if not context.can_see(mapping.project_id):
        raise exception.InstanceNotFound(instance_id=server_id)
    image_id = spec.image.id if spec.image is not None else None
    found = {**_known(mapping, links), 'user_id': mapping.user_id, 'OS-EXT-STS:power_state': 0,
             'OS-EXT-AZ:availability_zone': spec.availability_zone or UNKNOWN,
             'image': {'id': image_id, 'links': links.bookmark_only('images', image_id)} if image_id else '',
             'flavor': _flavor(spec.flavor)}
    if minor >= _GROUPS_SINCE:
        found['server_groups'] = [spec.instance_group.uuid] if spec.instance_group is not None else []
    return {'server': found}


def _flavor(flavor):
    return {'original_name': flavor.name, 'vcpus': flavor.vcpus, 'ram': flavor.memory_mb, 'disk': flavor.root_gb,
            'ephemeral': flavor.ephemeral_gb, 'swap': flavor.swap, 'extra_specs': dict(flavor.extra_specs or {})}
