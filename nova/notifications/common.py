# SPDX-License-Identifier: Apache-2.0
"""Payloads that are part of others: errors, flavors, addresses, …"""

import traceback

from nova.notifications import base
from nova.notifications.base import flag, moment, number, payload, plain, same, text, texts
from nova.objects import fields


@payload
class ExceptionPayload(base.Payload):
    """An error: where it came from and what it says."""

    VERSION = '1.1'
    fields = {name: fields.StringField() for name in (
        'module_name', 'function_name', 'exception', 'exception_message', 'traceback')}

    @classmethod
    def of_error(cls, error):
        """None for None."""
        if error is None:
            return None
        frames = traceback.extract_tb(error.__traceback__)
        self = cls(module_name=type(error).__module__, function_name=frames[-1].name if frames else 'unknown',
                   exception=name_of(error), exception_message=message_of(error),
                   traceback=''.join(traceback.format_exception(error)))
        if error.__traceback__ is not None:
            frame = error.__traceback__
            while frame.tb_next is not None:
                frame = frame.tb_next
            self.module_name = frame.tb_frame.f_globals.get('__name__') or 'unknown'
        self.obj_reset_changes()
        return self

    @classmethod
    def of(cls, about):
        return cls.of_error(about.error)

    @classmethod
    def unversioned(cls, about):
        """As `nova.compute` tells of a call that failed: the error, and which server it was about."""
        return {'exception': repr(about.error), 'args': {'instance_uuid': getattr(about.thing, 'uuid', None)}}


def name_of(error):
    """Its class; that of an error that came from another service has a name of its own."""
    return type(error).__name__.removesuffix('_Remote')


def message_of(error):
    """What an error says, for people."""
    return getattr(error, 'message', None) or str(error) or type(error).__name__


@payload
class FlavorPayload(base.Payload):
    """A size: memory and swap in MiB, disks in GiB."""

    VERSION = '1.4'
    fields = {
        'flavorid': text(), 'name': text(), 'memory_mb': number(), 'vcpus': number(), 'root_gb': number(),
        'ephemeral_gb': number(), 'swap': number(), 'rxtx_factor': fields.FloatField(nullable=True),
        'vcpu_weight': number(), 'disabled': flag(True), 'is_public': flag(True), 'extra_specs': plain(),
        'projects': texts(), 'description': text(),
    }

    @classmethod
    def _value(cls, about, name):
        return getattr(about.thing, name) if about.thing.obj_attr_is_set(name) else None

    @classmethod
    def unversioned(cls, about):
        return cls.of(about).body()['nova_object.data']


@payload
class IpPayload(base.Payload):
    """An address of a server."""

    VERSION = '1.0'
    fields = {**same('label', 'mac', 'device_name', 'port_uuid', 'address'), 'meta': plain(), 'version': number()}

    @classmethod
    def all_of(cls, network_info):
        """One for each fixed address."""
        return [cls(label=vif['network']['label'], mac=vif['address'], device_name=vif['devname'], port_uuid=vif['id'],
                    address=ip['address'], meta=dict(vif.get('meta') or {}), version=ip['version'])
                for vif in network_info or () if vif['network'] for ip in vif.fixed_ips()]


@payload
class BlockDevicePayload(base.Payload):
    """A volume of a server."""

    VERSION = '1.0'
    fields = {**same('device_name', 'volume_id', 'tag'), 'boot_index': number(), 'delete_on_termination': flag()}


@payload
class SharePayload(base.Payload):
    """A share of a server."""

    VERSION = '1.0'
    fields = same('share_mapping_uuid', 'share_id', 'status', 'tag')
    GETTERS = {'share_mapping_uuid': lambda about: about.thing.uuid}


@payload
class KeypairPayload(base.Payload):
    """A user's public key."""

    VERSION = '1.0'
    fields = same('user_id', 'name', 'public_key', 'fingerprint', 'type')

    @classmethod
    def _value(cls, about, name):
        return getattr(about.thing, name) if about.thing.obj_attr_is_set(name) else None

    @classmethod
    def unversioned(cls, about):
        return {'tenant_id': about.context.project_id, 'user_id': about.thing.user_id, 'key_name': about.thing.name}


@payload
class InstanceStateUpdatePayload(base.Payload):
    """The states of a server before and after a change."""

    VERSION = '1.0'
    fields = same('old_state', 'state', 'old_task_state', 'new_task_state')


@payload
class AuditPeriodPayload(base.Payload):
    """The time that a report of use is about."""

    VERSION = '1.0'
    fields = {'audit_period_beginning': moment(), 'audit_period_ending': moment()}


@payload
class BandwidthPayload(base.Payload):
    """Bytes that a network carried for a server in an audit period."""

    VERSION = '1.0'
    fields = {'network_name': text(), 'out_bytes': number(), 'in_bytes': number()}
