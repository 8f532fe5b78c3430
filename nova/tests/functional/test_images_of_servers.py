# SPDX-License-Identifier: Apache-2.0
"""createImage, createBackup, rebuild, shelve and unshelve: what becomes of the server, and of the images."""

import pytest

from nova.tests import harness
from nova.tests.functional import sites

UNKNOWN = '22222222-2222-2222-2222-222222222222'


site = sites.own({'fake': {'more_hosts': 'second'}}, computes=2)


@pytest.fixture
def server(site, member):
    with member.booted('subject') as made:
        yield made
    assert site.leaks() == []
    for image in images(member):
        if image['name'] != 'guest':
            assert member.call('DELETE', f'/images/{image["id"]}', version='2.1').status_code == 204


def images(client):
    return client.get('/images/detail', '2.1')['images']


def act(client, server, name, value=None, version=None):
    return client.call('POST', f'/servers/{server["id"]}/action', {name: value}, version=version)


def last_action(site, server):
    return site.client().get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions'][0]


def test_an_image_of_a_server(member, server):
    answer = act(member, server, 'createImage', {'name': 'copy', 'metadata': {'colour': 'red'}})
    assert answer.status_code == 202
    member.wait(server['id'], 'ACTIVE')
    image = member.get(f'/images/{answer.json()["image_id"]}', '2.1')['image']
    assert (image['name'], image['status'], image['server']['id']) == ('copy', 'ACTIVE', server['id'])
    assert image['metadata']['colour'] == 'red'
    assert image['metadata']['image_type'] == 'snapshot'
    assert image['metadata']['base_image_ref'] == harness.IMAGE_ID
    old = act(member, server, 'createImage', {'name': 'older'}, '2.44')
    assert old.content == b''
    assert '/images/' in old.headers['Location']
    member.wait(server['id'], 'ACTIVE')
    booted = member.boot('from-the-copy', imageRef=image['id'])
    member.delete(booted['id'])


def test_backups_rotate(member, server):
    for number in range(3):
        assert act(member, server, 'createBackup', {'name': f'backup-{number}', 'backup_type': 'daily',
                                                    'rotation': 2}).status_code == 202
        member.wait(server['id'], 'ACTIVE')
    kept = {image['name'] for image in images(member)} - {'guest'}
    assert len(kept) == 2
    assert 'backup-2' in kept
    none = act(member, server, 'createBackup', {'name': 'x', 'backup_type': 'weekly', 'rotation': 0}, '2.44')
    assert 'Location' not in none.headers
    member.wait(server['id'], 'ACTIVE')
    assert {image['name'] for image in images(member)} - {'guest'} == kept


def test_a_rebuild_keeps_who_the_server_is(member, server):
    answer = act(member, server, 'rebuild', {'imageRef': harness.IMAGE_ID, 'name': 'reborn', 'adminPass': 'secret',
                                             'metadata': {'new': 'one'}, 'description': 'told'})
    assert answer.status_code == 202
    shown = answer.json()['server']
    assert (shown['id'], shown['name'], shown['adminPass']) == (server['id'], 'reborn', 'secret')
    assert (shown['metadata'], shown['description']) == ({'new': 'one'}, 'told')
    assert shown['status'] == 'REBUILD'
    assert answer.headers['Location'].endswith(f'/servers/{server["id"]}')
    assert member.wait(server['id'], 'ACTIVE')['name'] == 'reborn'


@pytest.mark.parametrize('version, has, has_not', [
    ('2.1', {'adminPass'}, {'key_name', 'user_data', 'locked'}), ('2.9', {'locked'}, {'description'}),
    ('2.54', {'key_name'}, {'user_data', 'config_drive'}), ('2.57', {'user_data'}, {'server_groups'}),
    ('2.75', {'config_drive', 'OS-EXT-STS:vm_state'}, {'pinned_availability_zone'}),
    ('2.96', {'pinned_availability_zone'}, {'scheduler_hints'})])
def test_the_answer_of_a_rebuild_by_version(site, member, server, version, has, has_not):
    shown = act(member, server, 'rebuild', {'imageRef': harness.IMAGE_ID}, version).json()['server']
    assert has <= set(shown)
    assert not has_not & set(shown)
    member.wait(server['id'], 'ACTIVE')
    assert act(site.client(), server, 'rebuild', {'imageRef': harness.IMAGE_ID}, version).status_code == 202
    member.wait(server['id'], 'ACTIVE')


def test_a_rebuild_of_a_stopped_server_from_another_image(member, server):
    image_id = act(member, server, 'createImage', {'name': 'other'}).json()['image_id']
    member.wait(server['id'], 'ACTIVE')
    act(member, server, 'os-stop')
    member.wait(server['id'], 'SHUTOFF')
    assert act(member, server, 'rebuild', {'imageRef': image_id}).status_code == 202
    assert member.wait(server['id'], 'SHUTOFF')['image']['id'] == image_id


def test_a_rebuild_that_no_host_takes_changes_nothing(site, member, server):
    bad = act(member, server, 'createImage', {'name': 'for-others', 'metadata': {'architecture': 'sparc'}})
    member.wait(server['id'], 'ACTIVE')
    assert act(member, server, 'rebuild', {'imageRef': bad.json()['image_id']}).status_code == 202
    shown = member.wait(server['id'], 'ACTIVE')
    assert shown['image']['id'] == harness.IMAGE_ID
    assert last_action(site, server)['message'].startswith('No valid host was found')


@pytest.mark.parametrize('action, body, status, says', [
    ('createImage', {}, 400, 'name'), ('createImage', {'name': ''}, 400, 'name'),
    ('createBackup', {'name': 'x', 'backup_type': 'daily', 'rotation': -1}, 400, 'rotation'),
    ('createBackup', {'name': 'x', 'backup_type': 'daily'}, 400, 'rotation'),
    ('rebuild', {}, 400, 'imageRef'), ('rebuild', {'imageRef': UNKNOWN}, 400, UNKNOWN),
    ('rebuild', {'imageRef': harness.IMAGE_ID, 'key_name': 'none'}, 400, 'none'),
    ('rebuild', {'imageRef': harness.IMAGE_ID, 'personality': []}, 400, 'personality'),
    ('unshelve', None, 409, 'vm_state'), ('unshelve', {}, 400, 'availability_zone')])
def test_what_is_refused(member, server, action, body, status, says):
    answer = act(member, server, action, body)
    assert answer.status_code == status
    assert says in answer.text
    assert member.get(f'/servers/{server["id"]}')['server']['status'] == 'ACTIVE'


def test_a_server_on_the_shelf_holds_nothing_and_comes_back(site, member, server):
    assert act(member, server, 'shelve').status_code == 202
    member.wait(server['id'], 'SHELVED_OFFLOADED')
    assert site.sql('SELECT * FROM claims') == []
    assert 'subject-shelved' in {image['name'] for image in images(member)}
    assert act(member, server, 'os-start').status_code == 409
    assert act(member, server, 'unshelve', {'availability_zone': 'nowhere'}).status_code == 400
    assert act(member, server, 'unshelve', {'host': 'second'}).status_code == 403
    assert act(member, server, 'unshelve').status_code == 202
    shown = member.wait(server['id'], 'ACTIVE')
    assert shown['image']['id'] == harness.IMAGE_ID
    assert len(site.sql('SELECT * FROM claims')) == 1
    assert 'subject-shelved' not in {image['name'] for image in images(member)}
    act(member, server, 'shelve')
    member.wait(server['id'], 'SHELVED_OFFLOADED')
    root = site.client()
    assert act(root, server, 'unshelve', {'host': 'second', 'availability_zone': None}).status_code == 202
    shown = root.wait(server['id'], 'ACTIVE')
    assert shown['OS-EXT-SRV-ATTR:host'] == 'second'
    assert shown['pinned_availability_zone'] is None


@pytest.mark.parametrize('action, body', [
    ('createImage', {'name': 'x'}), ('createBackup', {'name': 'x', 'backup_type': 'd', 'rotation': 1}),
    ('rebuild', {'imageRef': harness.IMAGE_ID}), ('shelve', None), ('unshelve', None), ('shelveOffload', None)])
def test_who_may(site, server, action, body):
    stranger = 403 if action == 'shelveOffload' else 404
    assert act(site.client('mallory:elsewhere'), server, action, body).status_code == stranger
    assert act(site.client('rita:project-a:reader'), server, action, body).status_code == 403


def test_shelved_servers_are_offloaded_in_time_and_resizes_confirmed():
    settings = {'DEFAULT': {'shelved_offload_time': 2, 'resize_confirm_window': 1}, 'fake': {'more_hosts': 'second'}}
    with harness.Cloud.all_in_one(settings) as cloud:
        cloud.wait_ready(2)
        cloud.manage('flavor', 'create', '--name', 'm1.big', '--id', '2', '--ram', '256', '--vcpus', '2', '--disk', '2')
        member = cloud.client()
        shelved, resized = member.boot('shelved'), member.boot('resized')
        act(member, shelved, 'shelve')
        act(member, resized, 'resize', {'flavorRef': '2'})
        member.wait(shelved['id'], 'SHELVED')
        act(member, shelved, 'unshelve')
        member.wait(shelved['id'], 'ACTIVE')
        act(member, shelved, 'shelve')
        member.wait(shelved['id'], 'SHELVED_OFFLOADED')
        member.wait(resized['id'], 'ACTIVE')
        assert cloud.leaks() == []
        assert not cloud.tracebacks()


@pytest.mark.parametrize('call, action, body', [
    ('snapshot', 'createImage', {'name': 'x'}), ('snapshot', 'shelve', None)])
def test_a_copy_that_fails_leaves_no_image(call, action, body):
    with harness.Cloud.all_in_one({'fake': {'failures': f'{call}:always'}}) as cloud:
        member = cloud.client()
        server = member.boot('unlucky')
        act(member, server, action, body)
        harness.wait_for(lambda: last_action(cloud, server)['message'] == 'Error', 'it failed')
        assert member.wait(server['id'], 'ACTIVE')['OS-EXT-STS:power_state'] == 1
        assert [image['name'] for image in images(member)] == ['guest']
