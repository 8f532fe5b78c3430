# SPDX-License-Identifier: Apache-2.0
"""The checker of what tests leave: it sees what is ours, and nothing else."""

import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

_PATH = pathlib.Path(__file__).resolve().parents[4] / 'tools' / 'lib' / 'leaks.py'
_SPEC = importlib.util.spec_from_file_location('leaks', _PATH)
leaks = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(leaks)


@pytest.fixture
def sleeper():
    """Starts a process that does nothing, and waits until it runs; (arguments, environment) -> its id."""
    started = []

    def start(*words, **environment):
        process = subprocess.Popen([sys.executable, '-c', 'print("up", flush=True); input()', *words],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, **environment})
        started.append(process)
        assert process.stdout.readline().strip() == 'up'
        return process.pid
    yield start
    for process in started:
        process.communicate('\n')


def new(before, kind):
    return leaks.left(before, (kind,), patience_s=0)


def test_processes_of_ours_are_seen_and_no_others(sleeper):
    before = leaks.look((leaks.processes,))
    sleeper('/etc/postgresql/15/main')
    by_argument = sleeper('--config-file', '/tmp/nova-testbed-0a0b0c/nova.conf')
    by_mark = sleeper(NOVA_TESTBED_PROCESS='0a0b0c/compute1')
    pids = {line.split()[1] for line in new(before, leaks.processes)}
    assert {str(by_argument), str(by_mark)} <= pids
    # Of what runs beside this test nobody knows; the one that is none of ours is not among it.
    assert len([pid for pid in pids if pathlib.Path('/proc', pid, 'stat').exists() and 'postgresql' in pathlib.Path(
        '/proc', pid, 'cmdline').read_text()]) == 0


def test_a_number_that_another_process_got_is_another_process(sleeper):
    pid = sleeper('/tmp/nova-test-x')
    (line,) = [line for line in leaks.look((leaks.processes,)) if line.startswith(f'process {pid} ')]
    before = [line.replace('(started ', '(started 1')]
    assert line in new(before, leaks.processes)


def test_directories(monkeypatch, tmp_path):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    before = leaks.look((leaks.directories,))
    (tmp_path / 'nova-testbed-0a0b0c').mkdir()
    (tmp_path / 'somebody').mkdir()
    found = [line for line in new(before, leaks.directories) if str(tmp_path) in line]
    assert found == [f'directory {tmp_path}/nova-testbed-0a0b0c']


SAID = {
    ('ip', '-o', 'link', 'show'): '''1: lo: <LOOPBACK,UP> mtu 65536
2: eth0: <BROADCAST> mtu 1500 master docker0
7: tb0a0b0c-m1@if3: <BROADCAST> mtu 1500 master tb0a0b0c-mgmt state UP
9: tap3228bd67-99: <BROADCAST> mtu 1500
11: tapestry: <BROADCAST> mtu 1500
''',
    ('nft', 'list', 'tables'): 'table inet filter\ntable bridge nova_filter\n',
    ('rabbitmqctl', '-q', '--no-table-headers', 'list_vhosts', 'name'): '/\nnova_test_12ab\nmonitoring\n',
    ('rabbitmqctl', '-q', '--no-table-headers', 'list_queues', '-p', '/', 'name'): '',
}


@pytest.mark.parametrize('kind, expected', [
    ('devices', ['device tap3228bd67-99', 'device tb0a0b0c-m1, a port of tb0a0b0c-mgmt']),
    ('tables', ['nft table bridge nova_filter']), ('messages', ['virtual host nova_test_12ab']),
])
def test_what_commands_say(monkeypatch, kind, expected):
    monkeypatch.setattr(leaks, '_lines', lambda *words: SAID[words].splitlines())
    monkeypatch.setattr(leaks.shutil, 'which', lambda name: name)
    assert leaks.look((getattr(leaks, kind),)) == expected


def test_what_goes_by_itself_gets_time_for_that():
    seen = iter([['device tap1', 'old'], ['device tap1', 'old'], ['old']])
    assert leaks.left(['old'], (lambda: next(seen),), patience_s=20) == []


def test_the_command(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(leaks, 'PATIENCE_S', 0)
    monkeypatch.setattr(leaks, 'look', lambda kinds=None: ['database mysql nova_test_1'])
    file = tmp_path / 'before.json'
    assert leaks.main(['snapshot', str(file)]) == 0
    assert leaks.main(['compare', str(file)]) == 0
    monkeypatch.setattr(leaks, 'look', lambda kinds=None: ['database mysql nova_test_1', 'device tap1'])
    monkeypatch.setattr(leaks, 'left', lambda before: sorted(set(leaks.look()) - set(before)))
    assert leaks.main(['compare', str(file)]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == ['left: device tap1', '1 things of the tests are left']


def test_databases_are_asked_only_where_there_are_any(monkeypatch):
    for name in ('NOVA_TEST_MYSQL', 'NOVA_TEST_POSTGRESQL'):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory() as directory:
        monkeypatch.setenv('NOVA_TEST_POSTGRESQL', f'sqlite:///{directory}/x.sqlite')
        with pytest.raises(Exception, match='pg_database'):
            list(leaks.databases())
    monkeypatch.delenv('NOVA_TEST_POSTGRESQL')
    assert list(leaks.databases()) == []
