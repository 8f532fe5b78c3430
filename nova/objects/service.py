# SPDX-License-Identifier: Apache-2.0
"""Services and their heartbeats."""

import datetime

from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from nova import db, exception
from nova.objects import base, fields

#: Version of the services of this tree; raised with every change of an RPC interface.
SERVICE_VERSION = 1


@base.register
class Service(base.TimestampedObject, base.NovaObject):
    fields = {
        'id': fields.IntegerField(),
        'uuid': fields.UUIDField(),
        'host': fields.optional(),
        'binary': fields.optional(),
        'topic': fields.optional(),
        'report_count': fields.IntegerField(default=0),
        'disabled': fields.BooleanField(default=False),
        'disabled_reason': fields.optional(),
        'forced_down': fields.BooleanField(default=False),
        'last_seen_up': fields.optional(fields.DateTimeField),
        'version': fields.IntegerField(default=SERVICE_VERSION),
        'start_id': fields.optional(),
        'availability_zone': fields.optional(),
    }

    @base.remotable_classmethod
    def register(cls, context, host, binary, topic, start_id):
        """The row of this service, made if it is not there; marks it up and notes its start."""
        try:
            return cls._register(context, host, binary, topic, start_id)
        except db_exc.DBDuplicateEntry:
            # Another worker of the same service was faster.
            return cls._register(context, host, binary, topic, start_id)

    @classmethod
    @base.retried
    def _register(cls, context, host, binary, topic, start_id):
        with db.session.writer(context) as conn:
            row = db.services.by_host_and_binary(conn, host, binary)
            if row is None:
                db.services.insert(conn, {'uuid': uuidutils.generate_uuid(), 'host': host, 'binary': binary,
                                          'topic': topic, 'version': SERVICE_VERSION})
                row = db.services.by_host_and_binary(conn, host, binary)
            elif row['version'] != SERVICE_VERSION or row['topic'] != topic:
                db.services.update(conn, row['id'], {'version': SERVICE_VERSION, 'topic': topic})
            db.services.beat(conn, row['id'], start_id)
            row = db.services.by_id(conn, row['id'])
        return cls.from_row(context, row)

    @base.remotable_classmethod
    @base.retried
    def beat(cls, context, service_id, start_id, lease_s):
        """Record a sign of life and renew the leases of what this start of the service holds.

        Returns False when the service is not registered any more (somebody deleted it).
        """
        with db.session.writer(context) as conn:
            alive = db.services.beat(conn, service_id, start_id)
            db.actions.renew(conn, start_id, db.leases.until(lease_s))
        return alive

    @classmethod
    def _found(cls, context, row, what):
        if row is None:
            raise exception.ServiceNotFound(service_id=what)
        return cls.from_row(context, row)

    @base.remotable_classmethod
    def get_by_id(cls, context, service_id):
        with db.session.reader(context) as conn:
            return cls._found(context, db.services.by_id(conn, service_id), service_id)

    @base.remotable_classmethod
    def get_by_uuid(cls, context, service_uuid):
        with db.session.reader(context) as conn:
            return cls._found(context, db.services.by_uuid(conn, service_uuid), service_uuid)

    @base.remotable_classmethod
    def get_by_args(cls, context, host, binary):
        with db.session.reader(context) as conn:
            return cls._found(context, db.services.by_host_and_binary(conn, host, binary), f'{binary} on {host}')

    @base.remotable
    @base.retried
    def save(self):
        changes = self.column_changes()
        changes.pop('availability_zone', None)
        if changes:
            with db.session.writer(self._context) as conn:
                db.services.update(conn, self.id, changes)
        self.obj_reset_changes()

    @base.remotable
    def destroy(self):
        """Forget the service, its compute nodes and, for nova-compute, the host's mapping."""
        # Each by itself: the first, done again, would not find the service any more.
        self._delete()
        if self.binary == 'nova-compute':
            self._unmap_host()

    @base.retried
    def _delete(self):
        with db.session.writer(self._context) as conn:
            if not db.services.soft_delete(conn, self.id):
                raise exception.ServiceNotFound(service_id=self.id)
            if self.binary == 'nova-compute':
                db.compute_nodes.delete_of_host(conn, self.host)

    @base.retried
    def _unmap_host(self):
        with db.session.api_writer(self._context) as conn:
            db.mappings.delete_host(conn, self.host)


@base.register
class ServiceList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('Service')}

    @base.remotable_classmethod
    def get_all(cls, context, host=None, binary=None, disabled=None):
        c = db.services.services.c
        where = [column == value for column, value in ((c.host, host), (c.binary, binary), (c.disabled, disabled))
                 if value is not None]
        with db.session.reader(context) as conn:
            rows = db.services.select(conn, *where)
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    def get_changed_since(cls, context, binary, when, beats=True):
        """Services made or changed at `when` or later; with `beats`, also those that gave a sign of life since."""
        with db.session.reader(context) as conn:
            rows = db.services.changed_since(conn, binary, base.naive(when), beats)
        return cls.from_rows(context, rows)

    @classmethod
    def beats(cls, context, binary, low, high):
        """{number of a service: its last sign of life}, of those with numbers from `low` to `high`.

        For services that have a database: the numbers are rows of one.
        """
        with db.session.reader(context) as conn:
            return {service_id: seen.replace(tzinfo=datetime.UTC) if seen is not None else None
                    for service_id, seen in db.services.beats(conn, binary, low, high)}

    @base.remotable_classmethod
    def get_by_hosts(cls, context, hosts, binary='nova-compute'):
        with db.session.reader(context) as conn:
            rows = db.services.of_hosts(conn, hosts, binary)
        return cls.from_rows(context, rows)
