# SPDX-License-Identifier: Apache-2.0
import unittest

from nova.conf import CONF
from nova.scheduler import columns, weights
from nova.scheduler.weights import io_ops, ram
from nova.tests.unit.scheduler import world


class Documented(weights.BaseHostWeigher):
    """As the documents show it: the multiplier takes no host."""

    minval = 0

    def weight_multiplier(self):
        return 2.0

    def _weigh_object(self, host_state, weight_properties):
        return host_state.vcpus_free


class TestWeights(unittest.TestCase):
    def setUp(self):
        self.request = world.make_request()
        self.hosts = [world.make_state(host='a', memory_mb=1000, vcpus=2),
                      world.make_state(host='b', memory_mb=4000, vcpus=1, stats={'io_workload': 4}),
                      world.make_state(host='c', memory_mb=3000, vcpus=4, stats={'io_workload': 2})]

    def test_normalize(self):
        for values, low, high, expected in (([1, 3, 5], None, None, [0, 0.5, 1]), ([2, 2], None, None, [0, 0]),
                                            ([2, 2], 0, None, [1, 1]), ([5, 10], 0, 20, [0.25, 0.5]),
                                            ([], None, None, [])):
            self.assertEqual(expected, weights.normalize(values, low, high))

    def test_free_memory_spreads_and_work_repels(self):
        found = weights.weigh([ram.RAMWeigher(), io_ops.IoOpsWeigher()], self.hosts, self.request)
        self.assertEqual([0.25, 0.0, 0.25], found)

    def test_a_negative_multiplier_stacks(self):
        CONF.set_override('ram_weight_multiplier', -1.0, group='filter_scheduler')
        self.addCleanup(CONF.clear_override, 'ram_weight_multiplier', group='filter_scheduler')
        found = weights.weigh([ram.RAMWeigher()], self.hosts, self.request)
        self.assertEqual([-0.25, -1.0, -0.75], found)

    def test_columns_say_the_same(self):
        weighers = [ram.RAMWeigher(), io_ops.IoOpsWeigher()]
        table = columns.Columns([world.make_state(), *self.hosts])
        self.assertTrue(weights.can_use_columns(weighers))
        self.assertEqual(weights.weigh(weighers, self.hosts, self.request),
                         list(weights.weigh_columns(weighers, table, [1, 2, 3])))

    def test_a_weigher_from_elsewhere_works(self):
        weighers = weights.load([f'{__name__}.Documented', 'nova.scheduler.weights.all_weighers'])
        self.assertEqual(['Documented', 'ServerGroupSoftAffinityWeigher', 'ServerGroupSoftAntiAffinityWeigher',
                          'IoOpsWeigher', 'RAMWeigher'], [weigher.name for weigher in weighers])
        self.assertFalse(weights.can_use_columns(weighers))
        self.assertEqual([1.0, 0.5, 2.0], weights.weigh(weighers[:1], self.hosts, self.request))
        self.assertEqual({'Documented': [1.0, 0.5, 2.0]}, weights.shares(weighers[:1], self.hosts, self.request))
