# SPDX-License-Identifier: Apache-2.0
import json
import os
import tempfile
import unittest
from unittest import mock

from oslo_concurrency import processutils
from oslo_utils import uuidutils

from nova import conf, privsep
from nova.privsep import lvm
from nova.tests import lvm_stand_in

CONF = conf.CONF
DISK = '11111111-2222-4333-8444-555555555555_disk'
KEPT = '11111111-2222-4333-8444-555555555555_resize_disk'
MIB = 1 << 20


class LvmCase(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            privsep.sys_admin_pctxt.set_client_mode(False)
            self.addCleanup(privsep.sys_admin_pctxt.set_client_mode, True)

    def options(self, **values):
        for name, value in values.items():
            CONF.set_override(name, value, 'libvirt')
            self.addCleanup(CONF.clear_override, name, 'libvirt')


class TestCommands(LvmCase):
    """What the tools are told."""

    def setUp(self):
        super().setUp()
        self.run = self.enterContext(mock.patch.object(processutils, 'execute', side_effect=self.answer))
        self.volumes = {}
        self.exists = self.enterContext(mock.patch.object(os.path, 'exists', return_value=True))

    def answer(self, tool, *_args, **_how):
        if tool != 'lvs':
            return '', ''
        return json.dumps({'report': [{'lv': [
            {'lv_name': name, 'lv_size': str(size), 'data_percent': percent, 'pool_lv': pool}
            for name, (size, percent, pool) in self.volumes.items()]}]}), ''

    def have(self, **volumes):
        self.volumes = {name.replace('DISK', DISK).replace('KEPT', KEPT): value for name, value in volumes.items()}

    def told(self):
        return [list(call.args) for call in self.run.call_args_list if call.args[0] not in ('lvs', 'vgs')]

    def test_a_volume_has_whole_sectors_and_the_size_that_it_got(self):
        self.have(DISK=(4 * MIB, '', ''))
        self.assertEqual(4 * MIB, lvm.create('vg', DISK, 1000, False))
        self.assertEqual([['lvcreate', '--yes', '--wipesignatures', 'y', '--size', '1024b', '--name', DISK, 'vg']],
                         self.told())

    def test_a_sparse_volume_has_a_pool_of_its_own(self):
        self.have(DISK=(4 * MIB, '0.00', f'{DISK}_pool'))
        lvm.create('vg', DISK, 4 * MIB, True)
        self.assertEqual([['lvcreate', '--yes', '--type', 'thin', '--size', '67108864b', '--virtualsize', '4194304b',
                           '--thinpool', f'{DISK}_pool', '--name', DISK, 'vg']], self.told())

    def test_a_volume_grows_once(self):
        self.have(DISK=(4 * MIB, '', ''))
        lvm.extend('vg', DISK, 4 * MIB + 1)
        self.assertEqual([['lvextend', '--size', f'{4 * MIB + 512}b', f'vg/{DISK}']], self.told())
        self.run.reset_mock()
        self.assertEqual(4 * MIB, lvm.extend('vg', DISK, 4 * MIB))
        self.assertEqual([], self.told())

    def test_a_pool_is_renamed_before_its_volume(self):
        self.have(DISK=(MIB, '1', f'{DISK}_pool'), DISK_pool=(MIB, '1', ''))
        lvm.rename('vg', DISK, KEPT)
        self.assertEqual([['lvrename', 'vg', f'{DISK}_pool', f'{KEPT}_pool'], ['lvrename', 'vg', DISK, KEPT]],
                         self.told())

    def test_content_is_cleared_as_configured(self):
        self.have(DISK=(8 * MIB, '', ''))
        path, last = f'/dev/vg/{DISK}', ['lvremove', '-f', f'vg/{DISK}']
        for clear, size_mb, expected in (
                ('zero', 0, [['dd', 'if=/dev/zero', f'of={path}', 'bs=1M', f'count={8 * MIB}', 'iflag=count_bytes',
                              'oflag=direct', 'conv=nocreat,fdatasync', 'status=none']]),
                ('zero', 100, [['dd', 'if=/dev/zero', f'of={path}', 'bs=1M', f'count={8 * MIB}', 'iflag=count_bytes',
                                'oflag=direct', 'conv=nocreat,fdatasync', 'status=none']]),
                ('shred', 1, [['shred', f'--size={MIB}', path]]), ('none', 0, [])):
            with self.subTest(clear=clear, size_mb=size_mb):
                self.options(volume_clear=clear, volume_clear_size=size_mb)
                self.run.reset_mock()
                lvm.remove('vg', DISK)
                self.assertEqual([*expected, last], self.told())

    def test_what_is_out_of_sight_is_cleared_too(self):
        self.have(DISK=(8 * MIB, '', ''))
        self.exists.return_value = False
        self.options(volume_clear='shred')
        lvm.remove('vg', DISK)
        self.assertEqual([['lvchange', '--activate', 'y', f'vg/{DISK}'],
                          ['shred', f'--size={8 * MIB}', f'/dev/vg/{DISK}'], ['lvremove', '-f', f'vg/{DISK}']],
                         self.told())

    def test_a_sparse_volume_goes_with_its_pool_and_is_not_cleared(self):
        for volumes in ({'DISK': (MIB, '1', f'{DISK}_pool'), 'DISK_pool': (MIB, '1', '')},
                        {'DISK_pool': (MIB, '1', '')}):
            self.have(**volumes)
            self.run.reset_mock()
            self.assertEqual([DISK], list(lvm.volumes('vg')))
            lvm.remove('vg', DISK)
            self.assertEqual([['lvremove', '-f', f'vg/{DISK}_pool']], self.told())

    def test_what_is_not_there_is_removed_already(self):
        lvm.remove('vg', DISK)
        self.assertEqual([], self.told())

    def test_only_disks_of_servers_are_seen_and_touched(self):
        self.have(DISK=(8 * MIB, '', ''), KEPT=(8 * MIB, '', ''), home=(MIB, '', ''),
                  sparse=(MIB, '50', 'pool'), pool=(MIB, '', ''))
        self.assertEqual({DISK, KEPT}, set(lvm.volumes('vg')))
        for group, name in (('vg', 'home'), ('vg', f'{DISK}/../home'), ('vg', f'{DISK}\n'), ('vg', f'../{DISK}'),
                            ('vg', f'{DISK}_pool'), ('vg', None), ('-f', DISK), ('..', DISK), ('a/b', DISK),
                            ('', DISK), ('a b', DISK), (128 * 'v', DISK), (None, DISK)):
            for function in (lambda *name: lvm.create(*name, MIB, False), lambda *name: lvm.extend(*name, MIB),
                             lambda *name: lvm.rename(*name, KEPT), lvm.take, lvm.remove):
                with self.subTest(group=group, name=name), self.assertRaises(ValueError):
                    function(group, name)
        with self.assertRaises(ValueError):
            lvm.rename('vg', DISK, 'home')
        for function in (lvm.space, lvm.volumes):
            with self.assertRaises(ValueError):
                function('-f')
        self.assertEqual([], self.told())

    def test_what_sparse_volumes_take(self):
        self.have(DISK=(8 * MIB, '25.00', 'pool'), KEPT=(8 * MIB, '', ''))
        self.assertEqual({DISK: {'size': 8 * MIB, 'taken': 2 * MIB, 'is_sparse': True},
                          KEPT: {'size': 8 * MIB, 'taken': 8 * MIB, 'is_sparse': False}}, lvm.volumes('vg'))

    def test_space(self):
        self.run.side_effect = None
        self.run.return_value = ('  415236096 402653184\n', '')
        self.assertEqual([415236096, 402653184], lvm.space('vg'))
        self.assertEqual(('vgs', '--units', 'b', '--nosuffix', '--noheadings', '-o', 'vg_size,vg_free', 'vg'),
                         self.run.call_args.args)


@unittest.skipUnless(lvm_stand_in.works(), 'needs root, and loop devices')
class TestDevices(LvmCase):
    """With devices."""

    def setUp(self):
        super().setUp()
        directory = self.enterContext(tempfile.TemporaryDirectory())
        CONF.set_override('instances_path', directory)
        self.addCleanup(CONF.clear_override, 'instances_path')
        os.chown(directory, 12345, 12346)
        self.vg = f'nova-{uuidutils.generate_uuid()}'
        self.group = self.enterContext(lvm_stand_in.volume_group(self.vg, os.path.join(directory, 'lvm'), 100))

    def test_a_volume_comes_grows_is_cleared_and_goes(self):
        self.assertEqual(8 * MIB, lvm.create(self.vg, DISK, 5 * MIB, False))
        self.assertEqual([100 * MIB, 92 * MIB], lvm.space(self.vg))
        self.assertEqual(12 * MIB, lvm.extend(self.vg, DISK, 9 * MIB))
        lvm.take(self.vg, DISK)
        path = lvm.device(self.vg, DISK)
        self.assertEqual((12345, 12346), (os.stat(path).st_uid, os.stat(path).st_gid))
        os.chown(path, 0, 0)
        with open(path, 'wb') as disk:
            disk.write(12 * MIB * b'x')
        self.options(volume_clear_size=11)
        lvm.remove(self.vg, DISK)
        self.assertEqual({}, lvm.volumes(self.vg))
        content = self.group.removed.joinpath(DISK).read_bytes()
        self.assertEqual((11 * MIB, MIB), (content.count(b'\0'), content.count(b'x')))

    def test_what_is_refused_is_said_in_the_words_of_the_tool(self):
        with self.assertRaisesRegex(processutils.ProcessExecutionError, 'insufficient free space'):
            lvm.create(self.vg, DISK, 101 * MIB, False)
        with self.assertRaisesRegex(processutils.ProcessExecutionError, 'not found'):
            lvm.space('other')
        lvm.create(self.vg, DISK, MIB, True)
        with self.assertRaisesRegex(processutils.ProcessExecutionError, 'already exists'):
            lvm.create(self.vg, DISK, MIB, True)

    def test_only_devices_are_given_away(self):
        os.makedirs(f'/dev/{self.vg}')
        os.symlink('/etc/hostname', lvm.device(self.vg, DISK))
        with self.assertRaises(ValueError):
            lvm.take(self.vg, DISK)
