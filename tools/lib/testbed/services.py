# SPDX-License-Identifier: Apache-2.0
"""The daemons of a bed.  One on a host is named `<host>/<binary>`; `libvirtd` and `virtlogd` are among them."""

import contextlib
import datetime
import os
import pathlib
import signal
import subprocess
import sys
import time

import testbed
from testbed import client, config, hosts, processes, servers, wires

_CONTROL = ('nova-conductor', 'nova-scheduler', 'nova-api')
_ON_HOST = ('nova-network', 'nova-compute', 'nova-api-metadata')
RELAY = 'relay'
_BIN = pathlib.Path(sys.executable).parent
_READY_S = 60
#: Those that the list of services shows.
_REPORTING = ('nova-conductor', 'nova-scheduler', 'nova-network', 'nova-compute')


def names(state):
    """The services that a bed has, in the order of their start."""
    found = [RELAY, *_CONTROL]
    found += [f'nova-conductor-{cell}' for cell in state['cells'] if cell != config.TOP]
    daemons = hosts.DAEMONS if state['driver'] == 'libvirt' else ()
    return found + [f'{host}/{name}' for host in state['hosts'] for name in (*daemons, *_ON_HOST)]


def on(state, host):
    """Those of one host."""
    return [name for name in names(state) if host_of(name) == host]


def host_of(name):
    """The host that a service is on; None for those of the control plane."""
    host, slash, _binary = name.partition('/')
    return host if slash else None


def log_file(state, name):
    if name.rpartition('/')[2] in hosts.DAEMONS:
        return os.path.join(state['hosts'][host_of(name)]['root'], f'{name.rpartition("/")[2]}.log')
    return os.path.join(state['directory'], 'log', *f'{name}.log'.split('/'))


def pid(state, name):
    """The process of a service, or None when it does not run."""
    host, binary = host_of(name), name.rpartition('/')[2]
    if binary in hosts.DAEMONS:
        return hosts.of(state, host).daemon_pid(binary) if hosts.lives(state['hosts'][host]) else None
    process = state['services'].get(name)
    return process['pid'] if processes.lives(process) else None


def program(name):
    """Path of a command of this installation."""
    return str(_BIN / name)


def _command(state, name):
    host, binary = host_of(name), name.rpartition('/')[2]
    if name == RELAY:
        ways = [way for way in (servers.relayed(state['rabbit'], None),
                                servers.relayed(state['database'], state['db'])) if way]
        return [sys.executable, os.path.join(os.path.dirname(__file__), 'relay.py'),
                wires.gateway(state['subnet']), *ways]
    if host:
        path = config.host_file(state, host, binary)
        return hosts.of(state, host).argv([program(binary), '--config-file', path])
    binary, dash, cell = binary.rpartition('-cell')
    binary, cell = (binary, f'cell{cell}') if dash else (cell, config.TOP)
    return [program(binary), '--config-file', config.control_file(state, cell)]


def start(state, name):
    """Start a service unless it runs; returns at once.

    :raises ValueError: when its host does not run.
    """
    host, binary = host_of(name), name.rpartition('/')[2]
    if pid(state, name):
        return
    if host and not hosts.lives(state['hosts'][host]):
        raise ValueError(f'{host} does not run: start that')
    if binary in hosts.DAEMONS:
        hosts.of(state, host).start_daemon(binary)
        return
    path = pathlib.Path(log_file(state, name))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('ab') as log:
        process = subprocess.Popen(
            _command(state, name), cwd=testbed.TREE, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True, env={**environment(), processes.MARK: f'{state["id"]}/{host or ""}'})
    state['services'][name] = processes.identity(process.pid)
    state.save()


def environment():
    """Of what is run from this tree."""
    return {**os.environ, 'PYTHONPATH': str(testbed.TREE), 'PYTHONWARNINGS': 'ignore', 'PYTHONUNBUFFERED': '1'}


def kill(state, name, sig=signal.SIGKILL):
    """End a service; with SIGKILL its children too, and it is gone when this returns.

    :raises RuntimeError: when it still runs after half a minute.
    """
    host, binary = host_of(name), name.rpartition('/')[2]
    if binary in hosts.DAEMONS:
        if hosts.lives(state['hosts'][host]):
            hosts.of(state, host).kill_daemon(binary, sig)
        return
    if not processes.end(state['services'].get(name), sig):
        raise RuntimeError(f'{name} does not end')


def tail(state, name, lines=15):
    """The last lines of a service's log."""
    try:
        text = pathlib.Path(log_file(state, name)).read_text(errors='replace')
    except FileNotFoundError:
        return ''
    return '\n'.join(text.splitlines()[-lines:])


def wait_ready(state, wanted_hosts, timeout_s=_READY_S):
    """Wait until the API answers and says that the hypervisors of these hosts are up.

    :raises RuntimeError: when one of the services ends meanwhile, or after the timeout.
    """
    api, until, seen = client.Client(state), time.monotonic() + timeout_s, 'nothing'
    while time.monotonic() < until:
        for name in state['services']:
            if not pid(state, name):
                raise RuntimeError(f'{name} has ended:\n{tail(state, name)}')
        try:
            seen = api.hypervisors()
            if all(seen.get(host) == 'up' for host in wanted_hosts):
                return
        except client.Unreachable as error:
            seen = str(error)
        time.sleep(0.3)
    raise RuntimeError(f'not ready within {timeout_s} s; the API says: {seen}')


def wait_up(state, started, timeout_s=_READY_S):
    """Wait until services that were just started have reported, or, if they do not report, answer.

    Those on hosts that are cut off cannot, and are not waited for.

    :raises RuntimeError: when one ends meanwhile, or after the timeout.
    """
    api, begun, until = client.Client(state), _now(), time.monotonic() + timeout_s
    reporting = {(host_of(name), name.rpartition('/')[2]) for name in started
                 if name.endswith(_REPORTING) and not _is_cut_off(state, name)}
    if not pid(state, 'nova-api') or not (reporting or 'nova-api' in started):
        return
    while time.monotonic() < until:
        for name in started:
            if not pid(state, name):
                raise RuntimeError(f'{name} has ended:\n{tail(state, name)}')
        with contextlib.suppress(client.Unreachable):
            seen = api.services()
            reporting -= {(host if host != 'control' else None, binary) for (host, binary), one in seen.items()
                          if one['state'] == 'up' and one['updated_at'] >= begun}
            if not reporting:
                return
        time.sleep(0.3)
    raise RuntimeError(f'not up within {timeout_s} s: {sorted(binary for _host, binary in reporting)}')


def _is_cut_off(state, name):
    return bool(host_of(name) and 'management' in state['hosts'][host_of(name)]['partitioned'])


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat()[:19]
