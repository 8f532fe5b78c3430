# SPDX-License-Identifier: Apache-2.0
"""What becomes of all that names a server when it is archived, and when what was archived is purged."""

import datetime

import pytest
import sqlalchemy as sa

from nova import db
from nova.db import archive, session
from nova.db.main import base
from nova.objects import instance as instance_obj
from nova.tests import database as make

#: What a row of a table needs besides the server.
NEEDED = {
    'claims': {'compute_node_id': 1, 'host': 'h1', 'node': 'h1'},
    'console_auth_tokens': {'token_hash': 'x', 'console_type': 'novnc', 'host': 'h1', 'port': 1, 'expires': 2 ** 30},
    'fixed_ips': {'address': '10.0.0.2', 'network_id': 1}, 'instance_faults': {'code': 500, 'message': 'broken'},
    'migrations': {'uuid': 'm', 'status': 'confirmed', 'migration_type': 'resize'},
    'security_group_instance_association': {'security_group_id': 1},
    'share_mapping': {'uuid': 's', 'share_id': 's', 'status': 'detaching', 'tag': 't', 'export_location': 'nfs:/x',
                      'share_proto': 'NFS'},
    'tags': {'tag': 'blue'}, 'volume_usage_cache': {'volume_id': 'v'},
    'virtual_interfaces': {'uuid': 'n', 'address': 'fa:16:3e:00:00:01'}}
#: Those that a server has at once when it is made.
MADE = {'instance_actions', 'block_device_mapping'}


def tables(what):
    return [table for table in base.Base.metadata.sorted_tables if 'instance_uuid' in table.c and archive.OF_SERVERS[
        next(name for name in archive.OF_SERVERS if archive._table(*name) is table)] == what]


def fill(server, whats):
    with session.writer(make.admin()) as conn:
        for table in [table for what in whats for table in tables(what)]:
            if table.name not in MADE:
                conn.execute(table.insert().values(instance_uuid=server.uuid, **NEEDED[table.name]))


def delete(server):
    with session.writer(make.admin()) as conn:
        instance_obj.delete_rows(conn, server.uuid)


def rows(name, uuid):
    """How many rows of a table name a server; None: there is no such table."""
    with session.reader(make.admin()) as conn:
        if not sa.inspect(conn).has_table(name):
            return None
        table = sa.Table(name, sa.MetaData(), autoload_with=conn)
        column = table.c['uuid' if name.endswith('instances') else 'instance_uuid']
        return conn.execute(sa.select(sa.func.count()).where(column == uuid)).scalar()


def test_it_is_decided_of_each_table_that_names_a_server():
    decided = {archive._table(*name) for name in archive.OF_SERVERS}
    assert {table.name for table in base.Base.metadata.sorted_tables if 'instance_uuid' in table.c} == {
        table.name for table in decided}


def test_what_a_server_leaves_behind_goes_with_it(database):
    gone, stays = make.server(), make.server(size=db_flavor('2'))
    fill(gone, [archive.MOVES, archive.ENDS, archive.STAYS])
    delete(gone)
    with session.writer(make.admin()) as conn:      # one that was asked for while it was deleted
        conn.execute(db.console_tokens.tokens.insert().values(instance_uuid=gone.uuid,
                                                              **NEEDED['console_auth_tokens']))
    moved, left = archive.archive(make.admin())
    assert not left
    assert moved['migrations'] == moved['instances'] == 1
    for table in tables(archive.MOVES):
        assert (rows(table.name, gone.uuid), rows(f'shadow_{table.name}', gone.uuid)) == (0, 1), table.name
    for table in tables(archive.ENDS):
        assert (rows(table.name, gone.uuid), rows(f'shadow_{table.name}', gone.uuid)) == (0, None), table.name
    for table in tables(archive.STAYS):
        assert rows(table.name, gone.uuid) == 1, table.name
    assert (rows('instances', stays.uuid), rows('instance_actions', stays.uuid)) == (1, 1)


@pytest.mark.parametrize('name', ['claims', 'fixed_ips', 'share_mapping'])
def test_a_server_that_something_is_still_to_be_given_back_of_stays(database, name):
    waits, goes = make.server(), make.server(size=db_flavor('2'))
    table = base.Base.metadata.tables[name]
    assert table in tables(archive.WAITS)
    for server in (waits, goes):
        delete(server)
    with session.writer(make.admin()) as conn:
        conn.execute(table.insert().values(instance_uuid=waits.uuid, **NEEDED[name]))
    assert archive.deleted_servers(make.admin()) == 1
    moved, left = archive.archive(make.admin(), until_complete=True, max_rows=1)
    assert (moved['instances'], left) == (1, False)
    assert (rows('instances', waits.uuid), rows('instances', goes.uuid)) == (1, 0)
    with session.writer(make.admin()) as conn:
        conn.execute(table.delete())
    assert archive.archive(make.admin())[0]['instances'] == 1


def test_a_purge_takes_all_of_it(database):
    server = make.server()
    fill(server, [archive.MOVES])
    delete(server)
    archive.archive(make.admin())
    day = datetime.timedelta(days=1)
    archive.purge(make.admin(), (db.types.utcnow() - day).isoformat())
    assert rows('shadow_migrations', server.uuid) == rows('shadow_instances', server.uuid) == 1
    archive.purge(make.admin(), (db.types.utcnow() + day).isoformat())
    for table in tables(archive.MOVES):
        assert rows(f'shadow_{table.name}', server.uuid) == 0, table.name


def db_flavor(number):
    return make.flavor(name=f'm{number}.test', flavorid=number)
