# SPDX-License-Identifier: Apache-2.0
"""Host aggregates and availability zones."""

from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from nova import db, exception
from nova.objects import base, fields


@base.register
class Aggregate(base.TimestampedObject, base.NovaObject):
    fields = {
        'id': fields.IntegerField(),
        'uuid': fields.UUIDField(),
        'name': fields.StringField(),
        'hosts': fields.ListOfStringsField(default=[]),
        'metadata': fields.JsonField(default={}),
    }

    @property
    def availability_zone(self):
        return (self.metadata or {}).get('availability_zone')

    @base.remotable_classmethod
    def get_by_id(cls, context, aggregate_id):
        with db.session.api_reader(context) as conn:
            found = _load(context, conn, db.aggregates.aggregates.c.id == aggregate_id)
        if not found:
            raise exception.AggregateNotFound(aggregate_id=aggregate_id)
        return found[0]

    @base.remotable
    @base.retried
    def create(self):
        values = {'uuid': uuidutils.generate_uuid(), 'name': self.name, 'metadata': self.metadata}
        try:
            with db.session.api_writer(self._context) as conn:
                made = _load(self._context, conn,
                             db.aggregates.aggregates.c.id == db.aggregates.insert(conn, values))[0]
        except db_exc.DBDuplicateEntry as exc:
            raise exception.Conflict(reason=f'an aggregate {self.name} exists already') from exc
        for name in made.fields:
            self.trust(name, getattr(made, name))
        self.obj_reset_changes()

    @base.remotable
    @base.retried
    def save(self, metadata=None):
        """Write the changes, and keys of the metadata (None takes one away) into it as it is by then.

        Raises AggregateNotFound, Conflict: the name is taken.
        """
        changes = {name: value for name, value in self.column_changes().items() if name not in ('hosts', 'metadata')}
        try:
            with db.session.api_writer(self._context) as conn:
                row = db.aggregates.lock(conn, self.id)
                if row is None:
                    raise exception.AggregateNotFound(aggregate_id=self.id)
                whole = {key: value for key, value in {**(row['metadata'] or {}), **(metadata or {})}.items()
                         if value is not None}
                db.aggregates.update(conn, self.id, {**changes, 'metadata': whole})
        except db_exc.DBDuplicateEntry as exc:
            raise exception.Conflict(reason=f'an aggregate {self.name} exists already') from exc
        self.trust('metadata', whole)
        self.obj_reset_changes()

    @base.remotable
    @base.retried
    def add_host(self, host):
        """Raises Conflict: it is in there, since a moment ago perhaps."""
        try:
            with db.session.api_writer(self._context) as conn:
                db.aggregates.add_host(conn, self.id, host)
        except db_exc.DBDuplicateEntry as exc:
            raise exception.Conflict(f'Host {host} is in aggregate {self.name} already') from exc
        self.trust('hosts', [*self.hosts, host])

    @base.remotable
    @base.retried
    def delete_host(self, host):
        with db.session.api_writer(self._context) as conn:
            if not db.aggregates.remove_host(conn, self.id, host):
                raise exception.ComputeHostNotFound(host=host)
        self.trust('hosts', [name for name in self.hosts if name != host])

    @base.remotable
    @base.retried
    def destroy(self):
        with db.session.api_writer(self._context) as conn:
            if not db.aggregates.delete(conn, self.id):
                raise exception.AggregateNotFound(aggregate_id=self.id)


def _load(context, conn, *where):
    rows = db.aggregates.select(conn, *where)
    hosts = db.aggregates.hosts_of(conn, [row['id'] for row in rows]) if rows else {}
    found = [Aggregate.from_row(context, row, hosts=hosts.get(row['id'], [])) for row in rows]
    for aggregate in found:
        if aggregate.metadata is None:
            aggregate.trust('metadata', {})
    return found


@base.register
class AggregateList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('Aggregate')}

    @base.remotable_classmethod
    def get_all(cls, context):
        with db.session.api_reader(context) as conn:
            return cls.of(context, _load(context, conn))

    @base.remotable_classmethod
    def get_by_host(cls, context, host):
        return cls.of(context, [found for found in cls.get_all(context) if host in found.hosts])

    def zones_by_host(self):
        """{host: availability zone} of the hosts that an aggregate puts into one."""
        return {host: found.availability_zone for found in self.objects if found.availability_zone
                for host in found.hosts}
