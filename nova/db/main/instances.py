# SPDX-License-Identifier: Apache-2.0
"""Servers: one row each, with what belongs to it alone kept as JSON in the row.

A list reads the row, and in one more query each for all servers together: faults, tags with volumes (`extras`).
Everything that a filter, a sort key or a periodic task asks for is a column of its own, with an index where the column
selects.
"""

import datetime
import functools

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db import paging
from nova.db.main import base
from nova.db.types import BIG_ID, LONG_TEXT, MOMENT, Json, insert_into, utcnow

Text = orm.Mapped[str | None]
Integer = orm.Mapped[int | None]
Moment = orm.Mapped[datetime.datetime | None]


def _string(length=255, **kwargs):
    return orm.mapped_column(sa.String(length), **kwargs)


class Instance(base.Timestamps, base.SoftDelete, base.Base):
    __tablename__ = 'instances'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    uuid: orm.Mapped[str] = _string(36, nullable=False)
    user_id: Text = _string()
    project_id: Text = _string()
    image_ref: Text = _string()
    kernel_id: Text = _string()
    ramdisk_id: Text = _string()
    hostname: Text = _string()
    launch_index: Integer
    key_name: Text = _string()
    key_data: orm.Mapped[str | None] = orm.mapped_column(LONG_TEXT)
    power_state: Integer
    vm_state: Text = _string()
    task_state: Text = _string()
    memory_mb: Integer
    vcpus: Integer
    root_gb: Integer
    ephemeral_gb: Integer
    instance_type_id: Integer
    host: Text = _string()
    node: Text = _string()
    compute_id: orm.Mapped[int | None] = orm.mapped_column(BIG_ID)
    launched_on: Text = _string()
    user_data: orm.Mapped[str | None] = orm.mapped_column(LONG_TEXT)
    reservation_id: Text = _string()
    launched_at: Moment = orm.mapped_column(MOMENT)
    terminated_at: Moment = orm.mapped_column(MOMENT)
    availability_zone: Text = _string()
    pinned_availability_zone: Text = _string()
    display_name: Text = _string()
    display_description: Text = _string()
    locked: orm.Mapped[bool] = orm.mapped_column(default=False)
    locked_by: Text = _string(16)
    locked_reason: Text = _string()
    root_device_name: Text = _string()
    default_ephemeral_device: Text = _string()
    default_swap_device: Text = _string()
    config_drive: Text = _string()
    access_ip_v4: Text = _string(39)
    access_ip_v6: Text = _string(39)
    auto_disk_config: orm.Mapped[bool | None]
    progress: Integer
    hidden: orm.Mapped[bool] = orm.mapped_column(default=False)
    cleaned: orm.Mapped[bool] = orm.mapped_column(default=False)
    # What no filter looks into.
    flavor = orm.mapped_column(Json)
    instance_metadata = orm.mapped_column('metadata', Json)
    system_metadata = orm.mapped_column(Json)
    network_info = orm.mapped_column(Json)
    security_groups = orm.mapped_column(Json)
    scheduler_hints = orm.mapped_column(Json)
    server_groups = orm.mapped_column(Json)
    trusted_certs = orm.mapped_column(Json)
    keypairs = orm.mapped_column(Json)
    placement = orm.mapped_column(Json)

    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_instances0uuid'),
        # the list of a project, newest first, and its continuation by marker
        sa.Index('instances_project_deleted_created_idx', 'project_id', 'deleted', 'created_at', 'id'),
        # the list of all projects
        sa.Index('instances_deleted_created_idx', 'deleted', 'created_at', 'id'),
        # what a host runs
        sa.Index('instances_host_deleted_idx', 'host', 'deleted'),
        sa.Index('instances_reservation_idx', 'reservation_id'),
        # ?changes-since=
        sa.Index('instances_updated_at_idx', 'updated_at'),
        # what is going on
        sa.Index('instances_task_state_idx', 'task_state', 'updated_at'),
        base.Base.__table_args__,
    )


class Tag(base.Base):
    __tablename__ = 'tags'

    instance_uuid: orm.Mapped[str] = _string(36, primary_key=True)
    tag: orm.Mapped[str] = _string(80, primary_key=True)

    __table_args__ = (sa.Index('tags_tag_idx', 'tag'), base.Base.__table_args__)


class Fault(base.Base):
    __tablename__ = 'instance_faults'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    instance_uuid: orm.Mapped[str] = _string(36, nullable=False)
    code: orm.Mapped[int]
    message: Text = _string()
    details: orm.Mapped[str | None] = orm.mapped_column(LONG_TEXT)
    user_details: Text = _string()
    host: Text = _string()
    created_at: Moment = orm.mapped_column(MOMENT, default=utcnow)

    __table_args__ = (sa.Index('instance_faults_uuid_idx', 'instance_uuid', 'id'), base.Base.__table_args__)


instances, tags, faults = Instance.__table__, Tag.__table__, Fault.__table__
#: By the name the objects and the API know them by.
COLUMNS = {column.name: column for column in instances.columns}


def insert(conn, values):
    """Insert servers (a list of column values); returns nothing, ids are read with the row."""
    conn.execute(instances.insert(), values)


def insert_one(conn, values):
    """Insert one server and return its number."""
    return conn.execute(insert_into(instances), values).inserted_primary_key[0]


@functools.cache
def selecting(columns=None):
    """SELECT of these columns (None: all); making it takes longer than running it does."""
    return sa.select(*(instances.columns if columns is None else columns))


@functools.cache
def _by_uuid(read_deleted, columns):
    return visible(selecting(columns).where(instances.c.uuid == sa.bindparam('of_uuid')), read_deleted)


def by_uuid(conn, uuid, read_deleted='no', columns=None):
    """The row of a server, or None."""
    statement = _by_uuid(read_deleted, tuple(columns) if columns is not None else None)
    return conn.execute(statement, {'of_uuid': uuid}).mappings().one_or_none()


def by_uuids(conn, uuids, read_deleted='no'):
    statement = visible(sa.select(*instances.columns).where(instances.c.uuid.in_(uuids)), read_deleted)
    return conn.execute(statement).mappings().all()


def visible(statement, read_deleted):
    if read_deleted == 'no':
        return statement.where(instances.c.deleted == 0)
    if read_deleted == 'only':
        return statement.where(instances.c.deleted != 0)
    return statement


def update(conn, uuid, values, task_states=None, vm_states=None):
    """Change a server that is not deleted, if its states are among those given; returns whether a row matched."""
    return conn.execute(_updating(_how(task_states), _how(vm_states)), {
        **values, 'of_uuid': uuid, 'of_task_states': _some(task_states), 'of_vm_states': _some(vm_states)}).rowcount > 0


def _some(wanted):
    return [value for value in wanted or () if value is not None]


def _how(wanted):
    """(whether some values are wanted, whether NULL is); None when all are right."""
    return None if wanted is None else (bool(_some(wanted)), None in wanted)


@functools.cache
def _updating(task_states, vm_states):
    """UPDATE of one server in such states; the columns that are set are the parameters that have their names."""
    statement = instances.update().where(instances.c.uuid == sa.bindparam('of_uuid'), instances.c.deleted == 0)
    for column, name, wanted in ((instances.c.task_state, 'of_task_states', task_states),
                                 (instances.c.vm_state, 'of_vm_states', vm_states)):
        if wanted is not None:
            some, none = wanted
            statement = statement.where(sa.or_(
                *([column.in_(sa.bindparam(name, expanding=True))] if some else []),
                *([column.is_(None)] if none else [])))
    return statement


def active_between(conn, start, end, project_id=None, limit=None, marker=None, host=None):
    """Servers, deleted or not, that ran at some time between two moments, in the order of their creation."""
    c = instances.c
    where = [c.launched_at.is_not(None), c.launched_at < end,
             sa.or_(c.terminated_at.is_(None), c.terminated_at > start)]
    if project_id is not None:
        where.append(c.project_id == project_id)
    if host is not None:
        where.append(c.host == host)
    if marker is not None:
        where.append(c.id > sa.select(c.id).where(c.uuid == marker).scalar_subquery())
    return conn.execute(sa.select(*instances.columns).where(*where).order_by(c.id).limit(limit)).mappings().all()


def lock_metadata(conn, uuid):
    """Both metadata of a server, whose row is held until the transaction ends; None when it is gone."""
    return conn.execute(sa.select(instances.c.metadata, instances.c.system_metadata)
                        .where(instances.c.uuid == uuid, instances.c.deleted == 0)
                        .with_for_update()).mappings().one_or_none()


def soft_delete(conn, uuid, values=None):
    """Mark a server deleted; returns whether it was there."""
    now = utcnow()
    return conn.execute(
        instances.update().where(instances.c.uuid == uuid, instances.c.deleted == 0)
        .values({**(values or {}), 'deleted': instances.c.id, 'deleted_at': now, 'updated_at': now})).rowcount > 0


def of_host(conn, host, columns=None, node=None):
    statement = sa.select(*(columns or instances.columns)).where(instances.c.host == host, instances.c.deleted == 0)
    if node is not None:
        statement = statement.where(instances.c.node == node)
    return conn.execute(statement.order_by(instances.c.id)).mappings().all()


def select(conn, where, sort, limit, columns=None):
    """Rows that all conditions hold for, ordered by [(column, 'asc' or 'desc')], at most `limit`."""
    statement = selecting(tuple(columns) if columns is not None else None).where(*where)
    for column, direction in sort:
        statement = statement.order_by(paging.ordered(conn, column, direction))
    if limit is not None:
        statement = statement.limit(limit)
    return conn.execute(statement).mappings().all()


def add_tags(conn, uuid, names):
    if names:
        conn.execute(tags.insert(), [{'instance_uuid': uuid, 'tag': name} for name in names])


def delete_tags(conn, uuid, names=None):
    """Take tags (None: all) off a server; returns how many there were."""
    statement = tags.delete().where(tags.c.instance_uuid == uuid)
    if names is not None:
        statement = statement.where(tags.c.tag.in_(names))
    return conn.execute(statement).rowcount


def add_fault(conn, values):
    conn.execute(faults.insert(), values)


def latest_faults(conn, uuids):
    """{uuid: row} of the newest fault of each server that has one."""
    newest = (sa.select(sa.func.max(faults.c.id)).where(faults.c.instance_uuid.in_(uuids))
              .group_by(faults.c.instance_uuid))
    rows = conn.execute(sa.select(*faults.columns).where(faults.c.id.in_(newest.scalar_subquery()))).mappings()
    return {row['instance_uuid']: row for row in rows}


def hosts_where(conn, *where):
    """The hosts that have servers which meet the conditions, each once."""
    return list(conn.execute(sa.select(instances.c.host).distinct().where(
        instances.c.deleted == 0, instances.c.host.is_not(None), *where)).scalars())
