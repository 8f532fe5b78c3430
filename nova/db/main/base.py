# SPDX-License-Identifier: Apache-2.0
"""Base of the tables of a cell."""

from sqlalchemy import orm

from nova.db.types import SoftDelete, Timestamps  # noqa: F401  tables take them from here


class Base(orm.DeclarativeBase):
    """All tables of a cell; `Base.metadata` is what the migrations of `main` must make."""

    __table_args__ = {'mysql_engine': 'InnoDB', 'mysql_charset': 'utf8mb4'}
