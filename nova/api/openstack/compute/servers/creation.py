# SPDX-License-Identifier: Apache-2.0
"""From the validated body of POST /servers to what `compute.api` takes."""

from nova import exception
from nova.api.openstack.errors import Refused
from nova.compute import create
from nova.network import api as network_api


def request_of(body):
    """A `nova.compute.create.Request`.  Refuses what no schema can say."""
    hints = body.get('hints') or body.get('other_hints') or {}
    least = body.get('min_count') or 1
    most = body.get('max_count') or least
    if least > most:
        raise Refused(f'min_count: {least} must not be more than max_count, which is {most}.')
    if body.get('hostname') and most > 1:
        raise Refused('hostname: one host name cannot be given to several servers (max_count is more than 1).')
    zone, host, node = _zone(body.get('availability_zone'))
    if (host or node) and (body.get('host') or body.get('hypervisor_hostname')):
        raise Refused('availability_zone: a zone that names a host and the keys host or hypervisor_hostname exclude '
                      'each other.')
    devices = _devices(body)
    return create.Request(
        name=body['name'], flavor=body['flavor'], image=_image(body), networks=_networks(body), least=least, most=most,
        metadata=body.get('metadata') or {}, security_groups=_names(body.get('security_groups')),
        admin_password=body.get('admin_password'), key_name=body.get('key_name'), availability_zone=zone,
        forced_host=host, forced_node=node, host=body.get('host'), node=body.get('hypervisor_hostname'),
        user_data=body.get('user_data'), config_drive=bool(body.get('config_drive')),
        injected_files=body.get('personality') or [],
        auto_disk_config={'AUTO': True, 'MANUAL': False}.get(body.get('disk_config')),
        access_ip_v4=body.get('access_ip_v4'), access_ip_v6=body.get('access_ip_v6'),
        description=body.get('description'), hostname=body.get('hostname'), tags=list(dict.fromkeys(body.get('tags') or
                                                                                                   ())),
        trusted_certs=body.get('trusted_certs'), block_devices=devices, hints=hints)


def _image(body):
    image = body.get('image') or ''
    return image.rstrip('/').rpartition('/')[2]


def _zone(text):
    """(zone, host, node) of 'zone', 'zone:host', 'zone:host:node' or 'zone::node'."""
    if not text or ':' not in text:
        return text, None, None
    zone, _colon, rest = text.partition(':')
    host, _colon, node = rest.partition(':')
    if ':' in node or not (host or node):
        raise Refused(f'availability_zone: {text!r} is none of zone, zone:host, zone:host:node, zone::node.')
    return zone or None, host or None, node or None


def _names(items):
    return [item['name'] for item in items or () if item.get('name')]


def _networks(body):
    asked = body.get('networks')
    if isinstance(asked, list):
        for item in asked:
            if not item.get('uuid') and not item.get('port'):
                raise Refused('networks: each needs a uuid or a port.')
        if not asked:
            return None
    return network_api.requested(asked)


def _devices(body):
    first, second = body.get('block_device_mapping'), body.get('block_device_mapping_v2')
    if first and second:
        raise Refused('block_device_mapping and block_device_mapping_v2 exclude each other.')
    if first:
        raise exception.InvalidBDM(reason='block_device_mapping: volumes are not available on this site')
    return second or []
