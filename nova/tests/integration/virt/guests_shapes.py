# SPDX-License-Identifier: Apache-2.0
"""Guests of every documented shape, given to a real libvirt: it takes each, and says the same of it."""

import os
import shutil
import unittest

from nova.network import model
from nova.tests.integration.virt import base
from nova.tests.unit.virt.libvirt import test_shapes
from nova.virt.libvirt import guest as libvirt_guest

CONF = base.CONF


class TestShapes(base.GuestCase):
    def setUp(self):
        super().setUp()
        self.start_driver()
        self.options('libvirt', swtpm_enabled=True)

    def define(self, specs, properties):
        """The XML that libvirt has of such a guest, as an element.  The guest is not started."""
        server = self.make_server('an-image', specs, properties, vcpus=4)
        document = test_shapes.make(self.driver.host, server, [self.make_vif()])
        guest = libvirt_guest.define(self.driver.host, document, server.uuid)
        try:
            return guest.document(inactive=True)
        finally:
            guest.undefine()

    def test_libvirt_takes_each_property(self):
        shapes = {}
        for specs, properties, path, expected in test_shapes.CASES:
            shapes.setdefault((tuple(sorted(specs.items())), tuple(sorted(properties.items()))), []).append(
                (path, expected))
        for (specs, properties), wanted in shapes.items():
            with self.subTest(specs=dict(specs), properties=dict(properties)):
                root = self.define(dict(specs), dict(properties))
                for path, expected in wanted:
                    self.assertEqual(expected, test_shapes.said(root, path), path)

    def test_traits_say_what_guests_can_have(self):
        traits = self.driver.get_traits('h1')
        self.assertLessEqual({'COMPUTE_ARCH_X86_64', 'COMPUTE_FIRMWARE_UEFI', 'COMPUTE_GRAPHICS_MODEL_VGA',
                              'COMPUTE_STORAGE_BUS_VIRTIO', 'COMPUTE_STORAGE_BUS_IDE', 'COMPUTE_SECURITY_TPM_2_0',
                              'COMPUTE_SECURITY_TPM_CRB', 'HW_CPU_X86_SSE2', 'COMPUTE_IMAGE_TYPE_RAW'}, traits)

    def test_cpu_models_are_chosen_by_traits(self):
        self.options('libvirt', cpu_mode='custom', cpu_models=['Conroe', 'Nehalem', 'Haswell'])
        for specs, expected in (({}, 'Conroe'), ({'trait:HW_CPU_X86_SSE42': 'required'}, 'Nehalem'),
                                ({'trait:HW_CPU_X86_AVX2': 'required'}, 'Haswell')):
            self.assertEqual(expected, self.define(specs, {}).findtext('cpu/model'))

    def test_disks_of_each_kind(self):
        image_id = self.upload(self.make_disk())
        for images_type, disk_format in (('qcow2', 'qcow2'), ('raw', 'raw'), ('flat', 'raw'), ('default', 'qcow2')):
            with self.subTest(images_type):
                self.options('libvirt', images_type=images_type)
                server = self.spawn(self.make_server(image_id))
                self.assertEqual(disk_format, self.document(server).find('devices/disk/driver').get('type'))
                self.driver.destroy(self.context, server, model.NetworkInfo())
                self.assert_nothing_left(server)

    @unittest.skipUnless(os.environ.get('CI') or shutil.which('swtpm'), 'needs swtpm')
    def test_a_guest_with_many_properties_starts_and_goes(self):
        server = self.spawn(self.make_server(
            self.upload(self.make_disk()),
            {'hw:tpm_version': '2.0', 'hw:tpm_model': 'tpm-crb', 'hw:watchdog_action': 'reset',
             'hw:cpu_max_sockets': '1', 'hw:sound_model': 'ich9', 'hw:virtio_packed_ring': 'true',
             'os:secure_boot': 'required', 'quota:disk_total_iops_sec': '500', 'hw:viommu_model': 'intel',
             'hw_rng:rate_bytes': '1000'},
            {'hw_machine_type': 'q35', 'hw_firmware_type': 'uefi', 'hw_input_bus': 'virtio', 'hw_disk_bus': 'scsi'},
            vcpus=2), [self.make_vif()])
        # Bandwidth is not limited here: that takes queueing disciplines that not every kernel has.
        root = self.document(server)
        self.assertEqual(('1', '2'), (root.find('cpu/topology').get('sockets'), root.find('cpu/topology').get('cores')))
        state = f'/var/lib/libvirt/swtpm/{server.uuid}'
        self.assertTrue(os.path.exists(state))
        self.driver.destroy(self.context, server, model.NetworkInfo())
        self.assert_nothing_left(server)
        self.assertFalse(os.path.exists(state))
