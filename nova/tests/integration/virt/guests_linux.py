# SPDX-License-Identifier: Apache-2.0
"""A Linux in the guest says what it found there."""

import base64
import os
import re
import socket
import time

from nova import conf, objects
from nova.network import model
from nova.tests.integration.virt import base
from nova.virt import images, power_state

CONF = conf.CONF

#: Where `tools/guest-image` put the guest.
GUEST = os.environ['NOVA_TEST_GUEST']


class LinuxCase(base.GuestCase):
    def setUp(self):
        super().setUp()
        self.options('libvirt', wait_soft_reboot_seconds=30)
        self.start_driver()

    def upload_guest(self, name, disk_format, **properties):
        return self.upload(os.path.join(GUEST, name), disk_format, **properties)

    def log_in(self, line):
        """Become root in the shell at the other end of a serial line."""
        # What a guest says while nobody listens QEMU throws away, and its prompt may be such.
        self.wait_for(lambda: self.hears(line, b'\n', b'login:', 3), 'a prompt')
        self.answer(line, b'root\n', b'assword:')
        self.answer(line, b'guest\n', b'#')

    def answer(self, line, text, expected):
        self.assertTrue(self.hears(line, text, expected), f'{expected} was not answered to {text}')

    def hears(self, line, text, expected, patience_s=None):
        """Whether a text is answered on a serial line with what is expected."""
        line.sendall(text)
        heard, end = b'', time.monotonic() + (patience_s or self.patience_s)
        while expected not in heard:
            line.settimeout(max(end - time.monotonic(), 0.01))
            try:
                more = line.recv(4096)
            except TimeoutError:
                return False
            self.assertTrue(more, f'the other end of the line has hung up after {heard[-500:]}')
            heard += more
        return True

    def said(self, server):
        """What the guest said, line by line."""
        return re.findall(r'GUEST: (.*?)\r?\n', self.console(server))

    def wait_until_ready(self, server, times=1):
        self.wait_for(lambda: self.said(server).count('ready') >= times, 'a boot')
        return self.said(server)

    def line(self, said, prefix):
        found = [text for text in said if text.startswith(prefix)]
        self.assertTrue(found, f'{prefix!r} is not in {said}')
        return found[-1]


class TestBoot(LinuxCase):
    def test_a_disk_boots_with_all_that_the_flavor_has(self):
        vif = self.make_vif()
        server = self.make_server(self.upload_guest('guest.qcow2', 'qcow2'), memory_mb=160, vcpus=2, ephemeral_gb=1,
                                  swap=16, config_drive='True', metadata={'role': 'web'},
                                  user_data=base64.b64encode(b'#!/bin/sh\necho data of the user\n').decode())
        self.spawn(server, [vif], injected_files=[('/etc/motd', b'welcome')])
        said = self.wait_until_ready(server)
        self.assertIn('cpus 2', self.line(said, 'cpus'))
        self.assertIn('product=OpenStack Nova', self.line(said, 'smbios'))
        self.assertIn(f'uuid={server.uuid}', self.line(said, 'smbios'))
        self.assertIn('virtio', self.line(said, 'rng'))
        self.assertIn(f'disk vda {1 << 30}', self.line(said, 'disk vda'))
        self.assertIn('fs=ext label=ephemeral0', self.line(said, 'disk vdb'))
        self.assertIn('fs=swap', self.line(said, 'disk vdc'))
        self.line(said, 'swap vdc')
        self.assertIn('fs=iso9660 label=config-2', self.line(said, 'disk sr0'))
        self.assertIn(f'mac {vif["address"]} mtu 1400', self.line(said, 'nic'))
        self.assertIn(f'uuid={server.uuid}', self.line(said, 'configdrive /dev/sr0 '))
        self.assertTrue([text for text in said if 'role=web' in text], said)
        self.assertTrue([text for text in said if 'data of the user' in text], said)

    def test_a_kernel_with_a_ramdisk_boots(self):
        server = self.make_server(self.upload_guest('root.raw', 'ami'), memory_mb=128, root_gb=0,
                                  kernel_id=self.upload_guest('vmlinuz', 'aki'),
                                  ramdisk_id=self.upload_guest('initrd', 'ari'),
                                  properties={'os_command_line': 'console=ttyS0 quiet mitigations=off nokaslr '
                                                                 'cryptomgr.notests'})
        self.spawn(server)
        self.line(self.wait_until_ready(server), 'disk vda')

    def test_a_virtio_scsi_disk_boots_on_q35(self):
        image_id = self.upload_guest('guest.raw', 'raw')
        server = self.make_server(image_id, memory_mb=128, config_drive='True', properties={
            'hw_machine_type': 'q35', 'hw_disk_bus': 'scsi', 'hw_cdrom_bus': 'scsi'})
        vif = self.make_vif()
        self.spawn(server, [vif])
        said = self.wait_until_ready(server)
        self.line(said, f'disk sda {1 << 30}')
        self.line(said, 'disk sr0')
        self.assertIn(vif['address'], self.line(said, 'nic'))


class TestPower(LinuxCase):
    def setUp(self):
        super().setUp()
        self.server = self.spawn(self.make_server(self.upload_guest('guest.qcow2', 'qcow2'), memory_mb=128))

    def test_a_guest_shuts_down_by_itself_and_keeps_its_disk(self):
        self.wait_until_ready(self.server)
        began = time.monotonic()
        self.driver.power_off(self.server, timeout=30, retry_interval=5)
        self.assertLess(time.monotonic() - began, 25)
        self.assertEqual(power_state.SHUTDOWN, self.driver.get_info(self.server).state)
        self.assertIn('down', self.said(self.server))
        self.driver.power_on(self.context, self.server, model.NetworkInfo())
        self.assertIn('boot 2', self.wait_until_ready(self.server, times=2))

    def test_a_deaf_guest_is_cut_off_when_its_time_is_over(self):
        self.driver.pause(self.server)
        self.driver.power_off(self.server, timeout=3, retry_interval=1)
        self.assertEqual(power_state.SHUTDOWN, self.driver.get_info(self.server).state)
        self.assertNotIn('down', self.said(self.server))

    def test_a_soft_reboot_lets_the_guest_end_and_a_hard_one_does_not(self):
        self.wait_until_ready(self.server)
        self.driver.reboot(self.context, self.server, model.NetworkInfo(), 'SOFT')
        said = self.wait_until_ready(self.server, times=2)
        self.assertEqual((1, 'boot 2'), (said.count('down'), self.line(said, 'boot')))
        self.driver.reboot(self.context, self.server, model.NetworkInfo(), 'HARD')
        said = self.wait_until_ready(self.server, times=3)
        self.assertEqual((1, 'boot 3'), (said.count('down'), self.line(said, 'boot')))

    def test_a_suspended_guest_goes_on_where_it_was(self):
        self.wait_for(lambda: 'tick 1' in self.said(self.server), 'a tick')
        self.driver.suspend(self.context, self.server)
        self.assertEqual(power_state.SUSPENDED, self.driver.get_info(self.server).state)
        self.driver.resume(self.context, self.server, model.NetworkInfo())
        self.wait_for(lambda: 'tick 3' in self.said(self.server), 'another tick')
        self.assertEqual(1, self.said(self.server).count('ready'))
        self.check_memory()

    def check_memory(self):
        """It is what the guest says of itself."""
        found = self.wait_for(lambda: self.driver.get_instance_diagnostics(self.server).memory_details.used < 128
                              and self.driver.get_instance_diagnostics(self.server), 'a report', patience_s=30)
        self.assertEqual(128, found.memory_details.maximum)
        self.assertGreater(found.memory_details.used, 10)


class TestConsole(LinuxCase):
    def test_a_log_that_was_rotated_is_read_to_its_beginning(self):
        self.options('serial_console', enabled=True)
        server = self.spawn(self.make_server(self.upload_guest('guest.qcow2', 'qcow2'), memory_mb=128))
        self.wait_until_ready(server)
        console = self.driver.get_serial_console(self.context, server)
        with socket.create_connection((console.host, console.port), timeout=30) as line:
            self.log_in(line)
            # virtlogd of the host puts away a log of 256 KiB.
            self.answer(line, b'i=0; while [ $i -lt 3400 ]; do i=$((i+1)); printf "line %05d %080d\\n" $i 0; done\n',
                        b'line 03400')
        log = self.path_of(server, 'console.log')
        self.wait_for(lambda: os.path.exists(f'{log}.0'), 'a rotation')
        found = self.wait_for(lambda: 'line 03400' in self.console(server) and self.console(server), 'the last line')
        self.assertGreater(len(found), 100 * 1024 - 10)
        self.assertLessEqual(len(found), 100 * 1024)
        numbers = [int(number) for number in re.findall(r'line (\d{5})', found)]
        self.assertEqual(list(range(numbers[0], 3401)), numbers)


class TestHotPlug(LinuxCase):
    def test_disks_and_interfaces_come_and_go_while_it_runs(self):
        server = self.spawn(self.make_server(self.upload_guest('guest.qcow2', 'qcow2'), memory_mb=160))
        self.wait_until_ready(server)
        volume = {'driver_volume_type': 'file', 'serial': 'volume-1',
                  'data': {'device_path': self.make_disk(size_mb=16), 'format': 'raw'}}
        self.driver.attach_volume(self.context, volume, server, '/dev/vdb')
        self.wait_for(lambda: f'hotplug disk vdb {16 << 20} serial=volume-1' in self.said(server),
                      'the guest seeing the disk')
        self.check_usage(server)
        vif = self.make_vif()
        self.driver.attach_interface(server, server.image_meta, vif)
        self.wait_for(lambda: any(text.startswith(f'hotplug nic eth0 mac {vif["address"]}')
                                  for text in self.said(server)), 'the guest seeing the interface')
        self.driver.detach_volume(volume, server, '/dev/vdb')
        self.driver.detach_interface(server, vif)
        self.wait_for(lambda: {'unplug disk vdb', 'unplug nic eth0'} <= set(self.said(server)), 'the guest letting go')
        document = self.document(server)
        self.assertEqual(['vda'], [disk.get('dev') for disk in document.iterfind('devices/disk/target')])
        self.assertEqual([], document.findall('devices/interface'))

    def check_usage(self, server):
        """What the guest read of its volume while it looked for partitions; there are others, of which one is gone."""
        gone, bdm = self.make_server('', memory_mb=160), objects.BlockDeviceMapping(
            volume_id='volume-1', device_name='/dev/vdb')
        (found,) = self.driver.get_all_volume_usage(self.context, [
            {'instance': each, 'instance_bdms': [bdm]} for each in (gone, server)])
        self.assertEqual((server.uuid, 'volume-1'), (found['instance'].uuid, found['volume']))
        self.assertGreater(found['rd_req'], 0)
        self.assertGreaterEqual(found['rd_bytes'], 512 * found['rd_req'])
        reads, read_bytes, writes, _write_bytes, _errors = self.driver.block_stats(server, 'vdb')
        self.assertGreaterEqual((reads, read_bytes), (found['rd_req'], found['rd_bytes']))
        self.assertEqual(found['wr_req'], writes)

    def test_a_guest_boots_from_a_volume(self):
        path = os.path.join(self.directory, 'volume')
        images.convert(os.path.join(GUEST, 'guest.qcow2'), 'qcow2', path, 'raw')
        volume = {'mount_device': '/dev/vda', 'boot_index': 0, 'disk_bus': None, 'device_type': 'disk',
                  'connection_info': {'driver_volume_type': 'file', 'serial': 'volume-2',
                                      'data': {'device_path': path, 'format': 'raw'}}}
        server = self.spawn(self.make_server('', memory_mb=160), block_device_info={
            'root_device_name': '/dev/vda', 'block_device_mapping': [volume]})
        self.wait_until_ready(server)
        self.assertEqual([path], [disk.get('file') for disk in self.document(server).iterfind('devices/disk/source')])
