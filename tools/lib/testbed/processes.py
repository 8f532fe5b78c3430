# SPDX-License-Identifier: Apache-2.0
"""Which processes belong to a bed, and how they end.

A process is known by its id and the moment of its start: an id alone may have gone to a stranger since.
"""

import contextlib
import os
import pathlib
import signal
import time

#: In the environment of all that a bed starts: `<id of the bed>/<host>`, and nothing after the slash off the hosts.
MARK = 'NOVA_TESTBED_PROCESS'
_PROC = pathlib.Path('/proc')


def started(pid):
    """When a process was started (clock ticks since boot); None when there is none, or only its exit status."""
    try:
        fields = (_PROC / str(pid) / 'stat').read_text().rpartition(')')[2].split()
    except OSError:
        return None
    return None if fields[0] in 'ZX' else int(fields[19])


def identity(pid):
    return {'pid': pid, 'started': started(pid)}


def lives(process):
    """Whether the process that `identity` was taken of still runs."""
    return bool(process) and process['started'] is not None and started(process['pid']) == process['started']


def end(process, sig=signal.SIGKILL, patience_s=30):
    """Send a signal to a process and to the group that it leads, and wait for its end.

    :returns: whether it has ended.
    """
    if not lives(process):
        return True
    pid = process['pid']
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, sig)
        else:
            os.kill(pid, sig)
    return _until(lambda: not lives(process), patience_s)


def of_bed(mark, directory, groups):
    """Ids of the processes that belong to a bed or to one host of it.

    Emulators and DHCP servers have an environment of their own: they are known by who lives in the same network, and by
    files of the bed among their arguments (an editor has these too, but is not inside a host).

    :param mark: beginning of the value of `MARK`.
    :param directory: where all its files are.
    :param groups: names of its control groups.
    """
    ours, home, spared = f'\0{MARK}={mark}'.encode(), _network('self'), _ancestry()
    marked, networks, others = set(), set(), {}
    for pid in (path.name for path in _PROC.iterdir() if path.name.isdigit() and int(path.name) not in spared):
        with contextlib.suppress(OSError):
            network = _network(pid)
            if ours in b'\0' + (_PROC / pid / 'environ').read_bytes() or _is_in(pid, groups) or (
                    network != home and f'{directory}/'.encode() in (_PROC / pid / 'cmdline').read_bytes()):
                marked.add(int(pid))
                networks.add(network)
            else:
                others[int(pid)] = network
    neighbours = {pid for pid, network in others.items() if network in networks - {home}}
    return {pid for pid in marked | neighbours if started(pid) is not None}


def _network(pid):
    return (_PROC / pid / 'ns/net').stat().st_ino


def _is_in(pid, groups):
    return bool(groups) and any(f'/{group}/' in line + '/'
                                for line in (_PROC / pid / 'cgroup').read_text().splitlines() for group in groups)


def _ancestry():
    """This process and those that it was started by: they are not to end, wherever they were started."""
    found, pid = set(), os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        with contextlib.suppress(OSError):
            pid = int((_PROC / str(pid) / 'stat').read_text().rpartition(')')[2].split()[1])
    return found


def end_all(find, patience_s=30):
    """Kill what `find()` names until it names nothing; what they start meanwhile is among it.

    :returns: ids of those that are still there after that time.
    """
    until = time.monotonic() + patience_s
    while (left := find()) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    return left


def _until(condition, patience_s):
    until = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
