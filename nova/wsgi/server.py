# SPDX-License-Identifier: Apache-2.0
"""Our HTTP server: a socket, an application, a line in the log and a count for each request."""

import logging
import os
import sys
import time
import urllib.parse

from oslo_context import context as oslo_context
from paste import deploy

from nova import concurrency, exception
from nova.conf import CONF
from nova.monitoring import http, metrics

LOG = logging.getLogger(__name__)

_UNFORESEEN = (b'{"computeFault": {"code": 500, "message": "Unexpected API Error. It was logged; the request id in the '
               b'headers of this answer leads to it."}}')


class RequestLog:
    """Outermost layer of an API: logs and counts each request, and answers with 500 what nobody else answered.

    Reads `environ['nova.route']`, the pattern of the route, where the application set it.
    """

    def __init__(self, app, name):
        self.app = app
        self.name = name

    def __call__(self, environ, start_response):
        begun = time.monotonic()
        answer = {'status': '500', 'headers': ()}

        def remember(status, headers, exc_info=None):
            answer.update(status=status, headers=headers)
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        try:
            body = self.app(environ, remember)
        except Exception:
            LOG.exception('%s %s failed', environ.get('REQUEST_METHOD'), environ.get('PATH_INFO'))
            body = [_UNFORESEEN]
            remember('500 Internal Server Error', [('Content-Type', 'application/json'),
                                                   ('Content-Length', str(len(_UNFORESEEN)))], sys.exc_info())
        if isinstance(body, (list, tuple)):
            # One piece leaves in one write, whatever the server's idea of a chunk is.
            body = [b''.join(body)] if len(body) > 1 else body
            self._done(environ, answer, begun, sum(map(len, body)))
            return body
        return _Streamed(body, lambda length: self._done(environ, answer, begun, length))

    def _done(self, environ, answer, begun, length):
        seconds = time.monotonic() - begun
        status = answer['status'].split(' ', 1)[0]
        route = environ.get('nova.route') or 'unrouted'
        metrics.request(self.name, environ['REQUEST_METHOD'], route, status, seconds)
        LOG.info('%s "%s %s %s" status: %s len: %d time: %.4f request: %s', environ.get('REMOTE_ADDR') or '-',
                 environ['REQUEST_METHOD'], _path(environ), environ.get('SERVER_PROTOCOL', 'HTTP/1.1'), status, length,
                 seconds, _request_id(environ, answer['headers']))
        # The thread serves the connection's next request, which is not on behalf of this one's user.
        oslo_context._request_store.__dict__.pop('context', None)


class _Streamed:
    """A body that is made while it is sent; logged when it ends."""

    def __init__(self, body, done):
        self._body, self._done, self._length = body, done, 0

    def __iter__(self):
        for piece in self._body:
            self._length += len(piece)
            yield piece

    def close(self):
        try:
            if hasattr(self._body, 'close'):
                self._body.close()
        finally:
            self._done(self._length)


def _path(environ):
    path = environ.get('RAW_PATH_INFO') or urllib.parse.quote(
        environ.get('SCRIPT_NAME', '') + environ.get('PATH_INFO', ''), encoding='latin-1')
    query = environ.get('QUERY_STRING')
    return f'{path}?{query}' if query else path


def _request_id(environ, headers):
    found = environ.get('openstack.request_id')
    if not found:
        found = next((value for name, value in headers
                      if name.lower() in ('x-openstack-request-id', 'x-compute-request-id')), '-')
    return found.decode() if isinstance(found, bytes) else found


# Finding the application ---------------------------------------------------------------------------------------------

def paste_file():
    """Where the paste file is: beside the configuration files, in /etc/nova, or in the source tree's etc/nova.

    Raises ConfigInvalid when there is none.
    """
    name = CONF.api_paste_config
    beside = [os.path.dirname(os.path.abspath(path)) for path in CONF.config_file or ()]
    tree = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'etc', 'nova')
    places = [''] if os.path.isabs(name) else [*beside, '/etc/nova', os.path.join(sys.prefix, 'etc', 'nova'), tree]
    for place in places:
        path = os.path.normpath(os.path.join(place, name))
        if os.path.isfile(path):
            return path
    raise exception.ConfigInvalid(option='[DEFAULT]api_paste_config',
                                  reason=f'{name} is not in {", ".join(places) or "the root"}')


def load_app(name):
    """The application `name` of the paste file with what every API has: monitoring paths, log, counts.

    Raises ConfigInvalid when the file or the application is not there.
    """
    path = paste_file()
    try:
        app = deploy.loadapp(f'config:{path}', name=name)
    except LookupError as error:
        raise exception.ConfigInvalid(option='[DEFAULT]api_paste_config', reason=f'{path}: {error}') from error
    return wrap(app, name)


def wrap(app, name):
    return RequestLog(http.Middleware(app), name)


# Serving -------------------------------------------------------------------------------------------------------------

class Server:
    """Serves one application on one socket.  The socket is open when the constructor returns, so that it can be shared
    with forked workers and a taken port is noticed at once.

    Raises ConfigInvalid when the address is taken or not ours, or the TLS files are not usable.
    """

    def __init__(self, name, app, host, port, tls=False):
        self.name, self._app, self._tls, self._thread = name, app, None, None
        if tls:
            try:
                self._tls = concurrency.tls_context(CONF.wsgi.ssl_cert_file, CONF.wsgi.ssl_key_file,
                                                    CONF.wsgi.ssl_ca_file)
            except (OSError, TypeError) as error:
                raise exception.ConfigInvalid(option='[wsgi]ssl_cert_file, ssl_key_file', reason=str(error)) from error
        try:
            self._socket = concurrency.ListenSocket(host, port, CONF.wsgi.backlog, CONF.wsgi.tcp_keepidle)
        except OSError as error:
            raise exception.ConfigInvalid(option=f'address of {name}, {host}:{port}', reason=str(error)) from error
        self.host, self.port = self._socket.getsockname()[:2]
        concurrency.wsgi_module()

    def start(self):
        LOG.info('%s listens on %s:%d', self.name, self.host, self.port)
        settings = CONF.wsgi
        self._thread = concurrency.spawn(
            concurrency.wsgi_serve, self._socket, self._app, max_connections=settings.max_connections,
            keepalive=settings.keep_alive, idle_timeout_s=settings.client_socket_timeout,
            max_request_line=settings.max_request_line, max_header_line=settings.max_header_line, tls=self._tls)

    def stop(self):
        """Accept no more.  Requests that are being worked on go on; `wait()` waits for them."""
        if self._thread is None:
            self._socket.close()
        else:
            self._thread.kill()

    def wait(self):
        if self._thread is not None:
            self._thread.wait()
