# SPDX-License-Identifier: Apache-2.0
"""The contract between nova-compute and a hypervisor driver.

A driver is a class derived from `ComputeDriver`.  It is named by the option `compute_driver` and built once, with a
`nova.virt.virtapi.VirtAPI`; then `init_host` is called, and then, from many green threads at a time, whatever follows.

Words.  An *instance* is a server as `nova.objects.Instance`; its *guest* is what the hypervisor runs for it.
`instance.name` and `instance.uuid` identify the guest; the hypervisor's own identities stay inside the driver.
A *node* is one machine that can hold guests; most drivers have one, named like the host.

Rules for every method, unless it says otherwise:

- It is called by one thread at a time for one instance, and by many for different ones.  It may block: the driver
  takes care that other green threads go on (`nova.concurrency.native`).
- Sizes are MiB for memory, GiB for disks, seconds for times, or the unit is in the name.
- It returns when the thing is done.  If it raises, what it changed is undone as far as its docstring says.
- `nova.exception.InstanceNotFound` means that there is no such guest here; `nova.exception.HypervisorUnavailable`
  that the hypervisor does not answer, which says nothing about the guest.  Everything else a hypervisor raises is
  translated to a `nova.exception.NovaException` that a person can read.
- "Twice" says what happens if nova-compute dies after the call and recovery makes it again.
- A method that the driver does not have raises `NotImplementedError`; "Optional" says what nova-compute does then.
  The API answers 501, or the action fails and says so, where nothing is said.

Arguments that come again and again:

- `context`: `nova.context.RequestContext`, for the calls the driver makes to image and volume services.
- `network_info`: `nova.network.model.NetworkInfo`, a list of VIFs.
- `image_meta`: `nova.objects.ImageMeta`.
- `block_device_info`: what `get_block_device_info` makes, or None for "nothing but the root disk".
- `destroy_disks`: whether the local disks go too.  Volumes are never destroyed by a driver.

Our additions to the documented contract stand at the end, each with a default that works for any driver.
"""

import importlib
import json

from oslo_log import log as logging

from nova import conf, exception

CONF = conf.CONF
LOG = logging.getLogger(__name__)

#: Drivers of this project, for the message to whoever mistypes one.  Others load by their full dotted path.
KNOWN_DRIVERS = ('libvirt.LibvirtDriver', 'fake.FakeDriver', 'fake.SmallFakeDriver')

# Task states that `snapshot` goes through, told with its `update_task_state` (see nova.compute.task_states).
IMAGE_PENDING_UPLOAD = 'image_pending_upload'
IMAGE_UPLOADING = 'image_uploading'

#: Trait names by capability: what a driver can do, as the scheduler sees it.
CAPABILITY_TRAITS = {
    'supports_attach_interface': 'COMPUTE_NET_ATTACH_INTERFACE',
    'supports_device_tagging': 'COMPUTE_DEVICE_TAGGING',
    'supports_tagged_attach_interface': 'COMPUTE_NET_ATTACH_INTERFACE_WITH_TAG',
    'supports_tagged_attach_volume': 'COMPUTE_VOLUME_ATTACH_WITH_TAG',
    'supports_extend_volume': 'COMPUTE_VOLUME_EXTEND',
    'supports_multiattach': 'COMPUTE_VOLUME_MULTI_ATTACH',
    'supports_trusted_certs': 'COMPUTE_TRUSTED_CERTS',
    'supports_rescue_bfv': 'COMPUTE_RESCUE_BFV',
    'supports_shares': 'COMPUTE_STORAGE_VIRTIO_FS',
    'supports_secure_boot': 'COMPUTE_SECURITY_UEFI_SECURE_BOOT',
    'supports_socket_pci_numa_affinity': 'COMPUTE_SOCKET_PCI_NUMA_AFFINITY',
    'supports_remote_managed_ports': 'COMPUTE_REMOTE_MANAGED_PORTS',
    'supports_image_type_qcow2': 'COMPUTE_IMAGE_TYPE_QCOW2',
    'supports_image_type_raw': 'COMPUTE_IMAGE_TYPE_RAW',
    'supports_image_type_iso': 'COMPUTE_IMAGE_TYPE_ISO',
    'supports_image_type_ami': 'COMPUTE_IMAGE_TYPE_AMI',
    'supports_image_type_vmdk': 'COMPUTE_IMAGE_TYPE_VMDK',
    'supports_image_type_vhd': 'COMPUTE_IMAGE_TYPE_VHD',
    'supports_image_type_vhdx': 'COMPUTE_IMAGE_TYPE_VHDX',
    'supports_image_type_vdi': 'COMPUTE_IMAGE_TYPE_VDI',
    'supports_image_type_ploop': 'COMPUTE_IMAGE_TYPE_PLOOP',
}


# Block devices -------------------------------------------------------------------------------------------------------

def get_block_device_info(instance, block_device_mapping):
    """The block devices of a server as drivers take them.

    :param block_device_mapping: `nova.objects.BlockDeviceMapping`s; those with `no_device` are left out.
    :returns: {'root_device_name': text,
               'image': [{'device_name', 'boot_index', 'image_id', 'disk_bus', 'device_type', 'size' (GiB)}],
               'ephemerals': [{'device_name', 'size' (GiB), 'guest_format', 'disk_bus', 'device_type'}],
               'swap': {'device_name', 'swap_size' (MiB), 'disk_bus', 'device_type'} or None,
               'block_device_mapping': [{'mount_device', 'connection_info', 'boot_index', 'disk_bus', 'device_type',
                                         'guest_format', 'volume_id', 'volume_size' (GiB), 'attachment_id', 'tag',
                                         'delete_on_termination'}]}
    """
    info = {'root_device_name': instance.root_device_name, 'image': [], 'ephemerals': [], 'swap': None,
            'block_device_mapping': []}
    for bdm in block_device_mapping:
        if bdm.no_device:
            continue
        common = {'disk_bus': bdm.disk_bus, 'device_type': bdm.device_type, 'guest_format': bdm.guest_format}
        if bdm.destination_type == 'volume':
            info['block_device_mapping'].append({
                'mount_device': bdm.device_name, 'connection_info': _connection_info(bdm.connection_info),
                'boot_index': bdm.boot_index, 'volume_id': bdm.volume_id, 'volume_size': bdm.volume_size,
                'attachment_id': bdm.attachment_id, 'tag': bdm.tag,
                'delete_on_termination': bdm.delete_on_termination, **common})
        elif bdm.source_type == 'image':
            info['image'].append({'device_name': bdm.device_name, 'boot_index': bdm.boot_index,
                                  'image_id': bdm.image_id, 'size': bdm.volume_size, **common})
        elif bdm.source_type == 'blank' and bdm.guest_format == 'swap':
            info['swap'] = {'device_name': bdm.device_name, 'swap_size': bdm.volume_size, **common}
        elif bdm.source_type == 'blank':
            info['ephemerals'].append({'device_name': bdm.device_name, 'size': bdm.volume_size, **common})
    return info


def _connection_info(value):
    return json.loads(value) if isinstance(value, (str, bytes)) else value


def block_device_info_get_root(block_device_info):
    """Name of the root disk's device, or None."""
    return (block_device_info or {}).get('root_device_name')


def block_device_info_get_swap(block_device_info):
    """The swap disk; where there is none, one without a name and of size 0 (see `swap_is_usable`)."""
    return (block_device_info or {}).get('swap') or {'device_name': None, 'swap_size': 0}


def swap_is_usable(swap):
    """Whether this is a swap disk to make, not the placeholder for none."""
    return bool(swap and swap['device_name'] and swap['swap_size'] > 0)


def block_device_info_get_ephemerals(block_device_info):
    """The ephemeral disks, a list that may be empty."""
    return (block_device_info or {}).get('ephemerals') or []


def block_device_info_get_mapping(block_device_info):
    """The volumes, a list that may be empty."""
    return (block_device_info or {}).get('block_device_mapping') or []


# The contract --------------------------------------------------------------------------------------------------------

class ComputeDriver:
    """A hypervisor, as nova-compute uses it.  See the module for the rules."""

    #: What this driver can do beyond the minimum.  nova-compute does not ask for what is False, and reports what is
    #: True to the scheduler as traits (CAPABILITY_TRAITS).
    capabilities = {
        'has_imagecache': False,                  # manage_image_cache
        'supports_recreate': False,               # rebuild(recreate=True): evacuation to this host
        'supports_evacuate': False,               # the same by its later name
        'supports_migrate_to_same_host': False,   # resize may end on the host where it began
        'supports_attach_interface': False,
        'supports_device_tagging': False,
        'supports_tagged_attach_interface': False,
        'supports_tagged_attach_volume': False,
        'supports_extend_volume': False,
        'supports_multiattach': False,
        'supports_trusted_certs': False,
        'supports_quiesce': False,
        'supports_shares': False,                 # mount_share
        'supports_rescue_bfv': False,
        'supports_image_type_qcow2': False,
        'supports_image_type_raw': False,
        'supports_image_type_iso': False,
        'supports_image_type_ami': False,
        'supports_image_type_vmdk': False,
        'supports_image_type_vhd': False,
        'supports_image_type_vhdx': False,
        'supports_image_type_vdi': False,
        'supports_image_type_ploop': False,
    }

    #: Whether the driver takes block device info in the form of before 2013.  Ours never do.
    need_legacy_block_device_info = False

    def __init__(self, virtapi):
        """Keep what is given; touch nothing outside the process.  Connecting is `init_host`'s job."""
        self.virtapi = virtapi
        self._compute_event_callback = None

    # The host ......................................................................................................

    def init_host(self, host):
        """Connect to the hypervisor and take stock of the guests that are there.

        Called once, before anything else and before messages are taken.
        :param host: name of this host (CONF.host).
        Raises whatever makes this host unusable: nova-compute then does not start, and prints the message.
        """

    def cleanup_host(self, host):
        """Let go of the hypervisor; guests go on running.  Called once, at the end.  Optional: nothing happens."""

    def get_available_nodes(self, refresh=False):
        """Names of the nodes of this service.  The names are unique in the cell and never change for a node.

        :param refresh: ask the hypervisor even if the answer is cached.
        """
        raise NotImplementedError()

    def node_is_available(self, nodename):
        """Whether this service has that node now."""
        return nodename in self.get_available_nodes() or nodename in self.get_available_nodes(refresh=True)

    def get_available_resource(self, nodename):
        """What a node has and how much of it its guests take, as the hypervisor sees it.

        Called at start and every `update_resources_interval` seconds; must take well under a second.
        :returns: {'vcpus', 'memory_mb', 'local_gb': totals, 'vcpus_used', 'memory_mb_used', 'local_gb_used': in use
            (information only: what counts is the claims), 'hypervisor_type': text, 'hypervisor_version': int,
            'hypervisor_hostname': the node's name, 'cpu_info': JSON text or dict, 'disk_available_least': GiB left
            if all disks fill up, or None, 'supported_instances': [(architecture, hypervisor type, vm mode), …],
            'numa_topology': JSON text or None, 'pci_passthrough_devices': JSON text of a list or None}
        """
        raise NotImplementedError()

    def get_num_instances(self):
        """How many guests there are.  This one counts the list; a driver that can count should."""
        return len(self.list_instances())

    def get_host_ip_addr(self):
        """Address of the hypervisor, as other hosts reach it."""
        return CONF.my_ip

    def get_host_uptime(self):
        """The text that `uptime` prints on the host."""
        raise NotImplementedError()

    def get_host_cpu_stats(self):
        """{'kernel', 'idle', 'user', 'iowait': ns since the host booted, 'frequency': MHz now}.  All integers."""
        raise NotImplementedError()

    def host_power_action(self, action):
        """Do 'startup', 'shutdown' or 'reboot' to the host itself.  Returns a text about the outcome."""
        raise NotImplementedError()

    def host_maintenance_mode(self, host, mode):
        """Begin (`mode` True) or end maintenance of a host; beginning moves its guests away.

        Returns 'on_maintenance' or 'off_maintenance'.
        """
        raise NotImplementedError()

    def set_host_enabled(self, enabled):
        """Tell the hypervisor that this host takes new guests, or not.  Returns 'enabled' or 'disabled'."""
        raise NotImplementedError()

    def add_to_aggregate(self, context, aggregate, host, **kwargs):
        """A host joined an aggregate; for hypervisors that pool hosts.  Counterpart: `remove_from_aggregate`.

        Optional: nothing happens.
        """

    def remove_from_aggregate(self, context, aggregate, host, **kwargs):
        """A host left an aggregate.  Optional: nothing happens."""

    def undo_aggregate_operation(self, context, op, aggregate, host, set_error=True):
        """`op` (one of the two above) failed half way: take it back.  Optional: nothing happens.

        :param set_error: whether the aggregate is to be marked as broken.
        """

    def get_volume_connector(self, instance):
        """How this host connects to volumes: {'ip', 'initiator' (iSCSI name), 'host'}, and what else Cinder takes.

        Called before a volume is exported to this host.
        """
        raise NotImplementedError()

    # Which guests there are ........................................................................................

    def list_instances(self):
        """Names (`instance.name`) of all guests here, running or not."""
        raise NotImplementedError()

    def list_instance_uuids(self):
        """UUIDs of all guests here, running or not."""
        raise NotImplementedError()

    def instance_exists(self, instance):
        """Whether the guest is here, running or not.  This one looks through the list; slow with many guests."""
        try:
            return instance.uuid in self.list_instance_uuids()
        except NotImplementedError:
            return instance.name in self.list_instances()

    def get_info(self, instance):
        """`nova.virt.hardware.InstanceInfo` of the guest.  Raises InstanceNotFound.

        Called often; must be cheap, and must not wait for a running operation on the guest.
        """
        raise NotImplementedError()

    def get_per_instance_usage(self):
        """{uuid: {'uuid', 'memory_mb', …}} of all guests, also of those nobody asked for.  Optional: {}."""
        return {}

    def instance_on_disk(self, instance):
        """Whether the files of the server can be reached from this host, as with shared storage."""
        return False

    def get_instance_disk_info(self, instance, block_device_info=None):
        """The local disks of a guest: JSON text of [{'path', 'type', 'virt_disk_size' (bytes), 'backing_file',
        'disk_size' (bytes on the host), 'over_committed_disk_size' (bytes)}, …].

        :param block_device_info: where given, devices that are volumes are left out.
        Raises InstanceNotFound.
        """
        raise NotImplementedError()

    # Birth and death ...............................................................................................

    def spawn(self, context, instance, image_meta, injected_files, admin_password, network_info=None,
              block_device_info=None):
        """Make the guest and start it; when this returns it is RUNNING.

        :param injected_files: [(path, content), …] to put into the guest's file system or config drive.
        :param admin_password: for the config drive and for injection.
        Raises `nova.exception.InstanceExists` if there is a guest of that name or uuid already, and leaves that one
        alone.  On any other error nothing of the guest is left here.
        Raises `nova.exception.BuildAbortException` where no other host would do better (a refused image).
        Twice: no.  Recovery asks `instance_exists` and destroys what it finds first.
        """
        raise NotImplementedError()

    def destroy(self, context, instance, network_info, block_device_info=None, destroy_disks=True, migrate_data=None):
        """Stop the guest at once, remove it from the hypervisor, and `cleanup` after it.

        A guest that is not there is no error: what is left of it (interfaces, disks) still goes, and the log says so.
        :param migrate_data: what the driver handed out during a migration, if this is the end of one.
        Raises `nova.exception.InstancePowerOffFailure` when the guest will not die; then disks and interfaces are
        still there.  Twice: yes.
        """
        raise NotImplementedError()

    def cleanup(self, context, instance, network_info, block_device_info=None, destroy_disks=True, migrate_data=None,
                destroy_vifs=True):
        """Remove what stands around a guest that is gone: interfaces (if `destroy_vifs`), volume connections, disks
        (if `destroy_disks`), files.  Twice: yes."""
        raise NotImplementedError()

    def rebuild(self, context, instance, image_meta, injected_files, admin_password, bdms, detach_block_devices,
                attach_block_devices, network_info=None, recreate=False, block_device_info=None,
                preserve_ephemeral=False):
        """Make the server anew out of `image_meta`; its name, addresses and volumes stay.

        :param bdms: block device mappings to use.
        :param detach_block_devices: `f(context, bdms)` that disconnects the volumes.
        :param attach_block_devices: `f(context, instance, bdms)` that connects them and returns block device info.
        :param recreate: the guest was on another host that died; there is nothing to remove here.
        :param preserve_ephemeral: keep the content of the ephemeral disk.
        Optional: nova-compute destroys, and spawns again.
        """
        raise NotImplementedError()

    def delete_instance_files(self, instance):
        """Delete files that a dead guest left.  Returns whether they are gone (False: try again later).

        Called until it says True.  Twice: yes.  Optional: True.
        """
        return True

    def soft_delete(self, instance):
        """Put the guest away such that `restore` can bring it back; it takes no CPU and memory meanwhile.

        Optional: nova-compute powers it off.
        """
        raise NotImplementedError()

    def restore(self, instance):
        """Bring back and start what `soft_delete` put away.  Optional: nova-compute powers it on."""
        raise NotImplementedError()

    # Power .........................................................................................................

    def power_off(self, instance, timeout=0, retry_interval=0):
        """Stop the guest; when this returns it is SHUTDOWN.

        :param timeout: seconds the guest gets to shut down by itself; 0: pull the plug.
        :param retry_interval: seconds between two signals to it meanwhile.
        Raises InstanceNotFound, `nova.exception.InstancePowerOffFailure`.  Twice: yes, nothing happens.
        """
        raise NotImplementedError()

    def power_on(self, context, instance, network_info, block_device_info=None):
        """Start a guest that is SHUTDOWN, made again from what is recorded; when this returns it is RUNNING.

        Raises InstanceNotFound.  Twice: yes, a guest that runs goes on.
        """
        raise NotImplementedError()

    def reboot(self, context, instance, network_info, reboot_type, block_device_info=None,
               bad_volumes_callback=None):
        """Start the guest again; when this returns it is RUNNING, whatever it was before.

        :param reboot_type: 'SOFT' asks the guest, and falls back to 'HARD', which pulls the plug and makes the guest
            again from what is recorded, missing interfaces and disks included.
        :param bad_volumes_callback: `f([connection_info, …])`, called with volumes that could not be connected; the
            guest starts without them.
        Raises InstanceNotFound.  Twice: yes, it reboots again.
        """
        raise NotImplementedError()

    def poll_rebooting_instances(self, timeout, instances):
        """Reboot those of `instances` again that have been rebooting for more than `timeout` seconds.  Periodic."""
        raise NotImplementedError()

    def pause(self, instance):
        """Stop the guest's CPUs; its memory stays.  RUNNING -> PAUSED.  Counterpart: `unpause`.

        Raises InstanceNotFound.  Twice: yes.
        """
        raise NotImplementedError()

    def unpause(self, instance):
        """PAUSED -> RUNNING.  Raises InstanceNotFound.  Twice: yes."""
        raise NotImplementedError()

    def suspend(self, context, instance):
        """Put the guest's memory on disk and free it.  RUNNING -> SUSPENDED.  Counterpart: `resume`.

        Raises InstanceNotFound.  Twice: yes.
        """
        raise NotImplementedError()

    def resume(self, context, instance, network_info, block_device_info=None):
        """SUSPENDED -> RUNNING, where the guest was.  Raises InstanceNotFound.  Twice: yes."""
        raise NotImplementedError()

    def resume_state_on_host_boot(self, context, instance, network_info, block_device_info=None):
        """The host booted: bring the guest back to RUNNING if it is not.  Raises InstanceNotFound.  Twice: yes."""
        raise NotImplementedError()

    def trigger_crash_dump(self, instance):
        """Send the guest what makes its kernel write a dump (an NMI); what it does then is its own affair.

        Raises InstanceNotFound.
        """
        raise NotImplementedError()

    def set_bootable(self, instance, is_bootable):
        """Allow or forbid to power the guest on."""
        raise NotImplementedError()

    def rescue(self, context, instance, network_info, image_meta, rescue_password):
        """Start the guest from `image_meta`, with its own root disk attached beside.  Counterpart: `unrescue`.

        :param rescue_password: the administrator's password meanwhile.
        On error the guest is as before.  Raises InstanceNotFound.
        """
        raise NotImplementedError()

    def unrescue(self, instance, network_info):
        """Start the guest from its own disk again.  Raises InstanceNotFound.  Twice: yes."""
        raise NotImplementedError()

    # What the guest says ...........................................................................................

    def get_console_output(self, context, instance):
        """What the guest wrote to its console, newest last: text or bytes, at most some 100 KiB.

        A guest that has written nothing yet gives ''.  Raises InstanceNotFound, ConsoleNotAvailable.
        """
        raise NotImplementedError()

    def get_vnc_console(self, context, instance):
        """`nova.console.type.ConsoleVNC`: where the guest's screen is.

        Raises InstanceNotFound, ConsoleTypeUnavailable.  The same for the four below.
        """
        raise NotImplementedError()

    def get_spice_console(self, context, instance):
        """`nova.console.type.ConsoleSpice`."""
        raise NotImplementedError()

    def get_rdp_console(self, context, instance):
        """`nova.console.type.ConsoleRDP`."""
        raise NotImplementedError()

    def get_serial_console(self, context, instance):
        """`nova.console.type.ConsoleSerial`."""
        raise NotImplementedError()

    def get_mks_console(self, context, instance):
        """`nova.console.type.ConsoleMKS`."""
        raise NotImplementedError()

    def get_console_pool_info(self, console_type):
        """{'address', 'username', 'password'} of the pool that serves this type of console, on hypervisors with one."""
        raise NotImplementedError()

    def get_diagnostics(self, instance):
        """What the guest uses: a flat dict in the driver's own words (API before 2.48).  Raises InstanceNotFound."""
        raise NotImplementedError()

    def get_instance_diagnostics(self, instance):
        """What the guest uses: `nova.virt.diagnostics.Diagnostics`.  Raises InstanceNotFound."""
        raise NotImplementedError()

    def get_all_bw_counters(self, instances):
        """Bytes through each interface: [{'name', 'uuid' (server), 'mac_address', 'bw_in', 'bw_out'}, …].  Periodic."""
        raise NotImplementedError()

    def get_all_volume_usage(self, context, compute_host_bdms):
        """I/O of volumes: [{'volume': id, 'instance', 'rd_req', 'rd_bytes', 'wr_req', 'wr_bytes'}, …].  Periodic.

        :param compute_host_bdms: [{'instance': …, 'instance_bdms': [bdm, …]}, …] of all guests here.
        """
        raise NotImplementedError()

    def block_stats(self, instance, disk_id):
        """[reads, bytes read, writes, bytes written, errors] of one disk since the guest started.

        :param disk_id: the device's name in the guest ('vda').
        """
        raise NotImplementedError()

    def set_admin_password(self, instance, new_pass):
        """Set the administrator's password in the running guest.

        Raises InstanceNotFound; `nova.exception.Unsupported` where the guest has no agent.
        """
        raise NotImplementedError()

    def inject_file(self, instance, b64_path, b64_contents):
        """Write a file into the running guest; path and contents are base64.  Deprecated: user data does this."""
        raise NotImplementedError()

    def change_instance_metadata(self, context, instance, diff):
        """The server's metadata changed: publish it into the guest.

        :param diff: {key: ['+', new value] or ['-']}.
        Optional: nothing happens.
        """

    def quiesce(self, context, instance, image_meta):
        """Make the guest's file systems flush and hold still for a snapshot.  Counterpart: `unquiesce`.

        Raises `nova.exception.Unsupported` where the guest cannot, NovaException where it should have.
        """
        raise NotImplementedError()

    def unquiesce(self, context, instance, image_meta):
        """Let the guest write again.  Raises as `quiesce`."""
        raise NotImplementedError()

    # Images ........................................................................................................

    def snapshot(self, context, instance, image_id, update_task_state):
        """Copy the root disk into the image `image_id`, which was created before and has no content yet.

        :param update_task_state: `f(task_state=…, expected_state=…)`, called when the disk is captured and the
            upload begins.
        When this returns the guest is as before and the image is complete.  Raises InstanceNotFound; on error nothing
        of the copy is left on the host (the caller deletes the image).
        """
        raise NotImplementedError()

    def post_interrupted_snapshot_cleanup(self, context, instance):
        """nova-compute died during a `snapshot`: remove what it left.  Twice: yes.  Optional: nothing happens."""

    def manage_image_cache(self, context, all_instances):
        """Throw out cached images that no server needs any more.  Periodic.

        :param all_instances: all servers that might use this cache, on other hosts too where it is shared.
        Optional: nothing happens.
        """

    def is_supported_fs_format(self, fs_type):
        """Whether an ephemeral disk can be made with this file system ('ext4', 'vfat', …)."""
        return False

    # Volumes .......................................................................................................

    def default_root_device_name(self, instance, image_meta, root_bdm):
        """Name of the root device ('/dev/vda') where the user gave none."""
        raise NotImplementedError()

    def default_device_names_for_instance(self, instance, root_device_name, *block_device_lists):
        """Give every block device without a name one, in place.

        :param block_device_lists: lists of ephemerals, swap, volumes, as BlockDeviceMappings.
        """
        raise NotImplementedError()

    def get_device_name_for_instance(self, instance, bdms, block_device_obj):
        """The next free device name for a volume to attach.  Called before `attach_volume`.

        :param bdms: what the server has already.
        :param block_device_obj: the new one; its `device_name` is a wish, or None.
        """
        raise NotImplementedError()

    def attach_volume(self, context, connection_info, instance, mountpoint, disk_bus=None, device_type=None,
                      encryption=None):
        """Connect a volume to this host and to the guest, running or not, as `mountpoint`.

        :param connection_info: what Cinder said of it: {'driver_volume_type', 'data', 'serial', …}.
        :param encryption: {'provider', 'control_location', 'cipher', 'key_size', …} or None.
        On error the volume is not connected.  Raises InstanceNotFound, and NovaException if something is attached
        there already.
        """
        raise NotImplementedError()

    def detach_volume(self, connection_info, instance, mountpoint, encryption=None):
        """Counterpart of `attach_volume`.  Raises InstanceNotFound.  Twice: yes, the log says so."""
        raise NotImplementedError()

    def swap_volume(self, old_connection_info, new_connection_info, instance, mountpoint, resize_to):
        """Put a new volume in the place of the old one, content copied, while the guest runs.

        :param resize_to: GiB of the new volume where it is larger, else 0.
        On error the old volume is still attached.
        """
        raise NotImplementedError()

    def extend_volume(self, connection_info, instance, requested_size):
        """An attached volume has become larger: let the guest see it.

        :param requested_size: bytes.  Twice: yes.  One of our additions.
        """
        raise NotImplementedError()

    def volume_snapshot_create(self, context, instance, volume_id, create_info):
        """Snapshot a volume through the hypervisor, for volume types that are files.

        :param create_info: {'snapshot_id', 'type', 'new_file', …}, from Cinder.
        Counterpart: `volume_snapshot_delete`.
        """
        raise NotImplementedError()

    def volume_snapshot_delete(self, context, instance, volume_id, snapshot_id, delete_info):
        """Merge such a snapshot away.  `delete_info`: {'type', 'file_to_merge', 'merge_target_file', …}."""
        raise NotImplementedError()

    # Shares ........................................................................................................

    def mount_share(self, context, instance, share_mapping):
        """Mount a shared file system on the host and let the guest, which does not run, have it under its tag.

        :param share_mapping: `nova.objects.ShareMapping`: tag, export_location, share_proto ('NFS', 'CEPHFS').
        Counterpart: `umount_share`.  Twice: yes.
        """
        raise NotImplementedError()

    def umount_share(self, context, instance, share_mapping):
        """Take it away again; what is not there is no error.  The guest may be gone.  Twice: yes."""
        raise NotImplementedError()

    # Networks ......................................................................................................

    def plug_vifs(self, instance, network_info):
        """Connect the guest's interfaces to the host's networks; the guest need not run.  Twice: yes."""
        raise NotImplementedError()

    def unplug_vifs(self, instance, network_info):
        """Counterpart of `plug_vifs`.  What is not there is no error.  Twice: yes."""
        raise NotImplementedError()

    def attach_interface(self, instance, image_meta, vif):
        """Add an interface to the guest while it runs.

        Raises InstanceNotFound, NovaException if it is there already or the guest refuses.
        """
        raise NotImplementedError()

    def detach_interface(self, instance, vif):
        """Remove an interface from the guest while it runs.  Raises InstanceNotFound, NovaException."""
        raise NotImplementedError()

    def reset_network(self, instance):
        """Make the guest configure its network again, where it has an agent.  Optional: nothing happens."""

    def inject_network_info(self, instance, nw_info):
        """Write the network configuration into the guest, where that is done.  Optional: nothing happens."""

    def network_binding_host_id(self, context, instance):
        """Host that network ports are bound to; None leaves the binding to somebody else."""
        return instance.host

    def macs_for_instance(self, instance):
        """The MAC addresses the server must have, as a set; None: any.  Called before networks are allocated."""
        return

    def dhcp_options_for_instance(self, instance):
        """DHCP options the server needs to boot, as Neutron takes them: [{'opt_name', 'opt_value'}, …], or None."""
        return

    def deallocate_networks_on_reschedule(self, instance):
        """Whether addresses must be given back before another host tries (MACs that belong to this machine)."""
        return False

    def ensure_filtering_rules_for_instance(self, instance, network_info):
        """Have the guest's packet filter in place.  When this returns, it is.

        Called on the destination before a live migration.  Twice: yes.
        """
        raise NotImplementedError()

    def unfilter_instance(self, instance, network_info):
        """Remove the guest's packet filter.  Twice: yes.  Optional: nothing happens."""

    def filter_defer_apply_on(self):
        """From now on collect changes of packet filters.  Optional: changes apply at once."""

    def filter_defer_apply_off(self):
        """Apply what was collected, in one step."""

    def refresh_security_group_rules(self, security_group_id):
        """Rules of a security group changed: apply them to the guests that have it.  Raises if that fails."""
        raise NotImplementedError()

    def refresh_instance_security_rules(self, instance):
        """The server joined or left a security group, or one of its groups changed: apply."""
        raise NotImplementedError()

    # Moving ........................................................................................................

    def migrate_disk_and_power_off(self, context, instance, dest, flavor, network_info, block_device_info=None,
                                   timeout=0, retry_interval=0):
        """First step of a resize, at the source: stop the guest and get its disks to `dest`.

        :param dest: address of the destination; this host's own for a resize in place.
        :param flavor: what the server will become.
        :param timeout, retry_interval: as `power_off`.
        :returns: JSON text of the disks, for `finish_migration`.
        Raises `nova.exception.InstanceFaultRollback` with the reason inside where nothing was changed, so that the
        server goes back to what it was.  On other errors the guest is stopped and its disks are still here.
        """
        raise NotImplementedError()

    def finish_migration(self, context, migration, instance, disk_info, network_info, image_meta, resize_instance,
                         block_device_info=None, power_on=True):
        """Second step, at the destination: make the guest out of the disks, and start it if `power_on`.

        :param disk_info: what the first step returned.
        :param resize_instance: whether disks have to grow.
        On error nothing of the guest runs here; the disks may remain for `cleanup`.
        """
        raise NotImplementedError()

    def confirm_migration(self, migration, instance, network_info):
        """Third step, at the source: the user is content; remove what was kept for going back.  Twice: yes."""
        raise NotImplementedError()

    def finish_revert_migration(self, context, instance, network_info, block_device_info=None, power_on=True):
        """Third step, at the source: the user is not content; make the guest from the disks that were kept.

        The destination has been destroyed before.  Twice: yes.
        """
        raise NotImplementedError()

    def check_can_live_migrate_destination(self, context, instance, src_compute_info, dst_compute_info,
                                           block_migration=False, disk_over_commit=False):
        """At the destination: could the guest run here?  Compares CPUs, storage, versions.

        :param src_compute_info, dst_compute_info: the two `nova.objects.ComputeNode`s.
        :param block_migration: disks are to be copied; None: as storage requires.
        :param disk_over_commit: count the real size of sparse disks, not the virtual one.
        :returns: migrate data, which only drivers understand: it travels with all that follows.
        Raises `nova.exception.Invalid` and its kind with the reason.  May leave something that
        `check_can_live_migrate_destination_cleanup` removes.
        """
        raise NotImplementedError()

    def check_can_live_migrate_destination_cleanup(self, context, dest_check_data):
        """Remove what the check left.  Called after the source has checked.  Twice: yes."""
        raise NotImplementedError()

    def check_can_live_migrate_source(self, context, instance, dest_check_data, block_device_info=None):
        """At the source: could the guest leave?  Returns migrate data, completed.  Raises as the other check."""
        raise NotImplementedError()

    def pre_live_migration(self, context, instance, block_device_info, network_info, disk_info, migrate_data=None):
        """At the destination: connect volumes and interfaces, prepare disks.  Returns migrate data.

        :param disk_info: `get_instance_disk_info` of the source.
        What it made is removed by `rollback_live_migration_at_destination`.
        """
        raise NotImplementedError()

    def live_migration(self, context, instance, dest, post_method, recover_method, block_migration=False,
                       migrate_data=None):
        """At the source: move the running guest to `dest`.  Returns when it has arrived or failed.

        :param post_method: `f(context, instance, dest, block_migration, migrate_data)`, called when it has arrived.
        :param recover_method: the same arguments, called when it failed and runs here still.
        """
        raise NotImplementedError()

    def live_migration_abort(self, instance):
        """Stop a live migration under way; the guest goes on here.  Raises `nova.exception.Conflict` if too late."""
        raise NotImplementedError()

    def live_migration_force_complete(self, instance):
        """Finish a live migration under way, by pausing the guest or by post-copy."""
        raise NotImplementedError()

    def rollback_live_migration_at_destination(self, context, instance, network_info, block_device_info,
                                               destroy_disks=True, migrate_data=None):
        """At the destination: undo `pre_live_migration`.  Twice: yes."""
        raise NotImplementedError()

    def post_live_migration(self, context, instance, block_device_info, migrate_data=None):
        """At the source, after arrival: disconnect volumes.  Optional: nothing happens."""

    def post_live_migration_at_source(self, context, instance, network_info):
        """At the source, after arrival: unplug interfaces.  Twice: yes."""
        raise NotImplementedError()

    def post_live_migration_at_destination(self, context, instance, network_info, block_migration=False,
                                           block_device_info=None):
        """At the destination, after arrival: make the guest a permanent one.  Twice: yes."""
        raise NotImplementedError()

    def check_instance_shared_storage_local(self, context, instance):
        """First half of "do two hosts share the files of this server?": leave a mark, return what tells where.

        Returns None if that can be told without a mark.
        """
        raise NotImplementedError()

    def check_instance_shared_storage_remote(self, context, data):
        """Second half, on the other host: whether the mark is seen."""
        raise NotImplementedError()

    def check_instance_shared_storage_cleanup(self, context, data):
        """Remove the mark.  Twice: yes."""
        raise NotImplementedError()

    def estimate_instance_overhead(self, instance_info):
        """What a guest takes beyond its flavor: {'memory_mb': MiB, 'disk_gb': GiB, 'vcpus': count}, keys optional.

        :param instance_info: a server or a flavor.
        """
        return {'memory_mb': 0}

    # Events ........................................................................................................

    def register_event_listener(self, callback):
        """Whom to tell of events: `callback(nova.virt.event.Event)`.  Called once, before `init_host`."""
        self._compute_event_callback = callback

    def emit_event(self, event):
        """Tell the listener.  Only from a green thread of this process; a failing listener does not hurt the driver."""
        if self._compute_event_callback is None:
            LOG.debug('Nobody listens to event %s', event)
            return
        try:
            self._compute_event_callback(event)
        except Exception:  # the listener's bug must not end the driver's event loop
            LOG.exception('The listener failed for event %s', event)

    # Our additions .................................................................................................

    #: Name by which the API knows this driver (diagnostics, documentation).
    driver_name = 'unknown'

    def get_traits(self, nodename):
        """Traits of a node, a set of names: its capabilities, and what the driver adds (CPU features, …)."""
        return {trait for name, trait in CAPABILITY_TRAITS.items() if self.capabilities.get(name)}

    def get_inventory(self, nodename):
        """What a node has beyond CPU, memory and disk: {resource class: {'total', 'reserved', 'allocation_ratio',
        'step_size', 'min_unit', 'max_unit'}}.  Reported at the same times as `get_available_resource`."""
        return {}

    def live_migration_interrupted(self, instance):
        """At the source: an earlier start of nova-compute was sending the guest, and ended in the middle.

        Stop that, or wait for it: when this returns, the guest runs here (`instance_exists`) or has arrived.
        Optional: nothing happens.
        """

    def swap_volume_interrupted(self, old_connection_info, new_connection_info, instance, mountpoint):
        """A `swap_volume` failed, or nova-compute ended in the middle of it: stop what is still being copied.

        Returns whether the guest has the new volume; it has the old one else, or is not there.  The other one is not
        connected to this host afterwards.  Raises NovaException when that cannot be told now.  Twice: yes.  Without it
        a swap that raised is taken for one that left the guest as it was, and one that was cut off and given up is not
        settled.
        """
        raise NotImplementedError()

    def cache_image(self, context, image_id):
        """Have the image at hand for the next `spawn`, fetching it if need be; whether anything was fetched.

        Called while the server's addresses are allocated, so that neither waits for the other.  Raises what fetching
        in `spawn` would raise.  Optional: without a cache nothing happens.  Twice: yes.
        """
        return False

    def list_instance_info(self):
        """{uuid: InstanceInfo} of all guests, in one call to the hypervisor; the power state sync uses it.

        Optional: nova-compute asks `get_info` one by one.
        """
        raise NotImplementedError()

    def find_leftovers(self, known_uuids):
        """What is here and belongs to no known server: [{'kind', 'uuid' or None, 'where'}, …], nothing is changed.

        :param known_uuids: servers that may have something here.
        Kinds: 'guest', 'disk', 'interface', 'volume', 'filter', 'file'.  Recovery logs it, tests require it empty.
        """
        known = set(known_uuids)
        return [{'kind': 'guest', 'uuid': uuid, 'where': None}
                for uuid in self.list_instance_uuids() if uuid not in known]


# Loading -------------------------------------------------------------------------------------------------------------

def load_compute_driver(virtapi, compute_driver=None):
    """The driver that is configured, built with `virtapi`.

    :param compute_driver: instead of the option of that name: a class below `nova.virt` ('fake.FakeDriver') or its
        full path ('vendor.nova.BoxDriver').
    Raises `nova.exception.ConfigInvalid`, naming the option, if there is no such driver.  What goes wrong inside its
    module comes as it is.
    """
    name = compute_driver or CONF.compute_driver
    if not name:
        raise _no_driver(name, 'it is empty')
    module_name, _dot, class_name = name.rpartition('.')
    if not module_name:
        raise _no_driver(name, 'it must be module.Class')
    driver_class = _find_class(f'nova.virt.{module_name}', class_name) or _find_class(module_name, class_name)
    if driver_class is None:
        raise _no_driver(name, 'there is no such class')
    if not (isinstance(driver_class, type) and issubclass(driver_class, ComputeDriver)):
        raise _no_driver(name, 'it is not a class derived from nova.virt.driver.ComputeDriver')
    LOG.info('Loading compute driver %s', name)
    return driver_class(virtapi)


def _no_driver(name, why):
    return exception.ConfigInvalid(
        option='compute_driver',
        reason=f'{name!r}: {why}. Known are {", ".join(KNOWN_DRIVERS)}; others by their full dotted path.')


def _find_class(module_name, class_name):
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        # Only "this module is not there" is an answer; a missing dependency of it is an error to be seen.
        if exc.name is not None and (module_name == exc.name or module_name.startswith(f'{exc.name}.')):
            return None
        raise
    return getattr(module, class_name, None)


def driver_dict_from_config(named_driver_config, *args, **kwargs):
    """{name: driver} out of ['name=package.Class', …], each built with the arguments that follow."""
    drivers = {}
    for entry in named_driver_config:
        name, _equals, path = entry.partition('=')
        module_name, _dot, class_name = path.strip().rpartition('.')
        driver_class = _find_class(module_name, class_name) if module_name else None
        if driver_class is None:
            raise exception.ConfigInvalid(option=name.strip(), reason=f'{entry!r} names no class.')
        drivers[name.strip()] = driver_class(*args, **kwargs)
    return drivers


def is_xenapi():
    """Whether the configured driver is the one for XenServer, which names devices its own way."""
    return 'xenapi' in (CONF.compute_driver or '')
