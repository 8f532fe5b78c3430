# SPDX-License-Identifier: Apache-2.0
import os
import tempfile
import unittest

from nova import conf, context, exception
from nova.network import model
from nova.tests.unit.virt import contract
from nova.virt import event, fake, fake_hypervisor, power_state


class FakeDriverCase(contract.DriverContract):
    def setUp(self):
        self.addCleanup(fake_hypervisor.forget_machines)
        super().setUp()

    def make_driver(self):
        return fake.FakeDriver(fake.FakeVirtAPI())


class TestContract(FakeDriverCase, unittest.TestCase):
    """The fake driver is a driver."""


class TestFakeDriver(unittest.TestCase):
    def setUp(self):
        self.context = context.get_admin_context()
        self.addCleanup(fake_hypervisor.forget_machines)
        self.addCleanup(fake.restore_nodes)

    def start(self, host='h1', cls=fake.FakeDriver):
        self.driver = cls(fake.FakeVirtAPI())
        self.driver.init_host(host)
        self.host = host
        return self.driver

    make_instance = contract.DriverContract.make_instance
    make_image_meta = contract.DriverContract.make_image_meta

    def spawn(self, instance):
        self.driver.spawn(self.context, instance, self.make_image_meta(), [], None, model.NetworkInfo(), None)
        return instance

    def set_fake(self, **options):
        for name, value in options.items():
            conf.CONF.set_override(name, value, group='fake')
            self.addCleanup(conf.CONF.clear_override, name, group='fake')

    def test_capacity_is_what_the_options_say_or_the_class(self):
        totals = [self.start(cls=cls).get_available_resource('h1')['vcpus']
                  for cls in (fake.FakeDriver, fake.SmallFakeDriver)]
        self.set_fake(vcpus=7)
        totals.append(self.start(cls=fake.SmallFakeDriver).get_available_resource('h1')['vcpus'])
        self.assertEqual([1000, 1, 7], totals)

    def test_nodes_come_from_the_options_and_from_set_nodes(self):
        self.assertEqual(['h1'], self.start().get_available_nodes())
        self.set_fake(nodes=['a', 'b'])
        self.assertEqual(['a', 'b'], self.driver.get_available_nodes())
        fake.set_nodes(['c'])
        self.assertEqual(['c'], self.driver.get_available_nodes())
        fake.restore_nodes()
        self.assertEqual(['a', 'b'], self.driver.get_available_nodes())

    def test_used_amounts_are_those_of_the_nodes_guests(self):
        self.set_fake(nodes=['a', 'b'])
        self.start()
        self.spawn(self.make_instance(node='b'))
        used = [self.driver.get_available_resource(node)['memory_mb_used'] for node in ('a', 'b')]
        self.assertEqual([0, 64], used)

    def test_a_call_fails_as_often_as_it_is_told(self):
        for when, outcomes in (('always', 'FFF'), ('once', 'F..'), ('2', 'FF.'), ('100%', 'FFF'), ('0%', '...'),
                               ('never', '...')):
            self.set_fake(failures={'get_host_uptime': when})
            self.start()
            seen = ''
            for _call in outcomes:
                try:
                    self.driver.get_host_uptime()
                    seen += '.'
                except fake.FakeFailure:
                    seen += 'F'
            self.assertEqual(outcomes, seen, when)

    def test_a_spawn_that_is_told_to_fail_leaves_nothing(self):
        self.set_fake(failures={'spawn': 'once'})
        self.start()
        instance = self.make_instance()
        with self.assertRaisesRegex(fake.FakeFailure, 'The fake hypervisor was told to fail spawn.'):
            self.spawn(instance)
        self.assertEqual([], self.driver.find_leftovers([]))
        self.spawn(instance)

    def test_a_wrong_option_stops_the_start_and_is_named(self):
        for option, value, words in (('failures', {'spwan': 'once'}, "[fake]failures: 'spwan' is no driver method"),
                                     ('failures', {'spawn': 'often'}, "[fake]failures: 'often' for spawn"),
                                     ('delays', {'spawn': '-1'}, "[fake]delays: '-1' for spawn")):
            with self.subTest(words):
                self.set_fake(**{option: value})
                with self.assertRaises(exception.ConfigInvalid) as caught:
                    self.start()
                self.assertIn(words, str(caught.exception))
                self.set_fake(**{option: {}})

    def test_a_delayed_call_takes_that_long(self):
        self.set_fake(delays={'get_host_uptime': '0.05'})
        self.start()
        slept = []
        self.addCleanup(setattr, fake.concurrency, 'sleep', fake.concurrency.sleep)
        fake.concurrency.sleep = slept.append
        self.driver.get_host_uptime()
        self.assertEqual([0.05], slept)

    def test_guests_outlive_the_driver(self):
        self.start()
        instance = self.spawn(self.make_instance())
        self.driver.cleanup_host('h1')
        self.assertEqual(power_state.RUNNING, self.start().get_info(instance).state)
        self.assertEqual([], self.start('h2').list_instances())

    def test_guests_outlive_the_process_when_there_is_a_state_file(self):
        with tempfile.TemporaryDirectory() as directory:
            self.set_fake(state_file=os.path.join(directory, '%(host)s.json'))
            self.start()
            instance = self.spawn(self.make_instance())
            other = self.spawn(self.make_instance())
            self.driver.pause(instance)
            self.driver.destroy(self.context, other, model.NetworkInfo())
            fake_hypervisor.forget_machines()
            self.start()
            self.assertEqual(['h1.json'], os.listdir(directory))
            self.assertEqual([instance.uuid], self.driver.list_instance_uuids())
            self.assertEqual(power_state.PAUSED, self.driver.get_info(instance).state)

    def test_what_guests_do_by_themselves_is_told(self):
        self.start()
        instance = self.spawn(self.make_instance())
        events = []
        self.driver.register_event_listener(events.append)
        self.driver.hypervisor.guest_shuts_down(instance.uuid)
        fake.concurrency.sleep(0)
        self.assertEqual([(instance.uuid, event.EVENT_LIFECYCLE_STOPPED)],
                         [(seen.get_instance_uuid(), seen.get_transition()) for seen in events])
        self.driver.hypervisor.guest_vanishes(instance.uuid)
        self.assertFalse(self.driver.instance_exists(instance))

    def test_a_live_migration_takes_the_guest_to_the_other_host(self):
        there, here = self.start('h2'), self.start('h1')
        instance = self.spawn(self.make_instance())
        arrived = []
        here.live_migration(self.context, instance, 'h2', lambda *args: arrived.append(args[2]), None)
        self.assertEqual((['h2'], []), (arrived, here.list_instances()))
        there.post_live_migration_at_destination(self.context, instance, model.NetworkInfo())
        self.assertEqual([instance.name], there.list_instances())

    def test_the_console_shows_the_boot(self):
        self.start()
        instance = self.spawn(self.make_instance())
        self.assertIn(f'{instance.name} login:', self.driver.get_console_output(self.context, instance))
