# SPDX-License-Identifier: Apache-2.0
"""The outermost application of an API: which application answers for which beginning of the path.

    [composite:osapi_compute]
    use = call:nova.api.openstack.urlmap:factory
    / = versions
    /v2.1 = compute_v21

Here a request gets its id, which goes out with every answer, whoever gives it; and where a proxy stands in front, here
the request becomes what the client sent to that.
"""

import secrets
import uuid

from nova.conf import CONF

#: Both carry the same value: the old name and the new one.
REQUEST_ID_HEADERS = ('x-openstack-request-id', 'x-compute-request-id')


class UrlMap:
    """By the first segment of the path; '/' is the rest."""

    def __init__(self, apps):
        self.apps = apps

    def __call__(self, environ, start_response):
        if CONF.api.enable_proxy_headers_parsing:
            _undo_proxy(environ)
        # What is in front of our own paths: links need it.
        environ['nova.mount'] = environ.get('SCRIPT_NAME', '')
        request_id = environ['openstack.request_id'] = new_request_id()

        def identified(status, headers, exc_info=None):
            if not any(name == REQUEST_ID_HEADERS[0] for name, _value in headers):
                headers = [*headers, *((name, request_id) for name in REQUEST_ID_HEADERS)]
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        path = environ.get('PATH_INFO', '')
        first = '/' + path.split('/', 2)[1] if path.startswith('/') else '/'
        app = self.apps.get(first)
        if app is None:
            return self.apps['/'](environ, identified)
        environ['SCRIPT_NAME'] = environ.get('SCRIPT_NAME', '') + first
        environ['PATH_INFO'] = path[len(first):]
        return app(environ, identified)


def new_request_id():
    """The id under which everything that a request does is logged."""
    return 'req-' + str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def _undo_proxy(environ):
    """What the proxy was asked for (RFC 7239 `Forwarded`, or X-Forwarded-*): scheme, host, prefix and client."""
    said = _forwarded(environ.get('HTTP_FORWARDED', ''))
    scheme = said.get('proto') or environ.get('HTTP_X_FORWARDED_PROTO')
    host = said.get('host') or environ.get('HTTP_X_FORWARDED_HOST')
    port = environ.get('HTTP_X_FORWARDED_PORT')
    prefix = environ.get('HTTP_X_FORWARDED_PREFIX')
    client = said.get('for') or environ.get('HTTP_X_FORWARDED_FOR')
    if scheme in ('http', 'https'):
        environ['wsgi.url_scheme'] = scheme
    if host:
        host = _first(host)
        is_number = port and port.isascii() and port.isdigit()
        environ['HTTP_HOST'] = f'{host}:{port}' if is_number and ':' not in host else host
    if prefix:
        environ['SCRIPT_NAME'] = _first(prefix).rstrip('/')
    if client:
        environ['REMOTE_ADDR'] = _first(client).strip('[]"')


def _first(value):
    """Of a list of proxies, what the outermost said."""
    return value.split(',', 1)[0].strip()


def _forwarded(header):
    """'for=1.2.3.4;proto=https, for=…' -> {'for': '1.2.3.4', 'proto': 'https'}: the outermost proxy's."""
    pairs = (part.partition('=') for part in _first(header).split(';'))
    return {name.strip().lower(): value.strip().strip('"') for name, equals, value in pairs if equals}


def factory(loader, global_conf, **local_conf):
    return UrlMap({path: loader.get_app(name, global_conf=global_conf) for path, name in local_conf.items()
                   if path.startswith('/')})
