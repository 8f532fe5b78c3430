# SPDX-License-Identifier: Apache-2.0
"""Builds of the agents that run inside guests: which one a guest should have."""

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.api import base
from nova.db.types import BIG_ID


def _string(length=255):
    return orm.mapped_column(sa.String(length))


class AgentBuild(base.Timestamps, base.Base):
    __tablename__ = 'agent_builds'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    hypervisor: orm.Mapped[str] = _string()
    os: orm.Mapped[str] = _string()
    architecture: orm.Mapped[str] = _string()
    version: orm.Mapped[str] = _string()
    url: orm.Mapped[str] = _string()
    md5hash: orm.Mapped[str] = _string()

    __table_args__ = (sa.UniqueConstraint('hypervisor', 'os', 'architecture',
                                          name='uniq_agent_builds0hypervisor0os0architecture'),
                      base.Base.__table_args__)


builds = AgentBuild.__table__


def select(conn, *where):
    return conn.execute(sa.select(*builds.columns).where(*where).order_by(builds.c.id)).mappings().all()


def insert(conn, values):
    return conn.execute(builds.insert(), values).inserted_primary_key[0]


def update(conn, build_id, values):
    return conn.execute(builds.update().where(builds.c.id == build_id).values(values)).rowcount


def delete(conn, build_id):
    return conn.execute(builds.delete().where(builds.c.id == build_id)).rowcount
