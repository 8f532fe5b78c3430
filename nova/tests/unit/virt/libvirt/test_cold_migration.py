# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import unittest
from unittest import mock

from oslo_serialization import jsonutils
from oslo_utils import uuidutils

from nova import exception, objects
from nova.privsep import lvm
from nova.privsep import tpm as privileged_tpm
from nova.tests import lvm_stand_in
from nova.tests.unit.virt.libvirt import base
from nova.virt import images
from nova.virt.libvirt import cold_migration, diskinfo, disks, errors, imagecache, leftovers, lifecycle, paths, tpm

MIB, GIB = 1 << 20, 1 << 30


class MovesCase(base.LibvirtCase):
    """With real disks, and without a hypervisor."""

    def setUp(self):
        super().setUp()
        self.options(host='h1', my_ip='192.0.2.1')
        self.instance = base.make_server(power_state=1)
        self.guest = mock.Mock()
        for name, stand_in in (('libvirt_guest.Guest', mock.Mock(return_value=self.guest)),
                               ('lifecycle.destroy', mock.Mock()), ('lifecycle.make_here', mock.Mock()),
                               ('power.power_off', mock.Mock())):
            patch = mock.patch.object(*_target(name), stand_in)
            patch.start()
            self.addCleanup(patch.stop)
        self.give_disk('disk', diskinfo.DiskInfo('raw', MIB), b'root')
        disks.take(self.instance)

    def give_disk(self, name, info, content):
        os.makedirs(paths.of(self.instance), exist_ok=True)
        with open(paths.of(self.instance, name), 'wb') as out:
            out.write(content)
            out.truncate(info.size)
        diskinfo.record(self.instance, name, info)

    def content(self, path, count=4):
        with open(path, 'rb') as file:
            return file.read(count)

    def send(self, dest='192.0.2.1', bdi=None, **sizes):
        flavor = objects.Flavor(**{'root_gb': 1, 'ephemeral_gb': 0, 'swap': 0, **sizes})
        return cold_migration.send(mock.Mock(), mock.Mock(), self.context, self.instance, dest, flavor, bdi)


class TestMoves(MovesCase):
    def test_in_place_there_are_two_of_each_disk_until_the_user_is_content(self):
        sent = self.send()
        self.assertEqual((b'root', b'root'), (self.content(paths.of(self.instance, 'disk')),
                                              self.content(paths.kept(self.instance, 'disk'))))
        request = mock.Mock(instance=self.instance)
        cold_migration.finish(mock.Mock(), mock.Mock(), request, sent, False, True)
        self.assertEqual({'disk': diskinfo.DiskInfo('raw', MIB)}, diskinfo.of(self.instance))
        self.assertEqual('h1', disks.host_of(self.instance))
        cold_migration.confirm(self.instance)
        self.assertFalse(os.path.exists(paths.kept(self.instance)))
        cold_migration.confirm(self.instance)

    def test_back_again_there_is_what_was_kept(self):
        self.send()
        with open(paths.of(self.instance, 'disk'), 'r+b') as file:
            file.write(b'else')
        for _twice in range(2):
            cold_migration.finish_revert(mock.Mock(), mock.Mock(), mock.Mock(instance=self.instance), True)
            self.assertEqual(b'root', self.content(paths.of(self.instance, 'disk')))
        self.assertFalse(os.path.exists(paths.kept(self.instance)))

    def test_sending_may_be_repeated_at_any_point(self):
        self.send()
        # The copy is half done.
        os.truncate(paths.of(self.instance, 'disk'), 2)
        self.assertEqual(MIB, jsonutils.loads(self.send())['disks']['disk']['file_size'])
        self.assertEqual(b'root', self.content(paths.of(self.instance, 'disk')))

    def test_what_an_old_move_kept_is_not_sent(self):
        os.makedirs(paths.kept(self.instance))
        with open(paths.kept(self.instance, 'disk'), 'wb') as out:
            out.write(b'old')
        self.send()
        self.assertEqual(b'root', self.content(paths.kept(self.instance, 'disk')))

    def test_when_it_cannot_be_sent_the_server_is_as_it_was(self):
        with mock.patch.object(cold_migration.transfer, 'copy_file', side_effect=OSError('no space')), \
                self.assertRaises(exception.InstanceFaultRollback) as raised:
            self.send()
        self.assertIn('no space', str(raised.exception.inner_exception))
        self.assertEqual(b'root', self.content(paths.of(self.instance, 'disk')))
        self.assertFalse(os.path.exists(paths.kept(self.instance)))
        self.assertEqual('h1', disks.host_of(self.instance))
        self.guest.start.assert_called_once_with()

    def test_what_an_old_move_kept_does_not_come_back(self):
        os.makedirs(paths.kept(self.instance))
        with open(paths.kept(self.instance, 'disk'), 'wb') as out:
            out.write(b'old')
        with mock.patch.object(cold_migration.power, 'power_off', side_effect=errors.LibvirtError(reason='no')), \
                self.assertRaises(exception.InstanceFaultRollback):
            self.send()
        self.assertEqual(b'root', self.content(paths.of(self.instance, 'disk')))

    def test_one_that_was_off_stays_off(self):
        self.instance.trust('power_state', 4)
        with mock.patch.object(cold_migration.lifecycle, 'destroy', side_effect=errors.LibvirtError(reason='no')), \
                self.assertRaises(exception.InstanceFaultRollback):
            self.send()
        self.guest.start.assert_not_called()

    def test_disks_do_not_become_smaller(self):
        for sizes, text in (({'root_gb': 0}, 'the root disk has 1 GiB, the flavor 0'),
                            ({'ephemeral_gb': 1}, 'the ephemeral disks have 2 GiB, the flavor 1')):
            self.instance.flavor.trust('ephemeral_gb', 2)
            with self.subTest(text), self.assertRaises(exception.InstanceFaultRollback) as raised:
                self.send(**{'ephemeral_gb': 2, **sizes})
            self.assertIn(text, str(raised.exception.inner_exception))
            self.assertTrue(os.path.exists(paths.of(self.instance, 'disk')))

    def test_what_has_grown_does_not_become_smaller_either(self):
        self.give_disk('disk.eph0', diskinfo.DiskInfo('raw', 3 * GIB, content='ext4'), b'')
        with self.assertRaisesRegex(exception.InstanceFaultRollback, 'the ephemeral disks have 3 GiB, the flavor 2'):
            self.send(ephemeral_gb=2)

    def test_a_server_without_disks_of_its_own_arrives(self):
        for _twice in range(2):
            cold_migration.finish(mock.Mock(), mock.Mock(), mock.Mock(instance=base.make_server()),
                                  '{"disks": {}, "packed": true}', False, True)
        self.assertEqual(2, cold_migration.lifecycle.make_here.call_count)

    def test_volumes_in_files_go_where_they_are_seen(self):
        volumes = {'block_device_mapping': [{'connection_info': {
            'driver_volume_type': 'file', 'serial': 'a-volume', 'data': {'device_path': '/volumes/v'}}}]}
        self.send(bdi=volumes)
        with mock.patch.object(cold_migration.remote, 'Remote') as remote:
            other = remote.return_value.__enter__.return_value
            other.address = '192.0.2.2'
            other.shares.return_value = False
            cold_migration.power.power_off.reset_mock()
            with self.assertRaisesRegex(exception.InstanceFaultRollback, 'Volume a-volume is in /volumes/v'):
                self.send(dest='192.0.2.2', bdi=volumes)
            # Before anything was done to the guest.
            cold_migration.power.power_off.assert_not_called()
            other.shares.return_value = True
            self.send(dest='192.0.2.2', bdi=volumes)

    def test_a_disk_whose_image_is_gone_is_sent_whole(self):
        base_path = self.cache('shelved', b'below')
        images.create(paths.of(self.instance, 'disk'), 'qcow2', MIB, base_path, 'raw')
        diskinfo.record(self.instance, 'disk', diskinfo.DiskInfo('qcow2', MIB, 'shelved', 'raw'))
        self.assertIsNone(jsonutils.loads(self.send())['disks']['disk']['base'])
        os.unlink(base_path)
        images.convert(paths.of(self.instance, 'disk'), 'qcow2', os.path.join(self.directory, 'raw'), 'raw')
        self.assertEqual(b'below', self.content(os.path.join(self.directory, 'raw'), 5))
        self.assertEqual(['disk', 'disk.info', 'host'], sorted(os.listdir(paths.kept(self.instance))))

    def cache(self, name, content):
        os.makedirs(paths.cache(), exist_ok=True)
        images.create(paths.cache(name), 'raw', MIB)
        with open(paths.cache(name), 'r+b') as file:
            file.write(content)
        diskinfo.write_file(paths.cache(f'{name}.json'), jsonutils.dumps({'format': 'raw', 'virtual_size': MIB}))
        return paths.cache(name)

    def test_a_guest_whose_image_is_gone_everywhere_is_left_alone(self):
        self.give_disk('disk', diskinfo.DiskInfo('qcow2', MIB, imagecache.name_of(self.instance.image_ref), 'raw'), b'')
        with mock.patch.object(imagecache, 'fetch', side_effect=exception.ImageNotFound(image_id='x')), \
                self.assertRaisesRegex(exception.InstanceFaultRollback, 'could not be found'):
            self.send()
        cold_migration.power.power_off.assert_not_called()
        # Of another one that has come back nothing would be right.
        with mock.patch.object(imagecache, 'fetch', return_value=imagecache.Cached('another', 'raw', MIB)), \
                self.assertRaisesRegex(exception.InstanceFaultRollback, 'came back as another'):
            self.send()
        cold_migration.power.power_off.assert_not_called()
        self.assertFalse(os.path.exists(paths.kept(self.instance)))

    def test_an_image_that_is_there_is_not_sent(self):
        info = diskinfo.DiskInfo('qcow2', MIB, imagecache.name_of(self.instance.image_ref), 'raw')
        api = mock.Mock()
        for status, expected in (('active', True), ('deleted', False)):
            api.get.return_value = {'status': status}
            self.assertIs(expected, cold_migration.can_be_fetched(api, self.context, self.instance, info))
        api.get.return_value = {'status': 'active'}
        api.data_path.side_effect = exception.ImageNotFound(image_id='x')
        self.assertFalse(cold_migration.can_be_fetched(api, self.context, self.instance, info), 'its store lost it')
        api.data_path.side_effect = None
        api.get.side_effect = exception.ImageNotFound(image_id='x')
        self.assertFalse(cold_migration.can_be_fetched(api, self.context, self.instance, info))
        empty = diskinfo.DiskInfo('qcow2', MIB, 'ephemeral_1_ext4', 'raw')
        self.assertTrue(cold_migration.can_be_fetched(None, self.context, self.instance, empty))

    def test_disks_grow_and_swap_is_made_anew(self):
        self.give_disk('disk.swap', diskinfo.DiskInfo('raw', 16 * MIB, content='swap'), b'')
        self.give_disk('disk.eph0', diskinfo.DiskInfo('raw', 16 * MIB, content='ext4'), b'eph')
        sent = self.send(root_gb=1, ephemeral_gb=1, swap=32)
        for name, value in (('root_gb', 1), ('ephemeral_gb', 1), ('swap', 32)):
            self.instance.flavor.trust(name, value)
        request = mock.Mock(instance=self.instance, block_device_info=None)
        cold_migration.finish(mock.Mock(), mock.Mock(), request, sent, True, True)
        # Called when all disks are there.
        cold_migration.lifecycle.make_here.call_args.kwargs['before_start']()
        known = diskinfo.of(self.instance)
        self.assertEqual({'disk': GIB, 'disk.eph0': GIB}, {name: info.size for name, info in known.items()})
        self.assertEqual(GIB, os.path.getsize(paths.of(self.instance, 'disk.eph0')))
        self.assertEqual(b'eph', self.content(paths.of(self.instance, 'disk.eph0'), 3))


@unittest.skipUnless(lvm_stand_in.works(), 'needs root, and loop devices')
class TestVolumes(MovesCase):
    """The root disk is a logical volume."""

    def give_disk(self, name, info, content):
        vg = f'nova-{uuidutils.generate_uuid()}'
        self.group = self.enterContext(lvm_stand_in.volume_group(vg, os.path.join(self.directory, 'lvm'), 3000))
        info = diskinfo.DiskInfo('raw', lvm.create(vg, f'{self.instance.uuid}_disk', 4 * MIB, False), group=vg)
        os.makedirs(paths.of(self.instance))
        diskinfo.record(self.instance, name, info)
        with open(self.own, 'wb') as out:
            out.write(content)

    @property
    def own(self):
        return self.group.device(f'{self.instance.uuid}_disk')

    @property
    def kept(self):
        return self.group.device(f'{self.instance.uuid}_resize_disk')

    def names(self):
        return [name.removeprefix(self.instance.uuid) for name in self.group.names()]

    def assert_as_it_was(self):
        self.assertEqual((['_disk'], b'root'), (self.names(), self.content(self.own)))
        self.assertFalse(os.path.exists(paths.kept(self.instance)))

    def test_in_place_there_are_two_of_each_disk_until_the_user_is_content(self):
        sent = self.send()
        self.assertEqual((b'root', b'root'), (self.content(self.own), self.content(self.kept)))
        cold_migration.finish(mock.Mock(), mock.Mock(), mock.Mock(instance=self.instance), sent, False, True)
        self.assertEqual({'disk': diskinfo.DiskInfo('raw', 4 * MIB, group=self.group.name)}, diskinfo.of(self.instance))
        for _again in range(2):
            cold_migration.confirm(self.instance)
            self.assertEqual(['_disk'], self.names())

    def test_back_again_there_is_what_was_kept(self):
        self.send()
        with open(self.own, 'r+b') as disk:
            disk.write(b'else')
        for _twice in range(2):
            cold_migration.finish_revert(mock.Mock(), mock.Mock(), mock.Mock(instance=self.instance), True)
            self.assert_as_it_was()

    def test_sending_may_be_repeated_at_any_point(self):
        for tool in ('rename', 'create', 'take'):
            with self.subTest(tool), mock.patch.object(lvm, tool, side_effect=KeyboardInterrupt), \
                    mock.patch.object(cold_migration, '_go_back'), self.assertRaises(KeyboardInterrupt):
                self.send()
            self.send()
            self.assertEqual((b'root', b'root'), (self.content(self.own), self.content(self.kept)))
            cold_migration.finish_revert(mock.Mock(), mock.Mock(), mock.Mock(instance=self.instance), True)
            self.assert_as_it_was()

    def test_what_was_cut_off_is_put_back(self):
        for tool in ('rename', 'create', 'take'):
            with self.subTest(tool), mock.patch.object(lvm, tool, side_effect=KeyboardInterrupt), \
                    mock.patch.object(cold_migration, '_go_back'), self.assertRaises(KeyboardInterrupt):
                self.send()
            cold_migration._go_back(mock.Mock(), self.instance, None)
            self.assert_as_it_was()

    def test_what_an_old_move_kept_is_not_sent(self):
        os.makedirs(paths.kept(self.instance))
        lvm.create(self.group.name, f'{self.instance.uuid}_resize_disk', MIB, False)
        self.send()
        self.assertEqual(b'root', self.content(self.kept))

    def test_when_it_cannot_be_sent_the_server_is_as_it_was(self):
        lvm.create(self.group.name, f'{base.make_server().uuid}_disk', 2996 * MIB, False)
        with self.assertRaisesRegex(exception.InstanceFaultRollback, 'insufficient free space'):
            self.send()
        self.assertEqual(b'root', self.content(self.own))
        self.assertFalse(os.path.exists(paths.kept(self.instance)))
        self.guest.start.assert_called_once_with()

    def test_they_do_not_leave_their_host(self):
        with self.assertRaisesRegex(exception.InstanceFaultRollback, 'are volumes in volume group'):
            self.send(dest='192.0.2.2')
        cold_migration.power.power_off.assert_not_called()

    def test_a_disk_grows_once(self):
        sent = self.send(root_gb=1)
        request = mock.Mock(instance=self.instance, block_device_info=None)
        cold_migration.finish(mock.Mock(), mock.Mock(), request, sent, True, True)
        grow = cold_migration.lifecycle.make_here.call_args.kwargs['before_start']
        grow()
        before = diskinfo.of(self.instance)
        self.assertEqual(GIB, before['disk'].size)
        # Cut off before that was recorded.
        diskinfo.record(self.instance, 'disk', diskinfo.of_size(before['disk'], 4 * MIB))
        grow()
        self.assertEqual(before, diskinfo.of(self.instance))


class TestBeside(base.LibvirtCase):
    """What a server keeps beside its disks."""

    def setUp(self):
        super().setUp()
        self.options(host='h1', my_ip='192.0.2.1')
        self.instance = base.make_server(power_state=4)
        self.guest = mock.Mock()
        self.states = os.path.join(self.directory, 'swtpm')
        for patch in (mock.patch.object(privileged_tpm, 'STATES', self.states),
                      mock.patch.object(cold_migration.libvirt_guest, 'Guest', mock.Mock(return_value=self.guest)),
                      mock.patch.object(cold_migration.power, 'power_off'),
                      mock.patch.object(lifecycle, 'destroy', self.destroy),
                      mock.patch.object(lifecycle, 'make_here', self.make)):
            patch.start()
            self.addCleanup(patch.stop)
        os.makedirs(paths.of(self.instance))
        disks.take(self.instance)
        self.write(paths.of(self.instance, 'variables'), b'boot order')
        self.write(self.state(), b'a key')

    def state(self, kind='tpm2', name='tpm2-00.permall'):
        return os.path.join(self.states, self.instance.uuid, kind, name)

    def write(self, path, content):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as out:
            out.write(content)

    def read(self, path):
        with open(path, 'rb') as file:
            return file.read()

    def destroy(self, _host, instance, keep_state=False):
        """libvirt removes the state with the guest."""
        if keep_state:
            tpm.keep(instance)
        shutil.rmtree(os.path.join(self.states, instance.uuid), ignore_errors=True)

    def make(self, _host, _image_api, request, _power_on, version='2.0', **_more):
        tpm.give_back(request.instance, version)

    def finish(self, sent):
        cold_migration.finish(None, None, mock.Mock(instance=self.instance), sent, False, False)

    def test_it_goes_with_the_disks_and_comes_back(self):
        sent = self.send()
        self.assertFalse(os.path.exists(self.state()))
        self.assertEqual({'variables': 10, 'tpm2-00.permall': 5}, jsonutils.loads(sent)['beside'])
        for _twice in range(2):
            self.finish(sent)
            self.assertEqual(b'a key', self.read(self.state()))
            self.assertEqual(b'boot order', self.read(paths.of(self.instance, 'variables')))
        self.assertEqual(0o600, os.stat(paths.of(self.instance, 'tpm2-00.permall')).st_mode & 0o777)
        # It ran there, and is sent for again.
        self.write(self.state(), b'another key')
        self.write(paths.of(self.instance, 'variables'), b'another')
        tpm.forget(self.instance)
        self.destroy(None, self.instance)
        cold_migration.finish_revert(None, None, mock.Mock(instance=self.instance), True)
        self.assertEqual(b'a key', self.read(self.state()))
        self.assertEqual(b'boot order', self.read(paths.of(self.instance, 'variables')))

    def send(self):
        flavor = objects.Flavor(root_gb=1, ephemeral_gb=0, swap=0)
        return cold_migration.send(None, mock.Mock(), self.context, self.instance, '192.0.2.1', flavor, None)

    def test_over_the_wire_too(self):
        other = mock.Mock()
        other.shares.return_value = False
        arrived = {}
        other.send = lambda files, _directory: arrived.update(
            {name + paths.MOVING: self.read(path) for name, path in files.items()})
        with mock.patch.object(cold_migration.remote, 'Remote') as remote:
            remote.return_value.__enter__.return_value = other
            flavor = objects.Flavor(root_gb=1, ephemeral_gb=0, swap=0)
            sent = cold_migration.send(None, mock.Mock(), self.context, self.instance, '192.0.2.2', flavor, None)
        self.assertEqual({'variables.moving', 'tpm2-00.permall.moving'}, set(arrived))
        for name, content in arrived.items():
            self.write(paths.of(self.instance, name), b'\0' * 65536 + content)
        self.finish(sent)
        self.assertEqual(b'a key', self.read(self.state()))
        self.assertEqual(b'boot order', self.read(paths.of(self.instance, 'variables')))

    def test_sending_that_was_cut_off_after_the_guest_went_loses_nothing(self):
        self.send()
        self.finish(self.send())
        self.assertEqual(b'a key', self.read(self.state()))

    def test_when_it_cannot_be_sent_no_copy_stays(self):
        with mock.patch.object(cold_migration.transfer, 'copy_file', side_effect=OSError('no space')), \
                self.assertRaises(exception.InstanceFaultRollback):
            self.send()
        self.assertEqual(b'a key', self.read(self.state()))
        self.assertEqual(['host', 'variables'], sorted(os.listdir(paths.of(self.instance))))

    def test_a_state_that_is_there_is_newer_than_the_copy(self):
        tpm.keep(self.instance)
        self.write(self.state(), b'newer')
        tpm.give_back(self.instance, '2.0')
        self.assertEqual(b'newer', self.read(self.state()))

    def test_a_module_of_another_version_begins_anew(self):
        tpm.keep(self.instance)
        self.destroy(None, self.instance)
        tpm.give_back(self.instance, None)
        tpm.give_back(self.instance, '1.2')
        self.assertFalse(os.path.exists(self.states) and os.listdir(self.states))

    def test_root_touches_nothing_else(self):
        uuid, name = self.instance.uuid, 'tpm2-00.permall'
        for wrong in ('..', '', f'../{uuid}', '/etc'):
            with self.assertRaises(ValueError):
                privileged_tpm.copy_out(uuid, wrong)
        for wrong_uuid in ('..', '/etc', uuid.upper()):
            with self.assertRaises(ValueError):
                privileged_tpm.copy_in(wrong_uuid, name)
        with self.assertRaises(ValueError):
            privileged_tpm.copy_in(uuid, '../../passwd')
        self.destroy(None, self.instance)
        os.symlink('/etc/passwd', paths.of(self.instance, name))
        with self.assertRaises(ValueError):
            privileged_tpm.copy_in(uuid, name)
        os.unlink(paths.of(self.instance, name))
        os.mkdir(paths.of(self.instance, name))
        with self.assertRaises(ValueError):
            privileged_tpm.copy_in(uuid, name)


class TestOwners(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        self.options(host='h1')
        self.instance = base.make_server()
        os.makedirs(paths.of(self.instance))

    def test_files_of_another_host_stay(self):
        disks.take(self.instance, 'h2')
        self.assertTrue(disks.are_elsewhere(self.instance))
        self.assertTrue(disks.remove(self.instance))
        self.assertTrue(os.path.isdir(paths.of(self.instance)))
        disks.take(self.instance)
        self.assertTrue(disks.remove(self.instance))
        self.assertFalse(os.path.isdir(paths.of(self.instance)))

    def test_leftovers_are_those_of_this_host(self):
        host = mock.Mock(list_uuids=mock.Mock(return_value=[]))
        other = base.make_server()
        os.makedirs(paths.kept(other))
        self.assertEqual({(self.instance.uuid, 'disk'), (other.uuid, 'file')},
                         {(found['uuid'], found['kind']) for found in leftovers.find(host, set())})
        disks.take(self.instance, 'h2')
        self.assertEqual([other.uuid], [found['uuid'] for found in leftovers.find(host, set())])
        self.assertEqual([], leftovers.find(host, {other.uuid}))


def _target(name):
    module, attribute = name.split('.')
    return getattr(cold_migration, module), attribute


if __name__ == '__main__':
    unittest.main()
