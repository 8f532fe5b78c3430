# SPDX-License-Identifier: Apache-2.0
"""`/healthcheck` and `/metrics` over HTTP: as an application of its own, or before another one.

    /healthcheck          whether the service can work now: 200 OK, or 503 and the names of what fails
    /healthcheck/ready    the same
    /healthcheck/live     200 if the process answers at all
    /metrics              Prometheus' text format

`?verbose` adds each check's detail; `Accept: application/json` makes it JSON.  Details and metrics tell about the
inside of the site, so they are only for the addresses of [monitoring]allowed_sources.
"""

import json

import netaddr

from nova.conf import CONF
from nova.monitoring import health, metrics

_TEXT = 'text/plain; charset=UTF-8'


def application(environ, start_response):
    """The WSGI application; 404 for what it does not know."""
    answer = _answer(environ)
    if answer is None:
        answer = '404 Not Found', _TEXT, b'Try /healthcheck/live, /healthcheck/ready or /metrics.\n'
    return _respond(environ, start_response, answer)


class Middleware:
    """Answers the monitoring paths and passes everything else on."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        answer = _answer(environ)
        if answer is None:
            return self.app(environ, start_response)
        return _respond(environ, start_response, answer)


def app_factory(global_conf, **local_conf):
    """For paste: `paste.app_factory = nova.monitoring.http:app_factory`."""
    return application


def filter_factory(global_conf, **local_conf):
    """For paste: `paste.filter_factory = nova.monitoring.http:filter_factory`."""
    return Middleware


def _respond(environ, start_response, answer):
    status, content_type, body = answer
    start_response(status, [('Content-Type', content_type), ('Content-Length', str(len(body))),
                            ('Cache-Control', 'no-store')])
    return [] if environ['REQUEST_METHOD'] == 'HEAD' else [body]


def _answer(environ):
    """(status, content type, body), or None for a path that is not ours."""
    path = environ.get('PATH_INFO', '').rstrip('/')
    if path == '/metrics':
        environ['nova.route'] = path
        return _metrics(environ)
    results = {'/healthcheck': health.ready, '/healthcheck/ready': health.ready, '/healthcheck/live': health.live}
    if path in results:
        environ['nova.route'] = path
        return _health(environ, results[path]())
    return None


def _trusted(environ):
    # Unknown is a server that hands requests over a UNIX socket; that one decides who may come in.
    address = environ.get('REMOTE_ADDR')
    if not address:
        return True
    try:
        asker = netaddr.IPAddress(address)
    except (netaddr.AddrFormatError, ValueError):
        return False
    if asker.version == 6 and asker.is_ipv4_mapped():
        asker = asker.ipv4()
    return any(asker in netaddr.IPNetwork(source) for source in CONF.monitoring.allowed_sources)


def _metrics(environ):
    if not _trusted(environ):
        return ('403 Forbidden', _TEXT,
                b'Metrics are not for this address; see the option [monitoring]allowed_sources.\n')
    metrics.setup()
    content_type, body = metrics.render()
    return '200 OK', content_type, body


def _health(environ, results):
    ok = all(result.ok for result in results)
    status = '200 OK' if ok else '503 Service Unavailable'
    verbose = 'verbose' in environ.get('QUERY_STRING', '').split('&')[0:8] and _trusted(environ)
    failed = [result.name for result in results if not result.ok]
    if 'application/json' in environ.get('HTTP_ACCEPT', ''):
        return status, 'application/json', _as_json(ok, results, failed, verbose)
    lines = ['OK' if ok else 'FAILED: ' + ', '.join(failed)]
    if verbose:
        lines += [f"{'ok    ' if r.ok else 'FAILED'} {r.name}: {r.detail} ({r.seconds * 1000:.1f} ms)" for r in results]
    return status, _TEXT, ('\n'.join(lines) + '\n').encode()


def _as_json(ok, results, failed, verbose):
    body = {'ok': ok, 'failed': failed}
    if verbose:
        body['checks'] = [{'name': r.name, 'ok': r.ok, 'detail': r.detail, 'seconds': round(r.seconds, 6)}
                          for r in results]
    return json.dumps(body).encode()
