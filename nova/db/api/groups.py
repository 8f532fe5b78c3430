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


def members_of_all(conn, group_ids):
    """{group id: [instance uuid, …]}"""
    found = {}
    for group_id, uuid in conn.execute(sa.select(members.c.group_id, members.c.instance_uuid)
                                       .where(members.c.group_id.in_(group_ids)).order_by(members.c.instance_uuid)):
        found.setdefault(group_id, []).append(uuid)
    return found


def of_project(conn, project_id, limit=None, offset=None):
    """Groups of a project (None: of all), oldest first."""
    statement = sa.select(*groups.columns).order_by(groups.c.id)
    if project_id is not None:
        statement = statement.where(groups.c.project_id == project_id)
    return conn.execute(statement.limit(limit).offset(offset)).mappings().all()


def delete(conn, group_id):
    conn.execute(members.delete().where(members.c.group_id == group_id))
    return conn.execute(groups.delete().where(groups.c.id == group_id)).rowcount


def count_members(conn, group_id):
    return conn.execute(sa.select(sa.func.count()).where(members.c.group_id == group_id)).scalar()


def count(conn, project_id):
    return conn.execute(sa.select(sa.func.count()).where(groups.c.project_id == project_id)).scalar()
