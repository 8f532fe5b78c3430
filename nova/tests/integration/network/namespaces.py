# SPDX-License-Identifier: Apache-2.0
"""Hosts, guests and an outside world, each a network namespace that the test makes and removes.

    with Site() as site:
        host = site.host('h1')          # runs nova-network and a packet filter
        guest = site.guest(host, vif)   # plugged as a virt driver would
        guest.dhcp()
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

#: What udhcpc does with an address that it got.
_UDHCPC = '''#!/bin/sh
case "$1" in
    deconfig) ip address flush dev "$interface" scope global ;;
    bound|renew)
        ip address replace "$ip/$mask" dev "$interface"
        [ -z "$router" ] || ip route replace default via "${router%% *}"
        echo "ip=$ip router=$router dns=$dns mtu=$mtu domain=$domain serverid=$serverid" ;;
esac
'''


_SERVER = '''
import socket, sys
with socket.create_server(('', int(sys.argv[1]))) as server:
    while True:
        connection, peer = server.accept()
        with connection:
            connection.sendall(f'{sys.argv[2]} {peer[0]}'.encode())
'''


def run(*command, check=True, timeout=30, **kwargs):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **kwargs)
    if check and done.returncode:
        raise RuntimeError(f'{" ".join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}')
    return done


def wait_for(condition, what, timeout_s=30):
    until = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > until:
            raise AssertionError(f'{what}: not within {timeout_s} s')
        time.sleep(0.05)
    return value


class Namespace:
    def __init__(self, name):
        self.name = f'nt-{name}-{uuid.uuid4().hex[:6]}'
        run('ip', 'netns', 'add', self.name)
        self.run('ip', 'link', 'set', 'lo', 'up')

    def argv(self, *command):
        return ['ip', 'netns', 'exec', self.name, *command]

    def run(self, *command, **kwargs):
        return run(*self.argv(*command), **kwargs)

    def popen(self, *command, **kwargs):
        return subprocess.Popen(self.argv(*command), **kwargs)

    def ok(self, *command):
        """Whether a command succeeds."""
        return self.run(*command, check=False).returncode == 0

    def pids(self):
        """Ids of the processes inside."""
        return run('ip', 'netns', 'pids', self.name, check=False).stdout.split()

    def close(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run('ip', 'netns', 'delete', self.name, check=False)

    def reaches(self, address):
        return self.ok('ping', '-n', '-c', '2', '-i', '0.2', '-W', '1', address)

    def serves(self, port, text='hello'):
        """Answer TCP connections to a port with a text, until the namespace goes; then with the asker's address."""
        self.popen(sys.executable, '-S', '-c', _SERVER, str(port), text, stdout=subprocess.DEVNULL)
        wait_for(lambda: f':{port} ' in self.run('ss', '-Hltn').stdout, f'port {port}')

    def connects(self, address, port):
        """What a TCP server says; None if it does not answer."""
        done = self.run('busybox', 'nc', '-w', '1', address, str(port), check=False, stdin=subprocess.DEVNULL)
        return done.stdout.strip() or None


class Guest(Namespace):
    """A guest, as far as a network sees it: a device with the MAC that it was given, and a DHCP client."""

    def __init__(self, name, site, host, vif):
        super().__init__(name)
        self.host, self.vif, self._site = host, vif, site
        self.address = vif['network']['subnets'][0]['ips'][0]['address']
        self.plug()

    def plug(self):
        tap = self.vif['devname']
        run('ip', 'link', 'add', tap, 'netns', self.host.name, 'type', 'veth', 'peer', 'name', 'eth0', 'address',
            self.vif['address'], 'netns', self.name)
        self.host.run('ip', 'link', 'set', tap, 'master', self.vif['network']['bridge'], 'up')
        self.run('ip', 'link', 'set', 'eth0', 'up')

    def unplug(self):
        self.host.run('ip', 'link', 'delete', self.vif['devname'])

    def dhcp(self, tries=4):
        """Ask for an address; what came: {'ip', 'router', 'dns', 'mtu', …}, or None."""
        done = self.run('busybox', 'udhcpc', '-i', 'eth0', '-n', '-q', '-f', '-t', str(tries), '-T', '1', '-A', '1',
                        '-O', 'mtu', '-s', self._site.udhcpc_script, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith('ip=')]
        return dict(part.split('=', 1) for part in lines[-1].split()) if lines else None


class Host(Namespace):
    """A host with nova-network, and the packet filter of nova-compute."""

    def __init__(self, name, site, options):
        super().__init__(name)
        self.host_name, self._site, self._options = name, site, options
        self._agent = self._answers = None
        self.start()

    def start(self):
        ours, theirs = socket.socketpair()
        log = open(os.path.join(self._site.directory, f'{self.host_name}.log'), 'a')  # noqa: SIM115  (the agent's)
        self._agent = self.popen(
            sys.executable, '-W', 'ignore', '-m', 'nova.tests.integration.network.agent', str(theirs.fileno()),
            self._site.directory, self.host_name, *(f'{name}={value}' for name, value in self._options.items()),
            pass_fds=[theirs.fileno()], stderr=log, stdout=log)
        log.close()
        theirs.close()
        ours.settimeout(60)
        self._socket, self._answers = ours, ours.makefile('r')
        self.do('None')

    def do(self, code):
        """Run Python in the agent; see `agent`."""
        self._socket.sendall(json.dumps(code).encode() + b'\n')
        line = self._answers.readline()
        if not line:
            with open(os.path.join(self._site.directory, f'{self.host_name}.log')) as log:
                raise RuntimeError(f'the agent of {self.host_name} ended:\n{log.read()[-4000:]}')
        answer = json.loads(line)
        if 'error' in answer:
            raise RuntimeError(answer['error'])
        return answer['value']

    def kill(self):
        """As if the power of the services had gone: nothing is tidied up."""
        self._agent.kill()
        self._agent.wait()
        self._answers.close()
        self._socket.close()

    def ruleset(self):
        return self.run('nft', 'list', 'ruleset').stdout

    def devices(self):
        return sorted(set(self.run('ls', '/sys/class/net').stdout.split()) - {'lo'})

    def files(self):
        """Names of what nova-network keeps, without its socket and record."""
        directory = os.path.join(self._site.directory, self.host_name, 'networks')
        return sorted(os.path.relpath(os.path.join(root, name), directory) for root, _, names in os.walk(directory)
                      for name in names if name not in ('leases.sock', 'networks.json', 'filter'))

    def dnsmasq(self):
        """{pid: command line} of the DHCP servers."""
        found = {}
        for pid in self.pids():
            with contextlib.suppress(OSError), open(f'/proc/{pid}/cmdline') as file:
                command = file.read().split('\0')
                # Each has a helper that runs scripts, with the same command line.
                with open(f'/proc/{pid}/stat') as stat:
                    parent = stat.read().rsplit(')', 1)[1].split()[1]
                if command[0].endswith('dnsmasq') and parent not in found:
                    found[pid] = command
        return {pid: command for pid, command in found.items()
                if not any(int(other) < int(pid) and command == found[other] for other in found)}

    # What a virt driver and compute would do -------------------------------------------------------------------------

    def boot(self, name='server', requested=None, groups=(), project='project'):
        """A server on this host: (uuid, [vif, …])."""
        return tuple(self.do(f'''
from oslo_utils import uuidutils
unique = uuidutils.generate_uuid()
size = database.flavor(name=unique, flavorid=unique)
server = database.server(database.member({project!r}), size=size, name={name!r}, host=CONF.host,
                         security_groups={list(groups) or ["default"]!r})
server.network_info = api.allocate_for_instance(context, server, requested({requested!r}), server.security_groups,
                                                bind_host_id=CONF.host)
firewall.apply(server, server.network_info)
(server.uuid, server.network_info)
'''))

    def delete(self, server_uuid):
        self.do(f'''
server = objects.Instance.get_by_uuid(context, {server_uuid!r})
firewall.remove(server)
api.deallocate_for_instance(context, server)
server.destroy()
''')

    def apply(self, server_uuid):
        """What the message about changed security groups makes nova-compute do."""
        self.do(f'''
server = objects.Instance.get_by_uuid(context, {server_uuid!r})
firewall.apply(server, server.get_network_info())
''')


class Site:
    """All namespaces of a test, and a directory; nothing is left at the end."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix='nova-network-test-')
        os.chmod(self.directory, 0o755)  # noqa: S103  (of no interest to others)
        self.udhcpc_script = os.path.join(self.directory, 'udhcpc')
        with open(self.udhcpc_script, 'w') as file:
            file.write(_UDHCPC)
        os.chmod(self.udhcpc_script, 0o755)  # noqa: S103  (a script)
        self._open = []

    def _keep(self, namespace):
        self._open.append(namespace)
        return namespace

    def host(self, name, **options):
        return self._keep(Host(name, self, {'metadata_host': '127.0.0.1', **options}))

    def guest(self, host, vif, name='guest'):
        return self._keep(Guest(name, self, host, vif))

    def outside(self, host, network='198.51.100', name='outside'):
        """A machine beyond a host: `network`.1 is the host, .2 the machine, which knows no way back."""
        found = self._keep(Namespace(name))
        run('ip', 'link', 'add', 'eth9', 'netns', host.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns',
            found.name)
        for space, device, last in ((host, 'eth9', 1), (found, 'eth0', 2)):
            space.run('ip', 'address', 'add', f'{network}.{last}/24', 'dev', device)
            space.run('ip', 'link', 'set', device, 'up')
        host.run('ip', 'route', 'replace', 'default', 'via', f'{network}.2')
        return found

    def join(self, *hosts):
        """A wire between hosts: a device `eth8` on each."""
        switch = self._keep(Namespace('switch'))
        switch.run('ip', 'link', 'add', 'sw', 'type', 'bridge', 'forward_delay', '0')
        switch.run('sysctl', '-qw', 'net.bridge.bridge-nf-call-iptables=0', check=False)
        switch.run('ip', 'link', 'set', 'sw', 'up')
        for index, host in enumerate(hosts):
            run('ip', 'link', 'add', 'eth8', 'netns', host.name, 'type', 'veth', 'peer', 'name', f'p{index}', 'netns',
                switch.name)
            switch.run('ip', 'link', 'set', f'p{index}', 'master', 'sw', 'up')
            host.run('ip', 'link', 'set', 'eth8', 'up')

    def close(self):
        for namespace in reversed(self._open):
            namespace.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()
