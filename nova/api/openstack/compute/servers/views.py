# SPDX-License-Identifier: Apache-2.0
"""What a server looks like.  Source: the API specification, "Which fields leave or join the server answers".

A field's `needs` are columns of the server's row, or one of `nova.objects.instance.EXTRAS`, or 'host_status': a list
reads what the fields of its version need, and nothing else.
"""

import functools
import hashlib

from nova.api.openstack.view import ABSENT, CREATE, DETAIL, LINKS, LIST, MAP, SHOW, UPDATE, Field, Table, many, shape
from nova.compute import states, vm_states
from nova.conf import CONF
from nova.policy import ADMIN, READER, Rule

EXTENDED = Rule('os-extended-server-attributes', ADMIN)
HOST_STATUS = Rule('servers:show:host_status', ADMIN)
HOST_STATUS_UNKNOWN = Rule('servers:show:host_status:unknown-only', ADMIN)
FLAVOR_SPECS = Rule('servers:show:flavor-extra-specs', READER)

#: Statuses whose servers have a progress.
_WITH_PROGRESS = frozenset(('ACTIVE', 'BUILD', 'REBUILD', 'RESIZE', 'VERIFY_RESIZE', 'MIGRATING'))
_FULL = (SHOW, DETAIL)


def status(server):
    return 'DELETED' if server.deleted else states.status(server.vm_state, server.task_state)


@functools.lru_cache(maxsize=10000)
def _host_id(project_id, host):
    return hashlib.sha224(f'{project_id}{host}'.encode()).hexdigest()


def host_id(server):
    """The host as its users may know it: the same text for all servers of a project on one host."""
    return _host_id(server.project_id, server.host) if server.host else ''


def second(moment):
    return moment.strftime('%Y-%m-%dT%H:%M:%SZ') if moment is not None else None


def micros(moment):
    return moment.strftime('%Y-%m-%dT%H:%M:%S.%f') if moment is not None else None


def addresses(server, with_macs=True):
    """{label: [{version, addr, …}, …]}, nothing while the server is being built."""
    found = {}
    if server.vm_state == vm_states.BUILDING and server.task_state is not None and not server.network_info:
        return found
    for vif in server.network_info or ():
        network = vif['network']
        rows = found.setdefault(network['label'], [])
        for ip in vif.fixed_ips():
            for address in (ip, *ip['floating_ips']):
                row = {'version': address['version'], 'addr': address['address']}
                if with_macs:
                    row['OS-EXT-IPS:type'] = address['type']
                    row['OS-EXT-IPS-MAC:mac_addr'] = vif['address']
                rows.append(row)
    return found


def _image(server, request):
    if not server.image_ref:
        return ''
    return {'id': server.image_ref, 'links': request.links.bookmark_only('images', server.image_ref)}


#: Kept of an image beside its properties.
_NO_PROPERTIES = frozenset(('image_container_format', 'image_disk_format', 'image_min_ram', 'image_min_disk',
                            'image_size', 'image_name', 'image_base_image_ref'))


def _image_with_properties(server, request):
    image = _image(server, request)
    if image:
        image['properties'] = {key[len('image_'):]: value for key, value in server.system_metadata.items()
                               if key.startswith('image_') and key not in _NO_PROPERTIES}
    return image


def _flavor_link(server, request):
    flavor_id = server.flavor.flavorid
    return {'id': flavor_id, 'links': request.links.bookmark_only('flavors', flavor_id)}


def _fault(server):
    fault = server.fault
    if fault is None or not (server.deleted or server.vm_state == vm_states.ERROR):
        return ABSENT
    return fault


def _fault_details(fault, request):
    if fault.details and (request.context.is_admin or fault.code != 500):
        return fault.details
    return ABSENT


def _progress(server):
    return server.progress or 0 if status(server) in _WITH_PROGRESS else ABSENT


def _security_groups(server):
    return [{'name': name} for name in server.security_groups] or ABSENT


def _hypervisor_zone(server):
    return server.availability_zone or ''


def _unknown_only(server):
    return 'UNKNOWN' if server.host_status == 'UNKNOWN' else ABSENT


FAULT = Table(
    Field('code', type='integer'),
    Field('created', lambda fault: second(fault.created_at), type='string'),
    Field('message', type='string'),
    Field('details', _fault_details, type='string', optional=True),
)
FLAVOR = Table(
    Field('original_name', 'name', type='string'),
    Field('vcpus', type='integer'),
    Field('ram', 'memory_mb', type='integer'),
    Field('disk', 'root_gb', type='integer'),
    Field('ephemeral', 'ephemeral_gb', type='integer'),
    Field('swap', type='integer'),
    Field('extra_specs', policy=FLAVOR_SPECS, type=MAP),
)


def _from(since, update='2.75'):
    """In show and detail from one version, in the answer of an update from another."""
    return {SHOW: since, DETAIL: since, UPDATE: update if _minor(update) > _minor(since) else since}


def _minor(version):
    return int(version.partition('.')[2])


_NAMES = many(shape(name='string'))
_BOOKMARKED = {'id': 'string', 'links': LINKS}
_IMAGE = {'anyOf': [{'const': ''}, shape(**_BOOKMARKED)]}
_RICH_IMAGE = {'anyOf': [{'const': ''}, shape(**_BOOKMARKED, properties=MAP)]}
_SHORT_ADDRESS = {'version': {'enum': [4, 6]}, 'addr': 'string'}
_ADDRESS = {**_SHORT_ADDRESS, 'OS-EXT-IPS:type': {'enum': ['fixed', 'floating']}, 'OS-EXT-IPS-MAC:mac_addr': 'string'}
ADDRESSES, SHORT_ADDRESSES = ({'type': 'object', 'additionalProperties': many(shape(**keys))}
                              for keys in (_ADDRESS, _SHORT_ADDRESS))

VIEW = Table(
    Field('id', 'uuid', needs='uuid', type='string'),
    Field('links', lambda server, request: request.links.item('servers', server.uuid), needs='uuid', type=LINKS),
    Field('name', 'display_name', on=(LIST, *_FULL, UPDATE), needs='display_name', type='string'),
    # Right after it was asked for
    Field('OS-DCF:diskConfig', lambda server: 'AUTO' if server.auto_disk_config else 'MANUAL',
          on=(CREATE, *_FULL, UPDATE), needs='auto_disk_config', type='string'),
    Field('security_groups', lambda server: [{'name': name} for name in server.security_groups], on=CREATE,
          type=_NAMES),
    Field('adminPass', lambda server: server.admin_password if CONF.api.enable_instance_password else ABSENT,
          on=CREATE, type='string', optional=True),
    # Always
    *(Field(name, getter, on=(*_FULL, UPDATE), needs=needs, type='string') for name, getter, needs in (
        ('status', status, ('vm_state', 'task_state', 'deleted')),
        ('tenant_id', lambda server: server.project_id or '', 'project_id'),
        ('user_id', lambda server: server.user_id or '', 'user_id'),
        ('hostId', host_id, ('host', 'project_id')),
        ('created', lambda server: second(server.created_at), 'created_at'),
        ('updated', lambda server: second(server.updated_at or server.created_at), ('updated_at', 'created_at')),
        ('accessIPv4', lambda server: server.access_ip_v4 or '', 'access_ip_v4'),
        ('accessIPv6', lambda server: server.access_ip_v6 or '', 'access_ip_v6'),
    )),
    Field('metadata', on=(*_FULL, UPDATE), needs='metadata', type=MAP),
    Field('progress', _progress, on=(*_FULL, UPDATE), needs=('progress', 'vm_state', 'task_state'), type='integer',
          optional=True),
    Field('fault', _fault, on=(*_FULL, UPDATE), view=FAULT, needs=('fault', 'vm_state', 'deleted'), optional=True),
    Field('image', _image, on=(*_FULL, UPDATE), needs='image_ref', type=_IMAGE),
    Field('image', _image_with_properties, on=(*_FULL, UPDATE), since='2.98', needs=('image_ref', 'system_metadata'),
          type=_RICH_IMAGE),
    Field('flavor', _flavor_link, on=(*_FULL, UPDATE), until='2.46', needs='flavor',
          type=shape(**_BOOKMARKED)),
    Field('flavor', 'flavor', on=(*_FULL, UPDATE), since='2.47', view=FLAVOR, needs='flavor'),
    Field('addresses', addresses, on=_FULL, needs=('network_info', 'vm_state', 'task_state'), type=ADDRESSES),
    Field('addresses', lambda server: addresses(server, with_macs=False), on=UPDATE, until='2.74',
          needs=('network_info', 'vm_state', 'task_state'), type=SHORT_ADDRESSES),
    Field('addresses', addresses, on=UPDATE, since='2.75', needs=('network_info', 'vm_state', 'task_state'),
          type=ADDRESSES),
    # What joined; in the answer of an update mostly from 2.75
    *(Field(name, getter, since=_from('2.1'), needs=needs, type=kind) for name, getter, needs, kind in (
        ('OS-EXT-AZ:availability_zone', _hypervisor_zone, 'availability_zone', 'string'),
        ('config_drive', lambda server: server.config_drive or '', 'config_drive', 'string'),
        ('key_name', 'key_name', 'key_name', 'string?'),
        ('OS-SRV-USG:launched_at', lambda server: micros(server.launched_at), 'launched_at', 'string?'),
        ('OS-SRV-USG:terminated_at', lambda server: micros(server.terminated_at), 'terminated_at', 'string?'),
        ('OS-EXT-STS:task_state', 'task_state', 'task_state', 'string?'),
        ('OS-EXT-STS:vm_state', 'vm_state', 'vm_state', 'string'),
        ('OS-EXT-STS:power_state', lambda server: server.power_state or 0, 'power_state', 'integer'),
    )),
    Field('security_groups', _security_groups, since=_from('2.1'), needs='security_groups', type=_NAMES, optional=True),
    Field('os-extended-volumes:volumes_attached',
          lambda server: [{'id': volume} for volume, _gone in server.volumes], on=_FULL, until='2.2', needs='volumes',
          type=many(shape(id='string'))),
    Field('os-extended-volumes:volumes_attached',
          lambda server: [{'id': volume, 'delete_on_termination': gone} for volume, gone in server.volumes],
          since=_from('2.3'), needs='volumes', type=many(shape(id='string', delete_on_termination='boolean'))),
    *(Field(f'OS-EXT-SRV-ATTR:{name}', getter, since=_from('2.1'), policy=EXTENDED, needs=needs, type=kind)
      for name, getter, needs, kind in (
          ('host', 'host', 'host', 'string?'),
          ('hypervisor_hostname', 'node', 'node', 'string?'),
          ('instance_name', 'name', 'id', 'string'),
    )),
    *(Field(f'OS-EXT-SRV-ATTR:{name}', getter, since=_from('2.3'), policy=EXTENDED, needs=needs, type=kind)
      for name, getter, needs, kind in (
          ('hostname', 'hostname', 'hostname', 'string'),
          ('reservation_id', 'reservation_id', 'reservation_id', 'string'),
          ('launch_index', lambda server: server.launch_index or 0, 'launch_index', 'integer'),
          ('kernel_id', lambda server: server.kernel_id or '', 'kernel_id', 'string'),
          ('ramdisk_id', lambda server: server.ramdisk_id or '', 'ramdisk_id', 'string'),
          ('root_device_name', 'root_device_name', 'root_device_name', 'string?'),
          ('user_data', 'user_data', 'user_data', 'string?'),
    )),
    Field('OS-EXT-SRV-ATTR:hostname', 'hostname', since=_from('2.90', '2.90'), needs='hostname', type='string'),
    Field('locked', 'locked', since=_from('2.9', '2.9'), needs='locked', type='boolean'),
    Field('host_status', _unknown_only, since=_from('2.16'), policy=HOST_STATUS_UNKNOWN, needs='host_status',
          type='string', optional=True),
    Field('host_status', 'host_status', since=_from('2.16'), policy=HOST_STATUS, needs='host_status', type='string'),
    Field('description', 'display_description', since=_from('2.19', '2.19'), needs='display_description',
          type='string?'),
    Field('tags', 'tags', since=_from('2.26', '2.26'), needs='tags', type='string*'),
    Field('trusted_image_certificates', 'trusted_certs', since=_from('2.63', '2.63'), needs='trusted_certs',
          type={**many({'type': 'string'}), 'type': ['array', 'null']}),
    Field('server_groups', 'server_groups', since={SHOW: '2.71', UPDATE: '2.71'}, needs='server_groups',
          type='string*'),
    Field('locked_reason', 'locked_reason', since=_from('2.73', '2.73'), needs='locked_reason', type='string?'),
    Field('pinned_availability_zone', 'pinned_availability_zone', since=_from('2.96', '2.96'),
          needs='pinned_availability_zone', type='string?'),
    Field('scheduler_hints', 'scheduler_hints', since=_from('2.100', '2.100'), needs='scheduler_hints', type='object'),
)
