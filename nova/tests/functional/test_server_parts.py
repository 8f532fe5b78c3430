# SPDX-License-Identifier: Apache-2.0
"""Tags, topology, the guest's password, and what a project used."""

import pytest


@pytest.fixture(scope='module')
def server(cloud):
    member = cloud.client('alice:project-a')
    with member.booted('of-parts') as made:
        yield made


@pytest.fixture
def path(server):
    return f'/servers/{server["id"]}'


def test_tags_come_and_go(member, path):
    assert member.call('PUT', f'{path}/tags', {'tags': ['b', 'a', 'a']}).json() == {'tags': ['a', 'b']}
    first = member.call('PUT', f'{path}/tags/c')
    assert first.status_code == 201
    assert first.headers['Location'].endswith(f'{path}/tags/c')
    assert member.call('PUT', f'{path}/tags/c').status_code == 204
    assert member.get(path)['server']['tags'] == ['a', 'b', 'c']
    assert [found['id'] for found in member.get('/servers?tags=a,c')['servers']] == [path.split('/')[-1]]
    assert member.call('GET', f'{path}/tags/c').status_code == 204
    assert member.call('DELETE', f'{path}/tags/c').status_code == 204
    assert member.call('GET', f'{path}/tags/c').status_code == 404
    assert member.call('DELETE', f'{path}/tags/c').status_code == 404
    assert member.call('DELETE', f'{path}/tags').status_code == 204
    assert member.get(f'{path}/tags') == {'tags': []}


@pytest.mark.parametrize('tags', [['x' * 61], ['a,b'], ['a/b'], [''], [1], [f't{number}' for number in range(51)], 'a'])
def test_tags_that_are_none(member, path, tags):
    answer = member.call('PUT', f'{path}/tags', {'tags': tags})
    assert answer.status_code == 400
    assert 'tags' in answer.text


def test_a_server_has_fifty_tags_and_no_more(member, path):
    member.call('PUT', f'{path}/tags', {'tags': [f't{number}' for number in range(50)]})
    refused = member.call('PUT', f'{path}/tags/one-more')
    assert refused.status_code == 400
    assert '50' in refused.text
    member.call('DELETE', f'{path}/tags')


def test_tags_and_others(cloud, path):
    stranger, reader = cloud.client('mallory:elsewhere'), cloud.client('rita:project-a:reader')
    for method, suffix, body in (('GET', '', None), ('PUT', '', {'tags': []}), ('DELETE', '', None),
                                 ('PUT', '/x', None), ('DELETE', '/x', None), ('GET', '/x', None)):
        assert stranger.call(method, f'{path}/tags{suffix}', body).status_code == 404
        if method != 'GET':
            assert reader.call(method, f'{path}/tags{suffix}', body).status_code == 403
    assert reader.call('GET', f'{path}/tags').status_code == 200
    assert reader.call('GET', f'{path}/tags', version='2.25').status_code == 404


def test_the_password_that_a_guest_left(cloud, member, path):
    assert member.get(f'{path}/os-server-password') == {'password': ''}
    assert member.call('DELETE', f'{path}/os-server-password').status_code == 204
    assert cloud.client('mallory:elsewhere').call('GET', f'{path}/os-server-password').status_code == 404


def test_the_topology_of_a_server_without_one(cloud, member, path):
    assert member.get(f'{path}/topology') == {'nodes': [], 'pagesize_kb': None}
    assert member.call('GET', f'{path}/topology', version='2.77').status_code == 404
    assert cloud.client('mallory:elsewhere').call('GET', f'{path}/topology').status_code == 404


def test_usage_counts_deleted_servers_too(cloud, admin):
    member = cloud.client('uma:project-u')
    kept, gone = member.boot('kept'), member.boot('gone')
    member.delete(gone['id'])
    usage = member.get('/os-simple-tenant-usage/project-u?start=2020-01-01T00:00:00')['tenant_usage']
    states = {each['instance_id']: each['state'] for each in usage['server_usages']}
    assert states == {kept['id']: 'active', gone['id']: 'terminated'}
    assert usage['total_hours'] == pytest.approx(sum(each['hours'] for each in usage['server_usages']))
    assert usage['total_memory_mb_usage'] == pytest.approx(128 * usage['total_hours'])
    first = member.get('/os-simple-tenant-usage/project-u?start=2020-01-01T00:00:00&limit=1')
    assert len(first['tenant_usage']['server_usages']) == 1
    (link,) = first['tenant_usage_links']
    rest = member.get(link['href'])['tenant_usage']['server_usages']
    assert len(rest) == 1
    listed = admin.get('/os-simple-tenant-usage?start=2020-01-01T00:00:00')['tenant_usages']
    assert 'server_usages' not in next(each for each in listed if each['tenant_id'] == 'project-u')
    assert 'tenant_usage_links' not in member.get('/os-simple-tenant-usage/project-u?start=2020-01-01&limit=1', '2.39')
    member.call('DELETE', f'/servers/{kept["id"]}')


def test_usage_of_no_time_and_of_others(cloud, admin):
    assert admin.get('/os-simple-tenant-usage/nobody') == {'tenant_usage': {}}
    assert admin.call('GET', '/os-simple-tenant-usage?start=yesterday').status_code == 400
    assert admin.call('GET', '/os-simple-tenant-usage?start=2026-02-01&end=2026-01-01').status_code == 400
    member = cloud.client('uma:project-u')
    assert member.call('GET', '/os-simple-tenant-usage').status_code == 403
    assert member.call('GET', '/os-simple-tenant-usage/other').status_code == 403
