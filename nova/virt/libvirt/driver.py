# SPDX-License-Identifier: Apache-2.0
"""The contract, delegated: every method is a few lines that call the concern that does the work."""

import os

from oslo_log import log as logging

from nova import conf, exception, image, objects
from nova.virt import configdrive, driver, event, hardware
from nova.virt.disk import mkfs
from nova.virt.libvirt import (
    blockinfo,
    cold_migration,
    console,
    diskinfo,
    disks,
    domain,
    hotplug,
    imagebackend,
    imagecache,
    inventory,
    leftovers,
    lifecycle,
    live_migration,
    paths,
    power,
    rescue,
    shares,
    snapshot,
    swap,
    traits,
    usage,
    vif,
    volume,
    watch,
)
from nova.virt.libvirt import guest as libvirt_guest
from nova.virt.libvirt import host as libvirt_host

CONF = conf.CONF
LOG = logging.getLogger(__name__)


class LibvirtDriver(driver.ComputeDriver):
    """Guests of QEMU, with or without KVM, through the libvirt daemon of this host."""

    driver_name = 'libvirt'
    capabilities = {
        **driver.ComputeDriver.capabilities,
        'has_imagecache': True,
        'supports_recreate': True,
        'supports_evacuate': True,
        'supports_migrate_to_same_host': True,
        'supports_attach_interface': True,
        'supports_extend_volume': True,
        'supports_quiesce': True,
        'supports_rescue_bfv': True,
        # Where the host has what it takes: see `traits`.
        'supports_shares': True,
        'supports_image_type_qcow2': True,
        'supports_image_type_raw': True,
        'supports_image_type_iso': True,
        'supports_image_type_ami': True,
        'supports_image_type_vmdk': True,
        'supports_image_type_vhd': True,
        'supports_image_type_vhdx': True,
        'supports_image_type_vdi': True,
    }

    def __init__(self, virtapi):
        super().__init__(virtapi)
        self.host = libvirt_host.Host(on_lifecycle=self._lifecycle)
        self.image_api = image.API()

    def _lifecycle(self, uuid, transition):
        self.emit_event(event.LifecycleEvent(uuid, transition))

    def _guest(self, instance):
        return libvirt_guest.Guest(self.host, instance.uuid)

    def _request(self, context, instance, image_meta, network_info, block_device_info, injected_files=(),
                 admin_password=None):
        def write_config_drive(path):
            configdrive.write(context, instance, path, network_info, injected_files, admin_password)
        wanted = configdrive.required_by(instance)
        return lifecycle.Request(context, instance, image_meta, network_info, block_device_info,
                                 CONF.config_drive_format if wanted else None, write_config_drive)

    # The host --------------------------------------------------------------------------------------------------------

    def init_host(self, host):
        os.makedirs(CONF.instances_path, exist_ok=True)
        imagebackend.backend().require_usable()
        self.host.start()
        inventory.require_virt_type(self.host)

    def cleanup_host(self, host):
        self.host.stop()

    def get_available_nodes(self, refresh=False):
        return [self.host.hostname]

    def get_available_resource(self, nodename):
        return inventory.available_resource(self.host)

    def get_traits(self, nodename):
        return (super().get_traits(nodename) - {traits.SHARES}) | traits.of(self.host)

    def get_host_uptime(self):
        return inventory.uptime()

    def get_host_cpu_stats(self):
        return self.host.cpu_stats()

    # Which guests there are ------------------------------------------------------------------------------------------

    def get_num_instances(self):
        return self.host.count()

    def list_instances(self):
        return self.host.list_names()

    def list_instance_uuids(self):
        return self.host.list_uuids()

    def instance_exists(self, instance):
        return self._guest(instance).exists()

    def get_info(self, instance):
        return self._guest(instance).info()

    def list_instance_info(self):
        return {uuid: hardware.InstanceInfo(*stats) for uuid, stats in self.host.list_stats().items()}

    def instance_on_disk(self, instance):
        return lifecycle.files_exist(instance)

    def get_instance_disk_info(self, instance, block_device_info=None):
        if not self.instance_exists(instance):
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        return disks.usage_json(instance)

    def find_leftovers(self, known_uuids):
        return leftovers.find(self.host, set(known_uuids))

    # Birth and death -------------------------------------------------------------------------------------------------

    def cache_image(self, context, image_id):
        """Fetch an image into the cache of this host, if it is not there.  Returns whether it was fetched."""
        known = imagecache.find(imagecache.name_of(image_id)) is not None
        imagecache.fetch(context, self.image_api, image_id)
        return not known

    def spawn(self, context, instance, image_meta, injected_files, admin_password, network_info=None,
              block_device_info=None):
        lifecycle.spawn(self.host, self.image_api, self._request(
            context, instance, image_meta, network_info, block_device_info, injected_files, admin_password))

    def destroy(self, context, instance, network_info, block_device_info=None, destroy_disks=True, migrate_data=None):
        lifecycle.destroy(self.host, instance)
        self.cleanup(context, instance, network_info, block_device_info, destroy_disks, migrate_data)

    def cleanup(self, context, instance, network_info, block_device_info=None, destroy_disks=True, migrate_data=None,
                destroy_vifs=True):
        # Where a guest went on living, with its files, they are no business of this host any more.
        destroy_disks = destroy_disks and not live_migration.is_shared(migrate_data)
        lifecycle.cleanup(instance, network_info, destroy_disks, destroy_vifs)
        volume.disconnect_all(block_device_info)

    def delete_instance_files(self, instance):
        return disks.remove(instance)

    # Power -----------------------------------------------------------------------------------------------------------

    def power_off(self, instance, timeout=0, retry_interval=0):
        power.power_off(self._guest(instance), timeout, retry_interval)

    def power_on(self, context, instance, network_info, block_device_info=None):
        guest = self._guest(instance)
        if guest.is_active():
            guest.unpause()
        else:
            self._make_again(context, instance, network_info, block_device_info)

    def _make_again(self, context, instance, network_info, block_device_info):
        lifecycle.make_again(self.host, self.image_api, self._request(
            context, instance, instance.image_meta, network_info, block_device_info))
        # It runs from its own disk: a rescue that did not end is over.
        rescue.forget(instance)

    def reboot(self, context, instance, network_info, reboot_type, block_device_info=None, bad_volumes_callback=None):
        if reboot_type == 'SOFT' and power.reboot_softly(self._guest(instance)):
            return
        self._make_again(context, instance, network_info, block_device_info)

    def pause(self, instance):
        self._guest(instance).pause()

    def unpause(self, instance):
        self._guest(instance).unpause()

    def suspend(self, context, instance):
        self._guest(instance).save()

    def resume(self, context, instance, network_info, block_device_info=None):
        vif.plug(network_info)
        volume.connect_all(block_device_info)
        power.resume(self._guest(instance))

    def resume_state_on_host_boot(self, context, instance, network_info, block_device_info=None):
        if rescue.is_on(instance):
            vif.plug(network_info)
            power.resume(self._guest(instance))
        elif not power.is_as_it_was(self._guest(instance)):
            self._make_again(context, instance, network_info, block_device_info)

    def trigger_crash_dump(self, instance):
        self._guest(instance).inject_nmi()

    def rescue(self, context, instance, network_info, image_meta, rescue_password):
        rescue.begin(self.host, self.image_api, self._request(
            context, instance, image_meta, network_info, None, admin_password=rescue_password))

    def unrescue(self, instance, network_info):
        rescue.end(self.host, instance, network_info)

    # In the guest ----------------------------------------------------------------------------------------------------

    def set_admin_password(self, instance, new_pass):
        guest = self._guest(instance)
        if not guest.has_agent():
            raise exception.Unsupported(reason='the image does not say hw_qemu_guest_agent=yes')
        guest.set_password(domain.administrator(instance.image_meta), new_pass)

    def quiesce(self, context, instance, image_meta):
        snapshot.quiesce(self._guest(instance))

    def unquiesce(self, context, instance, image_meta):
        self._guest(instance).thaw()

    # What the guest says ---------------------------------------------------------------------------------------------

    def get_console_output(self, context, instance):
        if not self.instance_exists(instance):
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        console.record_terminal(self._guest(instance), instance)
        return console.read_log(instance)

    def get_vnc_console(self, context, instance):
        return console.vnc(self._guest(instance))

    def get_serial_console(self, context, instance):
        return console.serial(self._guest(instance))

    def get_diagnostics(self, instance):
        return usage.flat(self._guest(instance))

    def get_instance_diagnostics(self, instance):
        return usage.full(self._guest(instance), instance.launched_at, paths.CONFIG_DRIVE in diskinfo.of(instance))

    def get_all_volume_usage(self, context, compute_host_bdms):
        return usage.of_volumes(self.host, compute_host_bdms)

    def block_stats(self, instance, disk_id):
        return usage.of_disk(self._guest(instance), disk_id)

    # Images and disks ------------------------------------------------------------------------------------------------

    def snapshot(self, context, instance, image_id, update_task_state):
        snapshot.take(self.host, self.image_api, context, instance, image_id, update_task_state)

    def post_interrupted_snapshot_cleanup(self, context, instance):
        snapshot.clear_interrupted(self.host, instance)

    def get_volume_connector(self, instance):
        return volume.connector({'ip': CONF.my_ip, 'host': CONF.host})

    def attach_volume(self, context, connection_info, instance, mountpoint, disk_bus=None, device_type=None,
                      encryption=None):
        hotplug.attach_volume(self._guest(instance), instance.image_meta, connection_info, mountpoint, disk_bus)

    def detach_volume(self, connection_info, instance, mountpoint, encryption=None):
        hotplug.detach_volume(self._guest(instance), connection_info, mountpoint)

    def swap_volume(self, old_connection_info, new_connection_info, instance, mountpoint, resize_to):
        volume.connect(new_connection_info)
        try:
            swap.replace(self._guest(instance), new_connection_info, mountpoint, resize_to)
        except Exception as exc:
            if not self.swap_volume_interrupted(old_connection_info, new_connection_info, instance, mountpoint):
                raise
            LOG.warning('The guest has its new volume %s, although the end of it failed: %s', mountpoint, exc,
                        instance_uuid=instance.uuid)
        volume.disconnect(old_connection_info)

    def swap_volume_interrupted(self, old_connection_info, new_connection_info, instance, mountpoint):
        # What tells where the guest is may be known of a volume that is connected only.
        volume.connect(old_connection_info)
        has_new = swap.settle(self._guest(instance), old_connection_info, new_connection_info, mountpoint)
        volume.disconnect(old_connection_info if has_new else new_connection_info)
        return has_new

    def extend_volume(self, connection_info, instance, requested_size):
        volume.extend(connection_info)
        for disk in self._guest(instance).document().iterfind('devices/disk'):
            if disk.findtext('serial') == connection_info.get('serial'):
                hotplug.extend_volume(self._guest(instance), disk.find('target').get('dev'), requested_size)

    def manage_image_cache(self, context, all_instances):
        used = {image_id for instance in all_instances
                for image_id in (instance.image_ref, instance.kernel_id, instance.ramdisk_id) if image_id}
        imagecache.clean(used)

    def is_supported_fs_format(self, fs_type):
        return fs_type in mkfs.FILE_SYSTEMS

    def default_root_device_name(self, instance, image_meta, root_bdm):
        device = (root_bdm.device_type if root_bdm else None) or 'disk'
        bus = (root_bdm.disk_bus if root_bdm else None) or blockinfo.bus_for(image_meta, device)
        return f'/dev/{blockinfo.first_name(bus)}'

    def default_device_names_for_instance(self, instance, root_device_name, *block_device_lists):
        bdms = [bdm for bdms in block_device_lists for bdm in bdms or ()]
        for bdm, name in blockinfo.default_names(instance.image_meta, root_device_name, bdms):
            bdm.device_name = name

    def get_device_name_for_instance(self, instance, bdms, block_device_obj):
        if block_device_obj.device_name:
            return block_device_obj.device_name
        return blockinfo.default_names(instance.image_meta, instance.root_device_name, [*bdms, block_device_obj])[-1][1]

    # Shares ----------------------------------------------------------------------------------------------------------

    def mount_share(self, context, instance, share_mapping):
        shares.attach(self.host, instance, share_mapping)

    def umount_share(self, context, instance, share_mapping):
        shares.detach(self.host, instance, share_mapping)

    # Networks --------------------------------------------------------------------------------------------------------

    def plug_vifs(self, instance, network_info):
        vif.plug(network_info)

    def unplug_vifs(self, instance, network_info):
        vif.unplug(network_info)

    def attach_interface(self, instance, image_meta, vif):
        hotplug.attach_interface(self._guest(instance), instance, image_meta, vif)

    def detach_interface(self, instance, vif):
        hotplug.detach_interface(self._guest(instance), vif)

    def ensure_filtering_rules_for_instance(self, instance, network_info):
        """The filter is kept by whoever allocates the addresses, for devices by name: it is there before them."""

    # Moving ----------------------------------------------------------------------------------------------------------

    def migrate_disk_and_power_off(self, context, instance, dest, flavor, network_info, block_device_info=None,
                                   timeout=0, retry_interval=0):
        return cold_migration.send(self.host, self.image_api, context, instance, dest, flavor, block_device_info,
                                   timeout, retry_interval)

    def finish_migration(self, context, migration, instance, disk_info, network_info, image_meta, resize_instance,
                         block_device_info=None, power_on=True):
        request = self._request(context, instance, image_meta, network_info, block_device_info)
        cold_migration.finish(self.host, self.image_api, request, disk_info, resize_instance, power_on)

    def confirm_migration(self, migration, instance, network_info):
        cold_migration.confirm(instance)

    def finish_revert_migration(self, context, instance, network_info, block_device_info=None, power_on=True):
        request = self._request(context, instance, instance.image_meta, network_info, block_device_info)
        cold_migration.finish_revert(self.host, self.image_api, request, power_on)

    # Moving while it runs --------------------------------------------------------------------------------------------

    def check_can_live_migrate_destination(self, context, instance, src_compute_info, dst_compute_info,
                                           block_migration=False, disk_over_commit=False):
        return live_migration.check_destination(self.host, instance, src_compute_info, dst_compute_info,
                                                block_migration, disk_over_commit)

    def check_can_live_migrate_destination_cleanup(self, context, dest_check_data):
        live_migration.clear(dest_check_data)

    def check_can_live_migrate_source(self, context, instance, dest_check_data, block_device_info=None):
        return live_migration.check_source(self.host, self.image_api, context, instance, dest_check_data,
                                           block_device_info)

    def pre_live_migration(self, context, instance, block_device_info, network_info, disk_info, migrate_data=None):
        request = self._request(context, instance, instance.image_meta, network_info, block_device_info)
        return live_migration.prepare(self.host, self.image_api, request, migrate_data)

    def live_migration(self, context, instance, dest, post_method, recover_method, block_migration=False,
                       migrate_data=None):
        record = migrate_data.get('migration')
        record = record and objects.Migration.get_by_uuid(context, record)
        try:
            live_migration.move(self.host, instance, record, migrate_data)
        except Exception:
            recover_method(context, instance, dest, block_migration, migrate_data)
            raise
        post_method(context, instance, dest, block_migration, migrate_data)

    def live_migration_abort(self, instance):
        watch.of(instance).abort()

    def live_migration_force_complete(self, instance):
        watch.of(instance).force()

    def live_migration_interrupted(self, instance):
        live_migration.end_interrupted(self._guest(instance), instance)

    def rollback_live_migration_at_destination(self, context, instance, network_info, block_device_info,
                                               destroy_disks=True, migrate_data=None):
        if live_migration.roll_back(self.host, instance, network_info, migrate_data):
            volume.disconnect_all(block_device_info)

    def post_live_migration(self, context, instance, block_device_info, migrate_data=None):
        volume.disconnect_all(block_device_info)
        live_migration.left(instance, migrate_data)

    def post_live_migration_at_source(self, context, instance, network_info):
        vif.unplug(network_info)

    def post_live_migration_at_destination(self, context, instance, network_info, block_migration=False,
                                           block_device_info=None):
        live_migration.arrived(instance)
