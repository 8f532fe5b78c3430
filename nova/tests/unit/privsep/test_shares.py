# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import tempfile
import unittest
from unittest import mock

from oslo_concurrency import processutils

from nova import conf, privsep
from nova.privsep import shares

CONF = conf.CONF
EXPORT = '192.0.2.1:/data'


class SharesCase(unittest.TestCase):
    def setUp(self):
        self.directory = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        for name in ('nfs_mount_point_base', 'ceph_mount_point_base'):
            CONF.set_override(name, os.path.join(self.directory, name), 'libvirt')
            self.addCleanup(CONF.clear_override, name, 'libvirt')
        if os.geteuid() != 0:
            privsep.sys_admin_pctxt.set_client_mode(False)
            self.addCleanup(privsep.sys_admin_pctxt.set_client_mode, True)
        self.run = self.enterContext(mock.patch.object(processutils, 'execute'))
        self.mounts = os.path.join(self.directory, 'mountinfo')
        self.enterContext(mock.patch.object(shares, '_MOUNTS', self.mounts))
        self.have_mounts()

    def have_mounts(self, *directories):
        with open(self.mounts, 'w') as out:
            out.writelines(f'36 35 0:42 / {directory} rw,nosuid - nfs4 x rw\n' for directory in ('/', *directories))

    def made(self, protocol='NFS', export=EXPORT):
        place = shares.place(protocol, export)
        os.makedirs(place, exist_ok=True)
        return place

    def asked(self):
        return [list(call.args[3:]) for call in self.run.call_args_list]


class TestMount(SharesCase):
    def test_options_come_from_the_configuration(self):
        CONF.set_override('nfs_mount_options', 'vers=4.2,soft', 'libvirt')
        CONF.set_override('ceph_mount_options', ['secretfile=/etc/ceph/s'], 'libvirt')
        self.addCleanup(CONF.clear_override, 'nfs_mount_options', 'libvirt')
        self.addCleanup(CONF.clear_override, 'ceph_mount_options', 'libvirt')
        for protocol, export, kind, options in (
                ('NFS', EXPORT, 'nfs', 'vers=4.2,soft,nosuid,nodev'),
                ('NFS', '[2001:db8::1]:/data', 'nfs', 'vers=4.2,soft,nosuid,nodev'),
                ('CEPHFS', '192.0.2.2:6789,192.0.2.3:6789:/volumes/x', 'ceph',
                 'name=nova,secretfile=/etc/ceph/s,nosuid,nodev')):
            self.run.reset_mock()
            place = self.made(protocol, export)
            shares.mount(protocol, export)
            self.assertEqual([['mount', '-t', kind, '-o', options, '--', export, place]], self.asked())

    def test_what_is_mounted_is_not_mounted_again(self):
        self.have_mounts(self.made())
        shares.mount('NFS', EXPORT)
        self.run.assert_not_called()

    def test_what_is_no_export_is_refused(self):
        for protocol, export in (('NFS', '--bind'), ('NFS', '/etc'), ('NFS', '-o x:/y'), ('NFS', 'x:/a\nb'),
                                 ('NFS', 'x:/a\0'), ('CIFS', EXPORT), ('NFS', 'host:relative'), ('NFS', '')):
            for function in (shares.mount, shares.umount):
                with self.subTest(export=export, function=function), self.assertRaises(ValueError):
                    function(protocol, export)
        self.run.assert_not_called()

    def test_a_link_is_no_place_to_mount_to(self):
        place = self.made()
        os.rmdir(place)
        os.symlink('/etc', place)
        with self.assertRaises(ValueError):
            shares.mount('NFS', EXPORT)
        self.run.assert_not_called()

    def test_a_name_with_spaces(self):
        CONF.set_override('nfs_mount_point_base', os.path.join(self.directory, 'a b\\c'), 'libvirt')
        place = self.made()
        self.have_mounts(place.replace('\\', r'\134').replace(' ', r'\040'))
        self.assertTrue(shares.is_mounted(place))


class TestUmount(SharesCase):
    def test_what_is_not_there_is_left_alone(self):
        shares.umount('NFS', EXPORT)
        self.run.assert_not_called()

    def test_a_server_that_is_gone_does_not_hold_it(self):
        place = self.made()
        self.have_mounts(place)
        self.run.side_effect = [processutils.ProcessExecutionError(exit_code=124), ('', '')]
        shares.umount('NFS', EXPORT)
        self.assertEqual([['umount', '--', place], ['umount', '--lazy', '--', place]], self.asked())
