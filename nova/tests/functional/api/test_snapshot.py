# SPDX-License-Identifier: Apache-2.0
"""createImage: what the image is, what the server is meanwhile and afterwards, who may, what is refused."""

import pytest

from nova.tests import harness
from nova.tests.functional import sites

site = sites.own()


@pytest.fixture(scope='module')
def server(site):
    client = site.client('alice:project-a')
    with client.booted('subject', metadata={'role': 'web'}) as made:
        yield made
    assert site.leaks() == []


def act(client, server, name, value=None, version=None):
    return client.call('POST', f'/servers/{server["id"]}/action', {name: value}, version=version)


def make_image(client, server, name='copy', **metadata):
    answer = act(client, server, 'createImage', {'name': name, 'metadata': metadata})
    assert answer.status_code == 202, answer.text
    return answer.json()['image_id']


def image(client, image_id):
    return client.get(f'/images/{image_id}', '2.1')['image']


def names(client):
    return sorted(one['name'] for one in client.get('/images', '2.1')['images'])


def last_action(site, server):
    root = site.client()
    found = root.get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions'][0]
    return root.get(f'/servers/{server["id"]}/os-instance-actions/{found["request_id"]}')['instanceAction']


@pytest.mark.parametrize('before, after, status', [
    (None, None, 'ACTIVE'), ('pause', 'unpause', 'PAUSED'), ('suspend', 'resume', 'SUSPENDED'),
    ('os-stop', 'os-start', 'SHUTOFF')])
def test_the_server_stays_as_it_is(site, member, server, before, after, status):
    if before:
        act(member, server, before)
    state = member.wait(server['id'], status)['OS-EXT-STS:power_state']
    image_id = make_image(member, server)
    assert member.wait(server['id'], status)['OS-EXT-STS:power_state'] == state
    assert image(member, image_id)['status'] == 'ACTIVE'
    done = last_action(site, server)
    assert (done['action'], done['message']) == ('createImage', None)
    assert [(step['event'], step['result']) for step in done['events']] == [
        ('compute_snapshot_instance', 'Success')]
    if after:
        act(member, server, after)
        member.wait(server['id'], 'ACTIVE')


def test_an_image_inherits_but_not_everything():
    settings = {'DEFAULT': {'non_inheritable_image_properties': 'secret,other'}}
    with harness.Cloud.all_in_one(settings) as cloud:
        disk = cloud.directory / 'special.raw'
        disk.write_bytes(bytes(65536))
        cloud.manage('image', 'register', str(disk), '--name', 'special', '--disk-format', 'raw', '--public',
                     '--property', 'hw_vif_model=e1000', '--property', 'secret=x', '--min-ram', '64')
        member = cloud.client('alice:project-a')
        special = next(one for one in member.get('/images', '2.1')['images'] if one['name'] == 'special')
        server = member.boot('subject', imageRef=special['id'])
        found = image(member, make_image(member, server, 'copy', colour='red'))
        assert {key: found['metadata'].get(key) for key in (
            'hw_vif_model', 'secret', 'colour', 'image_type', 'instance_uuid', 'base_image_ref')} == {
            'hw_vif_model': 'e1000', 'secret': None, 'colour': 'red', 'image_type': 'snapshot',
            'instance_uuid': server['id'], 'base_image_ref': special['id']}
        assert (found['minRam'], found['minDisk']) == (64, 1)


@pytest.mark.parametrize('version, has_body', [('2.1', False), ('2.44', False), ('2.45', True), (None, True)])
def test_where_the_image_is_by_version(member, server, version, has_body):
    answer = act(member, server, 'createImage', {'name': 'located'}, version)
    assert answer.status_code == 202
    if has_body:
        image_id = answer.json()['image_id']
        assert 'Location' not in answer.headers
    else:
        assert answer.content == b''
        image_id = answer.headers['Location'].rpartition('/images/')[2]
    member.wait(server['id'], 'ACTIVE')
    assert image(member, image_id)['name'] == 'located'


@pytest.mark.parametrize('value, says', [
    (None, 'createImage'), ({}, 'name'), ({'name': ''}, 'name'), ({'name': 'x' * 256}, 'name'), ({'name': 5}, 'name'),
    ({'name': ' x '}, 'name'), ({'name': 'x', 'metadata': []}, 'metadata'),
    ({'name': 'x', 'metadata': {'a': 1}}, 'a'), ({'name': 'x', 'metadata': {'a/b': 'c'}}, 'a/b'),
    ({'name': 'x', 'colour': 'red'}, 'colour')])
def test_bad_bodies(member, server, value, says):
    before = names(member)
    answer = act(member, server, 'createImage', value)
    assert answer.status_code == 400
    assert says in answer.json()['badRequest']['message']
    assert names(member) == before
    assert member.get(f'/servers/{server["id"]}')['server']['OS-EXT-STS:task_state'] is None


@pytest.mark.parametrize('token, status', [
    ('mallory:elsewhere', 404), ('rita:project-a:reader', 403), ('admin:demo', 202), ('bob:project-a', 202)])
def test_who_may(site, member, server, token, status):
    answer = act(site.client(token), server, 'createImage', {'name': 'whose'})
    assert answer.status_code == status
    member.wait(server['id'], 'ACTIVE')


def test_a_lock_does_not_matter_and_a_task_does(site, member, server):
    root = site.client()
    act(root, server, 'lock')
    make_image(member, server)
    second = act(member, server, 'createImage', {'name': 'second'})
    if second.status_code != 202:       # the first one was still going on
        assert second.status_code == 409
        assert 'task_state' in second.json()['conflictingRequest']['message']
    member.wait(server['id'], 'ACTIVE')
    act(root, server, 'unlock')
    act(root, server, 'os-resetState', {'state': 'error'})
    before = names(member)
    refused = act(member, server, 'createImage', {'name': 'broken'})
    assert refused.status_code == 409
    assert 'vm_state' in refused.json()['conflictingRequest']['message']
    assert names(member) == before
    act(root, server, 'os-resetState', {'state': 'active'})


def test_an_unknown_server(member):
    assert act(member, {'id': '22222222-2222-2222-2222-222222222222'}, 'createImage', {'name': 'x'}).status_code == 404


def test_the_quota_of_properties_until_2_38(site, member, server):
    site.client().call('PUT', '/os-quota-sets/project-a', {'quota_set': {'metadata_items': 1}})
    try:
        too_many = {'name': 'x', 'metadata': {'a': '1', 'b': '2'}}
        for action, value in (('createImage', too_many),
                              ('createBackup', {**too_many, 'backup_type': 'd', 'rotation': 1})):
            assert act(member, server, action, value, '2.38').status_code == 403
            assert act(member, server, action, value, '2.39').status_code == 202
            member.wait(server['id'], 'ACTIVE')
    finally:
        site.client().call('DELETE', '/os-quota-sets/project-a')


def test_where_images_are_not_permitted():
    with harness.Cloud.all_in_one({'api': {'allow_instance_snapshots': False}}) as cloud:
        member = cloud.client()
        server = member.boot('subject')
        for action, value in (('createImage', {'name': 'x'}),
                              ('createBackup', {'name': 'x', 'backup_type': 'd', 'rotation': 1})):
            answer = act(member, server, action, value)
            assert answer.status_code == 400
            assert 'not permitted' in answer.json()['badRequest']['message']


def test_a_deletion_in_the_middle_wins_and_no_image_stays():
    with harness.Cloud.all_in_one({'fake': {'delays': 'snapshot:2'}}) as cloud:
        member = cloud.client()
        server = member.boot('subject')
        make_image(member, server)
        assert names(member) == ['copy', 'guest']
        assert member.call('DELETE', f'/servers/{server["id"]}').status_code == 204
        member.gone(server['id'])
        harness.wait_for(lambda: names(member) == ['guest'], 'the image went')
        assert cloud.leaks() == []


def test_it_goes_on_after_a_restart_of_the_host(tmp_path):
    settings = {'fake': {'delays': 'snapshot:3', 'state_file': tmp_path / 'guests'}}
    with harness.Cloud.all_in_one(settings) as cloud:
        member = cloud.client()
        server = member.boot('subject')
        image_id = make_image(member, server)
        harness.wait_for(lambda: member.get(f'/servers/{server["id"]}')['server']['OS-EXT-STS:task_state']
                         == 'image_snapshot', 'it began')
        cloud.kill('nova-all')
        cloud.start('nova-all')
        cloud.wait_ready()
        member.wait(server['id'], 'ACTIVE')
        assert image(member, image_id)['status'] == 'ACTIVE'
        assert last_action(cloud, server)['message'] is None


def test_what_fails_is_said_in_the_action_and_leaves_no_image():
    with harness.Cloud.all_in_one({'fake': {'failures': 'snapshot:always'}}) as cloud:
        member = cloud.client()
        server = member.boot('subject')
        for action, value in (('createImage', {'name': 'x'}),
                              ('createBackup', {'name': 'x', 'backup_type': 'd', 'rotation': 1})):
            act(member, server, action, value)
            harness.wait_for(lambda action=action: (last_action(cloud, server)['action'],
                                                    last_action(cloud, server)['message']) == (action, 'Error'), action)
            assert member.wait(server['id'], 'ACTIVE')['OS-EXT-STS:power_state'] == 1
            assert last_action(cloud, server)['events'][0]['result'] == 'Error'
            assert names(member) == ['guest']


def test_an_image_that_is_deleted_meanwhile_is_no_failure():
    with harness.Cloud.all_in_one({'fake': {'delays': 'snapshot:2'}}) as cloud:
        client = cloud.client()
        server = client.boot('subject')
        image_id = act(client, server, 'createImage', {'name': 'unwanted'}).json()['image_id']
        assert client.call('DELETE', f'/images/{image_id}', version='2.1').status_code == 204
        client.wait(server['id'], 'ACTIVE')
        assert client.get(f'/servers/{server["id"]}').get('fault') is None
        assert not cloud.tracebacks()
