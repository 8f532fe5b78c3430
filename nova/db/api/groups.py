# SPDX-License-Identifier: Apache-2.0
"""Server groups and their members."""

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.api import base
from nova.db.types import BIG_ID, Json


class Group(base.Timestamps, base.Base):
    __tablename__ = 'instance_groups'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    user_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    project_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    name: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    policy: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    rules = orm.mapped_column(Json)

    __table_args__ = (sa.UniqueConstraint('uuid', name='uniq_instance_groups0uuid'),
                      sa.Index('instance_groups_project_idx', 'project_id'), base.Base.__table_args__)


class Member(base.Base):
    __tablename__ = 'instance_group_members'

    group_id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    instance_uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36), primary_key=True)

    __table_args__ = (sa.Index('instance_group_members_uuid_idx', 'instance_uuid'), base.Base.__table_args__)


groups, members = Group.__table__, Member.__table__


def by_uuid(conn, uuid):
    return conn.execute(sa.select(*groups.columns).where(groups.c.uuid == uuid)).mappings().one_or_none()


def members_of(conn, group_id):
    return list(conn.execute(sa.select(members.c.instance_uuid).where(members.c.group_id == group_id)).scalars())


def insert(conn, values):
    return conn.execute(groups.insert(), values).inserted_primary_key[0]


def add_members(conn, group_id, uuids):
    conn.execute(members.insert(), [{'group_id': group_id, 'instance_uuid': uuid} for uuid in uuids])


def forget_member(conn, instance_uuid):
    conn.execute(members.delete().where(members.c.instance_uuid == instance_uuid))


def count(conn, project_id):
    return conn.execute(sa.select(sa.func.count()).where(groups.c.project_id == project_id)).scalar()
