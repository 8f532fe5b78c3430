# SPDX-License-Identifier: Apache-2.0
"""Moves of servers between hosts or sizes: one row for each, kept as a record for as long as the server's is."""

import datetime

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db import paging
from nova.db.main import base
from nova.db.types import BIG_ID, MOMENT, Json, utcnow

Text = orm.Mapped[str | None]
Number = orm.Mapped[int | None]


def _string(length=255):
    return orm.mapped_column(sa.String(length))


def _big():
    return orm.mapped_column(sa.BigInteger())


class Migration(base.Base):
    __tablename__ = 'migrations'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    uuid: orm.Mapped[str] = _string(36)
    instance_uuid: orm.Mapped[str] = _string(36)
    migration_type: Text = _string(32)
    status: Text = _string(32)
    source_compute: Text = _string()
    source_node: Text = _string()
    source_compute_id: Number = _big()
    dest_compute: Text = _string()
    dest_node: Text = _string()
    dest_compute_id: Number = _big()
    dest_host: Text = _string()
    old_instance_type_id: Number
    new_instance_type_id: Number
    hidden: orm.Mapped[bool] = orm.mapped_column(default=False)
    user_id: Text = _string()
    project_id: Text = _string()
    # bytes
    memory_total: Number = _big()
    memory_processed: Number = _big()
    memory_remaining: Number = _big()
    disk_total: Number = _big()
    disk_processed: Number = _big()
    disk_remaining: Number = _big()
    # What the way back needs: the sizes before and after, and whether the server ran.
    old_flavor = orm.mapped_column(Json)
    new_flavor = orm.mapped_column(Json)
    old_vm_state: Text = _string(32)
    source_placement = orm.mapped_column(Json)
    dest_placement = orm.mapped_column(Json)
    created_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT, default=utcnow)
    updated_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT)

    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_migrations0uuid'),
        sa.Index('migrations_instance_idx', 'instance_uuid', 'status'),
        # what waits to be confirmed, and what a host has to do with
        sa.Index('migrations_status_idx', 'status', 'updated_at'),
        sa.Index('migrations_source_idx', 'source_compute', 'status'),
        sa.Index('migrations_dest_idx', 'dest_compute', 'status'),
        sa.Index('migrations_created_idx', 'created_at', 'id'),
        base.Base.__table_args__,
    )


migrations = Migration.__table__


def insert(conn, values):
    return conn.execute(migrations.insert(), {'created_at': utcnow(), **values}).inserted_primary_key[0]


def update(conn, uuid, values, statuses=None):
    """Change a migration whose status is among those given (None: any); whether there was one."""
    statement = migrations.update().where(migrations.c.uuid == uuid)
    if statuses is not None:
        statement = statement.where(migrations.c.status.in_(list(statuses)))
    return conn.execute(statement.values({'updated_at': utcnow(), **values})).rowcount == 1


def select(conn, *where, limit=None, newest_first=True):
    c = migrations.c
    order = (c.created_at.desc(), c.id.desc()) if newest_first else (c.created_at, c.id)
    return conn.execute(sa.select(*migrations.columns).where(*where).order_by(*order).limit(limit)).mappings().all()


def by_uuid(conn, uuid):
    return next(iter(select(conn, migrations.c.uuid == uuid)), None)


def by_id(conn, migration_id, instance_uuid):
    return next(iter(select(conn, migrations.c.id == migration_id, migrations.c.instance_uuid == instance_uuid)), None)


def conditions(filters):
    """Of {column, 'host', 'status-not', 'changes-since' or 'changes-before': value or list of values}."""
    c, found = migrations.c, []
    changed_at = sa.func.coalesce(c.updated_at, c.created_at)
    for name, value in filters.items():
        if name == 'host':
            found.append(sa.or_(c.source_compute == value, c.dest_compute == value))
        elif name == 'status-not':
            found.append(c.status.not_in(value))
        elif name == 'changes-since':
            found.append(changed_at >= value)
        elif name == 'changes-before':
            found.append(changed_at <= value)
        else:
            found.append(c[name].in_(value) if isinstance(value, (list, tuple)) else c[name] == value)
    return found


def after(marker):
    """The condition for what comes after a row in the order of lists: one of this cell, or of another.

    :param marker: its `created_at`, `id` and `uuid`.
    """
    return paging.after([(migrations.c[name], 'desc', marker[name]) for name in ('created_at', 'id', 'uuid')])
