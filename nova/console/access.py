# SPDX-License-Identifier: Apache-2.0
"""Who may open a console: the rules that a proxy applies to a connection before it does anything for it."""

import http.cookies
from urllib import parse

from oslo_utils import uuidutils

from nova import context as nova_context
from nova import exception, objects
from nova.compute import vm_states
from nova.conf import CONF
from nova.objects import cell

#: Servers in these states have no guest.  What listens on the port of their console now may be another's.
_NO_GUEST = (vm_states.STOPPED, vm_states.SUSPENDED, vm_states.SHELVED, vm_states.SHELVED_OFFLOADED,
             vm_states.SOFT_DELETED, vm_states.DELETED)

#: Scheme of the URL that the API gave out -> schemes of pages that may connect.  A page that came without TLS may have
#: been changed on its way, and does not get what was meant to be seen over TLS only.
_ORIGIN_SCHEMES = {'http': ('http', 'ws'), 'ws': ('http', 'https', 'ws', 'wss'), 'https': ('https', 'wss'),
                   'wss': ('https', 'wss')}


class Refused(exception.NotAuthorized):
    """A connection that is not let in.

    :ivar public: what the client is told; the message itself is for the log.
    """

    def __init__(self, message, public='the console token is not valid, or has expired'):
        super().__init__(message)
        self.public = public


class NotReachable(Refused):
    """The guest's console does not answer; trying again later may help."""

    kind = exception.UNAVAILABLE

    def __init__(self, message, public='the console does not answer'):
        super().__init__(message, public)


def token_of(path, headers):
    """The token of a request for a WebSocket, or None.

    It is looked for where clients put it: parameter `token`, the same inside parameter `path` (noVNC), the last part
    of the path, cookie `token` (older noVNC).
    """
    parts = parse.urlsplit(path)
    query = parse.parse_qs(parts.query)
    inner = parse.parse_qs(parse.urlsplit(query.get('path', [''])[0]).query)
    last = parts.path.rpartition('/')[2]
    found = (query.get('token') or inner.get('token') or [''])[0] or (uuidutils.is_uuid_like(last) and last)
    if found:
        return found.strip()
    try:
        cookie = http.cookies.SimpleCookie(headers.get('Cookie', '')).get('token')
    except http.cookies.CookieError:
        return None
    return cookie.value if cookie else None


def admit(path, headers, console_types):
    """The ConsoleAuthToken that a request is entitled to.  Raises Refused.

    :param console_types: those that the proxy serves.
    Blocks on the databases, and raises what they raise.
    """
    token = token_of(path, headers)
    if not token:
        raise Refused('it has no token', public='a console token is needed')
    context = nova_context.get_admin_context()
    try:
        found = objects.ConsoleAuthToken.validate(context, token)
    except exception.ConsoleTokenNotFound as exc:
        raise Refused('its token is unknown, was taken back, or has expired') from exc
    if found.console_type not in console_types:
        raise Refused(f'its token is for a console of type {found.console_type}, which is not served here')
    check_origin(headers, found)
    _check_server(context, found)
    return found


def check_origin(headers, token):
    """Refuse pages of other web sites: browsers send cookies, and users' tokens, on behalf of any page.

    Programs that are no browsers send no Origin, and are not asked for one.  Raises Refused.
    """
    origin = headers.get('Origin')
    if origin is None:
        return
    page, given_out = _split(origin), _split(token.access_url_base or '')
    host = _split(f'//{headers.get("Host", "")}')
    allowed = {name for name in (host.hostname, given_out.hostname) if name}
    allowed.update(name.lower() for name in CONF.console.allowed_origins)
    if page.hostname not in allowed:
        raise Refused(f'its origin {origin!r} is none of {", ".join(sorted(allowed))}', public='origin not allowed')
    if not may_come_by(page.scheme, token.access_url_base):
        raise Refused(f'its origin {origin!r} has another scheme than {token.access_url_base}',
                      public='origin not allowed')


def may_come_by(scheme, access_url_base):
    """Whether pages of this scheme may connect by the URL that the API gave out."""
    return scheme in _ORIGIN_SCHEMES.get(_split(access_url_base or '').scheme, ())


def _split(url):
    try:
        return parse.urlsplit(url)
    except ValueError:
        return parse.urlsplit('')


def _check_server(context, token):
    uuid = token.instance_uuid
    try:
        place = cell.InstanceMapping.cell_of(context, uuid)
        with nova_context.target_cell(context, place) as in_cell:
            instance = objects.Instance.get_by_uuid(in_cell, uuid)
    except exception.InstanceNotFound as exc:
        raise Refused(f'server {uuid} is gone') from exc
    if instance.vm_state in _NO_GUEST:
        raise Refused(f'server {uuid} is {instance.vm_state}', public=f'the server is {instance.vm_state}')
