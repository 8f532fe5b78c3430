# SPDX-License-Identifier: Apache-2.0
"""Server groups."""

from oslo_utils import uuidutils

from nova import db, exception
from nova.objects import base, fields


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
    def create(self):
        values = self.column_changes()
        values.setdefault('uuid', uuidutils.generate_uuid())
        with db.session.api_writer(self._context) as conn:
            self.trust('id', db.groups.insert(conn, values))
        self.trust('uuid', values['uuid'])
        self.obj_reset_changes()
