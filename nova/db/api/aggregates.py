# SPDX-License-Identifier: Apache-2.0
"""Host aggregates; an availability zone is the metadata `availability_zone` of one."""

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.api import base
from nova.db.types import BIG_ID, Json


class Aggregate(base.Timestamps, base.Base):
    __tablename__ = 'aggregates'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    name: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    aggregate_metadata = orm.mapped_column('metadata', Json)

    __table_args__ = (sa.UniqueConstraint('name', name='uniq_aggregates0name'), base.Base.__table_args__)


class AggregateHost(base.Base):
    __tablename__ = 'aggregate_hosts'

    aggregate_id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    host: orm.Mapped[str] = orm.mapped_column(sa.String(255), primary_key=True)

    __table_args__ = (sa.Index('aggregate_hosts_host_idx', 'host'), base.Base.__table_args__)


aggregates, hosts = Aggregate.__table__, AggregateHost.__table__


def select(conn, *where):
    return conn.execute(sa.select(*aggregates.columns).where(*where).order_by(aggregates.c.id)).mappings().all()


def hosts_of(conn, aggregate_ids):
    """{aggregate id: [host, ...]}"""
    found = {}
    for aggregate_id, host in conn.execute(sa.select(*hosts.columns).where(hosts.c.aggregate_id.in_(aggregate_ids))
                                           .order_by(hosts.c.host)):
        found.setdefault(aggregate_id, []).append(host)
    return found


def insert(conn, values):
    return conn.execute(aggregates.insert(), values).inserted_primary_key[0]


def lock(conn, aggregate_id):
    """The row, held until the transaction ends."""
    return conn.execute(sa.select(*aggregates.columns).where(aggregates.c.id == aggregate_id)
                        .with_for_update()).mappings().one_or_none()


def update(conn, aggregate_id, values):
    return conn.execute(aggregates.update().where(aggregates.c.id == aggregate_id).values(values)).rowcount


def delete(conn, aggregate_id):
    conn.execute(hosts.delete().where(hosts.c.aggregate_id == aggregate_id))
    return conn.execute(aggregates.delete().where(aggregates.c.id == aggregate_id)).rowcount


def add_host(conn, aggregate_id, host):
    conn.execute(hosts.insert().values(aggregate_id=aggregate_id, host=host))


def remove_host(conn, aggregate_id, host):
    return conn.execute(hosts.delete().where(hosts.c.aggregate_id == aggregate_id, hosts.c.host == host)).rowcount
