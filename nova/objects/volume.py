# SPDX-License-Identifier: Apache-2.0
"""Volumes, where there is no volume service: who has them, and which server they are attached to."""

from oslo_utils import uuidutils

from nova import db, exception
from nova.objects import base, fields

_TEXTS = ('project_id', 'user_id', 'name', 'description', 'status', 'volume_type', 'availability_zone', 'snapshot_id',
          'image_id')


@base.register
class Volume(base.TimestampedObject, base.NovaObject):
    """`attachments`: [{'id', 'instance_uuid', 'device'}].

    Statuses: creating -> available -> reserved -> in-use (-> detaching -> available), uploading, deleting, error.
    """

    fields = {
        'id': fields.UUIDField(),
        'size_gb': fields.IntegerField(),
        **{name: fields.optional() for name in _TEXTS},
        'bootable': fields.BooleanField(default=False),
        'multiattach': fields.BooleanField(default=False),
        'read_only': fields.BooleanField(default=False),
        'metadata': fields.JsonField(default={}),
        'image_metadata': fields.JsonField(nullable=True),
        'attachments': fields.JsonField(default=[]),
    }

    @base.remotable_classmethod
    def get_by_id(cls, context, volume_id):
        """Raises VolumeNotFound, also for volumes of other projects."""
        with db.session.api_reader(context) as conn:
            row = db.volumes.by_id(conn, db.volumes.volumes, volume_id)
            if row is None or not context.can_see(row['project_id']):
                raise exception.VolumeNotFound(volume_id=volume_id)
            return _loaded(context, conn, [row])[0]

    @base.remotable_classmethod
    @base.retried
    def create(cls, context, values):
        """Record a volume that is being created; its content is somebody else's affair."""
        values = {'id': uuidutils.generate_uuid(), 'project_id': context.project_id, 'user_id': context.user_id,
                  'status': 'creating', 'bootable': False, 'multiattach': False, 'read_only': False, 'metadata': {},
                  **values}
        with db.session.api_writer(context) as conn:
            db.volumes.insert(conn, db.volumes.volumes, values)
            return _loaded(context, conn, [db.volumes.by_id(conn, db.volumes.volumes, values['id'])])[0]

    @base.remotable
    @base.retried
    def change(self, values, statuses=None):
        """Store values now.  Raises InvalidVolume when the status is not among those given."""
        with db.session.api_writer(self._context) as conn:
            if not db.volumes.change(conn, self.id, values, statuses):
                raise exception.InvalidVolume(reason=f'volume {self.id} is {self.status}, not '
                                                     f'{" or ".join(statuses or ("there",))}')
        for name, value in values.items():
            self.trust(name, value)

    @base.remotable
    @base.retried
    def destroy(self):
        """Forget it.  Raises InvalidVolume while it is attached or has snapshots."""
        with db.session.api_writer(self._context) as conn:
            if db.volumes.count_attachments(conn, self.id):
                raise exception.InvalidVolume(reason=f'volume {self.id} is attached to a server')
            if db.volumes.count_snapshots(conn, self.id):
                raise exception.InvalidVolume(reason=f'volume {self.id} has snapshots')
            db.volumes.delete(conn, db.volumes.volumes, self.id)

    @base.remotable
    @base.retried
    def reserve(self, instance_uuid):
        """Promise the volume to a server; returns the attachment's id.  Raises InvalidVolume when it is not free.

        A server that has it may be promised it again, for another host.
        """
        attachment_id = uuidutils.generate_uuid()
        is_own = any(each['device'] and each['instance_uuid'] == instance_uuid for each in self.attachments)
        allowed = ['available', 'in-use', 'reserved'] if self.multiattach or is_own else ['available']
        with db.session.api_writer(self._context) as conn:
            if not db.volumes.change(conn, self.id, {'status': 'reserved'}, allowed):
                raise exception.InvalidVolume(reason=f'volume {self.id} is {self.status}, and must be available')
            db.volumes.insert(conn, db.volumes.attachments, {'id': attachment_id, 'volume_id': self.id,
                                                             'instance_uuid': instance_uuid})
        return attachment_id

    @base.remotable_classmethod
    @base.retried
    def complete(cls, context, attachment_id, device):
        """The server has it."""
        with db.session.api_writer(context) as conn:
            row = db.volumes.by_id(conn, db.volumes.attachments, attachment_id)
            if row is not None:
                db.volumes.set_device(conn, attachment_id, device)
                db.volumes.change(conn, row['volume_id'], {'status': 'in-use'})

    @base.remotable_classmethod
    @base.retried
    def give_back(cls, context, attachment_id):
        """The server does not have it any more.  Again changes nothing."""
        with db.session.api_writer(context) as conn:
            row = db.volumes.by_id(conn, db.volumes.attachments, attachment_id)
            if row is None:
                return
            db.volumes.delete(conn, db.volumes.attachments, attachment_id)
            left = db.volumes.attachments_of(conn, [row['volume_id']]).get(row['volume_id'], ())
            status = 'in-use' if any(each['device'] for each in left) else 'reserved' if left else 'available'
            db.volumes.change(conn, row['volume_id'], {'status': status})


def _loaded(context, conn, rows):
    found = db.volumes.attachments_of(conn, [row['id'] for row in rows]) if rows else {}
    return [Volume.from_row(context, row, metadata=row['metadata'] or {}, attachments=[
        {name: each[name] for name in ('id', 'instance_uuid', 'device')} for each in found.get(row['id'], ())])
        for row in rows]


@base.register
class VolumeList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('Volume')}

    @base.remotable_classmethod
    def get_by_project(cls, context, project_id=None):
        """Volumes of a project (None: of all), newest first, in two queries."""
        with db.session.api_reader(context) as conn:
            return cls.of(context, _loaded(context, conn, db.volumes.of_project(conn, db.volumes.volumes, project_id)))


@base.register
class VolumeSnapshot(base.TimestampedObject, base.NovaObject):
    fields = {
        'id': fields.UUIDField(),
        'volume_id': fields.UUIDField(),
        'size_gb': fields.IntegerField(),
        **{name: fields.optional() for name in ('project_id', 'user_id', 'name', 'description', 'status')},
        'metadata': fields.JsonField(default={}),
    }

    @base.remotable_classmethod
    def get_by_id(cls, context, snapshot_id):
        """Raises SnapshotNotFound, also for those of other projects."""
        with db.session.api_reader(context) as conn:
            row = db.volumes.by_id(conn, db.volumes.snapshots, snapshot_id)
        if row is None or not context.can_see(row['project_id']):
            raise exception.SnapshotNotFound(snapshot_id=snapshot_id)
        return cls.from_row(context, row)

    @base.remotable_classmethod
    @base.retried
    def create(cls, context, values):
        values = {'id': uuidutils.generate_uuid(), 'project_id': context.project_id, 'user_id': context.user_id,
                  'status': 'available', 'metadata': {}, **values}
        with db.session.api_writer(context) as conn:
            db.volumes.insert(conn, db.volumes.snapshots, values)
            return cls.from_row(context, db.volumes.by_id(conn, db.volumes.snapshots, values['id']))

    @base.remotable
    @base.retried
    def change(self, values):
        """Store values now."""
        with db.session.api_writer(self._context) as conn:
            db.volumes.change_snapshot(conn, self.id, values)
        for name, value in values.items():
            self.trust(name, value)

    @base.remotable
    @base.retried
    def destroy(self):
        with db.session.api_writer(self._context) as conn:
            db.volumes.delete(conn, db.volumes.snapshots, self.id)


@base.register
class VolumeSnapshotList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('VolumeSnapshot')}

    @base.remotable_classmethod
    def get_by_project(cls, context, project_id=None):
        with db.session.api_reader(context) as conn:
            return cls.from_rows(context, db.volumes.of_project(conn, db.volumes.snapshots, project_id))
