# SPDX-License-Identifier: Apache-2.0
"""Block device mappings: the disks a server asked for."""

from nova import db
from nova.objects import base, fields


@base.register
class BlockDeviceMapping(base.TimestampedObject, base.NovaObject):
    """One disk; `volume_size` in GiB."""

    fields = {
        'id': fields.IntegerField(),
        'uuid': fields.UUIDField(),
        'instance_uuid': fields.UUIDField(),
        'source_type': fields.optional(),
        'destination_type': fields.optional(),
        'guest_format': fields.optional(),
        'device_name': fields.optional(),
        'device_type': fields.optional(),
        'disk_bus': fields.optional(),
        'boot_index': fields.optional(fields.IntegerField),
        'snapshot_id': fields.optional(),
        'volume_id': fields.optional(),
        'volume_size': fields.optional(fields.IntegerField),
        'volume_type': fields.optional(),
        'image_id': fields.optional(),
        'delete_on_termination': fields.BooleanField(default=False),
        'no_device': fields.BooleanField(default=False),
        'connection_info': fields.optional(fields.JsonField),
        'attachment_id': fields.optional(),
        'tag': fields.optional(),
    }

    @property
    def is_root(self):
        return self.boot_index == 0

    @property
    def is_volume(self):
        return self.destination_type == 'volume'

    @base.remotable_classmethod
    @base.retried
    def create(cls, context, values):
        """Record one more disk of a server."""
        with db.session.writer(context) as conn:
            db.block_devices.insert(conn, [values])
            return cls.from_row(context, db.block_devices.by_uuid(conn, values['uuid']))

    @base.remotable
    @base.retried
    def destroy(self):
        """Forget it.  Again changes nothing."""
        with db.session.writer(self._context) as conn:
            db.block_devices.soft_delete(conn, self.uuid)

    @base.remotable
    @base.retried
    def save(self):
        changes = self.column_changes()
        if changes:
            with db.session.writer(self._context) as conn:
                db.block_devices.update(conn, self.id, changes)
        self.obj_reset_changes()


@base.register
class BlockDeviceMappingList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('BlockDeviceMapping')}

    @base.remotable_classmethod
    def get_by_instance_uuid(cls, context, instance_uuid):
        with db.session.reader(context) as conn:
            rows = db.block_devices.of_instances(conn, [instance_uuid]).get(instance_uuid, ())
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    def get_by_volume(cls, context, volume_id):
        """Mappings of one volume, in this cell."""
        with db.session.reader(context) as conn:
            return cls.from_rows(context, db.block_devices.of_volume(conn, volume_id))

    @base.remotable_classmethod
    def get_volumes_on(cls, context, host):
        """Mappings of the volumes that are connected to a host for its servers."""
        with db.session.reader(context) as conn:
            return cls.from_rows(context, db.block_devices.volumes_on(conn, host))

    def root_bdm(self):
        """The disk the server boots from, or None."""
        return next((bdm for bdm in self.objects if bdm.is_root), None)
