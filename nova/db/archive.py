# SPDX-License-Identifier: Apache-2.0
"""Rows of deleted things: moved into shadow tables in bounded batches, and later removed for good.

A shadow table is `shadow_<table>`, made at first use with the same columns.  A server's rows move together, in one
transaction, children first.
"""

import datetime

import sqlalchemy as sa

from nova import db
from nova.db import session

#: Tables of a server: (family, table attribute, column that names the server).
_CHILDREN = (('instances', 'tags', 'instance_uuid'), ('instances', 'faults', 'instance_uuid'),
             ('block_devices', 'devices', 'instance_uuid'))
#: Others with soft-deleted rows.
_OTHERS = (('services', 'services'), ('compute_nodes', 'compute_nodes'), ('networks', 'networks'),
           ('security_groups', 'groups'))


def _table(family, name):
    return getattr(getattr(db, family), name)


def _shadow(conn, table):
    columns = [sa.Column(column.name, column.type, nullable=True) for column in table.columns]
    shadow = sa.Table(f'shadow_{table.name}', sa.MetaData(), *columns)
    shadow.create(conn, checkfirst=True)
    return shadow


def _move(conn, table, where, moved):
    shadow = _shadow(conn, table)
    names = [column.name for column in table.columns]
    conn.execute(shadow.insert().from_select(names, sa.select(*table.columns).where(where)))
    count = conn.execute(table.delete().where(where)).rowcount
    if count:
        moved[table.name] = moved.get(table.name, 0) + count
    return count


def _moment(before):
    return datetime.datetime.fromisoformat(before) if before else None


def _deleted(table, before):
    gone = table.c.deleted != 0
    return sa.and_(gone, table.c.deleted_at < before) if before else gone


def archive(context, max_rows=1000, before=None, until_complete=False, progress=None):
    """Move what was deleted; returns ({table: rows}, whether more is left).

    :param max_rows: servers (or rows of other tables) of one transaction.
    :param progress: called with the number of servers moved so far.
    """
    moved, before = {}, _moment(before)
    servers = db.instances.instances
    while True:
        with session.writer(context) as conn:
            uuids = list(conn.execute(sa.select(servers.c.uuid).where(_deleted(servers, before)).limit(max_rows))
                         .scalars())
            if uuids:
                _move_servers(conn, uuids, moved)
        if progress:
            progress(moved.get('instances', 0))
        if len(uuids) < max_rows or not until_complete:
            break
    for family, name in _OTHERS:
        table = _table(family, name)
        with session.writer(context) as conn:
            _move(conn, table, _deleted(table, before), moved)
    with session.reader(context) as conn:
        left = conn.execute(sa.select(sa.func.count()).where(_deleted(servers, before))).scalar()
    return moved, bool(left)


def _move_servers(conn, uuids, moved):
    actions, events = db.actions.actions, db.actions.events
    ids = list(conn.execute(sa.select(actions.c.id).where(actions.c.instance_uuid.in_(uuids))).scalars())
    if ids:
        _move(conn, events, events.c.action_id.in_(ids), moved)
        _move(conn, actions, actions.c.id.in_(ids), moved)
    for family, name, column in _CHILDREN:
        table = _table(family, name)
        _move(conn, table, table.c[column].in_(uuids), moved)
    servers = db.instances.instances
    _move(conn, servers, servers.c.uuid.in_(uuids), moved)


def purge(context, before=None):
    """Remove archived rows; {table: rows}.  `before` looks at when they were deleted, where the table says so."""
    removed, before = {}, _moment(before)
    with session.writer(context) as conn:
        known = [name for name in sa.inspect(conn).get_table_names() if name.startswith('shadow_')]
        for name in known:
            columns = {column['name'] for column in sa.inspect(conn).get_columns(name)}
            table = sa.table(name, *(sa.column(column) for column in columns))
            statement = sa.delete(table)
            if before and 'deleted_at' in columns:
                statement = statement.where(table.c.deleted_at < before)
            removed[name] = conn.execute(statement).rowcount
    return removed
