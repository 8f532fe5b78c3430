# SPDX-License-Identifier: Apache-2.0
"""Payloads that tell of servers."""

from nova import objects
from nova.conf import CONF
from nova.notifications import base, common, legacy
from nova.notifications.base import at, flag, many, moment, number, one, payload, plain, same, text, texts
from nova.objects import share_mapping
from nova.virt import power_state

#: The names of power states.
POWER = {power_state.NOSTATE: 'pending', power_state.RUNNING: 'running', power_state.PAUSED: 'paused',
         power_state.SHUTDOWN: 'shutdown', power_state.CRASHED: 'crashed', power_state.SUSPENDED: 'suspended'}


def _property(name):
    """Getter of a property of the server's image."""
    return lambda about: (about.thing.system_metadata or {}).get(f'image_{name}')


def _flavor(about):
    return common.FlavorPayload.of(about.of(about.thing.flavor)) if about.thing.flavor is not None else None


def _block_devices(about):
    """Its volumes, if wanted; read where nobody has them at hand."""
    if not CONF.notifications.bdms_in_notifications:
        return []
    if about.bdms is None:
        about.bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(about.context, about.thing.uuid).objects
    return [common.BlockDevicePayload.of(about.of(bdm)) for bdm in about.bdms if bdm.volume_id]


def _shares(about):
    if not CONF.notifications.include_share_mapping:
        return []
    found = share_mapping.of_server(about.context, about.thing)
    return [common.SharePayload.of(about.of(share)) for share in found]


def tags_of(about):
    """Its tags; read where the server was loaded without them."""
    instance = about.thing
    if not instance.obj_attr_is_set('tags'):
        found = objects.InstanceList.get_by_filters(about.context.elevated(), {'uuid': instance.uuid}, with_=('tags',))
        instance.trust('tags', found[0].tags if len(found) else [])
    return list(instance.tags)


def _bandwidth(about):
    return [common.BandwidthPayload(network_name=name, in_bytes=used['bw_in'], out_bytes=used['bw_out'])
            for name, used in (getattr(about.more, 'bandwidth', None) or {}).items()]


def _period(about):
    begin, end = about.more.period
    return common.AuditPeriodPayload(audit_period_beginning=begin, audit_period_ending=end)


@payload
class InstancePayload(base.Payload):
    """A server."""

    VERSION = '1.9'
    fields = {
        **same('uuid', 'user_id', 'tenant_id', 'reservation_id', 'display_name', 'display_description', 'host_name',
               'host', 'node', 'os_type', 'architecture', 'availability_zone', 'image_uuid', 'key_name', 'kernel_id',
               'ramdisk_id', 'state', 'power_state', 'task_state', 'auto_disk_config', 'locked_reason'),
        'created_at': moment(), 'launched_at': moment(), 'terminated_at': moment(), 'deleted_at': moment(),
        'updated_at': moment(), 'progress': number(), 'locked': flag(), 'metadata': plain(),
        'flavor': one('FlavorPayload'), 'ip_addresses': many('IpPayload'),
        'block_devices': many('BlockDevicePayload'), 'shares': many('SharePayload'),
        **same('request_id', 'action_initiator_user', 'action_initiator_project'),
    }
    GETTERS = {
        'tenant_id': lambda about: about.thing.project_id,
        'host_name': lambda about: about.thing.hostname,
        'os_type': _property('os_type'), 'architecture': _property('architecture'),
        'image_uuid': lambda about: about.thing.image_ref,
        'state': lambda about: about.thing.vm_state,
        'power_state': lambda about: POWER.get(about.thing.power_state, 'pending'),
        'auto_disk_config': lambda about: 'AUTO' if about.thing.auto_disk_config else 'MANUAL',
        'locked': lambda about: bool(about.thing.locked),
        'metadata': lambda about: dict(about.thing.metadata or {}),
        'flavor': _flavor,
        'ip_addresses': lambda about: common.IpPayload.all_of(about.thing.network_info),
        'block_devices': _block_devices, 'shares': _shares,
        'request_id': lambda about: about.context.request_id,
        'action_initiator_user': lambda about: about.context.user_id,
        'action_initiator_project': lambda about: about.context.project_id,
    }

    @classmethod
    def unversioned(cls, about):
        return legacy.of_server(about)


@payload
class InstanceActionPayload(InstancePayload):
    """A server, and the error that ended what was done with it."""

    VERSION = '1.9'
    fields = {'fault': one('ExceptionPayload')}
    GETTERS = {'fault': lambda about: common.ExceptionPayload.of_error(about.error)}

    #: Texts that the event has besides the server; in both forms by these names.
    OWN = ()

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        if 'OWN' in vars(cls):
            cls.fields, cls.GETTERS = same(*cls.OWN), {name: at(name) for name in cls.OWN}

    @classmethod
    def unversioned(cls, about):
        return {**legacy.of_server(about), **legacy.of_error(about.error), **cls.own(about)}

    @classmethod
    def own(cls, about):
        """What the old form has of this event alone."""
        return {name: getattr(about.more, name) for name in cls.OWN}


@payload
class InstanceCreatePayload(InstanceActionPayload):
    """A server that is being made."""

    VERSION = '1.13'
    fields = {'keypairs': many('KeypairPayload'), 'tags': texts(), 'trusted_image_certificates': texts(),
              'instance_name': text()}
    GETTERS = {
        'keypairs': lambda about: [common.KeypairPayload(user_id=about.thing.user_id, **{
            name: pair.get(name) for name in ('name', 'public_key', 'fingerprint', 'type')})
            for pair in about.thing.keypairs or ()],
        'tags': tags_of,
        'trusted_image_certificates': lambda about: about.thing.trusted_certs,
        'instance_name': lambda about: about.thing.name,
    }

    @classmethod
    def own(cls, about):
        own = {'image_name': (about.thing.system_metadata or {}).get('image_name', '')}
        if about.more.phase == 'end':
            own['message'] = 'Success'
        return own


@payload
class InstanceActionVolumePayload(InstanceActionPayload):
    """A server, and the volume that comes or goes."""

    VERSION = '1.7'
    OWN = ('volume_id',)


@payload
class InstanceActionSharePayload(InstanceActionPayload):
    """A server, and the share that comes or goes."""

    VERSION = '1.1'
    OWN = ('share_id',)


@payload
class InstanceActionVolumeSwapPayload(InstanceActionPayload):
    """A server, and the volumes that are exchanged."""

    VERSION = '1.9'
    OWN = ('old_volume_id', 'new_volume_id')


@payload
class InstanceActionRescuePayload(InstanceActionPayload):
    """A server, and the image that it is rescued with."""

    VERSION = '1.4'
    fields = {'rescue_image_ref': text()}
    GETTERS = {'rescue_image_ref': at('rescue_image_ref')}

    @classmethod
    def own(cls, about):
        return {'rescue_image_name': about.more.rescue_image_ref}


@payload
class InstanceActionRebuildPayload(InstanceActionPayload):
    """A server that is made anew."""

    VERSION = '1.10'
    fields = {'trusted_image_certificates': texts()}
    GETTERS = {'trusted_image_certificates': lambda about: about.thing.trusted_certs}

    @classmethod
    def own(cls, about):
        return {'image_name': (about.thing.system_metadata or {}).get('image_name', '')}


@payload
class InstanceActionSnapshotPayload(InstanceActionPayload):
    """A server, and the image that is made of it."""

    VERSION = '1.10'
    fields = {'snapshot_image_id': text()}
    GETTERS = {'snapshot_image_id': at('snapshot_image_id')}


@payload
class InstanceActionResizePrepPayload(InstanceActionPayload):
    """A server, and the flavor that it is to have."""

    VERSION = '1.4'
    fields = {'new_flavor': one('FlavorPayload')}
    GETTERS = {'new_flavor': lambda about: common.FlavorPayload.of(about.of(about.more.new_flavor))}

    @classmethod
    def own(cls, about):
        return {'new_instance_type': about.more.new_flavor.name, 'new_instance_type_id': about.more.new_flavor.id}


@payload
class InstanceUpdatePayload(InstancePayload):
    """A server whose state, name, metadata or tags changed."""

    VERSION = '2.1'
    fields = {'state_update': one('InstanceStateUpdatePayload'), 'audit_period': one('AuditPeriodPayload'),
              'bandwidth': many('BandwidthPayload'), 'old_display_name': text(), 'tags': texts()}
    GETTERS = {
        'state_update': lambda about: common.InstanceStateUpdatePayload(
            old_state=about.more.old_state, state=about.thing.vm_state, old_task_state=about.more.old_task_state,
            new_task_state=about.thing.task_state),
        'audit_period': _period, 'bandwidth': _bandwidth, 'old_display_name': at('old_display_name'),
        'tags': tags_of,
    }

    @classmethod
    def unversioned(cls, about):
        more = about.more
        own = {'old_state': more.old_state, 'old_task_state': more.old_task_state,
               'new_task_state': about.thing.task_state, **legacy.of_period(more.period, more.bandwidth)}
        if more.old_display_name is not None:
            own['old_display_name'] = more.old_display_name
        return {**legacy.of_server(about), **own}


@payload
class InstanceExistsPayload(InstancePayload):
    """A server that existed in a period, for those who bill."""

    VERSION = '1.4'
    fields = {'audit_period': one('AuditPeriodPayload'), 'bandwidth': many('BandwidthPayload')}
    GETTERS = {'audit_period': _period, 'bandwidth': _bandwidth}

    @classmethod
    def unversioned(cls, about):
        return {**legacy.of_server(about), **legacy.of_period(about.more.period, about.more.bandwidth)}
