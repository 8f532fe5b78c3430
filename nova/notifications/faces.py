# SPDX-License-Identifier: Apache-2.0
"""The functions that the module reference names as `nova.notifications`, for hooks and tools of others."""

import functools

from nova.notifications import legacy, servers, tell
from nova.notifications.base import About
from nova.notifications.outbox import OUTBOX
from nova.objects import base as objects_base

audit_period_bounds = servers.audit_period_bounds
bandwidth_usage = servers.bandwidth_usage
image_meta = legacy.image_meta


def info_from_instance(context, instance, network_info, system_metadata, **kw):
    """What all unversioned notifications of a server have; `kw` are put over it.

    :param network_info, system_metadata: the server's own unless given.
    """
    return {**legacy.of_server(About(context, instance), network_info, system_metadata), **kw}


def send_update(context, old_instance, new_instance, service='compute', host=None):
    """Tell of the difference between a server before and after a change, if anybody wants to know."""
    servers.changed(context, new_instance, servers.state_of(old_instance), always=True, binary=f'nova-{service}',
                    host=host)


def send_update_with_states(context, instance, old_vm_state, new_vm_state, old_task_state, new_task_state,
                            service='compute', host=None, verify_states=False):
    """Tell of a change of states.

    :param verify_states: not if notify_on_state_change does not want that change.
    """
    before = servers.state_of(instance)
    if before is None:
        return
    told = instance.obj_clone()
    told.trust('vm_state', new_vm_state)
    told.trust('task_state', new_task_state)
    servers.changed(context, told, {**before, 'vm_state': old_vm_state, 'task_state': old_task_state},
                    always=not verify_states, binary=f'nova-{service}', host=host)


def send_api_fault(url, status, exception, context=None):
    """Tell of a request that ended with an error of ours."""
    tell.api_fault(context, url, status, exception)


def notify_decorator(name, fn):
    """Wrap a function so that each call of it is told of in the old form, by this name.

    """
    @functools.wraps(fn)
    def call(*args, **kwargs):
        if OUTBOX.wants(versioned=False):
            context = next((value for value in (*args, *kwargs.values()) if hasattr(value, 'request_id')), None)
            if context is not None:
                tell.plain(context, name, {'args': [_said(value) for value in args],
                                           'kwarg': {key: _said(value) for key, value in kwargs.items()}})
        return fn(*args, **kwargs)
    return call


def _said(value):
    """An argument as JSON can say it; what is no plain value by its kind alone, since it may hold secrets."""
    if isinstance(value, objects_base.NovaObject):
        return f'{value.obj_name()} {getattr(value, "uuid", "")}'.strip()
    return value if value is None or isinstance(value, (str, int, float, bool)) else type(value).__name__
