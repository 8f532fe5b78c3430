# SPDX-License-Identifier: Apache-2.0
import unittest

from nova import exception, objects
from nova.conf import CONF
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import (
    affinity_filter,
    all_hosts_filter,
    availability_zone_filter,
    compute_filter,
    core_filter,
    disk_filter,
    image_props_filter,
    ram_filter,
    retry_filter,
    server_group_filter,
)
from nova.tests.unit.scheduler import world

RAM, CORE, DISK = ram_filter.RamFilter, core_filter.CoreFilter, disk_filter.DiskFilter
ZONE, COMPUTE, RETRY = (availability_zone_filter.AvailabilityZoneFilter, compute_filter.ComputeFilter,
                        retry_filter.RetryFilter)
IMAGE = image_props_filter.ImagePropertiesFilter
TOGETHER = server_group_filter.ServerGroupAffinityFilter
APART = server_group_filter.ServerGroupAntiAffinityFilter
SAME, DIFFERENT = affinity_filter.SameHostFilter, affinity_filter.DifferentHostFilter

OTHER_KIND = Refusal('image', word='of another architecture or hypervisor', may_change=False)
OTHER_VERSION = Refusal('image', word='of another hypervisor version', may_change=False)

# filter, host, request, the answer: None, or the whole refusal
CASES = [
    # memory, in MiB
    (RAM, {'memory_mb': 4096}, {'memory_mb': 4096}, None),
    (RAM, {'memory_mb': 4096, 'memory_mb_used': 3072}, {'memory_mb': 1024}, None),
    (RAM, {'memory_mb': 4096, 'memory_mb_used': 2584}, {'memory_mb': 2048},
     Refusal('memory', needs=2048, best=1512, unit='MiB')),
    (RAM, {'memory_mb': 4096, 'memory_mb_used': 4096, 'ram_allocation_ratio': 1.5}, {'memory_mb': 2048}, None),
    (RAM, {'memory_mb': 4096, 'memory_mb_used': 4097, 'ram_allocation_ratio': 1.5}, {'memory_mb': 2048},
     Refusal('memory', needs=2048, best=2047, unit='MiB')),
    (RAM, {'memory_mb': 1000, 'ram_allocation_ratio': 4.0}, {'memory_mb': 1001},
     Refusal('memory', needs=1001, best=1000, unit='MiB', may_change=False)),
    (RAM, {'memory_mb': 4096, 'reserved_memory_mb': 4000}, {'memory_mb': 97},
     Refusal('memory', needs=97, best=96, unit='MiB', may_change=False)),
    (RAM, {'memory_mb': 0}, {'memory_mb': 0}, None),
    # processors
    (CORE, {'vcpus': 4}, {'vcpus': 4}, None),
    (CORE, {'vcpus': 4, 'vcpus_used': 1}, {'vcpus': 4}, Refusal('vcpus', needs=4, best=3, unit='CPUs')),
    (CORE, {'vcpus': 4, 'vcpus_used': 60, 'cpu_allocation_ratio': 16.0}, {'vcpus': 4}, None),
    (CORE, {'vcpus': 4, 'cpu_allocation_ratio': 16.0}, {'vcpus': 5},
     Refusal('vcpus', needs=5, best=4, unit='CPUs', may_change=False)),
    (CORE, {'vcpus': 4, 'reserved_vcpus': 2}, {'vcpus': 3},
     Refusal('vcpus', needs=3, best=2, unit='CPUs', may_change=False)),
    # disk, in GiB: root, ephemeral and swap together
    (DISK, {'local_gb': 32}, {'root_gb': 20, 'ephemeral_gb': 10, 'swap': 2048}, None),
    (DISK, {'local_gb': 32}, {'root_gb': 20, 'ephemeral_gb': 10, 'swap': 2049},
     Refusal('disk', needs=33, best=32, unit='GiB', may_change=False)),
    (DISK, {'local_gb': 32, 'local_gb_used': 20}, {'root_gb': 20}, Refusal('disk', needs=20, best=12, unit='GiB')),
    (DISK, {'local_gb': 32, 'local_gb_used': 40}, {'root_gb': 20}, Refusal('disk', needs=20, best=-8, unit='GiB')),
    (DISK, {'local_gb': 1}, {'root_gb': 20, 'is_bfv': True}, None),
    # services
    (COMPUTE, {}, {}, None),
    (COMPUTE, {'service': {'disabled': True}}, {}, Refusal('service', word='disabled')),
    (COMPUTE, {'service': {'forced_down': True}}, {}, Refusal('service', word='forced down')),
    (COMPUTE, {'service': {'last_seen_up': None}}, {}, Refusal('service', word='down')),
    (COMPUTE, {'service': False}, {}, Refusal('service', word='without a service')),
    # zones
    (ZONE, {'zone': 'z1'}, {}, None),
    (ZONE, {'zone': 'z1'}, {'availability_zone': 'z1'}, None),
    (ZONE, {'zone': 'z1'}, {'availability_zone': 'z2, z1'}, None),
    (ZONE, {'zone': 'z1'}, {'availability_zone': 'z2'}, Refusal('zone', word='in another zone')),
    (ZONE, {}, {'availability_zone': 'nova'}, None),
    # tries
    (RETRY, {}, {}, None),
    (RETRY, {}, {'retry': {'num_attempts': 2, 'hosts': [['h2', 'h2']]}}, None),
    (RETRY, {}, {'retry': {'num_attempts': 2, 'hosts': [['h1', 'h1']]}},
     Refusal('tried', word='tried already', may_change=False)),
    # neighbours: the server `a` is on h1, `b` on h2, `c` nowhere
    (SAME, {}, {}, None),
    (SAME, {}, {'scheduler_hints': {'same_host': ['a']}}, None),
    (SAME, {}, {'scheduler_hints': {'same_host': ['b', 'a']}}, None),
    (SAME, {}, {'scheduler_hints': {'same_host': ['b']}},
     Refusal('same_host', word='without the server to be with')),
    (SAME, {}, {'scheduler_hints': {'same_host': ['c', 'unknown']}},
     Refusal('same_host', word='without the server to be with')),
    (DIFFERENT, {}, {'scheduler_hints': {'different_host': ['b', 'c', 'unknown']}}, None),
    (DIFFERENT, {}, {'scheduler_hints': {'different_host': 'a'}},
     Refusal('different_host', word='with a server to keep away from')),
    # server groups; the host is h1, which has one server of the group, h2 has two
    (TOGETHER, {}, {}, None),
    (TOGETHER, {}, {'group': ('affinity', {})}, None),
    (TOGETHER, {'host': 'h3'}, {'group': ('affinity', {})},
     Refusal('server_group', word='without the servers of its group')),
    (TOGETHER, {'host': 'h3'}, {'group': ('anti-affinity', {})}, None),
    (APART, {}, {}, None),
    (APART, {'host': 'h3'}, {'group': ('anti-affinity', {})}, None),
    (APART, {}, {'group': ('anti-affinity', {})},
     Refusal('server_group', word='with 1 of the 1 servers of its group that a host may have')),
    (APART, {}, {'group': ('anti-affinity', {'max_server_per_host': 2})}, None),
    (APART, {'host': 'h2'}, {'group': ('anti-affinity', {'max_server_per_host': 2})},
     Refusal('server_group', word='with 2 of the 2 servers of its group that a host may have')),
    (APART, {}, {'group': ('soft-anti-affinity', {})}, None),
    # images
    (IMAGE, {}, {}, None),
    (IMAGE, {}, {'image': {'hw_architecture': 'x86_64'}}, None),
    (IMAGE, {}, {'image': {'architecture': 'AMD64'}}, None),
    (IMAGE, {}, {'image': {'hw_architecture': 'aarch64'}}, OTHER_KIND),
    (IMAGE, {}, {'image': {'hw_architecture': 'x86_64', 'img_hv_type': 'kvm'}}, OTHER_KIND),
    (IMAGE, {'supported_hv_specs': [['x86_64', 'qemu', 'hvm'], ['aarch64', 'kvm', 'hvm']]},
     {'image': {'hw_architecture': 'x86_64', 'hypervisor_type': 'kvm'}}, OTHER_KIND),
    (IMAGE, {}, {'image': {'vm_mode': 'hv'}}, None),
    (IMAGE, {}, {'image': {'hw_vm_mode': 'xen'}}, OTHER_KIND),
    (IMAGE, {'supported_hv_specs': []}, {'image': {'hw_architecture': 'x86_64'}}, OTHER_KIND),
    (IMAGE, {}, {'image': {'img_hv_requested_version': '>=1.2, <2'}}, None),
    (IMAGE, {}, {'image': {'hypervisor_version_requires': '1.2.3'}}, None),
    (IMAGE, {}, {'image': {'img_hv_requested_version': '>=1.2.4'}}, OTHER_VERSION),
    (IMAGE, {}, {'image': {'img_hv_requested_version': 'newest'}}, OTHER_VERSION),
    (IMAGE, {}, {'image': {'hw_disk_bus': 'virtio'}}, None),
    (all_hosts_filter.AllHostsFilter, {'service': False}, {}, None),
]


class TestFilters(unittest.TestCase):
    def cases(self):
        for cls, host, request, expected in CASES:
            with self.subTest(f'{cls.__name__}: {host} {request}'):
                request = dict(request)
                policy, rules = request.pop('group', (None, {}))
                asked = world.make_request(**request)
                asked.group_policy, asked.group_limit = policy, rules.get('max_server_per_host', 1)
                asked.member_hosts = {'a': 'h1', 'b': 'h2', 'c': 'h2'}
                asked.instance_hosts = {'a': 'h1', 'b': 'h2', 'c': None}
                yield cls(), world.make_state(**host), asked, expected

    def test_the_answer_to_each_case_is_the_whole_refusal(self):
        for filter_, host, request, expected in self.cases():
            self.assertEqual(expected, filter_.refuse(host, request) if filter_.applies(request) else None)

    def test_the_documented_method_says_the_same(self):
        for filter_, host, request, expected in self.cases():
            self.assertEqual(expected is None, filter_.host_passes(host, request))

    def test_the_mask_of_each_filter_says_the_same(self):
        from nova.scheduler import columns
        for filter_, host, request, expected in self.cases():
            if filter_.mask is not None and filter_.applies(request):
                # not alone, and not the first
                table = columns.Columns([world.make_state(), host])
                self.assertEqual(expected is None, bool(filter_.mask(table, request)[1]))

    def test_a_service_is_up_for_service_down_time(self):
        import datetime
        host = world.make_state()
        for silent, expected in ((CONF.service_down_time - 5, None), (CONF.service_down_time + 5, compute_filter.DOWN)):
            host.service.last_seen_up = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=silent)
            self.assertEqual(expected, COMPUTE().refuse(host, world.make_request()))


class OnlyBool(filters.BaseHostFilter):
    """As the documents show it."""

    def host_passes(self, host_state, filter_properties):
        instance_type = filter_properties.get('instance_type')
        return host_state.free_ram_mb >= instance_type['memory_mb'] and 'x' not in filter_properties['scheduler_hints']


class OnlySpec(filters.BaseHostFilter):
    """As later documents show it."""

    def host_passes(self, host_state, spec_obj):
        return spec_obj.flavor.memory_mb <= host_state.free_ram_mb and spec_obj.project_id == 'p'


class SeesAll(filters.BaseHostFilter):
    def filter_all(self, filter_obj_list, filter_properties):
        return filter_obj_list[:1]


class Broken(filters.BaseHostFilter):
    def host_passes(self, host_state, filter_properties):
        return filter_properties['no such key']


def some_filters():
    return [OnlyBool, SeesAll]


class TestForeignFilters(unittest.TestCase):
    def test_filters_that_say_only_true_or_false_work(self):
        hosts = [world.make_state(memory_mb=512), world.make_state()]
        for cls in (OnlyBool, OnlySpec):
            self.assertEqual([Refusal(), None], filters.ask(cls(), hosts, world.make_request()))
        self.assertEqual([None, Refusal()], filters.ask(SeesAll(), hosts, world.make_request()))

    def test_hints_are_as_documented(self):
        request = world.make_request(scheduler_hints={'x': ['1'], 'y': ['1', '2']})
        self.assertEqual({'x': '1', 'y': ['1', '2']}, request['scheduler_hints'])
        self.assertEqual([Refusal()], filters.ask(OnlyBool(), [world.make_state()], request))

    def test_a_filter_that_raises_is_named_and_no_host_is_blamed(self):
        with self.assertRaisesRegex(filters.FilterError, "Filter Broken failed for host h1: KeyError: 'no such key'"):
            filters.ask(Broken(), [world.make_state()], world.make_request())

    def test_filters_load_by_path_and_in_their_order(self):
        paths = ['nova.scheduler.filters.all_filters', f'{__name__}.OnlySpec', f'{__name__}.some_filters']
        loaded = filters.load(paths, ['SeesAll', 'RamFilter', 'OnlySpec'])
        self.assertEqual(['SeesAll', 'RamFilter', 'OnlySpec'], [filter_.name for filter_ in loaded])

    def test_an_unknown_filter_is_refused_with_the_known_ones(self):
        with self.assertRaises(exception.ConfigInvalid) as caught:
            filters.load(['nova.scheduler.filters.standard_filters'], ['RamFilter', 'RomFilter'])
        self.assertIn('[filter_scheduler]enabled_filters: RomFilter: no such filter. Available are Aggregate',
                      str(caught.exception))
        for path in ('nowhere.Filter', 'nova.scheduler.filters.NoFilter', 'x'):
            with self.assertRaisesRegex(exception.ConfigInvalid, 'available_filters'):
                filters.load([path], [])

    def test_all_documented_properties_are_there(self):
        request = world.make_request(ignore_hosts=['h9'])
        for name in ('context', 'instance_type', 'request_spec', 'scheduler_hints', 'ignore_hosts', 'force_hosts',
                     'force_nodes', 'retry', 'limits', 'project_id'):
            self.assertIn(name, request)
            request.get(name)
        self.assertEqual(['h9'], request['ignore_hosts'])
        self.assertEqual(1024, request['request_spec']['instance_properties']['memory_mb'])
        self.assertEqual('m1.test', request['instance_type'].get('name'))
        self.assertIsNone(request.get('unheard of'))
        self.assertIsInstance(request.flavor, objects.Flavor)
