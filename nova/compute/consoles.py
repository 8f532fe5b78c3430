# SPDX-License-Identifier: Apache-2.0
"""What guests wrote to their consoles, and ways to their screens and ports."""

import dataclasses
import functools

from nova import exception, objects
from nova.conf import CONF
from nova.objects import console_auth_token


def output(driver, context, instance, tail_length=None):
    """The last `tail_length` lines (None or -1: everything that is kept) as text.

    Bytes that are no UTF-8 are replaced; the guest may write anything.  Raises InstanceNotFound, ConsoleNotAvailable.
    """
    text = driver.get_console_output(context, instance)
    if isinstance(text, bytes):
        text = text.decode('utf-8', 'replace')
    if tail_length is None or int(tail_length) < 0:
        return text
    lines = text.splitlines()
    return '\n'.join(lines[len(lines) - int(tail_length):] if int(tail_length) else [])


def close(context, instance):
    """The guest lets go of its consoles' ports, which others may take: no token that was given so far opens any more.
    """
    objects.ConsoleAuthToken.clean_console_auths_for_instance(context, instance.uuid)


def closes(body):
    """Mark a concern's function in which the guest lets go of its consoles' ports, however it ends."""
    @functools.wraps(body)
    def run(op):
        # Before that, and again for those that were given meanwhile.
        op.tidy(close, op.context, op.instance)
        op.afterwards(close, op.context, op.instance)
        try:
            return body(op)
        except Exception:
            op.tidy(close, op.context, op.instance)
            raise
    return run


@dataclasses.dataclass(frozen=True)
class _Kind:
    """:param group: of options: `enabled`; :param url: the option that says where the proxy is."""

    group: str
    url: str
    ask: str


#: By type, as users name it.
KINDS = {
    'novnc': _Kind('vnc', 'novncproxy_base_url', 'get_vnc_console'),
    'spice-html5': _Kind('spice', 'html5proxy_base_url', 'get_spice_console'),
    'spice-direct': _Kind('spice', 'spice_direct_proxy_base_url', 'get_spice_console'),
    'rdp-html5': _Kind('rdp', 'html5_proxy_base_url', 'get_rdp_console'),
    'serial': _Kind('serial_console', 'base_url', 'get_serial_console'),
    'webmks': _Kind('mks', 'mksproxy_base_url', 'get_mks_console'),
}


def connect(driver, context, instance, console_type):
    """Make a token for a console: {'type', 'url'}.

    Raises ConsoleTypeInvalid for one that nobody knows, ConsoleTypeUnavailable for one that this host does not offer,
    InstanceNotReady for a guest that is not there yet.
    """
    kind = KINDS.get(console_type)
    if kind is None:
        raise exception.ConsoleTypeInvalid(console_type=console_type)
    group = getattr(CONF, kind.group)
    if not group.enabled:
        raise exception.ConsoleTypeUnavailable(console_type=console_type)
    try:
        console = getattr(driver, kind.ask)(context, instance)
    except NotImplementedError as exc:
        raise exception.ConsoleTypeUnavailable(console_type=console_type) from exc
    except exception.InstanceNotFound as exc:
        raise exception.InstanceNotReady(instance_id=instance.uuid) from exc
    base_url = getattr(group, kind.url)
    token = objects.ConsoleAuthToken.authorize(context, {
        'console_type': console_type, 'host': console.host, 'port': int(console.port),
        'tls_port': getattr(console, 'tlsPort', None) if console_type == 'spice-direct' else None,
        'internal_access_path': console.internal_access_path, 'instance_uuid': instance.uuid,
        'access_url_base': base_url}, CONF.consoleauth.token_ttl)
    return {'type': console_type, 'url': console_auth_token.access_url(console_type, base_url, token)}
