# SPDX-License-Identifier: Apache-2.0
"""What was asked for, per server, as the scheduler needs it."""

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.api import base
from nova.db.types import Json, insert_into


class RequestSpec(base.Timestamps, base.Base):
    __tablename__ = 'request_specs'

    instance_uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36), primary_key=True)
    spec = orm.mapped_column(Json)


specs = RequestSpec.__table__


def insert(conn, rows):
    conn.execute(insert_into(specs), rows)


def by_instance(conn, instance_uuid):
    """The spec's wire form, or None."""
    return conn.execute(sa.select(specs.c.spec).where(specs.c.instance_uuid == instance_uuid)).scalar_one_or_none()


def update(conn, instance_uuid, spec):
    return conn.execute(specs.update().where(specs.c.instance_uuid == instance_uuid).values(spec=spec)).rowcount


def delete(conn, instance_uuid):
    return conn.execute(specs.delete().where(specs.c.instance_uuid == instance_uuid)).rowcount
