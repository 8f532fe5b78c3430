# SPDX-License-Identifier: Apache-2.0
"""Volumes of servers: attach, detach, swap."""

import functools

from nova import exception, objects, volume
from nova.compute import block_devices, states, vm_states
from nova.compute.verbs.base import Verbs, in_cell
from nova.notifications import servers as notifications


class VolumeVerbs(Verbs):

    @functools.cached_property
    def volume(self):
        return volume.API()

    @in_cell
    def get_volume_attachments(self, context, instance):
        """The server's `BlockDeviceMapping`s that are volumes."""
        found = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
        return [bdm for bdm in found if bdm.volume_id]

    @in_cell
    def get_volume_attachment(self, context, instance, volume_id):
        """Raises VolumeBDMNotFound."""
        for bdm in self.get_volume_attachments(context, instance):
            if bdm.volume_id == volume_id:
                return bdm
        raise exception.VolumeBDMNotFound(volume_id=volume_id, instance_uuid=instance.uuid)

    @in_cell
    def attach_volume(self, context, instance, volume_id, device=None, tag=None, delete_on_termination=False,
                      supports_multiattach=False):
        """Begin to attach a volume; returns its `BlockDeviceMapping`.

        Raises VolumeNotFound, InvalidVolume, InvalidInput (the device is taken), InstanceInvalidState.
        """
        shelved = instance.vm_state in (vm_states.SHELVED, vm_states.SHELVED_OFFLOADED)
        action = 'attach_volume_shelved' if shelved else 'attach_volume'
        states.require(context, instance, action)
        found = self.volume.get(context, volume_id)
        if found.multiattach and not supports_multiattach:
            raise exception.InvalidVolume(reason=f'volume {volume_id} may be attached to several servers, which needs '
                                                 'version 2.60')
        self.volume.require_zone(found, instance.availability_zone)
        bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
        if any(bdm.volume_id == volume_id for bdm in bdms):
            raise exception.InvalidVolume(reason=f'volume {volume_id} is attached to this server already')
        device = block_devices.device_for(instance, bdms.objects, device)
        attachment_id = self.volume.attachment_create(context, volume_id, instance.uuid)
        try:
            bdm = objects.BlockDeviceMapping.create(context, block_devices.volume_row(
                instance.uuid, found, device, attachment_id, tag, delete_on_termination))
        except exception.NovaException:
            self.volume.attachment_delete(context, attachment_id)
            raise
        if instance.vm_state == vm_states.SHELVED_OFFLOADED:
            with notifications.span(context, 'volume_attach', instance, volume_id=volume_id):
                return bdm      # the host that will have it connects it
        try:
            self._order(context, instance, action, 'attach_volume', {'bdm_uuid': bdm.uuid})
        except exception.NovaException:
            bdm.destroy()
            self.volume.attachment_delete(context, attachment_id)
            raise
        return bdm

    @in_cell
    def detach_volume(self, context, instance, volume_id):
        """Begin to detach a volume.  Raises VolumeBDMNotFound, InvalidVolume (it is the root disk, or busy)."""
        states.require(context, instance, 'attach_volume_shelved' if instance.vm_state in (
            vm_states.SHELVED, vm_states.SHELVED_OFFLOADED) else 'detach_volume')
        bdm = self.get_volume_attachment(context, instance, volume_id)
        if bdm.is_root:
            raise exception.InvalidVolume(reason=f'volume {volume_id} is the root disk of the server')
        if instance.vm_state == vm_states.SHELVED_OFFLOADED:
            # No host has it: it is only promised.
            with notifications.span(context, 'volume_detach', instance, volume_id=volume_id):
                bdm.destroy()
                self.volume.attachment_delete(context, bdm.attachment_id)
            return
        self.volume.begin_detaching(context, volume_id)
        try:
            self._order(context, instance, 'detach_volume', 'detach_volume', {'bdm_uuid': bdm.uuid})
        except exception.NovaException:
            self.volume.roll_detaching(context, volume_id)
            raise

    @in_cell
    def swap_volume(self, context, instance, old_volume_id, new_volume_id):
        """Replace a volume by another, at least as large.  Raises VolumeNotFound, VolumeBDMNotFound, InvalidVolume."""
        states.require(context, instance, 'swap_volume')
        bdm = self.get_volume_attachment(context, instance, old_volume_id)
        old, new = self.volume.get(context, old_volume_id), self.volume.get(context, new_volume_id)
        if new.size_gb < old.size_gb:
            raise exception.InvalidVolume(reason=f'volume {new.id} is smaller than volume {old.id}')
        self.volume.begin_detaching(context, old_volume_id)
        attachment_id = None
        try:
            attachment_id = self.volume.attachment_create(context, new_volume_id, instance.uuid)
            self._order(context, instance, 'swap_volume', 'swap_volume', {
                'bdm_uuid': bdm.uuid, 'new_volume_id': new_volume_id, 'new_attachment_id': attachment_id,
                'resize_to': new.size_gb})
        except exception.NovaException:
            if attachment_id is not None:
                self.volume.attachment_delete(context, attachment_id)
            self.volume.roll_detaching(context, old_volume_id)
            raise

    @in_cell
    def update_volume_attachment(self, context, instance, bdm, delete_on_termination):
        bdm.delete_on_termination = delete_on_termination
        bdm.save()
