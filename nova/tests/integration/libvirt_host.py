# SPDX-License-Identifier: Apache-2.0
"""A hypervisor host of its own, on this machine: libvirtd and virtlogd in private namespaces.

    with LibvirtHost('compute1') as host:
        host.exec(['virsh', 'list'])

What runs inside sees another host name, another set of network devices, and a libvirt that knows nothing of the one
outside: the configuration, state, sockets, logs and control groups are private.  Two of them make two compute hosts.
Needs root, libvirtd, virtlogd and util-linux.  Traffic leaves only through devices that the test puts in.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

_PRIVATE = ('/run/libvirt', '/var/lib/libvirt', '/var/log/libvirt', '/var/cache/libvirt', '/etc/libvirt')
# libvirt asks each emulator what it can do, which takes up to 10 s; it keeps the answers, and knows when they are
# stale.
_ANSWERS = 'var/cache/libvirt/qemu/capabilities'
_KEPT_ANSWERS = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'nova-tests-libvirt')
_SOCKETS = {'virtlogd': '/run/libvirt/virtlogd-sock', 'libvirtd': '/run/libvirt/libvirt-sock'}

# Runs as the first process inside.  $1 root directory, $2 host name, the rest: private directories.
# Mounts made here are seen by nobody else, and go when the last process inside has gone.
_SETUP = r'''
set -eu
root=$1 name=$2; shift 2
hostname "$name"
for dir in "$@"; do
    mkdir -p "$dir"
    mount --bind "$root$dir" "$dir"
done
mount --bind "$root/etc/hosts" /etc/hosts
# No hardware virtualisation inside: tests must not depend on it.  And where no udev gave /dev/kvm to the group kvm,
# root can open it and guests' user cannot: libvirt then takes all it knows of the emulator for stale, and asks it anew
# for seconds, at each and every operation.
if [ -e /dev/kvm ]; then mount --bind "$root/no-kvm" /dev/kvm; fi
# /sys/class/net of the new network namespace is only in a sysfs mounted from within it.
groups=$(awk '$3 == "cgroup" {print $2 " " $4}' /proc/mounts)
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
echo "$groups" | while read -r at options; do
    [ -n "$at" ] || continue
    mkdir -p "$at"
    case $options in
        *name=*) options="none,name=${options##*name=}" ;;
        *) options=${options#rw,}; options=${options#relatime,} ;;
    esac
    mount -t cgroup -o "$options" cgroup "$at" || rmdir "$at"
done
ip link set lo up
echo ready
exec sleep infinity
'''

_REAPER = os.path.join(os.path.dirname(__file__), *('..',) * 3, 'tools', 'lib', 'reaper.py')


class LibvirtHost:
    """One such host.  `start()` it, or use it as a context manager; `stop()` leaves nothing.

    :param name: its host name; libvirt reports it as hypervisor's host name.
    :param hosts: {name: address} of others it shall be able to resolve.  Its own name is known to it in any case:
        libvirt looks it up, and waits long where no name server answers.
    :param root: directory for all it writes; a temporary one is made, and removed, by default.  It must be
        reachable (not only by root), for guests run as an ordinary user.
    """

    def __init__(self, name, root=None, hosts=None):
        self.name = name
        self.hosts = {name: '127.0.1.1', **(hosts or {})}
        self._own_root = root is None
        self.root = root
        self.uri = 'qemu:///system'
        self._holder = None
        self._daemons = {}
        self._cgroups = []
        self._children = []

    # Life ------------------------------------------------------------------------------------------------------------

    def start(self):
        """Make the namespaces and start virtlogd and libvirtd inside; returns when libvirtd answers."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            if self._own_root:
                self.root = tempfile.mkdtemp(prefix=f'nova-host-{self.name}-')
            os.chmod(self.root, 0o755)  # noqa: S103  (guests run as an ordinary user)
            self._write_configuration()
            self._hold()
            self.start_daemon('virtlogd')
            self.start_daemon('libvirtd')
            undo.pop_all()
        return self

    def stop(self):
        """End every process inside, and remove all that was written.  Safe to call twice."""
        if self._holder is not None:
            self.stop_guests()
            self._keep_answers()
            for name in reversed(list(self._daemons)):
                self.stop_daemon(name)
            self._end_everything_inside()
            self._holder = None
        for path in reversed(self._cgroups):
            self._remove_cgroup(path)
        self._cgroups = []
        if self._own_root and self.root:
            shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        self.stop()

    @property
    def pid(self):
        """The process that holds the namespaces open; a network device is moved in with `ip link set X netns PID`."""
        return self._holder.pid

    # Running things inside -------------------------------------------------------------------------------------------

    def argv(self, command):
        """What to run from outside so that `command` (a list) runs inside.  It becomes that very process, so its pid
        and signals are those of the command."""
        return [*self._join_cgroups(), 'nsenter', '-t', str(self.pid), '-m', '-n', '-u', '-C', '--', *command]

    def exec(self, command, check=True, timeout=60, **kwargs):
        """Run a command inside and return its `CompletedProcess` (text; output captured)."""
        done = subprocess.run(self.argv(command), capture_output=True, text=True, timeout=timeout, check=False,
                              **kwargs)
        if check and done.returncode:
            raise RuntimeError(f'{command} on {self.name}: exit {done.returncode}\n{done.stdout}{done.stderr}')
        return done

    def popen(self, command, **kwargs):
        """Start a command inside; returns its `Popen`, whose pid is the command's.  `stop()` ends what still runs."""
        process = subprocess.Popen(self.argv(command), **kwargs)
        self._children.append(process)
        return process

    def processes(self):
        """Pids of everything that lives in this host's network namespace, the holder included."""
        ours = os.stat(f'/proc/{self.pid}/ns/net').st_ino
        found = []
        for pid in filter(str.isdigit, os.listdir('/proc')):
            with contextlib.suppress(OSError):
                if os.stat(f'/proc/{pid}/ns/net').st_ino == ours:
                    found.append(int(pid))
        return found

    # libvirt ---------------------------------------------------------------------------------------------------------

    def start_daemon(self, name):
        """Start `virtlogd` or `libvirtd`, and wait until its socket takes connections."""
        with open(os.path.join(self.root, f'{name}.log'), 'ab') as log:
            self._daemons[name] = self.popen(
                [sys.executable, _REAPER, name, '--pid-file', self._pid_file(name)], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, env=dict(os.environ, LIBVIRT_LOG_OUTPUTS='3:stderr'))
        socket = os.path.join(self.root, _SOCKETS[name].lstrip('/'))
        self._wait(lambda: os.path.exists(socket), f'{name} made no socket', name)
        if name == 'libvirtd':
            self._wait(lambda: self.virsh('version', check=False).returncode == 0, 'libvirtd does not answer', name)

    def stop_daemon(self, name, sig=signal.SIGTERM):
        """End a daemon (guests go on running), with SIGKILL if it does not end by itself."""
        if self._daemons.pop(name, None) is None:
            return
        for number, patience_s in ((sig, 10), (signal.SIGKILL, 5)):
            pid = self.daemon_pid(name)
            if pid is None:
                break
            os.kill(pid, number)
            end = time.monotonic() + patience_s
            while time.monotonic() < end and self.daemon_pid(name) is not None:
                time.sleep(0.02)
        if sig == signal.SIGKILL:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.root, _SOCKETS[name].lstrip('/')))

    def _pid_file(self, name):
        return os.path.join(self.root, f'{name}.pid')

    def daemon_pid(self, name):
        """The process of a daemon, or None when it does not run."""
        with contextlib.suppress(OSError, ValueError):
            with open(self._pid_file(name)) as source:
                pid = int(source.read())
            with open(f'/proc/{pid}/comm') as source:
                if source.read().strip() == name:
                    return pid
        return None

    def virsh(self, *args, **kwargs):
        return self.exec(['virsh', '-c', self.uri, *args], **kwargs)

    def domains(self):
        """Names of all domains, running or not."""
        return self.virsh('list', '--all', '--name').stdout.split()

    def stop_guests(self):
        with contextlib.suppress(Exception):
            for name in self.virsh('list', '--name', check=False).stdout.split():
                self.virsh('destroy', name, check=False)

    def taps(self):
        """Names of the network devices inside, without loopback."""
        return sorted(set(self.exec(['ls', '/sys/class/net']).stdout.split()) - {'lo'})

    # -----------------------------------------------------------------------------------------------------------------

    def _write_configuration(self):
        for path in _PRIVATE:
            os.makedirs(self.root + path, exist_ok=True)
        # libvirt's own directories keep the modes that packages give them.
        os.makedirs(f'{self.root}/var/lib/libvirt/qemu', exist_ok=True)
        os.makedirs(f'{self.root}/etc/libvirt/qemu', exist_ok=True)
        os.close(os.open(f'{self.root}/no-kvm', os.O_CREAT, 0o600))
        if os.path.isdir(_KEPT_ANSWERS):
            shutil.copytree(_KEPT_ANSWERS, os.path.join(self.root, _ANSWERS))
        lines = {
            'libvirtd.conf': ['auth_unix_rw = "none"', 'auth_unix_ro = "none"', 'listen_tcp = 0', 'listen_tls = 0',
                              f'host_uuid = "{_host_uuid()}"'],
            'virtlogd.conf': ['max_size = 262144', 'max_backups = 3'],
            # libvirt would give each guest a /dev of its own, and cannot where something is mounted in it.
            'qemu.conf': ['security_driver = "none"', 'stdio_handler = "logd"', 'namespaces = []',
                          *([] if self._cgroup_v1() else ['cgroup_controllers = []'])],
            'libvirt.conf': [],
        }
        with open(f'{self.root}/etc/hosts', 'w') as out:
            out.write('127.0.0.1 localhost\n')
            out.writelines(f'{address} {name}\n' for name, address in self.hosts.items())
        for name, content in lines.items():
            with open(f'{self.root}/etc/libvirt/{name}', 'w') as out:
                out.writelines(f'{line}\n' for line in content)  # an empty line alone is a syntax error to libvirt

    def _keep_answers(self):
        answers = os.path.join(self.root, _ANSWERS)
        if os.path.isdir(answers) and not os.path.isdir(_KEPT_ANSWERS):
            with contextlib.suppress(OSError):
                shutil.copytree(answers, _KEPT_ANSWERS)

    @staticmethod
    def _cgroup_v1():
        return os.path.isdir('/sys/fs/cgroup/cpu')

    def _hold(self):
        group = f'nova-host-{self.name}-{os.getpid()}'
        if self._cgroup_v1():
            for controller in os.listdir('/sys/fs/cgroup'):
                path = os.path.join('/sys/fs/cgroup', controller, group)
                if controller != 'unified' and not os.path.islink(os.path.dirname(path)):
                    self._make_cgroup(path)
        # The cgroup namespace takes for its root the groups that the process is in when it is made.
        self._holder = subprocess.Popen(
            [*self._join_cgroups(), 'unshare', '-m', '-n', '-u', '-C', '--propagation', 'private',
             'sh', '-c', _SETUP, 'sh', self.root, self.name, *_PRIVATE],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        if self._holder.stdout.readline().strip() != 'ready':
            raise RuntimeError(f'no namespaces for {self.name}: {self._holder.stderr.read()}')

    def _join_cgroups(self):
        """Start of a command line whose process joins this host's control groups before it becomes the command."""
        if not self._cgroups:
            return []
        # The shell's own pid stays that of the command.
        return ['sh', '-c', 'n=$1; shift; while [ $n -gt 0 ]; do echo $$ > "$1"; shift; n=$((n-1)); done; exec "$@"',
                'sh', str(len(self._cgroups)), *(f'{path}/cgroup.procs' for path in self._cgroups)]

    def _make_cgroup(self, path):
        try:
            os.mkdir(path)
        except OSError:
            return
        # A new cpuset is empty, and takes no process before it has CPUs and memory.
        parent = os.path.dirname(path)
        for name in ('cpuset.cpus', 'cpuset.mems'):
            if os.path.exists(os.path.join(path, name)):
                with open(os.path.join(parent, name)) as source, open(os.path.join(path, name), 'w') as target:
                    target.write(source.read())
        self._cgroups.append(path)

    @staticmethod
    def _remove_cgroup(path):
        for directory, _children, _files in os.walk(path, topdown=False):
            for _ in range(20):
                try:
                    os.rmdir(directory)
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.1)
                else:
                    break

    def _end_everything_inside(self):
        for sig, patience_s in ((signal.SIGTERM, 3), (signal.SIGKILL, 5)):
            # What was started only now may still be on its way in.
            begun = {process.pid for process in self._children if process.poll() is None}
            for pid in begun.union(self.processes()):
                if pid != self.pid:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, sig)
            end = time.monotonic() + patience_s
            while time.monotonic() < end and self._living():
                time.sleep(0.05)
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()
        self._holder.stderr.close()

    def _living(self):
        """Processes inside besides the holder; the dead whose parent has not asked yet do not count."""
        living = []
        for pid in self.processes():
            if pid == self.pid:
                continue
            with contextlib.suppress(OSError), open(f'/proc/{pid}/stat') as status:
                if status.read().rpartition(')')[2].split()[0] != 'Z':
                    living.append(pid)
        return living

    def _wait(self, condition, complaint, daemon, patience_s=30):
        end = time.monotonic() + patience_s
        while not condition():
            if self._daemons[daemon].poll() is not None or time.monotonic() > end:
                with open(os.path.join(self.root, f'{daemon}.log'), errors='replace') as log:
                    raise RuntimeError(f'{complaint} on {self.name}: {log.read()[-4000:]}')
            time.sleep(0.1)


def _host_uuid():
    """libvirt refuses to migrate between hosts of one uuid, and takes it from the board where it is not told."""
    with open('/proc/sys/kernel/random/uuid') as source:
        return source.read().strip()


def cable(*ends):
    """Join two network namespaces by a pair of devices; it goes when one of the two goes.

    :param ends: two of (host or None for the test's own namespace, device name, address like '10.1.0.1/24' or None).
    """
    (host, device, _address), (peer, peer_device, _peer_address) = ends
    subprocess.run(['ip', 'link', 'add', device, *(['netns', str(host.pid)] if host else []), 'type', 'veth',
                    'peer', 'name', peer_device, *(['netns', str(peer.pid)] if peer else [])], check=True)
    for where, name, address in ends:
        for command in ([['ip', 'address', 'add', address, 'dev', name]] if address else []) + [
                ['ip', 'link', 'set', 'dev', name, 'up']]:
            if where:
                where.exec(command)
            else:
                subprocess.run(command, check=True)


def missing():
    """What this machine lacks to run such hosts, as a sentence; None when it lacks nothing."""
    if os.geteuid() != 0:
        return 'a host in namespaces needs root'
    programs = [name for name in ('libvirtd', 'virtlogd', 'virsh', 'qemu-system-x86_64', 'unshare', 'nsenter', 'ip')
                if shutil.which(name) is None]
    return f'a host in namespaces needs {", ".join(programs)}' if programs else None
