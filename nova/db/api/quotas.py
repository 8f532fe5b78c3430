# SPDX-License-Identifier: Apache-2.0
"""Limits that differ from the defaults: of projects, of users in projects, of classes.

`quota_locks` has one row a project; the transaction that counts and inserts holds it, so that two requests of the same
project do not both take the last place.
"""

import functools

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import mysql

from nova.db.api import base
from nova.db.types import BIG_ID, insert_new


class QuotaLimit(base.Timestamps, base.Base):
    __tablename__ = 'quota_limits'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    # one of the three kinds: a class ('default'), a project, or a user in a project ('' where it does not apply)
    class_name: orm.Mapped[str] = orm.mapped_column(sa.String(255), default='')
    project_id: orm.Mapped[str] = orm.mapped_column(sa.String(255), default='')
    user_id: orm.Mapped[str] = orm.mapped_column(sa.String(255), default='')
    resource: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    hard_limit: orm.Mapped[int]

    __table_args__ = (
        sa.UniqueConstraint('class_name', 'project_id', 'user_id', 'resource', name='uniq_quota_limits0who0resource'),
        base.Base.__table_args__,
    )


class QuotaLock(base.Base):
    __tablename__ = 'quota_locks'

    project_id: orm.Mapped[str] = orm.mapped_column(sa.String(255), primary_key=True)


limits, locks = QuotaLimit.__table__, QuotaLock.__table__


def select(conn, project_id, user_id=None):
    """[(kind, resource, limit)] that matter to a project (and user): kind is 'class', 'project' or 'user'."""
    return [('class' if row.class_name else 'user' if row.user_id else 'project', row.resource, row.hard_limit)
            for row in conn.execute(_selecting(), {'of_project': project_id, 'of_user': user_id or ''})]


@functools.cache
def _selecting():
    c = limits.c
    who = [sa.and_(c.class_name == 'default', c.project_id == '', c.user_id == ''),
           sa.and_(c.class_name == '', c.project_id == sa.bindparam('of_project'),
                   c.user_id.in_(['', sa.bindparam('of_user')]))]
    return sa.select(c.class_name, c.user_id, c.resource, c.hard_limit).where(sa.or_(*who))


def of_class(conn, class_name):
    return dict(conn.execute(sa.select(limits.c.resource, limits.c.hard_limit)
                             .where(limits.c.class_name == class_name)).all())


def set_limit(conn, resource, hard_limit, class_name='', project_id='', user_id=''):
    c = limits.c
    key = {'class_name': class_name, 'project_id': project_id, 'user_id': user_id, 'resource': resource}
    where = [c[name] == value for name, value in key.items()]
    if conn.execute(sa.select(c.id).where(*where)).first() is None:
        conn.execute(limits.insert().values(hard_limit=hard_limit, **key))
    else:
        conn.execute(limits.update().where(*where).values(hard_limit=hard_limit))


def delete(conn, project_id, user_id=None):
    """Back to the defaults: a project's limits and its users', or one user's."""
    where = [limits.c.project_id == project_id]
    if user_id is not None:
        where.append(limits.c.user_id == user_id)
    return conn.execute(limits.delete().where(*where)).rowcount


def hold(conn, project_id):
    """Wait until nobody else counts for this project; held until the transaction ends."""
    if conn.dialect.name == 'sqlite':
        return      # a writer is alone there
    if conn.dialect.name == 'mysql':
        # To look for a row that is not there would lock the gap, and two who then insert would wait for each other.
        conn.execute(mysql.insert(locks).values(project_id=project_id).on_duplicate_key_update(project_id=project_id))
        return
    held = sa.select(locks.c.project_id).where(locks.c.project_id == project_id).with_for_update()
    if conn.execute(held).first() is None:
        conn.execute(insert_new(conn, locks).values(project_id=project_id))
        conn.execute(held).first()
