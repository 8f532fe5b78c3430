# SPDX-License-Identifier: Apache-2.0
"""Flavors, their extra specs (in the row), and who may use the private ones."""

import functools

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db import paging
from nova.db.api import base
from nova.db.types import BIG_ID, LONG_TEXT, Json


class Flavor(base.Timestamps, base.Base):
    __tablename__ = 'flavors'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    flavorid: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    memory_mb: orm.Mapped[int]
    vcpus: orm.Mapped[int]
    root_gb: orm.Mapped[int]
    ephemeral_gb: orm.Mapped[int] = orm.mapped_column(default=0)
    swap: orm.Mapped[int] = orm.mapped_column(default=0)
    rxtx_factor: orm.Mapped[float | None] = orm.mapped_column(sa.Float(), default=1.0)
    vcpu_weight: orm.Mapped[int | None]
    disabled: orm.Mapped[bool] = orm.mapped_column(default=False)
    is_public: orm.Mapped[bool] = orm.mapped_column(default=True)
    description: orm.Mapped[str | None] = orm.mapped_column(LONG_TEXT)
    extra_specs = orm.mapped_column(Json)

    __table_args__ = (
        sa.UniqueConstraint('flavorid', name='uniq_flavors0flavorid'),
        sa.UniqueConstraint('name', name='uniq_flavors0name'),
        base.Base.__table_args__,
    )


class FlavorProject(base.Base):
    __tablename__ = 'flavor_projects'

    flavor_id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    project_id: orm.Mapped[str] = orm.mapped_column(sa.String(255), primary_key=True)

    __table_args__ = (sa.Index('flavor_projects_project_idx', 'project_id'), base.Base.__table_args__)


flavors, projects = Flavor.__table__, FlavorProject.__table__


def accessible(project_id):
    """The condition that a project may use a flavor."""
    return sa.or_(flavors.c.is_public.is_(True),
                  flavors.c.id.in_(sa.select(projects.c.flavor_id).where(projects.c.project_id == project_id)))


def select(conn, where=(), sort=(), limit=None):
    statement = sa.select(*flavors.columns).where(*where)
    for column, direction in sort:
        statement = statement.order_by(paging.ordered(conn, column, direction))
    if limit is not None:
        statement = statement.limit(limit)
    return conn.execute(statement).mappings().all()


def by_flavorid(conn, flavorid, project_id=None):
    """The flavor with this public id; None if there is none that the project (None: anybody) may use."""
    return conn.execute(_by_flavorid(project_id is not None),
                        {'of_flavorid': flavorid, 'of_project': project_id}).mappings().one_or_none()


@functools.cache
def _by_flavorid(of_project):
    where = [flavors.c.flavorid == sa.bindparam('of_flavorid')]
    if of_project:
        where.append(accessible(sa.bindparam('of_project')))
    return sa.select(*flavors.columns).where(*where)


def insert(conn, values):
    return conn.execute(flavors.insert(), values).inserted_primary_key[0]


def update(conn, flavor_id, values):
    return conn.execute(flavors.update().where(flavors.c.id == flavor_id).values(values)).rowcount


def lock(conn, flavor_id):
    """The row, held until the transaction ends."""
    return conn.execute(sa.select(*flavors.columns).where(flavors.c.id == flavor_id)
                        .with_for_update()).mappings().one_or_none()


def delete(conn, flavor_id):
    conn.execute(projects.delete().where(projects.c.flavor_id == flavor_id))
    return conn.execute(flavors.delete().where(flavors.c.id == flavor_id)).rowcount


def projects_of(conn, flavor_id):
    return list(conn.execute(sa.select(projects.c.project_id).where(projects.c.flavor_id == flavor_id)
                             .order_by(projects.c.project_id)).scalars())


def add_project(conn, flavor_id, project_id):
    conn.execute(projects.insert().values(flavor_id=flavor_id, project_id=project_id))


def remove_project(conn, flavor_id, project_id):
    return conn.execute(projects.delete().where(projects.c.flavor_id == flavor_id,
                                                projects.c.project_id == project_id)).rowcount
