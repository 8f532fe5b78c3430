# SPDX-License-Identifier: Apache-2.0
import os

from nova import exception
from nova.tests.unit.virt.libvirt import base
from nova.virt.disk import mkfs


class TestMake(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.directory, 'disk')
        with open(self.path, 'wb') as out:
            out.truncate(16 << 20)

    def content(self, offset, count):
        with open(self.path, 'rb') as source:
            source.seek(offset)
            return source.read(count)

    def test_file_systems_are_there_with_their_label(self):
        cases = [('ext4', 'ephemeral0', 1144, b'ephemeral0'), ('ext2', 'ephemeral0', 1144, b'ephemeral0'),
                 ('swap', 'swap', 1052, b'swap'), ('vfat', 'A_VERY_LONG_LABEL', 43, b'A_VERY_LONG')]
        for kind, label, offset, expected in cases:
            with self.subTest(kind):
                mkfs.make(self.path, kind, label)
                self.assertEqual(expected, self.content(offset, len(expected)))

    def test_an_unknown_kind_is_refused(self):
        with self.assertRaises(exception.InvalidBDM) as raised:
            mkfs.make(self.path, 'zfs', 'label')
        self.assertEqual("Block Device Mapping is Invalid: guest_format: 'zfs' is not one of ext2, ext3, ext4, ntfs, "
                         'vfat, xfs, swap.', str(raised.exception))

    def test_a_disk_that_is_too_small_says_so(self):
        with open(self.path, 'wb') as out:
            out.truncate(4096)
        with self.assertRaises(mkfs.CannotMakeFileSystem) as raised:
            mkfs.make(self.path, 'ext4', 'label')
        self.assertIn(self.path, str(raised.exception))
