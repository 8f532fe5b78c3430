# SPDX-License-Identifier: Apache-2.0
"""tools/quickstart.sh as a person runs it, on a machine of its own: namespaces in which nothing runs yet."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import psutil
import pytest

from nova.tests import harness

#: For the order of the groups of tests.
TAKES_S = 120

#: What another machine would not have from this one.  systemd is among it: the script starts libvirtd by itself.
_EMPTY = ('/run', '/var/lib/libvirt', '/var/log/libvirt')
# Its own network is only in a /sys of its own, in which control groups would be missing.
_SYS = ('mkdir /run/groups; mount --rbind /sys/fs/cgroup /run/groups; mount -t sysfs sysfs /sys; '
        'mount --move /run/groups /sys/fs/cgroup')
_SPACES = ('--mount', '--net', '--uts', '--ipc', '--pid')
_SCRIPT = harness.ROOT / 'tools' / 'quickstart.sh'


class Machine:
    """A machine with a loopback and the files of this one; its processes end with it.

    As in many a container, its first process does not care for the ended.
    """

    def __init__(self, state):
        self.state = pathlib.Path(state)
        mounts = ''.join(f'mount -t tmpfs tmpfs {path}; mkdir -p {path}/qemu; ' for path in _EMPTY)
        self._process = subprocess.Popen(
            ['unshare', *_SPACES, '--fork', '--kill-child', '--mount-proc', 'sh', '-euc',
             f'hostname quick; ip link set lo up; {mounts} {_SYS}; echo ready; exec sleep infinity'],
            stdout=subprocess.PIPE)
        assert self._process.stdout.readline() == b'ready\n'
        (self._first,) = psutil.Process(self._process.pid).children()

    def run(self, *command, timeout_s=300):
        """(exit status, what it printed)"""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(('OS_', 'NOVA_'))}
        ended = subprocess.run(
            ['nsenter', '--target', str(self._first.pid), *_SPACES, *command],
            check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=timeout_s, env={**environment, 'NOVA_QUICKSTART_DIR': str(self.state)}, cwd=harness.ROOT)
        return ended.returncode, ended.stdout

    def quickstart(self, *arguments):
        status, said = self.run(str(_SCRIPT), *arguments)
        assert status == 0, said + self.log()[-8000:]
        return said

    def log(self):
        path = self.state / 'nova.log'
        return path.read_text() if path.exists() else ''

    def processes(self):
        """Command lines of what runs on it."""
        _status, said = self.run('ps', '-eo', 'args=')
        return [line for line in said.splitlines()
                if not line.startswith(('sleep infinity', 'ps ')) and not line.endswith('<defunct>')]

    def end(self):
        self._process.kill()
        self._process.wait(30)
        self._first.wait(30)


@pytest.fixture(params=['libvirt', 'fake'])
def machine(request):
    state = tempfile.mkdtemp(prefix='nova-quickstart-')
    os.chmod(state, 0o755)    # noqa: S103  guests run as an ordinary user
    made = Machine(state)
    made.driver = request.param
    try:
        yield made
    finally:
        with contextlib.suppress(AssertionError):
            made.quickstart('clean')
        made.end()
        shutil.rmtree(state, ignore_errors=True)


def _commands(said):
    """What it tells one to go on with, as one script that ends at the first failure."""
    after = said.partition('Go on with:\n')[2].partition('(as administrator')[0]
    return '\n'.join(['set -e', *(line.strip() for line in after.splitlines())])


def test_what_it_prints_works_and_nothing_is_left(machine):
    said = machine.quickstart('--driver', machine.driver)
    assert '| ACTIVE' in said
    assert re.search(r'^==> address: 10\.0\.0\.\d+$', said, re.MULTILINE)
    assert ('GUEST: ready' if machine.driver == 'libvirt' else 'login:') in said

    commands = _commands(said)
    assert 'openstack server create' in commands
    status, printed = machine.run('bash', '-c', commands)
    assert status == 0, printed
    assert ('GUEST: ready' if machine.driver == 'libvirt' else 'fake guest') in printed

    if machine.driver == 'libvirt':
        machine.quickstart('stop')
        assert machine.processes() == []
        # What is there is used again.
        again = machine.quickstart()
        assert '| ACTIVE' in again
        assert _id(again) == _id(said)
    log = machine.log()
    assert 'Traceback' not in log, log[log.index('Traceback') - 2000:][:6000]

    machine.quickstart('clean')
    assert machine.processes() == []
    assert not machine.state.exists()
    for what in (['nft', 'list', 'tables'], ['ip', '-br', 'link', 'show', 'type', 'bridge']):
        assert machine.run(*what) == (0, '')


def _id(said):
    return re.search(r'\| id +\| (\S+)', said)[1]
