# SPDX-License-Identifier: Apache-2.0
"""What the process counted and timed, in Prometheus' text format.

A module declares what it counts with `Counter` or `Histogram` at its top; that registers it.  Counting works at once
and is readable by tests (`counts`); the Prometheus library is loaded by `setup()`, which daemons call after their
configuration is read, because a service of several workers must know then that they share their numbers.
"""

import atexit
import collections
import os
import pathlib
import shutil
import sys
import tempfile

#: Bounds (seconds) of what should be fast, and of work on servers.
SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LONG = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)

_declared = []
_registry = None
_shared_dir = None


class _Metric:
    def __init__(self, name, documentation, labels=()):
        self.name, self.documentation, self.labels = f'nova_{name}', documentation, tuple(labels)
        #: {label values: how many}, in this process, since it started.
        self.counts = collections.Counter()
        self._children = {}
        self._exported = None
        _declared.append(self)
        if _registry is not None:
            self._export()

    def _export(self):
        self._exported = self._make()
        # What was counted before the library was there.
        self._children.clear()

    def _child(self, values):
        child = self._children.get(values)
        if child is None:
            child = self._exported.labels(*values) if self.labels else self._exported
            self._children[values] = child
        return child


class Counter(_Metric):
    """How often something happened: `inc('label value', ...)`."""

    def _make(self):
        import prometheus_client  # loaded by setup()
        return prometheus_client.Counter(self.name, self.documentation, self.labels, registry=_registry)

    def _export(self):
        super()._export()
        for values, count in self.counts.items():
            self._child(values).inc(count)

    def inc(self, *values, by=1):
        self.counts[values] += by
        if self._exported is not None:
            self._child(values).inc(by)


class Histogram(_Metric):
    """How long something took: `observe(seconds, 'label value', ...)`."""

    def __init__(self, name, documentation, labels=(), buckets=SHORT):
        self.buckets = buckets
        super().__init__(name, documentation, labels)

    def _make(self):
        import prometheus_client  # loaded by setup()
        return prometheus_client.Histogram(self.name, self.documentation, self.labels, buckets=self.buckets,
                                           registry=_registry)

    def observe(self, seconds, *values):
        self.counts[values] += 1
        if self._exported is not None:
            self._child(values).observe(seconds)


def setup(workers=1):
    """Load the exporter.  With several `workers`, which are forked later, each answers with the sum of all."""
    global _registry, _shared_dir
    if _registry is not None:
        return
    if workers > 1:
        where = os.environ.get('RUNTIME_DIRECTORY') or tempfile.gettempdir()
        _remove_left(where)
        _shared_dir = tempfile.mkdtemp(prefix=f'{_PREFIX}{os.getpid()}-', dir=where)
        os.environ['PROMETHEUS_MULTIPROC_DIR'] = _shared_dir
        atexit.register(_forget_shared, os.getpid(), _shared_dir)
    import prometheus_client  # decides at import, by the environment, where numbers are kept
    from prometheus_client import values
    if workers > 1 and values.ValueClass is values.MutexValue:
        # Somebody had it imported before the environment was set.
        values.ValueClass = values.MultiProcessValue()
    _registry = prometheus_client.CollectorRegistry()
    if workers == 1:
        prometheus_client.ProcessCollector(registry=_registry)
        prometheus_client.GCCollector(registry=_registry)
    for metric in _declared:
        metric._export()


#: Of directories of numbers; the process follows.
_PREFIX = 'nova-metrics-'


def _remove_left(where):
    """Remove what processes left that were killed."""
    for path in pathlib.Path(where).glob(f'{_PREFIX}*'):
        pid = path.name.removeprefix(_PREFIX).partition('-')[0]
        if pid.isdigit() and not os.path.exists(f'/proc/{pid}'):
            shutil.rmtree(path, ignore_errors=True)


def _forget_shared(pid, path):
    # Workers inherit the exit handler; the numbers are the parent's to delete.
    if os.getpid() == pid:
        shutil.rmtree(path, ignore_errors=True)


def render():
    """(content type, text) of everything counted so far.  Raises RuntimeError before `setup()`."""
    if _registry is None:
        raise RuntimeError('metrics are not set up')
    prometheus_client = sys.modules['prometheus_client']
    registry = _registry
    if _shared_dir is not None:
        from prometheus_client import multiprocess
        registry = prometheus_client.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, path=_shared_dir)
    return prometheus_client.CONTENT_TYPE_LATEST, prometheus_client.generate_latest(registry)


# What all processes count.  What one package counts is declared there. ------------------------------------------------

DB_QUERIES = Counter('db_queries_total', 'SQL statements sent to a database.')
DB_SECONDS = Histogram('db_seconds', 'Time until a database answered an SQL statement.')
REQUESTS = Counter('http_requests_total', 'HTTP requests answered.', ('api', 'method', 'route', 'status'))
REQUEST_SECONDS = Histogram('http_request_seconds', 'Time to answer an HTTP request.', ('api', 'method', 'route'))
OPERATIONS = Counter('operations_total', 'Actions on servers that ended here.', ('action', 'result'))
OPERATION_SECONDS = Histogram('operation_seconds', 'Time that an action on a server took here.', ('action',), LONG)
SCHEDULING = Counter('scheduling_decisions_total', 'Servers for which a host was looked for.', ('result',))
SCHEDULING_SECONDS = Histogram('scheduling_seconds', 'Time to choose hosts for one request.')
REFUSALS = Counter('scheduling_refusals_total', 'Hosts refused, by the filter that refused them.', ('filter',))


def db_query():
    """Count one SQL statement."""
    DB_QUERIES.inc()


def operation(action, result, seconds):
    """Count an action on a server: result is 'success', 'error' or 'undone'."""
    OPERATIONS.inc(action, result)
    OPERATION_SECONDS.observe(seconds, action)


def scheduling(result, seconds, servers=1, refusals=None):
    """Count a decision about so many servers: result is 'placed', 'no_host' or 'error'; refusals {filter: hosts}."""
    SCHEDULING.inc(result, by=servers)
    SCHEDULING_SECONDS.observe(seconds)
    for name, hosts in (refusals or {}).items():
        REFUSALS.inc(name, by=hosts)


def request(api, method, route, status, seconds):
    """Count an HTTP request; `route` is the pattern ('/servers/{id}'), never the path, which has no end of values."""
    REQUESTS.inc(api, method, route, str(status))
    REQUEST_SECONDS.observe(seconds, api, method, route)
