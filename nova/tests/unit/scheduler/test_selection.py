# SPDX-License-Identifier: Apache-2.0
import unittest

from nova.conf import CONF
from nova.scheduler import host_manager, selection
from nova.tests.unit.scheduler import world


class Hosts(host_manager.HostManager):
    """Host states without a database."""

    def __init__(self, states):
        super().__init__()
        self.states = states
        for state in states:
            state.on_change = self._dirty.add

    def get_all_host_states(self, context=None):
        return self.states


class SelectionCase:
    """Few hosts, and the same with columns: both ways must agree."""

    columns_from = None

    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, host_manager, 'COLUMNS_FROM', host_manager.COLUMNS_FROM)
        host_manager.COLUMNS_FROM = self.columns_from

    def choose(self, states, count=1, alternates=0, lost=(), **request):
        self.selector = selection.Selector(Hosts(states))
        choices = self.selector.choose(world.make_request(**request), count, alternates, lost)
        self.alternates = [[host.host for host in choice.alternates] for choice in choices]
        return [choice.host.host for choice in choices]

    def refused(self, states, count=1, **request):
        with self.assertRaises(selection.Refused) as caught:
            self.choose(states, count, **request)
        return caught.exception.diagnosis.admin_text()

    @staticmethod
    def hosts(*memory_mb, **values):
        return [world.make_state(host=f'h{number}', memory_mb=size, **values)
                for number, size in enumerate(memory_mb, 1)]

    def test_the_host_with_most_memory_wins(self):
        self.assertEqual(['h2'], self.choose(self.hosts(2000, 4000, 3000)))

    def test_each_server_is_placed_on_what_the_others_left(self):
        # memory draws to h2, and what it has to build already pushes away
        self.assertEqual(['h2', 'h1', 'h2', 'h1'], self.choose(self.hosts(2100, 4000), 4))

    def test_hosts_that_do_not_pass_are_counted_by_the_first_who_refused(self):
        states = [*self.hosts(2000, 3000), world.make_state(host='h3', service={'disabled': True}),
                  world.make_state(host='h4', memory_mb=9999, vcpus_used=4)]
        self.assertEqual('No valid host: 0 of 4. ComputeFilter 1 (disabled), CoreFilter 1 (best has 0 of 1 CPUs), '
                         'RamFilter 2 (best has 3,000 of 4,000 MiB).', self.refused(states, memory_mb=4000))

    def test_a_server_too_many_places_none(self):
        states = self.hosts(2048, 2048)
        self.assertEqual('No valid host: 0 of 2. RamFilter 2 (best has 0 of 1,024 MiB).', self.refused(states, 5))
        self.assertEqual([2048, 2048], [state.memory_mb_free for state in states])

    def test_alternates_are_the_next_best_and_may_take_a_server(self):
        states = self.hosts(1100, 2000, 4000, 3000)
        self.assertEqual(['h3'], self.choose(states, alternates=2))
        self.assertEqual([['h4', 'h2']], self.alternates)

    def test_the_alternates_of_one_may_be_the_choice_of_another(self):
        self.assertEqual(['h1', 'h2', 'h1'], self.choose(self.hosts(4000, 2500), 3, alternates=1))
        self.assertEqual([['h2'], ['h1'], ['h2']], self.alternates)

    def test_full_hosts_are_no_alternates(self):
        self.choose(self.hosts(1024, 4000, 1024), 1, alternates=9, memory_mb=1024)
        self.assertEqual([['h1', 'h3']], self.alternates)
        self.choose(self.hosts(1000, 2000), 1, alternates=9)
        self.assertEqual([[]], self.alternates)

    def test_ignored_hosts_are_ignored(self):
        self.assertEqual(['h1'], self.choose(self.hosts(2000, 4000), ignore_hosts=['h2']))
        self.assertEqual('No valid host: 0 of 2. ignore_hosts 2 (to be ignored).',
                         self.refused(self.hosts(2000, 4000), ignore_hosts=['h1', 'h2']))

    def test_a_forced_host_is_not_filtered(self):
        states = [*self.hosts(4000), world.make_state(host='h2', memory_mb=1, service={'disabled': True})]
        self.assertEqual(['h2'], self.choose(states, force_hosts=['h2']))
        self.assertEqual(['h2'], self.choose(states, force_nodes=['h2']))
        self.assertEqual('No valid host: 0 of 2. force_hosts 2 (not the one asked for).',
                         self.refused(states, force_hosts=['h9']))

    def test_a_requested_destination_is_filtered(self):
        states = [*self.hosts(4000, 3000), world.make_state(host='h3', service={'disabled': True})]
        self.assertEqual(['h2'], self.choose(states, requested_destination={'host': 'h2', 'node': None}))
        self.assertEqual('No valid host: 0 of 3. requested_destination 2 (not the one asked for), '
                         'ComputeFilter 1 (disabled).',
                         self.refused(states, requested_destination={'host': 'h3', 'node': 'h3'}))

    def test_hosts_whose_claims_were_lost_are_out(self):
        states = self.hosts(2000, 4000)
        self.assertEqual(['h1'], self.choose(states, lost=[states[1]]))

    def test_a_filter_without_a_mask_is_asked_host_by_host(self):
        states = [*self.hosts(2000, 3000), world.make_state(host='h3', supported_hv_specs=[['ppc64', 'kvm', 'hvm']])]
        self.assertEqual(['h2'], self.choose(states, image={'hw_architecture': 'x86_64'}))
        self.assertEqual('No valid host: 0 of 3. ImagePropertiesFilter 1 (of another architecture or hypervisor), '
                         'RamFilter 2 (best has 3,000 of 5,000 MiB).',
                         self.refused(states, memory_mb=5000, image={'hw_architecture': 'x86_64'}))

    def test_zones(self):
        states = [world.make_state(host='h1', zone='z1'), world.make_state(host='h2', zone='z2', memory_mb=9000)]
        self.assertEqual(['h1'], self.choose(states, availability_zone='z1'))
        self.assertEqual('No valid host: 0 of 2. AvailabilityZoneFilter 2 (in another zone).',
                         self.refused(states, availability_zone='z3'))

    def test_there_may_be_no_hosts(self):
        self.assertEqual('No valid host: there is no compute host.', self.refused([]))

    def test_one_of_the_best_few_is_taken_if_so_configured(self):
        CONF.set_override('host_subset_size', 2, group='filter_scheduler')
        self.addCleanup(CONF.clear_override, 'host_subset_size', group='filter_scheduler')
        taken = {self.choose(self.hosts(2000, 4000, 3000))[0] for _time in range(60)}
        self.assertEqual({'h2', 'h3'}, taken)

    def test_one_of_the_equally_good_is_taken_if_so_configured(self):
        CONF.set_override('shuffle_best_same_weighed_hosts', True, group='filter_scheduler')
        self.addCleanup(CONF.clear_override, 'shuffle_best_same_weighed_hosts', group='filter_scheduler')
        taken = {self.choose(self.hosts(2000, 4000, 4000))[0] for _time in range(60)}
        self.assertEqual({'h2', 'h3'}, taken)


class TestFewHosts(SelectionCase, unittest.TestCase):
    columns_from = 10000


class TestManyHosts(SelectionCase, unittest.TestCase):
    columns_from = 1
