# SPDX-License-Identifier: Apache-2.0
"""Images of servers, and servers anew from images: createImage, createBackup, rebuild, shelve and unshelve."""

from nova import exception, objects
from nova.compute import create, keypairs, records, states, vm_states
from nova.compute.verbs.base import Verbs, in_cell
from nova.conf import CONF

#: Says that a value was not given, where None is one.
UNSET = object()


class ImageVerbs(Verbs):

    # Images of servers ------------------------------------------------------------------------------------------------

    @in_cell
    def snapshot(self, context, instance, name, extra_properties=None):
        """Begin an image of a server's disk; returns the image's record, which has no content yet.

        That of a server that boots from a volume names snapshots of its volumes (`nova.compute.volume_images`).
        Raises what the image service raises.
        """
        return self._snapshot(context, instance, 'snapshot', name, {'image_type': 'snapshot',
                                                                    **(extra_properties or {})}, {})

    @in_cell
    def backup(self, context, instance, name, backup_type, rotation, extra_properties=None):
        """As `snapshot`; of the backups of this type only the newest `rotation` are kept.

        Raises VolumeBackedNotSupported.
        """
        if not instance.image_ref:
            raise exception.VolumeBackedNotSupported(instance_id=instance.uuid)
        return self._snapshot(context, instance, 'backup', name, {
            **(extra_properties or {}), 'image_type': 'backup', 'backup_type': backup_type},
            {'backup_type': backup_type, 'rotation': rotation})

    def _snapshot(self, context, instance, action, name, properties, args):
        row = states.require(context, instance, action)
        image = self._new_image(context, instance, name, properties)
        self._with_image(context, instance, row, 'snapshot_instance', image, args)
        return image

    def _new_image(self, context, instance, name, properties):
        """Record an image of a server, without content."""
        return self.image.create(context, image_of(instance, name, properties))

    def _with_image(self, context, instance, row, method, image, args):
        """Give the order; the image goes if that is not possible."""
        try:
            action_id = records.order(context, instance, row, 'nova-compute', instance.host, method,
                                      {'image_id': image['id'], **args})
        except exception.NovaException:
            self.image.delete(context, image['id'])
            raise
        self._ring(self.compute_rpcapi.ring, context, instance.host, method, action_id)

    # Servers anew -----------------------------------------------------------------------------------------------------

    @in_cell
    def rebuild(self, context, instance, image_ref, admin_password, injected_files=(), preserve_ephemeral=False,
                key_name=UNSET, may_reimage=False, **changes):
        """Make a server anew out of an image; its addresses, volumes and id stay.

        :param may_reimage: another image may be written over the volume that the server boots from.
        :param changes: columns: display_name, metadata, display_description, user_data, trusted_certs, hostname,
            access_ip_v4, access_ip_v6, auto_disk_config.
        Raises ImageNotFound, ImageNotActive, FlavorMemoryTooSmall, FlavorDiskSmallerThanImage,
        FlavorDiskSmallerThanMinDisk, KeypairNotFound, MetadataLimitExceeded, OnsetFileLimitExceeded, InvalidInput.
        """
        row = states.require(context, instance, 'rebuild')
        volume = None if instance.image_ref else self._root_volume(context, instance)
        current = instance.image_ref if volume is None else (volume.image_metadata or {}).get('image_base_image_ref')
        is_new = image_ref != current
        if volume is not None and is_new and not may_reimage:
            raise exception.InvalidInput(reason='imageRef: the server boots from a volume; another image than '
                                                f'{current} can be written to it from version 2.93')
        found = self.image.get(context, image_ref)
        image = create.check_image(found, image_ref, _of_size(instance.flavor, volume))
        if is_new and create.check_hardware(instance.flavor, image) != create.check_hardware(
                instance.flavor, instance.image_meta):
            raise exception.InvalidInput(reason='imageRef: the image wants other NUMA cells, pinned CPUs, pages or '
                                                'PCI devices than the server has; a rebuild stays where it is')
        limits = objects.Quotas.limits(context, context.project_id, context.user_id)
        create.check_items(changes.get('metadata') or {}, injected_files, limits)
        if key_name is not UNSET:
            changes.update(keypairs.columns(context, instance.user_id, key_name))
        old, new = _image_metadata(instance), image.to_system_metadata()
        before = {'image_ref': instance.image_ref, 'system_metadata_changes': {**dict.fromkeys(new), **old},
                  'kernel_id': instance.kernel_id, 'ramdisk_id': instance.ramdisk_id}
        create.check_disk_config(image, image_ref, changes.get('auto_disk_config'))
        changes.update(
            image_ref=image_ref if volume is None else '', kernel_id=image.properties.get('kernel_id') or '',
            ramdisk_id=image.properties.get('ramdisk_id') or '',
            system_metadata_changes={**dict.fromkeys(old), **new})
        args = {'admin_password': admin_password, 'injected_files': list(injected_files), 'before': before,
                'preserve_ephemeral': preserve_ephemeral, 'was_stopped': instance.vm_state == vm_states.STOPPED,
                'reimage': image_ref if volume is not None and is_new else None}
        binary, host, bell = (('nova-conductor', None, self.conductor_rpcapi.ring) if is_new else
                              ('nova-compute', instance.host, self.compute_rpcapi.ring))
        action_id = records.order(context, instance, row, binary, host, 'rebuild_instance', args, values=changes)
        self._ring(bell, context, *([host] if host else []), 'rebuild_instance', action_id)

    def _root_volume(self, context, instance):
        """The volume that a server boots from.  Raises InvalidInput when it has none."""
        root = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid).root_bdm()
        if root is None or not root.volume_id:
            raise exception.InvalidInput(reason='the server has no disk that could be made anew')
        return self.volume.get(context, root.volume_id)

    # Shelving ---------------------------------------------------------------------------------------------------------

    @in_cell
    def shelve(self, context, instance, clean_shutdown=True):
        """Stop a server and keep it as an image; its host gives up its resources in time."""
        if not instance.image_ref:
            # Its disk is a volume, which stays.
            self._order(context, instance, 'shelve', 'shelve_instance', {'clean_shutdown': clean_shutdown})
            return
        row = states.require(context, instance, 'shelve')
        image = self._new_image(context, instance, f'{instance.display_name}-shelved'[:255],
                                {'image_type': 'snapshot'})
        self._with_image(context, instance, row, 'shelve_instance', image, {'clean_shutdown': clean_shutdown})

    @in_cell
    def shelve_offload(self, context, instance, clean_shutdown=True):
        """Free what a shelved server holds on its host."""
        self._order(context, instance, 'shelve_offload', 'shelve_offload_instance',
                    {'clean_shutdown': clean_shutdown})

    @in_cell
    def unshelve(self, context, instance, availability_zone=UNSET, host=None):
        """Start a shelved server: where it is, or on another host if it is offloaded.

        :param availability_zone: where to (and pin it there); None: unpin it.
        Raises UnshelveInstanceInvalidState, InvalidInput (no such zone), ComputeHostNotFound, UnshelveHostNotInAZ.
        """
        row = states.require(context, instance, 'unshelve')
        offloaded = instance.vm_state == vm_states.SHELVED_OFFLOADED
        if not offloaded:
            if availability_zone is not UNSET or host is not None:
                raise exception.UnshelveInstanceInvalidState(instance_uuid=instance.uuid, state=instance.vm_state)
            self._order(context, instance, 'unshelve', 'unshelve_instance')
            return
        zones = objects.AggregateList.get_all(context).zones_by_host()
        values = {}
        if availability_zone is not UNSET:
            _require_zone(zones, availability_zone)
            values['pinned_availability_zone'] = availability_zone
        if host is not None:
            self._require_other_host(context, instance, host)
            pinned = values.get('pinned_availability_zone', instance.pinned_availability_zone)
            if pinned and _zone_of(zones, host) != pinned:
                raise exception.UnshelveHostNotInAZ(host=host, availability_zone=pinned)
        action_id = records.order(context, instance, row, 'nova-conductor', None, 'unshelve_instance',
                                  {'host': host}, values=values)
        self._ring(self.conductor_rpcapi.ring, context, 'unshelve_instance', action_id)


def image_of(instance, name, properties):
    """What the image service is told of a server's image: the properties of its own image go on, but some."""
    meta = instance.image_meta
    kept = {key: value for key, value in meta.properties.items() if key not in CONF.non_inheritable_image_properties}
    return {'name': name, 'visibility': 'private', 'min_ram': meta.min_ram,
            'min_disk': max(meta.min_disk, instance.root_gb or 0),
            'properties': {**kept, 'instance_uuid': instance.uuid, 'user_id': str(instance.user_id),
                           'base_image_ref': instance.image_ref, **properties}}


def _image_metadata(instance):
    """What a server keeps of its image."""
    return {name: value for name, value in (instance.system_metadata or {}).items() if name.startswith('image_')}


def _of_size(flavor, volume):
    """The flavor as an image must fit it: the volume, if there is one, is the root disk."""
    if volume is None:
        return flavor
    flavor = flavor.obj_clone()
    flavor.trust('root_gb', volume.size_gb)
    return flavor


def _zone_of(zones, host):
    return zones.get(host, CONF.default_availability_zone)


def _require_zone(zones, zone):
    if zone is not None and zone not in {*zones.values(), CONF.default_availability_zone}:
        raise exception.InvalidInput(reason=f'availability_zone: there is no zone {zone!r}')
