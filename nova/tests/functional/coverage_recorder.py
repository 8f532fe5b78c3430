# SPDX-License-Identifier: Apache-2.0
"""Writes down which operations of the Compute API the tests use, for `tools/api_coverage --tests`.

Does nothing unless NOVA_API_COVERAGE names a file.  Then every answer of an API in this process, or in a daemon that
the harness started, is one line of it:

    POST /servers/{server_id}/action#reboot 2.104 202 nova/tests/functional/test_flow.py::test_reboot

The version is 2.0 for /v2.  A route that does not exist at the version asked for is recorded with its refusal, a URL
that never exists is not recorded.  Lines are appended with one write each, so any number of processes share the file;
a process writes a line once.
"""

import atexit
import functools
import io
import os
import tempfile

import orjson

#: The file that gets the lines.
REPORT = 'NOVA_API_COVERAGE'
#: The file whose first line is the test that is running: how daemons know.
_CURRENT = 'NOVA_API_COVERAGE_TEST'
#: Modules of nova.cmd that serve the Compute API.
_APIS = ('all', 'api', 'api_os_compute')


def in_daemon(module):
    """What the command line of a daemon (its module in nova.cmd) has to run after its imports, before `main`."""
    if os.environ.get(REPORT) and module in _APIS:
        return f'from {__name__} import install; install(); '
    return ''


def pytest_runtest_logstart(nodeid, location):
    """A hook of pytest: tells every process, this one and its daemons, which test runs from now on."""
    if os.environ.get(REPORT):
        os.pwrite(_begin(), nodeid.encode() + b'\n', 0)


@functools.cache
def _begin():
    """The descriptor of the file with the current test."""
    descriptor, os.environ[_CURRENT] = tempfile.mkstemp(prefix='nova-current-test-')
    atexit.register(os.unlink, os.environ[_CURRENT])
    install()
    return descriptor


@functools.cache
def install():
    """Make the API application of this process record."""
    # After the daemon's own imports: they put the green threads in place.
    from nova.api.openstack import wsgi
    report = os.open(os.environ[REPORT], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    current = os.environ.get(_CURRENT)
    wsgi.Application.__call__ = _recording(wsgi.Application.__call__, report,
                                           os.open(current, os.O_RDONLY) if current else None)


def _recording(serve, report, current):
    """`Application.__call__` that records what it answers."""
    seen = set()

    def call(self, environ, start_response):
        action = _peek(environ)

        def start(status, headers, *exc_info):
            for operation in _operations(self, environ, action, status):
                test = os.pread(current, 4096, 0).split(b'\n')[0].decode() if current is not None else '-'
                line = f'{operation} {status[:3]} {test}\n'
                if line not in seen:
                    seen.add(line)
                    os.write(report, line.encode())
            return start_response(status, headers, *exc_info)
        return serve(self, environ, start)
    return call


def _peek(environ):
    """The key of an action's body, which may have come at a version that does not know the action; or None."""
    if environ['REQUEST_METHOD'] != 'POST' or not environ.get('PATH_INFO', '').endswith('/action'):
        return None
    length = environ.get('CONTENT_LENGTH') or '0'
    if not length.isdigit() or not 0 < int(length) < 1 << 20:
        return None
    data = environ['wsgi.input'].read(int(length))
    environ['wsgi.input'] = io.BytesIO(data)
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return next(iter(body)) if isinstance(body, dict) and len(body) == 1 else None


def _operations(application, environ, action, status):
    """'METHOD PATH[#ACTION] VERSION' of each operation that an answer tells of; none for a URL that is none."""
    from nova.api.openstack import microversions
    minor = microversions.answered(environ)
    routes = [environ.get('nova.found')]
    if routes[0] is None or status >= '4':
        # Where PUT /os-services/enable ended, PUT /os-services/{service_id} refuses the word: so both are.
        routes.append(_route(application.table, environ, action, minor))
    paths = dict.fromkeys(f'{route.method} {route.path}' + (f'#{route.action}' if route.action is not None else '')
                          for route in routes if route is not None)
    return [f'{path} 2.{0 if application.legacy else minor}' for path in paths]


def _route(table, environ, action, minor):
    """The route that a refused request would have met at some other version."""
    segments = environ.get('PATH_INFO', '').strip('/').split('/')
    if segments[0] not in table.collections:
        segments = segments[1:]
    found, _here = table.match(environ['REQUEST_METHOD'], segments, minor)
    return next((route for route, _parts in found if route.action == action), None)
