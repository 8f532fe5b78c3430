# SPDX-License-Identifier: Apache-2.0
"""Real guests over HTTP on separate daemons: RabbitMQ, MariaDB, and two compute hosts with a libvirtd each.

Each host has its own network, mount and UTS namespace, with nova-compute, nova-network and the metadata service in it;
a cable between the two carries the guests' network.
"""

import base64
import contextlib
import os
import re
import subprocess

import pytest

from nova.tests import harness
from nova.tests.integration import forwarder, libvirt_host

#: For the order of the groups of tests.
TAKES_S = 140

HOSTS = ('compute1', 'compute2')
USER_DATA = '#!/bin/sh\necho hello from $(hostname)\n'
GUEST_DIR = harness.ROOT / '.cache' / 'guest'
SOCKET = '/run/mysqld/mysqld.sock'


class Site:
    """The daemons of the site, and its two hosts."""

    def __init__(self, stack):
        self.cloud = stack.enter_context(contextlib.closing(_Closing(harness.Cloud.daemons(
            {'DEFAULT': {'compute_driver': 'libvirt.LibvirtDriver', 'multi_host': True, 'shutdown_timeout': 5,
                         'shutdown_retry_interval': 2, 'network_sync_interval': 5, 'rpc_response_timeout': 60},
             'libvirt': {'virt_type': 'qemu'}, 'vnc': {'enabled': False}},
            database='mysql+pymysql://root@localhost')))).cloud
        self.cloud.query = f'?unix_socket={SOCKET}'
        os.chmod(self.cloud.directory, 0o755)   # noqa: S103  guests run as an ordinary user
        self.cloud.set_up()
        self.hosts = {name: stack.enter_context(libvirt_host.LibvirtHost(name)) for name in HOSTS}
        libvirt_host.cable(*((self.hosts[name], 'data0', None) for name in HOSTS))
        for number, name in enumerate(HOSTS, 1):
            self._start_host(stack, name, number)
        for binary in ('nova-conductor', 'nova-scheduler', 'nova-api'):
            self.cloud.start(binary)
        self.cloud.manage('network', 'create', '--label', 'private', '--cidr', '10.11.0.0/24', '--bridge', 'br100',
                          '--bridge-interface', 'data0', '--multi-host')
        self.cloud.manage('image', 'register', str(GUEST_DIR / 'guest.qcow2'), '--name', 'linux', '--disk-format',
                          'qcow2', '--public')
        self.cloud.wait_ready(computes=2, timeout_s=90)
        self.client = self.cloud.client()

    def _start_host(self, stack, name, number):
        host = self.hosts[name]
        stack.enter_context(contextlib.closing(forwarder.Forwarder(host.pid, 5672)))
        state = self.cloud.directory / name
        state.mkdir(mode=0o755)
        common = {'host': name, 'my_ip': f'192.0.2.{number}', 'state_path': state, 'metadata_listen': '0.0.0.0'}
        host.exec(['ip', 'address', 'add', f'192.0.2.{number}/32', 'dev', 'lo'])
        store = {'store_path': self.cloud.directory / 'state' / 'images'}
        without = self.cloud.write_config(self.cloud.directory / f'{name}.conf', DEFAULT=common, image=store,
                                          database={'connection': None})
        with_database = self.cloud.write_config(self.cloud.directory / f'{name}-metadata.conf', DEFAULT=common,
                                                image=store)
        for binary, config in (('nova-network', without), ('nova-compute', without),
                               ('nova-api-metadata', with_database)):
            self.cloud.start(binary, config=config, name=f'{binary}-{name}', prefix=host.argv([]))

    def boot(self, name, host, **more):
        image = next(one['id'] for one in self.client.get('/images?name=linux', version='2.35')['images'])
        network = self.client.get('/os-networks', version='2.35')['networks'][0]['id']
        return self.client.boot(name, wait=None, imageRef=image, networks=[{'uuid': network}],
                                availability_zone=f'nova:{host}', **more)['id']

    def console(self, uuid):
        answer = self.client.call('POST', f'/servers/{uuid}/action', {'os-getConsoleOutput': {}})
        return answer.json()['output'] if answer.status_code == 200 else ''

    def says(self, uuid, pattern, timeout_s=90):
        """Wait until the guest's console has a line; the match."""
        return harness.wait_for(lambda: re.search(pattern, self.console(uuid)), f'console line {pattern!r}', timeout_s,
                                every_s=0.5)


class _Closing:
    def __init__(self, cloud):
        self.cloud = cloud

    def close(self):
        self.cloud.__exit__(None, None, None)


@pytest.fixture(scope='module')
def site():
    reason = libvirt_host.missing()
    assert reason is None, reason
    subprocess.run([harness.ROOT / 'tools' / 'guest-image', '--output', GUEST_DIR], check=True, capture_output=True)
    with contextlib.ExitStack() as stack:
        yield Site(stack)


def left(site):
    """What hosts have that belongs to servers: domains, disks, taps, leases, rules."""
    found = []
    for name, host in site.hosts.items():
        found += [f'{name}: domain {domain}' for domain in host.domains()]
        found += [f'{name}: tap {device}' for device in host.taps() if device.startswith('tap')]
        instances = site.cloud.directory / name / 'instances'
        found += [f'{name}: disk {path}' for path in (instances.iterdir() if instances.is_dir() else ())
                  if re.fullmatch('[0-9a-f-]{36}', path.name)]
        rules = host.exec(['nft', 'list', 'ruleset'], check=False).stdout
        found += [f'{name}: rule {line.strip()}' for line in rules.splitlines() if 'tap' in line or 'fa:16' in line]
        for path in (site.cloud.directory / name / 'networks').glob('*.leases'):
            found += [f'{name}: lease {line}' for line in path.read_text().splitlines() if 'fa:16' in line]
    return found + site.cloud.leaks()


def test_guests_live_on_two_hosts(site):
    client = site.client
    # Guests may ping each other within the default group; and what is configured is found.
    ids = {}
    for number, host in enumerate(HOSTS):
        ids[host] = site.boot(f'guest-{host}', host, config_drive=bool(number), metadata={'role': f'r{number}'},
                              user_data=base64.b64encode(USER_DATA.encode()).decode())
    for uuid in ids.values():
        client.wait(uuid, 'ACTIVE', timeout_s=120)
        site.says(uuid, 'GUEST: ready')
    addresses = {}
    for host, uuid in ids.items():
        server = client.get(f'/servers/{uuid}')['server']
        assert server['OS-EXT-SRV-ATTR:host'] == host
        addresses[host] = server['addresses']['private'][0]['addr']
        text = site.console(uuid)
        assert f'GUEST: dhcp eth0 {addresses[host]}/24' in text
        assert f'hello from guest-{host}' in text
        assert 'GUEST: user-data ran rc=0' in text
        assert f'uuid={uuid}' in text
    assert re.search('GUEST: configdrive .*label=config-2', site.console(ids['compute2']))
    assert re.search('GUEST: metadata uuid=', site.console(ids['compute1']))
    assert len(set(addresses.values())) == 2

    # The third guest pings the other two, one of them across the cable.
    script = '#!/bin/sh\n' + ''.join(f'ping -c 3 -w 20 {address} >/dev/null && echo pinged {address}\n'
                                     for address in addresses.values())
    pinger = site.boot('pinger', 'compute1', user_data=base64.b64encode(script.encode()).decode())
    client.wait(pinger, 'ACTIVE', timeout_s=120)
    for address in addresses.values():
        site.says(pinger, f'pinged {address}')

    for uuid in ids.values():
        client.action(uuid, 'os-stop')
    for uuid in ids.values():
        assert client.wait(uuid, 'SHUTOFF')['OS-EXT-STS:power_state'] == 4
        client.action(uuid, 'os-start')
    for uuid in ids.values():
        client.wait(uuid, 'ACTIVE')
        site.says(uuid, 'GUEST: boot 2')
        client.action(uuid, 'reboot', {'type': 'HARD'})
    for uuid in ids.values():
        client.wait(uuid, 'ACTIVE')
        site.says(uuid, 'GUEST: boot 3')

    for uuid in (*ids.values(), pinger):
        assert client.call('DELETE', f'/servers/{uuid}').status_code == 204
    for uuid in (*ids.values(), pinger):
        client.gone(uuid)
    harness.wait_for(lambda: not left(site), 'nothing left on the hosts', timeout_s=30)
    assert not site.cloud.tracebacks()
