# SPDX-License-Identifier: Apache-2.0
"""The rows of a server that no host has: read from one cell's database, written to another's, removed (design D1)."""

import sqlalchemy as sa

from nova.db.main import actions, block_devices, claims, instances

#: Besides the server's own row and its actions: tables that may have rows of a server that no host has.
_TABLES = (instances.tags, instances.faults, block_devices.devices)


class Rows:
    """All rows of one server, as dictionaries by column.

    :ivar others: {table: [row, …]} of `_TABLES`.
    """

    def __init__(self, server, others, actions_, events):
        self.server, self.others, self.actions, self.events = server, others, actions_, events

    def action(self, action_id):
        return next((row for row in self.actions if row['id'] == action_id), None)

    def events_of(self, action_id):
        return [row for row in self.events if row['action_id'] == action_id]


def read(conn, uuid):
    """The rows of a server, which is locked until the transaction ends.  None: it is not there, or deleted."""
    c = instances.instances.c
    where = (c.uuid == uuid, c.deleted == 0)
    server = conn.execute(sa.select(*c).where(*where).with_for_update()).mappings().one_or_none()
    if server is None:
        return None
    journal = _all(conn, actions.actions, actions.actions.c.instance_uuid == uuid)
    return Rows(dict(server), {table: _all(conn, table, table.c.instance_uuid == uuid) for table in _TABLES}, journal,
                _all(conn, actions.events, actions.events.c.action_id.in_([row['id'] for row in journal])))


def _all(conn, table, where):
    order = [table.c.id] if 'id' in table.c else []
    return [dict(row) for row in conn.execute(sa.select(*table.c).where(where).order_by(*order)).mappings()]


def write(conn, rows):
    """Insert the rows; they get numbers of this database.  Returns {number of an action: its number here}."""
    conn.execute(instances.instances.insert(), _unnumbered(rows.server))
    for table, found in rows.others.items():
        if found:
            conn.execute(table.insert(), [_unnumbered(row) for row in found])
    numbers = {row['id']: actions.insert(conn, _unnumbered(row)) for row in rows.actions}
    if rows.events:
        conn.execute(actions.events.insert(), [{**_unnumbered(row), 'action_id': numbers[row['action_id']]}
                                               for row in rows.events])
    return numbers


def _unnumbered(row):
    return {name: value for name, value in row.items() if name != 'id'}


def remove(conn, rows):
    """Remove the rows, and give back what the server was promised of hosts of this database."""
    uuid = rows.server['uuid']
    conn.execute(actions.events.delete().where(actions.events.c.action_id.in_([row['id'] for row in rows.actions])))
    for table in (*_TABLES, actions.actions):
        conn.execute(table.delete().where(table.c.instance_uuid == uuid))
    claims.release(conn, uuid)
    conn.execute(instances.instances.delete().where(instances.instances.c.uuid == uuid))
