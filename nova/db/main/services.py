# SPDX-License-Identifier: Apache-2.0
"""Services: one row per binary and host, with its heartbeat."""

import datetime
import functools

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.main import base
from nova.db.types import BIG_ID, MOMENT, utcnow


class Service(base.Timestamps, base.SoftDelete, base.Base):
    __tablename__ = 'services'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    host: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    binary: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    topic: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    report_count: orm.Mapped[int] = orm.mapped_column(default=0)
    disabled: orm.Mapped[bool] = orm.mapped_column(default=False)
    disabled_reason: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    forced_down: orm.Mapped[bool] = orm.mapped_column(default=False)
    last_seen_up: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT)
    version: orm.Mapped[int] = orm.mapped_column(default=0)
    start_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(36))

    __table_args__ = (
        sa.UniqueConstraint('host', 'binary', 'deleted', name='uniq_services0host0binary0deleted'),
        sa.UniqueConstraint('uuid', name='uniq_services0uuid'),
        # what changed since the scheduler last looked
        sa.Index('services_binary_updated_idx', 'binary', 'updated_at'),
        sa.Index('services_binary_seen_idx', 'binary', 'last_seen_up'),
        base.Base.__table_args__,
    )


services = Service.__table__


def insert(conn, values):
    # A new row counts as changed, so that "changed since" is one column and one index.
    return conn.execute(services.insert(), {'updated_at': utcnow(), **values}).inserted_primary_key[0]


def select(conn, *where):
    """Services that are not deleted and meet the conditions, oldest first."""
    return conn.execute(sa.select(*services.columns).where(services.c.deleted == 0, *where)
                        .order_by(services.c.id)).mappings().all()


def by_id(conn, service_id):
    return next(iter(select(conn, services.c.id == service_id)), None)


def by_uuid(conn, uuid):
    return next(iter(select(conn, services.c.uuid == uuid)), None)


def by_host_and_binary(conn, host, binary):
    return next(iter(select(conn, services.c.host == host, services.c.binary == binary)), None)


def of_hosts(conn, hosts, binary):
    return select(conn, services.c.host.in_(hosts), services.c.binary == binary)


def changed_since(conn, binary, when, beats=True):
    """Services of one kind that were made or changed since `when`, or (with `beats`) sent a sign of life."""
    return conn.execute(_changed_since(beats), {'of_binary': binary, 'since': when}).mappings().all()


@functools.cache
def _changed_since(beats):
    c = services.c
    moments = (c.updated_at, *((c.last_seen_up,) if beats else ()))
    return sa.select(*services.columns).where(
        c.deleted == 0, c.binary == sa.bindparam('of_binary'),
        sa.or_(*(moment >= sa.bindparam('since') for moment in moments))).order_by(c.id)


def beats(conn, binary, low, high):
    """(number, last sign of life) of the services of one kind whose numbers are from `low` to `high`."""
    c = services.c
    return conn.execute(sa.select(c.id, c.last_seen_up).where(
        c.binary == binary, c.deleted == 0, c.id.between(low, high))).all()


def update(conn, service_id, values):
    """Change a service; the heartbeat does not count as a change (`updated_at` stays)."""
    return conn.execute(services.update().where(services.c.id == service_id, services.c.deleted == 0)
                        .values({'updated_at': utcnow(), **values})).rowcount


def beat(conn, service_id, start_id):
    """Record a sign of life; False when the service is not registered any more."""
    c = services.c
    return conn.execute(
        services.update().where(c.id == service_id, c.deleted == 0)
        .values(report_count=c.report_count + 1, last_seen_up=utcnow(), start_id=start_id,
                updated_at=c.updated_at)).rowcount == 1


def soft_delete(conn, service_id):
    now = utcnow()
    return conn.execute(services.update().where(services.c.id == service_id, services.c.deleted == 0)
                        .values(deleted=services.c.id, deleted_at=now, updated_at=now)).rowcount
