# SPDX-License-Identifier: Apache-2.0
"""Running daemons: a `Service` takes messages, a `WSGIService` takes requests, `serve` and `wait` run them.

A start is patient: what it needs and does not find (database, broker, conductor) it waits for, with a line in the log.
A stop is graceful: nothing new is taken, what is held is finished, for graceful_shutdown_timeout seconds at most.
"""

import gc
import logging
import os
import signal
import sys
import uuid

import oslo_messaging
from oslo_db import exception as db_exc
from oslo_reports import opts as reports_opts
from oslo_service import service as oslo_service
from oslo_service import systemd
from oslo_utils import importutils

from nova import concurrency, config, context, exception, objects, rpc, servicegroup
from nova.conf import CONF
from nova.monitoring import health, http, metrics
from nova.notifications import tell
from nova.notifications.outbox import OUTBOX
from nova.objects import base as objects_base
from nova.wsgi import server as wsgi_server

LOG = logging.getLogger(__name__)

#: Manager and topic of each daemon; None: an option says the manager.
MANAGERS = {
    'nova-compute': ('compute', 'nova.compute.manager.ComputeManager'),
    'nova-conductor': ('conductor', 'nova.conductor.manager.ConductorManager'),
    'nova-scheduler': ('scheduler', 'nova.scheduler.manager.SchedulerManager'),
    'nova-network': ('network', None),
}

_BEATS = metrics.Counter('heartbeats_total', 'Signs of life given, or withheld because the service hangs.',
                         ('binary', 'result'))

# What a service waits for instead of dying of it.
_OUTAGES = (oslo_messaging.MessagingTimeout, oslo_messaging.MessageDeliveryFailure, exception.Unavailable,
            db_exc.DBConnectionError, db_exc.DBNonExistentTable, db_exc.DBNonExistentDatabase,
            db_exc.CantStartEngineError)
_OUTAGE_NAMES = {cls.__name__ for cls in _OUTAGES}

#: Functions that run on SIGHUP, after the options were read again.
RELOAD_HOOKS = []

#: Functions that run before workers are forked: close what must not be shared.
BEFORE_FORK_HOOKS = []


def is_outage(error):
    """Whether the error means that a neighbour does not answer now and may do so later."""
    if isinstance(error, oslo_messaging.RemoteError):
        return error.exc_type in _OUTAGE_NAMES
    return isinstance(error, _OUTAGES)


class _Heart:
    """Signs of life of one service in the `services` table, for as long as it gets on with its work."""

    def __init__(self, binary, host, topic, hanging=dict):
        self.binary, self.host, self.topic = binary, host, topic
        self.start_id = str(uuid.uuid4())
        self.record = None
        self._hanging = hanging
        self._failing = False
        self._thread = None

    def register(self):
        """Make or renew the record.  Raises what the database or the conductor raise."""
        if objects_base.NovaObject.indirection_api is not None:
            # A call whose message nobody is there to take waits for all of rpc_response_timeout.
            rpc.ping('conductor', timeout=CONF.rpc_start_timeout)
        self.record = objects.Service.register(context.get_admin_context(), self.host, self.binary, self.topic,
                                               self.start_id)
        if self.record.report_count == 1:
            tell.service(context.get_admin_context(), 'create', self.record, self.binary, self.host)
        return self.record

    def start(self):
        self._thread = concurrency.spawn(self._loop)

    def stop(self):
        if self._thread is not None:
            self._thread.kill()

    def _loop(self):
        while True:
            concurrency.sleep(CONF.report_interval)
            self.beat()

    def beat(self):
        """One sign of life, unless a periodic task hangs.  Never raises."""
        hanging = self._hanging()
        if hanging:
            _BEATS.inc(self.binary, 'withheld')
            return
        try:
            # Well before we would be taken for dead: an answer that got lost with the broker never comes.
            with concurrency.timeout(max(2, CONF.service_down_time / 3)):
                alive = self.record is not None and objects.Service.beat(
                    context.get_admin_context(), self.record.id, self.start_id, CONF.order_lease)
            if not alive:
                # The record was deleted while we ran (an operator's mistake, or ours at the start).
                self.register()
        except Exception as error:
            _BEATS.inc(self.binary, 'failed')
            if not self._failing:
                self._failing = True
                LOG.warning('%s gave no sign of life: %s', self.binary, _sentence(error),
                            exc_info=None if is_outage(error) else error)
            return
        _BEATS.inc(self.binary, 'given')
        if self._failing:
            self._failing = False
            LOG.info('%s gives signs of life again', self.binary)

    def check(self):
        """Health check: the last sign of life was given, and nothing hangs."""
        hanging = self._hanging()
        if hanging:
            raise health.Unwell(', '.join(f'{name} hangs for {int(seconds)} s' for name, seconds in hanging.items()))
        if self._failing:
            raise health.Unwell('no sign of life can be given; see the log')
        return 'signs of life are given'


def _sentence(error):
    return f'{type(error).__name__}: {error}'.split('\n', 1)[0]


class Service(oslo_service.ServiceBase):
    """A daemon that takes messages: RPC server, manager, periodic tasks, signs of life."""

    def __init__(self, host, binary, topic, manager):
        self.host, self.binary, self.topic = host, binary, topic
        self.manager = importutils.import_class(manager)(host=host, service_name=topic)
        self._heart = None
        self._rpc_server = None
        self.is_started = False

    @classmethod
    def create(cls, binary, manager=None, host=None, topic=None):
        """A service by the name of its daemon ('nova-compute').

        :param manager: dotted path of the manager class; the daemon's usual one unless given.
        Raises ConfigInvalid when the manager cannot be imported.
        """
        usual_topic, usual_manager = MANAGERS.get(binary, (binary.removeprefix('nova-'), None))
        manager = manager or usual_manager or CONF.network_manager
        try:
            return cls(host or CONF.host, binary, topic or usual_topic, manager)
        except ImportError as error:
            if error.name and manager.startswith(error.name):
                raise exception.ConfigInvalid(option=f'manager of {binary}', reason=str(error)) from error
            raise

    @property
    def start_id(self):
        """Identity of this start in this process; None before it."""
        return self._heart.start_id if self._heart else None

    def start(self):
        LOG.info('Starting %s, version %s, host %s', self.binary, config.version(), self.host)
        heart = self._heart = _Heart(self.binary, self.host, self.topic, self.manager.hanging_tasks)
        self.manager.start_id = heart.start_id
        self.manager.service_ref = self._patiently(heart.register)
        self._patiently(self.manager.init_host)
        self._patiently(self.manager.pre_start_hook)
        target = oslo_messaging.Target(topic=self.topic, server=self.host)
        server = rpc.get_server(target, [self.manager, *self.manager.additional_endpoints])
        # Waits for the broker.  A server that has not started yet cannot be stopped, so `stop` must not see it before.
        server.start()
        self._rpc_server = server
        self._patiently(self.manager.post_start_hook)
        heart.start()
        if CONF.periodic_enable:
            self.manager.start_periodic_tasks()
        health.register(self.binary, heart.check)
        health.register(f'{self.binary} messages', self._check_messages)
        self.is_started = True
        LOG.info('%s is ready', self.binary)

    def _patiently(self, step):
        """Do one step of the start; again, ever more seldom, while a neighbour does not answer."""
        delay_s = 1
        while True:
            try:
                return step()
            except Exception as error:
                if not is_outage(error):
                    raise
                hint = ' (has "nova-manage db sync" been run?)' if isinstance(error, db_exc.DBNonExistentTable) else ''
                LOG.warning('%s cannot start yet: %s%s; trying again in %d s', self.binary, _sentence(error), hint,
                            delay_s)
                concurrency.sleep(delay_s)
                delay_s = min(2 * delay_s, 10)

    def _check_messages(self):
        """Health check: a message to this service is answered by it."""
        try:
            rpc.ping(self.topic, server=self.host, timeout=3)
        except oslo_messaging.MessagingTimeout:
            raise health.Unwell('a message to this service was not answered within 3 s') from None
        return 'messages arrive and are answered'

    def stop(self):
        """Take no more messages, finish those that were taken, then let go.  A service that never started: nothing."""
        heart, server = self._heart, self._rpc_server
        self._heart = self._rpc_server = None
        health.unregister(self.binary)
        health.unregister(f'{self.binary} messages')
        if server is not None:
            LOG.info('Stopping %s', self.binary)
            server.stop()
            server.wait()
            self.manager.stop_periodic_tasks()
            self.manager.cleanup_host()
        if heart is not None:
            # Last: the leases of what is being finished must not run out meanwhile.
            heart.stop()
        if self.is_started:
            self.is_started = False
            LOG.info('%s has stopped', self.binary)

    def kill(self):
        """Stop as if the process had died: nothing is finished, nothing is recorded.  For tests."""
        heart, self._heart = self._heart, None
        server, self._rpc_server = self._rpc_server, None
        if server is not None:
            server.stop()
        for task in self.manager._periodic:
            task.stop()
        if heart is not None:
            heart.stop()

    def wait(self):
        """Everything is waited for in `stop`."""

    def reset(self):
        """On SIGHUP."""
        self.manager.reset()


class WSGIService(oslo_service.ServiceBase):
    """An API on a socket of its own.  Its socket is open and its application loaded when it is constructed.

    :param name: 'osapi_compute' or 'metadata': name of the application in the paste file, prefix of its options.
    :param loader: function name -> WSGI application; the paste file's unless given.
    Raises ConfigInvalid.
    """

    def __init__(self, name, loader=None, host=None, port=None):
        self.name = name
        self.binary = f'nova-{name}'
        self.app = (loader or wsgi_server.load_app)(name)
        self.server = wsgi_server.Server(
            name, self.app, host or listen_address(name),
            CONF[f'{name}_listen_port'] if port is None else port, tls=name in CONF.enabled_ssl_apis)
        self.host, self.port = self.server.host, self.server.port
        self._heart = None

    def start(self):
        self.server.start()
        heart = self._heart = _Heart(self.binary, CONF.host, None)
        # In its own time: an API can say what is wrong while the database does not answer.
        heart.start()
        concurrency.spawn(heart.beat)

    def stop(self):
        """Accept no more connections and finish the requests that are being worked on."""
        if self._heart is not None:
            self._heart.stop()
        self.server.stop()
        self.server.wait()

    def wait(self):
        self.server.wait()

    def reset(self):
        """On SIGHUP: nothing of ours depends on options that may change."""


class MonitoringService(oslo_service.ServiceBase):
    """/healthcheck and /metrics of a daemon that has no other port."""

    def __init__(self, host, port):
        self.server = wsgi_server.Server('monitoring', http.application, host, port)
        self.port = self.server.port

    def start(self):
        self.server.start()

    def stop(self):
        self.server.stop()

    def wait(self):
        self.server.wait()

    def reset(self):
        """On SIGHUP: nothing."""


def monitoring_service(binary):
    """The MonitoringService that the options want for this daemon, or None."""
    port = CONF.monitoring.ports.get(binary, CONF.monitoring.port)
    return MonitoringService(CONF.monitoring.listen, port) if port else None


def listen_address(name):
    """Where an API listens: as configured, or loopback where it would believe anybody."""
    configured = CONF[f'{name}_listen']
    if configured is not None:
        return configured
    strategy = CONF.api.auth_strategy if 'api' in CONF and 'auth_strategy' in CONF.api else 'noauth2'
    return '127.0.0.1' if strategy == 'noauth2' else '0.0.0.0'


class _Group(oslo_service.ServiceBase):
    """Several services in one process: started in order, stopped in reverse order."""

    def __init__(self, services):
        self.services = services
        self._pid = os.getpid()

    def start(self):
        if os.getpid() != self._pid:
            # A worker, just forked.
            concurrency.wake_on_signals()
            rpc.init(CONF)
        try:
            for service in self.services:
                service.start()
        except exception.NovaException as error:
            if error.kind == exception.INTERNAL:
                raise
            LOG.critical('%s', error)
            raise SystemExit(1) from error
        _tell_systemd()

    def stop(self):
        for service in reversed(self.services):
            service.stop()
        OUTBOX.flush()

    def wait(self):
        for service in self.services:
            service.wait()

    def reset(self):
        for hook in RELOAD_HOOKS:
            hook()
        for service in self.services:
            service.reset()
        LOG.info('Configuration read again')


# Processes -----------------------------------------------------------------------------------------------------------

class _SingleProcess(oslo_service.ServiceLauncher):
    """Runs the group in this process."""

    def _graceful_shutdown(self, *args):
        # The library forgets the handler of the alarm that it sets here, and then dies of it without a word.
        self.signal_handler.clear()
        if CONF.graceful_shutdown_timeout:
            self.signal_handler.add_handler('SIGALRM', self._on_timeout_exit)
            signal.alarm(CONF.graceful_shutdown_timeout)
        self.stop()


class _Workers(oslo_service.ProcessLauncher):
    """Forks workers, and forks another when one dies."""

    def __init__(self, conf):
        # The library looks for dead children a hundred times a second by default.
        super().__init__(conf, wait_interval=0.2, restart_method='mutate')

    def _wait_child(self):
        wrap = super()._wait_child()
        if wrap is None and not self.running:
            # While stopping, the library asks again at once, and would use a processor until the last child ended.
            concurrency.sleep(0.05)
        return wrap


_launcher = None
_notify_socket = None


def _tell_systemd():
    """Say READY now that everything has started, and not when it began to."""
    global _notify_socket
    if _notify_socket:
        os.environ['NOTIFY_SOCKET'], _notify_socket = _notify_socket, None
        systemd.notify_once()


def serve(*services, workers=1):
    """Run the services, in the order given, in this process or in so many equal ones.  Returns at once; see `wait`."""
    global _launcher, _notify_socket
    if _launcher is not None:
        raise RuntimeError('serve() may only be called once')
    if servicegroup.api.down_time_s() > CONF.service_down_time:
        LOG.warning('service_down_time is %d s, less than twice report_interval; %d s is used', CONF.service_down_time,
                    servicegroup.api.down_time_s())
    if workers > 1 and rpc.is_local():
        LOG.warning('Transport local:// does not reach other processes; running one worker instead of %d', workers)
        workers = 1
    metrics.setup(workers)
    _report_on_signals()
    # What the start has made stays, and is not looked through any more; from now on there is garbage (see nova.cmd).
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLD)
    group = _Group(list(services))
    if workers == 1:
        # Not the library's moment, which is before anything started.
        _notify_socket = os.environ.pop('NOTIFY_SOCKET', None)
        concurrency.wake_on_signals()
        _launcher = _SingleProcess(CONF, restart_method='mutate')
        _launcher.launch_service(group)
        return
    for hook in BEFORE_FORK_HOOKS:
        hook()
    _launcher = _Workers(CONF)
    # What the workers share stays shared only if nobody writes to it: the library freezes what is left after this.
    gc.collect()
    _launcher.launch_service(group, workers=workers)


#: Objects of each generation after which the collector looks, once the service runs.
_GC_THRESHOLD = (700, 10, 10)


def wait():
    """Wait for the end of what `serve` runs: SIGTERM (graceful), SIGINT (at once).  Returns the exit status."""
    return _launcher.wait() or 0


def _report_on_signals():
    """On SIGUSR1 and SIGUSR2 write a Guru Meditation Report (threads, options) to stderr or [oslo_reports]log_dir."""
    reports_opts.set_defaults(CONF)

    def report(signo, frame):
        from oslo_reports import guru_meditation_report  # 6 MiB that most processes never need
        guru_meditation_report.TextGuruMeditation.handle_signal(
            _Version(), os.path.basename(sys.argv[0]), CONF.oslo_reports.log_dir, frame)

    for signo in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(signo, report)


class _Version:
    """What the report wants to know about the package."""

    def vendor_string(self):
        return 'OpenStack'

    def product_string(self):
        return 'Nova'

    def version_string_with_package(self):
        return config.version()
