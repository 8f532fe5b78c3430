# SPDX-License-Identifier: Apache-2.0
"""A cell whose database does not answer: its servers and services are shown as far as they are known (2.69)."""

import pytest
import sqlalchemy as sa

from nova.tests import harness


def change(cloud, statement):
    engine = sa.create_engine(cloud.database)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


@pytest.fixture(scope='module')
def site():
    with harness.Cloud.all_in_one() as cloud:
        yield cloud


@pytest.fixture(scope='module')
def servers(site):
    """(one here, one of which only the mapping tells where it is)"""
    client = site.client('alice:project-a')
    here, there = client.boot('here')['id'], client.boot('there')['id']
    site.manage('cell_v2', 'create_cell', '--name', 'away', '--transport-url', 'local://', '--database_connection',
                f'mysql+pymysql://root:secret@127.0.0.1:{harness.free_port()}/nothing?connect_timeout=1')
    assert 'secret' not in site.manage('cell_v2', 'list_cells')
    (cell,) = site.sql("SELECT id FROM cell_mappings WHERE name = 'away'")
    change(site, f"UPDATE instance_mappings SET cell_id = {cell['id']} WHERE instance_uuid = '{there}'")
    # In its own tables, which are away: for the others it is not there.
    change(site, f"UPDATE instances SET deleted = id WHERE uuid = '{there}'")
    change(site, f"INSERT INTO host_mappings (host, cell_id) VALUES ('far', {cell['id']})")
    # Services look at cells every half a minute, and at their start.
    site.stop('nova-all')
    site.start('nova-all')
    site.wait_ready()
    return here, there


@pytest.mark.parametrize('path, keys', [
    ('/servers', {'id', 'status', 'links'}), ('/servers/detail', {'id', 'status', 'links', 'tenant_id', 'created'})])
def test_lists(site, servers, path, keys):
    here, there = servers
    client = site.client('alice:project-a')
    found = {server['id']: server for server in client.get(path)['servers']}
    assert set(found) == {here, there}
    assert set(found[there]) == keys
    assert found[there]['status'] == 'UNKNOWN'
    assert {server['id'] for server in client.get(path, version='2.68')['servers']} == {here}
    for query in ('name=e', 'sort_key=display_name', 'status=ACTIVE'):
        assert {server['id'] for server in client.get(f'{path}?{query}')['servers']} == {here}
    assert len(client.get(f'{path}?limit=1')['servers']) == 1
    assert {server['id'] for server in site.client('bob:project-b').get(path)['servers']} == set()
    assert {here, there} <= {server['id'] for server in site.client().get(f'{path}?all_tenants=1')['servers']}


def test_one(site, servers):
    here, there = servers
    client = site.client('alice:project-a')
    server = client.get(f'/servers/{there}')['server']
    assert set(server) == {'id', 'status', 'tenant_id', 'created', 'links', 'user_id', 'image', 'flavor',
                           'OS-EXT-AZ:availability_zone', 'OS-EXT-STS:power_state', 'server_groups'}
    assert (server['status'], server['tenant_id'], server['user_id']) == ('UNKNOWN', 'project-a', 'alice')
    assert server['image']['id'] == harness.IMAGE_ID
    assert (server['flavor']['original_name'], server['OS-EXT-AZ:availability_zone']) == ('m1.test', 'UNKNOWN')
    assert 'server_groups' not in client.get(f'/servers/{there}', '2.70')['server']
    assert client.call('GET', f'/servers/{there}', version='2.68').status_code == 503
    assert site.client('bob:project-b').call('GET', f'/servers/{there}').status_code == 404
    assert client.get(f'/servers/{here}')['server']['status'] == 'ACTIVE'


def test_services(site, servers):
    admin = site.client()
    unknown = [service for service in admin.get('/os-services')['services'] if service['status'] == 'UNKNOWN']
    assert unknown == [{'binary': 'nova-compute', 'host': 'far', 'status': 'UNKNOWN'}]
    for path, version in (('/os-services', '2.68'), ('/os-services?binary=nova-compute', '2.69'),
                          ('/os-services?host=far', '2.69')):
        assert not [one for one in admin.get(path, version)['services'] if one['status'] == 'UNKNOWN'], (path, version)


@pytest.mark.parametrize('path, version', [
    ('/os-availability-zone/detail', '2.104'), ('/os-hosts', '2.1'), ('/os-simple-tenant-usage?detailed=1', '2.104'),
    ('/os-simple-tenant-usage/project-a', '2.104'), ('/os-instance_usage_audit_log', '2.104'),
    ('/os-hypervisors/detail', '2.104'), ('/os-hypervisors/statistics', '2.1'), ('/os-aggregates', '2.104'),
    ('/os-migrations', '2.104'), ('/limits', '2.104'), ('/os-quota-sets/project-a/detail', '2.104'),
    ('/os-server-groups', '2.104')])
def test_what_other_cells_know_is_told(site, servers, path, version):
    assert site.client().get(path, version)


def test_claims_of_other_cells_are_not_said_to_be_right(site, servers):
    assert 'cell away does not answer' in site.manage('claims', 'check', check=False)


def test_other_cells_go_on(site, servers):
    client = site.client('alice:project-a')
    group = client.call('POST', '/os-server-groups', {'server_group': {'name': 'g', 'policy': 'affinity'}})
    group_id = group.json()['server_group']['id']
    for name in ('third', 'fourth'):
        made = client.post('/servers', {
            'server': {'name': name, 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none'},
            'os:scheduler_hints': {'group': group_id}})
        client.wait(made['server']['id'], 'ACTIVE')
    assert client.call('DELETE', f"/servers/{made['server']['id']}").status_code == 204
    client.gone(made['server']['id'])
    assert client.call('DELETE', f'/os-server-groups/{group_id}').status_code == 204
