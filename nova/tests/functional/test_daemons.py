# SPDX-License-Identifier: Apache-2.0
"""How daemons live: start, signals, workers, end.  Real processes."""

import contextlib
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import sqlalchemy as sa

from nova import db
from nova.conf import CONF
from nova.tests import harness

#: Seconds in which anything that can happen has happened, on a busy machine.
SOON_S = 60


class Daemon:
    """A process of `sample_daemon`, its output in a file."""

    def __init__(self, directory, kind, options='', **environment):
        self.directory = pathlib.Path(directory)
        self.config = self.directory / 'nova.conf'
        self.write(options)
        self.output_path = self.directory / 'output'
        self.port = harness.free_port()
        with open(self.output_path, 'w') as output:
            self.process = subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-m', 'nova.tests.functional.sample_daemon', kind, '--config-file',
                 str(self.config)], stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **environment})

    def write(self, options):
        self.config.write_text(
            f'[DEFAULT]\nhost = h1\nstate_path = {self.directory}\n{options}\n'
            f'[database]\nconnection = sqlite:///{self.directory}/nova.sqlite\n')

    @property
    def output(self):
        return self.output_path.read_text()

    def wait_for(self, condition, what):
        deadline = time.monotonic() + SOON_S
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                found = condition()
                if found:
                    return found
            if time.monotonic() > deadline:
                raise AssertionError(f'{what} did not happen; the daemon said:\n{self.output}')
            time.sleep(0.02)

    def wait_for_line(self, text, times=1):
        self.wait_for(lambda: self.output.count(text) >= times, f'{text!r}')

    def end(self, signo=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signo)
        try:
            return self.process.wait(SOON_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f'it did not end; it said:\n{self.output}') from None


class DaemonTestCase(unittest.TestCase):

    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory())

    def make_schema(self):
        CONF([], default_config_files=[])
        db.families('main')
        engine = sa.create_engine(f'sqlite:///{self.directory}/nova.sqlite')
        db.base.Base.metadata.create_all(engine)
        engine.dispose()

    def start(self, kind, options='', schema=True, **environment):
        if schema:
            self.make_schema()
        daemon = Daemon(self.directory, kind, options, **environment)
        self.addCleanup(daemon.end)
        return daemon


class ServiceTestCase(DaemonTestCase):

    def test_sigterm_finishes_what_is_held(self):
        daemon = self.start('service')
        daemon.wait_for_line('working')
        self.assertEqual(0, daemon.end())
        self.assertEqual(['init_host', 'working', 'worked', 'cleanup_host'],
                         [line for line in daemon.output.splitlines() if ' ' not in line])
        self.assertNotIn('Traceback', daemon.output)

    def test_sigterm_ends_a_start_that_waits(self):
        daemon = self.start('service', schema=False)
        daemon.wait_for_line('cannot start yet')
        self.assertEqual(0, daemon.end())
        self.assertNotIn('init_host', daemon.output)

    def test_a_broker_that_is_not_there_is_waited_for(self):
        daemon = self.start('service', f'transport_url = rabbit://guest:guest@127.0.0.1:{harness.free_port()}/')
        daemon.wait_for_line('ECONNREFUSED', times=4)
        self.assertIsNone(daemon.process.poll())
        self.assertEqual(0, daemon.end())

    def test_a_stop_takes_no_longer_than_it_may(self):
        daemon = self.start('service', 'graceful_shutdown_timeout = 1', SAMPLE_WORK_S='60')
        daemon.wait_for_line('working')
        self.assertEqual(1, daemon.end())
        self.assertIn('Graceful shutdown timeout exceeded', daemon.output)

    def test_sighup_reads_options_again(self):
        daemon = self.start('service', 'debug = false')
        daemon.wait_for_line('is ready')
        daemon.write('debug = true')
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_line('reset, debug is True')
        # A signal that comes while one is dealt with may be lost.
        daemon.wait_for_line('Configuration read again')
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_line('reset, debug is True', times=2)
        self.assertIsNone(daemon.process.poll())
        self.assertEqual(0, daemon.end())

    def test_a_report_on_sigusr1_and_sigusr2(self):
        daemon = self.start('service')
        daemon.wait_for_line('worked')
        for number, signo in enumerate((signal.SIGUSR1, signal.SIGUSR2), 1):
            daemon.process.send_signal(signo)
            daemon.wait_for_line('Guru Meditation', times=number)
            daemon.wait_for_line('report_interval = 10', times=number)
        self.assertIn('Green Threads', daemon.output)
        self.assertEqual(0, daemon.end())

    def test_systemd_is_told_when_it_is_ready_and_not_before(self):
        path = os.path.join(self.directory, 'notify')
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as notify:
            notify.bind(path)
            daemon = self.start('service', schema=False, NOTIFY_SOCKET=path)
            daemon.wait_for_line('cannot start yet')
            notify.setblocking(False)
            with self.assertRaises(BlockingIOError):
                notify.recv(100)
            self.make_schema()
            notify.settimeout(SOON_S)
            self.assertEqual(b'READY=1', notify.recv(100))
            self.assertIn('is ready', daemon.output)

    def test_a_wrong_option_is_one_line(self):
        for options, named in (('report_interval = soon', 'report_interval'),
                               ('transport_url = smoke://', 'transport_url')):
            with self.subTest(options=options):
                daemon = self.start('service', options)
                self.assertEqual(1, daemon.process.wait(SOON_S))
                lines = [line for line in daemon.output.splitlines() if line]
                self.assertIn(named, lines[-1])
                self.assertNotIn('Traceback', daemon.output)

    def test_logs_as_json(self):
        daemon = self.start('service', 'use_json = true')
        daemon.wait_for_line('"message": "nova-sample is ready"')

    def test_monitoring_has_a_port_of_its_own(self):
        port = harness.free_port()
        daemon = self.start('service', f'[monitoring]\nports = nova-sample:{port}\n')
        daemon.wait_for_line('is ready')
        self.assertEqual((200, b'OK\n'), fetch(port, '/healthcheck'))
        body = fetch(port, '/healthcheck?verbose')[1].decode()
        for check in ('database', 'nova-sample', 'nova-sample messages'):
            self.assertIn(f'ok     {check}: ', body)
        self.assertIn(b'nova_periodic_runs_total', fetch(port, '/metrics')[1])


def fetch(port, path):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=SOON_S)
    try:
        connection.request('GET', path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class WorkersTestCase(DaemonTestCase):

    def start_api(self, workers, transport='kombu+memory://', **environment):
        paste = os.path.join(self.directory, 'paste.ini')
        with open(paste, 'w') as ini:
            ini.write('[app:osapi_compute]\npaste.app_factory = nova.tests.functional.sample_daemon:application\n')
        self.port = harness.free_port()
        # Nothing is sent over the transport.
        return self.start('api', f'transport_url = {transport}\nosapi_compute_listen = 127.0.0.1\n'
                                 f'osapi_compute_listen_port = {self.port}\nosapi_compute_workers = {workers}\n'
                                 f'api_paste_config = {paste}', **environment)

    def pids(self, daemon, wanted):
        found = set()

        def ask():
            found.add(int(fetch(self.port, '/')[1]))
            return len(found) >= wanted

        daemon.wait_for(ask, f'answers of {wanted} processes')
        return found

    def children(self, daemon):
        return {int(pid) for pid in pathlib.Path(
            f'/proc/{daemon.process.pid}/task/{daemon.process.pid}/children').read_text().split()}

    def test_one_worker_is_the_process_itself(self):
        daemon = self.start_api(1)
        self.assertEqual({daemon.process.pid}, self.pids(daemon, 1))
        self.assertEqual(0, daemon.end())

    def test_workers_share_the_port_and_are_replaced(self):
        daemon = self.start_api(2)
        self.pids(daemon, 1)
        first = self.children(daemon)
        self.assertEqual(2, len(first))
        victim = min(first)
        os.kill(victim, signal.SIGKILL)
        daemon.wait_for(lambda: len(self.children(daemon) - first) == 1, 'a new worker')
        self.assertEqual(200, fetch(self.port, '/')[0])
        self.assertEqual(0, daemon.end())
        with self.assertRaises(OSError):
            fetch(self.port, '/')

    def test_metrics_are_those_of_all_workers(self):
        daemon = self.start_api(2)
        self.pids(daemon, 1)
        for _ in range(20):
            fetch(self.port, '/')
        text = fetch(self.port, '/metrics')[1].decode()
        line = next(line for line in text.splitlines() if line.startswith('nova_http_requests_total')
                    and 'unrouted' in line)
        self.assertGreaterEqual(float(line.split()[-1]), 20)

    def test_metrics_of_one_that_was_killed_are_removed(self):
        where = pathlib.Path(self.directory, 'run')
        where.mkdir()
        daemons = []
        for _each in range(2):
            daemons.append(self.start_api(2, RUNTIME_DIRECTORY=str(where)))
            self.pids(daemons[-1], 1)
        killed, other = daemons
        killed.process.kill()
        killed.process.wait()
        self.start_api(2, RUNTIME_DIRECTORY=str(where)).wait_for(
            lambda: not list(where.glob(f'nova-metrics-{killed.process.pid}-*')), 'removal of what the killed one left')
        self.assertEqual(1, len(list(where.glob(f'nova-metrics-{other.process.pid}-*'))))

    def test_sigterm_answers_what_was_asked(self):
        for workers in (1, 2):
            with self.subTest(workers=workers):
                daemon = self.start_api(workers)
                self.pids(daemon, 1)
                connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=SOON_S)
                connection.request('GET', '/slow')
                daemon.wait_for_line('asked')
                daemon.process.send_signal(signal.SIGTERM)
                self.assertEqual(200, connection.getresponse().status)
                connection.close()
                self.assertEqual(0, daemon.process.wait(SOON_S))

    def test_sighup_keeps_the_workers(self):
        daemon = self.start_api(2)
        self.pids(daemon, 1)
        before = self.children(daemon)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_line('Configuration read again', times=3)
        self.assertEqual(before, self.children(daemon))
        self.assertEqual(200, fetch(self.port, '/')[0])
        self.assertEqual(0, daemon.end())

    def test_a_transport_within_the_process_allows_one_worker(self):
        daemon = self.start_api(2, transport='local://')
        self.assertEqual({daemon.process.pid}, self.pids(daemon, 1))
        self.assertIn('local:// does not reach other processes', daemon.output)


class ForeignServerTestCase(DaemonTestCase):
    """The APIs as applications of uWSGI and its like: plain threads, nothing patched."""

    def test_an_application_is_found_and_answers(self):
        self.make_schema()
        paste = os.path.join(self.directory, 'paste.ini')
        config = os.path.join(self.directory, 'nova.conf')
        pathlib.Path(paste).write_text(
            '[app:metadata]\npaste.app_factory = nova.monitoring.http:app_factory\n')
        pathlib.Path(config).write_text(
            f'[DEFAULT]\napi_paste_config = {paste}\ntransport_url = kombu+memory://\n'
            f'[database]\nconnection = sqlite:///{self.directory}/nova.sqlite\n')
        code = ('from nova import concurrency\n'
                'from nova.wsgi.metadata import application\n'
                'assert not concurrency.is_patched()\n'
                'environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/healthcheck", "QUERY_STRING": "verbose"}\n'
                'said = []\n'
                'body = b"".join(application(environ, lambda *args: said.append(args[0])))\n'
                'assert said == ["200 OK"], (said, body)\n'
                'assert b"ok     database: answers" in body, body\n')
        done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=False,
                              env={**os.environ, 'OS_NOVA_CONFIG_FILES': config})
        self.assertEqual(0, done.returncode, done.stderr)
