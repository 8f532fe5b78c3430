# SPDX-License-Identifier: Apache-2.0
"""A driver for a hypervisor that only remembers its guests.

It keeps the rules of the contract (`nova.virt.driver`) as a real driver must: no second spawn, nothing attached
twice, states that allow this and not that.  What it allows and libvirt forbids is a bug here.  The options of `[fake]`
make it small, slow or failing.
"""

import contextlib
import functools
import inspect
import json
import math
import platform
import random
import time

from oslo_log import log as logging

from nova import concurrency, conf, exception
from nova.console import type as console_type
from nova.image import api as image_api
from nova.virt import diagnostics, driver, fake_hypervisor, hardware, power_state, shapes, virtapi

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_RUNS = (power_state.RUNNING,)
_GIB = 1024 ** 3

# What `set_nodes` said, or None.
_nodes = None


class FakeFailure(exception.NovaException):
    """[fake]failures told the driver to fail."""

    msg_fmt = 'The fake hypervisor was told to fail %(call)s.'


class FakeAttachError(exception.NovaException):
    msg_fmt = 'The fake hypervisor cannot %(verb)s: %(reason)s'


def set_nodes(nodes):
    """Let every fake driver of this process have these nodes, until `restore_nodes`."""
    global _nodes
    _nodes = list(nodes)


def restore_nodes():
    global _nodes
    _nodes = None


class _Calls:
    """Slows down and fails calls, as the options say, and counts them: {method: how often}."""

    def __init__(self):
        self.counts = {}

    def enter(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1
        if CONF.fake.delays and name in CONF.fake.delays:
            concurrency.sleep(float(CONF.fake.delays[name]))
        if CONF.fake.failures and self._fails(name, CONF.fake.failures.get(name)):
            raise FakeFailure(call=name)

    def _fails(self, name, when):
        if when is None or when == 'never':
            return False
        if when == 'always':
            return True
        if when.endswith('%'):
            return random.random() * 100 < float(when[:-1])
        return self.counts[name] <= (1 if when == 'once' else int(when))

    @staticmethod
    def check_options():
        """Raises ConfigInvalid for an option that makes no sense, or names no method."""
        for option, parse in (('delays', _Calls._parse_delay), ('failures', _Calls._parse_failure)):
            for name, value in getattr(CONF.fake, option).items():
                if not hasattr(driver.ComputeDriver, name):
                    raise exception.ConfigInvalid(option=f'[fake]{option}', reason=f'{name!r} is no driver method.')
                try:
                    parse(value)
                except ValueError:
                    raise exception.ConfigInvalid(option=f'[fake]{option}',
                                                  reason=f'{value!r} for {name}.') from None

    @staticmethod
    def _parse_delay(value):
        if float(value) < 0:
            raise ValueError(value)

    @staticmethod
    def _parse_failure(value):
        if value not in ('always', 'once', 'never'):
            (float if value.endswith('%') else int)(value.removesuffix('%'))


def _slow(cls):
    """Class decorator: each method of the contract that the class defines asks `self.calls` first."""
    for name, function in list(vars(cls).items()):
        if inspect.isfunction(function) and hasattr(driver.ComputeDriver, name) and not name.startswith('__'):
            setattr(cls, name, _asking(name, function))
    return cls


def _asking(name, function):
    @functools.wraps(function)
    def call(self, *args, **kwargs):
        self.calls.enter(name)
        return function(self, *args, **kwargs)
    return call


@_slow
class FakeDriver(driver.ComputeDriver):
    """A whole driver without a hypervisor."""

    driver_name = 'fake'
    capabilities = {
        **driver.ComputeDriver.capabilities,
        'has_imagecache': True,
        'supports_recreate': True,
        'supports_evacuate': True,
        'supports_migrate_to_same_host': True,
        'supports_attach_interface': True,
        'supports_device_tagging': True,
        'supports_tagged_attach_interface': True,
        'supports_tagged_attach_volume': True,
        'supports_extend_volume': True,
        'supports_multiattach': True,
        'supports_trusted_certs': True,
        'supports_quiesce': True,
        'supports_shares': True,
        'supports_rescue_bfv': True,
        'supports_image_type_qcow2': True,
        'supports_image_type_raw': True,
    }

    # count, MiB, GiB; the options of the same names come first
    vcpus = 1000
    memory_mb = 800000
    local_gb = 600000

    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi)
        self.read_only = read_only
        self.calls = _Calls()
        self.image_api = image_api.API()
        self.hypervisor = fake_hypervisor.Hypervisor(CONF.host)
        self._host = CONF.host
        # What is mounted, for guests that are made anew: {uuid: {tag: export location}}
        self._shares = {}
        self._started_at = time.monotonic()

    # The host ......................................................................................................

    def init_host(self, host):
        self.calls.check_options()
        self._host = host
        path = CONF.fake.state_file % {'host': host} if CONF.fake.state_file else None
        self.hypervisor = fake_hypervisor.machine(host, path)
        self.hypervisor.listener = self._tell

    def cleanup_host(self, host):
        self.hypervisor.listener = None

    def _tell(self, what):
        # In a thread of its own, as events of a real hypervisor come.
        if self._compute_event_callback is not None:
            concurrency.spawn(self.emit_event, what)

    def get_available_nodes(self, refresh=False):
        return list(_nodes or CONF.fake.nodes or [self._host])

    def _capacity(self, name):
        configured = getattr(CONF.fake, name)
        return getattr(self, name) if configured is None else configured

    def get_available_resource(self, nodename):
        if nodename not in self.get_available_nodes():
            raise exception.ComputeHostNotFound(host=nodename)
        guests = [guest for guest in self.hypervisor.guests.values() if guest.node == nodename]
        disk_gb = sum(guest.disk_gb for guest in guests)
        arch = platform.machine()
        return {
            'vcpus': self._capacity('vcpus'),
            'memory_mb': self._capacity('memory_mb'),
            'local_gb': self._capacity('local_gb'),
            'vcpus_used': sum(guest.vcpus for guest in guests),
            'memory_mb_used': sum(guest.memory_mb for guest in guests),
            'local_gb_used': disk_gb,
            'hypervisor_type': 'fake',
            'hypervisor_version': 1000,
            'hypervisor_hostname': nodename,
            'cpu_info': json.dumps({'arch': arch, 'model': 'fake', 'vendor': 'nobody', 'features': ['fpu', 'apic'],
                                    'topology': {'cores': 4, 'threads': 1, 'sockets': 4}}),
            'disk_available_least': max(0, self._capacity('local_gb') - disk_gb),
            'supported_instances': [(arch, 'fake', 'hvm')],
            'numa_topology': self._numa_topology(),
            'pci_passthrough_devices': [
                {'address': f'0000:03:00.{number}', 'vendor_id': '8086', 'product_id': '1520', 'dev_type': 'type-PCI',
                 'numa_node': number % CONF.fake.numa_cells if CONF.fake.numa_cells else None}
                for number in range(CONF.fake.pci_devices)],
        }

    def _numa_topology(self):
        count = CONF.fake.numa_cells
        if not count:
            return None
        share = min(64, self._capacity('vcpus')) // count
        memory_mb = self._capacity('memory_mb') // count
        cells = []
        for number in range(count):
            cpus = list(range(number * share, (number + 1) * share))
            cells.append({'id': number, 'cpus': cpus, 'pcpus': cpus, 'memory_mb': memory_mb,
                          'siblings': [cpus[at:at + 2] for at in range(0, share - 1, 2)],
                          'pages': [{'size_kb': 4, 'total': memory_mb * 256},
                                    {'size_kb': 2048, 'total': memory_mb // 4}]})
        return {'cells': cells}

    def get_traits(self, nodename):
        return super().get_traits(nodename) | shapes.all_traits() | set(CONF.fake.traits)

    def get_inventory(self, nodename):
        return {name: {'total': int(total), 'reserved': 0, 'allocation_ratio': 1.0}
                for name, total in CONF.fake.inventory.items()}

    def get_num_instances(self):
        return len(self.hypervisor.guests)

    def get_host_ip_addr(self):
        return CONF.my_ip

    def get_host_uptime(self):
        seconds = int(time.monotonic() - self._started_at)
        return (f' {time.strftime("%H:%M:%S")} up {seconds // 86400} days, {seconds // 3600 % 24}:'
                f'{seconds // 60 % 60:02},  0 users,  load average: 0.00, 0.00, 0.00')

    def get_host_cpu_stats(self):
        return {'kernel': 5664160000000, 'idle': 1592705190000000, 'user': 26728850000000, 'iowait': 6121490000000,
                'frequency': 1323}

    def host_power_action(self, action):
        return action

    def host_maintenance_mode(self, host, mode):
        return 'on_maintenance' if mode else 'off_maintenance'

    def set_host_enabled(self, enabled):
        return 'enabled' if enabled else 'disabled'

    def get_volume_connector(self, instance):
        return {'ip': CONF.my_ip, 'initiator': f'iqn.1993-08.org.debian:01:fake-{self._host}', 'host': self._host}

    # Which guests there are ........................................................................................

    def list_instances(self):
        return [guest.name for guest in self.hypervisor.guests.values()]

    def list_instance_uuids(self):
        return list(self.hypervisor.guests)

    def instance_exists(self, instance):
        return instance.uuid in self.hypervisor.guests

    def get_info(self, instance):
        return self._info(self.hypervisor.find(instance.uuid))

    @staticmethod
    def _info(guest):
        memory_kb = guest.memory_mb * 1024
        return hardware.InstanceInfo(state=guest.state, max_mem_kb=memory_kb, num_cpu=guest.vcpus, id=guest.name,
                                     mem_kb=memory_kb if guest.state in (power_state.RUNNING,
                                                                         power_state.PAUSED) else 0)

    def list_instance_info(self):
        return {uuid: self._info(guest) for uuid, guest in self.hypervisor.guests.items()}

    def get_per_instance_usage(self):
        return {uuid: {'uuid': uuid, 'memory_mb': guest.memory_mb} for uuid, guest in self.hypervisor.guests.items()}

    def instance_on_disk(self, instance):
        return instance.uuid in self.hypervisor.guests or instance.uuid in self.hypervisor.kept

    def get_instance_disk_info(self, instance, block_device_info=None):
        return self._disk_info(self.hypervisor.find(instance.uuid))

    @staticmethod
    def _disk_info(guest):
        return json.dumps([{'path': 'disk', 'type': 'raw', 'virt_disk_size': guest.disk_gb * _GIB,
                            'backing_file': '', 'disk_size': 0, 'over_committed_disk_size': guest.disk_gb * _GIB}])

    # Birth and death ...............................................................................................

    def _new_guest(self, instance, image=None, network_info=None, block_device_info=None, state=power_state.RUNNING):
        flavor = instance.flavor
        swap_gb = math.ceil((flavor.swap or 0) / 1024)
        return fake_hypervisor.Guest(
            name=instance.name, uuid=instance.uuid, node=instance.node or self._host, vcpus=flavor.vcpus,
            memory_mb=flavor.memory_mb, disk_gb=flavor.root_gb + (flavor.ephemeral_gb or 0) + swap_gb, image=image,
            vifs={vif['id']: vif['address'] for vif in network_info or ()},
            volumes={volume['mount_device']: volume['connection_info']
                     for volume in driver.block_device_info_get_mapping(block_device_info)},
            config_drive=bool(instance.config_drive), state=state)

    def spawn(self, context, instance, image_meta, injected_files, admin_password, network_info=None,
              block_device_info=None):
        guest = self._new_guest(instance, image_meta.id if image_meta else None, network_info, block_device_info)
        guest.admin_password = admin_password
        guest.files = {path: content if isinstance(content, str) else content.decode('utf-8', 'replace')
                       for path, content in injected_files or ()}
        guest.shares = dict(self._shares.get(instance.uuid, {}))
        self.hypervisor.define(guest)
        self._filter(guest.uuid)

    def _filter(self, uuid):
        self.hypervisor.filters.add(uuid)
        self.hypervisor.save()

    def destroy(self, context, instance, network_info, block_device_info=None, destroy_disks=True, migrate_data=None):
        if self.hypervisor.undefine(instance.uuid) is None:
            LOG.warning('There is no guest of server %s to destroy', instance.uuid)
        self._forget(instance)

    def cleanup(self, context, instance, network_info, block_device_info=None, destroy_disks=True, migrate_data=None,
                destroy_vifs=True):
        self._forget(instance)

    def _forget(self, instance):
        self.hypervisor.filters.discard(instance.uuid)
        self.hypervisor.save()

    def delete_instance_files(self, instance):
        self.hypervisor.kept.pop(instance.uuid, None)
        self.hypervisor.save()
        return True

    def soft_delete(self, instance):
        guest = self.hypervisor.change(instance.uuid, 'put away', fake_hypervisor.ANY, power_state.SHUTDOWN)
        guest.put_away = True
        self.hypervisor.save()

    def restore(self, instance):
        guest = self.hypervisor.guests.get(instance.uuid)
        if guest is None:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        guest.put_away = False
        self.hypervisor.change(instance.uuid, 'restore', fake_hypervisor.ANY, power_state.RUNNING)

    # Power .........................................................................................................

    def power_off(self, instance, timeout=0, retry_interval=0):
        self.hypervisor.change(instance.uuid, 'power off', fake_hypervisor.ANY, power_state.SHUTDOWN)

    def power_on(self, context, instance, network_info, block_device_info=None):
        self.hypervisor.change(instance.uuid, 'power on', (power_state.SHUTDOWN, power_state.CRASHED),
                               power_state.RUNNING)

    def reboot(self, context, instance, network_info, reboot_type, block_device_info=None,
               bad_volumes_callback=None):
        guest = self.hypervisor.restart(instance.uuid)
        if reboot_type == 'HARD':
            # Made again from what is recorded.
            guest.vifs = {vif['id']: vif['address'] for vif in network_info or ()}
            self._filter(guest.uuid)

    def poll_rebooting_instances(self, timeout, instances):
        for instance in instances:
            with contextlib.suppress(exception.InstanceNotFound):
                self.hypervisor.restart(instance.uuid)

    def pause(self, instance):
        self.hypervisor.change(instance.uuid, 'pause', _RUNS, power_state.PAUSED)

    def unpause(self, instance):
        self.hypervisor.change(instance.uuid, 'unpause', (power_state.PAUSED,), power_state.RUNNING)

    def suspend(self, context, instance):
        self.hypervisor.change(instance.uuid, 'suspend', _RUNS, power_state.SUSPENDED)

    def resume(self, context, instance, network_info, block_device_info=None):
        self.hypervisor.change(instance.uuid, 'resume', (power_state.SUSPENDED,), power_state.RUNNING)

    def resume_state_on_host_boot(self, context, instance, network_info, block_device_info=None):
        self.hypervisor.change(instance.uuid, 'resume', fake_hypervisor.ANY, power_state.RUNNING)

    def trigger_crash_dump(self, instance):
        self._running(instance, 'crash').console.append('[   99.000000] NMI received: dumping memory')

    def set_bootable(self, instance, is_bootable):
        self.hypervisor.find(instance.uuid).bootable = bool(is_bootable)
        self.hypervisor.save()

    def rescue(self, context, instance, network_info, image_meta, rescue_password):
        guest = self.hypervisor.find(instance.uuid)
        if guest.rescue_image is not None:
            raise fake_hypervisor.FakeStateError(verb='rescue', name=guest.name, state='being rescued already')
        guest.rescue_image = (image_meta.id if image_meta else None) or guest.image or 'volume'
        guest.admin_password = rescue_password
        self.hypervisor.restart(guest.uuid)

    def unrescue(self, instance, network_info):
        guest = self.hypervisor.find(instance.uuid)
        if guest.rescue_image is not None:
            guest.rescue_image = None
            self.hypervisor.restart(guest.uuid)

    # What the guest says ...........................................................................................

    def get_console_output(self, context, instance):
        return '\n'.join([*self.hypervisor.find(instance.uuid).console, ''])

    def get_vnc_console(self, context, instance):
        return self._console(console_type.ConsoleVNC, instance, 5900)

    def get_spice_console(self, context, instance):
        return self._console(console_type.ConsoleSpice, instance, 6000, tlsPort=6969)

    def get_rdp_console(self, context, instance):
        return self._console(console_type.ConsoleRDP, instance, 3389)

    def get_serial_console(self, context, instance):
        return self._console(console_type.ConsoleSerial, instance, 10000)

    def get_mks_console(self, context, instance):
        return self._console(console_type.ConsoleMKS, instance, 902)

    def _console(self, kind, instance, port, **more):
        guest = self.hypervisor.find(instance.uuid)
        return kind(host='127.0.0.1', port=port, internal_access_path=f'fake-{guest.name}', **more)

    def get_console_pool_info(self, console_type):
        return {'address': '127.0.0.1', 'username': 'fakeuser', 'password': 'fakepassword'}

    def get_diagnostics(self, instance):
        guest = self.hypervisor.find(instance.uuid)
        counters = {'cpu0_time': 17300000000, 'memory': guest.memory_mb * 1024}
        counters |= {f'vda_{name}': value for name, value in _DISK.items()}
        counters |= {f'vnet1_{name}': value for name, value in _NIC.items()}
        return counters

    def get_instance_diagnostics(self, instance):
        guest = self.hypervisor.find(instance.uuid)
        # Clients know the names of real drivers only.
        result = diagnostics.Diagnostics(state=guest.state_name, driver='libvirt', hypervisor='fake',
                                         hypervisor_os='fake-os', uptime=46664, config_drive=guest.config_drive)
        result.memory_details = diagnostics.MemoryDiagnostics(maximum=guest.memory_mb, used=0)
        for number in range(guest.vcpus):
            result.add_cpu(id=number, time=17300000000, utilisation=15)
        for address in guest.vifs.values():
            result.add_nic(mac_address=address, rx_octets=_NIC['rx'], rx_errors=_NIC['rx_errors'],
                           rx_drop=_NIC['rx_drop'], rx_packets=_NIC['rx_packets'], rx_rate=300,
                           tx_octets=_NIC['tx'], tx_errors=_NIC['tx_errors'], tx_drop=_NIC['tx_drop'],
                           tx_packets=_NIC['tx_packets'], tx_rate=0)
        result.add_disk(read_bytes=_DISK['read'], read_requests=_DISK['read_req'], write_bytes=_DISK['write'],
                        write_requests=_DISK['write_req'], errors_count=_DISK['errors'])
        return result

    def get_all_bw_counters(self, instances):
        guests = [self.hypervisor.guests[instance.uuid] for instance in instances
                  if instance.uuid in self.hypervisor.guests]
        return [{'name': guest.name, 'uuid': guest.uuid, 'mac_address': address, 'bw_in': 0, 'bw_out': 0}
                for guest in guests for address in guest.vifs.values()]

    def get_all_volume_usage(self, context, compute_host_bdms):
        found = []
        for each in compute_host_bdms:
            guest = self.hypervisor.guests.get(each['instance'].uuid)
            for bdm in each['instance_bdms'] if guest is not None else ():
                counted = self._counters(guest, bdm.device_name) if bdm.device_name in guest.volumes else ()
                if counted:
                    names = ('rd_req', 'rd_bytes', 'wr_req', 'wr_bytes')
                    found.append({'volume': bdm.volume_id, 'instance': each['instance'],
                                  **dict(zip(names, counted, strict=False))})
        return found

    def block_stats(self, instance, disk_id):
        return self._counters(self.hypervisor.find(instance.uuid), f'/dev/{disk_id}')

    def _counters(self, guest, device):
        """As `block_stats`; they grow with the time since they were asked for first.  Empty for a guest that is off."""
        if guest.state not in (power_state.RUNNING, power_state.PAUSED):
            return []
        if device not in guest.counting_since:
            guest.counting_since[device] = time.time()
            self.hypervisor.save()
        seconds = time.time() - guest.counting_since[device]
        reads, writes = int(seconds * _READS_PER_S), int(seconds * _WRITES_PER_S)
        return [reads, reads * _IO_BYTES, writes, writes * _IO_BYTES, 0]

    def set_admin_password(self, instance, new_pass):
        self._running(instance, 'set the password of').admin_password = new_pass
        self.hypervisor.save()

    def inject_file(self, instance, b64_path, b64_contents):
        self._running(instance, 'write a file into').files[b64_path] = b64_contents
        self.hypervisor.save()

    def change_instance_metadata(self, context, instance, diff):
        metadata = self.hypervisor.find(instance.uuid).metadata
        for key, change in diff.items():
            if change[0] == '-':
                metadata.pop(key, None)
            else:
                metadata[key] = change[1]
        self.hypervisor.save()

    def quiesce(self, context, instance, image_meta):
        self._running(instance, 'quiesce').quiesced = True

    def unquiesce(self, context, instance, image_meta):
        self._running(instance, 'unquiesce').quiesced = False

    def _running(self, instance, verb):
        return self._alive(instance, verb, _RUNS)

    def _alive(self, instance, verb, states=(power_state.RUNNING, power_state.PAUSED)):
        guest = self.hypervisor.find(instance.uuid)
        if guest.state not in states:
            raise fake_hypervisor.FakeStateError(verb=verb, name=guest.name, state=guest.state_name)
        return guest

    # Images ........................................................................................................

    def snapshot(self, context, instance, image_id, update_task_state):
        guest = self.hypervisor.find(instance.uuid)
        update_task_state(task_state=driver.IMAGE_PENDING_UPLOAD)
        content = f'disk of {guest.name}\n'.encode()
        update_task_state(task_state=driver.IMAGE_UPLOADING, expected_state=driver.IMAGE_PENDING_UPLOAD)
        self.image_api.update(context, image_id, {'disk_format': 'raw', 'container_format': 'bare'},
                              data=iter([content]))

    def cache_image(self, context, image_id):
        return False

    def manage_image_cache(self, context, all_instances):
        pass

    def is_supported_fs_format(self, fs_type):
        return fs_type in ('ext2', 'ext3', 'ext4', 'vfat', 'xfs')

    # Volumes .......................................................................................................

    def default_root_device_name(self, instance, image_meta, root_bdm):
        return '/dev/vda'

    def default_device_names_for_instance(self, instance, root_device_name, *block_device_lists):
        taken = {root_device_name} | {bdm.device_name for devices in block_device_lists for bdm in devices}
        for devices in block_device_lists:
            for bdm in devices:
                if not bdm.device_name:
                    bdm.device_name = root_device_name if bdm.boot_index == 0 else _next_device(taken)
                    taken.add(bdm.device_name)

    def get_device_name_for_instance(self, instance, bdms, block_device_obj):
        taken = {bdm.device_name for bdm in bdms if bdm is not block_device_obj} | {instance.root_device_name}
        wish = block_device_obj.device_name
        return wish if wish and wish not in taken else _next_device(taken)

    def attach_volume(self, context, connection_info, instance, mountpoint, disk_bus=None, device_type=None,
                      encryption=None):
        guest = self.hypervisor.find(instance.uuid)
        if mountpoint in guest.volumes:
            raise FakeAttachError(verb='attach a volume', reason=f'{guest.name} has one at {mountpoint} already.')
        guest.volumes[mountpoint] = connection_info
        self.hypervisor.save()

    def detach_volume(self, connection_info, instance, mountpoint, encryption=None):
        guest = self.hypervisor.find(instance.uuid)
        guest.counting_since.pop(mountpoint, None)
        if guest.volumes.pop(mountpoint, None) is None:
            LOG.warning('Server %s has no volume at %s to detach', instance.uuid, mountpoint)
        self.hypervisor.save()

    def swap_volume(self, old_connection_info, new_connection_info, instance, mountpoint, resize_to):
        guest = self.hypervisor.find(instance.uuid)
        if mountpoint not in guest.volumes:
            raise FakeAttachError(verb='swap a volume', reason=f'{guest.name} has none at {mountpoint}.')
        guest.volumes[mountpoint] = new_connection_info
        self.hypervisor.save()

    def swap_volume_interrupted(self, old_connection_info, new_connection_info, instance, mountpoint):
        guest = self.hypervisor.guests.get(instance.uuid)
        return guest is not None and guest.volumes.get(mountpoint, {}).get('serial') == new_connection_info['serial']

    def extend_volume(self, connection_info, instance, requested_size):
        self.hypervisor.find(instance.uuid)

    def volume_snapshot_create(self, context, instance, volume_id, create_info):
        guest, snapshot_id = self.hypervisor.find(instance.uuid), create_info['snapshot_id']
        if not any(info.get('serial') == volume_id for info in guest.volumes.values()):
            raise FakeAttachError(verb='snapshot a volume', reason=f'{guest.name} has no volume {volume_id}.')
        if snapshot_id in guest.snapshots:
            raise FakeAttachError(verb='snapshot a volume', reason=f'there is a snapshot {snapshot_id} already.')
        guest.snapshots[snapshot_id] = volume_id
        self.hypervisor.save()

    def volume_snapshot_delete(self, context, instance, volume_id, snapshot_id, delete_info):
        guest = self.hypervisor.find(instance.uuid)
        if guest.snapshots.get(snapshot_id) != volume_id:
            raise FakeAttachError(verb='delete a snapshot', reason=f'{guest.name} has no snapshot {snapshot_id} of '
                                                                   f'volume {volume_id}.')
        del guest.snapshots[snapshot_id]
        self.hypervisor.save()

    # Shares ........................................................................................................

    def mount_share(self, context, instance, share_mapping):
        self._shares.setdefault(instance.uuid, {})[share_mapping.tag] = share_mapping.export_location
        guest = self.hypervisor.guests.get(instance.uuid)
        if guest is not None:
            guest.shares[share_mapping.tag] = share_mapping.export_location
            self.hypervisor.save()

    def umount_share(self, context, instance, share_mapping):
        self._shares.get(instance.uuid, {}).pop(share_mapping.tag, None)
        guest = self.hypervisor.guests.get(instance.uuid)
        if guest is not None and guest.shares.pop(share_mapping.tag, None) is not None:
            self.hypervisor.save()

    # Networks ......................................................................................................

    def plug_vifs(self, instance, network_info):
        guest = self.hypervisor.guests.get(instance.uuid)
        if guest is not None:
            guest.vifs |= {vif['id']: vif['address'] for vif in network_info or ()}
            self.hypervisor.save()

    def unplug_vifs(self, instance, network_info):
        guest = self.hypervisor.guests.get(instance.uuid)
        if guest is not None:
            for vif in network_info or ():
                guest.vifs.pop(vif['id'], None)
            self.hypervisor.save()

    def attach_interface(self, instance, image_meta, vif):
        guest = self.hypervisor.find(instance.uuid)
        if vif['id'] in guest.vifs:
            raise FakeAttachError(verb='attach an interface', reason=f'{guest.name} has {vif["id"]} already.')
        guest.vifs[vif['id']] = vif['address']
        self.hypervisor.save()

    def detach_interface(self, instance, vif):
        guest = self.hypervisor.find(instance.uuid)
        if guest.vifs.pop(vif['id'], None) is None:
            raise FakeAttachError(verb='detach an interface', reason=f'{guest.name} has no {vif["id"]}.')
        self.hypervisor.save()

    def ensure_filtering_rules_for_instance(self, instance, network_info):
        self._filter(instance.uuid)

    def unfilter_instance(self, instance, network_info):
        self._forget(instance)

    def refresh_security_group_rules(self, security_group_id):
        return True

    def refresh_instance_security_rules(self, instance):
        return True

    # Moving ........................................................................................................

    def migrate_disk_and_power_off(self, context, instance, dest, flavor, network_info, block_device_info=None,
                                   timeout=0, retry_interval=0):
        guest = self.hypervisor.find(instance.uuid)
        if flavor.root_gb < instance.flavor.root_gb:
            raise exception.InstanceFaultRollback(
                FakeAttachError(verb='resize', reason='the root disk cannot become smaller.'))
        self.hypervisor.change(instance.uuid, 'power off', fake_hypervisor.ANY, power_state.SHUTDOWN)
        self.hypervisor.kept[instance.uuid] = self.hypervisor.guests.pop(instance.uuid)
        self.hypervisor.save()
        return self._disk_info(guest)

    def finish_migration(self, context, migration, instance, disk_info, network_info, image_meta, resize_instance,
                         block_device_info=None, power_on=True):
        state = power_state.RUNNING if power_on else power_state.SHUTDOWN
        self.hypervisor.define(self._new_guest(instance, image_meta.id if image_meta else None, network_info,
                                               block_device_info, state))
        self._filter(instance.uuid)

    def confirm_migration(self, migration, instance, network_info):
        self.hypervisor.kept.pop(instance.uuid, None)
        self.hypervisor.save()

    def finish_revert_migration(self, context, instance, network_info, block_device_info=None, power_on=True):
        guest = self.hypervisor.kept.pop(instance.uuid, None)
        if guest is not None:
            self.hypervisor.define(guest)
        if power_on:
            self.hypervisor.change(instance.uuid, 'power on', fake_hypervisor.ANY, power_state.RUNNING)

    def check_can_live_migrate_destination(self, context, instance, src_compute_info, dst_compute_info,
                                           block_migration=False, disk_over_commit=False):
        return {'block_migration': bool(block_migration), 'source': src_compute_info.host if src_compute_info else None}

    def check_can_live_migrate_destination_cleanup(self, context, dest_check_data):
        pass

    def check_can_live_migrate_source(self, context, instance, dest_check_data, block_device_info=None):
        self._alive(instance, 'live migrate')
        return dest_check_data

    def pre_live_migration(self, context, instance, block_device_info, network_info, disk_info, migrate_data=None):
        self._filter(instance.uuid)
        return migrate_data

    def live_migration(self, context, instance, dest, post_method, recover_method, block_migration=False,
                       migrate_data=None):
        self._alive(instance, 'live migrate')
        guest = self.hypervisor.guests.pop(instance.uuid)
        guest.counting_since.clear()
        self.hypervisor.save()
        there = fake_hypervisor.find_machine(dest)
        if there is not None:
            guest.node = dest
            there.guests[guest.uuid] = guest
            there.save()
        # Where the destination is another process, `post_live_migration_at_destination` makes the guest there.
        post_method(context, instance, dest, block_migration, migrate_data)

    def live_migration_abort(self, instance):
        raise exception.Conflict(reason='fake guests migrate too fast to be stopped.')

    def live_migration_force_complete(self, instance):
        self.hypervisor.find(instance.uuid)

    def rollback_live_migration_at_destination(self, context, instance, network_info, block_device_info,
                                               destroy_disks=True, migrate_data=None):
        self.hypervisor.undefine(instance.uuid)
        self._forget(instance)

    def post_live_migration_at_source(self, context, instance, network_info):
        self._forget(instance)

    def post_live_migration_at_destination(self, context, instance, network_info, block_migration=False,
                                           block_device_info=None):
        if instance.uuid not in self.hypervisor.guests:
            self.hypervisor.define(self._new_guest(
                instance, instance.image_ref, network_info, block_device_info,
                power_state.PAUSED if instance.power_state == power_state.PAUSED else power_state.RUNNING))

    def check_instance_shared_storage_local(self, context, instance):
        return {'host': self._host}

    def check_instance_shared_storage_remote(self, context, data):
        return bool(data) and data['host'] == self._host

    def check_instance_shared_storage_cleanup(self, context, data):
        pass

    # Our additions .................................................................................................

    def find_leftovers(self, known_uuids):
        known = set(known_uuids)
        found = super().find_leftovers(known)
        found += [{'kind': 'disk', 'uuid': uuid, 'where': 'kept for a resize'}
                  for uuid in self.hypervisor.kept if uuid not in known]
        found += [{'kind': 'filter', 'uuid': uuid, 'where': None}
                  for uuid in self.hypervisor.filters if uuid not in known]
        return found


class SmallFakeDriver(FakeDriver):
    """A small host: one CPU, 8 GiB of memory, 1 TiB of disk."""

    vcpus = 1
    memory_mb = 8192
    local_gb = 1028


class FakeVirtAPI(virtapi.VirtAPI):
    """A compute manager that has nothing to say."""

    def provider_fw_rule_get_all(self, context):
        return []

    @contextlib.contextmanager
    def wait_for_instance_event(self, instance, event_names, deadline=300, error_callback=None):
        yield


# What guests do to their disks, as far as that is counted.
_READS_PER_S, _WRITES_PER_S, _IO_BYTES = 100, 50, 4096
# What guests that do nothing have done.
_DISK = {'read': 262144, 'read_req': 112, 'write': 5778432, 'write_req': 488, 'errors': -1}
_NIC = {'rx': 2070139, 'rx_drop': 0, 'rx_errors': 0, 'rx_packets': 26701, 'tx': 140208, 'tx_drop': 0, 'tx_errors': 0,
        'tx_packets': 662}


def _next_device(taken):
    return next(name for name in (f'/dev/vd{chr(letter)}' for letter in range(ord('b'), ord('z') + 1))
                if name not in taken)
