# SPDX-License-Identifier: Apache-2.0
"""Key pairs of users."""

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.api import base
from nova.db.types import BIG_ID, LONG_TEXT


class KeyPair(base.Timestamps, base.Base):
    __tablename__ = 'key_pairs'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    user_id: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    fingerprint: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    public_key: orm.Mapped[str | None] = orm.mapped_column(LONG_TEXT)
    type: orm.Mapped[str] = orm.mapped_column(sa.String(8), default='ssh')

    __table_args__ = (sa.UniqueConstraint('user_id', 'name', name='uniq_key_pairs0user_id0name'),
                      base.Base.__table_args__)


key_pairs = KeyPair.__table__


def by_name(conn, user_id, name):
    return conn.execute(sa.select(*key_pairs.columns).where(key_pairs.c.user_id == user_id, key_pairs.c.name == name)
                        ).mappings().one_or_none()


def of_user(conn, user_id, after=None, limit=None):
    """Key pairs of a user by name, those after the name `after`."""
    statement = sa.select(*key_pairs.columns).where(key_pairs.c.user_id == user_id)
    if after is not None:
        statement = statement.where(key_pairs.c.name > after)
    statement = statement.order_by(key_pairs.c.name)
    return conn.execute(statement.limit(limit) if limit is not None else statement).mappings().all()


def count(conn, user_id):
    return conn.execute(sa.select(sa.func.count()).where(key_pairs.c.user_id == user_id)).scalar()


def insert(conn, values):
    return conn.execute(key_pairs.insert(), values).inserted_primary_key[0]


def delete(conn, user_id, name):
    return conn.execute(key_pairs.delete().where(key_pairs.c.user_id == user_id, key_pairs.c.name == name)).rowcount
