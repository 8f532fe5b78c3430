# SPDX-License-Identifier: Apache-2.0
"""Guests whose disks are logical volumes."""

import json
import os
import subprocess

from oslo_utils import units, uuidutils

from nova import exception, objects
from nova.network import model
from nova.tests import lvm_stand_in
from nova.tests.integration.virt import guests_images
from nova.virt import images, power_state
from nova.virt.libvirt import diskinfo, disks, paths

CONF = guests_images.CONF

#: A boot sector that lets the BIOS write it to the second sector as well, and halts.
SECTOR = bytes.fromhex('31c08ec0bb007cb80103b90200b600cd13f4ebfd').ljust(510, b'\0') + b'\x55\xaa'


class LvmCase(guests_images.ImageCase):
    def setUp(self):
        # Devices are seen by the whole machine.
        name = f'nova-{uuidutils.generate_uuid()}'
        self.options('libvirt', images_type='lvm', images_volume_group=name, volume_clear_size=1)
        super().setUp()

    def start_driver(self):
        group = lvm_stand_in.volume_group(CONF.libvirt.images_volume_group, os.path.join(self.directory, 'lvm'), 20480)
        self.group = self.enterContext(group)
        return super().start_driver()

    def names(self, server):
        """What volumes of a server there are."""
        return [name.removeprefix(server.uuid) for name in self.group.names() if name.startswith(server.uuid)]

    def device(self, server, name='disk'):
        return self.group.device(f'{server.uuid}_{name}')

    def begin(self, path, count=3):
        with open(path, 'rb') as content:
            return content.read(count)

    def size(self, path):
        return int(subprocess.run(['blockdev', '--getsize64', path], check=True, capture_output=True).stdout)

    def sources(self, server):
        """{name of a disk: where it is}"""
        return {disk.find('target').get('dev'): (disk.get('type'), disk.find('source').get('dev')
                                                 or os.path.basename(disk.find('source').get('file')))
                for disk in self.document(server).iterfind('devices/disk')}

    def boot(self, content=b'abc', **values):
        """A server whose disk is as large as its image, 8 MiB, by default."""
        image_id = self.upload(self.make_disk('qcow2', content=content), 'qcow2')
        return self.spawn(self.make_server(image_id, **{'root_gb': 0, **values}))


class TestLife(LvmCase):
    def test_disks_are_volumes_and_go_with_the_server(self):
        free = self.driver.get_available_resource('h1')
        self.assertEqual((20, 0, 20), tuple(free[name] for name in ('local_gb', 'local_gb_used',
                                                                    'disk_available_least')))
        server = self.boot(root_gb=1, ephemeral_gb=1, swap=13, config_drive='True', properties={'hw_disk_bus': 'scsi'})
        self.assertEqual(['_disk', '_disk.eph0', '_disk.swap'], self.names(server))
        self.assertEqual({'sda': ('block', self.device(server)), 'sdb': ('block', self.device(server, 'disk.eph0')),
                          'sdc': ('block', self.device(server, 'disk.swap')), 'hdd': ('file', 'disk.config')},
                         self.sources(server))
        driver = self.document(server).find("devices/disk[@type='block']/driver")
        self.assertEqual(('raw', 'none', 'native'), tuple(driver.get(name) for name in ('type', 'cache', 'io')))
        self.assertEqual(b'abc', self.begin(self.device(server)))
        sizes = [units.Gi, units.Gi, 16 * units.Mi]
        self.assertEqual(sizes, [self.size(self.group.device(name)) for name in self.group.names()])
        found = json.loads(self.driver.get_instance_disk_info(server))
        self.assertEqual([(self.device(server), 'raw', units.Gi, units.Gi, 0)], [
            tuple(disk[name] for name in ('path', 'type', 'virt_disk_size', 'disk_size', 'over_committed_disk_size'))
            for disk in found if disk['path'] == self.device(server)])
        taken = self.driver.get_available_resource('h1')
        self.assertEqual((20, 2, 17), tuple(taken[name] for name in ('local_gb', 'local_gb_used',
                                                                     'disk_available_least')))

        self.driver.destroy(self.context, server, model.NetworkInfo())
        self.assertEqual([], self.group.names())
        self.assertFalse(os.path.exists(self.path_of(server)))
        # It was cleared before.
        self.assertEqual(bytes(3), self.begin(self.group.removed / f'{server.uuid}_disk'))
        self.assert_nothing_left(server)

    def test_a_disk_stays_a_volume_whatever_is_configured_later(self):
        server = self.boot(SECTOR)
        self.wait_for(lambda: self.begin(self.device(server), 1024) == 2 * SECTOR, 'a write by the guest')
        self.options('libvirt', images_type='qcow2')
        self.driver.power_off(server)
        self.driver.power_on(self.context, server, model.NetworkInfo())
        self.driver.reboot(self.context, server, model.NetworkInfo(), 'HARD')
        self.assertEqual({'vda': ('block', self.device(server))}, self.sources(server))
        self.assertEqual(2 * SECTOR, self.begin(self.device(server), 1024))
        self.driver.destroy(self.context, server, model.NetworkInfo())
        self.assertEqual([], self.group.names())

    def test_what_fails_leaves_nothing(self):
        big = self.upload(self.make_disk('qcow2', size_mb=1500), 'qcow2')
        for values, error in (({'image_id': big}, exception.BuildAbortException),
                              ({'image_id': self.upload(self.make_disk()), 'swap': 21000}, images.DiskToolFailed)):
            server = self.make_server(**values)
            with self.assertRaisesRegex(error, 'too small|insufficient free space|larger'):
                self.spawn(server)
            self.assertEqual([], self.group.names())
            self.assertFalse(os.path.exists(self.path_of(server)))

    def test_what_a_build_that_died_has_left_goes(self):
        image_id = self.upload(self.make_disk(content=b'abc'))
        half = self.make_server(image_id)
        os.makedirs(self.path_of(half))
        for name in ('disk', 'disk.eph0'):
            subprocess.run(['lvcreate', '--yes', '--size', '8388608b', '--name', f'{half.uuid}_{name}',
                            self.group.name], check=True)
        self.assertTrue(self.driver.delete_instance_files(half))
        self.assertEqual([], self.group.names())

    def test_sparse_volumes_take_what_is_written(self):
        self.options('libvirt', sparse_logical_volumes=True)
        server = self.boot(ephemeral_gb=19)
        self.assertEqual(b'abc', self.begin(self.device(server)))
        found = json.loads(self.driver.get_instance_disk_info(server))
        self.assertEqual([8 * units.Mi, 19 * units.Gi], [disk['virt_disk_size'] for disk in found])
        self.assertLess(sum(disk['disk_size'] for disk in found), units.Gi)
        self.assertEqual((0, 0), tuple(self.driver.get_available_resource('h1')[name]
                                       for name in ('local_gb_used', 'disk_available_least')))
        self.driver.destroy(self.context, server, model.NetworkInfo())
        self.assertEqual([], list(self.group.files.iterdir()))

    def test_a_group_that_is_not_there_stops_the_service(self):
        for name, reason in (('no-such', 'not found'), ('', 'needs the name'), ('-x', 'no name of a volume group')):
            self.options('libvirt', images_volume_group=name)
            with self.assertRaisesRegex(exception.ConfigInvalid, f'images_volume_group.*{reason}'):
                self.driver.init_host('h1')
        self.options('libvirt', images_volume_group=self.group.name)


class TestImages(LvmCase):
    def test_snapshots(self):
        server = self.boot(SECTOR)
        self.wait_for(lambda: self.begin(self.device(server), 1024) == 2 * SECTOR, 'a write by the guest')
        for state in (power_state.RUNNING, power_state.SHUTDOWN):
            for disk_format in (None, 'qcow2'):
                with self.subTest(state=power_state.STATE_MAP[state], disk_format=disk_format):
                    self.options('libvirt', snapshot_image_format=disk_format)
                    image_id = self.snapshot(server)
                    self.assertEqual((8 * units.Mi, 2 * SECTOR), self.begin_of(image_id, disk_format or 'raw',
                                                                                    1024))
                    self.assertEqual(state, self.driver.get_info(server).state)
                    self.assert_nothing_in_the_workshop()
            self.driver.power_off(server)

    def test_rescue(self):
        server = self.boot()
        self.driver.power_off(server)
        image_id = self.upload(self.make_disk(content=b'aid'))
        for _again in range(2):
            self.driver.rescue(self.context, server, model.NetworkInfo(), self.meta(image_id), 'secret')
            self.assertEqual({'vda': ('block', self.device(server, 'disk.rescue')),
                              'vdb': ('block', self.device(server))}, self.sources(server))
            self.assertEqual(b'aid', self.begin(self.device(server, 'disk.rescue')))
        self.driver.unrescue(server, model.NetworkInfo())
        self.assertEqual({'vda': ('block', self.device(server))}, self.sources(server))
        self.assertEqual(['_disk'], self.names(server))


class TestMoves(LvmCase):
    def send(self, server, dest, **sizes):
        flavor = objects.Flavor(**{'root_gb': 1, 'ephemeral_gb': 0, 'swap': 0, **sizes})
        return flavor, self.driver.migrate_disk_and_power_off(self.context, server, dest, flavor, model.NetworkInfo())

    def finish(self, server, flavor, sent):
        server.flavor.root_gb = flavor.root_gb
        self.driver.finish_migration(self.context, None, server, sent, model.NetworkInfo(), server.image_meta, True)

    def test_they_stay_on_their_host(self):
        server = self.boot()
        with self.assertRaises(exception.InstanceFaultRollback) as raised:
            self.send(server, '192.0.2.99')
        self.assertIsInstance(raised.exception.inner_exception, disks.DisksStay)
        self.assertEqual(power_state.RUNNING, self.driver.get_info(server).state)
        other = {'host': 'h2', 'instances_path': os.path.abspath(CONF.instances_path), 'mark': 'none',
                 'wants_block': None, 'disk_over_commit': False, 'free_bytes': units.Ti, 'promised_gb': None}
        with self.assertRaisesRegex(exception.MigrationPreCheckError, 'cannot move'):
            self.driver.check_can_live_migrate_source(self.context, server, other)

    def test_resize_on_the_host_and_back(self):
        for sparse, end in ((False, 'reverted'), (True, 'confirmed')):
            with self.subTest(end):
                self.options('libvirt', sparse_logical_volumes=sparse)
                server = self.boot()
                self.finish(server, *self.send(server, CONF.my_ip))
                self.assertEqual(['_disk', '_resize_disk'], self.names(server))
                self.assertEqual({'vda': ('block', self.device(server))}, self.sources(server))
                self.assertEqual((units.Gi, 8 * units.Mi), (self.size(self.device(server)), self.size(
                    self.group.device(f'{server.uuid}_resize_disk'))))
                self.assertEqual(units.Gi, diskinfo.of(server)[paths.ROOT].size)
                self.assertEqual(b'abc', self.begin(self.device(server)))
                getattr(self, f'be_{end}')(server)
                self.assertEqual(['_disk'], self.names(server))
                self.assertEqual(power_state.RUNNING, self.driver.get_info(server).state)
                self.driver.destroy(self.context, server, model.NetworkInfo())
                self.assertEqual([], list(self.group.files.iterdir()))

    def be_confirmed(self, server):
        self.driver.confirm_migration(None, server, model.NetworkInfo())
        self.assertEqual(units.Gi, self.size(self.device(server)))

    def be_reverted(self, server):
        server.flavor.root_gb = 0
        self.driver.destroy(self.context, server, model.NetworkInfo())
        self.assertEqual(['_resize_disk'], self.names(server))
        self.driver.finish_revert_migration(self.context, server, model.NetworkInfo())
        self.assertEqual(8 * units.Mi, self.size(self.device(server)))
