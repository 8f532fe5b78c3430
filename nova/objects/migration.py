# SPDX-License-Identifier: Apache-2.0
"""Moves of servers between hosts or sizes."""

from oslo_utils import uuidutils

from nova import db, exception
from nova.conf import CONF
from nova.objects import base, fields

#: Types.
RESIZE, COLD, LIVE, EVACUATION = 'resize', 'migration', 'live-migration', 'evacuation'
#: Statuses of live migrations under way, as users see them.
LIVE_IN_PROGRESS = ('queued', 'preparing', 'running', 'post-migrating')
#: Statuses after which nothing happens any more.
OVER = ('completed', 'confirmed', 'reverted', 'error', 'failed', 'cancelled', 'done')
_TEXTS = ('uuid', 'migration_type', 'status', 'source_compute', 'source_node', 'dest_compute', 'dest_node',
          'dest_host', 'user_id', 'project_id', 'old_vm_state')
_NUMBERS = ('source_compute_id', 'dest_compute_id', 'old_instance_type_id', 'new_instance_type_id', 'memory_total',
            'memory_processed', 'memory_remaining', 'disk_total', 'disk_processed', 'disk_remaining')


@base.register
class Migration(base.TimestampedObject, base.NovaObject):
    """One move.  Amounts are bytes; flavors are snapshots (`Flavor.snapshot`)."""

    fields = {
        'id': fields.IntegerField(),
        'instance_uuid': fields.UUIDField(),
        **{name: fields.optional() for name in _TEXTS},
        **{name: fields.optional(fields.IntegerField) for name in _NUMBERS},
        'hidden': fields.BooleanField(default=False),
        'old_flavor': fields.JsonField(nullable=True),
        'new_flavor': fields.JsonField(nullable=True),
        # where on the two hosts it lies, as in `Instance.placement`
        'source_placement': fields.JsonField(nullable=True),
        'dest_placement': fields.JsonField(nullable=True),
    }

    @property
    def position(self):
        """Where it stands in lists, newest first; numbers are of a cell, so that UUIDs decide last."""
        return {'created_at': self.created_at, 'id': self.id, 'uuid': self.uuid}

    @property
    def is_same_host(self):
        return self.source_compute == self.dest_compute

    @base.remotable_classmethod
    def get_by_uuid(cls, context, uuid):
        """Raises MigrationNotFound."""
        with db.session.reader(context) as conn:
            row = db.migration_records.by_uuid(conn, uuid)
        if row is None:
            raise exception.MigrationNotFound(migration_id=uuid)
        return cls.from_row(context, row)

    @base.remotable_classmethod
    def get_by_id_and_instance(cls, context, migration_id, instance_uuid):
        """Raises MigrationNotFoundForInstance."""
        with db.session.reader(context) as conn:
            row = db.migration_records.by_id(conn, migration_id, instance_uuid)
        if row is None:
            raise exception.MigrationNotFoundForInstance(migration_id=migration_id, instance_id=instance_uuid)
        return cls.from_row(context, row)

    @base.remotable_classmethod
    def get_by_instance_and_status(cls, context, instance_uuid, status):
        """The newest one.  Raises MigrationNotFoundByStatus."""
        c = db.migration_records.migrations.c
        with db.session.reader(context) as conn:
            rows = db.migration_records.select(conn, c.instance_uuid == instance_uuid, c.status == status, limit=1)
        if not rows:
            raise exception.MigrationNotFoundByStatus(instance_id=instance_uuid, status=status)
        return cls.from_row(context, rows[0])

    @base.remotable
    @base.retried
    def change(self, values, statuses=None):
        """Store values now, if the status is among those given; whether it was."""
        with db.session.writer(self._context) as conn:
            done = db.migration_records.update(conn, self.uuid, values, statuses)
        if done:
            for name, value in values.items():
                self.trust(name, value)
        return done

    @base.remotable
    @base.retried
    def report(self, figures):
        """Store how far a live migration has come: it takes as long as its guest is large, and who reports is not late.

        What ends one that does not get on is its hypervisor's to decide.
        """
        with db.session.writer(self._context) as conn:
            db.migration_records.update(conn, self.uuid, figures)
            db.actions.put_off(conn, db.leases.until(CONF.action_deadline), instance_uuid=self.instance_uuid,
                               action=LIVE)
        for name, value in figures.items():
            self.trust(name, value)

    @base.remotable
    @base.retried
    def fail(self, status='error'):
        """It came to nothing: what was claimed for it is given back, in the same transaction."""
        with db.session.writer(self._context) as conn:
            if db.migration_records.update(conn, self.uuid, {'status': status}):
                db.claims.release(conn, self.instance_uuid, self.uuid)
        self.trust('status', status)

    @base.remotable
    @base.retried
    def arrive(self, status):
        """The server is where the migration took it: its claim there becomes the server's own, the old one is free."""
        with db.session.writer(self._context) as conn:
            db.claims.confirm_migration(conn, self.instance_uuid, self.uuid)
            db.migration_records.update(conn, self.uuid, {'status': status})
        self.trust('status', status)


def new_values(context, instance, migration_type, status, **more):
    """Values of a migration that begins."""
    return {'uuid': uuidutils.generate_uuid(), 'instance_uuid': instance.uuid, 'migration_type': migration_type,
            'status': status, 'source_compute': instance.host, 'source_node': instance.node,
            'source_compute_id': instance.compute_id, 'old_instance_type_id': instance.instance_type_id,
            'new_instance_type_id': instance.instance_type_id, 'old_vm_state': instance.vm_state, 'hidden': False,
            'source_placement': instance.placement,
            'user_id': context.user_id, 'project_id': context.project_id, **more}


@base.register
class MigrationList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('Migration')}

    @base.remotable_classmethod
    def get_by_filters(cls, context, filters, limit=None, marker=None):
        """Migrations, newest first.

        :param filters: {column: value or list of values}; 'host': source or destination; 'status-not': none of these;
            'changes-since', 'changes-before': moments.
        :param marker: the last one seen, which may be of another cell: its `position`.
        """
        records = db.migration_records
        where = records.conditions({name: base.naive(value) for name, value in filters.items()})
        if marker is not None:
            where.append(records.after({**marker, 'created_at': base.moment(marker['created_at'])}))
        with db.session.reader(context) as conn:
            rows = records.select(conn, *where, limit=limit)
        return cls.from_rows(context, rows)
