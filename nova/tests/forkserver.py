# SPDX-License-Identifier: Apache-2.0
"""Runs commands of nova in processes that need not import anything: they are forked by one that has.

    process = forkserver.Process('from nova.cmd.all import main; main()', '--config-file', path, stdout=log)
    done = forkserver.nova_manage('flavor', 'list')

is what `python -W ignore -c CODE WORDS...` is, and takes 0.2 seconds of a processor where that takes two.  The tests
start a thousand of them.  What a command imports, and in what order, is tested with the commands themselves: daemons
of test beds, of the quickstart, and those in `test_daemons` are started as a user would.

There is a server for each of the `WORLDS`, a process of its own: the first who needs it starts it, and it ends with
them.  A run of many processes has one for all of them (`serving`), which they find by the name of its socket in the
environment.  Between the server and each command stands a keeper, whose child the command is: it tells how the command
ended, and kills it when nobody is there any more to be told.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pathlib
import pkgutil
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

#: How the names of the variables begin that have the paths of the servers' sockets; the name of the world follows.
SOCKETS = 'NOVA_TEST_FORKSERVER_'
ROOT = pathlib.Path(__file__).resolve().parents[2]
#: What the libraries load when it is first used.
_LATE = ('pymysql', 'psycopg2', 'sqlalchemy.dialects.mysql.pymysql', 'sqlalchemy.dialects.postgresql.psycopg2',
         'sqlalchemy.dialects.sqlite.pysqlite', 'oslo_messaging._drivers.impl_rabbit', 'oslo_policy._external',
         'futurist')
#: Requests are one message; a command line and an environment have room in it.
_LARGEST = 1 << 20


# Of tests ------------------------------------------------------------------------------------------------------------

class Process:
    """A running command; has of `subprocess.Popen` what the tests use.  It leads a session of its own.

    :param code: what it runs, as `python -c` would.
    :param words: its arguments.
    :param stdout: a file; by default the command writes where this process does.
    :param stderr: the same.
    :param environ: of the command; that of this process by default.
    :param world: which of the `WORLDS` it is of.
    """

    def __init__(self, code, *words, stdout=None, stderr=None, environ=None, world='nova'):
        self.returncode = None
        self._keeper = _connect(world)
        request = {'code': code, 'argv': ['-c', *map(str, words)],
                   'environ': dict(os.environ if environ is None else environ)}
        socket.send_fds(self._keeper, [json.dumps(request).encode()], [
            (stream or ours).fileno() for stream, ours in ((stdout, sys.__stdout__), (stderr, sys.__stderr__))])
        self.pid = int(self._keeper.recv(64))

    def poll(self):
        """Its exit status, negative if a signal ended it; None while it runs."""
        return self._status(0)

    def wait(self, timeout=None):
        """Wait for its exit status; raises subprocess.TimeoutExpired."""
        if self._status(timeout) is None:
            raise subprocess.TimeoutExpired(f'process {self.pid}', timeout)
        return self.returncode

    def _status(self, timeout_s):
        if self.returncode is None and select.select([self._keeper], [], [], timeout_s)[0]:
            self.returncode = int(self._keeper.recv(64))
            self._keeper.close()
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def run(code, *words, timeout=120, **how):
    """Run a command to its end; what it did as `subprocess.CompletedProcess`, with text.

    :param timeout: seconds, after which it is killed; raises subprocess.TimeoutExpired then.
    :param how: `environ` and `world` of the process.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = Process(code, *words, stdout=out, stderr=errors, **how)
        try:
            process.wait(timeout)
        finally:
            process.kill()
        texts = []
        for file in (out, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(words, process.returncode, *texts)


def nova_manage(*words):
    """Run the command `nova-manage`."""
    return run('import sys; from nova.cmd.manage import main; sys.argv[0] = "nova-manage"; sys.exit(main())', *words)


def openstack(*words, **environ):
    """Run the stock command `openstack`, with variables on top of the environment."""
    return run('import sys; from openstackclient.shell import main; sys.argv[0] = "openstack"; '
               'sys.exit(main(sys.argv[1:]))', *words, environ={**os.environ, **environ}, world='clients')


def _connect(world, patience_s=60):
    """A connection to the server of a world, which may have just been started."""
    if SOCKETS + world not in os.environ:
        running = contextlib.ExitStack()
        running.enter_context(serving(world))
        atexit.register(running.close)
    path = os.environ[SOCKETS + world]
    until = time.monotonic() + patience_s
    while not os.path.exists(path):
        assert time.monotonic() < until, f'no server of processes after {patience_s} s'
        time.sleep(0.05)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(path)
    return connection


@contextlib.contextmanager
def serving(*worlds):
    """Servers for this process and those that it starts; they may not be ready yet."""
    # Those of the run around this one, if there is one.
    outer = {name: path for name, path in os.environ.items() if name.startswith(SOCKETS)}
    running = {}
    for world in worlds:
        os.environ[SOCKETS + world] = os.path.join(tempfile.mkdtemp(prefix='nova-test-forkserver-'), 'socket')
        # Its end is the end of its standard input, so it goes with this process, however that ends.
        running[world] = subprocess.Popen(
            [sys.executable, *WORLDS[world].options, '-m', __name__, world], cwd=ROOT, stdin=subprocess.PIPE,
            env={**os.environ, 'PYTHONPATH': str(ROOT)}, start_new_session=True)
    try:
        yield
    finally:
        for world, process in running.items():
            os.environ.pop(SOCKETS + world, None)
            process.stdin.close()
            process.wait(10)
        os.environ.update(outer)


def without_servers(environ):
    """An environment for processes of another network or file system: what they start must be there, too."""
    return {name: value for name, value in environ.items() if not name.startswith(SOCKETS)}


# The server ----------------------------------------------------------------------------------------------------------

def _load_nova():
    """All of nova but its tests, as a daemon would."""
    from nova import concurrency
    concurrency.monkey_patch()
    import nova
    # Alembic's scripts are not modules.
    _import_all(nova, 'nova.tests', 'nova.db.api.migrations', 'nova.db.main.migrations')
    for name in _LATE:
        importlib.import_module(name)
    concurrency.wsgi_module()


def _load_clients():
    """The stock command: its own part of the time is what it asks us."""
    import openstackclient
    _import_all(openstackclient, 'openstackclient.tests')


def _import_all(package, *prefixes):
    """Import a package and all in it but what begins with one of the `prefixes`."""
    for found in pkgutil.walk_packages(package.__path__, f'{package.__name__}.'):
        if not found.name.startswith(prefixes):
            importlib.import_module(found.name)


def _load_tests():
    """What `nova.tests.conftest` imports: tests begin with that, and some replace threads by green ones then."""
    import pytest  # noqa: F401
    import requests  # noqa: F401

    from nova.tests import database  # noqa: F401


class World(NamedTuple):
    """What the children of a server have in common."""

    #: Imports it.
    load: Callable
    #: Of the interpreter.
    options: tuple = ()


WORLDS = {'nova': World(_load_nova, ('-W', 'ignore')), 'clients': World(_load_clients), 'tests': World(_load_tests)}


def _serve(path):
    """Fork whenever somebody asks.  Returns in the child, with what it is asked to run."""
    gc.collect()
    # The children share what is never looked at.
    gc.freeze()
    from nova import concurrency
    # Green sockets would make a scheduler here, and children cannot use that of their parent.
    native = concurrency.native_module('socket')
    wait = concurrency.native_module('select')
    listening = native.socket(native.AF_UNIX, native.SOCK_SEQPACKET)
    listening.bind(path + '.new')
    listening.listen(64)
    os.rename(path + '.new', path)
    while True:
        # Keepers that have ended
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        ready, _, _ = wait.select([listening, 0], [], [], 5)
        if 0 in ready:
            shutil.rmtree(os.path.dirname(path))
            os._exit(0)
        if listening not in ready:
            continue
        asker, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            return _keep(asker, native, wait)
        asker.close()


def _keep(asker, native, wait):
    """Start the command and tell how it ended.  Returns in the command, with what it is asked to run."""
    data, streams, _flags, _who = native.recv_fds(asker, _LARGEST, 2)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        asker.send(str(os.getpid()).encode())
        asker.close()
        return json.loads(data), streams
    os.setsid()
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    ended = os.pidfd_open(pid)
    if asker in wait.select([ended, asker], [], [])[0]:
        # It may not lead its group yet.
        for kill in (os.kill, os.killpg):
            with contextlib.suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
        wait.select([ended], [], [])
    _pid, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        asker.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(request, streams):
    """Make this process the one that was asked for; the code that it is to run."""
    from nova import concurrency
    concurrency.forked()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, stream in enumerate((nothing, *streams)):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request['environ'])
    sys.argv = request['argv']
    return request['code']


if __name__ == '__main__':
    WORLDS[sys.argv[1]].load()
    _code = _become(*_serve(os.environ[SOCKETS + sys.argv[1]]))
    exec(_code, {'__name__': '__main__'})  # noqa: S102  (as `python -c` does)
