# SPDX-License-Identifier: Apache-2.0
"""Key pairs: public keys that a user may put into new servers."""

from oslo_db import exception as db_exc

from nova import db, exception
from nova.objects import base, fields


@base.register
class KeyPair(base.TimestampedObject, base.NovaObject):
    fields = {
        'id': fields.IntegerField(),
        'name': fields.StringField(),
        'user_id': fields.optional(),
        'fingerprint': fields.optional(),
        'public_key': fields.optional(),
        'type': fields.StringField(default='ssh'),
    }

    @base.remotable_classmethod
    def get_by_name(cls, context, user_id, name):
        with db.session.api_reader(context) as conn:
            row = db.key_pairs.by_name(conn, user_id, name)
        if row is None:
            raise exception.KeypairNotFound(user_id=user_id, name=name)
        return cls.from_row(context, row)

    @base.remotable
    @base.retried
    def create(self, limit=-1):
        """Store a new key pair.  Raises KeyPairExists, KeypairLimitExceeded (limit: per user, -1 none)."""
        values = {name: getattr(self, name) for name in ('name', 'user_id', 'fingerprint', 'public_key', 'type')}
        try:
            with db.session.api_writer(self._context) as conn:
                if 0 <= limit <= db.key_pairs.count(conn, self.user_id):
                    raise exception.KeypairLimitExceeded()
                db.key_pairs.insert(conn, values)
                row = db.key_pairs.by_name(conn, self.user_id, self.name)
        except db_exc.DBDuplicateEntry as exc:
            raise exception.KeyPairExists(key_name=self.name) from exc
        self.trust('id', row['id'])
        self.trust('created_at', base.aware(row['created_at']))
        self.obj_reset_changes()

    @base.remotable_classmethod
    @base.retried
    def destroy_by_name(cls, context, user_id, name):
        with db.session.api_writer(context) as conn:
            if not db.key_pairs.delete(conn, user_id, name):
                raise exception.KeypairNotFound(user_id=user_id, name=name)


@base.register
class KeyPairList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('KeyPair')}

    @base.remotable_classmethod
    def get_by_user(cls, context, user_id, limit=None, marker=None):
        """Key pairs of a user by name; `marker` is the last name seen.  Raises MarkerNotFound."""
        with db.session.api_reader(context) as conn:
            if marker is not None and db.key_pairs.by_name(conn, user_id, marker) is None:
                raise exception.MarkerNotFound(marker=marker)
            rows = db.key_pairs.of_user(conn, user_id, marker, limit)
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    def get_count_by_user(cls, context, user_id):
        with db.session.api_reader(context) as conn:
            return db.key_pairs.count(conn, user_id)
