# SPDX-License-Identifier: Apache-2.0
"""Helpers around servers that the module reference names, for drivers, hooks and tools of others.

The reference has two forms of some of these: with a `conductor` or `notifier` among the arguments, and without.  Both
are taken; where objects are read and told is decided elsewhere, so these arguments are not looked at.
"""

import fcntl
import functools
import ipaddress
import socket
import struct
import traceback

from oslo_log import log
from oslo_utils import timeutils

from nova import exception, objects
from nova.compute import block_devices, operations, power_state, shelve, task_states, usage_audit
from nova.conf import CONF
from nova.notifications import faces, servers, tell
from nova.objects import instance_action, task_log

LOG = log.getLogger(__name__)
_SIOCGIFADDR = 0x8915
_SOFT = (task_states.REBOOTING, task_states.REBOOT_PENDING, task_states.REBOOT_STARTED)


def _without(kind, position):
    """Decorator: leave out the positional argument that the other form of a function has.

    :param kind: function of an argument: whether this is the one to be left out.
    """
    def wrap(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            if len(args) > position and kind(args[position]):
                args = (*args[:position], *args[position + 1:])
            for name in ('conductor', 'notifier'):
                kwargs.pop(name, None)
            return function(*args, **kwargs)
        return call
    return wrap


def _is_context(value):
    return hasattr(value, 'request_id') and hasattr(value, 'is_admin')


def _no_instance(value):
    return not hasattr(value, 'uuid')


# The journal of actions ----------------------------------------------------------------------------------------------

class EventReporter:
    """`with EventReporter(context, 'compute_do_it', instance.uuid): …` records a step of the action that a request is.

    The action is that of the context's request; a server without one is passed over.
    """

    def __init__(self, context, *names):
        if names and not isinstance(names[0], str):
            names = names[1:]       # the conductor
        self.context, self.event_name, self.instance_uuids = context, names[0], names[1:]
        self._ids = []

    def __enter__(self):
        event = objects.InstanceActionEvent
        for uuid in self.instance_uuids:
            event_id = event.event_start(self.context, uuid, self.event_name, CONF.host)
            if event_id is None:
                LOG.debug('Request %s is no action on server %s; its step %s is not recorded', self.context.request_id,
                          uuid, self.event_name)
            else:
                self._ids.append(event_id)
        return self

    def __exit__(self, exc_type, exc_val, exc_tb):
        text = ''.join(traceback.format_exception(exc_val)) if exc_val is not None else None
        for event_id in self._ids:
            objects.InstanceActionEvent.event_finish(
                self.context, event_id, instance_action.FAILED if exc_val is not None else 'Success', text)
        return False


def pack_action_start(context, instance_uuid, action_name):
    """Values of an action that begins."""
    return {'action': action_name, 'instance_uuid': instance_uuid, 'request_id': context.request_id,
            'user_id': context.user_id, 'project_id': context.project_id, 'start_time': timeutils.utcnow()}


def pack_action_finish(context, instance_uuid):
    return {'instance_uuid': instance_uuid, 'request_id': context.request_id, 'finish_time': timeutils.utcnow()}


def pack_action_event_start(context, instance_uuid, event_name):
    """Values of a step that begins."""
    return {'event': event_name, 'instance_uuid': instance_uuid, 'request_id': context.request_id,
            'start_time': timeutils.utcnow()}


def pack_action_event_finish(context, instance_uuid, event_name, exc_val=None, exc_tb=None):
    """Values of a step that ended, with an error or not."""
    values = {'event': event_name, 'instance_uuid': instance_uuid, 'request_id': context.request_id,
              'finish_time': timeutils.utcnow(), 'result': 'Success'}
    if exc_tb is not None or exc_val is not None:
        values.update(result=instance_action.FAILED, message=str(exc_val) if exc_val is not None else None,
                      traceback=''.join(traceback.format_tb(exc_tb)))
    return values


@_without(_no_instance, 1)
def add_instance_fault_from_exc(context, instance, fault, exc_info=None):
    """Record an exception as what a server in ERROR shows.

    :param exc_info: as of `sys.exc_info()`; its traceback goes with it.
    """
    text = ''.join(traceback.format_exception(*exc_info)) if exc_info and exc_info[1] is not None else None
    values = operations.fault_of(fault, instance.host or CONF.host, text)
    objects.InstanceFault.create(context, instance.uuid, {**values, 'code': exception_to_dict(fault)['code']})


def exception_to_dict(fault):
    """{'exception', 'message', 'code'}; the text of what is no exception of ours is not shown: it may tell too much."""
    own = isinstance(fault, exception.NovaException)
    return {'exception': fault, 'message': fault.format_message() if own else type(fault).__name__,
            'code': int(getattr(fault, 'code', None) or getattr(fault, 'kwargs', {}).get('code') or 500)}


# Devices and networks ------------------------------------------------------------------------------------------------

@_without(_is_context, 0)
def get_device_name_for_instance(instance, bdms, device):
    """The name that one more disk of a server gets: `device`, or the next that is free.  Raises InvalidInput."""
    return block_devices.device_for(instance, bdms, device)


def get_next_device_name(instance, device_name_list, root_device_name=None, device=None):
    """The same, where only the names of the other disks are known.

    A wish such as /dev/sdc becomes /dev/vdc: the letter counts, the bus is the hypervisor's.  Raises InvalidInput.
    """
    root = root_device_name or instance.root_device_name or '/dev/vda'
    prefix = root.rstrip('0123456789')[:-1]
    taken = {root, *device_name_list}
    if device:
        wanted = prefix + device.rstrip('0123456789')[-1]
        if wanted in taken:
            raise exception.InvalidInput(reason=f'device: {device} is taken')
        return wanted
    for letter in 'abcdefghijklmnopqrstuvwxyz':
        if f'{prefix}{letter}' not in taken:
            return f'{prefix}{letter}'
    raise exception.InvalidInput(reason='device: every name is taken')


def default_device_names_for_instance(instance, root_device_name, *block_device_lists):
    """Give names to the disks that have none, and store them; the one to boot from has `root_device_name`."""
    taken = [bdm.device_name for devices in block_device_lists for bdm in devices if bdm.device_name]
    for devices in block_device_lists:
        for bdm in devices:
            if not bdm.device_name:
                bdm.device_name = root_device_name if bdm.boot_index == 0 else get_next_device_name(
                    instance, taken, root_device_name)
                taken.append(bdm.device_name)
                bdm.save()


def get_nw_info_for_instance(instance):
    return instance.get_network_info()


def get_machine_ips():
    """The addresses of this machine, loopback too, as text."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _index, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack('256s', name[:15].encode()))
            except OSError:
                continue    # it has none
            found.append(socket.inet_ntoa(answer[20:24]))
    try:
        with open('/proc/net/if_inet6', encoding='ascii') as table:
            found += [str(ipaddress.IPv6Address(int(line.split()[0], 16))) for line in table]
    except OSError:
        LOG.debug('This machine has no IPv6')
    return found


# States --------------------------------------------------------------------------------------------------------------

def get_reboot_type(task_state, current_power_state):
    """'SOFT' where the guest runs and was asked to reboot by itself, 'HARD' otherwise."""
    return 'SOFT' if current_power_state == power_state.RUNNING and task_state in _SOFT else 'HARD'


def get_value_from_system_metadata(instance, key, type, default):
    """A value of the server's system metadata as `type`; `default` where there is none, or it is no such value."""
    value = (instance.system_metadata or {}).get(key)
    try:
        return type(value) if value is not None else default
    except (TypeError, ValueError):
        LOG.warning('system_metadata %s of server %s is %r, which is no %s; %r is used', key, instance.uuid, value,
                    type.__name__, default)
        return default


def remove_shelved_keys_from_system_metadata(instance):
    """Forget that a server was shelved; saving it is the caller's."""
    instance.system_metadata = {key: value for key, value in (instance.system_metadata or {}).items()
                                if key not in shelve.KEYS}


class UnlimitedSemaphore:
    """A semaphore that never lets anybody wait."""

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        return False

    @property
    def balance(self):
        return 0


# Notifications -------------------------------------------------------------------------------------------------------

@_without(lambda value: not _is_context(value), 0)
def notify_about_instance_usage(context, instance, event_suffix, network_info=None, system_metadata=None,
                                extra_usage_info=None, host=None, fault=None):
    """Send an unversioned notification about a server.

    :param event_suffix: such as 'delete.start' or 'exists'.
    :param extra_usage_info: put over what all of them have.
    :param fault: the exception that it tells of.
    """
    if not tell.is_enabled():
        return
    more = dict(extra_usage_info or {})
    if fault is not None:
        more.update(exception_to_dict(fault), exception=type(fault).__name__)
    tell.plain(context, f'compute.instance.{event_suffix}',
               faces.info_from_instance(context, instance, network_info, system_metadata, **more),
               'error' if event_suffix.endswith('error') else None, f'compute.{host or CONF.host}')


@_without(lambda value: not _is_context(value), 0)
def notify_usage_exists(context, instance_ref, current_period=False, ignore_missing_network_data=True,
                        system_metadata=None, extra_usage_info=None):
    """Tell that a server existed, for those who bill: see `nova.notifications.servers.exists`.

    :param current_period: the period that is not over, instead of the last one.
    :param extra_usage_info: put over what the unversioned form has; the versioned form is not sent then.
    """
    if not extra_usage_info and system_metadata is None:
        servers.exists(context, instance_ref, current_period)
        return
    begin, end = servers.audit_period_bounds(current_period)
    used = servers.bandwidth_usage(instance_ref, begin, ignore_missing_network_data)
    notify_about_instance_usage(context, instance_ref, 'exists', system_metadata=system_metadata, extra_usage_info={
        'audit_period_beginning': str(begin), 'audit_period_ending': str(end), 'bandwidth': used,
        **(extra_usage_info or {})})


def _named(prefix, needs):
    def notify(context, event_suffix, payload):
        if payload.get(needs) is None:
            LOG.warning('No notification %s.%s: its payload has no %s', prefix, event_suffix, needs)
            return
        tell.plain(context, f'{prefix}.{event_suffix}', payload, None, f'{prefix}.{payload[needs]}')
    notify.__doc__ = f'Send an unversioned notification {prefix}.<event_suffix>; its payload must have `{needs}`.'
    return notify


notify_about_aggregate_update = _named('aggregate', 'aggregate_id')
notify_about_host_update = _named('HostAPI', 'host_name')
notify_about_server_group_update = _named('servergroup', 'server_group_id')


def usage_volume_info(vol_usage):
    """What a notification says of a volume's use: the counts until now, and since the guest began."""
    def total(name):
        return (vol_usage[f'tot_{name}'] or 0) + (vol_usage[f'curr_{name}'] or 0)
    refreshed = vol_usage.get('last_refreshed') or vol_usage.get('tot_last_refreshed')
    return {'volume_id': vol_usage['volume_id'], 'tenant_id': vol_usage.get('project_id'),
            'user_id': vol_usage.get('user_id'), 'instance_id': vol_usage.get('instance_uuid'),
            'availability_zone': vol_usage.get('availability_zone'),
            'last_refreshed': str(refreshed) if refreshed else '',
            'reads': total('reads'), 'read_bytes': total('read_bytes'), 'writes': total('writes'),
            'write_bytes': total('write_bytes')}


# The audit of use ----------------------------------------------------------------------------------------------------

@_without(lambda value: not isinstance(value, str), 1)
def has_audit_been_run(context, host, timestamp=None):
    """Whether a host has begun the audit of the last period that was over at `timestamp` (None: now)."""
    begin, end = usage_audit.last_completed_period(timestamp)
    return any(row.host == host for row in objects.TaskLogList.get_all(context, usage_audit.TASK, begin, end))


def start_instance_usage_audit(context, conductor, begin, end, host, num_instances):
    """Record that a host begins the audit of a period; False when it was done already."""
    if not objects.TaskLog.begin(context, usage_audit.TASK, host, begin, end):
        return False
    objects.TaskLog.note(context, usage_audit.TASK, host, begin, end, {
        'task_items': num_instances, 'message': 'Instance usage audit started...'})
    return True


def finish_instance_usage_audit(context, conductor, begin, end, host, errors, message):
    objects.TaskLog.note(context, usage_audit.TASK, host, begin, end, {
        'state': task_log.DONE, 'errors': errors, 'message': message})
