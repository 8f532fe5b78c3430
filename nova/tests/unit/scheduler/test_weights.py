# SPDX-License-Identifier: Apache-2.0
import unittest

from nova import exception
from nova.conf import CONF
from nova.scheduler import columns, filters, weights
from nova.scheduler.weights import (
    affinity,
    compute,
    cpu,
    disk,
    hypervisor_version,
    io_ops,
    metrics,
    num_instances,
    pci,
    ram,
)
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
                         list(weights.weigh_columns(weighers, table, [1, 2, 3], self.request)))

    def test_a_weigher_from_elsewhere_works(self):
        weighers = weights.load([f'{__name__}.Documented', 'nova.scheduler.weights.all_weighers'])
        self.assertEqual(['Documented', 'ServerGroupSoftAffinityWeigher', 'ServerGroupSoftAntiAffinityWeigher',
                          'BuildFailureWeigher', 'CPUWeigher', 'DiskWeigher', 'HypervisorVersionWeigher',
                          'IoOpsWeigher', 'MetricsWeigher', 'NumInstancesWeigher',
                          'PCIWeigher', 'RAMWeigher'],
                         [weigher.name for weigher in weighers])
        self.assertFalse(weights.can_use_columns(weighers))
        self.assertEqual([1.0, 0.5, 2.0], weights.weigh(weighers[:1], self.hosts, self.request))
        self.assertEqual({'Documented': [1.0, 0.5, 2.0]}, weights.shares(weighers[:1], self.hosts, self.request))


METERED = {'metrics': [{'name': 'cpu.percent', 'value': 0.5}, {'name': 'temperature', 'value': 40}]}

# weigher, options, hosts, the weights
CASES = [
    (ram.RAMWeigher, {}, [{'memory_mb': 1000}, {'memory_mb': 4000}], [0.25, 1.0]),
    (cpu.CPUWeigher, {}, [{'vcpus': 2, 'cpu_allocation_ratio': 4.0}, {'vcpus': 4, 'vcpus_used': 2}], [1.0, 0.25]),
    (cpu.CPUWeigher, {'cpu_weight_multiplier': -2.0}, [{'vcpus': 2}, {'vcpus': 4}], [-1.0, -2.0]),
    (disk.DiskWeigher, {}, [{'local_gb': 50}, {'local_gb': 100, 'local_gb_used': 75}], [1.0, 0.5]),
    (io_ops.IoOpsWeigher, {}, [{'stats': {'io_workload': 2}}, {}], [-1.0, 0.0]),
    (num_instances.NumInstancesWeigher, {}, [{'servers_used': 2}, {}], [0.0, 0.0]),
    (num_instances.NumInstancesWeigher, {'num_instances_weight_multiplier': -1.0}, [{'servers_used': 2}, {}],
     [-1.0, 0.0]),
    (hypervisor_version.HypervisorVersionWeigher, {}, [{'hypervisor_version': 9000}, {'hypervisor_version': 8000}],
     [1.0, 0.0]),
    (compute.BuildFailureWeigher, {}, [{'stats': {'failed_builds': 3}}, {'stats': {'failed_builds': 0}}],
     [-1000000.0, 0.0]),
    (metrics.MetricsWeigher, {'metrics.weight_setting': ['temperature=-1.0', 'cpu.percent=10']},
     [METERED, {'metrics': [{'name': 'cpu.percent', 'value': 0.5}, {'name': 'temperature', 'value': 20}]}],
     [0.0, 1.0]),
    (metrics.MetricsWeigher, {'metrics.weight_setting': ['temperature=1.0'], 'metrics.required': False}, [METERED, {}],
     [1.0, 0.0]),
    (pci.PCIWeigher, {}, [{'pci_stats': [{'address': 'a'}, {'address': 'b'}]}, {}], [0.0, 1.0]),
    (pci.PCIWeigher, {}, [{'pci_stats': [{'address': 'a'}], 'inventory_used': {'PCI_a': 1}}, {}], [0.0, 0.0]),
    # what aggregates say counts for their hosts
    (ram.RAMWeigher, {}, [{'memory_mb': 1000, 'aggregates': [{'ram_weight_multiplier': '3'}]}, {'memory_mb': 4000}],
     [0.75, 1.0]),
    (compute.BuildFailureWeigher, {}, [{'stats': {'failed_builds': 3}, 'aggregates': [
        {'build_failure_weight_multiplier': '1.5'}, {'build_failure_weight_multiplier': 'x'}]}, {}], [-1.5, 0.0]),
    (affinity.ServerGroupSoftAffinityWeigher, {}, [{'host': 'h1'}, {'host': 'h2'}, {'host': 'h3'}], [1.0, 2.0, 0.0]),
    (affinity.ServerGroupSoftAntiAffinityWeigher, {}, [{'host': 'h1'}, {'host': 'h2'}, {'host': 'h3'}],
     [1.0, 0.0, 2.0]),
]


class TestEachWeigher(unittest.TestCase):
    def cases(self):
        for cls, options, hosts, expected in CASES:
            with self.subTest(f'{cls.__name__}: {options} {hosts}'):
                for name, value in options.items():
                    group, _dot, option = name.rpartition('.')
                    CONF.set_override(option, value, group=group or 'filter_scheduler')
                try:
                    yield cls(), [world.make_state(**values) for values in hosts], expected
                finally:
                    for name in options:
                        group, _dot, option = name.rpartition('.')
                        CONF.clear_override(option, group=group or 'filter_scheduler')

    def request(self):
        request = world.make_request()
        request.member_hosts = {'a': 'h1', 'b': 'h2', 'c': 'h2'}
        return request

    def test_weights(self):
        for weigher, hosts, expected in self.cases():
            self.assertEqual(expected, weights.weigh([weigher], hosts, self.request()))

    def test_columns_say_the_same(self):
        for weigher, hosts, expected in self.cases():
            if weights.can_use_columns([weigher]):
                table = columns.Columns([*hosts, world.make_state()])
                self.assertEqual(expected, list(weights.weigh_columns([weigher], table, list(range(len(hosts))),
                                                                      self.request())))

    def test_every_weigher_has_cases(self):
        self.assertEqual(set(weights.all_weighers()), {cls for cls, *_rest in CASES})

    def set_metrics(self, *settings):
        CONF.set_override('weight_setting', list(settings), group='metrics')
        self.addCleanup(CONF.clear_override, 'weight_setting', group='metrics')

    def test_a_metric_that_is_required_and_missing_stops_the_request(self):
        self.set_metrics('temperature=1')
        with self.assertRaisesRegex(filters.FilterError, 'Host h1 reports no metric temperature'):
            weights.weigh([metrics.MetricsWeigher()], [world.make_state()], self.request())

    def test_a_setting_that_is_none_is_refused_at_start(self):
        for wrong in ('temperature', '=1', 'temperature=hot'):
            self.set_metrics(wrong)
            with self.assertRaisesRegex(exception.ConfigInvalid, 'weight_setting'):
                metrics.MetricsWeigher()
