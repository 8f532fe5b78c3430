# SPDX-License-Identifier: Apache-2.0
"""Starts the service for tests as a user would: real processes, real HTTP, and nothing shared between two of them.

    with Cloud.all_in_one() as cloud:           # nova-all, SQLite, fake driver
        server = cloud.client().boot('one')
    with Cloud.daemons(database='mysql+pymysql://root@127.0.0.1') as cloud:
        cloud.kill('nova-conductor')

Everything is below one temporary directory, and is gone afterwards.
"""

import atexit
import contextlib
import fcntl
import functools
import json
import os
import pathlib
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import requests
import sqlalchemy

from nova.api.openstack import microversions
from nova.tests import forkserver
from nova.tests.functional import coverage_recorder

ROOT = forkserver.ROOT
IMAGE_ID = '11111111-1111-1111-1111-111111111111'
LATEST = microversions.text(microversions.MAX)
#: The database server and the broker of sites whose daemons are separate.
MYSQL = os.environ.get('NOVA_TEST_MYSQL', 'mysql+pymysql://root@127.0.0.1/').rstrip('/')
RABBIT = os.environ.get('NOVA_TEST_RABBIT', 'rabbit://guest:guest@127.0.0.1:5672/').rstrip('/')
#: Names the directory that has, or gets, a site on SQLite that was set up and never started; a run of many processes
#: has one for all of them.
TEMPLATE = 'NOVA_TEST_TEMPLATE'
#: Daemons of a site of its own, in the order of their start.
DAEMONS = ('nova-conductor', 'nova-scheduler', 'nova-network', 'nova-compute', 'nova-api')


#: Of which `free_port` chooses: no console's of a guest, and none that the kernel gives to who only connects.
_PORTS = range(20000, 32768)
#: Open as long as this process lives: who has the name of a port has the port.
_port_names = []


def free_port():
    """A TCP port that nobody uses, and that no other test is told of while this process lives."""
    for port in random.sample(_PORTS, 200):
        name = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError), socket.socket() as probe:
            name.bind(f'\0nova-test-port-{port}')
            probe.bind(('127.0.0.1', port))
            _port_names.append(name)
            return port
        name.close()
    raise AssertionError(f'no port of {_PORTS} is free')


@functools.cache
def _engine(url, **options):
    """To look into a database, whose server may be away meanwhile.  Making one takes longer than most queries."""
    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, **options)


@contextlib.contextmanager
def _template():
    """The directory of the template of sites, locked."""
    if TEMPLATE not in os.environ:
        os.environ[TEMPLATE] = tempfile.mkdtemp(prefix='nova-template-')
        atexit.register(shutil.rmtree, os.environ[TEMPLATE], ignore_errors=True)
    directory = pathlib.Path(os.environ[TEMPLATE])
    with (directory / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield directory


def wait_for(condition, what, timeout_s=60, every_s=0.05):
    """Wait until `condition()` is true and return its value; fails with `what` after the timeout.

    :param every_s: how often to ask at first; then ever less often, since who asks takes time from who is asked.
    """
    since = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited_s = time.monotonic() - since
        if waited_s > timeout_s:
            raise AssertionError(f'{what}: not within {timeout_s} s')
        time.sleep(max(every_s, min(waited_s / 10, 0.5)))


class Client:
    """A small client of the Compute API; `call` gives the response, the others fail unless it is a success.

    `examine` looks at every answer, if there is one: see `nova.tests.functional.conformance.check`.
    """

    examine = None

    def __init__(self, cloud, token='admin:demo', version=LATEST):
        self.cloud, self.token, self.version = cloud, token, version
        self.http = requests.Session()
        # Nobody is between; to look whether there is takes longer than to ask.
        self.http.trust_env = False

    def call(self, method, path, body=None, version=None, headers=None, **kwargs):
        url = path if path.startswith('http') else self.cloud.endpoint + path
        version = version or self.version
        sent = {'X-Auth-Token': self.token, 'X-OpenStack-Nova-API-Version': version,
                'OpenStack-API-Version': f'compute {version}', **(headers or {})}
        answer = self.http.request(method, url, json=body, headers=sent, timeout=60, **kwargs)
        if self.examine:
            self.examine(method, answer.url, body, sent, answer.status_code, answer.content)
        return answer

    def get(self, path, version=None):
        answer = self.call('GET', path, version=version)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path, body=None, version=None):
        answer = self.call('POST', path, body, version=version)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def action(self, server_id, name, value=None, version=None):
        return self.post(f'/servers/{server_id}/action', {name: value}, version)

    def boot(self, name, wait='ACTIVE', **more):
        """Create a server and wait for its status; the server as shown."""
        request = {'name': name, 'flavorRef': '1', 'imageRef': IMAGE_ID, 'networks': 'none', **more}
        made = self.post('/servers', {'server': request})['server']
        return self.wait(made['id'], wait) if wait else made

    def wait(self, server_id, status, timeout_s=120):
        """Wait until the server has the status and nothing is going on with it."""
        def there():
            server = self.get(f'/servers/{server_id}')['server']
            if server['status'] == status and server['OS-EXT-STS:task_state'] is None:
                return server
            assert status == 'ERROR' or server['status'] != 'ERROR' or server['OS-EXT-STS:task_state'], \
                server.get('fault')
        try:
            return wait_for(there, f'server {server_id} {status}', timeout_s)
        except AssertionError as error:
            shown = self.get(f'/servers/{server_id}')['server']
            actions = self.get(f'/servers/{server_id}/os-instance-actions')['instanceActions']
            last = self.get(f'/servers/{server_id}/os-instance-actions/{actions[0]["request_id"]}')['instanceAction']
            is_now = f'{shown["status"]}, {shown["OS-EXT-STS:task_state"]}'
            raise AssertionError(f'{error}; it is {is_now}; {last}') from error

    def delete(self, server_id):
        """Delete a server, unless it is gone already, and wait until it is."""
        self.call('DELETE', f'/servers/{server_id}')
        self.gone(server_id)

    @contextlib.contextmanager
    def booted(self, name, **more):
        """A server as `boot` returns it, which is gone afterwards."""
        made = self.boot(name, **more)
        yield made
        self.delete(made['id'])

    def gone(self, server_id, timeout_s=60):
        wait_for(lambda: self.call('GET', f'/servers/{server_id}').status_code == 404, f'server {server_id} gone',
                 timeout_s)


_NETWORK = 'nova-network'


class Cloud:
    """A running site.

    :param settings: {'section': {'option': value}} on top of what a test site needs.
    :param forked: whether the daemons are forked by one that has imported all of it (see `forkserver`). Who measures
        them starts them as a user would.
    """

    def __init__(self, binaries, settings=None, transport='local://', database=None, directory=None, forked=True):
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix='nova-test-'))
        self.port, self.metadata_port = free_port(), free_port()
        self.endpoint = f'http://127.0.0.1:{self.port}/v2.1'
        self.binaries, self.forked = binaries, forked
        self.processes = {}
        self._server_url, self._name = database, f'nova_test_{secrets.token_hex(4)}'
        #: Appended to the database's URL.
        self.query = ''
        self._rabbit = transport.startswith('rabbit')
        #: Of the commands that manage the broker: tells which one, if it is not the machine's.
        self.broker_environ = {}
        self.transport = f'{transport}/{self._name}' if self._rabbit else transport
        self.settings = settings or {}

    @classmethod
    def all_in_one(cls, settings=None, **kwargs):
        return cls(['nova-all'], settings, **kwargs)

    @classmethod
    def daemons(cls, settings=None, database=MYSQL, transport=RABBIT, binaries=DAEMONS, **kwargs):
        return cls(list(binaries), settings, transport, database, **kwargs)

    @property
    def database(self):
        if self._server_url:
            return f'{self._server_url}/{self._name}{self.query}'
        return f'sqlite:///{self.directory}/nova.sqlite'

    # Life -------------------------------------------------------------------------------------------------------------

    def __enter__(self):
        try:
            self.set_up()
            for binary in self.binaries:
                self.start(binary)
            self.wait_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_exc):
        for binary in reversed(list(self.processes)):
            self.stop(binary)
        with contextlib.suppress(Exception):
            self._drop_database()
        if self._rabbit:
            self._vhost('DELETE')
        if os.environ.get('NOVA_TEST_KEEP') is None:
            shutil.rmtree(self.directory, ignore_errors=True)

    def set_up(self):
        """Files, database, messages, a flavor and an image; nothing runs yet."""
        self.config = self.directory / 'nova.conf'
        self.write_config(self.config)
        if self._server_url or self._rabbit:
            self._fill()
            return
        # The commands take seconds: sites on SQLite begin as copies of the first one.
        with _template() as template:
            if not (template / 'done').exists():
                plain = Cloud([], directory=template)
                plain.config = plain.write_config(template / 'nova.conf')
                plain._fill()
                (template / 'done').touch()
        shutil.copy(template / 'nova.sqlite', self.directory)
        shutil.copytree(template / 'state', self.directory / 'state', dirs_exist_ok=True)

    def _fill(self):
        (self.directory / 'state' / 'images').mkdir(parents=True)
        self._create_database()
        if self._rabbit:
            self._vhost('PUT')
        disk = self.directory / 'disk.raw'
        disk.write_bytes(b'\0' * 65536)
        self.manage_all('db sync', 'api_db sync', 'flavor create --name m1.test --id 1 --ram 128 --vcpus 1 --disk 1',
                        f'image register {disk} --name guest --disk-format raw --id {IMAGE_ID} --public')

    def write_config(self, path, **changes):
        """Write the configuration of a daemon: the site's, with `changes` ({section: {option: value}})."""
        sections = {
            'DEFAULT': {
                'state_path': self.directory / 'state', 'host': 'test', 'my_ip': '127.0.0.1', 'debug': True,
                'compute_driver': 'fake.FakeDriver',
                'transport_url': self.transport, 'report_interval': 1, 'service_down_time': 12,
                'rpc_response_timeout': 15, 'order_poll_interval': 1,
                'order_lease': 10, 'janitor_interval': 1, 'periodic_fuzzy_delay': 0, 'reserved_host_memory_mb': 0,
                'osapi_compute_listen': '127.0.0.1', 'osapi_compute_listen_port': self.port,
                'metadata_listen': '127.0.0.1', 'metadata_listen_port': self.metadata_port,
                'metadata_port': self.metadata_port},
            'database': {'connection': self.database},
            'api': {'auth_strategy': 'noauth2'},
            'quota': {'instances': -1, 'cores': -1, 'ram': -1},
            'fake': {'vcpus': 1000, 'memory_mb': 1000000, 'local_gb': 100000},
            'privsep': {},
        }
        for more in (self.settings, changes):
            for section, options in more.items():
                sections.setdefault(section, {}).update(options)
        lines = []
        for section, options in sections.items():
            if all(value is None for value in options.values()):
                continue
            lines.append(f'[{section}]')
            lines += [f'{name} = {value}' for name, value in options.items() if value is not None]
        path.write_text('\n'.join(lines) + '\n')
        (self.directory / 'log').mkdir(exist_ok=True)
        return path

    def start(self, binary, config=None, name=None, prefix=()):
        """Start a daemon; `name` tells two of the same binary apart, `prefix` is a command that it runs under."""
        module = binary.removeprefix('nova-').replace('-', '_')
        code = (f'import sys; from nova.cmd.{module} import main; {coverage_recorder.in_daemon(module)}'
                f'sys.argv[0] = {binary!r}; sys.exit(main())')
        words = ('--config-file', str(config or self.config))
        with (self.directory / 'log' / f'{name or binary}.out').open('ab') as log:
            if self.forked and not prefix:
                process = forkserver.Process(code, *words, stdout=log, stderr=log)
            else:
                process = subprocess.Popen(
                    [*prefix, sys.executable, '-W', 'ignore', '-c', code, *words], cwd=ROOT, stdout=log, stderr=log,
                    env={**os.environ, 'PYTHONPATH': str(ROOT)}, start_new_session=True)
        self.processes[name or binary] = process

    def stop(self, name, timeout_s=20):
        """Stop with SIGTERM as an operator would; with SIGKILL what does not stop."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._kill(process)
            return None

    def kill(self, name):
        """kill -9, children included."""
        self._kill(self.processes.pop(name))

    @staticmethod
    def _kill(process):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def wait_ready(self, computes=1, timeout_s=60):
        """Wait until the API answers, hosts have reported, and who gives addresses takes orders."""
        def ready():
            for name, process in self.processes.items():
                assert process.poll() is None, f'{name} ended with {process.returncode}:\n{self.output(name)}'
            try:
                answer = self.client().call('GET', '/os-hypervisors/detail')
            except requests.ConnectionError:
                return False
            if answer.status_code != 200 or sum(
                    node['state'] == 'up' for node in answer.json()['hypervisors']) < computes:
                return False
            # A host that has reported has heard of the others but for this one; what it is asked before is lost.
            return all(f'{_NETWORK} is ready' in self.output(name) for name in self.processes
                       if name.startswith(_NETWORK))
        wait_for(ready, f'{computes} hosts up', timeout_s)

    # Looking ----------------------------------------------------------------------------------------------------------

    def client(self, token='admin:demo', version=LATEST):
        return Client(self, token, version)

    def output(self, name):
        """What a daemon printed and logged."""
        found = [path.read_text(errors='replace') for path in (self.directory / 'log').glob(f'{name}*')]
        return '\n'.join(found)

    def tracebacks(self):
        """Lines of logs that begin a traceback, with the file; there should be none."""
        found = []
        for path in (self.directory / 'log').iterdir():
            lines = path.read_text(errors='replace').splitlines()
            found += [f'{path.name}: {lines[max(0, number - 1)]}' for number, line in enumerate(lines)
                      if 'Traceback (most' in line]
        return found

    def manage(self, *words, check=True):
        """nova-manage, with this site's configuration; its output."""
        done = forkserver.nova_manage('--config-file', self.config, *words)
        assert not check or done.returncode == 0, f'{" ".join(words)}: {done.stdout}{done.stderr}'
        return done.stdout

    def manage_all(self, *commands):
        """Several commands of nova-manage, without blanks in their words, in one process: its start takes longest."""
        done = forkserver.run(
            'import json, sys; from nova.cmd.manage import main; '
            'sys.exit(next((code for code in map(main, json.loads(sys.argv[1])) if code), 0))',
            json.dumps([[f'--config-file={self.config}', *command.split()] for command in commands]))
        assert done.returncode == 0, f'{"; ".join(commands)}: {done.stdout}{done.stderr}'

    def sql(self, statement):
        """Rows of a query straight from the database."""
        with _engine(self.database).connect() as conn:
            return conn.execute(sqlalchemy.text(statement)).mappings().all()

    def leaks(self):
        """What is held though no server is there for it: claims, addresses, usage; empty is right."""
        found = [f'claim of {row["instance_uuid"]}' for row in self.sql(
            'SELECT instance_uuid FROM claims WHERE instance_uuid NOT IN '
            '(SELECT uuid FROM instances WHERE deleted = 0)')]
        found += [f'usage of node {row["id"]}' for row in self.sql(
            'SELECT n.id FROM compute_nodes n LEFT JOIN claims c ON c.compute_node_id = n.id WHERE n.deleted = 0 '
            'GROUP BY n.id, n.vcpus_used, n.memory_mb_used, n.local_gb_used '
            'HAVING n.vcpus_used <> COALESCE(SUM(c.vcpus), 0) OR n.memory_mb_used <> COALESCE(SUM(c.memory_mb), 0) '
            'OR n.local_gb_used <> COALESCE(SUM(c.disk_gb), 0)')]
        found += [f'address {row["address"]}' for row in self.sql(
            'SELECT address FROM fixed_ips WHERE instance_uuid IS NOT NULL AND instance_uuid NOT IN '
            '(SELECT uuid FROM instances WHERE deleted = 0)')]
        found += [f'mapping of {row["instance_uuid"]}' for row in self.sql(
            'SELECT instance_uuid FROM instance_mappings WHERE instance_uuid NOT IN '
            '(SELECT uuid FROM instances WHERE deleted = 0)')]
        return found

    # Servers of the site ----------------------------------------------------------------------------------------------

    def _admin_sql(self, statement):
        url = self._server_url + ('/postgres' if 'postgres' in self._server_url else '/') + self.query
        with _engine(url, isolation_level='AUTOCOMMIT').connect() as conn:
            conn.execute(sqlalchemy.text(statement))

    def _create_database(self):
        if self._server_url:
            self._admin_sql(f'CREATE DATABASE {self._name}')

    def _drop_database(self):
        if self._server_url:
            self._admin_sql(f'DROP DATABASE {self._name}' + (' WITH (FORCE)' if 'postgres' in self._server_url else ''))

    def _vhost(self, method):
        """Make or remove a virtual host of our own at the broker."""
        making = method == 'PUT'
        self.rabbitmqctl('add_vhost' if making else 'delete_vhost', self._name, check=making)
        if making:
            user = self.transport.partition('//')[2].partition(':')[0]
            self.rabbitmqctl('set_permissions', '-p', self._name, user, '.*', '.*', '.*')

    def rabbitmqctl(self, *words, check=True):
        subprocess.run(['rabbitmqctl', '-q', *words], check=check, capture_output=True,
                       env={**os.environ, **self.broker_environ})
