# SPDX-License-Identifier: Apache-2.0
"""Which server and which host is in which cell; and, on the server's mapping, what it counts against the quota."""

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.api import base
from nova.db.types import BIG_ID, LONG_TEXT, insert_into


class CellMapping(base.Timestamps, base.Base):
    __tablename__ = 'cell_mappings'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    name: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    transport_url: orm.Mapped[str | None] = orm.mapped_column(LONG_TEXT)
    database_connection: orm.Mapped[str | None] = orm.mapped_column(LONG_TEXT)
    disabled: orm.Mapped[bool] = orm.mapped_column(default=False)

    __table_args__ = (sa.UniqueConstraint('uuid', name='uniq_cell_mappings0uuid'), base.Base.__table_args__)


class HostMapping(base.Timestamps, base.Base):
    __tablename__ = 'host_mappings'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    cell_id: orm.Mapped[int] = orm.mapped_column(BIG_ID)
    host: orm.Mapped[str] = orm.mapped_column(sa.String(255))

    __table_args__ = (sa.UniqueConstraint('host', name='uniq_host_mappings0host'), base.Base.__table_args__)


class InstanceMapping(base.Timestamps, base.Base):
    __tablename__ = 'instance_mappings'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    instance_uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    # NULL: in cell0, no host took it yet
    cell_id: orm.Mapped[int | None] = orm.mapped_column(BIG_ID)
    project_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    user_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    cores: orm.Mapped[int] = orm.mapped_column(default=0)
    ram: orm.Mapped[int] = orm.mapped_column(default=0)
    queued_for_delete: orm.Mapped[bool] = orm.mapped_column(default=False)

    __table_args__ = (
        sa.UniqueConstraint('instance_uuid', name='uniq_instance_mappings0instance_uuid'),
        # the quota's sum, answered from the index alone
        sa.Index('instance_mappings_quota_idx', 'project_id', 'queued_for_delete', 'user_id', 'cores', 'ram'),
        base.Base.__table_args__,
    )


cells, hosts, instances = CellMapping.__table__, HostMapping.__table__, InstanceMapping.__table__


def all_cells(conn):
    return conn.execute(sa.select(*cells.columns).order_by(cells.c.id)).mappings().all()


def insert_cell(conn, values):
    return conn.execute(cells.insert(), values).inserted_primary_key[0]


def update_cell(conn, uuid, values):
    return conn.execute(cells.update().where(cells.c.uuid == uuid).values(values)).rowcount


def delete_cell(conn, uuid):
    return conn.execute(cells.delete().where(cells.c.uuid == uuid)).rowcount


def all_hosts(conn):
    return conn.execute(sa.select(*hosts.columns).order_by(hosts.c.host)).mappings().all()


def host(conn, name):
    return conn.execute(sa.select(*hosts.columns).where(hosts.c.host == name)).mappings().one_or_none()


def insert_host(conn, name, cell_id):
    return conn.execute(hosts.insert().values(host=name, cell_id=cell_id)).inserted_primary_key[0]


def delete_host(conn, name):
    return conn.execute(hosts.delete().where(hosts.c.host == name)).rowcount


def insert_instances(conn, rows):
    conn.execute(insert_into(instances), rows)


def instance(conn, uuid):
    return conn.execute(sa.select(*instances.columns).where(instances.c.instance_uuid == uuid)).mappings().one_or_none()


def update_instance(conn, uuid, values):
    return conn.execute(instances.update().where(instances.c.instance_uuid == uuid).values(values)).rowcount


def give(conn, uuid, cell_id):
    """Note which cell has a server; once, since it stays there."""
    conn.execute(instances.update().where(instances.c.instance_uuid == uuid, instances.c.cell_id.is_(None))
                 .values(cell_id=cell_id))


def delete_instance(conn, uuid):
    return conn.execute(instances.delete().where(instances.c.instance_uuid == uuid)).rowcount


def usage(conn, project_id, user_id=None):
    """(servers, cores, ram in MiB) that a project, or one user in it, has."""
    c = instances.c
    statement = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(c.cores), 0),
                          sa.func.coalesce(sa.func.sum(c.ram), 0)).where(c.project_id == project_id,
                                                                         c.queued_for_delete.is_(False))
    if user_id is not None:
        statement = statement.where(c.user_id == user_id)
    return tuple(int(value) for value in conn.execute(statement).one())


def in_cells(conn, cell_ids, project_id, limit):
    """The newest servers of a project (None: of all) in some cells."""
    c = instances.c
    where = [c.cell_id.in_(cell_ids), c.queued_for_delete.is_(False)]
    if project_id is not None:
        where.append(c.project_id == project_id)
    return conn.execute(sa.select(*c).where(*where).order_by(c.created_at.desc(), c.id.desc())
                        .limit(limit)).mappings().all()


def unplaced(conn, before, limit=200):
    """UUIDs of the newest servers without a cell that were asked for before the moment."""
    c = instances.c
    return list(conn.execute(sa.select(c.instance_uuid).where(c.cell_id.is_(None), c.created_at < before)
                             .order_by(c.id.desc()).limit(limit)).scalars())
