# SPDX-License-Identifier: Apache-2.0
"""A second cell with a database of its own: lists have what all cells have, and whatever is named is found in its cell.

No service runs in the second cell: its hosts are rows, and nobody takes messages for them.
"""

import contextlib
import datetime
import json

import pytest
from oslo_utils import uuidutils

from nova import context as nova_context
from nova import db, objects
from nova.compute import usage_audit
from nova.conf import CONF
from nova.db import migration
from nova.objects import cell as cells
from nova.tests import database as make
from nova.tests import harness
from nova.tests.functional.test_manage import call, several

#: Nobody gives signs of life in the second cell; and who calls its hosts does not wait long.
SETTINGS = {'DEFAULT': {'service_down_time': 3600, 'rpc_response_timeout': 5, 'rpc_delivery_timeout': 1},
            'fake': {'more_hosts': 'second'}}
NODE = {'vcpus': 7, 'memory_mb': 7000, 'local_gb': 70, 'hypervisor_type': 'fake', 'hypervisor_version': 1,
        'running_vms': 0, 'current_workload': 0, 'disk_available_least': 70}
#: Of the second cell; each has one node, and the first one a server.
HOSTS = ('far', 'farther')
VOLUME = 'a26887c6-c47b-4654-abb5-dfadf7d3f803'


@contextlib.contextmanager
def records(cloud):
    """This process reads and writes the site's databases."""
    objects.register_all()
    CONF.set_override('connection', cloud.database, 'database')
    cells.forget_cache()
    try:
        yield
    finally:
        CONF.clear_override('connection', 'database')
        db.session.dispose()
        cells.forget_cache()


def in_second(context):
    """The context, in the second cell."""
    cell = next(cell for cell in objects.CellMappingList.get_all(context) if cell.name == 'cell2')
    context.cell = cell
    return context


def add_cell(cloud):
    url = f'sqlite:///{cloud.directory}/cell2.sqlite'
    migration.sync('main', url=url)
    cloud.manage('cell_v2', 'create_cell', '--name', 'cell2', '--transport-url', 'local:///cell2',
                 '--database_connection', url)


def fill(world):
    """Hosts, a server and what belongs to it."""
    context = in_second(make.admin())
    for host in HOSTS:
        service = objects.Service.register(context, host, 'nova-compute', 'compute', 'start')
        world[f'service_{host}'], world[f'service_number_{host}'] = service.uuid, service.id
        node = objects.ComputeNode.report(context, host, f'node-of-{host}', NODE)
        world[f'node_{host}'] = node.uuid
    world['service_conductor'] = objects.Service.register(
        context, 'control2', 'nova-conductor', 'conductor', 'start').uuid
    size = objects.Flavor.get_by_flavor_id(context, '1')
    server = make.server(in_second(make.member('project-a', 'alice')), size=size, name='there', host='far',
                         node='node-of-far')
    give(server)
    world['there'] = server.uuid
    world['moves'] = [move(server, minute) for minute in range(4)]
    objects.BlockDeviceMapping.create(context, {
        'uuid': uuidutils.generate_uuid(), 'instance_uuid': server.uuid, 'volume_id': VOLUME, 'source_type': 'volume',
        'destination_type': 'volume', 'device_name': '/dev/vdb'})
    world['token'] = objects.ConsoleAuthToken.authorize(context, {
        'console_type': 'novnc', 'host': '192.0.2.9', 'port': 5900, 'instance_uuid': server.uuid,
        'internal_access_path': None, 'access_url_base': 'http://192.0.2.9/'}, 3600)
    begin, end = usage_audit.last_completed_period()
    objects.TaskLog.begin(context, usage_audit.TASK, 'far', begin, end)


def give(server):
    """Note which cell has the server."""
    context = server._context
    with db.session.api_writer(context) as conn:
        db.mappings.update_instance(conn, server.uuid, {'cell_id': context.cell.id})


def move(server, minute):
    """A migration that is over, so many minutes after noon; its UUID."""
    uuid = uuidutils.generate_uuid()
    with db.session.writer(server._context) as conn:
        db.migration_records.insert(conn, {
            'uuid': uuid, 'instance_uuid': server.uuid, 'migration_type': 'migration', 'status': 'confirmed',
            'source_compute': 'far', 'dest_compute': 'farther', 'project_id': 'project-a', 'hidden': False,
            'created_at': datetime.datetime(2026, 1, 1, 12, minute)})   # noqa: DTZ001  (naive, as databases have it)
    return uuid


@pytest.fixture(scope='module')
def world():
    """Names of what there is."""
    return {'volume': VOLUME}


@pytest.fixture(scope='module')
def site(world):
    with harness.Cloud.all_in_one(SETTINGS) as cloud:
        cloud.wait_ready(2)
        world['here'] = cloud.client('admin:project-a').boot('here', host='test')['id']
        world['aggregate'] = cloud.client().post('/os-aggregates', {'aggregate': {'name': 'fast'}})['aggregate']['id']
        # Services look at cells every half a minute, and at their start.
        cloud.stop('nova-all')
        add_cell(cloud)
        with records(cloud):
            here = objects.Instance.get_by_uuid(make.admin(), world['here'])
            # Between those of the other cell, and two at the same moment.
            world['moves here'] = [move(here, minute) for minute in (1, 1, 2)]
            fill(world)
        cloud.start('nova-all')
        cloud.wait_ready(4)
        yield cloud
        assert not cloud.tracebacks()


def column(key, name):
    return lambda body: sorted(item[name] for item in body[key])


NODES = sorted(['test', 'second', 'node-of-far', 'node-of-farther'])
BOTH = sorted(['here', 'there'])
#: What -> (what is asked, version, what of the answer, what it has to be).
READS = {
    'hypervisors': ('/os-hypervisors', '2.104', column('hypervisors', 'hypervisor_hostname'), NODES),
    'hypervisors once': ('/os-hypervisors', '2.1', column('hypervisors', 'hypervisor_hostname'), NODES),
    'details of hypervisors': ('/os-hypervisors/detail', '2.104', lambda body: sorted(
        (node['service']['host'], node['state']) for node in body['hypervisors']),
        [(host, 'up') for host in ('far', 'farther', 'second', 'test')]),
    'servers of hypervisors': ('/os-hypervisors?with_servers=true', '2.104', lambda body: sorted(
        node['hypervisor_hostname'] for node in body['hypervisors'] for _server in node['servers']),
        ['node-of-far', 'test']),
    'hypervisors by name': ('/os-hypervisors?hypervisor_hostname_pattern=far', '2.104', column(
        'hypervisors', 'hypervisor_hostname'), ['node-of-far', 'node-of-farther']),
    'hypervisor': ('/os-hypervisors/{node_farther}', '2.104', lambda body: body['hypervisor']['hypervisor_hostname'],
                   'node-of-farther'),
    'hypervisor with its servers': ('/os-hypervisors/{node_far}?with_servers=1', '2.104', lambda body: len(
        body['hypervisor']['servers']), 1),
    'statistics': ('/os-hypervisors/statistics', '2.1', lambda body: [
        body['hypervisor_statistics'][name] for name in ('count', 'vcpus', 'local_gb')], [4, 2014, 200140]),
    'search': ('/os-hypervisors/node-of/search', '2.1', column('hypervisors', 'hypervisor_hostname'),
               ['node-of-far', 'node-of-farther']),
    'search for servers': ('/os-hypervisors/of-far/servers', '2.1', lambda body: [
        (node['hypervisor_hostname'], len(node.get('servers', ()))) for node in body['hypervisors']],
        [('node-of-far', 1), ('node-of-farther', 0)]),
    'services': ('/os-services?binary=nova-compute', '2.104', lambda body: sorted(
        (service['host'], service['state']) for service in body['services']),
        [(host, 'up') for host in ('far', 'farther', 'second', 'test')]),
    'hosts': ('/os-hosts', '2.1', lambda body: {host['host_name'] for host in body['hosts']} >= {*HOSTS, 'test'}, True),
    'host': ('/os-hosts/far', '2.1', lambda body: [
        (row['resource']['project'], row['resource']['cpu'], row['resource']['memory_mb']) for row in body['host']],
        [('(total)', 7, 7000), ('(used_now)', 0, 0), ('(used_max)', 1, 128), ('project-a', 1, 128)]),
    'servers': ('/servers?all_tenants=1', '2.104', column('servers', 'name'), BOTH),
    'status of hosts': ('/servers/detail?all_tenants=1', '2.104', lambda body: sorted(
        (server['name'], server['host_status']) for server in body['servers']), [('here', 'UP'), ('there', 'UP')]),
    'status of a host': ('/servers/{there}', '2.104', lambda body: body['server']['host_status'], 'UP'),
    'actions of a server': ('/servers/{there}/os-instance-actions', '2.104', lambda body: [
        action['action'] for action in body['instanceActions']], ['create']),
    'zones': ('/os-availability-zone/detail', '2.104', lambda body: sorted(next(
        zone['hosts'] for zone in body['availabilityZoneInfo'] if zone['zoneName'] == 'nova')),
        ['far', 'farther', 'second', 'test']),
    'moves': ('/os-migrations', '2.104', lambda body: len(body['migrations']), 7),
    'moves of a host': ('/os-migrations?host=far', '2.104', lambda body: len(body['migrations']), 7),
    'usage': ('/os-simple-tenant-usage/project-a?start=2026-01-01', '2.104', lambda body: sorted(
        server['name'] for server in body['tenant_usage']['server_usages']), BOTH),
    'audits': ('/os-instance_usage_audit_log', '2.104', lambda body: [
        sorted(body['instance_usage_audit_logs'][name]) for name in ('log', 'hosts_not_run')],
        [['far'], ['farther', 'second', 'test']]),
    'console': ('/os-console-auth-tokens/{token}', '2.104', lambda body: body['console']['host'], '192.0.2.9'),
}


@pytest.mark.parametrize('what', READS)
def test_reads(site, world, what):
    path, version, shown, expected = READS[what]
    assert shown(site.client().get(path.format(**world), version)) == expected


def pages(client, path, key, marker, version):
    """What is listed, page by page."""
    found, query = [], ''
    while True:
        page = client.get(f'{path}{query}', version)[key]
        if not page:
            return found
        assert len(found) < 20, f'{path} does not end'
        found.append([item[marker] for item in page])
        query = f'&marker={page[-1][marker]}'


@pytest.mark.parametrize('limit', [1, 2, 3, 5])
def test_pages_of_hypervisors(site, limit):
    client = site.client()
    whole = client.get('/os-hypervisors')['hypervisors']
    found = pages(client, f'/os-hypervisors?limit={limit}', 'hypervisors', 'id', '2.53')
    assert [uuid for page in found for uuid in page] == [node['id'] for node in whole]
    assert {len(page) for page in found[:-1]} <= {limit}
    first = client.get(f'/os-hypervisors?limit={limit}')
    assert ('hypervisors_links' in first) == (limit < 4)


@pytest.mark.parametrize('limit', [1, 2, 3])
def test_pages_of_hypervisors_by_number(site, limit):
    """Two nodes have each of the numbers: none is left out, and the pages end."""
    found = pages(site.client(), f'/os-hypervisors?limit={limit}', 'hypervisors', 'id', '2.33')
    assert [number for page in found for number in page] == [1, 1, 2, 2]
    assert site.client().call('GET', '/os-hypervisors?marker=9', version='2.33').status_code == 400
    assert site.client().get('/os-hypervisors?limit=0', version='2.33')['hypervisors'] == []


@pytest.mark.parametrize('limit', [1, 2, 3, 7])
def test_pages_of_moves(site, world, limit):
    found = pages(site.client(), f'/os-migrations?limit={limit}', 'migrations', 'uuid', '2.59')
    whole = [uuid for page in found for uuid in page]
    assert len(whole) == 7
    assert set(whole) == {*world['moves'], *world['moves here']}
    assert whole == [move['uuid'] for move in site.client().get('/os-migrations')['migrations']]
    assert (whole[0], whole[-1]) == (world['moves'][3], world['moves'][0])
    assert site.client().call('GET', f'/os-migrations?marker={world["here"]}').status_code == 400


@pytest.mark.parametrize('limit', [1, 2])
def test_pages_of_usage(site, world, limit):
    path = f'/os-simple-tenant-usage/project-a?start=2026-01-01&limit={limit}'
    found, query = [], ''
    for _page in range(3):
        usage = site.client().get(f'{path}{query}', '2.40')['tenant_usage'].get('server_usages', [])
        found += [server['instance_id'] for server in usage]
        query = f'&marker={found[-1]}'
    assert sorted(found) == sorted([world['here'], world['there']])


def service(client, host, binary='nova-compute'):
    return next(each for each in client.get('/os-services')['services'] if (each['host'], each['binary']) == (
        host, binary))


@contextlib.contextmanager
def forced_down(client, host):
    path = f'/os-services/{service(client, host)["id"]}'
    client.call('PUT', path, {'forced_down': True})
    try:
        yield
    finally:
        client.call('PUT', path, {'forced_down': False})


@pytest.mark.parametrize('path, body, version, key, value', [
    ('disable', {}, '2.1', 'status', 'disabled'),
    ('disable-log-reason', {'disabled_reason': 'dust'}, '2.52', 'disabled_reason', 'dust'),
    ('force-down', {'forced_down': True}, '2.11', 'forced_down', True),
    ('force-down', {'forced_down': False}, '2.52', 'forced_down', False),
    ('enable', {}, '2.1', 'status', 'enabled'),
    ('{service_far}', {'status': 'disabled', 'disabled_reason': 'rust'}, '2.53', 'disabled_reason', 'rust'),
    ('{service_far}', {'forced_down': True}, '2.104', 'state', 'down'),
    ('{service_far}', {'forced_down': False}, '2.104', 'state', 'up'),
    ('{service_far}', {'status': 'enabled'}, '2.104', 'status', 'enabled')])
def test_changes_of_services(site, world, path, body, version, key, value):
    client = site.client()
    if not path.startswith('{'):
        body = {'host': 'far', 'binary': 'nova-compute', **body}
    answer = client.call('PUT', f'/os-services/{path.format(**world)}', body, version)
    assert answer.status_code == 200, answer.text
    assert service(client, 'far')[key] == value
    assert service(client, 'test')['status'] == 'enabled'


def test_a_host_that_is_disabled(site):
    client = site.client()
    for status in ('disable', 'enable'):
        answer = client.call('PUT', '/os-hosts/far', {'status': status}, '2.1')
        assert answer.json() == {'host': 'far', 'status': f'{status}d'}
        assert service(client, 'far')['status'] == f'{status}d'
    assert client.call('PUT', '/os-hosts/nowhere', {'status': 'enable'}, '2.1').status_code == 404


@pytest.mark.parametrize('method, path, body, version, status', [
    # There is such a host, and nobody takes messages for it.
    ('GET', '/os-hypervisors/{node_far}/uptime', None, '2.87', 400),
    ('GET', '/os-hosts/far/reboot', None, '2.1', 400),
    ('PUT', '/os-hosts/far', {'maintenance_mode': 'enable'}, '2.1', 400),
    ('GET', '/os-hypervisors/' + VOLUME, None, '2.104', 404),
    ('PUT', '/os-services/' + VOLUME, {'status': 'enabled'}, '2.104', 404),
    ('DELETE', '/os-services/' + VOLUME, None, '2.104', 404),
    # It has a server.
    ('DELETE', '/os-services/{service_far}', None, '2.104', 409),
    # Which of the two is meant?
    ('DELETE', '/os-services/{service_number_far}', None, '2.52', 400),
    # Servers stay in their cell.
    ('POST', '/servers/{here}/action', {'migrate': {'host': 'far'}}, '2.104', 400),
    ('POST', '/servers/{here}/action', {'os-migrateLive': {'host': 'far', 'block_migration': 'auto'}}, '2.104', 400),
    ('POST', '/servers/{there}/action', {'evacuate': {'host': 'test'}}, '2.104', 400),
    ('POST', '/servers/{there}/action', {'migrate': {'host': 'test'}}, '2.104', 400),
    ('POST', '/os-assisted-volume-snapshots', {'snapshot': {'volume_id': VOLUME, 'create_info': {
        'snapshot_id': VOLUME, 'type': 'qcow2', 'new_file': 'f'}}}, '2.104', 200),
    ('POST', '/os-assisted-volume-snapshots', {'snapshot': {'volume_id': harness.IMAGE_ID, 'create_info': {
        'snapshot_id': VOLUME, 'type': 'qcow2', 'new_file': 'f'}}}, '2.104', 400)])
def test_answers(site, world, method, path, body, version, status):
    answer = site.client().call(method, path.format(**world), body, version)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize('server, action, to, status, says', [
    ('here', 'migrate', 'far', 400, 'another cell'), ('here', 'migrate', 'nowhere', 400, 'could not be found'),
    ('there', 'migrate', 'test', 400, 'another cell'), ('there', 'evacuate', 'test', 404, 'another cell'),
    ('there', 'evacuate', 'nowhere', 404, 'could not be found'),
    ('there', 'evacuate', 'far', 400, 'where the server exists')])
def test_a_server_stays_in_its_cell(site, world, server, action, to, status, says):
    client = site.client()
    with contextlib.ExitStack() as stack:
        if action == 'evacuate':
            stack.enter_context(forced_down(client, {'here': 'test', 'there': 'far'}[server]))
        answer = client.call('POST', f'/servers/{world[server]}/action', {action: {'host': to}})
    assert (answer.status_code, says in answer.text) == (status, True), answer.text


def test_events_of_servers_of_both_cells(site, world):
    events = [{'name': 'network-changed', 'server_uuid': uuid} for uuid in (
        world['here'], world['there'], VOLUME)]
    answer = site.client().call('POST', '/os-server-external-events', {'events': events})
    assert [event['code'] for event in answer.json()['events']] == [200, 200, 404]


def test_aggregates_have_hosts_of_all_cells(site, world):
    client, path = site.client(), f'/os-aggregates/{world["aggregate"]}'

    def act(action, body):
        return client.call('POST', f'{path}/action', {action: body}).status_code

    for host, status in (('far', 200), ('test', 200), ('far', 409), ('nowhere', 404)):
        assert act('add_host', {'host': host}) == status, host
    # Both have servers.
    for host in HOSTS[:1]:
        answer = client.call('PUT', path, {'aggregate': {'availability_zone': 'west'}})
        assert (answer.status_code, host in answer.text or 'test' in answer.text) == (409, True)
    assert client.call('POST', f'{path}/images', {'cache': [{'id': harness.IMAGE_ID}]}).status_code == 202
    assert act('remove_host', {'host': 'test'}) == 200
    answer = client.call('PUT', path, {'aggregate': {'availability_zone': 'west'}})
    assert (answer.status_code, 'far' in answer.text) == (409, True)
    for host in ('far', 'farther'):
        act('remove_host', {'host': host})
    assert client.call('PUT', path, {'aggregate': {'availability_zone': 'west'}}).status_code == 200
    assert act('add_host', {'host': 'far'}) == 409
    assert act('add_host', {'host': 'farther'}) == 200
    zones = {zone['zoneName']: zone['hosts'] for zone in client.get('/os-availability-zone/detail')[
        'availabilityZoneInfo']}
    assert set(zones['west']) == {'farther'}
    assert act('remove_host', {'host': 'farther'}) == 200


@pytest.mark.parametrize('where, status', [
    ({'host': 'nowhere'}, 400), ({'hypervisor_hostname': 'node-of'}, 400),
    ({'host': 'far', 'hypervisor_hostname': 'node-of-farther'}, 400), ({'host': 'far'}, 202),
    ({'hypervisor_hostname': 'node-of-farther'}, 202), ({'availability_zone': 'nova:far'}, 202),
    ({'availability_zone': 'nova:far:node-of-far'}, 202)])
def test_a_server_for_a_host_of_another_cell(site, where, status):
    client = site.client()
    answer = client.call('POST', '/servers', {'server': {
        'name': 'new', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none', **where}})
    assert answer.status_code == status, answer.text
    if status == 202:
        host = where.get('host') or where.get('hypervisor_hostname', 'node-of-far').removeprefix('node-of-')
        path = f'/servers/{answer.json()["server"]["id"]}'
        harness.wait_for(lambda: client.get(path)['server']['OS-EXT-SRV-ATTR:host'] == host, f'server on {host}')
        with forced_down(client, host):
            client.delete(answer.json()['server']['id'])
        assert {'create', 'delete'} <= {action['action'] for action in client.get(f'{path}/os-instance-actions')[
            'instanceActions']}
        assert client.call('GET', f'{path}/os-instance-actions', version='2.20').status_code == 404
        stranger = site.client('bob:project-b')
        assert stranger.call('GET', f'{path}/os-instance-actions').status_code == 404


@pytest.mark.parametrize('words, expected', [
    ('service list -c host', {'test', 'second', 'far', 'farther', 'control2'}),
    ('host list -c host', {'test', 'second', 'far', 'farther'}), ('vm list -c name', {'here', 'there'}),
    ('vm list far -c name', {'there'})])
def test_commands_show_all_cells(site, words, expected):
    assert set(site.manage(*words.split(), '-f', 'value').split()) >= expected


SHOW = ['service', 'list', '-f', 'json']


def test_commands_change_services_of_all_cells(site):
    steps = [('service disable far --reason moss', 0), ('service enable far', 0),
             ('service disable control2 nova-conductor', 0), ('service delete far', 3),
             ('service disable nowhere', 1), ('service disable nowhere nova-conductor', 1)]
    done = several(site, [word for words, _status in steps for word in (words.split(), SHOW)])
    assert [(words, code) for (words, _status), (code, _out, _errors) in zip(steps, done[::2], strict=True)] == steps
    shown = [{(row['host'], row['binary']): row['status'] for row in json.loads(out)}
             for _code, out, _errors in done[1::2]]
    assert [now['far', 'nova-compute'] for now in shown] == ['disabled', *['enabled'] * 5]
    assert [now['control2', 'nova-conductor'] for now in shown] == ['enabled', 'enabled', *['disabled'] * 4]
    site.manage('service', 'delete', 'control2', 'nova-conductor')
    assert not [each for each in site.client().get('/os-services')['services'] if each['host'] == 'control2']


def test_claims_are_checked_in_all_cells(site, world):
    context = nova_context.get_admin_context()
    with records(site), db.session.writer(in_second(context)) as conn:
        node = db.compute_nodes.by_uuid(conn, world['node_farther'])
        conn.execute(db.compute_nodes.compute_nodes.update().where(
            db.compute_nodes.compute_nodes.c.id == node['id']).values(vcpus_used=3))
    status, shown, _errors = call(site, 'claims', 'check', '-f', 'json')
    assert (status, [row['what'] for row in json.loads(shown)]) == (3, ['node node-of-farther on farther'])


def test_a_service_that_is_deleted(site, world):
    """Last: its host is gone then."""
    client = site.client()
    assert client.call('DELETE', f'/os-services/{world["service_farther"]}').status_code == 204
    assert set(column('hypervisors', 'hypervisor_hostname')(client.get('/os-hypervisors'))) == {
        'test', 'second', 'node-of-far'}
    assert 'farther' not in site.manage('cell_v2', 'list_hosts')
