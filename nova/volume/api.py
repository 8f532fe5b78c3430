# SPDX-License-Identifier: Apache-2.0
"""What the rest of the project asks about volumes."""

from nova import exception, image, objects
from nova.conf import CONF
from nova.volume import local


class API:
    """Volumes of the local store: records in the database, content in files (`nova.volume.local`).

    A volume that the caller may not see is VolumeNotFound.
    """

    def __init__(self, image_api=None):
        self.image = image_api or image.API()

    def get(self, context, volume_id):
        return objects.Volume.get_by_id(context, volume_id)

    def get_all(self, context, all_projects=False):
        return objects.VolumeList.get_by_project(context, None if all_projects else context.project_id).objects

    def create(self, context, size_gb, name=None, description=None, snapshot_id=None, image_id=None, volume_type=None,
               metadata=None, availability_zone=None, multiattach=False):
        """A new volume: empty, or with the content of a snapshot or an image.

        :param size_gb: None: as large as the snapshot.
        Raises InvalidInput, SnapshotNotFound, and what the image service raises; nothing is left then.
        """
        source = self.get_snapshot(context, snapshot_id) if snapshot_id else None
        if source is not None:
            size_gb = size_gb or source.size_gb
            if size_gb < source.size_gb:
                raise exception.InvalidInput(reason=f'size: {size_gb} GB is less than the {source.size_gb} GB of '
                                                    f'snapshot {snapshot_id}')
        if not size_gb or not 1 <= size_gb <= CONF.volume.max_size_gb:
            raise exception.InvalidInput(reason=f'size: must be between 1 and {CONF.volume.max_size_gb} GB')
        volume = objects.Volume.create(context, {
            'size_gb': size_gb, 'name': name, 'description': description, 'snapshot_id': snapshot_id,
            'image_id': image_id, 'volume_type': volume_type, 'metadata': metadata or {},
            'availability_zone': availability_zone or CONF.default_availability_zone,
            'multiattach': multiattach, 'bootable': image_id is not None})
        try:
            if image_id:
                local.fill(volume.id, size_gb, self.image, context, image_id)
                found = self.image.get(context, image_id)
                volume.change({'image_metadata': objects.ImageMeta.from_dict(found).to_system_metadata()})
            else:
                local.make(volume.id, size_gb, snapshot_id)
        except Exception:
            local.remove('volume', volume.id)
            volume.destroy()
            raise
        volume.change({'status': 'available'})
        return volume

    def reimage(self, context, volume_id, image_id):
        """Replace the content of a volume, which nobody uses meanwhile, by an image.

        Raises VolumeNotFound, and what the image service raises.
        """
        volume = self.get(context, volume_id)
        local.fill(volume.id, volume.size_gb, self.image, context, image_id)
        found = self.image.get(context, image_id)
        volume.change({'image_id': image_id,
                       'image_metadata': objects.ImageMeta.from_dict(found).to_system_metadata()})

    def delete(self, context, volume_id):
        """Raises VolumeNotFound, InvalidVolume when it is in use or has snapshots."""
        volume = self.get(context, volume_id)
        if volume.status not in ('available', 'error', 'creating'):
            raise exception.InvalidVolume(reason=f'volume {volume_id} is {volume.status}, and must be available')
        volume.destroy()
        local.remove('volume', volume_id)

    # Attachments ------------------------------------------------------------------------------------------------------

    def attachment_create(self, context, volume_id, instance_uuid):
        """Promise a volume to a server; returns the attachment's id.  Raises VolumeNotFound, InvalidVolume."""
        return self.get(context, volume_id).reserve(instance_uuid)

    def attachment_update(self, context, volume_id, attachment_id, connector):
        """Export the volume to a host; returns its connection info."""
        return local.connection_info(volume_id)

    def attachment_complete(self, context, attachment_id, device):
        objects.Volume.complete(context, attachment_id, device)

    def attachment_delete(self, context, attachment_id):
        """Again changes nothing."""
        objects.Volume.give_back(context, attachment_id)

    # Snapshots --------------------------------------------------------------------------------------------------------

    def get_snapshot(self, context, snapshot_id):
        """Raises SnapshotNotFound."""
        return objects.VolumeSnapshot.get_by_id(context, snapshot_id)

    def get_all_snapshots(self, context):
        return objects.VolumeSnapshotList.get_by_project(context, context.project_id).objects

    def create_snapshot(self, context, volume_id, name=None, description=None, force=False):
        """Raises VolumeNotFound, InvalidVolume when it is attached and `force` is not given."""
        volume = self.get(context, volume_id)
        if volume.status != 'available' and not (force and volume.status == 'in-use'):
            raise exception.InvalidVolume(reason=f'volume {volume_id} is {volume.status}, and must be available')
        found = objects.VolumeSnapshot.create(context, {'volume_id': volume_id, 'size_gb': volume.size_gb,
                                                        'name': name, 'description': description})
        try:
            local.snapshot(volume_id, found.id)
        except Exception:
            found.destroy()
            local.remove('snapshot', found.id)
            raise
        return found

    def delete_snapshot(self, context, snapshot_id):
        self.get_snapshot(context, snapshot_id).destroy()
        local.remove('snapshot', snapshot_id)
