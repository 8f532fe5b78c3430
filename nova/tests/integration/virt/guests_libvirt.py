# SPDX-License-Identifier: Apache-2.0
"""What the libvirt driver does besides the contract: disks, formats, the cache, undoing, events."""

import json
import os
import signal
import socket
import subprocess
import time

from oslo_utils import units

from nova import concurrency, exception
from nova.image import local
from nova.network import model
from nova.tests.integration.virt import base
from nova.virt import event, images, power_state
from nova.virt.libvirt import diskinfo, imagecache, paths

CONF = base.CONF

#: Begin of a qcow2 image that names a file of the host as its backing file.
HOSTILE = (b'QFI\xfb' + (3).to_bytes(4, 'big') + (112).to_bytes(8, 'big') + (11).to_bytes(4, 'big')
           + (16).to_bytes(4, 'big') + units.Mi.to_bytes(8, 'big') + bytes(64) + (4).to_bytes(4, 'big')
           + (104).to_bytes(4, 'big') + bytes(8) + b'/etc/shadow')


class TestDisks(base.GuestCase):
    def setUp(self):
        super().setUp()
        self.start_driver()

    def disk_of(self, server, target):
        return next(disk for disk in self.document(server).iterfind('devices/disk')
                    if disk.find('target').get('dev') == target)

    def assert_disk(self, server, target, file, disk_format):
        disk = self.disk_of(server, target)
        self.assertEqual((self.path_of(server, file), disk_format),
                         (disk.find('source').get('file'), disk.find('driver').get('type')))
        return disk

    def test_root_disk_is_an_overlay_of_the_flavors_size(self):
        image_id = self.upload(self.make_disk('qcow2', content=b'abc'), 'qcow2')
        server = self.spawn(self.make_server(image_id))
        disk = self.assert_disk(server, 'vda', 'disk', 'qcow2')
        cached = imagecache.find(imagecache.name_of(image_id))
        self.assertEqual((cached.path, 'raw'), (disk.find('backingStore/source').get('file'),
                                                disk.find('backingStore/format').get('type')))
        self.assertEqual(units.Gi, images.look(self.path_of(server, 'disk'), 'qcow2').virtual_size)
        self.assertEqual(8 * units.Mi, cached.virtual_size)
        with open(cached.path, 'rb') as content:
            self.assertEqual(b'abc', content.read(3))

    def test_a_flavor_without_root_disk_gives_the_images_size(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk()), root_gb=0))
        self.assertEqual(8 * units.Mi, images.look(self.path_of(server, 'disk'), 'qcow2').virtual_size)

    def test_images_may_stay_qcow2_in_the_cache(self):
        self.options(force_raw_images=False)
        server = self.spawn(self.make_server(self.upload(self.make_disk('qcow2'), 'qcow2')))
        backing = self.disk_of(server, 'vda').find('backingStore/format')
        self.assertEqual('qcow2', backing.get('type'))

    def test_raw_disks_stand_alone(self):
        self.options('libvirt', images_type='raw')
        server = self.spawn(self.make_server(self.upload(self.make_disk('qcow2', content=b'abc'), 'qcow2')))
        disk = self.assert_disk(server, 'vda', 'disk', 'raw')
        self.assertIsNone(disk.find('backingStore/source'))
        self.assertEqual(units.Gi, os.path.getsize(self.path_of(server, 'disk')))
        with open(self.path_of(server, 'disk'), 'rb') as content:
            self.assertEqual(b'abc', content.read(3))

    def test_foreign_formats_are_converted(self):
        for disk_format, tool_format in (('vmdk', 'vmdk'), ('vhd', 'vpc'), ('vhdx', 'vhdx'), ('vdi', 'vdi')):
            with self.subTest(disk_format):
                path = self.make_disk(tool_format, content=b'abc')
                image_id = self.upload(path, disk_format)
                self.spawn(self.make_server(image_id))
                cached = imagecache.find(imagecache.name_of(image_id))
                self.assertEqual('raw', cached.format)
                with open(cached.path, 'rb') as content:
                    self.assertEqual(b'abc', content.read(3))

    def test_what_a_guest_writes_into_its_disk_changes_no_format(self):
        self.options('libvirt', images_type='raw')
        server = self.spawn(self.make_server(self.upload(self.make_disk())))
        self.driver.power_off(server)
        with open(self.path_of(server, 'disk'), 'r+b') as content:
            content.write(HOSTILE)
        self.driver.power_on(self.context, server, model.NetworkInfo())
        disk = self.assert_disk(server, 'vda', 'disk', 'raw')
        self.assertIsNone(disk.find('backingStore/source'))

    def test_ephemeral_and_swap_disks_are_ready_to_use(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk()), ephemeral_gb=1, swap=16))
        self.assert_disk(server, 'vdb', 'disk.eph0', 'qcow2')
        self.assert_disk(server, 'vdc', 'disk.swap', 'qcow2')
        for name, kind in (('ephemeral_1_ext4', 'ext4'), ('swap_16', 'swap')):
            found = subprocess.run(['blkid', '-p', '-o', 'value', '-s', 'TYPE', paths.cache(name)], check=True,
                                   capture_output=True, text=True)
            self.assertEqual(kind, found.stdout.strip())

    def test_block_devices_say_sizes_and_file_systems(self):
        devices = {'root_device_name': '/dev/vda', 'image': [], 'block_device_mapping': [],
                   'ephemerals': [{'device_name': '/dev/vdd', 'size': 1, 'guest_format': 'vfat', 'disk_bus': None,
                                   'device_type': None},
                                  {'device_name': None, 'size': 2, 'guest_format': None, 'disk_bus': 'scsi',
                                   'device_type': None}],
                   'swap': {'device_name': '/dev/vde', 'swap_size': 8, 'disk_bus': None, 'device_type': None}}
        server = self.spawn(self.make_server(self.upload(self.make_disk()), ephemeral_gb=3, swap=16),
                            block_device_info=devices)
        self.assert_disk(server, 'vdd', 'disk.eph0', 'qcow2')
        self.assert_disk(server, 'sda', 'disk.eph1', 'qcow2')
        self.assert_disk(server, 'vde', 'disk.swap', 'qcow2')
        sizes = {name: info.size for name, info in diskinfo.of(server).items()}
        self.assertEqual({'disk': units.Gi, 'disk.eph0': units.Gi, 'disk.eph1': 2 * units.Gi,
                          'disk.swap': 8 * units.Mi}, sizes)

    def test_config_drive_is_a_cdrom_or_a_disk(self):
        image_id = self.upload(self.make_disk())
        for drive_format, target, device in (('iso9660', 'hdd', 'cdrom'), ('vfat', 'vdz', 'disk')):
            with self.subTest(drive_format):
                self.options(config_drive_format=drive_format)
                server = self.spawn(self.make_server(image_id, config_drive='True'))
                self.assertEqual(device, self.assert_disk(server, target, 'disk.config', 'raw').get('device'))
                # It keeps its kind, whatever the option says by then.
                self.options(config_drive_format='vfat' if drive_format == 'iso9660' else 'iso9660')
                self.driver.reboot(self.context, server, model.NetworkInfo(), 'HARD')
                self.assertEqual(device, self.assert_disk(server, target, 'disk.config', 'raw').get('device'))

    def test_a_hard_reboot_makes_what_is_missing(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk(content=b'abc')), ephemeral_gb=1))
        cached = imagecache.find(imagecache.name_of(server.image_ref))
        self.driver.power_off(server)
        for path in (self.path_of(server, 'disk.eph0'), cached.path):
            os.unlink(path)
        self.driver.reboot(self.context, server, model.NetworkInfo(), 'HARD')
        self.assertEqual(power_state.RUNNING, self.driver.get_info(server).state)
        self.assertTrue(os.path.exists(self.path_of(server, 'disk.eph0')))
        with open(cached.path, 'rb') as content:
            self.assertEqual(b'abc', content.read(3))

    def test_disk_info_counts_what_disks_may_still_take(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk())))
        found = json.loads(self.driver.get_instance_disk_info(server))
        self.assertEqual([(self.path_of(server, 'disk'), 'qcow2', units.Gi)],
                         [(disk['path'], disk['type'], disk['virt_disk_size']) for disk in found])
        self.assertGreater(found[0]['over_committed_disk_size'], units.Gi - 10 * units.Mi)


class TestHardware(base.GuestCase):
    def setUp(self):
        super().setUp()
        self.start_driver()
        self.image_id = self.upload(self.make_disk())

    def test_image_properties_choose_devices(self):
        server = self.make_server(self.image_id, vcpus=2, config_drive='True', properties={
            'hw_machine_type': 'q35', 'hw_disk_bus': 'scsi', 'hw_vif_model': 'e1000e', 'hw_video_model': 'vga',
            'hw_qemu_guest_agent': 'yes', 'hw_watchdog_action': 'reset', 'hw_cpu_sockets': '1'})
        self.spawn(server, [self.make_vif()])
        root = self.document(server)
        self.assertIn('q35', root.find('os/type').get('machine'))
        self.assertEqual(['sda', 'sdf'], [target.get('dev') for target in root.iterfind('devices/disk/target')])
        self.assertEqual('virtio-scsi', root.find("devices/controller[@type='scsi']").get('model'))
        self.assertEqual('e1000e', root.find('devices/interface/model').get('type'))
        self.assertEqual('vga', root.find('devices/video/model').get('type'))
        self.assertEqual('reset', root.find('devices/watchdog').get('action'))
        self.assertEqual('org.qemu.guest_agent.0', root.find('devices/channel/target').get('name'))
        self.assertEqual(('1', '2'), (root.find('cpu/topology').get('sockets'), root.find('cpu/topology').get('cores')))

    def test_flavors_limit_cpu_and_disks(self):
        server = self.make_server(self.image_id, specs={
            'quota:cpu_shares': '512', 'quota:cpu_period': '20000', 'quota:cpu_quota': '10000',
            'quota:disk_total_bytes_sec': '10485760'})
        self.spawn(server)
        root = self.document(server)
        self.assertEqual(['512', '20000', '10000'],
                         [root.findtext(f'cputune/{name}') for name in ('shares', 'period', 'quota')])
        self.assertEqual('10485760', root.findtext('devices/disk/iotune/total_bytes_sec'))

    def test_uefi_guests_leave_no_variables_behind(self):
        server = self.spawn(self.make_server(self.image_id, properties={'hw_firmware_type': 'uefi',
                                                                        'hw_machine_type': 'q35'}))
        variables = self.document(server).findtext('os/nvram')
        self.assertTrue(os.path.exists(variables))
        self.driver.reboot(self.context, server, model.NetworkInfo(), 'HARD')
        self.driver.destroy(self.context, server, model.NetworkInfo())
        self.assertFalse(os.path.exists(variables))

    def test_interfaces_are_on_their_bridge(self):
        vif = self.make_vif()
        server = self.spawn(self.make_server(self.image_id), [vif])
        self.assertTrue(os.path.exists(f'/sys/class/net/{base.BRIDGE}/brif/{vif["devname"]}'))
        with open(f'/sys/class/net/{vif["devname"]}/mtu') as mtu:
            self.assertEqual('1400', mtu.read().strip())
        self.driver.destroy(self.context, server, model.NetworkInfo([vif]))
        self.assert_nothing_left(server)

    def test_screen_and_serial_ports_take_connections(self):
        self.options('serial_console', enabled=True)
        servers = [self.spawn(self.make_server(self.image_id)) for _number in range(2)]
        found = []
        for server in servers:
            for console in (self.driver.get_vnc_console(self.context, server),
                            self.driver.get_serial_console(self.context, server)):
                socket.create_connection((console.host, console.port), timeout=10).close()
                found.append(console.port)
        self.assertEqual(len(found), len(set(found)))

    def test_a_guest_without_screen_has_none_to_offer(self):
        self.options('vnc', enabled=False)
        server = self.spawn(self.make_server(self.image_id))
        for get in (self.driver.get_vnc_console, self.driver.get_serial_console):
            with self.assertRaises(exception.ConsoleTypeUnavailable):
                get(self.context, server)


class TestRefusals(base.GuestCase):
    """A build that fails leaves nothing."""

    def setUp(self):
        super().setUp()
        self.start_driver()

    def assert_refused(self, server, error, network_info=(), words=''):
        with self.assertRaises(error) as raised:
            self.spawn(server, network_info)
        self.assertIn(words, str(raised.exception))
        self.assert_nothing_left(server)

    def swap_content(self, image_id, path):
        """Put other bytes below an image, as a dishonest image service would."""
        store = local.LocalStore()
        target = store.data_path(self.context, image_id)
        os.chmod(target, 0o600)
        with open(path, 'rb') as source, open(target, 'wb') as out:
            out.write(source.read())

    def test_a_disk_larger_than_the_flavors_is_refused_by_all_hosts(self):
        image_id = self.upload(self.make_disk('qcow2', size_mb=2048), 'qcow2')
        self.assert_refused(self.make_server(image_id), exception.BuildAbortException, words='disk is too small')
        self.assertIsNone(imagecache.find(imagecache.name_of(image_id)))

    def test_hostile_images_are_refused_when_they_are_fetched(self):
        backing = self.make_disk('qcow2')
        hostile = f'{backing}.hostile'
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', backing, hostile], check=True)
        external = f'{backing}.external'
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-o', f'data_file={external}.data', external, '8M'],
                       check=True)
        huge = f'{backing}.huge'
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', huge, '3T'], check=True)
        for path, disk_format in ((hostile, 'qcow2'), (external, 'qcow2'), (huge, 'qcow2'), (backing, 'raw')):
            with self.subTest(path):
                image_id = self.upload(self.make_disk('qcow2' if disk_format == 'qcow2' else 'raw'), disk_format)
                self.swap_content(image_id, path)
                self.assert_refused(self.make_server(image_id, root_gb=0), exception.BuildAbortException)
                self.assertIsNone(imagecache.find(imagecache.name_of(image_id)))
        self.assertEqual([], [name for name in os.listdir(paths.cache()) if '.part' in name])

    def test_a_missing_image_is_final(self):
        self.assert_refused(self.make_server('00000000-0000-4000-8000-000000000000'), exception.BuildAbortException)

    def test_a_missing_bridge_is_not(self):
        vif = self.make_vif()
        vif['network']['bridge'] = 'br-nowhere'
        self.assert_refused(self.make_server(self.upload(self.make_disk())), exception.NovaException, [vif],
                            'br-nowhere')

    def test_hardware_that_cannot_be_had(self):
        image_id = self.upload(self.make_disk())
        for properties, words in (({'hw_disk_bus': 'floppy'}, 'hw_disk_bus'), ({'hw_vif_model': 'abacus'}, 'abacus'),
                                  ({'hw_machine_type': 'abacus'}, 'abacus'),
                                  ({'hw_video_ram': '64'}, 'hw_video:ram_max_mb')):
            with self.subTest(words):
                self.assert_refused(self.make_server(image_id, properties=properties), exception.NovaException,
                                    [self.make_vif()], words)

    def test_what_a_dead_build_left_is_replaced(self):
        server = self.make_server(self.upload(self.make_disk()))
        os.makedirs(self.path_of(server))
        with open(self.path_of(server, 'disk'), 'wb') as out:
            out.write(b'half of a disk')
        self.spawn(server)
        self.assertEqual(power_state.RUNNING, self.driver.get_info(server).state)


class TestCache(base.GuestCase):
    def setUp(self):
        super().setUp()
        self.start_driver()

    def test_many_guests_fetch_an_image_once(self):
        image_id = self.upload(self.make_disk('qcow2'), 'qcow2')
        fetched, download = [], self.driver.image_api.download

        def count(*args, **kwargs):
            fetched.append(1)
            concurrency.sleep(0.2)
            return download(*args, **kwargs)
        self.driver.image_api.download = count
        pool = concurrency.GreenPool(4)
        pool.map(self.spawn, [self.make_server(image_id) for _number in range(4)])
        self.assertEqual(1, len(fetched))

    def test_what_nobody_uses_goes_when_it_is_old(self):
        self.options('image_cache', remove_unused_original_minimum_age_seconds=3600)
        used, unused, lost = (self.upload(self.make_disk()) for _number in range(3))
        server = self.spawn(self.make_server(used))
        # A guest that is in no list has a disk over it all the same.
        self.spawn(self.make_server(lost))
        self.driver.cache_image(self.context, unused)
        self.driver.manage_image_cache(self.context, [server])
        self.assertIsNotNone(imagecache.find(imagecache.name_of(unused)))
        for name in os.listdir(paths.cache()):
            os.utime(paths.cache(name), (1, 1))
        self.driver.manage_image_cache(self.context, [server])
        self.assertEqual([True, False, True], [imagecache.find(imagecache.name_of(image_id)) is not None
                                               for image_id in (used, unused, lost)])


class TestEvents(base.GuestCase):
    def setUp(self):
        super().setUp()
        self.options('libvirt', reconnect_interval=1)
        self.start_driver()

    def libvirtd(self):
        with open(os.path.join(os.environ['NOVA_TEST_DIRECTORY'], 'libvirtd.pid')) as source:
            return int(source.read())

    def transitions(self, server):
        return [seen.get_transition() for seen in self.events if seen.get_instance_uuid() == server.uuid]

    def test_the_driver_survives_a_restart_of_libvirt(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk())))
        for sig in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(sig):
                os.kill(self.libvirtd(), sig)
                self.wait_for(lambda: self.driver.host._connection is None, 'noticing that libvirt is gone')
                with self.assertRaises(exception.HypervisorUnavailable):
                    self.driver.get_info(server)
                self.start_libvirtd()
                self.wait_for(lambda: self.driver.host._connection, 'a new connection')
                self.assertEqual(power_state.RUNNING, self.driver.get_info(server).state)
                self.events.clear()
                self.driver.pause(server)
                self.driver.unpause(server)
                self.wait_for(lambda: event.EVENT_LIFECYCLE_RESUMED in self.transitions(server), 'an event')

    def start_libvirtd(self):
        root = os.environ['NOVA_TEST_DIRECTORY']
        with open(os.path.join(root, 'libvirtd.log'), 'ab') as log:
            daemon = subprocess.Popen(['libvirtd', '--pid-file', os.path.join(root, 'libvirtd.pid')], stdout=log,
                                      stderr=log)
        self.wait_for(lambda: subprocess.run(['virsh', 'list'], capture_output=True, check=False).returncode == 0,
                      'a start of libvirtd')
        return daemon

    def test_the_end_of_a_guest_is_told(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk())))
        pid_file = f'/run/libvirt/qemu/{server.name}.pid'
        with open(pid_file) as source:
            os.kill(int(source.read()), signal.SIGKILL)
        self.wait_for(lambda: event.EVENT_LIFECYCLE_STOPPED in self.transitions(server), 'the event')
        self.assertIn(self.driver.get_info(server).state, (power_state.SHUTDOWN, power_state.CRASHED))

    def test_waiting_for_libvirt_stops_nobody_else(self):
        ticks = []

        def tick():
            while True:
                ticks.append(1)
                concurrency.sleep(0.01)
        ticker = concurrency.spawn(tick)
        sleep = concurrency.native_module('time').sleep
        self.driver.host.call(lambda _connection: sleep(0.5))
        ticker.kill()
        self.assertGreater(len(ticks), 10)

    def test_what_happened_while_nobody_listened_is_told_afterwards(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk())))
        self.wait_for(lambda: event.EVENT_LIFECYCLE_STARTED in self.transitions(server), 'the start')
        self.events.clear()
        os.kill(self.libvirtd(), signal.SIGKILL)
        with open(f'/run/libvirt/qemu/{server.name}.pid') as source:
            os.kill(int(source.read()), signal.SIGKILL)
        time.sleep(0.5)
        self.start_libvirtd()
        self.wait_for(lambda: event.EVENT_LIFECYCLE_STOPPED in self.transitions(server), 'the event')
