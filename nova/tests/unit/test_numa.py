# SPDX-License-Identifier: Apache-2.0
import unittest

from nova import numa

TWO = {'cells': [{'id': number, 'cpus': list(range(number * 4, number * 4 + 4)),
                  'pcpus': list(range(number * 4, number * 4 + 4)), 'memory_mb': 2048,
                  'siblings': [[number * 4, number * 4 + 1], [number * 4 + 2, number * 4 + 3]],
                  'pages': [{'size_kb': 4, 'total': 524288}, {'size_kb': 2048, 'total': 256},
                            {'size_kb': 1048576, 'total': 1}]} for number in (0, 1)]}


def cell(number, cpus, memory_mb):
    return {'id': number, 'cpus': cpus, 'memory_mb': memory_mb}


# extra specs, image properties, (CPUs, MiB), what is wanted: cells, CPU policy, thread policy, pages
WANTED = [
    ({}, {}, (2, 512), None),
    ({'hw:cpu_policy': 'shared'}, {}, (2, 512), None),
    ({'hw:numa_nodes': '2'}, {}, (4, 512), ([cell(0, [0, 1], 256), cell(1, [2, 3], 256)], None, None, None)),
    ({}, {'hw_numa_nodes': '1'}, (2, 512), ([cell(0, [0, 1], 512)], None, None, None)),
    ({'hw:numa_nodes': '2', 'hw:numa_cpus.0': '0-2', 'hw:numa_cpus.1': '3', 'hw:numa_mem.0': '384',
      'hw:numa_mem.1': '128'}, {}, (4, 512), ([cell(0, [0, 1, 2], 384), cell(1, [3], 128)], None, None, None)),
    ({'hw:cpu_policy': 'dedicated'}, {}, (2, 512), ([cell(0, [0, 1], 512)], 'dedicated', None, None)),
    ({'resources:PCPU': '2'}, {}, (2, 512), ([cell(0, [0, 1], 512)], 'dedicated', None, None)),
    ({}, {'hw_cpu_policy': 'dedicated', 'hw_cpu_thread_policy': 'require'}, (2, 512),
     ([cell(0, [0, 1], 512)], 'dedicated', 'require', None)),
    ({'hw:cpu_policy': 'dedicated', 'hw:cpu_thread_policy': 'prefer'}, {'hw_cpu_thread_policy': 'isolate'}, (2, 512),
     ([cell(0, [0, 1], 512)], 'dedicated', 'isolate', None)),
    ({'hw:mem_page_size': 'large'}, {}, (2, 512), ([cell(0, [0, 1], 512)], None, None, 'large')),
    ({'hw:mem_page_size': 'any'}, {'hw_mem_page_size': '2MB'}, (2, 512), ([cell(0, [0, 1], 512)], None, None, 2048)),
    ({'hw:mem_page_size': '1GB'}, {}, (2, 1024), ([cell(0, [0, 1], 1024)], None, None, 1048576)),
]

# extra specs, image properties, (CPUs, MiB), words of the error
REFUSED = [
    ({'hw:cpu_policy': 'mine'}, {}, (2, 512), "hw:cpu_policy: 'mine' is not one of shared, dedicated"),
    ({'hw:cpu_policy': 'shared'}, {'hw_cpu_policy': 'dedicated'}, (2, 512), 'hw_cpu_policy'),
    ({'hw:cpu_thread_policy': 'isolate'}, {}, (2, 512), 'hw:cpu_thread_policy: is for dedicated CPUs'),
    ({'hw:cpu_policy': 'dedicated', 'hw:cpu_thread_policy': 'isolate'}, {'hw_cpu_thread_policy': 'require'}, (2, 512),
     'the flavor wants isolate, the image require'),
    ({'hw:numa_nodes': '2'}, {'hw_numa_nodes': '1'}, (2, 512), 'hw_numa_nodes'),
    ({'hw:numa_nodes': 'x'}, {}, (2, 512), "hw:numa_nodes: 'x' is no number"),
    ({'hw:numa_nodes': '3'}, {}, (2, 512), 'not from 1 to'),
    ({'hw:numa_nodes': '2'}, {}, (3, 512), 'split evenly'),
    ({'hw:numa_nodes': '2', 'hw:numa_cpus.0': '0'}, {}, (2, 512), 'for all cells'),
    ({'hw:numa_nodes': '1', 'hw:numa_cpus.0': '0', 'hw:numa_mem.0': '512'}, {}, (2, 512), 'each CPU from 0 to 1 once'),
    ({'hw:numa_nodes': '1', 'hw:numa_cpus.0': '0,1', 'hw:numa_mem.0': '256'}, {}, (2, 512), 'not the 512 MiB'),
    ({'hw:mem_page_size': 'huge'}, {}, (2, 512), 'hw:mem_page_size'),
    ({}, {'hw_mem_page_size': '2MB'}, (2, 512), 'hw_mem_page_size: an image may choose'),
]


class TestConstraints(unittest.TestCase):
    def test_what_is_wanted(self):
        for specs, properties, size, expected in WANTED:
            with self.subTest(f'{specs} {properties}'):
                found = numa.constraints(specs, properties, *size)
                self.assertEqual(expected, found and (found['cells'], found['cpu_policy'], found['thread_policy'],
                                                      found['page_size']))

    def test_what_is_refused_names_the_key(self):
        for specs, properties, size, words in REFUSED:
            with self.subTest(f'{specs} {properties}'), self.assertRaises(numa.NumaInvalid) as caught:
                numa.constraints(specs, properties, *size)
            self.assertIn(words, str(caught.exception))


class TestPlace(unittest.TestCase):
    def setUp(self):
        self.inventory = numa.inventory(TWO, cpu_ratio=2.0)
        self.used = {}

    def left_of(self, name):
        has = self.inventory.get(name)
        return int(has['total'] * has['allocation_ratio']) - self.used.get(name, 0) if has else 0

    def place(self, specs, vcpus=2, memory_mb=512, accepts=lambda cells: True, keep=True):
        placed = numa.place(TWO, self.left_of, numa.constraints(specs, {}, vcpus, memory_mb), accepts)
        if placed is None:
            return None
        for name, amount in placed[1].items() if keep else ():
            self.used[name] = self.used.get(name, 0) + amount
        return [(cell['host_cell'], cell['pinning'] and list(cell['pinning'].values()), cell['page_size_kb'])
                for cell in placed[0]]

    def test_cells_are_packed_and_then_full(self):
        one = {'hw:numa_nodes': '1'}
        self.assertEqual([(0, None, None)], self.place(one, memory_mb=1536))
        self.assertEqual([(1, None, None)], self.place(one, memory_mb=1536))
        self.assertEqual([(0, None, None)], self.place(one, memory_mb=512))
        self.assertIsNone(self.place(one, memory_mb=1536))
        self.assertIsNone(self.place(one, vcpus=5, memory_mb=1))

    def test_two_cells_of_a_guest_lie_on_two_of_the_host(self):
        self.assertEqual([(0, None, None), (1, None, None)], self.place({'hw:numa_nodes': '2'}, vcpus=4))
        self.assertIsNone(self.place({'hw:numa_nodes': '3'}, vcpus=3, memory_mb=300))

    def test_pinned_cpus_are_nobody_elses(self):
        pinned = {'hw:cpu_policy': 'dedicated'}
        self.assertEqual([(0, [0, 1, 2], None)], self.place(pinned, vcpus=3))
        self.assertEqual([(1, [4, 5], None)], self.place(pinned, vcpus=2))
        self.assertEqual([(0, [3], None)], self.place(pinned, vcpus=1))
        self.assertIsNone(self.place(pinned, vcpus=3))

    def test_isolated_cpus_have_their_core_to_themselves(self):
        isolated = {'hw:cpu_policy': 'dedicated', 'hw:cpu_thread_policy': 'isolate'}
        self.assertEqual([(0, [0, 2], None)], self.place(isolated))
        self.assertEqual({f'PCPU_{cpu}': 1 for cpu in range(4)},
                         {name: amount for name, amount in self.used.items() if name.startswith('PCPU')})
        self.assertEqual([(1, [4, 6], None)], self.place(isolated))
        self.assertIsNone(self.place({'hw:cpu_policy': 'dedicated'}, vcpus=1))

    def test_required_siblings_are_whole_cores(self):
        required = {'hw:cpu_policy': 'dedicated', 'hw:cpu_thread_policy': 'require'}
        self.place({'hw:cpu_policy': 'dedicated'}, vcpus=1)
        self.assertEqual([(0, [2, 3], None)], self.place(required))
        self.assertEqual([(1, [4, 5, 6, 7], None)], self.place(required, vcpus=4))
        self.assertIsNone(self.place(required))
        self.assertIsNone(self.place(required, vcpus=3))

    def test_pages(self):
        self.assertEqual([(0, None, 4)], self.place({'hw:mem_page_size': 'small'}))
        self.assertEqual([(0, None, 2048)], self.place({'hw:mem_page_size': 'large'}))
        self.assertEqual([(1, None, 2048)], self.place({'hw:mem_page_size': '2048'}))
        self.assertEqual([(0, None, 1048576)], self.place({'hw:mem_page_size': 'any'}, memory_mb=1024))
        self.assertIsNone(self.place({'hw:mem_page_size': '2MB'}))
        self.assertIsNone(self.place({'hw:mem_page_size': '16MB'}))

    def test_some_cells_will_not_do(self):
        self.assertEqual([(1, None, None)], self.place({'hw:numa_nodes': '1'}, accepts=lambda cells: 1 in cells))

    def test_a_host_without_cells_takes_nobody_who_wants_some(self):
        wanted = numa.constraints({'hw:numa_nodes': '1'}, {}, 1, 64)
        for topology in (None, {'cells': []}):
            self.assertIsNone(numa.place(topology, self.left_of, wanted))
