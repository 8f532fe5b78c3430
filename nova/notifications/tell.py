# SPDX-License-Identifier: Apache-2.0
"""Telling of an event: the one way from something that happened to messages.

Nothing here raises: what is told is never more important than what is done.  Where no driver is configured, nothing is
looked up, read or made.
"""

import contextlib
import functools

from nova import context as nova_context
from nova.conf import CONF
from nova.notifications import table
from nova.notifications.base import About
from nova.notifications.outbox import OUTBOX
from nova.notifications.table import END, ERROR, START


def is_enabled():
    return OUTBOX.is_enabled()


def _host():
    return CONF.notifications.default_publisher_id or CONF.host


def event(name, phase, about, binary='nova-api', host=None):
    """Tell of an event.

    :param phase: one that the event has; others are not told.
    :param about: `base.About`, or a function without arguments that makes it.
    :param binary, host: who tells it.
    """
    if not OUTBOX.is_enabled():
        return
    kind = table.EVENTS[name]
    if phase not in kind.phases:
        return
    try:
        _put(kind, phase, about() if callable(about) else about, binary, host or _host())
    except Exception as error:      # noqa: BLE001  said once, and never the caller's
        OUTBOX.complain('made', error)


def _put(kind, phase, about, binary, host):
    about.more.phase = phase
    level = 'error' if phase == ERROR or kind.name == 'compute.exception' else CONF.notifications.default_level.lower()
    if kind.versioned and OUTBOX.wants(versioned=True):
        OUTBOX.put(about.context, f'{binary}:{host}', kind.type(phase), kind.payload.of(about).body(), level,
                   versioned=True)
    if kind.old and OUTBOX.wants(versioned=False):
        OUTBOX.put(about.context, f'{binary.removeprefix("nova-")}.{host}', kind.old_type(phase),
                   kind.payload.unversioned(about), level, versioned=False)


@contextlib.contextmanager
def span(name, about, binary='nova-api', host=None):
    """Tell that something begins, and that it ended, or the error that ended it.

    :param about: `base.About`, or a function that makes it; it is asked each time, since things change meanwhile.
    """
    if not OUTBOX.is_enabled():
        yield
        return
    event(name, START, about, binary, host)
    try:
        yield
    except Exception as error:
        event(name, ERROR, functools.partial(_failed, about, error), binary, host)
        raise
    event(name, END, about, binary, host)


def _failed(about, error):
    told = about() if callable(about) else about
    told.error = error
    return told


def about(context, thing, **more):
    """A function that says what an event is about, as `event` and `span` take it: nothing is made unless it is told."""
    return functools.partial(About, context, thing, **more)


# Things with a life of their own -------------------------------------------------------------------------------------

def aggregate(context, action, found, **more):
    """A span: `with tell.aggregate(context, 'create', found): …`."""
    return span(f'aggregate.{action}', about(context, found, **more))


def key_pair(context, action, pair):
    return span(f'keypair.{action}', about(context, pair))


def flavor(context, action, found):
    """A flavor was made, changed or deleted."""
    event(f'flavor.{action}', None, about(context, found))


def server_group(context, action, group, **more):
    event(f'server_group.{action}', None, about(context, group, **more))


def service(context, action, found, binary='nova-api', host=None):
    event(f'service.{action}', None, about(context, found), binary, host)


def host_action(context, name, /, **said):
    """A span of what an administrator does with a host."""
    return span(f'HostAPI.{name}', about(context, said))


def metrics(context, measured, host, node):
    """:param measured: [{'name', 'value', 'source', 'timestamp'}]; nothing is told of none."""
    if measured:
        event('metrics.update', None, about(context, measured, host=host, host_ip=CONF.my_ip, nodename=node),
              'nova-compute', host)


def volume_usage(context, usage, host):
    """How much a volume was used until now."""
    event('volume.usage', None, about(context, usage), 'nova-compute', host)


def libvirt_connect_error(context, ip, error, host=None):
    event('libvirt.connect', ERROR, about(context, None, ip=ip, error=error), 'nova-compute', host)


def api_fault(context, url, status, error):
    """Only in the old form, and only if notify_on_api_faults."""
    if CONF.notifications.notify_on_api_faults and OUTBOX.wants(versioned=False):
        plain(context or nova_context.get_admin_context(), 'api.fault',
              {'url': url, 'exception': str(error), 'status': status}, 'error', f'api.{_host()}')


def plain(context, event_type, payload, level=None, publisher=None):
    """Something in the old form that no table knows."""
    if OUTBOX.wants(versioned=False):
        OUTBOX.put(context, publisher or f'nova.{_host()}', event_type, payload,
                   level or CONF.notifications.default_level.lower(), versioned=False)
