# SPDX-License-Identifier: Apache-2.0
"""Columns in the dialects we run on, and what many tables share."""

import datetime
import functools
import importlib

import orjson
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import mysql

LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), 'mysql', 'mariadb')
#: Microseconds on every database; UTC without zone.
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')
#: Primary keys: SQLite counts only INTEGER by itself.
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


class Json(sa.types.TypeDecorator):
    """A value kept as JSON text.  NULL is None."""

    impl = LONG_TEXT
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()

    def process_result_value(self, value, dialect):
        return None if value is None else orjson.loads(value)


@functools.cache
def insert_into(table):
    """The INSERT of a table, made once: that takes a good part of the time that running it does."""
    return table.insert()


def insert_new(conn, table):
    """INSERT that leaves out the rows whose keys are there already."""
    name = conn.dialect.name
    if name in ('mysql', 'mariadb'):
        return mysql.insert(table).prefix_with('IGNORE')
    # What the other dialects load (2 MiB) is for those who use them.
    return importlib.import_module(f'sqlalchemy.dialects.{name}').insert(table).on_conflict_do_nothing()


def utcnow():
    """Now as the databases keep it: UTC, naive."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


class Timestamps:
    created_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT, default=utcnow)
    updated_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT, onupdate=utcnow)


class SoftDelete:
    """Deleted rows stay until archived; `deleted` is then the row's own id, so that unique keys keep working."""

    deleted_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT)
    deleted: orm.Mapped[int] = orm.mapped_column(BIG_ID, default=0, server_default='0', nullable=False)
