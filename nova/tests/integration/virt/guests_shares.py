# SPDX-License-Identifier: Apache-2.0
"""Shared file systems of guests: a Linux in one mounts them, reads what is there and writes.

This kernel has no client of NFS.  `mount` calls /sbin/mount.nfs for it, and the one that these tests put there lets a
directory of this machine stand for the file server.  All else is real.
"""

import os
import shutil
import subprocess
import tempfile

from nova import conf, objects
from nova.privsep import shares as privsep_shares
from nova.tests.integration.virt import guests_linux
from nova.virt.libvirt import shares

CONF = conf.CONF
SBIN = '/usr/sbin'
MOUNT_NFS = '''#!/bin/sh
# mount.nfs SERVER:/PATH DIRECTORY -o OPTIONS
echo "$*" >>{exports}/asked
if [ ! -d "{exports}${{1#*:}}" ]; then
    echo "mount.nfs: mounting $1 failed, reason given by server: No such file or directory" >&2
    exit 32
fi
exec mount --bind "{exports}${{1#*:}}" "$2"
'''
DATA, MORE = '192.0.2.1:/data', '192.0.2.1:/more'


class MountHelper:
    """For test cases with a `directory`: some exports, and a client of NFS."""

    def make_directory(self):
        self.directory = tempfile.mkdtemp(prefix='nova-guests-', dir=os.environ.get('NOVA_TEST_DIRECTORY'))
        os.chmod(self.directory, 0o755)  # noqa: S103  (guests run as an ordinary user)
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def put_mount_helper(self):
        self.exports = os.path.join(self.directory, 'exports')
        for name, text in (('data', 'from the host'), ('more', 'and another')):
            os.makedirs(os.path.join(self.exports, name))
            with open(self.export(name, 'hello'), 'w') as out:
                out.write(f'{text}\n')
        above = os.path.join(self.directory, 'above')
        for name in ('upper', 'work'):
            os.makedirs(os.path.join(above, name))
        helper = os.path.join(above, 'upper', 'mount.nfs')
        with open(helper, 'w') as out:
            out.write(MOUNT_NFS.format(exports=self.exports))
        os.chmod(helper, 0o755)  # noqa: S103  (a program)
        layers = f'lowerdir={SBIN},upperdir={above}/upper,workdir={above}/work'
        subprocess.run(['mount', '-t', 'overlay', 'overlay', '-o', layers, SBIN], check=True)
        self.addCleanup(subprocess.run, ['umount', '--lazy', SBIN], check=True)

    def export(self, *names):
        return os.path.join(self.exports, *names)


class SharesCase(MountHelper, guests_linux.LinuxCase):
    def setUp(self):
        super().setUp()
        self.put_mount_helper()
        self.options('libvirt', nfs_mount_options='vers=4.2')
        self.addCleanup(self.umount_all)

    def umount_all(self):
        for export in (DATA, MORE):
            privsep_shares.umount('NFS', export)

    @staticmethod
    def mapping(export=DATA, tag='data'):
        return objects.ShareMapping(share_id=export, share_proto='NFS', export_location=export, tag=tag)

    def mount(self, server, *args):
        self.driver.mount_share(self.context, server, self.mapping(*args))

    def umount(self, server, *args):
        self.driver.umount_share(self.context, server, self.mapping(*args))

    @staticmethod
    def is_mounted(export=DATA):
        return privsep_shares.is_mounted(privsep_shares.place('NFS', export))

    def tags(self, server):
        """Of the running guest, or of what will be started."""
        return [found.get('dir') for found in self.document(server).iterfind('devices/filesystem/target')]

    def servers_of_files(self):
        return subprocess.run(['pgrep', '--full', f'virtiofsd.*source={CONF.libvirt.nfs_mount_point_base}'],
                              check=False, capture_output=True, text=True).stdout.split()

    def assert_no_share_left(self):
        self.assertEqual([], shares.owners())
        for export in (DATA, MORE):
            self.assertFalse(self.is_mounted(export))
            self.assertFalse(os.path.exists(privsep_shares.place('NFS', export)))


class TestShares(SharesCase):
    def test_a_linux_reads_and_writes_and_two_servers_have_one_mount(self):
        server = self.make_server(self.upload_guest('guest.qcow2', 'qcow2'), memory_mb=160)
        other = self.make_server(self.upload(self.make_disk()))
        self.spawn(server)
        self.driver.power_off(server)
        for _ in range(2):
            self.mount(server)
        self.mount(server, MORE, 'more')
        self.assertEqual(['data', 'more'], self.tags(server))
        self.driver.power_on(self.context, server, [])
        self.assertRaises(shares.ShareInUse, self.umount, server)
        said = self.wait_until_ready(server)
        self.assertEqual('share data from the host', self.line(said, 'share data'))
        self.assertEqual('share more and another', self.line(said, 'share more'))
        self.assertTrue(self.servers_of_files())
        for name in ('data', 'more'):
            with open(self.export(name, 'guest')) as source:
                self.assertEqual(server.uuid, source.read().strip().lower())
        with open(self.export('asked')) as source:
            self.assertEqual(2, len(asked := source.read().splitlines()))
        self.assertLessEqual({'vers=4.2', 'nosuid', 'nodev'}, set(asked[0].rpartition(' ')[2].split(',')))

        # Another server of this host has the same one: the mount goes with the last of them.
        self.spawn(other)
        self.driver.power_off(other)
        self.mount(other)
        self.driver.power_on(self.context, other, [])
        self.driver.power_off(server)
        self.umount(server)
        self.umount(server, MORE, 'more')
        self.umount(server)
        self.assertEqual([[], ['data']], [self.tags(server), self.tags(other)])
        self.assertEqual([True, False], [self.is_mounted(), self.is_mounted(MORE)])
        self.driver.destroy(self.context, other, [])
        self.umount(other)
        self.assert_no_share_left()
        self.wait_for(lambda: not self.servers_of_files(), 'the end of virtiofsd')

    def test_what_a_restart_of_the_host_takes_is_mounted_again(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk())))
        self.driver.power_off(server)
        self.mount(server)
        self.driver.power_on(self.context, server, [])
        # nova-compute alone was started again: it has what is written down.
        self.start_driver()
        self.assertTrue(self.is_mounted())
        # The host was: guests are off, and nothing is mounted.
        self.driver.power_off(server)
        self.umount_all()
        self.driver.resume_state_on_host_boot(self.context, server, [])
        self.assertTrue(self.is_mounted())
        self.assertEqual(['data'], self.tags(server))
        self.driver.reboot(self.context, server, [], 'HARD')
        # A rebuild: another guest, with the same share.
        self.driver.destroy(self.context, server, [])
        self.assertTrue(self.is_mounted())
        self.driver.spawn(self.context, server, server.image_meta, [], 'secret')
        self.assertEqual(['data'], self.tags(server))
        # And a rescue.
        self.driver.power_off(server)
        self.driver.rescue(self.context, server, [], server.image_meta, 'secret')
        self.assertEqual(['data'], self.tags(server))
        self.driver.power_off(server)
        self.driver.unrescue(server, [])
        self.assertEqual(['data'], self.tags(server))
        self.driver.destroy(self.context, server, [])
        self.umount(server)
        self.assert_no_share_left()

    def test_an_export_that_is_gone_leaves_nothing(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk())))
        self.driver.power_off(server)
        shutil.rmtree(self.export('data'))
        with self.assertRaisesRegex(shares.MountFailed, 'No such file or directory'):
            self.mount(server)
        with self.assertRaises(shares.MountFailed):
            self.mount(server, '--bind', 'x')
        self.assertEqual([], self.tags(server))
        self.assert_no_share_left()
        self.umount(server)
        self.mount(server, MORE, 'more')
        # It goes while it is needed: the guest does not start without it.
        self.umount_all()
        shutil.rmtree(self.export('more'))
        with self.assertRaises(shares.MountFailed):
            self.driver.power_on(self.context, server, [])
        self.umount(server, MORE, 'more')
        self.driver.power_on(self.context, server, [])
        self.driver.destroy(self.context, server, [])
        self.assert_no_share_left()

    def test_the_host_says_that_it_can(self):
        self.assertLessEqual({'COMPUTE_STORAGE_VIRTIO_FS', 'COMPUTE_MEM_BACKING_FILE'}, self.driver.get_traits('h1'))
