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
           ('security_groups', 'groups'), ('volume_usage', 'usage'))


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


def deleted_servers(context, before=None):
    """How many servers there are to move."""
    servers = db.instances.instances
    with session.reader(context) as conn:
        return conn.execute(sa.select(sa.func.count()).where(_deleted(servers, _moment(before)))).scalar()


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
        left = conn.execute(sa.select(servers.c.uuid).where(_deleted(servers, before)).limit(1)).first()
    return moved, left is not None


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


def purge(context, before=None, progress=None):
    """Remove archived rows; {table: rows}.

    :param before: only what was deleted before this date (ISO 8601), with all that belonged to it.
    :param progress: called with the number of rows removed so far.
    """
    removed, before = {}, _moment(before)
    with session.writer(context) as conn:
        known = [name for name in sa.inspect(conn).get_table_names() if name.startswith('shadow_')]
        tables = {name: sa.Table(name, sa.MetaData(), autoload_with=conn) for name in known}
        # What belongs to others first, since it is found by them.
        for name in sorted(known, key=lambda name: _DEPTH.get(name, 1), reverse=True):
            where = _purgeable(tables, name, before) if before else sa.true()
            removed[name] = conn.execute(sa.delete(tables[name]).where(where)).rowcount
            if progress:
                progress(sum(removed.values()))
    return removed


#: How far a shadow table's rows are from those that were deleted for themselves.
_DEPTH = {'shadow_instances': 0, 'shadow_instance_actions': 2, 'shadow_instance_actions_events': 3}


def _purgeable(tables, name, before):
    """The condition that a row was deleted before a moment, or belonged to a server that was."""
    columns = tables[name].c
    if 'deleted_at' in columns:
        return columns.deleted_at < before
    servers = tables['shadow_instances'].c
    gone = sa.select(servers.uuid).where(servers.deleted_at < before)
    if 'instance_uuid' in columns:
        return columns.instance_uuid.in_(gone)
    actions = tables['shadow_instance_actions'].c
    return columns.action_id.in_(sa.select(actions.id).where(actions.instance_uuid.in_(gone)))
