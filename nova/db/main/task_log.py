# SPDX-License-Identifier: Apache-2.0
"""What each host did of a task that is due once in a period: the audit of servers."""

import datetime

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.main import base
from nova.db.types import BIG_ID, LONG_TEXT, MOMENT


class TaskLog(base.Timestamps, base.Base):
    __tablename__ = 'task_log'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    task_name: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    host: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    period_beginning: orm.Mapped[datetime.datetime] = orm.mapped_column(MOMENT)
    period_ending: orm.Mapped[datetime.datetime] = orm.mapped_column(MOMENT)
    state: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    message: orm.Mapped[str] = orm.mapped_column(LONG_TEXT, default='')
    task_items: orm.Mapped[int] = orm.mapped_column(default=0)
    errors: orm.Mapped[int] = orm.mapped_column(default=0)

    __table_args__ = (
        sa.UniqueConstraint('task_name', 'host', 'period_beginning', 'period_ending',
                            name='uniq_task_log0task_name0host0period'),
        sa.Index('task_log_period_idx', 'task_name', 'period_beginning', 'period_ending'),
        base.Base.__table_args__,
    )


log = TaskLog.__table__


def _of(name, begin, end):
    return (log.c.task_name == name, log.c.period_beginning == begin, log.c.period_ending == end)


def select(conn, name, begin, end):
    """Rows of all hosts, by host."""
    return conn.execute(sa.select(*log.columns).where(*_of(name, begin, end)).order_by(log.c.host)).mappings().all()


def insert(conn, values):
    conn.execute(log.insert(), values)


def update(conn, name, host, begin, end, values):
    return conn.execute(log.update().where(*_of(name, begin, end), log.c.host == host).values(values)).rowcount
