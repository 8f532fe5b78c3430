# SPDX-License-Identifier: Apache-2.0
"""What the rest of the project asks about volumes."""

from oslo_utils import importutils

from nova import conf, image

CONF = conf.CONF

#: Value of [volume] backend -> its class, which is loaded when it is chosen.
BACKENDS = {'local': 'nova.volume.records.LocalVolumes', 'cinder': 'nova.volume.cinder.CinderVolumes'}


class API:
    """Volumes, wherever they are.

    What comes back reads like `nova.objects.Volume` and `nova.objects.VolumeSnapshot`, of which the service's own are
    `nova.volume.record`.  A volume that the caller may not see is VolumeNotFound.  Every method may raise
    CinderConnectionFailed (the service does not answer), and what changes something PolicyNotAuthorized.
    """

    def __init__(self, image_api=None):
        self._image = image_api or image.API()
        self._backend = None

    @property
    def backend(self):
        # Built when first used: the options are read by then.
        if self._backend is None:
            self._backend = importutils.import_object(BACKENDS[CONF.volume.backend], self._image)
        return self._backend

    @property
    def is_local(self):
        return CONF.volume.backend == 'local'

    # Volumes ----------------------------------------------------------------------------------------------------------

    def get(self, context, volume_id):
        """Raises VolumeNotFound."""
        return self.backend.get(context, volume_id)

    def get_all(self, context, all_projects=False):
        """Newest first."""
        return self.backend.get_all(context, all_projects)

    def create(self, context, size_gb, name=None, description=None, snapshot_id=None, image_id=None, volume_type=None,
               metadata=None, availability_zone=None, multiattach=False):
        """A new volume: empty, or with the content of a snapshot or an image.  It may not be ready yet: `wait_for`.

        :param size_gb: None: as large as the snapshot.
        Raises InvalidInput, SnapshotNotFound, OverQuota, and what the image service raises; nothing is left then.
        """
        return self.backend.create(context, size_gb, name, description, snapshot_id, image_id, volume_type, metadata,
                                   availability_zone, multiattach)

    def wait_for(self, context, volume_id):
        """Wait until a new volume is ready; returns it.  Raises VolumeNotFound, VolumeNotCreated."""
        return self.backend.wait_for(context, volume_id)

    def reimage(self, context, volume_id, image_id):
        """Replace the content of a volume, which no host uses meanwhile, by an image.

        Raises VolumeNotFound, InvalidVolume, and what the image service raises.
        """
        self.backend.reimage(context, volume_id, image_id)

    def delete(self, context, volume_id):
        """Raises VolumeNotFound, InvalidVolume when it is in use or has snapshots."""
        self.backend.delete(context, volume_id)

    def has_type(self, context, name):
        """Whether volumes of that type (name or id) can be made."""
        return self.backend.has_type(context, name)

    def zone_for(self, instance_zone):
        """The availability zone for a volume that is made for a server; None: any."""
        return self.backend.zone_for(instance_zone)

    def require_zone(self, volume, instance_zone):
        """Raises InvalidVolume when servers of that zone may not have the volume."""
        self.backend.require_zone(volume, instance_zone)

    def begin_detaching(self, context, volume_id):
        """The volume is being taken from a server.  Raises VolumeNotFound, InvalidVolume when no server has it."""
        self.backend.begin_detaching(context, volume_id)

    def roll_detaching(self, context, volume_id):
        """It was not taken after all.  Again changes nothing."""
        self.backend.roll_detaching(context, volume_id)

    def swapped(self, context, old, new_volume_id):
        """A server has the content of volume `old` on the new one; returns the id of the volume that it has now.

        That is the old one where the service itself moved the volume: it gives the new one the old one's name then.
        """
        return self.backend.swapped(context, old, new_volume_id)

    # Attachments ------------------------------------------------------------------------------------------------------
    # One for each server and host: while a server moves there are two.

    def attachment_create(self, context, volume_id, instance_uuid, connector=None):
        """Promise a volume to a server; returns the attachment's id.  Raises VolumeNotFound, InvalidVolume.

        A volume that the server has already may be promised to it again.
        :param connector: of a host, to which it is exported at once; the only way while another host has it.
        """
        return self.backend.attachment_create(context, volume_id, instance_uuid, connector)

    def attachments_of(self, context, volume_id, instance_uuid):
        """[{'id', 'connection_info' or None}] of a server; nothing for a volume that is not there."""
        return self.backend.attachments_of(context, volume_id, instance_uuid)

    def attachment_update(self, context, volume_id, attachment_id, connector):
        """Export the volume to a host; returns its connection info.  Raises VolumeNotFound, InvalidVolume."""
        return self.backend.attachment_update(context, volume_id, attachment_id, connector)

    def attachment_complete(self, context, attachment_id, device):
        """The server has it."""
        self.backend.attachment_complete(context, attachment_id, device)

    def attachment_delete(self, context, attachment_id):
        """The server, or a host of it, does not have the volume any more.  Again changes nothing."""
        self.backend.attachment_delete(context, attachment_id)

    # Snapshots --------------------------------------------------------------------------------------------------------

    def get_snapshot(self, context, snapshot_id):
        """Raises SnapshotNotFound."""
        return self.backend.get_snapshot(context, snapshot_id)

    def get_all_snapshots(self, context):
        """Newest first."""
        return self.backend.get_all_snapshots(context)

    def create_snapshot(self, context, volume_id, name=None, description=None, force=False):
        """Raises VolumeNotFound, OverQuota, InvalidVolume when it is attached and `force` is not given."""
        return self.backend.create_snapshot(context, volume_id, name, description, force)

    def update_snapshot_status(self, context, snapshot_id, status):
        """A snapshot that the hypervisor works on came to an end there; one that is not there is left alone.

        :param status: 'creating' (it was taken), 'deleting' (it is gone), 'error' or 'error_deleting'.
        """
        self.backend.update_snapshot_status(context, snapshot_id, status)

    def delete_snapshot(self, context, snapshot_id):
        """Raises SnapshotNotFound, InvalidVolume when it cannot be deleted now."""
        self.backend.delete_snapshot(context, snapshot_id)
