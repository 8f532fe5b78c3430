# SPDX-License-Identifier: Apache-2.0
"""Shares of servers: which shared file systems the guests see."""

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.main import base
from nova.db.main.instances import instances
from nova.db.types import BIG_ID


class ShareMapping(base.Timestamps, base.Base):
    __tablename__ = 'share_mapping'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    instance_uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    share_id: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    status: orm.Mapped[str] = orm.mapped_column(sa.String(32))
    tag: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    export_location: orm.Mapped[str] = orm.mapped_column(sa.Text)
    share_proto: orm.Mapped[str] = orm.mapped_column(sa.String(32))

    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_share_mapping0uuid'),
        sa.UniqueConstraint('instance_uuid', 'share_id', name='uniq_share_mapping0instance_uuid0share_id'),
        sa.UniqueConstraint('instance_uuid', 'tag', name='uniq_share_mapping0instance_uuid0tag'),
        sa.Index('share_mapping_share_idx', 'share_id'),
        base.Base.__table_args__,
    )


mappings = ShareMapping.__table__


def select(conn, *where):
    return conn.execute(sa.select(*mappings.columns).where(*where).order_by(mappings.c.id)).mappings().all()


def of_instance(conn, instance_uuid):
    return select(conn, mappings.c.instance_uuid == instance_uuid)


def of_deleted_on(conn, host):
    """Of servers of a host that are deleted."""
    gone = sa.select(instances.c.uuid).where(instances.c.host == host, instances.c.deleted != 0)
    return select(conn, mappings.c.instance_uuid.in_(gone))


def insert(conn, values):
    return conn.execute(mappings.insert(), values).inserted_primary_key[0]


def update(conn, uuid, values):
    return conn.execute(mappings.update().where(mappings.c.uuid == uuid).values(values)).rowcount


def delete(conn, uuid):
    return conn.execute(mappings.delete().where(mappings.c.uuid == uuid)).rowcount


def count_on(conn, share_id, host, but):
    """How many servers of a host, without the one `but`, have a share."""
    c = mappings.c
    both = mappings.join(instances, instances.c.uuid == c.instance_uuid)
    return conn.execute(sa.select(sa.func.count()).select_from(both).where(
        c.share_id == share_id, c.instance_uuid != but, instances.c.host == host, instances.c.deleted == 0)).scalar()
