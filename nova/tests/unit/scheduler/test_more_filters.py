# SPDX-License-Identifier: Apache-2.0
"""The filters that are not enabled unless a site wants them, and those that look at extra specs."""

import json
import socket
import threading
import unittest

import requests

from nova import numa
from nova.conf import CONF
from nova.pci import devices
from nova.scheduler import columns, filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import (
    affinity_filter,
    aggregate_image_properties_isolation,
    aggregate_instance_extra_specs,
    aggregate_multitenancy_isolation,
    compute_capabilities_filter,
    core_filter,
    disk_filter,
    exact_core_filter,
    exact_disk_filter,
    exact_ram_filter,
    extra_specs_ops,
    io_ops_filter,
    isolated_hosts_filter,
    json_filter,
    metrics_filter,
    num_instances_filter,
    numa_topology_filter,
    pci_passthrough_filter,
    ram_filter,
    resources_filter,
    tenant_aggregate_filter,
    traits_filter,
    trusted_filter,
    type_filter,
)
from nova.tests.unit.scheduler import world

CAPABLE = compute_capabilities_filter.ComputeCapabilitiesFilter
OF_AGGREGATE = aggregate_instance_extra_specs.AggregateInstanceExtraSpecsFilter
IMAGES = aggregate_image_properties_isolation.AggregateImagePropertiesIsolation
TENANTS = aggregate_multitenancy_isolation.AggregateMultiTenancyIsolation
ISOLATED = isolated_hosts_filter.IsolatedHostsFilter
JSON = json_filter.JsonFilter
BUSY, BUSY_OF_AGGREGATE = io_ops_filter.IoOpsFilter, io_ops_filter.AggregateIoOpsFilter
FULL, FULL_OF_AGGREGATE = num_instances_filter.NumInstancesFilter, num_instances_filter.AggregateNumInstancesFilter
TYPE, TYPE_OF_AGGREGATE = type_filter.TypeAffinityFilter, type_filter.AggregateTypeAffinityFilter
METRICS = metrics_filter.MetricsFilter
TRAITS, RESOURCES = traits_filter.TraitsFilter, resources_filter.ResourcesFilter
OUR_AGGREGATE = tenant_aggregate_filter.TenantAggregateFilter
KEPT = tenant_aggregate_filter.IsolatedAggregateFilter
NEAR = affinity_filter.SimpleCIDRAffinityFilter
NUMA, PCI = numa_topology_filter.NUMATopologyFilter, pci_passthrough_filter.PciPassthroughFilter
CORES, RAM, DISK = (core_filter.AggregateCoreFilter, ram_filter.AggregateRamFilter, disk_filter.AggregateDiskFilter)

CPU = {'cpu_info': json.dumps({'arch': 'x86_64', 'features': ['aes', 'mmx', 'fpu'], 'topology': {'cores': 4}})}
NO_QUERY = Refusal('query', word='asked with a query that cannot be read', may_change=False)
NOT_MET = Refusal('query', word='not as the query wants')
OTHERS = Refusal('tenant', word='kept for other projects')
GOLD = {'inventory': {'CUSTOM_GOLD': {'total': 4, 'reserved': 1, 'allocation_ratio': 1.0}}}

CELL_LIST = [{'id': number, 'cpus': [2 * number, 2 * number + 1], 'pcpus': [2 * number, 2 * number + 1],
              'memory_mb': 2048} for number in (0, 1)]
CELLS = {'numa_topology': {'cells': CELL_LIST}, 'inventory': numa.inventory({'cells': CELL_LIST})}
DEVICES = [{'address': address, 'vendor_id': '8086', 'product_id': '1520', 'dev_type': 'type-PCI', 'numa_node': 7}
           for address in 'ab']
ALIAS = ['{"name": "nic", "vendor_id": "8086", "product_id": "1520", "numa_policy": "required"}']
NICS = {'pci_stats': DEVICES, 'numa_topology': CELLS['numa_topology'],
        'inventory': CELLS['inventory'] | devices.inventory(DEVICES)}
NO_CELLS, NO_ROOM = numa_topology_filter.NO_CELLS, numa_topology_filter.NO_ROOM
NO_DEVICES = Refusal('pci', word='without the PCI devices')


def specs(**values):
    return {'extra_specs': {name.replace('__', ':'): value for name, value in values.items()}}


def query(value):
    return {'scheduler_hints': {'query': [json.dumps(value)]}}


# filter, options, host, request, the answer: None, or the whole refusal
CASES = [
    # what a host says of itself
    (CAPABLE, {}, CPU, {}, None),
    (CAPABLE, {}, CPU, specs(hypervisor_type='x'), Refusal('flavor', word='without hypervisor_type x')),
    (CAPABLE, {}, {'hypervisor_type': 'QEMU'}, specs(hypervisor_type='QEMU'), None),
    (CAPABLE, {}, CPU, specs(capabilities__cpu_info__arch='x86_64'), None),
    (CAPABLE, {}, CPU, specs(capabilities__cpu_info__features='<in> aes'), None),
    (CAPABLE, {}, CPU, specs(capabilities__cpu_info__features='<all-in> aes mmx'), None),
    (CAPABLE, {}, CPU, specs(capabilities__cpu_info__features='<all-in> aes avx'),
     Refusal('flavor', word='without capabilities:cpu_info:features <all-in> aes avx')),
    (CAPABLE, {}, CPU, specs(capabilities__cpu_info__topology__cores='>= 4'), None),
    (CAPABLE, {}, CPU, specs(capabilities__cpu_info__topology__cores__deep='4'),
     Refusal('flavor', word='without capabilities:cpu_info:topology:cores:deep 4')),
    (CAPABLE, {}, {'cpu_info': 'no json'}, specs(capabilities__cpu_info__arch='x86_64'),
     Refusal('flavor', word='without capabilities:cpu_info:arch x86_64')),
    (CAPABLE, {}, {'stats': {'rack': '7'}}, specs(capabilities__rack='7'), None),
    (CAPABLE, {}, {}, specs(hw__cpu_policy='dedicated', trait__HW='required'), None),
    (CAPABLE, {}, {}, specs(capabilities__consume='x'), Refusal('flavor', word='without capabilities:consume x')),
    # aggregates
    (OF_AGGREGATE, {}, {}, {}, None),
    (OF_AGGREGATE, {}, {'aggregates': [{'ssd': 'true'}]}, specs(ssd='true'), None),
    (OF_AGGREGATE, {}, {'aggregates': [{'ssd': 'true,very'}]}, specs(aggregate_instance_extra_specs__ssd='very'), None),
    (OF_AGGREGATE, {}, {'aggregates': [{'ssd': 'true'}, {'ssd': 'very'}]}, specs(ssd='<or> very <or> much'), None),
    (OF_AGGREGATE, {}, {'aggregates': [{'ssd': 'false'}]}, specs(ssd='true'),
     Refusal('flavor', word='in no aggregate with ssd true')),
    (OF_AGGREGATE, {}, {}, specs(ssd='true'), Refusal('flavor', word='in no aggregate with ssd true')),
    (OF_AGGREGATE, {}, {}, specs(hw__cpu_policy='dedicated'), None),
    (IMAGES, {}, {'aggregates': [{'os': 'linux,bsd'}]}, {'image': {'os': 'bsd'}}, None),
    (IMAGES, {}, {'aggregates': [{'os': 'linux,bsd'}]}, {'image': {'os': 'windows'}},
     Refusal('image', word='for images whose os is bsd or linux')),
    (IMAGES, {}, {'aggregates': [{'os': 'linux'}]}, {'image': {'x': 'y'}}, None),
    (IMAGES, {'aggregate_image_properties_isolation_namespace': 'iso'},
     {'aggregates': [{'os': 'linux', 'iso.os': 'bsd'}]}, {'image': {'os': 'windows'}}, None),
    (IMAGES, {'aggregate_image_properties_isolation_namespace': 'iso'},
     {'aggregates': [{'iso.os': 'bsd'}]}, {'image': {'iso.os': 'windows'}},
     Refusal('image', word='for images whose iso.os is bsd')),
    (TENANTS, {}, {}, {}, None),
    (TENANTS, {}, {'aggregates': [{'filter_tenant_id': 'a, p'}]}, {}, None),
    (TENANTS, {}, {'aggregates': [{'filter_tenant_id': 'a'}, {'filter_tenant_id_2': 'p'}]}, {}, None),
    (TENANTS, {}, {'aggregates': [{'filter_tenant_id': 'a'}]}, {}, OTHERS),
    (OUR_AGGREGATE, {}, {'aggregates': [{'filter_tenant_id': 'a'}]}, {}, None),
    (OUR_AGGREGATE, {'scheduler.limit_tenants_to_placement_aggregate': True},
     {'aggregates': [{'filter_tenant_id_1': 'p'}]}, {}, None),
    (OUR_AGGREGATE, {'scheduler.limit_tenants_to_placement_aggregate': True}, {}, {}, None),
    (OUR_AGGREGATE, {'scheduler.limit_tenants_to_placement_aggregate': True,
                     'scheduler.placement_aggregate_required_for_tenants': True}, {}, {},
     Refusal('tenant', word='in no aggregate of the project')),
    (KEPT, {}, {'aggregates': [{'trait:CUSTOM_LICENSED': 'required'}]}, {}, None),
    (KEPT, {'scheduler.enable_isolated_aggregate_filtering': True},
     {'aggregates': [{'trait:CUSTOM_LICENSED': 'required'}]}, {},
     Refusal('traits', word='kept for servers that require CUSTOM_LICENSED')),
    (KEPT, {'scheduler.enable_isolated_aggregate_filtering': True},
     {'aggregates': [{'trait:CUSTOM_LICENSED': 'required'}]}, {'image': {'trait:CUSTOM_LICENSED': 'required'}}, None),
    (TYPE, {}, {}, {}, None),
    (TYPE, {}, {'host': 'h2'}, {}, Refusal('flavor', word='with servers of other flavors')),
    (TYPE_OF_AGGREGATE, {}, {}, {}, None),
    (TYPE_OF_AGGREGATE, {}, {'aggregates': [{'instance_type': 'm1.nano, m1.test'}]}, {}, None),
    (TYPE_OF_AGGREGATE, {}, {'aggregates': [{'instance_type': 'm1.nano'}]}, {},
     Refusal('flavor', word='for the flavors m1.nano')),
    # amounts with what aggregates say
    (CORES, {}, {'vcpus': 4, 'vcpus_used': 4, 'aggregates': [{'cpu_allocation_ratio': '2.0'}]}, {'vcpus': 4}, None),
    (CORES, {}, {'vcpus': 4, 'vcpus_used': 4, 'aggregates': [{'cpu_allocation_ratio': '2.0'},
                                                            {'cpu_allocation_ratio': '1.5'}]}, {'vcpus': 4},
     Refusal('vcpus', needs=4, best=2, unit='CPUs')),
    (CORES, {}, {'vcpus': 4, 'cpu_allocation_ratio': 2.0, 'vcpus_used': 4,
                 'aggregates': [{'cpu_allocation_ratio': 'much'}]}, {'vcpus': 4}, None),
    (RAM, {}, {'memory_mb': 1024, 'memory_mb_used': 1024, 'aggregates': [{'ram_allocation_ratio': '1.5'}]},
     {'memory_mb': 1024}, Refusal('memory', needs=1024, best=512, unit='MiB')),
    (RAM, {}, {'memory_mb': 1024, 'memory_mb_used': 512}, {'memory_mb': 512}, None),
    (DISK, {}, {'local_gb': 20, 'local_gb_used': 20, 'aggregates': [{'disk_allocation_ratio': '1.5'}]},
     {'root_gb': 10}, None),
    (DISK, {}, {'local_gb': 20, 'local_gb_used': 20, 'aggregates': [{'disk_allocation_ratio': '1.5'}]},
     {'root_gb': 11}, Refusal('disk', needs=11, best=10, unit='GiB')),
    (exact_core_filter.ExactCoreFilter, {}, {'vcpus': 4, 'vcpus_used': 2}, {'vcpus': 2}, None),
    (exact_core_filter.ExactCoreFilter, {}, {'vcpus': 4}, {'vcpus': 2},
     Refusal('vcpus', word='without exactly 2 CPUs left')),
    (exact_ram_filter.ExactRamFilter, {}, {'memory_mb': 1024}, {'memory_mb': 1024}, None),
    (exact_ram_filter.ExactRamFilter, {}, {'memory_mb': 2048}, {'memory_mb': 1024},
     Refusal('memory', word='without exactly 1,024 MiB left')),
    (exact_disk_filter.ExactDiskFilter, {}, {'local_gb': 20}, {'root_gb': 20}, None),
    (exact_disk_filter.ExactDiskFilter, {}, {'local_gb': 20}, {'root_gb': 10},
     Refusal('disk', word='without exactly 10 GiB left')),
    # how much goes on on a host
    (BUSY, {'max_io_ops_per_host': 2}, {'stats': {'io_workload': 1}}, {}, None),
    (BUSY, {'max_io_ops_per_host': 2}, {'stats': {'io_workload': 2}}, {},
     Refusal('busy', word='busy with 2 servers or more')),
    (BUSY_OF_AGGREGATE, {}, {'stats': {'io_workload': 2}, 'aggregates': [{'max_io_ops_per_host': '2'}]}, {},
     Refusal('busy', word='busy with 2 servers or more')),
    (BUSY_OF_AGGREGATE, {}, {'stats': {'io_workload': 2}}, {}, None),
    (FULL, {'max_instances_per_host': 3}, {'servers_used': 2}, {}, None),
    (FULL, {'max_instances_per_host': 3}, {'servers_used': 3}, {}, Refusal('full', word='with 3 servers or more')),
    (FULL_OF_AGGREGATE, {'max_instances_per_host': 3}, {'servers_used': 3}, {},
     Refusal('full', word='with 3 servers or more')),
    (FULL_OF_AGGREGATE, {'max_instances_per_host': 3},
     {'servers_used': 3, 'aggregates': [{'max_instances_per_host': '4'}, {'max_instances_per_host': '5'}]}, {}, None),
    # isolated images (the request's image is `i`)
    (ISOLATED, {}, {}, {}, None),
    (ISOLATED, {'isolated_images': ['i'], 'isolated_hosts': ['h1']}, {}, {}, None),
    (ISOLATED, {'isolated_images': ['i'], 'isolated_hosts': ['h1']}, {'host': 'h2'}, {},
     Refusal('image', word='not kept for this image')),
    (ISOLATED, {'isolated_images': ['j'], 'isolated_hosts': ['h1']}, {}, {},
     Refusal('image', word='kept for certain images')),
    (ISOLATED, {'isolated_images': ['j'], 'isolated_hosts': ['h1'],
                'restrict_isolated_hosts_to_isolated_images': False}, {}, {}, None),
    # queries
    (JSON, {}, {}, {}, None),
    (JSON, {}, {}, query(['and', ['>=', '$free_ram_mb', 1024], ['>=', '$free_disk_mb', 10 * 1024]]), None),
    (JSON, {}, {}, query(['>=', '$free_ram_mb', 8192]), NOT_MET),
    (JSON, {}, {}, query(['not', ['>=', '$free_ram_mb', 8192]]), None),
    (JSON, {}, {}, query(['or', ['<', '$free_ram_mb', 1], ['in', '$host', 'h1', 'h2']]), None),
    (JSON, {}, {}, query(['=', '$vcpus_total', 4, 4]), None),
    (JSON, {}, {}, query(['<=', '$vcpus_total', 3]), NOT_MET),
    (JSON, {}, CPU, query(['=', '$cpu_info.arch', 'x86_64']), None),
    (JSON, {}, {}, query(['>', '$no_such_thing', 3]), NOT_MET),
    (JSON, {}, {}, query(['>', '$host', 3]), NO_QUERY),
    (JSON, {}, {}, query(['like', '$host', 'h%']), NO_QUERY),
    (JSON, {}, {}, query([]), None),
    (JSON, {}, {}, {'scheduler_hints': {'query': ['no json']}}, NO_QUERY),
    # what the monitors say
    (METRICS, {}, {}, {}, None),
    (METRICS, {'metrics.weight_setting': ['cpu.percent=-1.0']},
     {'metrics': [{'name': 'cpu.percent', 'value': 0.5}]}, {}, None),
    (METRICS, {'metrics.weight_setting': ['cpu.percent=-1.0', 'b=1', 'a=1']},
     {'metrics': [{'name': 'cpu.percent', 'value': 0.5}]}, {}, Refusal('metrics', word='without the metrics a, b')),
    # traits and resource classes
    (TRAITS, {}, {}, {}, None),
    (TRAITS, {}, {'traits': ['HW_AVX']}, specs(trait__HW_AVX='required'), None),
    (TRAITS, {}, {'traits': ['HW_AVX']}, specs(trait1__HW_SGX='required', trait__HW_AVX='required'),
     Refusal('traits', word='without HW_SGX')),
    (TRAITS, {}, {'traits': ['HW_AVX']}, specs(trait__HW_AVX='forbidden'), Refusal('traits', word='with HW_AVX')),
    (TRAITS, {}, {}, {'image': {'trait:CUSTOM_LICENSED': 'required'}},
     Refusal('traits', word='without CUSTOM_LICENSED')),
    (RESOURCES, {}, {}, {}, None),
    (RESOURCES, {}, {}, specs(resources__VCPU='1', resources__MEMORY_MB='0'), None),
    (RESOURCES, {}, GOLD, specs(resources__CUSTOM_GOLD='3'), None),
    (RESOURCES, {}, GOLD, specs(resources__CUSTOM_GOLD='2', resources1__CUSTOM_GOLD='2'),
     Refusal('resources', needs=4, best=3, unit='CUSTOM_GOLD', may_change=False)),
    (RESOURCES, {}, {**GOLD, 'inventory_used': {'CUSTOM_GOLD': 2}}, specs(resources__CUSTOM_GOLD='2'),
     Refusal('resources', needs=2, best=1, unit='CUSTOM_GOLD')),
    # cells and devices
    (NUMA, {}, {}, {}, None),
    (NUMA, {}, {}, specs(hw__numa_nodes='1'), NO_CELLS),
    (NUMA, {}, CELLS, specs(hw__numa_nodes='1'), None),
    (NUMA, {}, CELLS, {**specs(hw__numa_nodes='3'), 'vcpus': 3, 'memory_mb': 300}, NO_CELLS),
    (NUMA, {}, CELLS, {**specs(hw__cpu_policy='dedicated'), 'vcpus': 2}, None),
    (NUMA, {}, CELLS, {**specs(hw__cpu_policy='dedicated'), 'vcpus': 3}, NO_ROOM),
    (NUMA, {}, {**CELLS, 'inventory_used': {'PCPU_0': 1, 'PCPU_2': 1}},
     {**specs(hw__cpu_policy='dedicated'), 'vcpus': 2}, NO_ROOM),
    (PCI, {}, {}, {}, None),
    (PCI, {'pci.alias': ALIAS}, {}, specs(pci_passthrough__alias='nic:1'), NO_DEVICES),
    (PCI, {'pci.alias': ALIAS}, NICS, specs(pci_passthrough__alias='nic:2'), None),
    (PCI, {'pci.alias': ALIAS}, {**NICS, 'inventory_used': {'PCI_a': 1}}, specs(pci_passthrough__alias='nic:2'),
     NO_DEVICES),
    (PCI, {'pci.alias': ALIAS}, NICS, specs(pci_passthrough__alias='nic:1', hw__numa_nodes='1'), NO_DEVICES),
    # addresses
    (NEAR, {}, {'host_ip': '10.0.0.1'}, {}, None),
    (NEAR, {}, {'host_ip': '10.0.0.1'}, {'scheduler_hints': {'build_near_host_ip': ['10.0.0.200']}}, None),
    (NEAR, {}, {'host_ip': '10.0.0.1'}, {'scheduler_hints': {'build_near_host_ip': ['10.0.1.1'], 'cidr': '/16'}}, None),
    (NEAR, {}, {'host_ip': '10.0.0.1'}, {'scheduler_hints': {'build_near_host_ip': ['10.0.1.1']}},
     Refusal('near', word='in another block of addresses')),
    (NEAR, {}, {'host_ip': '10.0.0.1'}, {'scheduler_hints': {'build_near_host_ip': ['near']}},
     Refusal('near', word='asked with a block of addresses that is none', may_change=False)),
    (NEAR, {}, {'host_ip': None}, {'scheduler_hints': {'build_near_host_ip': ['10.0.1.1']}},
     Refusal('near', word='in another block of addresses')),
]

#: Filters with tests of their own, below.
ALONE = {trusted_filter.TrustedFilter}

# the host's value, the extra spec, whether it is met
OPERATORS = [
    ('4', '4', True), ('4', '5', False), (4, '4', True), (None, '4', False), ('4', '4 ', False),
    ('5', '= 4', True), ('4', '= 4', True), ('3', '= 4', False), ('x', '= 4', False),
    ('4.0', '== 4', True), ('4', '!= 4', False), ('5', '!= 4', True), ('4', '>= 4', True), ('3', '<= 4', True),
    ('5', '<= 4', False), ('5', '> 4', True), ('4', '< 4', False), ('4', '>= four', False),
    ('2.1.0', 's== 2.1.0', True), ('2.1', 's== 2.1.0', False), ('b', 's!= a', True), ('b', 's>= a', True),
    ('b', 's> b', False), ('a', 's<= b', True), ('a', 's< a', False),
    ('gcc 4.8', '<in> gcc', True), (['gcc', 'g++'], '<in> gcc', True), ('icc', '<in> gcc', False), (12, '<in> 2', True),
    (['aes', 'mmx'], '<all-in> aes mmx', True), (['aes'], '<all-in> aes mmx', False),
    ('fpu', '<or> fpu <or> gpu', True), ('gpu', '<or> fpu <or> gpu', True), ('cpu', '<or> fpu <or> gpu', False),
    ('15', '<range-in> [10 20]', True), ('20', '<range-in> [10 20)', False), ('10', '<range-in> ( 10 20 ]', False),
    ('x', '<range-in> [10 20]', False), ('15', '<range-in> 10 20', False),
]


class TestFilters(unittest.TestCase):
    def cases(self):
        for cls, options, host, request, expected in CASES:
            with self.subTest(f'{cls.__name__}: {options} {host} {request}'):
                for name, value in options.items():
                    group, _dot, option = name.rpartition('.')
                    CONF.set_override(option, value, group=group or 'filter_scheduler')
                try:
                    asked = world.make_request(**request)
                    asked.hosts_with_other_flavors = {'h2'}
                    yield cls(), world.make_state(**host), asked, expected
                finally:
                    for name in options:
                        group, _dot, option = name.rpartition('.')
                        CONF.clear_override(option, group=group or 'filter_scheduler')

    def test_the_answer_to_each_case_is_the_whole_refusal(self):
        for filter_, host, request, expected in self.cases():
            self.assertEqual(expected, filter_.refuse(host, request) if filter_.applies(request) else None)

    def test_the_documented_method_says_the_same(self):
        for filter_, host, request, expected in self.cases():
            self.assertEqual(expected is None, filter_.host_passes(host, request))

    def test_the_mask_of_each_filter_says_the_same(self):
        for filter_, host, request, expected in self.cases():
            if filter_.mask is not None and filter_.applies(request):
                table = columns.Columns([world.make_state(), host])
                self.assertEqual(expected is None, bool(filter_.mask(table, request)[1]))

    def test_every_filter_has_cases(self):
        from nova.tests.unit.scheduler import test_filters
        covered = {cls for cls, *_rest in CASES} | {cls for cls, *_rest in test_filters.CASES} | ALONE
        self.assertEqual(set(), set(filters.all_filters()) - covered)

    def test_operators(self):
        for value, required, expected in OPERATORS:
            with self.subTest(f'{value!r} {required}'):
                self.assertIs(expected, extra_specs_ops.match(value, required))

    def test_what_an_aggregate_allows_is_what_the_claim_keeps(self):
        host = world.make_state(vcpus=4, memory_mb=1000, local_gb=10, aggregates=[
            {'cpu_allocation_ratio': '2', 'ram_allocation_ratio': '1.5', 'disk_allocation_ratio': '3',
             'max_instances_per_host': '7'}])
        limits = {}
        for cls in (CORES, RAM, DISK, FULL_OF_AGGREGATE):
            limits |= cls().claim_limits(host)
        self.assertEqual({'vcpus': 8, 'memory_mb': 1500, 'disk_gb': 30, 'servers': 7}, limits)


class Attester:
    """A service that trusts h1 and nobody else.  Plain sockets: they do with and without green threads."""

    def __init__(self):
        self.asked = []
        self._socket = socket.create_server(('127.0.0.1', 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    def _serve(self):
        while True:
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile('rwb') as stream:
                self._answer(stream)

    def _answer(self, stream):
        path = stream.readline().split()[1].decode()
        headers = dict(line.decode().strip().lower().split(': ', 1)
                       for line in iter(stream.readline, b'\r\n') if line)
        hosts = json.loads(stream.read(int(headers['content-length'])))['hosts']
        self.asked.append((path, headers['x-auth-blob'], hosts))
        body = json.dumps({'hosts': [{'host_name': host, 'trust_lvl': 'trusted' if host == 'h1' else 'untrusted',
                                      'vtime': '2026-11-21T00:00:00Z'} for host in hosts]}).encode()
        stream.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b' % (len(body), body))


class TestTrustedFilter(unittest.TestCase):
    def setUp(self):
        self.server = Attester()
        self.addCleanup(self.server.close)
        for name, value in (('server', '127.0.0.1'), ('port', self.server.port), ('auth_blob', 'blob'),
                            ('timeout', 2.0)):
            CONF.set_override(name, value, group='trust')
            self.addCleanup(CONF.clear_override, name, group='trust')
        # The service of this test has no certificate.
        real = requests.post
        requests.post = lambda url, **more: real(url.replace('https:', 'http:'), **more)
        self.addCleanup(setattr, requests, 'post', real)
        self.hosts = [world.make_state(host='h1'), world.make_state(host='h2')]

    def ask(self, wanted):
        return trusted_filter.TrustedFilter().refusals(self.hosts, world.make_request(
            extra_specs={'trust:trusted_host': wanted}))

    def test_hosts_are_what_the_flavor_wants(self):
        self.assertEqual([None, Refusal('trust', word='untrusted')], self.ask('trusted'))
        self.assertEqual([Refusal('trust', word='trusted'), None], self.ask('untrusted'))
        self.assertEqual(('/OpenAttestationWebServices/V1.0/PollHosts', 'blob', ['h1', 'h2']), self.server.asked[0])

    def test_one_answer_lasts_a_while(self):
        asked = trusted_filter.TrustedFilter()
        request = world.make_request(extra_specs={'trust:trusted_host': 'trusted'})
        for _time in range(3):
            asked.refusals(self.hosts, request)
        self.assertEqual(1, len(self.server.asked))

    def test_without_the_service_nobody_is_trusted(self):
        CONF.set_override('port', 1, group='trust')
        self.assertEqual([Refusal('trust', word='unknown')] * 2, self.ask('trusted'))

    def test_flavors_that_want_no_trust_do_not_ask(self):
        self.assertFalse(trusted_filter.TrustedFilter().applies(world.make_request()))
