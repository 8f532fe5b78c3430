# SPDX-License-Identifier: Apache-2.0
"""/os-quota-sets and /os-quota-class-sets over their versions."""

import pytest

from nova.tests import harness

SET = '/os-quota-sets/project-q'
ALWAYS = {'instances', 'cores', 'ram', 'metadata_items', 'key_pairs'}
GROUPS = {'server_groups', 'server_group_members'}
NETWORK = {'fixed_ips', 'floating_ips', 'security_groups', 'security_group_rules'}
FILES = {'injected_files', 'injected_file_content_bytes', 'injected_file_path_bytes'}


@pytest.fixture(autouse=True)
def defaults_again(admin):
    yield
    admin.call('DELETE', SET)


@pytest.mark.parametrize('version, keys', [
    ('2.1', ALWAYS | GROUPS | NETWORK | FILES), ('2.36', ALWAYS | GROUPS | FILES), ('2.57', ALWAYS | GROUPS)])
def test_the_resources_of_each_version(admin, version, keys):
    assert set(admin.get(SET, version)['quota_set']) == keys | {'id'}
    assert set(admin.get(f'{SET}/defaults', version)['quota_set']) == keys | {'id'}
    detail = admin.get(f'{SET}/detail', version)['quota_set']
    assert set(detail) == keys | {'id'}
    assert set(detail['cores']) == {'limit', 'in_use', 'reserved'}


@pytest.mark.parametrize('version, keys', [
    ('2.1', ALWAYS | NETWORK | FILES), ('2.50', ALWAYS | GROUPS | FILES), ('2.57', ALWAYS | GROUPS)])
def test_the_resources_of_classes(admin, version, keys):
    assert set(admin.get('/os-quota-class-sets/default', version)['quota_class_set']) == keys | {'id'}


def test_limits_are_set_and_forgotten(admin):
    answer = admin.call('PUT', SET, {'quota_set': {'cores': '7', 'ram': 1000}})
    assert answer.status_code == 200
    assert answer.json()['quota_set']['cores'] == 7
    assert 'id' not in answer.json()['quota_set']
    assert admin.get(f'{SET}/detail')['quota_set']['cores'] == {'limit': 7, 'in_use': 0, 'reserved': 0}
    assert admin.call('PUT', f'{SET}?user_id=eve', {'quota_set': {'cores': 8}}).status_code == 400
    assert admin.call('PUT', f'{SET}?user_id=eve', {'quota_set': {'cores': 5}}).status_code == 200
    assert admin.get(f'{SET}?user_id=eve')['quota_set']['cores'] == 5
    assert admin.get(SET)['quota_set']['cores'] == 7
    assert admin.call('DELETE', SET).status_code == 202
    assert admin.get(SET)['quota_set']['cores'] == admin.get(f'{SET}/defaults')['quota_set']['cores']


@pytest.mark.parametrize('version, body, says', [
    ('2.104', {'cores': -2}, 'cores'), ('2.104', {'cores': 'many'}, 'cores'), ('2.104', {'bananas': 1}, 'bananas'),
    ('2.36', {'floating_ips': 1}, 'floating_ips'), ('2.57', {'injected_files': 1}, 'injected_files'),
    ('2.104', {'cores': 2 ** 31}, 'cores')])
def test_what_is_refused(admin, version, body, says):
    answer = admin.call('PUT', SET, {'quota_set': body}, version)
    assert answer.status_code == 400
    assert says in answer.json()['badRequest']['message']


def test_a_limit_below_what_is_used_needs_force(cloud, admin):
    member = cloud.client('quinn:project-q')
    server = member.boot('one')
    refused = admin.call('PUT', SET, {'quota_set': {'instances': 0}})
    assert refused.status_code == 400
    assert 'in use' in refused.text
    assert admin.call('PUT', SET, {'quota_set': {'instances': 0, 'force': True}}).status_code == 200
    assert member.get(f'{SET}/detail')['quota_set']['instances'] == {'limit': 0, 'in_use': 1, 'reserved': 0}
    member.delete(server['id'])


def test_who_may(cloud, admin):
    member, stranger = cloud.client('quinn:project-q'), cloud.client('mallory:elsewhere')
    assert member.call('GET', SET).status_code == 200
    assert member.call('GET', f'{SET}/detail').status_code == 200
    assert stranger.call('GET', SET).status_code == 403
    assert stranger.call('GET', f'{SET}/detail').status_code == 403
    for client in (member, stranger):
        assert client.call('PUT', SET, {'quota_set': {'cores': 9}}).status_code == 403
        assert client.call('DELETE', SET).status_code == 403
        assert client.call('GET', '/os-quota-class-sets/default').status_code == 403
        assert client.call('PUT', '/os-quota-class-sets/default', {'quota_class_set': {'cores': 1}}).status_code == 403


def test_the_default_class_is_what_projects_have(admin):
    before = admin.get('/os-quota-class-sets/default')['quota_class_set']['key_pairs']
    try:
        answer = admin.call('PUT', '/os-quota-class-sets/default', {'quota_class_set': {'key_pairs': 77}})
        assert answer.json()['quota_class_set']['key_pairs'] == 77
        assert admin.get(SET)['quota_set']['key_pairs'] == 77
    finally:
        admin.call('PUT', '/os-quota-class-sets/default', {'quota_class_set': {'key_pairs': before}})


def test_a_users_own_limit_holds_beside_the_projects(cloud, admin):
    eve, mallory = cloud.client('eve:project-q'), cloud.client('mallory:project-q')
    assert admin.call('PUT', SET, {'quota_set': {'instances': 2}}).status_code == 200
    assert admin.call('PUT', f'{SET}?user_id=eve', {'quota_set': {'instances': 1}}).status_code == 200
    server = {'server': {'name': 'one', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none'}}
    made = [eve.post('/servers', server)['server']['id']]
    answer = eve.call('POST', '/servers', server)
    assert answer.status_code == 403
    assert 'Requested 1, but already used 1 of 1 instances' in answer.json()['forbidden']['message']
    made.append(mallory.post('/servers', server)['server']['id'])
    assert 'used 2 of 2 instances' in mallory.call('POST', '/servers', server).json()['forbidden']['message']
    for uuid in made:
        eve.delete(uuid)


@pytest.mark.parametrize('resource, limit, enough', [('cores', 1, 2), ('ram', 128, 256)])
def test_a_limit_of_a_user_holds_for_a_resize_too(site, admin, resource, limit, enough):
    quinn = site.client('quinn:project-q')
    flavor = {'name': f'twice-{resource}', 'ram': 256, 'vcpus': 2, 'disk': 1}
    resize = {'resize': {'flavorRef': admin.post('/flavors', {'flavor': flavor})['flavor']['id']}}
    with quinn.booted('one') as server:
        assert admin.call('PUT', f'{SET}?user_id=quinn', {'quota_set': {resource: limit}}).status_code == 200
        # It is the owner's room that is taken, whoever asks.
        for client in (quinn, admin):
            refused = client.call('POST', f'/servers/{server["id"]}/action', resize)
            assert refused.status_code == 403, refused.text
            assert f'already used {limit} of {limit} {resource}' in refused.json()['forbidden']['message']
        assert admin.call('PUT', f'{SET}?user_id=quinn', {'quota_set': {resource: enough}}).status_code == 200
        assert quinn.call('POST', f'/servers/{server["id"]}/action', resize).status_code == 202
    admin.call('DELETE', f'/flavors/{resize["resize"]["flavorRef"]}')
