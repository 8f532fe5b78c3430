# SPDX-License-Identifier: Apache-2.0
"""Volumes of the local store: records in the database, content in files (`nova.volume.local`)."""

import contextlib

from oslo_log import log

from nova import concurrency, exception, objects
from nova.conf import CONF
from nova.volume import local

LOG = log.getLogger(__name__)
#: What is kept of a volume's image that is not a property of it, and not said of an image that is made of the volume.
_OF_THE_IMAGE = ('base_image_ref', 'name', 'size', 'container_format', 'disk_format')
_LEAST = ('min_ram', 'min_disk')


class LocalVolumes:
    """A backend of `nova.volume.API`, whose methods say what these do."""

    def __init__(self, image_api):
        self.image = image_api

    def get(self, context, volume_id):
        return objects.Volume.get_by_id(context, volume_id)

    def get_all(self, context, all_projects=False):
        return objects.VolumeList.get_by_project(context, None if all_projects else context.project_id).objects

    def create(self, context, size_gb, name=None, description=None, snapshot_id=None, image_id=None, volume_type=None,
               metadata=None, availability_zone=None, multiattach=False, source_volume_id=None):
        """`source_volume_id`: of a volume that is copied, which must be free."""
        source = self.get_snapshot(context, snapshot_id) if snapshot_id else self._free(context, source_volume_id)
        if source is not None:
            size_gb = size_gb or source.size_gb
            if size_gb < source.size_gb:
                raise exception.InvalidInput(reason=f'size: {size_gb} GB is less than the {source.size_gb} GB of '
                                                    'its source')
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
                local.make(volume.id, size_gb, ('snapshot', snapshot_id) if snapshot_id else (
                    'volume', source_volume_id) if source_volume_id else None)
                if source_volume_id:
                    volume.change({'bootable': source.bootable, 'image_metadata': source.image_metadata})
        except Exception:
            local.remove('volume', volume.id)
            volume.destroy()
            raise
        volume.change({'status': 'available'})
        return volume

    def reimage(self, context, volume_id, image_id):
        volume = self.get(context, volume_id)
        local.fill(volume.id, volume.size_gb, self.image, context, image_id)
        found = self.image.get(context, image_id)
        volume.change({'image_id': image_id,
                       'image_metadata': objects.ImageMeta.from_dict(found).to_system_metadata()})

    def _free(self, context, volume_id):
        found = self.get(context, volume_id) if volume_id else None
        if found is not None and found.status != 'available':
            raise exception.InvalidVolume(reason=f'volume {volume_id} is {found.status}, and must be available')
        return found

    def wait_for(self, context, volume_id):
        return self.get(context, volume_id)

    def delete(self, context, volume_id):
        volume = self.get(context, volume_id)
        if volume.status not in ('available', 'error', 'creating'):
            raise exception.InvalidVolume(reason=f'volume {volume_id} is {volume.status}, and must be available')
        volume.destroy()
        local.remove('volume', volume_id)

    def update(self, context, volume_id, values):
        """Change name, description, metadata or bootable of a volume; returns it.  Raises VolumeNotFound."""
        volume = self.get(context, volume_id)
        volume.change(values)
        return volume

    def extend(self, context, volume_id, size_gb):
        """Make a volume that is free larger.  Raises VolumeNotFound, InvalidVolume, InvalidInput."""
        volume = self.get(context, volume_id)
        if not volume.size_gb < size_gb <= CONF.volume.max_size_gb:
            raise exception.InvalidInput(reason=f'new_size: must be more than the {volume.size_gb} GB that the volume '
                                                f'has, and at most {CONF.volume.max_size_gb} GB')
        volume.change({'size_gb': size_gb}, ['available'])
        local.extend(volume_id, size_gb)

    def set_read_only(self, context, volume_id, read_only):
        """Let servers that get a volume only read it, or write too.  Raises VolumeNotFound, InvalidVolume: not free."""
        self.get(context, volume_id).change({'read_only': read_only}, ['available'])

    def upload(self, context, volume_id, name, disk_format='raw', container_format='bare', force=False):
        """Make an image of a volume; (the volume, the image's record), while the content is on its way.

        :param force: also of one that a server has, as it is at that moment.
        Raises VolumeNotFound, InvalidVolume: it is not free, InvalidInput, and what the image service raises.
        """
        volume = self.get(context, volume_id)
        if disk_format not in local.IMAGE_FORMATS:
            raise exception.InvalidInput(reason=f'disk_format: {disk_format!r} is not one of '
                                                f'{", ".join(local.IMAGE_FORMATS)}')
        kept = {key.removeprefix('image_'): value for key, value in (volume.image_metadata or {}).items()}
        given = {'name': name, 'disk_format': disk_format, 'container_format': container_format,
                 **{key: int(kept[key]) for key in _LEAST if key in kept},
                 'properties': {key: value for key, value in kept.items() if key not in (
                     *_OF_THE_IMAGE, *_LEAST, *CONF.non_inheritable_image_properties)}}
        # One that a server has stays that server's.
        is_held = not (force and volume.status == 'in-use')
        if is_held:
            volume.change({'status': 'uploading'}, ['available'])
        try:
            image = self.image.create(context, given)
        except Exception:
            self._let_go(volume, is_held)
            raise
        concurrency.spawn(self._send, context, volume, is_held, image)
        return volume, image

    def _send(self, context, volume, is_held, image):
        try:
            with local.as_image(volume.id, image['disk_format']) as content:
                self.image.update(context, image['id'], {}, content)
        except Exception as exc:
            # That it is no raw disk, for example, is its owner's affair.
            LOG.warning('The content of volume %s did not get into image %s, which is deleted: %s', volume.id,
                        image['id'], exc, exc_info=not isinstance(exc, exception.NovaException))
            self.image.delete(context, image['id'])
        finally:
            self._let_go(volume, is_held)

    @staticmethod
    def _let_go(volume, is_held):
        # Not if an administrator has set another status meanwhile.
        with contextlib.suppress(exception.InvalidVolume):
            if is_held:
                volume.change({'status': 'available'}, ['uploading'])

    # One directory, one kind of volume, no zones: the name of a type is a label.

    def has_type(self, context, name):
        return True

    def zone_for(self, instance_zone):
        return None

    def require_zone(self, volume, instance_zone):
        pass

    def begin_detaching(self, context, volume_id):
        self.get(context, volume_id).change({'status': 'detaching'}, ['in-use'])

    def roll_detaching(self, context, volume_id):
        with contextlib.suppress(exception.InvalidVolume):
            self.get(context, volume_id).change({'status': 'in-use'}, ['detaching'])

    def swapped(self, context, old, new_volume_id):
        return new_volume_id

    # Attachments ------------------------------------------------------------------------------------------------------

    def attachment_create(self, context, volume_id, instance_uuid, connector=None):
        return self.get(context, volume_id).reserve(instance_uuid)

    def attachments_of(self, context, volume_id, instance_uuid):
        try:
            volume = self.get(context.elevated(), volume_id)
        except exception.VolumeNotFound:
            return []
        return [{'id': each['id'], 'connection_info': local.connection_info(volume_id, volume.read_only)}
                for each in volume.attachments if each['instance_uuid'] == instance_uuid]

    def attachment_update(self, context, volume_id, attachment_id, connector):
        return local.connection_info(volume_id, self.get(context.elevated(), volume_id).read_only)

    def attachment_complete(self, context, attachment_id, device):
        objects.Volume.complete(context, attachment_id, device)

    def attachment_delete(self, context, attachment_id):
        objects.Volume.give_back(context, attachment_id)

    # Snapshots --------------------------------------------------------------------------------------------------------

    def get_snapshot(self, context, snapshot_id):
        return objects.VolumeSnapshot.get_by_id(context, snapshot_id)

    def get_all_snapshots(self, context, all_projects=False):
        found = objects.VolumeSnapshotList.get_by_project(context, None if all_projects else context.project_id)
        return found.objects

    def create_snapshot(self, context, volume_id, name=None, description=None, force=False, metadata=None):
        volume = self.get(context, volume_id)
        if volume.status != 'available' and not (force and volume.status == 'in-use'):
            raise exception.InvalidVolume(reason=f'volume {volume_id} is {volume.status}, and must be available')
        found = objects.VolumeSnapshot.create(context, {'volume_id': volume_id, 'size_gb': volume.size_gb,
                                                        'name': name, 'description': description,
                                                        'metadata': metadata or {}})
        try:
            local.snapshot(volume_id, found.id)
        except Exception:
            found.destroy()
            local.remove('snapshot', found.id)
            raise
        return found

    def update_snapshot(self, context, snapshot_id, values):
        """Change name, description or metadata of a snapshot; returns it.  Raises SnapshotNotFound."""
        found = self.get_snapshot(context, snapshot_id)
        found.change(values)
        return found

    def update_snapshot_status(self, context, snapshot_id, status):
        try:
            found = self.get_snapshot(context.elevated(), snapshot_id)
        except exception.SnapshotNotFound:
            return
        if status == 'deleting':
            found.destroy()
            local.remove('snapshot', snapshot_id)
        else:
            found.change({'status': 'available' if status == 'creating' else status})

    def delete_snapshot(self, context, snapshot_id):
        self.get_snapshot(context, snapshot_id).destroy()
        local.remove('snapshot', snapshot_id)
