# SPDX-License-Identifier: Apache-2.0
"""What every driver must do: `nova.virt.driver`'s rules as tests.

A driver's tests derive from `DriverContract` and `unittest.TestCase` and say how to build the driver:

    class TestFakeDriver(contract.DriverContract, unittest.TestCase):
        def make_driver(self):
            return fake.FakeDriver(fake.FakeVirtAPI())

A driver that cannot do something (raises NotImplementedError) skips that test, and the skip says so.
"""

import functools
import itertools
import json
import time

from oslo_utils import uuidutils

from nova import concurrency, context, exception, objects
from nova.network import model
from nova.virt import driver as contract_driver
from nova.virt import event, hardware, power_state

_numbers = itertools.count(int(time.time()) % 100000)


def optional(test):
    """The driver may say that it cannot."""
    @functools.wraps(test)
    def run(self):
        try:
            test(self)
        except NotImplementedError:
            self.skipTest('this driver does not have it')
    return run


class DriverContract:
    """The tests; see the module."""

    #: Seconds that asynchronous things (events) may take.
    patience_s = 5

    # For the driver's own tests to say .............................................................................

    def make_driver(self):
        """A driver that was built and not yet initialised."""
        raise NotImplementedError()

    def make_image_meta(self):
        """Image that guests are made of."""
        return objects.ImageMeta(id=uuidutils.generate_uuid(), name='contract', status='active', disk_format='raw',
                                 container_format='bare', min_ram=0, min_disk=0, size=0, properties={})

    def make_vif(self):
        """An interface that the driver can plug on this machine."""
        number = next(_numbers) % 250
        subnet = model.Subnet(cidr='192.0.2.0/24', ips=[model.FixedIP(address=f'192.0.2.{number + 1}')])
        network = model.Network(id=uuidutils.generate_uuid(), bridge='br-contract', label='contract', subnets=[subnet])
        return model.VIF(id=uuidutils.generate_uuid(), address=f'fa:16:3e:00:00:{number:02x}', network=network,
                         type='bridge', devname=f'tapcontract{number}', active=True)

    def make_connection_info(self):
        """A volume that the driver can attach."""
        return {'driver_volume_type': 'local', 'data': {'device_path': '/dev/null'}, 'serial': 'contract'}

    # Common ........................................................................................................

    def setUp(self):
        super().setUp()
        self.context = context.get_admin_context()
        self.host = 'contract-host'
        self.driver = self.make_driver()
        self.events = []
        self.driver.register_event_listener(self.events.append)
        self.driver.init_host(self.host)
        self.addCleanup(self.driver.cleanup_host, self.host)

    def make_instance(self, **values):
        flavor = objects.Flavor(id=1, name='contract', flavorid='contract', memory_mb=64, vcpus=1, root_gb=1,
                                ephemeral_gb=0, swap=0, extra_specs={})
        number = next(_numbers)
        defaults = {'id': number, 'uuid': uuidutils.generate_uuid(), 'project_id': 'p', 'user_id': 'u',
                    'host': self.host, 'node': self.driver.get_available_nodes()[0], 'flavor': flavor, 'vcpus': 1,
                    'memory_mb': 64, 'root_gb': 1, 'ephemeral_gb': 0, 'display_name': 'contract',
                    'hostname': 'contract', 'root_device_name': '/dev/vda', 'image_ref': '', 'config_drive': '',
                    'metadata': {}, 'system_metadata': {}}
        return objects.Instance(self.context, **{**defaults, **values})

    def spawn(self, instance=None, vifs=()):
        instance = instance or self.make_instance()
        network_info = model.NetworkInfo(list(vifs))
        self.driver.spawn(self.context, instance, self.make_image_meta(), [], 'secret', network_info, None)
        self.addCleanup(self.driver.destroy, self.context, instance, network_info)
        return instance

    def destroy(self, instance):
        self.driver.destroy(self.context, instance, model.NetworkInfo())

    def state_of(self, instance):
        return self.driver.get_info(instance).state

    def wait_for_event(self, instance, transition):
        deadline = time.monotonic() + self.patience_s
        while time.monotonic() < deadline:
            for seen in self.events:
                if seen.get_instance_uuid() == instance.uuid and seen.get_transition() == transition:
                    return
            concurrency.sleep(0.01)
        names = [seen.get_name() for seen in self.events]
        self.fail(f'no event {event.NAMES[transition]} in {self.patience_s} s; got {names}')

    # The host ......................................................................................................

    def test_nodes_have_names_and_are_available(self):
        nodes = self.driver.get_available_nodes()
        self.assertTrue(nodes)
        self.assertTrue(all(isinstance(node, str) and node for node in nodes))
        self.assertTrue(self.driver.node_is_available(nodes[0]))
        self.assertFalse(self.driver.node_is_available('no-such-node'))

    def test_resources_have_all_keys_with_their_types(self):
        node = self.driver.get_available_nodes()[0]
        found = self.driver.get_available_resource(node)
        for name in ('vcpus', 'memory_mb', 'local_gb', 'vcpus_used', 'memory_mb_used', 'local_gb_used',
                     'hypervisor_version'):
            self.assertIsInstance(found[name], int, name)
        self.assertEqual(node, found['hypervisor_hostname'])
        self.assertIsInstance(found['hypervisor_type'], str)
        cpu_info = found['cpu_info']
        self.assertIsInstance(json.loads(cpu_info) if isinstance(cpu_info, str) else cpu_info, dict)
        self.assertTrue(found['supported_instances'])
        for architecture, hypervisor, mode in found['supported_instances']:
            self.assertTrue(architecture and hypervisor and mode)

    def test_traits_are_what_the_capabilities_say(self):
        traits = self.driver.get_traits(self.driver.get_available_nodes()[0])
        for name, trait in contract_driver.CAPABILITY_TRAITS.items():
            if self.driver.capabilities.get(name):
                self.assertIn(trait, traits)

    def test_every_capability_is_known(self):
        self.assertLessEqual(set(contract_driver.ComputeDriver.capabilities), set(self.driver.capabilities))

    @optional
    def test_uptime_is_what_the_command_prints(self):
        self.assertIn('up', self.driver.get_host_uptime())

    # Birth and death ...............................................................................................

    def test_a_new_guest_runs_and_is_listed(self):
        before = self.driver.get_num_instances()
        instance = self.spawn()
        self.assertEqual(power_state.RUNNING, self.state_of(instance))
        self.assertIn(instance.name, self.driver.list_instances())
        self.assertIn(instance.uuid, self.driver.list_instance_uuids())
        self.assertTrue(self.driver.instance_exists(instance))
        self.assertEqual(before + 1, self.driver.get_num_instances())
        self.wait_for_event(instance, event.EVENT_LIFECYCLE_STARTED)

    def test_info_has_the_guests_size(self):
        instance = self.spawn()
        info = self.driver.get_info(instance)
        self.assertIsInstance(info, hardware.InstanceInfo)
        self.assertEqual((instance.memory_mb * 1024, instance.vcpus), (info.max_mem_kb, info.num_cpu))

    def test_a_second_spawn_is_refused_and_the_first_guest_stays(self):
        instance = self.spawn()
        with self.assertRaises(exception.InstanceExists):
            self.driver.spawn(self.context, instance, self.make_image_meta(), [], 'secret', model.NetworkInfo(), None)
        self.assertEqual(power_state.RUNNING, self.state_of(instance))

    def test_a_destroyed_guest_is_gone_without_a_trace(self):
        instance = self.spawn(vifs=[self.make_vif()])
        self.destroy(instance)
        self.assertFalse(self.driver.instance_exists(instance))
        self.assertNotIn(instance.uuid, self.driver.list_instance_uuids())
        with self.assertRaises(exception.InstanceNotFound):
            self.driver.get_info(instance)
        self.assertEqual([], [left for left in self.driver.find_leftovers([]) if left['uuid'] == instance.uuid])
        self.wait_for_event(instance, event.EVENT_LIFECYCLE_STOPPED)

    def test_destroying_and_cleaning_up_twice_is_no_error(self):
        instance = self.spawn()
        for _again in range(2):
            self.destroy(instance)
            self.driver.cleanup(self.context, instance, model.NetworkInfo())

    def test_destroying_what_never_was_is_no_error(self):
        self.destroy(self.make_instance())

    def test_a_guest_can_be_made_again_after_its_end(self):
        instance = self.spawn()
        self.destroy(instance)
        self.spawn(instance)
        self.assertEqual(power_state.RUNNING, self.state_of(instance))

    def test_an_unknown_guest_is_not_found(self):
        instance = self.make_instance()
        self.assertFalse(self.driver.instance_exists(instance))
        for call in (lambda: self.driver.get_info(instance),
                     lambda: self.driver.power_off(instance),
                     lambda: self.driver.power_on(self.context, instance, model.NetworkInfo()),
                     lambda: self.driver.reboot(self.context, instance, model.NetworkInfo(), 'HARD'),
                     lambda: self.driver.get_console_output(self.context, instance)):
            with self.assertRaises(exception.InstanceNotFound):
                call()

    def test_leftovers_are_what_nobody_knows(self):
        instance = self.spawn()
        self.assertIn(instance.uuid, {left['uuid'] for left in self.driver.find_leftovers([])})
        self.assertNotIn(instance.uuid, {left['uuid'] for left in self.driver.find_leftovers([instance.uuid])})

    @optional
    def test_all_infos_come_in_one_call(self):
        instance = self.spawn()
        self.assertEqual(power_state.RUNNING, self.driver.list_instance_info()[instance.uuid].state)

    # Power .........................................................................................................

    def test_off_and_on_again_twice_each(self):
        instance = self.spawn()
        for _again in range(2):
            self.driver.power_off(instance)
            self.assertEqual(power_state.SHUTDOWN, self.state_of(instance))
        self.wait_for_event(instance, event.EVENT_LIFECYCLE_STOPPED)
        for _again in range(2):
            self.driver.power_on(self.context, instance, model.NetworkInfo(), None)
            self.assertEqual(power_state.RUNNING, self.state_of(instance))

    def test_a_guest_that_is_off_is_still_listed(self):
        instance = self.spawn()
        self.driver.power_off(instance)
        self.assertIn(instance.uuid, self.driver.list_instance_uuids())

    def test_reboots_end_running_whatever_was_before(self):
        instance = self.spawn()
        for kind in ('HARD', 'SOFT'):
            self.driver.reboot(self.context, instance, model.NetworkInfo(), kind)
            self.assertEqual(power_state.RUNNING, self.state_of(instance))
        self.driver.power_off(instance)
        self.driver.reboot(self.context, instance, model.NetworkInfo(), 'HARD')
        self.assertEqual(power_state.RUNNING, self.state_of(instance))

    @optional
    def test_pause_and_unpause_twice_each(self):
        instance = self.spawn()
        for _again in range(2):
            self.driver.pause(instance)
            self.assertEqual(power_state.PAUSED, self.state_of(instance))
        self.wait_for_event(instance, event.EVENT_LIFECYCLE_PAUSED)
        for _again in range(2):
            self.driver.unpause(instance)
            self.assertEqual(power_state.RUNNING, self.state_of(instance))
        self.wait_for_event(instance, event.EVENT_LIFECYCLE_RESUMED)

    @optional
    def test_a_guest_that_is_off_cannot_be_paused(self):
        instance = self.spawn()
        self.driver.power_off(instance)
        with self.assertRaises(exception.NovaException):
            self.driver.pause(instance)
        self.assertEqual(power_state.SHUTDOWN, self.state_of(instance))

    @optional
    def test_suspend_and_resume(self):
        instance = self.spawn()
        self.driver.suspend(self.context, instance)
        self.assertIn(self.state_of(instance), (power_state.SUSPENDED, power_state.SHUTDOWN))
        self.driver.resume(self.context, instance, model.NetworkInfo(), None)
        self.assertEqual(power_state.RUNNING, self.state_of(instance))

    @optional
    def test_a_guest_can_be_paused_and_destroyed(self):
        instance = self.spawn()
        self.driver.pause(instance)
        self.destroy(instance)
        self.assertFalse(self.driver.instance_exists(instance))

    @optional
    def test_state_after_the_host_booted(self):
        instance = self.spawn()
        self.driver.power_off(instance)
        self.driver.resume_state_on_host_boot(self.context, instance, model.NetworkInfo(), None)
        self.assertEqual(power_state.RUNNING, self.state_of(instance))

    # What the guest says ...........................................................................................

    @optional
    def test_console_output_is_text(self):
        self.assertIsInstance(self.driver.get_console_output(self.context, self.spawn()), (str, bytes))

    @optional
    def test_consoles_have_a_host_and_a_port(self):
        instance = self.spawn()
        for get in (self.driver.get_vnc_console, self.driver.get_serial_console):
            try:
                console = get(self.context, instance)
            except (exception.ConsoleTypeUnavailable, NotImplementedError):
                continue
            info = console.get_connection_info('token', 'http://proxy/')
            self.assertTrue(info['host'] and info['port'])
            self.assertEqual(('token', 'http://proxy/'), (info['token'], info['access_url']))

    @optional
    def test_old_diagnostics_are_flat(self):
        found = self.driver.get_diagnostics(self.spawn())
        self.assertTrue(all(not isinstance(value, (dict, list)) for value in found.values()))

    @optional
    def test_diagnostics_have_the_common_form(self):
        instance = self.spawn(vifs=[self.make_vif()])
        found = self.driver.get_instance_diagnostics(instance).serialize()
        # Clients know the names of real drivers only.
        self.assertEqual(('running', 'libvirt'), (found['state'], found['driver']))
        self.assertEqual((1, 1), (found['num_cpus'], found['num_nics']))
        self.assertEqual(found['num_disks'], len(found['disk_details']))

    # Volumes .......................................................................................................

    @optional
    def test_a_volume_is_attached_once_and_detached_as_often_as_you_like(self):
        volume = self.make_connection_info()
        instance = self.spawn()
        self.driver.attach_volume(self.context, volume, instance, '/dev/vdc')
        with self.assertRaises(exception.NovaException):
            self.driver.attach_volume(self.context, volume, instance, '/dev/vdc')
        for _again in range(2):
            self.driver.detach_volume(volume, instance, '/dev/vdc')
        self.driver.attach_volume(self.context, volume, instance, '/dev/vdc')
        self.driver.detach_volume(volume, instance, '/dev/vdc')

    @optional
    def test_the_next_device_name_is_free(self):
        instance = self.make_instance()
        taken = objects.BlockDeviceMapping(device_name='/dev/vdb')
        new = objects.BlockDeviceMapping(device_name=None)
        name = self.driver.get_device_name_for_instance(instance, [taken], new)
        self.assertNotIn(name, ('/dev/vda', '/dev/vdb'))

    # Interfaces ....................................................................................................

    @optional
    def test_an_interface_is_attached_once_and_detached_once(self):
        instance = self.spawn()
        vif = self.make_vif()
        self.driver.attach_interface(instance, self.make_image_meta(), vif)
        with self.assertRaises(exception.NovaException):
            self.driver.attach_interface(instance, self.make_image_meta(), vif)
        self.driver.detach_interface(instance, vif)
        with self.assertRaises(exception.NovaException):
            self.driver.detach_interface(instance, vif)

    @optional
    def test_plugging_is_repeatable(self):
        instance = self.spawn()
        vifs = model.NetworkInfo([self.make_vif()])
        for call in (self.driver.plug_vifs, self.driver.plug_vifs, self.driver.unplug_vifs, self.driver.unplug_vifs):
            call(instance, vifs)

    # Rescue and resize .............................................................................................

    @optional
    def test_rescue_and_unrescue(self):
        instance = self.spawn()
        self.driver.rescue(self.context, instance, model.NetworkInfo(), self.make_image_meta(), 'other secret')
        self.assertEqual(power_state.RUNNING, self.state_of(instance))
        for _again in range(2):
            self.driver.unrescue(instance, model.NetworkInfo())
            self.assertEqual(power_state.RUNNING, self.state_of(instance))

    @optional
    def test_a_resize_in_place_is_confirmed(self):
        instance = self.spawn()
        flavor = instance.flavor.obj_clone()
        flavor.memory_mb = 128
        disks = self.driver.migrate_disk_and_power_off(self.context, instance, self.driver.get_host_ip_addr(), flavor,
                                                       model.NetworkInfo())
        instance.flavor = flavor
        self.driver.finish_migration(self.context, None, instance, disks, model.NetworkInfo(), self.make_image_meta(),
                                     True)
        self.assertEqual(128 * 1024, self.driver.get_info(instance).max_mem_kb)
        for _again in range(2):
            self.driver.confirm_migration(None, instance, model.NetworkInfo())
        self.assertEqual(power_state.RUNNING, self.state_of(instance))
        self.destroy(instance)
        self.assertEqual([], [left for left in self.driver.find_leftovers([]) if left['uuid'] == instance.uuid])

    @optional
    def test_a_resize_in_place_is_taken_back(self):
        instance = self.spawn()
        old, flavor = instance.flavor, instance.flavor.obj_clone()
        flavor.memory_mb = 128
        disks = self.driver.migrate_disk_and_power_off(self.context, instance, self.driver.get_host_ip_addr(), flavor,
                                                       model.NetworkInfo())
        instance.flavor = flavor
        self.driver.finish_migration(self.context, None, instance, disks, model.NetworkInfo(), self.make_image_meta(),
                                     True)
        self.destroy(instance)
        instance.flavor = old
        self.driver.finish_revert_migration(self.context, instance, model.NetworkInfo())
        info = self.driver.get_info(instance)
        self.assertEqual((power_state.RUNNING, 64 * 1024), (info.state, info.max_mem_kb))
