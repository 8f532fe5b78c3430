# SPDX-License-Identifier: Apache-2.0
"""How much volumes were used: one row for each server that has or had a volume."""

import datetime
import importlib

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.main import base, block_devices
from nova.db.types import BIG_ID, MOMENT, utcnow

Text = orm.Mapped[str | None]
Moment = orm.Mapped[datetime.datetime | None]


def _count():
    return orm.mapped_column(sa.BigInteger, default=0)


class VolumeUsage(base.Timestamps, base.SoftDelete, base.Base):
    """`curr_`: what the hypervisor counts now; `tot_`: what it had counted before it began again from nought."""

    __tablename__ = 'volume_usage_cache'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    volume_id: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    instance_uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    project_id: Text = orm.mapped_column(sa.String(255))
    user_id: Text = orm.mapped_column(sa.String(255))
    availability_zone: Text = orm.mapped_column(sa.String(255))
    tot_last_refreshed: Moment = orm.mapped_column(MOMENT)
    tot_reads: orm.Mapped[int] = _count()
    tot_read_bytes: orm.Mapped[int] = _count()
    tot_writes: orm.Mapped[int] = _count()
    tot_write_bytes: orm.Mapped[int] = _count()
    curr_last_refreshed: Moment = orm.mapped_column(MOMENT)
    curr_reads: orm.Mapped[int] = _count()
    curr_read_bytes: orm.Mapped[int] = _count()
    curr_writes: orm.Mapped[int] = _count()
    curr_write_bytes: orm.Mapped[int] = _count()

    __table_args__ = (
        sa.UniqueConstraint('volume_id', 'instance_uuid', 'deleted',
                            name='uniq_volume_usage_cache0volume_id0instance_uuid0deleted'),
        base.Base.__table_args__,
    )


usage = VolumeUsage.__table__
_KEY = ('volume_id', 'instance_uuid', 'deleted')
_MADE = ('id', 'created_at', 'deleted_at')


def of_volumes(conn, volume_ids):
    """Rows of these volumes, of all servers, held until the transaction ends."""
    return conn.execute(sa.select(*usage.columns).where(usage.c.volume_id.in_(volume_ids), usage.c.deleted == 0)
                        .order_by(usage.c.id).with_for_update()).mappings().all()


def store(conn, rows):
    """Insert rows, or put them in the place of those of the same volume and server.  One statement."""
    if not rows:
        return
    now = utcnow()
    name = conn.dialect.name
    is_mysql = name in ('mysql', 'mariadb')
    # What the other dialects load (2 MiB) is for those who use them.
    statement = importlib.import_module(f'sqlalchemy.dialects.{"mysql" if is_mysql else name}').insert(usage).values(
        [{'deleted': 0, 'created_at': now, 'updated_at': now, **row} for row in rows])
    new = statement.inserted if is_mysql else statement.excluded
    values = {column.name: new[column.name] for column in usage.columns if column.name not in (*_KEY, *_MADE)}
    conn.execute(statement.on_duplicate_key_update(values) if is_mysql else
                 statement.on_conflict_do_update(index_elements=_KEY, set_=values))


def unattached(conn, before, limit):
    """Volumes that no server has and whose rows are as they were before a moment, those first that are it longest."""
    c, held = usage.c, block_devices.devices.c
    return list(conn.execute(
        sa.select(c.volume_id).where(c.deleted == 0, ~sa.exists().where(held.volume_id == c.volume_id,
                                                                        held.deleted == 0))
        .group_by(c.volume_id).having(sa.func.max(c.updated_at) < before)
        .order_by(sa.func.max(c.updated_at)).limit(limit)).scalars())


def touch(conn, volume_id):
    """Somebody looked after the rows of a volume."""
    conn.execute(usage.update().where(usage.c.volume_id == volume_id, usage.c.deleted == 0)
                 .values(updated_at=utcnow()))


def soft_delete_of(conn, volume_id):
    now = utcnow()
    return conn.execute(usage.update().where(usage.c.volume_id == volume_id, usage.c.deleted == 0)
                        .values(deleted=usage.c.id, deleted_at=now, updated_at=now)).rowcount
