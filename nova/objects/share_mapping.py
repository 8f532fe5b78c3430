# SPDX-License-Identifier: Apache-2.0
"""Shares of servers."""

from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from nova import db, exception
from nova.objects import base, fields

ATTACHING, INACTIVE, ACTIVE, DETACHING, ERROR = 'attaching', 'inactive', 'active', 'detaching', 'error'


#: In `system_metadata` of a server that has or had shares: only of these anybody asks for them.
MARK = 'has_shares'


class ShareMappingNotFound(exception.NotFound):
    msg_fmt = 'Share %(share_id)s is not attached to instance %(instance_uuid)s.'


class ShareMappingAlreadyExists(exception.Conflict):
    msg_fmt = 'Share %(share_id)s, or another one with tag %(tag)s, is attached to instance %(instance_uuid)s already.'


@base.register
class ShareMapping(base.TimestampedObject, base.NovaObject):
    """A share of a server.

    Statuses: attaching -> inactive (the server is stopped) <-> active (it runs) -> detaching; error.
    """

    fields = {
        'id': fields.IntegerField(),
        'uuid': fields.UUIDField(),
        'instance_uuid': fields.UUIDField(),
        **{name: fields.StringField() for name in ('share_id', 'status', 'tag', 'export_location', 'share_proto')},
    }

    @base.remotable_classmethod
    @base.retried
    def create(cls, context, values):
        """Raises ShareMappingAlreadyExists."""
        values = {'uuid': uuidutils.generate_uuid(), 'status': ATTACHING, **values}
        try:
            with db.session.writer(context) as conn:
                made = db.shares.insert(conn, values)
        except db_exc.DBDuplicateEntry as exc:
            raise ShareMappingAlreadyExists(**values) from exc
        return cls.from_row(context, {'id': made, **values})

    @base.remotable
    @base.retried
    def change(self, status):
        """Store the status now."""
        with db.session.writer(self._context) as conn:
            db.shares.update(conn, self.uuid, {'status': status})
        self.trust('status', status)

    @base.remotable
    @base.retried
    def destroy(self):
        """Forget it.  Again changes nothing."""
        with db.session.writer(self._context) as conn:
            db.shares.delete(conn, self.uuid)


def of_server(context, instance):
    """The server's `ShareMapping`s; costs nothing for a server that never had one."""
    if MARK not in (instance.system_metadata or {}):
        return []
    return ShareMappingList.get_by_instance_uuid(context, instance.uuid).objects


@base.register
class ShareMappingList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('ShareMapping')}

    @base.remotable_classmethod
    def get_by_instance_uuid(cls, context, instance_uuid):
        with db.session.reader(context) as conn:
            return cls.from_rows(context, db.shares.of_instance(conn, instance_uuid))

    @base.remotable_classmethod
    def get_by_deleted_on(cls, context, host):
        """Those of servers that were deleted while their host was down, by uuid of the server."""
        with db.session.reader(context) as conn:
            return cls.from_rows(context, db.shares.of_deleted_on(conn, host))

    @base.remotable_classmethod
    def is_used_on(cls, context, share_id, host, but):
        """Whether a server on a host, other than the one with the uuid `but`, has a share."""
        with db.session.reader(context) as conn:
            return db.shares.count_on(conn, share_id, host, but) > 0
