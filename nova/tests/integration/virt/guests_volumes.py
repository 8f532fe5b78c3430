# SPDX-License-Identifier: Apache-2.0
"""Volumes that are swapped under guests that run: what is copied, what is heard of it, and what is found afterwards."""

import os

from oslo_utils import units, uuidutils

from nova import exception, progress
from nova.tests.integration.virt import base
from nova.virt.libvirt import errors, swap
from nova.virt.libvirt import guest as libvirt_guest

DEVICE = '/dev/vdb'


class TestSwap(base.GuestCase):
    def setUp(self):
        super().setUp()
        self.start_driver()
        self.server = self.spawn(self.make_server(self.upload(self.make_disk())))
        self.old, self.new = self.volume(b'content'), self.volume()
        self.driver.attach_volume(self.context, self.old, self.server, DEVICE)
        self.guest = self.driver._guest(self.server)
        self.heard = []

    def volume(self, content=b'', size_mb=64):
        path = os.path.join(self.directory, uuidutils.generate_uuid())
        with open(path, 'wb') as out:
            out.write(content.ljust(size_mb * units.Mi, b'x') if content else b'')
            out.truncate(size_mb * units.Mi)
        return {'driver_volume_type': 'local', 'serial': os.path.basename(path),
                'data': {'device_path': path, 'format': 'raw'}}

    def swap(self):
        with progress.heard_by(self.heard.append):
            self.driver.swap_volume(self.old, self.new, self.server, DEVICE, 0)

    def settle(self):
        return self.driver.swap_volume_interrupted(self.old, self.new, self.server, DEVICE)

    def assert_on(self, info):
        """The guest is on this volume, now and from its next start on, and nothing is copied."""
        for inactive in (False, True):
            (disk,) = (disk for disk in self.guest.document(inactive).iterfind('devices/disk')
                       if disk.find('target').get('dev') == 'vdb')
            self.assertEqual(info['data']['device_path'], disk.find('source').get('file'))
            self.assertIsNone(disk.find('mirror'))
        if self.guest.is_active():
            self.assertIsNone(self.guest.disk_copy_left('vdb'))

    def content(self, info):
        with open(info['data']['device_path'], 'rb') as volume:
            return volume.read()

    def replace(self, name, function):
        """Have a method of guests do something else meanwhile: `function(real, guest, *args)`."""
        real = getattr(libvirt_guest.Guest, name)
        setattr(libvirt_guest.Guest, name, lambda guest, *args: function(real, guest, *args))
        self.addCleanup(setattr, libvirt_guest.Guest, name, real)

    def slow_down(self, bytes_per_s):
        def begin(real, guest, target, xml):
            real(guest, target, xml)
            guest._call(lambda domain: domain.blockJobSetSpeed(target, bytes_per_s, 1))
        self.replace('begin_disk_copy', begin)

    def test_a_copy_is_heard_to_get_on(self):
        self.slow_down(16 * units.Mi)
        readings = []
        self.replace('disk_copy_left', lambda real, guest, target: readings.append(real(guest, target)) or readings[-1])
        self.swap()
        self.assert_on(self.new)
        self.assertEqual(self.content(self.old), self.content(self.new))
        self.assertGreaterEqual(self.heard.count(True), 2, readings)

    def test_one_that_nobody_wants_any_more_is_stopped(self):
        self.slow_down(units.Mi)

        def listener(further):
            raise exception.OrderLost(action_id=1)
        with self.assertRaises(exception.OrderLost), progress.heard_by(listener):
            self.driver.swap_volume(self.old, self.new, self.server, DEVICE, 0)
        self.assert_on(self.old)

    def test_a_copy_that_was_cut_off_is_stopped(self):
        self.slow_down(units.Mi)
        self.cut_off_at('use_disk_copy', before='disk_copy_left')
        for _again in range(2):
            self.assertFalse(self.settle())
            self.assert_on(self.old)

    def cut_off_at(self, name, before=None):
        """End the swap at a step as kill -9 would: without any undoing."""
        class Cut(BaseException):
            pass

        def cut(real, guest, *args):
            raise Cut
        kept = {method: getattr(libvirt_guest.Guest, method) for method in (name, before or name, 'stop_disk_copy')}
        setattr(libvirt_guest.Guest, before or name, lambda guest, *args: cut(None, guest))
        libvirt_guest.Guest.stop_disk_copy = lambda guest, target: None
        try:
            with self.assertRaises(Cut):
                self.swap()
        finally:
            for method, real in kept.items():
                setattr(libvirt_guest.Guest, method, real)

    def test_a_copy_that_was_cut_off_when_it_was_complete_is_stopped(self):
        self.cut_off_at('use_disk_copy')
        self.assertFalse(self.settle())
        self.assert_on(self.old)
        self.swap()
        self.assert_on(self.new)

    def test_a_guest_that_uses_the_copy_already_keeps_it(self):
        self.cut_off_at('change')
        for _again in range(2):
            self.assertTrue(self.settle())
            self.assert_on(self.new)
        self.swap()
        self.assert_on(self.new)

    def test_what_fails_after_the_guest_uses_the_copy_is_no_failure(self):
        failures = [errors.LibvirtError(reason='not now')]

        def change(real, guest, xml):
            if failures:
                raise failures.pop()
            real(guest, xml)
        self.replace('change', change)
        self.swap()
        self.assert_on(self.new)
        self.assertFalse(failures)

    def test_of_a_guest_that_is_off_the_record_tells(self):
        self.driver.power_off(self.server)
        with self.assertRaises(errors.LibvirtError):
            self.swap()
        self.assertFalse(self.settle())
        self.assert_on(self.old)

    def test_a_guest_that_is_on_neither_is_left_alone(self):
        with self.assertRaises(swap.OnNeither):
            self.driver.swap_volume_interrupted(self.volume(), self.new, self.server, DEVICE)
        self.assert_on(self.old)

    def test_a_guest_that_is_not_there_has_neither(self):
        gone = self.make_server(self.upload(self.make_disk()))
        self.assertFalse(self.driver.swap_volume_interrupted(self.old, self.new, gone, DEVICE))
        self.assertFalse(self.driver.swap_volume_interrupted(self.old, self.new, self.server, '/dev/vdx'))


class TestSnapshot(base.GuestCase):
    def test_a_copy_of_a_running_disk_and_its_way_into_the_store_are_heard(self):
        self.start_driver()
        server = self.spawn(self.make_server(self.upload(self.make_disk('qcow2', 64, os.urandom(48 * units.Mi)),
                                                         'qcow2')))
        looked, heard = [], []
        real = libvirt_guest.Guest.copied
        self.addCleanup(setattr, libvirt_guest.Guest, 'copied', real)

        def copied(guest):
            looked.append(real(guest))
            return looked[-1]
        libvirt_guest.Guest.copied = copied
        image_id = self.images.create(self.context, {'name': 'copy'})['id']
        with progress.heard_by(heard.append):
            self.driver.snapshot(self.context, server, image_id, lambda **_states: None)
        self.assertIsNone(looked.pop())
        self.assertEqual(sorted(looked), looked)
        # A piece is 256 KiB.
        self.assertGreater(heard.count(True), 100)
