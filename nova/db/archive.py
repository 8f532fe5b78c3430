# SPDX-License-Identifier: Apache-2.0
"""Rows of deleted things: moved into shadow tables in bounded batches, and later removed for good.

A shadow table is `shadow_<table>`, made at first use with the same columns.  A server's rows move together, in one
transaction, children first.  `OF_SERVERS` says of each table that names a server what becomes of its rows.
"""

import datetime

import sqlalchemy as sa

from nova import db
from nova.db import session

#: It is the server's history, and goes where the server goes.
MOVES = 'moves'
#: It is of no use without the server, and is removed.
ENDS = 'ends'
#: Something is still to be given back, and is found by the row: until then the server stays.
WAITS = 'waits'
#: It is somebody else's, who has an end of his own.
STAYS = 'stays'
#: What becomes of the rows that name a server (in `instance_uuid`) when it is moved: (family, table): which.
OF_SERVERS = {
    ('actions', 'actions'): MOVES,          # with their events
    ('instances', 'tags'): MOVES,
    ('instances', 'faults'): MOVES,
    ('block_devices', 'devices'): MOVES,
    ('migration_records', 'migrations'): MOVES,
    ('console_tokens', 'tokens'): ENDS,     # they open a console that is not there
    ('networks', 'vifs'): ENDS,
    ('security_groups', 'members'): ENDS,
    ('networks', 'fixed_ips'): WAITS,       # for the janitor
    ('claims', 'claims'): WAITS,            # for the janitor
    ('shares', 'mappings'): WAITS,          # for the server's host, when it comes back
    ('volume_usage', 'usage'): STAYS,       # it is the volume's
}
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


def _which(what):
    """The tables of `OF_SERVERS` whose rows do this."""
    return [_table(*name) for name, does in OF_SERVERS.items() if does == what]


def _movable(before):
    """UUIDs of the servers that can be moved."""
    uuid = db.instances.instances.c.uuid
    return sa.select(uuid).where(_deleted(db.instances.instances, before),
                                 *(~sa.exists().where(table.c.instance_uuid == uuid) for table in _which(WAITS)))


def deleted_servers(context, before=None):
    """How many servers there are to move."""
    with session.reader(context) as conn:
        return conn.execute(sa.select(sa.func.count()).select_from(_movable(_moment(before)).subquery())).scalar()


def archive(context, max_rows=1000, before=None, until_complete=False, progress=None):
    """Move what was deleted; returns ({table: rows}, whether more is left).

    :param max_rows: servers (or rows of other tables) of one transaction.
    :param progress: called with the number of servers moved so far.
    """
    moved, before = {}, _moment(before)
    while True:
        with session.writer(context) as conn:
            uuids = list(conn.execute(_movable(before).limit(max_rows)).scalars())
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
        left = conn.execute(_movable(before).limit(1)).first()
    return moved, left is not None


def _move_servers(conn, uuids, moved):
    actions, events = db.actions.actions, db.actions.events
    ids = list(conn.execute(sa.select(actions.c.id).where(actions.c.instance_uuid.in_(uuids))).scalars())
    if ids:
        _move(conn, events, events.c.action_id.in_(ids), moved)
    for table in _which(MOVES):
        _move(conn, table, table.c.instance_uuid.in_(uuids), moved)
    for table in _which(ENDS):
        conn.execute(table.delete().where(table.c.instance_uuid.in_(uuids)))
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
