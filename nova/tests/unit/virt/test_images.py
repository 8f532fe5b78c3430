# SPDX-License-Identifier: Apache-2.0
"""With the real qemu-img."""

import os
import subprocess

from oslo_utils import units

from nova import exception
from nova.tests.unit.virt.libvirt import base
from nova.virt import images


class TestImages(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.directory, 'disk')

    def other(self, name):
        return os.path.join(self.directory, name)

    def test_a_new_disk_is_what_was_asked_for(self):
        for disk_format in images.LOCAL_FORMATS:
            images.create(self.path, disk_format, units.Mi)
            found = images.look(self.path, disk_format)
            self.assertEqual((disk_format, units.Mi, None, None),
                             (found.format, found.virtual_size, found.backing_file, found.data_file))
            os.unlink(self.path)

    def test_an_overlay_is_as_large_as_what_is_below_or_larger(self):
        images.create(self.other('base'), 'raw', units.Mi)
        for size, expected in ((None, units.Mi), (2 * units.Mi, 2 * units.Mi)):
            images.create(self.path, 'qcow2', size, backing_file=self.other('base'), backing_format='raw')
            found = images.look(self.path, 'qcow2')
            self.assertEqual((expected, self.other('base')), (found.virtual_size, found.backing_file))

    def test_content_is_never_asked_for_its_format(self):
        images.create(self.path, 'qcow2', units.Gi)
        self.assertLess(images.look(self.path, 'raw').virtual_size, units.Mi)
        images.convert(self.path, 'raw', self.other('copy'), 'raw')
        with open(self.other('copy'), 'rb') as copy:
            self.assertEqual(b'QFI\xfb', copy.read(4))

    def test_a_disk_of_another_format_is_refused(self):
        images.create(self.path, 'raw', units.Mi)
        with self.assertRaises(exception.InvalidDiskFormat):
            images.look(self.path, 'qcow2')
        with self.assertRaises(exception.InvalidDiskFormat) as raised:
            images.look(self.path, 'floppy')
        self.assertIn('is not one of', str(raised.exception))
        with self.assertRaises(exception.InvalidDiskFormat):
            images.look(self.other('nothing'), 'raw')

    def test_a_data_file_is_seen(self):
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-o', f'data_file={self.other("data")}', self.path,
                        '1M'], check=True)
        self.assertEqual(self.other('data'), images.look(self.path, 'qcow2').data_file)

    def test_a_conversion_that_fails_leaves_nothing(self):
        images.create(self.path, 'raw', units.Mi)
        with self.assertRaises(images.DiskToolFailed):
            images.convert(self.path, 'qcow2', self.other('copy'), 'raw')
        self.assertFalse(os.path.exists(self.other('copy')))

    def test_a_disk_grows(self):
        images.create(self.path, 'qcow2', units.Mi)
        images.resize(self.path, 'qcow2', 2 * units.Mi)
        self.assertEqual(2 * units.Mi, images.look(self.path, 'qcow2').virtual_size)

    def test_looking_has_limits(self):
        images.create(self.path, 'qcow2', units.Mi)
        self.options('libvirt', qemu_img_memory_mb=256)
        self.assertEqual(units.Mi, images.look(self.path, 'qcow2').virtual_size)

    def test_direct_io_probe_leaves_nothing(self):
        images.can_bypass_cache(self.directory)
        self.assertEqual(['instances'], os.listdir(self.directory))
