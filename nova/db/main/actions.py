# SPDX-License-Identifier: Apache-2.0
"""The journal of operations (design D3).

An action's row is the record that users read, and the work order that a service takes.  `state` goes pending -> running
-> done; only one owner can make it running, and an owner that stops renewing its lease loses it.
"""

import datetime
import functools

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.main import base, instances
from nova.db.types import BIG_ID, LONG_TEXT, MOMENT, Json, insert_into, utcnow

PENDING, RUNNING, DONE = 'pending', 'running', 'done'


class Action(base.Base):
    __tablename__ = 'instance_actions'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    action: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    instance_uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    request_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    user_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    project_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    message: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    start_time: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT, default=utcnow)
    finish_time: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT)
    created_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT, default=utcnow)
    updated_at: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT, default=utcnow, onupdate=utcnow)
    # The work order.
    state: orm.Mapped[str] = orm.mapped_column(sa.String(16), default=DONE)
    binary: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    host: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    method: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    args = orm.mapped_column(Json)
    context = orm.mapped_column(Json)
    owner: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    owner_start_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(36))
    lease_until: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT)
    deadline: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT)
    attempts: orm.Mapped[int] = orm.mapped_column(default=0)

    __table_args__ = (
        # the actions of a server, newest first
        sa.Index('instance_actions_uuid_idx', 'instance_uuid', 'created_at'),
        sa.Index('instance_actions_request_idx', 'instance_uuid', 'request_id'),
        # what is to do, and whose lease ran out
        sa.Index('instance_actions_orders_idx', 'state', 'binary', 'host'),
        sa.Index('instance_actions_owner_idx', 'owner_start_id', 'state'),
        base.Base.__table_args__,
    )


class Event(base.Base):
    __tablename__ = 'instance_actions_events'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    action_id: orm.Mapped[int] = orm.mapped_column(BIG_ID)
    event: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    start_time: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT, default=utcnow)
    finish_time: orm.Mapped[datetime.datetime | None] = orm.mapped_column(MOMENT)
    result: orm.Mapped[str | None] = orm.mapped_column(sa.String(32))
    traceback: orm.Mapped[str | None] = orm.mapped_column(LONG_TEXT)
    host: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    details: orm.Mapped[str | None] = orm.mapped_column(LONG_TEXT)

    __table_args__ = (sa.Index('instance_actions_events_action_idx', 'action_id', 'id'), base.Base.__table_args__)


actions, events = Action.__table__, Event.__table__


def insert(conn, values):
    """Record an action; returns its id."""
    return conn.execute(insert_into(actions), values).inserted_primary_key[0]


# Statements of each operation are made once: that takes longer than running them does.

@functools.cache
def _with_server():
    c = instances.instances.c
    return sa.select(*actions.columns, *c).where(actions.c.id == sa.bindparam('of_id')).outerjoin_from(
        actions, instances.instances, sa.and_(c.uuid == actions.c.instance_uuid, c.deleted == 0))


def with_server(conn, action_id):
    """(the action, its server or None), as mappings by the names of the columns."""
    row = conn.execute(_with_server(), {'of_id': action_id}).one()
    split = len(actions.columns)
    action = dict(zip(actions.columns.keys(), row[:split], strict=True))
    server = dict(zip(instances.instances.columns.keys(), row[split:], strict=True))
    return action, server if server['id'] is not None else None


def of_instance(conn, instance_uuid, limit=None, marker=None, since=None, before=None):
    """Actions of a server, newest first, after the one with request id `marker`.  None if there is no such marker."""
    c = actions.c
    statement = sa.select(*actions.columns).where(c.instance_uuid == instance_uuid)
    if marker is not None:
        at = conn.execute(sa.select(c.created_at, c.id).where(c.instance_uuid == instance_uuid,
                                                              c.request_id == marker)).first()
        if at is None:
            return None
        statement = statement.where(sa.or_(c.created_at < at[0], sa.and_(c.created_at == at[0], c.id < at[1])))
    if since is not None:
        statement = statement.where(c.updated_at >= since)
    if before is not None:
        statement = statement.where(c.updated_at <= before)
    statement = statement.order_by(c.created_at.desc(), c.id.desc())
    return conn.execute(statement.limit(limit) if limit is not None else statement).mappings().all()


def by_request(conn, instance_uuid, request_id):
    c = actions.c
    return conn.execute(sa.select(*actions.columns).where(c.instance_uuid == instance_uuid, c.request_id == request_id)
                        .order_by(c.id.desc())).mappings().first()


def take(conn, action_id, binary, host, start_id, lease_until, held_since):
    """Make a pending order one's own; False when somebody else has it or it is done.

    One that has been the owner's since `held_since` is taken again: who asks does not work on it, so that its end, or
    the news that it was taken, went astray.
    """
    return conn.execute(_taking(), {
        'of_id': action_id, 'of_binary': binary, 'of_host': host, 'of_start': start_id, 'held_since': held_since,
        'owner': host, 'owner_start_id': start_id, 'lease_until': lease_until}).rowcount == 1


@functools.cache
def _taking():
    c = actions.c
    return actions.update().where(
        c.id == sa.bindparam('of_id'), c.binary == sa.bindparam('of_binary'),
        sa.or_(sa.and_(c.state == PENDING, sa.or_(c.host.is_(None), c.host == sa.bindparam('of_host'))),
               sa.and_(c.state == RUNNING, c.owner_start_id == sa.bindparam('of_start'),
                       c.updated_at <= sa.bindparam('held_since')))
    ).values(state=RUNNING, attempts=c.attempts + 1)


def change(conn, action_id, values, owner_start_id=None):
    """Change an order that this owner holds (None: whoever does); False when it is not held any more."""
    return conn.execute(_changing(owner_start_id is not None),
                        {**values, 'of_id': action_id, 'of_start': owner_start_id}).rowcount == 1


@functools.cache
def _changing(of_owner):
    c = actions.c
    statement = actions.update().where(c.id == sa.bindparam('of_id'), c.state != DONE)
    if of_owner:
        statement = statement.where(c.owner_start_id == sa.bindparam('of_start'), c.state == RUNNING)
    return statement


def renew(conn, start_id, lease_until):
    """Extend the leases of everything this owner holds; returns how many there are."""
    c = actions.c
    return conn.execute(actions.update().where(c.owner_start_id == start_id, c.state == RUNNING)
                        .values(lease_until=lease_until, updated_at=c.updated_at)).rowcount


def put_off(conn, deadline, **of):
    """Give orders that are being worked on until then: those whose columns are as given; whether there was one."""
    c = actions.c
    return conn.execute(actions.update().where(c.state == RUNNING, *(c[name] == value for name, value in of.items()))
                        .values(deadline=deadline, updated_at=c.updated_at)).rowcount > 0


def pending(conn, binary, host, older_than, start_id, held_since):
    """Orders for this service that nobody took since `older_than`, or that its start holds since `held_since`."""
    c = actions.c
    return conn.execute(
        sa.select(c.id, c.method, c.context)
        .where(c.binary == binary, sa.or_(
            sa.and_(c.state == PENDING, sa.or_(c.host.is_(None), c.host == host), c.updated_at <= older_than),
            sa.and_(c.state == RUNNING, c.owner_start_id == start_id, c.updated_at <= held_since)))
        .order_by(c.id).limit(100)).mappings().all()


def running(conn, owner, except_start_id=None):
    """Orders that a host holds, other than those of one start of its service."""
    c = actions.c
    statement = sa.select(*actions.columns).where(c.state == RUNNING, c.owner == owner)
    if except_start_id is not None:
        statement = statement.where(c.owner_start_id != except_start_id)
    return conn.execute(statement.order_by(c.id)).mappings().all()


def expired(conn, now):
    """Orders whose owner is gone (lease) or which took too long (deadline)."""
    c = actions.c
    return conn.execute(
        sa.select(*actions.columns)
        .where(sa.or_(sa.and_(c.state == RUNNING, c.lease_until < now),
                      sa.and_(c.state != DONE, c.deadline < now))).order_by(c.id).limit(100)).mappings().all()


def waiting(conn, older_than):
    """Orders for one host each that nobody took since `older_than`."""
    c = actions.c
    return conn.execute(sa.select(*actions.columns)
                        .where(c.state == PENDING, c.host.is_not(None), c.updated_at < older_than)
                        .order_by(c.id).limit(100)).mappings().all()


def unfinished_of(conn, instance_uuid):
    c = actions.c
    return conn.execute(sa.select(*actions.columns).where(c.instance_uuid == instance_uuid, c.state != DONE)
                        .order_by(c.id)).mappings().all()


def start_event(conn, values):
    return conn.execute(insert_into(events), values).inserted_primary_key[0]


def finish_events(conn, action_id, values):
    """Finish every event of the action that is still open; how many."""
    return conn.execute(_finishing(), {**values, 'of_id': action_id}).rowcount


@functools.cache
def _finishing():
    return events.update().where(events.c.action_id == sa.bindparam('of_id'), events.c.finish_time.is_(None))


def finish_event(conn, event_id, values):
    conn.execute(events.update().where(events.c.id == event_id).values(values))


def events_of(conn, action_ids):
    """{action id: [event row, ...]} oldest first."""
    found = {}
    for row in conn.execute(sa.select(*events.columns).where(events.c.action_id.in_(action_ids))
                            .order_by(events.c.id)).mappings():
        found.setdefault(row['action_id'], []).append(row)
    return found
