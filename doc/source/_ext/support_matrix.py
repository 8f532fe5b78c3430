# SPDX-License-Identifier: Apache-2.0
"""`.. support-matrix::` renders what each driver can do out of what it declares: its `capabilities`, and which methods
of the contract (`nova.virt.driver.ComputeDriver`) its class has.

Here is only what belongs together: `FEATURES`.  Nothing here says that a driver can do something.
"""

import dataclasses
import importlib
import inspect
import re
import sys
import types

import tables
from docutils import nodes
from docutils.parsers.rst import Directive

from nova.virt import driver as contract

DRIVERS = {'libvirt': 'nova.virt.libvirt.driver.LibvirtDriver', 'fake': 'nova.virt.fake.FakeDriver'}
HEAD = ('Feature', *DRIVERS, 'Declared by')
WIDTHS = (24, *(16 for _ in DRIVERS), 36)


@dataclasses.dataclass(frozen=True)
class Feature:
    """What users or operators know by one name.

    :param methods: of the contract, that it takes.
    :param capabilities: that it takes.
    """

    name: str
    methods: tuple = ()
    capabilities: tuple = ()


def _feature(name, words):
    """`words`: names of methods and of capabilities, which are known by being in the contract's table."""
    known = contract.ComputeDriver.capabilities
    names = words.split()
    return Feature(name, tuple(each for each in names if each not in known),
                   tuple(each for each in names if each in known))


#: Section -> features.
FEATURES = {
    'Life of a server': (
        _feature('Create, delete', 'spawn destroy cleanup delete_instance_files'),
        _feature('Soft delete, restore', 'soft_delete restore'),
        _feature('Start, stop', 'power_on power_off'),
        _feature('Reboot', 'reboot'),
        _feature('Pause, unpause', 'pause unpause'),
        _feature('Suspend, resume', 'suspend resume'),
        _feature('Guests run again after their host booted', 'resume_state_on_host_boot'),
        _feature('Crash dump', 'trigger_crash_dump'),
        _feature('Rescue', 'rescue unrescue'),
        _feature('Rescue of a server that boots from a volume', 'rescue unrescue supports_rescue_bfv'),
        _feature("The administrator's password", 'set_admin_password'),
        _feature('A file put into a running guest', 'inject_file'),
        _feature('Metadata told to a running guest', 'change_instance_metadata'),
    ),
    'Images': (
        _feature('Rebuild in a way of its own (keeps ephemeral disks)', 'rebuild'),
        _feature('Snapshot, backup, shelve', 'snapshot post_interrupted_snapshot_cleanup'),
        _feature('Guest file systems held still for a snapshot', 'quiesce unquiesce supports_quiesce'),
        _feature('Cache of images', 'has_imagecache manage_image_cache'),
        _feature('Images fetched beforehand', 'cache_image'),
        _feature('Certificates that images must be signed with', 'supports_trusted_certs'),
        *(_feature(f'Images: {name}', f'supports_image_type_{name}')
          for name in ('raw', 'qcow2', 'iso', 'ami', 'vmdk', 'vhd', 'vhdx', 'vdi', 'ploop')),
    ),
    'Moving': (
        _feature('Resize, cold migration; confirm, revert',
                 'migrate_disk_and_power_off finish_migration confirm_migration finish_revert_migration'),
        _feature('Resize on the same host', 'supports_migrate_to_same_host'),
        _feature('Live migration',
                 'check_can_live_migrate_destination check_can_live_migrate_destination_cleanup '
                 'check_can_live_migrate_source pre_live_migration live_migration '
                 'rollback_live_migration_at_destination post_live_migration post_live_migration_at_source '
                 'post_live_migration_at_destination get_instance_disk_info live_migration_interrupted'),
        _feature('Abort of a live migration', 'live_migration_abort'),
        _feature('Force complete of a live migration', 'live_migration_force_complete'),
        _feature('Evacuation to this host', 'supports_evacuate supports_recreate instance_on_disk'),
    ),
    'Volumes and shares': (
        _feature('Attach, detach', 'get_volume_connector attach_volume detach_volume'),
        _feature('Swap', 'swap_volume'),
        _feature('Extend while attached', 'extend_volume supports_extend_volume'),
        _feature('One volume on several servers', 'supports_multiattach'),
        _feature('Tags of volumes that are attached later', 'supports_tagged_attach_volume'),
        _feature('Snapshots made for the volume service', 'volume_snapshot_create volume_snapshot_delete'),
        _feature('Shared file systems', 'mount_share umount_share supports_shares'),
    ),
    'Interfaces': (
        _feature('Attach, detach', 'attach_interface detach_interface supports_attach_interface'),
        _feature('Tags of interfaces that are attached later', 'supports_tagged_attach_interface'),
        _feature('Tags of devices at creation', 'supports_device_tagging'),
        _feature('The guest is told of new addresses', 'reset_network inject_network_info'),
    ),
    'Consoles and figures': (
        _feature('Console output', 'get_console_output'),
        _feature('VNC console', 'get_vnc_console'),
        _feature('SPICE console', 'get_spice_console'),
        _feature('Serial console', 'get_serial_console'),
        _feature('RDP console', 'get_rdp_console'),
        _feature('MKS console', 'get_mks_console'),
        _feature('Diagnostics, as the hypervisor has them', 'get_diagnostics'),
        _feature('Diagnostics, in the common form', 'get_instance_diagnostics'),
        _feature('Counters of disks', 'block_stats'),
        _feature('Traffic of all servers', 'get_all_bw_counters'),
        _feature('Use of volumes', 'get_all_volume_usage'),
    ),
    'Hosts': (
        _feature('Uptime, load of CPUs', 'get_host_uptime get_host_cpu_stats'),
        _feature('Power of the host', 'host_power_action'),
        _feature('Maintenance of the host', 'host_maintenance_mode'),
        _feature('The hypervisor is told of aggregates', 'add_to_aggregate remove_from_aggregate '
                                                        'undo_aggregate_operation'),
        _feature('Files that belong to no server are found', 'find_leftovers'),
    ),
}

#: Methods that no user or operator knows as something that a driver can do.
PLUMBING = frozenset((
    'init_host', 'cleanup_host', 'get_available_nodes', 'node_is_available', 'get_available_resource',
    'get_num_instances', 'get_host_ip_addr', 'set_host_enabled', 'list_instances', 'list_instance_uuids',
    'list_instance_info', 'instance_exists', 'get_info', 'get_per_instance_usage', 'poll_rebooting_instances',
    'set_bootable', 'get_console_pool_info', 'is_supported_fs_format', 'default_root_device_name',
    'default_device_names_for_instance', 'get_device_name_for_instance', 'plug_vifs', 'unplug_vifs',
    'network_binding_host_id', 'macs_for_instance', 'dhcp_options_for_instance',
    'deallocate_networks_on_reschedule', 'ensure_filtering_rules_for_instance', 'unfilter_instance',
    'filter_defer_apply_on', 'filter_defer_apply_off', 'refresh_security_group_rules',
    'refresh_instance_security_rules', 'check_instance_shared_storage_local',
    'check_instance_shared_storage_remote', 'check_instance_shared_storage_cleanup', 'estimate_instance_overhead',
    'get_traits', 'get_inventory', 'register_event_listener', 'emit_event', 'swap_volume_interrupted',
))


class _NoBinding(types.ModuleType):
    """Stands for libvirt's binding where pages are built on a machine without libvirt: no guest is ever touched."""

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return Exception if name == 'libvirtError' else 0


def load(path):
    """A driver's class."""
    try:
        importlib.import_module('libvirt')
    except ImportError:
        sys.modules['libvirt'] = _NoBinding('libvirt')
    module, _dot, name = path.rpartition('.')
    return getattr(importlib.import_module(module), name)


def has(cls, method):
    """Whether a driver's class, or what it inherits from below the contract, defines a method."""
    return any(method in vars(each) for each in cls.__mro__ if each not in (contract.ComputeDriver, object))


def otherwise(method):
    """What happens where a driver lacks a method of the contract, in the contract's words; None: it is needed."""
    function = getattr(contract.ComputeDriver, method)
    said = re.search(r'Optional: (.+?)\.(?:\s|$)', inspect.getdoc(function) or '', re.DOTALL)
    if said:
        return ' '.join(said.group(1).split())
    return None if 'raise NotImplementedError' in inspect.getsource(function) else 'the default'


def support(cls, feature):
    """What a cell says: 'yes', 'no', 'no: what happens instead', or 'partly, without …'."""
    needed = [name for name in feature.methods if otherwise(name) is None]
    counts = [(name, has(cls, name)) for name in needed or feature.methods]
    counts += [(name, bool(cls.capabilities.get(name))) for name in feature.capabilities]
    lacking = [name for name, there in counts if not there]
    if not lacking:
        return 'yes'
    if len(lacking) < len(counts):
        return f'partly, without {", ".join(lacking)}'
    instead = dict.fromkeys(filter(None, (otherwise(name) for name in lacking if name in feature.methods)))
    return f'no: {"; ".join(instead)}' if instead else 'no'


class Matrix(Directive):
    """A table of each section."""

    def run(self):
        classes = {name: load(path) for name, path in DRIVERS.items()}
        found = []
        for title, features in FEATURES.items():
            section = nodes.section(ids=[nodes.make_id(title)])
            section += nodes.title(text=title)
            section += tables.table(HEAD, [(feature.name, *(support(cls, feature) for cls in classes.values()),
                                            tables.code(*feature.methods, *feature.capabilities))
                                           for feature in features], WIDTHS)
            found.append(section)
        return found


def setup(app):
    app.add_directive('support-matrix', Matrix)
    return {'parallel_read_safe': True}
