# SPDX-License-Identifier: Apache-2.0
"""/os-server-groups over its versions, and who sees what."""

import pytest

from nova.tests import harness

PATH = '/os-server-groups'


def make(client, version=harness.LATEST, **values):
    return client.post(PATH, {'server_group': {'name': 'group', **values}}, version)['server_group']


@pytest.mark.parametrize('version, body, keys', [
    ('2.1', {'policies': ['affinity']}, {'id', 'name', 'members', 'policies', 'metadata'}),
    ('2.13', {'policies': ['anti-affinity']}, {'id', 'name', 'members', 'policies', 'metadata', 'project_id',
                                               'user_id'}),
    ('2.15', {'policies': ['soft-affinity']}, {'id', 'name', 'members', 'policies', 'metadata', 'project_id',
                                               'user_id'}),
    ('2.64', {'policy': 'anti-affinity', 'rules': {'max_server_per_host': 3}},
     {'id', 'name', 'members', 'policy', 'rules', 'project_id', 'user_id'})])
def test_the_fields_of_each_version(member, version, body, keys):
    made = make(member, version, **body)
    assert set(made) == keys
    assert member.get(f'{PATH}/{made["id"]}', version)['server_group'] == made
    assert made in member.get(PATH, version)['server_groups']
    assert member.call('DELETE', f'{PATH}/{made["id"]}').status_code == 204
    assert member.call('DELETE', f'{PATH}/{made["id"]}').status_code == 404


@pytest.mark.parametrize('version, body, says', [
    ('2.14', {'policies': ['soft-affinity']}, 'policies'), ('2.1', {'policies': []}, 'policies'),
    ('2.1', {'policies': ['affinity', 'anti-affinity']}, 'policies'), ('2.64', {'policies': ['affinity']}, 'policy'),
    ('2.64', {'policy': 'affinity', 'rules': {'max_server_per_host': 1}}, 'max_server_per_host'),
    ('2.64', {'policy': 'anti-affinity', 'rules': {'max_server_per_host': 0}}, 'max_server_per_host'),
    ('2.64', {'policy': 'anti-affinity', 'rules': {'other': 1}}, 'other'), ('2.64', {'policy': 'legacy'}, 'policy')])
def test_what_is_refused(member, version, body, says):
    answer = member.call('POST', PATH, {'server_group': {'name': 'group', **body}}, version)
    assert answer.status_code == 400
    assert says in answer.json()['badRequest']['message']


def test_a_server_is_a_member_until_it_is_gone(member):
    group = make(member, policy='anti-affinity')
    answer = member.post('/servers', {'server': {'name': 'one', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID,
                                                 'networks': 'none'},
                                      'os:scheduler_hints': {'group': group['id']}})
    server = member.wait(answer['server']['id'], 'ACTIVE')
    assert server['server_groups'] == [group['id']]
    assert member.get(f'{PATH}/{group["id"]}')['server_group']['members'] == [server['id']]
    member.delete(server['id'])
    assert member.get(f'{PATH}/{group["id"]}')['server_group']['members'] == []
    member.call('DELETE', f'{PATH}/{group["id"]}')


def test_who_sees_a_group(cloud, admin, member):
    group = make(member, policy='affinity')
    stranger, reader = cloud.client('mallory:elsewhere'), cloud.client('rita:project-a:reader')
    assert group not in stranger.get(PATH)['server_groups']
    assert stranger.call('GET', f'{PATH}/{group["id"]}').status_code == 404
    assert stranger.call('DELETE', f'{PATH}/{group["id"]}').status_code == 404
    assert reader.get(f'{PATH}/{group["id"]}')['server_group'] == group
    assert reader.call('POST', PATH, {'server_group': {'name': 'x', 'policy': 'affinity'}}).status_code == 403
    assert reader.call('DELETE', f'{PATH}/{group["id"]}').status_code == 403
    assert group in admin.get(f'{PATH}?all_projects=true')['server_groups']
    assert group not in admin.get(PATH)['server_groups']
    assert member.call('DELETE', f'{PATH}/{group["id"]}').status_code == 204


def test_lists_come_in_pieces(cloud):
    member = cloud.client('peter:project-pieces')
    made = [make(member, policy='affinity')['id'] for _ in range(3)]
    assert [group['id'] for group in member.get(f'{PATH}?limit=2')['server_groups']] == made[:2]
    assert [group['id'] for group in member.get(f'{PATH}?limit=2&offset=2')['server_groups']] == made[2:]


def test_a_project_has_only_so_many(cloud, admin):
    member = cloud.client('quentin:project-few')
    admin.call('PUT', '/os-quota-sets/project-few', {'quota_set': {'server_groups': 1, 'server_group_members': 1}})
    group = make(member, policy='affinity')
    refused = member.call('POST', PATH, {'server_group': {'name': 'second', 'policy': 'affinity'}})
    assert refused.status_code == 403
    assert 'server groups' in refused.text
    request = {'server': {'name': 'two', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none',
                          'min_count': 2}, 'os:scheduler_hints': {'group': group['id']}}
    refused = member.call('POST', '/servers', request)
    assert refused.status_code == 403
    assert 'in group' in refused.text
    assert member.get('/servers')['servers'] == []
