# SPDX-License-Identifier: Apache-2.0
"""The old form of notifications of servers: plain dictionaries, moments as text."""

from nova.conf import CONF
from nova.notifications import common

#: Of a server's columns, those that go under their own names.
_SAME = ('user_id', 'display_name', 'reservation_id', 'hostname', 'memory_mb', 'vcpus', 'root_gb', 'ephemeral_gb',
         'host', 'node', 'availability_zone', 'kernel_id', 'ramdisk_id', 'progress', 'access_ip_v4', 'access_ip_v6')


def text_of(moment):
    """'' for None, as the old form has it."""
    return str(moment) if moment else ''


def image_url(image_ref):
    """Where the image service has an image."""
    if not image_ref:
        return ''
    where = CONF.glance.endpoint_override or f'http://{CONF.my_ip}:9292'
    return f'{where.rstrip("/").removesuffix("/v2")}/images/{image_ref}'


def image_meta(system_metadata):
    """The properties of a server's image, out of its system metadata."""
    return {key.removeprefix('image_'): value for key, value in (system_metadata or {}).items()
            if key.startswith('image_')}


def fixed_ips(network_info):
    """The addresses of a server, each with what its interface is."""
    return [{'address': ip['address'], 'type': ip['type'], 'version': ip['version'],
             'meta': dict(ip.get('meta') or {}), 'label': vif['network']['label'], 'vif_mac': vif['address'],
             'floating_ips': [floating['address'] for floating in ip['floating_ips']]}
            for vif in network_info or () if vif['network'] for ip in vif.fixed_ips()]


def of_server(about, network_info=None, system_metadata=None):
    """What all of them have."""
    instance, flavor = about.thing, about.thing.flavor
    meta = image_meta(system_metadata if system_metadata is not None else instance.system_metadata)
    return {
        **{name: getattr(instance, name) for name in _SAME},
        'tenant_id': instance.project_id, 'instance_id': instance.uuid,
        'instance_type': flavor.name if flavor is not None else '', 'instance_type_id': instance.instance_type_id,
        'instance_flavor_id': flavor.flavorid if flavor is not None else '',
        'architecture': meta.get('architecture'), 'os_type': meta.get('os_type'), 'cell_name': '',
        'disk_gb': (instance.root_gb or 0) + (instance.ephemeral_gb or 0),
        **{name: text_of(getattr(instance, name)) for name in ('created_at', 'launched_at', 'terminated_at',
                                                             'deleted_at')},
        'image_ref_url': image_url(instance.image_ref), 'state': instance.vm_state,
        'state_description': instance.task_state or '', 'metadata': dict(instance.metadata or {}),
        'image_meta': meta,
        'fixed_ips': fixed_ips(instance.network_info if network_info is None else network_info),
    }


def of_error(error):
    """What is added when it went wrong; nothing for None."""
    if error is None:
        return {}
    return {'message': common.message_of(error), 'exception': common.name_of(error),
            'code': getattr(error, 'code', 500)}


def of_period(period, bandwidth):
    """The time that it is about, and the traffic in it."""
    begin, end = period
    return {'audit_period_beginning': text_of(begin), 'audit_period_ending': text_of(end), 'bandwidth': bandwidth or {}}
