# SPDX-License-Identifier: Apache-2.0
"""Telling of servers: of the operations on them, and of what else changes them.

`of(op)` is what an operation (`nova.compute.operations`) holds on to; which events it tells is in `table.OPERATIONS`.
"""

import contextlib
import functools

from oslo_utils import timeutils

from nova import exception, objects
from nova.compute import usage_audit
from nova.conf import CONF
from nova.notifications import table, tell
from nova.notifications.base import About
from nova.notifications.outbox import OUTBOX
from nova.notifications.table import END, ERROR, START

UPDATE, EXISTS = 'instance.update', 'instance.exists'
#: What notify_on_state_change looks at.
_LOOKED_AT = ('vm_state', 'task_state', 'display_name')


def audit_period_bounds(current_period=False):
    """(begin, end), naive UTC: of the last completed audit period, or from the begin of this one until now."""
    begin, end = usage_audit.last_completed_period()
    return (end, timeutils.utcnow()) if current_period else (begin, end)


def bandwidth_usage(instance_ref, audit_start, ignore_missing_network_data=True):
    """{network: {'bw_in', 'bw_out'}} in bytes.  Empty: no traffic is recorded by any driver that there is."""
    return {}


# Changes of the records ----------------------------------------------------------------------------------------------

def state_of(instance):
    """What is looked at of a server, to be compared with after a change; None where nobody wants to know."""
    if not CONF.notifications.notify_on_state_change or not OUTBOX.is_enabled():
        return None
    return {name: getattr(instance, name) for name in _LOOKED_AT}


def changed(context, instance, before, always=False, binary='nova-api', host=None):
    """A server's records changed.

    :param before: what `state_of` said before that.
    :param always: something else changed that is told of too: metadata, tags.
    """
    if before is None:
        return
    now = {name: getattr(instance, name) for name in _LOOKED_AT}
    wanted = {'vm_state': ('vm_state', 'display_name')}.get(CONF.notifications.notify_on_state_change, _LOOKED_AT)
    if not always and all(now[name] == before[name] for name in wanted):
        return
    renamed = now['display_name'] != before['display_name']
    tell.event(UPDATE, None, lambda: About(
        context, instance, old_state=before['vm_state'], old_task_state=before['task_state'],
        old_display_name=before['display_name'] if renamed else None,
        period=audit_period_bounds(current_period=True), bandwidth=bandwidth_usage(instance, None)), binary, host)


def made(context, instances, group=None):
    """New servers were recorded."""
    if not OUTBOX.is_enabled():
        return
    nothing = dict.fromkeys(_LOOKED_AT)
    for instance in instances:
        before = state_of(instance)
        if before is not None:
            changed(context, instance, {**nothing, 'display_name': instance.display_name})
    if group is not None:
        uuids = [instance.uuid for instance in instances]
        group = group.obj_clone()
        group.trust('members', uuids)
        tell.server_group(context, 'add_member', group, instance_uuids=uuids)


def exists(context, instance, current_period=False, period=None, binary='nova-compute', host=None):
    """Report that a server existed.

    :param period: (begin, end); unless given, the last completed one or the current one so far.
    """
    tell.event(EXISTS, None, lambda: About(
        context, instance, period=period or audit_period_bounds(current_period), bandwidth={}), binary, host)


def once(context, name, instance, **more):
    """An event of a server that is no span: lock, unlock."""
    tell.event(f'instance.{name}', None, tell.about(context, instance, **more))


def span(context, name, instance, binary='nova-api', host=None, **more):
    """`with servers.span(context, 'volume_attach', instance, volume_id=…): …`"""
    return tell.span(f'instance.{name}', tell.about(context, instance, **more), binary, host)


def calls(cls):
    """Class decorator of a manager: its calls that `table.CALLS` names are told of."""
    for method, name in table.CALLS.items():
        setattr(cls, method, _telling(vars(cls)[method], name))
    return cls


def _telling(method, name):
    @functools.wraps(method)
    def call(self, context, instance, *args, **kwargs):
        if not OUTBOX.is_enabled():
            return method(self, context, instance, *args, **kwargs)
        about = tell.about(context, instance)
        try:
            with tell.span(name, about, self.binary, self.host):
                return method(self, context, instance, *args, **kwargs)
        except Exception as error:
            if is_unexpected(error):
                tell.event('compute.exception', None, tell.about(context, instance, error=error), self.binary,
                           self.host)
            raise
    return call


def is_unexpected(error):
    """Whether an error is ours or our neighbours', and no refusal."""
    return not isinstance(error, exception.NovaException) or error.kind == exception.INTERNAL


# Operations ----------------------------------------------------------------------------------------------------------

class Silence:
    """What an operation tells where nobody listens."""

    def start(self):
        """It begins."""

    def end(self):
        """Its step is done."""

    def error(self, error):
        """It failed with this exception."""

    def before(self):
        """The states before a change."""

    def changed(self, before):
        """The states changed."""

    def begins(self, name):
        """Something more begins that ends with it."""

    def span(self, name):
        """A context manager around a part that has an event of its own."""
        return contextlib.nullcontext()

    def undoing(self):
        """A context manager around its being undone."""
        return contextlib.nullcontext()


SILENCE = Silence()


class Operation(Silence):
    """What one step of an action tells."""

    def __init__(self, op, method):
        self._op = op
        self._told = table.OPERATIONS.get((op.host.binary, method), table.Told())
        self._method = method
        self._more = None
        self._also = []
        self._has_begun = self._is_over = False

    def _about(self, error=None):
        op = self._op
        if self._more is None:
            self._more = _MORE.get(self._method, _nothing)(op)
        return About(op.context, op.instance, error, op.bdms, method=self._method, **self._more)

    def _tell(self, name, phase, error=None):
        if name:
            tell.event(name, phase, lambda: self._about(error), self._op.host.binary, self._op.host.name)

    def start(self):
        if self._has_begun:
            return
        self._has_begun = True
        # What is begun again by another start of the service was told of by the first.
        if self._told.begins and (self._op.action.attempts or 0) <= 1:
            if self._told.exists and self._op.instance.launched_at:
                exists(self._op.context, self._op.instance, True, binary=self._op.host.binary, host=self._op.host.name)
            self._tell(self._told.event, START)

    def begins(self, name):
        self._also.append(f'instance.{name}')
        self._tell(self._also[-1], START)

    def end(self):
        if self._is_over:
            return
        self._is_over = True
        for name in reversed(self._also):
            self._tell(name, END)
        if self._told.end:
            self._tell(self._told.end, None)
        elif self._told.closes:
            self._tell(self._told.event, END)

    def error(self, error):
        if self._is_over:
            return
        self._is_over = True
        for name in reversed(self._also):
            self._tell(name, ERROR, error)
        self._tell(self._told.event if self._told.error is None else self._told.error, ERROR, error)
        if self._op.host.binary == 'nova-compute' and is_unexpected(error):
            self._tell('compute.exception', None, error)

    def span(self, name):
        return tell.span(f'instance.{name}', self._about, self._op.host.binary, self._op.host.name)

    def undoing(self):
        if not self._told.undo:
            return contextlib.nullcontext()
        return tell.span(self._told.undo, self._about, self._op.host.binary, self._op.host.name)

    def before(self):
        return state_of(self._op.instance)

    def changed(self, before):
        changed(self._op.context, self._op.instance, before, binary=self._op.host.binary, host=self._op.host.name)


def of(op, method):
    """What an operation tells."""
    return Operation(op, method) if OUTBOX.is_enabled() else SILENCE


# What events have besides the server: asked once, when the first phase is told.

def _nothing(op):
    return {}


def _new_flavor(op):
    migration = objects.Migration.get_by_uuid(op.context, op.args['migration_uuid'])
    return {'new_flavor': objects.Flavor.from_row(op.context, migration.new_flavor)}


def _bdm(op):
    return next((bdm for bdm in op.bdms or () if bdm.uuid == op.args['bdm_uuid']), None)


def _volume(op):
    return {'volume_id': getattr(_bdm(op), 'volume_id', None)}


def _swapped(op):
    return {'old_volume_id': getattr(_bdm(op), 'volume_id', None), 'new_volume_id': op.args['new_volume_id']}


def _spec(op):
    given = (op.args or {}).get('request_spec')
    return {'request_spec': objects.RequestSpec.obj_from_primitive(given, context=op.context) if given else None}


_MORE = {
    'prep_resize': _new_flavor, 'attach_volume': _volume, 'detach_volume': _volume, 'swap_volume': _swapped,
    **dict.fromkeys(('allow_share', 'deny_share'), lambda op: {'share_id': op.args['share_id']}),
    'snapshot_instance': lambda op: {'snapshot_image_id': op.args.get('image_id')},
    'rescue_instance': lambda op: {'rescue_image_ref': op.args.get('rescue_image_ref')},
    **dict.fromkeys(('schedule_and_build_instances', 'cold_migrate', 'live_migrate_instance', 'evacuate_instance'),
                    _spec),
}


def gave_up(manager, context, action, error):
    """An order that nobody will finish was ended: its error is told in place of whoever had it.

    :param action: with its arguments.
    """
    if not OUTBOX.is_enabled():
        return
    try:
        op = _Abandoned(manager, context, action)
    except exception.NovaException as missing:
        OUTBOX.complain('made', missing)
        return
    Operation(op, action.method).error(error)


class _Abandoned:
    """An operation without an owner."""

    def __init__(self, manager, context, action):
        self.context, self.action, self.args = context, action, action.args or {}
        self.host = _Teller(action.binary, action.host or manager.name)
        self.instance = objects.Instance.get_by_uuid(context.elevated(read_deleted='yes'), action.instance_uuid)
        self.bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, action.instance_uuid).objects


class _Teller:
    def __init__(self, binary, name):
        self.binary, self.name = binary, name


