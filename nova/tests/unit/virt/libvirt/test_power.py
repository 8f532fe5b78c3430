# SPDX-License-Identifier: Apache-2.0
from nova.tests.unit.virt.libvirt import base
from nova.virt import power_state
from nova.virt.libvirt import errors, power


class Guest:
    """Shuts down after so many signals; records what was done to it."""

    uuid = 'u'

    def __init__(self, deaf_to=0, state=power_state.RUNNING, refuses=False):
        self.deaf_to, self.state, self.refuses, self.done = deaf_to, state, refuses, []

    def power_state(self):
        return self.state

    def is_active(self):
        return self.state != power_state.SHUTDOWN

    def shut_down(self):
        self.done.append('signal')
        if self.refuses:
            raise errors.WrongGuestState(reason='paused')
        if len(self.done) > self.deaf_to:
            self.state = power_state.SHUTDOWN

    def kill(self):
        self.done.append('kill')
        self.state = power_state.SHUTDOWN

    def start(self):
        self.done.append('start')
        self.state = power_state.RUNNING


class TestPowerOff(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        look, power._LOOK_S = power._LOOK_S, 0.01
        self.addCleanup(setattr, power, '_LOOK_S', look)

    def test_what_it_takes(self):
        cases = [
            ('no time', Guest(), (0, 0), ['kill']),
            ('a guest that listens', Guest(), (1, 1), ['signal']),
            ('a guest that listens the second time', Guest(deaf_to=1), (5, 0.05), ['signal', 'signal']),
            ('a guest that never listens', Guest(deaf_to=99), (0.1, 1), ['signal', 'kill']),
            ('a guest that cannot listen', Guest(refuses=True), (5, 1), ['signal', 'kill']),
            ('a guest that is off', Guest(state=power_state.SHUTDOWN), (5, 1), []),
        ]
        for name, guest, patience, expected in cases:
            with self.subTest(name):
                power.power_off(guest, *patience)
                self.assertEqual((expected, power_state.SHUTDOWN), (guest.done, guest.state))

    def test_a_soft_reboot_is_an_end_and_a_start(self):
        guest = Guest()
        self.assertTrue(power.reboot_softly(guest))
        self.assertEqual(['signal', 'start'], guest.done)

    def test_a_soft_reboot_needs_a_running_guest_that_listens(self):
        self.options('libvirt', wait_soft_reboot_seconds=0)
        for guest in (Guest(state=power_state.PAUSED), Guest(deaf_to=99)):
            self.assertFalse(power.reboot_softly(guest))
