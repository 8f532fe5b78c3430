# SPDX-License-Identifier: Apache-2.0
"""The test guest (tools/guest-image) says on its console what other tests read there.

Runs QEMU by itself, with its user mode network: no libvirt, no root, no traffic beyond the process.
"""

import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[3]
BOOT_TIMEOUT_S = 60

#: What QEMU starts for each connection to 169.254.169.254: it answers one HTTP request out of the directory given.
_METADATA_SERVICE = '''\
import pathlib, sys
method, path, _ = sys.stdin.buffer.readline().decode().split(' ', 2)
while sys.stdin.buffer.readline().strip():
    pass
file = pathlib.Path(sys.argv[1], path.strip('/'))
body, status = (file.read_bytes(), '200 OK') if file.is_file() else (b'', '404 Not Found')
sys.stdout.buffer.write(f'HTTP/1.0 {status}\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n'.encode() + body)
'''


@functools.cache
def build():
    """Directory of the guest's images, built at most once a run."""
    output = os.environ.get('NOVA_TEST_GUEST') or str(ROOT / '.cache' / 'guest')
    subprocess.run([str(ROOT / 'tools' / 'guest-image'), '--output', output], check=True, stdout=sys.stderr)
    return pathlib.Path(output)


class Guest:
    """One QEMU process: its console's text, a QMP socket, and what may be typed at the console."""

    def __init__(self, directory, *argv):
        self.directory = pathlib.Path(directory)
        self._log = self.directory / 'console.log'
        for name in ('console.log', 'serial', 'qmp'):
            (self.directory / name).unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ['qemu-system-x86_64', '-accel', 'tcg', '-m', '128', '-display', 'none', '-no-reboot', '-nodefaults',
             '-chardev', f'socket,id=serial,path={directory}/serial,server=on,wait=off,logfile={self._log}',
             '-serial', 'chardev:serial', '-qmp', f'unix:{directory}/qmp,server=on,wait=off', *argv],
            stdin=subprocess.DEVNULL)
        self._qmp = None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._qmp:
            self._qmp.close()
        self.process.kill()
        self.process.wait()

    @property
    def console(self):
        return self._log.read_text(errors='replace').replace('\r', '') if self._log.exists() else ''

    @property
    def lines(self):
        """What the guest said, in order."""
        return re.findall(r'GUEST: (.*)$', self.console, re.MULTILINE)

    def wait_for(self, pattern, timeout_s=BOOT_TIMEOUT_S):
        """The first line that matches, as a match object.  Raises AssertionError with the console's text."""
        end = time.monotonic() + timeout_s
        while True:
            ended = self.process.poll() is not None
            for line in self.lines:
                if found := re.match(pattern, line):
                    return found
            if ended or time.monotonic() > end:
                raise AssertionError(f'no line {pattern!r} on the console:\n{self.console}')
            time.sleep(0.1)

    def qmp(self, command, **arguments):
        """Run a command of QEMU's monitor."""
        if self._qmp is None:
            end = time.monotonic() + 10
            connection = socket.socket(socket.AF_UNIX)
            while True:
                try:
                    connection.connect(str(self.directory / 'qmp'))
                    break
                except OSError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.1)
            self._qmp = connection.makefile('rw')
            connection.close()
            self._qmp.readline()
            self.qmp('qmp_capabilities')
        self._qmp.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self._qmp.flush()
        while True:
            answer = json.loads(self._qmp.readline())
            if 'error' in answer:
                raise AssertionError(f'{command}: {answer["error"]}')
            if 'return' in answer:
                return answer['return']

    def type_and_expect(self, *steps, timeout_s=20):
        """Type at the console: (text to type, text to wait for), one after the other."""
        with socket.socket(socket.AF_UNIX) as serial:
            serial.connect(str(self.directory / 'serial'))
            serial.settimeout(timeout_s)
            for typed, expected in steps:
                serial.sendall(typed.encode() + b'\n')
                seen = b''
                while expected.encode() not in seen:
                    piece = serial.recv(4096)
                    assert piece, f'the console ended; it said {seen!r}'
                    seen += piece


def _disk(path, format_, device='virtio-blk-pci', **options):
    name = pathlib.Path(path).stem
    extra = ''.join(f',{key}={value}' for key, value in options.items())
    return ['-blockdev', f'driver={format_},node-name={name},file.driver=file,file.filename={path}',
            '-device', f'{device},drive={name}{extra}']


class GuestImageTest(unittest.TestCase):

    def setUp(self):
        self.images = build()
        self.directory = tempfile.mkdtemp(prefix='nova-guest-')
        self.addCleanup(shutil.rmtree, self.directory)
        self.uuid = str(uuid.uuid4())

    def path(self, name):
        return os.path.join(self.directory, name)

    def copy(self, name):
        return shutil.copy(self.images / name, self.directory)

    def write_tree(self, **extra):
        """A metadata tree as the service and the config drive have it; returns its directory."""
        meta_data = {'uuid': self.uuid, 'hostname': 'tree.novalocal', 'name': 'tree', 'launch_index': 0,
                     'availability_zone': 'nova', 'public_keys': {'mine': 'ssh-ed25519 AAAAC3 me@here'},
                     'keys': [{'name': 'mine', 'type': 'ssh', 'data': 'ssh-ed25519 AAAAC3 me@here'}],
                     'meta': {'role': 'web', 'guest.tick': 'off'}, 'devices': []}
        files = {'openstack/latest/meta_data.json': json.dumps(meta_data), 'latest/meta-data/instance-id': 'i-0000002a',
                 'latest/meta-data/local-ipv4': '169.254.1.10', **extra}
        for name, text in files.items():
            path = pathlib.Path(self.directory, 'tree', name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self.path('tree')

    def network(self, tree=None):
        """A NIC with DHCP, and with a metadata service if there is something to serve."""
        netdev = 'user,id=net0,net=169.254.0.0/16,dhcpstart=169.254.1.10,restrict=on'
        if tree:
            pathlib.Path(self.path('metadata.py')).write_text(_METADATA_SERVICE)
            netdev += f',guestfwd=tcp:169.254.169.254:80-cmd:{sys.executable} {self.path("metadata.py")} {tree}'
        return ['-netdev', netdev, '-device', 'virtio-net-pci,netdev=net0,mac=fa:16:3e:00:00:01']

    def test_boots_from_its_own_disk_and_says_what_it_found(self):
        tree = self.write_tree(**{'openstack/latest/user_data': '#!/bin/sh\necho one\necho two >&2\nexit 3\n'})
        with Guest(self.directory, '-smp', '2', '-uuid', self.uuid, '-device', 'virtio-rng-pci', *self.network(tree),
                   *_disk(self.copy('guest.qcow2'), 'qcow2', serial='root')) as guest:
            guest.wait_for('ready')
            for pattern in (r'kernel \d+\.', r'cpus 2 memory_kb \d+', rf'smbios .* uuid={self.uuid}', 'rng virtio_rng',
                            r'disk vda 33554432 serial=root', r'nic eth0 mac fa:16:3e:00:00:01 mtu 1500',
                            r'dhcp eth0 169\.254\.1\.10/16 gw none dns none', r'boot 1$',
                            rf'metadata uuid={self.uuid}$', 'metadata hostname=tree.novalocal$', 'metadata name=tree$',
                            'metadata key=ssh-ed25519 AAAAC3', 'metadata meta role=web$',
                            'metadata ec2 instance-id=i-0000002a$', 'user-data: one$', 'user-data: two$',
                            'user-data ran rc=3$', r'uptime \d'):
                guest.wait_for(pattern, timeout_s=0)
            guest.type_and_expect(('', 'login:'), ('root', 'assword:'), ('guest', '#'), ('hostname', 'tree.novalocal'))

    def test_boots_as_kernel_and_ramdisk_and_counts_its_boots(self):
        argv = ['-kernel', str(self.images / 'vmlinuz'), '-initrd', str(self.images / 'initrd'),
                '-append', 'console=ttyS0 quiet', *_disk(self.copy('root.raw'), 'raw')]
        for boots in ('1', '2'):
            with Guest(self.directory, *argv) as guest:
                guest.wait_for('ready')
                guest.wait_for('disk vda 16777216 fs=ext label=guest-root$', timeout_s=0)
                guest.wait_for(f'boot {boots}$', timeout_s=0)
                if boots == '1':
                    guest.wait_for('tick 1$', timeout_s=20)
                guest.qmp('system_powerdown')
                self.assertEqual(0, guest.process.wait(20))
                self.assertEqual(['powering off', 'down'], guest.lines[-2:])

    def test_reads_a_config_drive_of_either_format(self):
        tree = self.write_tree(**{'openstack/latest/user_data': '#!/bin/sh\necho from the drive\n'})
        iso, vfat = self.path('iso'), self.path('vfat')
        subprocess.run(['genisoimage', '-quiet', '-o', iso, '-ldots', '-allow-lowercase', '-allow-multidot', '-l', '-J',
                        '-r', '-V', 'config-2', tree], check=True, stderr=subprocess.DEVNULL)
        with open(vfat, 'wb') as image:
            image.truncate(64 << 20)
        subprocess.run(['mkfs.vfat', '-n', 'config-2', vfat], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(['mcopy', '-s', '-i', vfat, f'{tree}/openstack', '::'], check=True)
        for path, device, controller, name, label in (
                (iso, 'ide-cd', [], 'sr0', 'iso9660'),
                (iso, 'scsi-cd', ['-device', 'virtio-scsi-pci'], 'sr0', 'iso9660'),
                (vfat, 'virtio-blk-pci', [], 'vda', 'vfat')):
            with self.subTest(device=device, label=label):
                argv = ['-kernel', str(self.images / 'vmlinuz'), '-initrd', str(self.images / 'initrd'),
                        '-append', 'console=ttyS0 quiet', *controller, *_disk(path, 'raw', device)]
                if label == 'iso9660':
                    argv[argv.index('-blockdev') + 1] += ',read-only=on'
                with Guest(self.directory, *argv) as guest:
                    guest.wait_for('ready')
                    guest.wait_for(f'configdrive /dev/{name} label=config-2 uuid={self.uuid} fs={label}$', timeout_s=0)
                    guest.wait_for('configdrive meta role=web$', timeout_s=0)
                    guest.wait_for('user-data: from the drive$', timeout_s=0)

    def test_notices_disks_and_nics_that_come_and_go(self):
        with open(self.path('extra'), 'wb') as image:
            image.truncate(8 << 20)
        for machine, bus in (('pc', {}), ('q35', {'bus': 'socket1'})):
            argv = ['-machine', machine, *_disk(self.copy('guest.qcow2'), 'qcow2')]
            if bus:
                argv += ['-device', 'pcie-root-port,id=socket1,chassis=1']
            with self.subTest(machine=machine), Guest(self.directory, *argv) as guest:
                guest.wait_for('ready')
                guest.qmp('blockdev-add', **{'driver': 'raw', 'node-name': 'extra',
                                             'file': {'driver': 'file', 'filename': self.path('extra')}})
                guest.qmp('device_add', driver='virtio-blk-pci', id='disk', drive='extra', serial='vol1', **bus)
                guest.wait_for('hotplug disk vdb 8388608 serial=vol1$', timeout_s=20)
                guest.qmp('block_resize', **{'node-name': 'extra', 'size': 16 << 20})
                guest.wait_for('resized disk vdb 16777216$', timeout_s=20)
                with open(self.path('extra'), 'wb') as image:
                    image.truncate(8 << 20)
                guest.qmp('device_del', id='disk')
                guest.wait_for('unplug disk vdb$', timeout_s=20)
                if bus:
                    # An express port holds one device, and it takes a while until it is free.
                    self._wait_until_free(guest)
                guest.qmp('netdev_add', type='user', id='net1', net='10.9.0.0/24', restrict=True)
                guest.qmp('device_add', driver='virtio-net-pci', id='nic', netdev='net1', mac='fa:16:3e:00:00:02',
                          **bus)
                guest.wait_for('hotplug nic eth0 mac fa:16:3e:00:00:02', timeout_s=20)
                guest.wait_for(r'dhcp eth0 10\.9\.0\.15/24 ', timeout_s=20)
                guest.qmp('device_del', id='nic')
                guest.wait_for('unplug nic eth0$', timeout_s=20)

    def _wait_until_free(self, guest):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):
                if not any(device['name'] == 'disk' for device in guest.qmp('qom-list', path='/machine/peripheral')):
                    return
            time.sleep(0.2)
        raise AssertionError('the disk was not let go')

    def test_says_so_when_nobody_answers(self):
        with Guest(self.directory, '-kernel', str(self.images / 'vmlinuz'), '-initrd', str(self.images / 'initrd'),
                   '-append', 'console=ttyS0 quiet guest.metadata_until=1 guest.tick=off', *self.network()) as guest:
            guest.wait_for('ready')
            guest.wait_for('metadata none', timeout_s=0)
