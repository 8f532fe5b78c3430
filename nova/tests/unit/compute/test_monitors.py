# SPDX-License-Identifier: Apache-2.0
import unittest

from nova.compute import monitors
from nova.conf import CONF


class Driver:
    def __init__(self, *readings):
        self.readings = list(readings)

    def get_host_cpu_stats(self):
        reading = self.readings.pop(0)
        if isinstance(reading, Exception):
            raise reading
        return reading


def stats(kernel, idle, user, iowait):
    return {'kernel': kernel, 'idle': idle, 'user': user, 'iowait': iowait, 'frequency': 800}


class TestMonitors(unittest.TestCase):
    def enable(self):
        CONF.set_override('compute_monitors', ['cpu.virt_driver'])
        self.addCleanup(CONF.clear_override, 'compute_monitors')

    def read(self, found):
        return {metric['name']: metric['value'] for metric in found.read()}

    def test_nothing_is_measured_unless_enabled(self):
        self.assertEqual([], monitors.Monitors(Driver()).read())

    def test_shares_are_of_the_time_between_two_readings(self):
        self.enable()
        found = monitors.Monitors(Driver(stats(100, 100, 100, 100), stats(110, 170, 120, 100)))
        self.assertEqual(0.25, self.read(found)['cpu.user.percent'])
        second = self.read(found)
        self.assertEqual((0.1, 0.7, 0.2, 0.0), tuple(second[f'cpu.{name}.percent'] for name in (
            'kernel', 'idle', 'user', 'iowait')))
        self.assertAlmostEqual(0.3, second['cpu.percent'])
        self.assertEqual((800, 170), (second['cpu.frequency'], second['cpu.idle.time']))

    def test_a_driver_without_numbers_does_no_harm(self):
        self.enable()
        for error in (NotImplementedError(), RuntimeError('no such file')):
            self.assertEqual([], monitors.Monitors(Driver(error)).read())
