# SPDX-License-Identifier: Apache-2.0
"""Payloads that tell of everything but servers: aggregates, groups, services, requests to the scheduler, …"""

from nova.notifications import base, common, legacy
from nova.notifications.base import at, flag, many, moment, number, one, payload, plain, same, text, texts
from nova.objects import fields, volume_usage


def _known(about, name):
    """A field that may not be there yet, before the thing is stored."""
    return getattr(about.thing, name) if about.thing.obj_attr_is_set(name) else None


@payload
class AggregatePayload(base.Payload):
    """An aggregate, with its hosts."""

    VERSION = '1.1'
    fields = {'id': number(), 'uuid': text(), 'name': text(), 'hosts': texts(), 'metadata': plain()}

    @classmethod
    def _value(cls, about, name):
        return _known(about, name)

    @classmethod
    def unversioned(cls, about):
        told = {'aggregate_id': _known(about, 'id'), 'name': about.thing.name, **vars(about.more)}
        told.pop('phase', None)
        return {**told, 'metadata': dict(about.thing.metadata or {})}


@payload
class AggregateCachePayload(base.Payload):
    """How far the hosts of an aggregate came with fetching images."""

    VERSION = '1.0'
    fields = {'id': number(), 'uuid': text(), 'name': text(), 'host': text(), 'images_cached': texts(),
              'images_failed': texts(), 'index': number(), 'total': number()}
    GETTERS = {name: at(name) for name in ('host', 'images_cached', 'images_failed', 'index', 'total')}


@payload
class ServerGroupPayload(base.Payload):
    """A server group; `members` are those that this event added, where it is about that."""

    VERSION = '1.1'
    fields = {**same('uuid', 'name', 'user_id', 'project_id', 'policy'), 'policies': texts(), 'members': texts(),
              'hosts': texts(), 'rules': plain()}
    GETTERS = {'policies': lambda about: [about.thing.policy] if about.thing.policy else []}

    @classmethod
    def _value(cls, about, name):
        return super()._value(about, name) if name in cls.GETTERS else _known(about, name)

    @classmethod
    def unversioned(cls, about):
        group = about.thing
        members = getattr(about.more, 'instance_uuids', None)
        return {'server_group_id': group.uuid, 'name': group.name, 'policies': [group.policy] if group.policy else [],
                'metadata': {}, 'user_id': group.user_id, 'project_id': group.project_id,
                **({} if members is None else {'instance_uuids': members})}


@payload
class ServiceStatusPayload(base.Payload):
    """A service and whether it takes part."""

    VERSION = '1.1'
    fields = {**same('host', 'binary', 'topic', 'disabled_reason', 'availability_zone', 'uuid'),
              'report_count': number(), 'disabled': flag(), 'last_seen_up': moment(), 'forced_down': flag(),
              'version': number()}

    @classmethod
    def _value(cls, about, name):
        return _known(about, name)


@payload
class ImageMetaPayload(base.Payload):
    """An image; `size` in bytes, `min_ram` in MiB, `min_disk` in GiB."""

    VERSION = '1.0'
    fields = {**same('id', 'name', 'status', 'visibility', 'checksum', 'owner', 'container_format', 'disk_format',
                     'direct_url'),
              'size': number(), 'virtual_size': number(), 'min_ram': number(), 'min_disk': number(),
              'created_at': moment(), 'updated_at': moment(), 'properties': plain()}

    @classmethod
    def _value(cls, about, name):
        return dict(about.thing.properties or {}) if name == 'properties' else _known(about, name)


@payload
class DestinationPayload(base.Payload):
    """Where an administrator wants a server to be."""

    VERSION = '1.0'
    fields = same('host', 'node')


def _part(name, kind):
    """Getter of another payload of a request, null where the request does not have it."""
    def get(about):
        part = getattr(about.thing, name)
        return None if part is None else kind.of(about.of(part))
    return get


@payload
class RequestSpecPayload(base.Payload):
    """What the scheduler is asked for."""

    VERSION = '1.1'
    fields = {
        **same('instance_uuid', 'project_id', 'user_id', 'availability_zone'), 'num_instances': number(),
        'flavor': one('FlavorPayload'), 'image': one('ImageMetaPayload'), 'numa_topology': plain(),
        'pci_requests': plain(), 'ignore_hosts': texts(), 'force_hosts': texts(), 'force_nodes': texts(),
        'instance_group': one('ServerGroupPayload'), 'scheduler_hints': plain(), 'security_groups': texts(),
        'requested_destination': one('DestinationPayload'), 'retry': plain(), 'limits': plain(),
    }
    GETTERS = {
        'flavor': _part('flavor', common.FlavorPayload), 'image': _part('image', ImageMetaPayload),
        'instance_group': _part('instance_group', ServerGroupPayload),
        'requested_destination': lambda about: about.thing.requested_destination and DestinationPayload(
            host=about.thing.requested_destination.get('host'), node=about.thing.requested_destination.get('node')),
    }

    @classmethod
    def unversioned(cls, about):
        return {'request_spec': cls.of(about).body()['nova_object.data']}


@payload
class ComputeTaskPayload(base.Payload):
    """An orchestration that came to nothing, and why."""

    VERSION = '1.0'
    fields = {'instance_uuid': text(), 'request_spec': one('RequestSpecPayload'), 'state': text(),
              'reason': one('ExceptionPayload')}
    GETTERS = {
        'instance_uuid': lambda about: about.thing.uuid,
        'request_spec': lambda about: about.more.request_spec and RequestSpecPayload.of(
            about.of(about.more.request_spec)),
        'state': lambda about: about.thing.vm_state,
        'reason': lambda about: common.ExceptionPayload.of_error(about.error),
    }

    @classmethod
    def unversioned(cls, about):
        spec = about.more.request_spec
        return {'request_spec': RequestSpecPayload.of(about.of(spec)).body()['nova_object.data'] if spec else {},
                'instance_properties': {'uuid': about.thing.uuid, 'display_name': about.thing.display_name},
                'instance_id': about.thing.uuid, 'state': about.thing.vm_state, 'method': about.more.method,
                'reason': common.message_of(about.error)}


@payload
class MetricPayload(base.Payload):
    """One measured value of a host."""

    VERSION = '1.0'
    fields = {'name': text(), 'value': fields.FloatField(nullable=True), 'numa_membw_values': plain(),
              'timestamp': moment(), 'source': text()}


@payload
class MetricsPayload(base.Payload):
    """What a host measured of itself."""

    VERSION = '1.0'
    fields = {**same('host', 'host_ip', 'nodename'), 'metrics': many('MetricPayload')}
    GETTERS = {
        **{name: at(name) for name in ('host', 'host_ip', 'nodename')},
        'metrics': lambda about: [MetricPayload(numa_membw_values=None, **{
            name: metric[name] for name in ('name', 'value', 'timestamp', 'source')}) for metric in about.thing],
    }

    @classmethod
    def unversioned(cls, about):
        return {'metrics': [dict(metric) for metric in about.thing], 'host': about.more.host,
                'host_ip': about.more.host_ip, 'nodename': about.more.nodename}


@payload
class VolumeUsagePayload(base.Payload):
    """What was read from and written to a volume since it was first looked at: requests, and bytes."""

    VERSION = '1.0'
    fields = {**same('volume_id', 'project_id', 'user_id', 'instance_uuid', 'availability_zone'),
              'last_refreshed': moment(), **{name: number() for name in volume_usage.COUNTERS}}

    @classmethod
    def unversioned(cls, about):
        usage = about.thing
        return {'volume_id': usage.volume_id, 'tenant_id': usage.project_id, 'user_id': usage.user_id,
                'instance_id': usage.instance_uuid, 'availability_zone': usage.availability_zone,
                'last_refreshed': legacy.text_of(usage.last_refreshed),
                **{name: getattr(usage, name) for name in volume_usage.COUNTERS}}


@payload
class LibvirtErrorPayload(base.Payload):
    """A host that cannot reach its hypervisor."""

    VERSION = '1.0'
    fields = {'ip': text(), 'reason': one('ExceptionPayload')}
    GETTERS = {'ip': at('ip'), 'reason': lambda about: common.ExceptionPayload.of_error(about.error)}

    @classmethod
    def unversioned(cls, about):
        return {'ip': about.more.ip, 'method': 'connect', 'reason': common.message_of(about.error)}


@payload
class HostPayload(base.Payload):
    """What an administrator does with a host."""

    VERSION = '1.0'
    fields = {'host_name': text(), 'action': text()}

    @classmethod
    def _value(cls, about, name):
        return about.thing.get(name)

    @classmethod
    def unversioned(cls, about):
        return dict(about.thing)
