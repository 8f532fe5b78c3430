# SPDX-License-Identifier: Apache-2.0
import inspect
import types
import unittest

from nova import exception
from nova.virt import driver, fake, hardware

# The documented contract: method -> arguments.
CONTRACT = {
    'add_to_aggregate': 'context, aggregate, host, **kwargs',
    'attach_interface': 'instance, image_meta, vif',
    'attach_volume': 'context, connection_info, instance, mountpoint, disk_bus=None, device_type=None, encryption=None',
    'block_stats': 'instance, disk_id',
    'change_instance_metadata': 'context, instance, diff',
    'check_can_live_migrate_destination':
        'context, instance, src_compute_info, dst_compute_info, block_migration=False, disk_over_commit=False',
    'check_can_live_migrate_destination_cleanup': 'context, dest_check_data',
    'check_can_live_migrate_source': 'context, instance, dest_check_data, block_device_info=None',
    'check_instance_shared_storage_cleanup': 'context, data',
    'check_instance_shared_storage_local': 'context, instance',
    'check_instance_shared_storage_remote': 'context, data',
    'cleanup':
        'context, instance, network_info, block_device_info=None, destroy_disks=True, migrate_data=None, '
        'destroy_vifs=True',
    'cleanup_host': 'host',
    'confirm_migration': 'migration, instance, network_info',
    'deallocate_networks_on_reschedule': 'instance',
    'default_device_names_for_instance': 'instance, root_device_name, *block_device_lists',
    'default_root_device_name': 'instance, image_meta, root_bdm',
    'delete_instance_files': 'instance',
    'destroy': 'context, instance, network_info, block_device_info=None, destroy_disks=True, migrate_data=None',
    'detach_interface': 'instance, vif',
    'detach_volume': 'connection_info, instance, mountpoint, encryption=None',
    'dhcp_options_for_instance': 'instance',
    'emit_event': 'event',
    'ensure_filtering_rules_for_instance': 'instance, network_info',
    'estimate_instance_overhead': 'instance_info',
    'filter_defer_apply_off': '',
    'filter_defer_apply_on': '',
    'finish_migration':
        'context, migration, instance, disk_info, network_info, image_meta, resize_instance, block_device_info=None, '
        'power_on=True',
    'finish_revert_migration': 'context, instance, network_info, block_device_info=None, power_on=True',
    'get_all_bw_counters': 'instances',
    'get_all_volume_usage': 'context, compute_host_bdms',
    'get_available_nodes': 'refresh=False',
    'get_available_resource': 'nodename',
    'get_console_output': 'context, instance',
    'get_console_pool_info': 'console_type',
    'get_device_name_for_instance': 'instance, bdms, block_device_obj',
    'get_diagnostics': 'instance',
    'get_host_cpu_stats': '',
    'get_host_ip_addr': '',
    'get_host_uptime': '',
    'get_info': 'instance',
    'get_instance_diagnostics': 'instance',
    'get_instance_disk_info': 'instance, block_device_info=None',
    'get_mks_console': 'context, instance',
    'get_num_instances': '',
    'get_per_instance_usage': '',
    'get_rdp_console': 'context, instance',
    'get_serial_console': 'context, instance',
    'get_spice_console': 'context, instance',
    'get_vnc_console': 'context, instance',
    'get_volume_connector': 'instance',
    'host_maintenance_mode': 'host, mode',
    'host_power_action': 'action',
    'init_host': 'host',
    'inject_file': 'instance, b64_path, b64_contents',
    'inject_network_info': 'instance, nw_info',
    'instance_exists': 'instance',
    'instance_on_disk': 'instance',
    'is_supported_fs_format': 'fs_type',
    'list_instance_uuids': '',
    'list_instances': '',
    'live_migration':
        'context, instance, dest, post_method, recover_method, block_migration=False, migrate_data=None',
    'live_migration_abort': 'instance',
    'live_migration_force_complete': 'instance',
    'macs_for_instance': 'instance',
    'manage_image_cache': 'context, all_instances',
    'migrate_disk_and_power_off':
        'context, instance, dest, flavor, network_info, block_device_info=None, timeout=0, retry_interval=0',
    'network_binding_host_id': 'context, instance',
    'node_is_available': 'nodename',
    'pause': 'instance',
    'plug_vifs': 'instance, network_info',
    'poll_rebooting_instances': 'timeout, instances',
    'post_interrupted_snapshot_cleanup': 'context, instance',
    'post_live_migration': 'context, instance, block_device_info, migrate_data=None',
    'post_live_migration_at_destination':
        'context, instance, network_info, block_migration=False, block_device_info=None',
    'post_live_migration_at_source': 'context, instance, network_info',
    'power_off': 'instance, timeout=0, retry_interval=0',
    'power_on': 'context, instance, network_info, block_device_info=None',
    'pre_live_migration': 'context, instance, block_device_info, network_info, disk_info, migrate_data=None',
    'quiesce': 'context, instance, image_meta',
    'reboot': 'context, instance, network_info, reboot_type, block_device_info=None, bad_volumes_callback=None',
    'rebuild':
        'context, instance, image_meta, injected_files, admin_password, bdms, detach_block_devices, '
        'attach_block_devices, network_info=None, recreate=False, block_device_info=None, preserve_ephemeral=False',
    'refresh_instance_security_rules': 'instance',
    'refresh_security_group_rules': 'security_group_id',
    'register_event_listener': 'callback',
    'remove_from_aggregate': 'context, aggregate, host, **kwargs',
    'rescue': 'context, instance, network_info, image_meta, rescue_password',
    'reset_network': 'instance',
    'restore': 'instance',
    'resume': 'context, instance, network_info, block_device_info=None',
    'resume_state_on_host_boot': 'context, instance, network_info, block_device_info=None',
    'rollback_live_migration_at_destination':
        'context, instance, network_info, block_device_info, destroy_disks=True, migrate_data=None',
    'set_admin_password': 'instance, new_pass',
    'set_bootable': 'instance, is_bootable',
    'set_host_enabled': 'enabled',
    'snapshot': 'context, instance, image_id, update_task_state',
    'soft_delete': 'instance',
    'spawn':
        'context, instance, image_meta, injected_files, admin_password, network_info=None, block_device_info=None',
    'suspend': 'context, instance',
    'swap_volume': 'old_connection_info, new_connection_info, instance, mountpoint, resize_to',
    'trigger_crash_dump': 'instance',
    'undo_aggregate_operation': 'context, op, aggregate, host, set_error=True',
    'unfilter_instance': 'instance, network_info',
    'unpause': 'instance',
    'unplug_vifs': 'instance, network_info',
    'unquiesce': 'context, instance, image_meta',
    'unrescue': 'instance, network_info',
    'volume_snapshot_create': 'context, instance, volume_id, create_info',
    'volume_snapshot_delete': 'context, instance, volume_id, snapshot_id, delete_info',
}


def arguments(method):
    return str(inspect.signature(method))[1:-1].removeprefix('self').removeprefix(', ')


class TestContract(unittest.TestCase):
    def test_every_documented_method_has_its_documented_arguments(self):
        for cls in (driver.ComputeDriver, fake.FakeDriver):
            found = {name: arguments(getattr(cls, name)) for name in CONTRACT}
            self.assertEqual(CONTRACT, found)

    def test_every_public_method_says_what_it_is_for(self):
        for name, method in inspect.getmembers(driver.ComputeDriver, inspect.isfunction):
            if not name.startswith('_'):
                self.assertTrue((method.__doc__ or '').strip(), name)


class TestBlockDeviceInfo(unittest.TestCase):
    def bdm(self, **values):
        names = ('no_device', 'destination_type', 'source_type', 'guest_format', 'device_name', 'connection_info',
                 'boot_index', 'volume_id', 'volume_size', 'attachment_id', 'tag', 'delete_on_termination', 'disk_bus',
                 'device_type', 'image_id')
        return types.SimpleNamespace(**{**dict.fromkeys(names), **values})

    def test_each_kind_of_device_comes_to_its_place(self):
        instance = types.SimpleNamespace(root_device_name='/dev/vda')
        info = driver.get_block_device_info(instance, [
            self.bdm(source_type='image', destination_type='local', device_name='/dev/vda', boot_index=0, image_id='i'),
            self.bdm(source_type='blank', destination_type='local', device_name='/dev/vdb', volume_size=5),
            self.bdm(source_type='blank', destination_type='local', device_name='/dev/vdc', volume_size=512,
                     guest_format='swap'),
            self.bdm(source_type='volume', destination_type='volume', device_name='/dev/vdd', volume_id='v',
                     connection_info='{"data": {}}'),
            self.bdm(source_type='volume', destination_type='volume', no_device=True),
        ])
        self.assertEqual('/dev/vda', driver.block_device_info_get_root(info))
        self.assertEqual(['i'], [disk['image_id'] for disk in info['image']])
        self.assertEqual([('/dev/vdb', 5)], [(disk['device_name'], disk['size'])
                                             for disk in driver.block_device_info_get_ephemerals(info)])
        swap = driver.block_device_info_get_swap(info)
        self.assertEqual(('/dev/vdc', 512), (swap['device_name'], swap['swap_size']))
        self.assertTrue(driver.swap_is_usable(swap))
        self.assertEqual([('/dev/vdd', {'data': {}})], [(disk['mount_device'], disk['connection_info'])
                                                       for disk in driver.block_device_info_get_mapping(info)])

    def test_nothing_is_empty_and_not_none(self):
        for nothing in (None, {}):
            self.assertIsNone(driver.block_device_info_get_root(nothing))
            self.assertEqual([], driver.block_device_info_get_ephemerals(nothing))
            self.assertEqual([], driver.block_device_info_get_mapping(nothing))
            self.assertFalse(driver.swap_is_usable(driver.block_device_info_get_swap(nothing)))


class TestLoading(unittest.TestCase):
    def test_short_and_full_names_load_the_driver(self):
        for name in ('fake.FakeDriver', 'nova.virt.fake.SmallFakeDriver'):
            self.assertIsInstance(driver.load_compute_driver(fake.FakeVirtAPI(), name), fake.FakeDriver)

    def test_a_wrong_name_is_refused_with_the_known_ones(self):
        for name, words in (('fake', 'it must be module.Class'), ('fake.NoDriver', 'there is no such class'),
                            ('nowhere.Driver', 'there is no such class'),
                            ('json.JSONDecoder', 'it is not a class derived from nova.virt.driver.ComputeDriver')):
            with self.subTest(name), self.assertRaises(exception.ConfigInvalid) as caught:
                driver.load_compute_driver(fake.FakeVirtAPI(), name)
            self.assertIn(f"compute_driver: '{name}': {words}. Known are libvirt.LibvirtDriver, ",
                          str(caught.exception))

    def test_drivers_by_name(self):
        found = driver.driver_dict_from_config(['x=nova.virt.fake.FakeVirtAPI'])
        self.assertIsInstance(found['x'], fake.FakeVirtAPI)
        with self.assertRaises(exception.ConfigInvalid):
            driver.driver_dict_from_config(['x=nowhere.Thing'])


class TestHardware(unittest.TestCase):
    def test_cpu_sets(self):
        for text, numbers in (('1-4,^3,6', {1, 2, 4, 6}), ('^2, 0-3', {0, 1, 3}), ('', set()), ('7', {7})):
            self.assertEqual(numbers, hardware.parse_cpu_spec(text))
        for text in ('a', '1-', '4-2', '-1', '^x'):
            with self.assertRaises(exception.Invalid):
                hardware.parse_cpu_spec(text)
        self.assertEqual('0-2,5,7-8', hardware.format_cpu_spec({8, 7, 5, 0, 1, 2}))
        self.assertEqual('0,1,2', hardware.format_cpu_spec([2, 1, 0], allow_ranges=False))

    def test_serial_ports(self):
        for flavor, image, outcome in (({}, {}, 1), ({'hw:serial_port_count': '4'}, {}, 4),
                                       ({'hw:serial_port_count': '4'}, {'hw_serial_port_count': '2'}, 2),
                                       ({}, {'hw_serial_port_count': '6'}, 6)):
            self.assertEqual(outcome, hardware.get_number_of_serial_ports(types.SimpleNamespace(extra_specs=flavor),
                                                                          types.SimpleNamespace(properties=image)))
        with self.assertRaises(hardware.ImageSerialPortNumberExceedFlavorValue):
            hardware.get_number_of_serial_ports(types.SimpleNamespace(extra_specs={'hw:serial_port_count': '1'}),
                                                types.SimpleNamespace(properties={'hw_serial_port_count': '2'}))
