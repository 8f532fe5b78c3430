# SPDX-License-Identifier: Apache-2.0
"""The hosts of a bed: namespaces that outlive the command that made them, with a libvirtd in them or without."""

import glob
import os
import pathlib
import shutil
import signal
import subprocess

from nova.tests.integration import libvirt_host
from testbed import processes, wires

DAEMONS = ('virtlogd', 'libvirtd')
_CGROUPS = '/sys/fs/cgroup/*'


def state_path(directory):
    """Where the services of a host keep what they know, as seen inside; `directory` is the bed's."""
    return pathlib.Path(directory, 'state')


class _Adopted:
    """A process that another command started, in place of its `Popen`."""

    def __init__(self, pid):
        self.pid = pid

    def poll(self):
        return None if processes.started(self.pid) is not None else -1


class Host(libvirt_host.LibvirtHost):
    """A host of a bed, to be made with `hold()` or taken over with `adopt()`.

    :param mark: value of `processes.MARK` in all that is started inside.
    :param record: what the bed's state knows of it; the caller saves it.
    """

    def __init__(self, name, record, addresses, mark):
        super().__init__(name, root=record['root'], hosts=addresses)
        self.record, self.mark = record, mark
        if lives(record):
            self._holder = _Adopted(record['holder']['pid'])
            self._cgroups = list(record['cgroups'])
            self._daemons = {daemon: _Adopted(pid) for daemon in DAEMONS if (pid := self.daemon_pid(daemon))}

    def hold(self):
        """Make the namespaces; nothing runs inside yet.  What was on the host's disks before is there again."""
        root = pathlib.Path(self.root)
        root.mkdir(mode=0o755, parents=True, exist_ok=True)
        # In memory on a machine: a restart empties it.
        shutil.rmtree(root / 'run', ignore_errors=True)
        for daemon in DAEMONS:
            (root / f'{daemon}.pid').unlink(missing_ok=True)
        if (root / 'etc' / 'libvirt' / 'libvirtd.conf').exists():
            (root / 'run' / 'libvirt').mkdir(parents=True)
        else:
            self._write_configuration()
            self._take_migrations()
        os.environ[processes.MARK] = self.mark
        try:
            self._hold()
        finally:
            del os.environ[processes.MARK]
        self._mount_state()
        self.record.update(holder=processes.identity(self.pid), cgroups=list(self._cgroups), partitioned=[])

    def _mount_state(self):
        """What services keep is at the same path on each host, as on machines: servers move between them."""
        own = pathlib.Path(self.root).parent
        here = state_path(own.parent)
        here.mkdir(mode=0o755, exist_ok=True)
        self.exec(['mount', '--bind', str(own), str(here)])

    def _take_migrations(self):
        """Other hosts of the bed may connect to this libvirtd; nobody else can reach it."""
        path = pathlib.Path(self.root, 'etc/libvirt/libvirtd.conf')
        path.write_text(path.read_text().replace('listen_tcp = 0', 'listen_tcp = 1\nauth_tcp = "none"'))

    def popen(self, command, **kwargs):
        if DAEMONS[1] in command:
            command = [*command, '--listen']
        kwargs['env'] = {**(kwargs.get('env') or os.environ), processes.MARK: self.mark}
        return super().popen(command, start_new_session=True, **kwargs)

    def become(self, command):
        """Go on as a command inside; does not return."""
        argv = self.argv(command)
        os.execvpe(argv[0], argv, {**os.environ, processes.MARK: self.mark,  # noqa: S606  this is `exec`
                                   'LIBVIRT_DEFAULT_URI': self.uri})

    def kill_daemon(self, name, sig):
        """End libvirtd or virtlogd; guests go on."""
        if sig == signal.SIGKILL:
            self.stop_daemon(name, sig)
        elif pid := self.daemon_pid(name):
            os.kill(pid, sig)

    def keep_answers(self):
        """What libvirt has learned about emulators is kept for the next bed: to ask them takes up to ten seconds."""
        self._keep_answers()


def lives(record):
    """Whether a host runs, by what the state knows of it."""
    return processes.lives(record.get('holder'))


def groups(name, record):
    """Names of the control groups that a host has or had."""
    return [f'nova-host-{name}-{launcher}' for launcher in record.get('launchers', ())]


def launch(state, name):
    """Make a host's namespaces and cables.  The state says beforehand what is about to be made."""
    record = state['hosts'][name]
    record.setdefault('launchers', []).append(os.getpid())
    state.save()
    host = of(state, name)
    host.hold()
    state.save()
    wires.plug(state['id'], state['subnet'], host, record['number'])
    return host


def of(state, name):
    """A host of a bed."""
    addresses = {other: record['address'] for other, record in state['hosts'].items()}
    return Host(name, state['hosts'][name], addresses, f'{state["id"]}/{name}')


def pull_the_plug(state, name):
    """End a host as a power failure does: all that runs inside at once, with its devices.  Disks keep what they have.

    May be repeated.

    :returns: what could not be removed, as sentences.
    """
    record = state['hosts'][name]
    of(state, name).keep_answers()
    directory = os.path.dirname(record['root'])
    left = processes.end_all(lambda: processes.of_bed(f'{state["id"]}/{name}\0', directory, groups(name, record)))
    for group in groups(name, record):
        for path in glob.glob(os.path.join(_CGROUPS, group)):
            libvirt_host.LibvirtHost._remove_cgroup(path)
    # The kernel removes them with the namespace, a moment later.
    wires.remove(state['id'], [wires.port(state['id'], kind, record['number']) for kind in wires.SWITCHES])
    record.update(holder=None, cgroups=[], partitioned=[])
    return [f'process {pid} of {name} does not end' for pid in left]


def missing(driver):
    """What this machine lacks for a bed, as a sentence; None when it lacks nothing."""
    if os.geteuid() != 0:
        return 'a host in namespaces needs root'
    # Of these guests' networks are made; the fake driver has none.
    more = ('nft', 'dnsmasq') if driver == 'libvirt' else ()
    lacks = [name for name in ('unshare', 'nsenter', 'ip', *more) if shutil.which(name) is None]
    if lacks:
        return f'a host in namespaces needs {", ".join(lacks)}; bindep.txt names the packages'
    return libvirt_host.missing() if driver == 'libvirt' else None


def guests(host):
    """{name: state} of the domains of a host; None where libvirtd does not answer."""
    try:
        done = host.virsh('list', '--all', check=False, timeout=10)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        return None
    return {line.split()[1]: ' '.join(line.split()[2:]) for line in done.stdout.splitlines()[2:] if line.strip()}
