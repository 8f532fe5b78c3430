# SPDX-License-Identifier: Apache-2.0
"""Server groups."""

from oslo_utils import uuidutils

from nova import db, exception
from nova.objects import base, fields, quotas
from nova.objects import cell as cells


@base.register
class InstanceGroup(base.TimestampedObject, base.NovaObject):
    fields = {
        'id': fields.IntegerField(),
        'uuid': fields.UUIDField(),
        'user_id': fields.optional(),
        'project_id': fields.optional(),
        'name': fields.optional(),
        'policy': fields.optional(),
        'rules': fields.JsonField(default={}),
        'members': fields.ListOfStringsField(default=[]),
        'hosts': fields.ListOfStringsField(default=[]),
    }

    @base.remotable_classmethod
    def get_by_uuid(cls, context, uuid):
        with db.session.api_reader(context) as conn:
            row = db.groups.by_uuid(conn, uuid)
            if row is None or not context.can_see(row['project_id']):
                raise exception.InstanceGroupNotFound(group_uuid=uuid)
            members = db.groups.members_of(conn, row['id'])
        return cls.from_row(context, row, members=members, rules=row['rules'] or {})

    @base.remotable
    @base.retried
    def create(self):
        """Raises ServerGroupLimitExceeded."""
        values = self.column_changes()
        values.pop('members', None)
        values.setdefault('uuid', uuidutils.generate_uuid())
        with db.session.api_writer(self._context) as conn:
            quotas.check_count(conn, 'server_groups', values['project_id'], db.groups.count(conn, values['project_id']),
                               exception.ServerGroupLimitExceeded)
            self.trust('id', db.groups.insert(conn, values))
        self.trust('uuid', values['uuid'])
        self.obj_reset_changes()

    @base.remotable
    def destroy(self):
        """Its members stay, in no group.  Raises InstanceGroupNotFound."""
        # Each by itself: the first, done again, would not find the group any more.
        self._delete()
        cells.ask_each(self._context, self._forget)

    @base.retried
    def _delete(self):
        with db.session.api_writer(self._context) as conn:
            if not db.groups.delete(conn, self.id):
                raise exception.InstanceGroupNotFound(group_uuid=self.uuid)

    @base.retried
    def _forget(self, in_cell):
        with db.session.writer(in_cell) as conn:
            db.claims.forget_group(conn, self.uuid)


@base.register
class InstanceGroupList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('InstanceGroup')}

    @base.remotable_classmethod
    def get_by_project_id(cls, context, project_id, limit=None, offset=None):
        """Groups of a project (None: of all) with their members, in two queries."""
        with db.session.api_reader(context) as conn:
            rows = db.groups.of_project(conn, project_id, limit, offset)
            members = db.groups.members_of_all(conn, [row['id'] for row in rows]) if rows else {}
        return cls.of(context, [InstanceGroup.from_row(context, row, members=members.get(row['id'], []),
                                                       rules=row['rules'] or {}) for row in rows])
