# SPDX-License-Identifier: Apache-2.0
"""Base of the global tables."""

from sqlalchemy import orm

from nova.db.types import SoftDelete, Timestamps  # noqa: F401  tables take them from here


class Base(orm.DeclarativeBase):
    """All global tables; `Base.metadata` is what the migrations of `api` must make."""

    __table_args__ = {'mysql_engine': 'InnoDB', 'mysql_charset': 'utf8mb4'}
