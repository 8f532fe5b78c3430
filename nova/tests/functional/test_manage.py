# SPDX-License-Identifier: Apache-2.0
"""nova-manage against a site that runs: commands, formats, exit statuses, bars, and rows of what was deleted."""

import csv
import io
import json
import os
import pty
import subprocess
import sys

import pytest
import yaml

from nova.cmd import manage
from nova.objects import cell as cells
from nova.tests import forkserver, harness
from nova.tests.functional import sites

COMMANDS = [(category, command) for category, module in manage.categories().items() for command in module.COMMANDS]


def call(cloud, *words):
    """(exit status, stdout, stderr)"""
    done = forkserver.nova_manage('--config-file', cloud.config, *words)
    return done.returncode, done.stdout, done.stderr


#: Runs several commands in one process, which takes as long as one: [words, ...] -> [[status, stdout, stderr], ...].
_SEVERAL = '''
import contextlib, io, json, sys
from nova.cmd.manage import main
done = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            status = main(words)
        except SystemExit as end:
            status = end.code
    done.append([status, out.getvalue(), errors.getvalue()])
print(json.dumps(done))
'''


def several(cloud, commands):
    """[(exit status, stdout, stderr)] of commands."""
    commands = [['--config-file', str(cloud.config), *words] for words in commands]
    done = forkserver.run(_SEVERAL, json.dumps(commands))
    done.check_returncode()
    return json.loads(done.stdout)


site = sites.own()


def test_every_command_explains_itself(capsys):
    for category, command in COMMANDS:
        with pytest.raises(SystemExit) as end:
            manage.main([category, command, '--help'])
        assert end.value.code == 0
        text = capsys.readouterr().out
        assert f'nova-manage {category} {command}' in text
        assert len(text.splitlines()) > 3


@pytest.mark.parametrize('words, column', [
    ('flavor list', 'name'), ('image list', 'name'), ('service list', 'binary'), ('host list', 'host'),
    ('network list', 'label'), ('floating list', 'address'), ('vm list', 'name'), ('project quota demo', 'resource')])
def test_every_format_says_the_same(site, words, column):
    if not site.sql('SELECT 1 FROM networks'):
        site.manage('network', 'create', '--label', 'lan', '--cidr', '10.9.0.0/24', '--cidr-v6', 'fd00:9::/64')
        site.manage('floating', 'create', '--ip_range', '192.0.2.0/29')
        site.client().boot('listed', networks='auto')
    kinds = ('json', 'yaml', 'csv', 'value', 'table')
    *answers, (status, only, _errors) = several(site, [*([*words.split(), '-f', kind] for kind in kinds),
                                              [*words.split(), '-f', 'value', '-c', column]])
    assert {code for code, _text, _errors in answers} == {status} == {0}
    outputs = dict(zip(kinds, (text for _code, text, _errors in answers), strict=True))
    found = json.loads(outputs['json'])
    # Services send signs of life between two commands.
    assert _timeless(yaml.safe_load(outputs['yaml'])) == _timeless(found)
    rows = found if isinstance(found, list) else [found]
    assert rows
    names = list(rows[0])
    assert column in names
    assert next(csv.reader(io.StringIO(outputs['csv']))) == names
    for row in rows:
        text = row[column] if isinstance(row[column], str) else json.dumps(row[column])
        assert text in outputs['value']
        assert text in outputs['table']
    assert len(only.strip().splitlines()) == len(rows)


def _timeless(found):
    rows = found if isinstance(found, list) else [found]
    return [{key: value for key, value in row.items() if key != 'updated_at'} for row in rows]


#: (words, exit status, what stderr has to say)
REFUSED = [
    ('', 2, 'CATEGORY'), ('flavor', 2, 'COMMAND'), ('flavor fly', 2, 'invalid choice'),
    ('flavor show nothing', 1, 'nothing'), ('image show nothing', 1, 'nothing'),
    ('network delete nothing', 1, 'nothing'), ('flavor create --name x --ram lots --vcpus 1 --disk 1', 2, '--ram'),
    ('scheduler explain', 1, '--flavor'), ('scheduler explain --flavor 1 --image nothing', 1, 'nothing'),
    ('flavor create --name m1.test --ram 1 --vcpus 1 --disk 1', 1, 'm1.test'),
    ('network create --label x --cidr 10.0.0.0/99', 1, 'cidr'),
    ('image register --name x --disk-format raw', 1, 'path'),
    ('image register /nonexistent --name x --disk-format raw', 1, '/nonexistent'),
    ('image register /etc/hostname --name x --disk-format floppy', 1, 'floppy'),
    ('image register /etc/hostname --name x --disk-format qcow2', 1, 'qcow2'),
    ('db archive_deleted_rows --max_rows 0', 1, '--max_rows'), ('db archive_deleted_rows --before soon', 1, 'soon'),
    ('db purge', 1, '--before'), ('db purge --before soon', 1, 'soon'),
    ('db online_data_migrations --max-count 0', 1, '--max-count'),
    ('service disable nowhere nova-compute', 1, 'nowhere'), ('cell_v2 delete_cell --cell_uuid nothing', 1, 'nothing')]


def test_exit_statuses(site, subtests):
    answers = several(site, [words.split() for words, _status, _says in REFUSED])
    for (words, status, says), (code, out, errors) in zip(REFUSED, answers, strict=True):
        with subtests.test(words):
            assert code == status, out + errors
            assert says in errors
            assert 'Traceback' not in errors


def test_why_servers_go_where_they_go(site):
    (status, out, _errors), (_status, elsewhere, _e) = several(site, [
        ['scheduler', 'explain', '--flavor', 'm1.test', '--image', 'guest', '-f', 'json'],
        ['scheduler', 'explain', '--flavor', '1', '--az', 'mars', '-f', 'json']])
    assert status == 0
    (host,), (other,) = json.loads(out), json.loads(elsewhere)
    assert (host['Host'], host['Result']) == ('test', 'passes')
    assert (other['Result'], other['Why']) == ('AvailabilityZoneFilter', 'in another zone')


def test_data_migrations(site):
    assert several(site, [['db', 'online_data_migrations']]) == [[0, '', '']]


def test_cells():
    with harness.Cloud.all_in_one() as cloud:
        def rows(*words):
            status, out, errors = call(cloud, 'cell_v2', *words, '-f', 'json')
            assert status == 0, errors
            return json.loads(out)
        assert len(rows('simple_cell_setup')) == 1
        uuid = cloud.client().boot('one')['id']
        found = {'cell': 'cell1', 'host': cloud.client().get(f'/servers/{uuid}')['server']['OS-EXT-SRV-ATTR:host']}
        assert rows('verify_instance', '--uuid', uuid) == found
        assert call(cloud, 'cell_v2', 'verify_instance', '--uuid', 'nothing')[0] == 1
        assert call(cloud, 'cell_v2', 'discover_hosts', '--strict', '--by-service')[0] == 1
        cell1 = next(cell['uuid'] for cell in rows('list_cells') if cell['name'] == 'cell1')
        assert [host['host'] for host in rows('list_hosts', '--cell_uuid', cell1)] == [found['host']]
        assert call(cloud, 'cell_v2', 'delete_cell', '--cell_uuid', cell1)[0] == 2
        assert call(cloud, 'cell_v2', 'update_cell', '--cell_uuid', cells.CELL0_UUID, '--disable')[0] == 1
        # From the second database on it matters who says "the configured one".
        assert {cell['database_connection'] for cell in rows('list_cells')} == {'(configured)'}
        rows('create_cell', '--name', 'far', '--database_connection', 'mysql://u:secret@h/far', '--disabled')
        shown = {cell['name']: cell['database_connection'] for cell in rows('list_cells', '--verbose')}
        assert shown == {'cell0': cloud.database, 'cell1': cloud.database, 'far': 'mysql://u:secret@h/far'}
        assert call(cloud, 'cell_v2', 'create_cell', '--name', 'far')[0] == 1


def test_deleted_rows_are_archived_and_purged():
    with harness.Cloud.all_in_one() as cloud:
        client = cloud.client()
        stays = client.boot('stays', tags=['t'], metadata={'k': 'v'})['id']
        gone = [client.boot(f'gone-{number}', tags=['t'])['id'] for number in range(3)]
        for uuid in gone:
            assert client.call('DELETE', f'/servers/{uuid}').status_code == 204
            client.gone(uuid)

        def rows(table):
            return cloud.sql(f'SELECT COUNT(*) AS n FROM {table}')[0]['n']
        # Some in the first batch, the rest in the second.
        status, out, _errors = call(cloud, 'db', 'archive_deleted_rows', '--max_rows', '2', '-f', 'json')
        moved = {row['table']: row['rows'] for row in json.loads(out)}
        assert (status, moved['instances'], moved['tags']) == (3, 2, 2)
        assert (rows('instances'), rows('shadow_instances'), rows('shadow_tags')) == (2, 2, 2)
        assert call(cloud, 'db', 'archive_deleted_rows', '--max_rows', '1', '--until-complete', '--all-cells')[0] == 0
        assert (rows('instances'), rows('shadow_instances')) == (1, 3)
        assert rows('shadow_instance_actions') == 6
        assert rows('instance_actions') == 1
        assert [row['uuid'] for row in cloud.sql('SELECT uuid FROM instances')] == [stays]
        # What was deleted since then stays, with all that belongs to it.
        assert call(cloud, 'db', 'purge', '--before', '2020-01-01')[0] == 0
        assert (rows('shadow_instances'), rows('shadow_instance_actions'), rows('shadow_tags')) == (3, 6, 3)
        assert call(cloud, 'db', 'purge', '--before', '2100-01-01')[0] == 0
        assert (rows('shadow_instances'), rows('shadow_instance_actions'), rows('shadow_tags')) == (0, 0, 0)
        assert rows('shadow_instance_actions_events') == 0
        # Nothing is left to do, and the server that stayed is whole.
        assert call(cloud, 'db', 'archive_deleted_rows') == (0, '', '')
        server = client.get(f'/servers/{stays}')['server']
        assert (server['tags'], server['metadata']) == (['t'], {'k': 'v'})
        assert not cloud.tracebacks()


def test_long_work_shows_a_bar_to_people(site, tmp_path):
    """On a terminal only: stderr of a program is its errors."""
    disk = tmp_path / 'disk'
    disk.write_bytes(b'\0' * (64 << 20))
    words = ['image', 'register', str(disk), '--name', 'large', '--disk-format', 'raw']
    status, _out, errors = call(site, *words)
    assert (status, errors) == (0, '')
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c', 'import sys; from nova.cmd.manage import main; sys.exit(main())',
         '--config-file', str(site.config), *words], cwd=harness.ROOT, stdout=subprocess.PIPE, stderr=theirs,
        env={**os.environ, 'TERM': 'xterm'})
    os.close(theirs)
    seen = b''
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    process.stdout.close()
    assert process.wait(30) == 0
    assert b'large' in seen
    assert b'/67.1' in seen
    os.close(ours)
