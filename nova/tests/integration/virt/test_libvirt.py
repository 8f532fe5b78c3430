# SPDX-License-Identifier: Apache-2.0
"""Guests without a system, and containers."""

import os
import unittest

from nova.tests import lvm_stand_in
from nova.tests.integration.virt import hosted

#: For the order of the groups of tests.
TAKES_S = 305

LXC = '/usr/lib/libvirt/libvirt_lxc'


class TestLibvirt(hosted.HostCase):
    name = 'guests'

    def test_the_driver_keeps_the_contract(self):
        self.run_inside('guests_contract', NOVA_TEST_GUEST=self.linux())

    def test_disks_hardware_refusals_cache_and_events(self):
        self.run_inside('guests_libvirt')

    def test_shapes_of_guests(self):
        self.run_inside('guests_shapes')

    @unittest.skipUnless(os.environ.get('CI') or os.path.exists(LXC), 'needs libvirt-daemon-driver-lxc')
    def test_containers(self):
        self.run_inside('guests_lxc')

    @unittest.skipUnless(os.environ.get('CI') or lvm_stand_in.works(), 'needs loop devices')
    def test_disks_in_a_volume_group(self):
        self.run_inside('guests_lvm')

    def test_images_rescue_and_agent(self):
        self.run_inside('guests_images')

    def test_volumes_that_are_swapped(self):
        self.run_inside('guests_volumes')
