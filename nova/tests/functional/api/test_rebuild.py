# SPDX-License-Identifier: Apache-2.0
"""Rebuild: what changes, what stays, what is asked of whom, and where it ends when it fails."""

import base64

import pytest

from nova.tests import harness
from nova.tests.functional import sites

UNKNOWN = '22222222-2222-2222-2222-222222222222'
OTHER = '33333333-3333-3333-3333-333333333333'
LARGE = '44444444-4444-4444-4444-444444444444'
ALIEN = '55555555-5555-5555-5555-555555555555'
#: What an image has besides its content.
MORE = {OTHER: (), LARGE: ('--min-disk', '50'),
        ALIEN: ('--property', 'hw_architecture=sparc', '--property', 'auto_disk_config=disabled')}


def register(cloud, *image_ids):
    disk = cloud.directory / 'other.raw'
    disk.write_bytes(bytes(65536))
    for image_id in image_ids:
        cloud.manage('image', 'register', str(disk), '--name', image_id[:4], '--disk-format', 'raw', '--public', '--id',
                     image_id, *MORE[image_id])


def prepare(cloud):
    sites.make_private_network(cloud)
    register(cloud, *MORE)


site = sites.own(prepare=prepare)


@pytest.fixture
def server(site, member):
    with member.booted('subject', networks='auto', metadata={'role': 'web'}) as made:
        yield made
    assert site.leaks() == []


def act(client, server, name, value=None, version=None):
    return client.call('POST', f'/servers/{server["id"]}/action', {name: value}, version=version)


def rebuild(client, server, image_id=harness.IMAGE_ID, status=202, version=None, **more):
    answer = act(client, server, 'rebuild', {'imageRef': image_id, **more}, version)
    assert answer.status_code == status, answer.text
    return answer


def shown(site, server):
    return site.client().get(f'/servers/{server["id"]}')['server']


def action(site, server):
    root = site.client()
    found = root.get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions'][0]
    return root.get(f'/servers/{server["id"]}/os-instance-actions/{found["request_id"]}')['instanceAction']


def test_addresses_claims_and_names_stay(site, member, server):
    before, claims = shown(site, server), site.sql('SELECT * FROM claims')
    rebuild(member, server, OTHER)
    member.wait(server['id'], 'ACTIVE')
    after = shown(site, server)
    for name in ('id', 'name', 'addresses', 'metadata', 'created', 'hostId', 'OS-EXT-SRV-ATTR:host',
                 'OS-EXT-SRV-ATTR:hostname', 'key_name', 'flavor'):
        assert after[name] == before[name], name
    assert after['image']['id'] == OTHER
    assert after['addresses']['private']
    assert site.sql('SELECT * FROM claims') == claims


def test_only_a_new_image_is_the_schedulers_business(site, member, server):
    rebuild(member, server)
    member.wait(server['id'], 'ACTIVE')
    done = action(site, server)
    assert (done['action'], [step['event'] for step in done['events']]) == ('rebuild', ['compute_rebuild_instance'])
    rebuild(member, server, OTHER)
    member.wait(server['id'], 'ACTIVE')
    assert sorted(step['event'] for step in action(site, server)['events']) == [
        'compute_rebuild_instance', 'conductor_rebuild_instance']


def test_each_thing_that_may_change(site, member, server):
    member.post('/os-keypairs', {'keypair': {'name': 'key', 'type': 'ssh'}}, '2.91')
    try:
        data = base64.b64encode(b'#!/bin/sh').decode()
        rebuild(member, server, name='reborn', metadata={'a': 'b'}, description='told', key_name='key', user_data=data,
                hostname='host.example', accessIPv4='192.0.2.9', accessIPv6='2001:db8::9',
                trusted_image_certificates=['one', 'two'], **{'OS-DCF:diskConfig': 'MANUAL'})
        there = {**member.wait(server['id'], 'ACTIVE'), **{
            name: shown(site, server)[name] for name in ('OS-EXT-SRV-ATTR:user_data', 'OS-EXT-SRV-ATTR:hostname')}}
        wanted = {'name': 'reborn', 'metadata': {'a': 'b'}, 'description': 'told', 'key_name': 'key',
                  'OS-EXT-SRV-ATTR:user_data': data, 'OS-EXT-SRV-ATTR:hostname': 'host.example',
                  'accessIPv4': '192.0.2.9', 'accessIPv6': '2001:db8::9', 'OS-DCF:diskConfig': 'MANUAL',
                  'trusted_image_certificates': ['one', 'two']}
        assert {name: there[name] for name in wanted} == wanted
        # Saying nothing changes nothing; null takes away.
        rebuild(member, server)
        assert {name: {**member.wait(server['id'], 'ACTIVE'), **there}[name] for name in wanted} == wanted
        answer = rebuild(member, server, key_name=None, user_data=None, description=None, metadata={},
                         trusted_image_certificates=None).json()['server']
        assert [answer[name] for name in ('key_name', 'user_data', 'description', 'metadata',
                                          'trusted_image_certificates')] == [None, None, None, {}, None]
        member.wait(server['id'], 'ACTIVE')
    finally:
        member.call('DELETE', '/os-keypairs/key')


@pytest.mark.parametrize('name, value, since, until', [
    ('description', 'x', '2.19', None), ('key_name', None, '2.54', None), ('user_data', None, '2.57', None),
    ('trusted_image_certificates', None, '2.63', None), ('hostname', 'name', '2.90', None),
    ('personality', [], None, '2.56')])
def test_from_when_to_when(member, server, name, value, since, until):
    def at(version, status):
        answer = rebuild(member, server, status=status, version=version, **{name: value})
        if status == 400:
            assert name in answer.json()['badRequest']['message']
        member.wait(server['id'], 'ACTIVE')

    def beside(version, step):
        return f'2.{int(version[2:]) + step}'
    if since:
        at(beside(since, -1), 400)
        at(since, 202)
    if until:
        at(until, 202)
        at(beside(until, 1), 400)


def test_files_in_the_guest_until_2_56(site, member, server):
    files = [{'path': '/etc/motd', 'contents': base64.b64encode(b'welcome').decode()}]
    rebuild(member, server, version='2.56', personality=files)
    member.wait(server['id'], 'ACTIVE')
    rebuild(member, server, version='2.56', personality=files * 6, status=403)
    site.client().call('PUT', '/os-quota-sets/project-a', {'quota_set': {'metadata_items': 1}})
    try:
        rebuild(member, server, metadata={'a': '1', 'b': '2'}, status=403)
    finally:
        site.client().call('DELETE', '/os-quota-sets/project-a')


@pytest.mark.parametrize('value, says', [
    (None, 'rebuild'), ({}, 'imageRef'), ({'imageRef': None}, 'imageRef'), ({'imageRef': 5}, 'imageRef'),
    ({'imageRef': UNKNOWN}, UNKNOWN), ({'imageRef': LARGE}, 'min_disk'), ({'imageRef': OTHER, 'name': ''}, 'name'),
    ({'imageRef': OTHER, 'metadata': {'a': 1}}, 'a'), ({'imageRef': OTHER, 'adminPass': 5}, 'adminPass'),
    ({'imageRef': OTHER, 'preserve_ephemeral': 'maybe'}, 'preserve_ephemeral'),
    ({'imageRef': OTHER, 'OS-DCF:diskConfig': 'SOME'}, 'OS-DCF:diskConfig'),
    ({'imageRef': ALIEN, 'OS-DCF:diskConfig': 'AUTO'}, 'OS-DCF:diskConfig'),
    ({'imageRef': OTHER, 'accessIPv4': 'x'}, 'accessIPv4'),
    ({'imageRef': OTHER, 'accessIPv6': '1.2.3.4'}, 'accessIPv6'),
    ({'imageRef': OTHER, 'key_name': 'nobody'}, 'nobody'), ({'imageRef': OTHER, 'user_data': 'x'}, 'user_data'),
    ({'imageRef': OTHER, 'hostname': 'a b'}, 'hostname'), ({'imageRef': OTHER, 'colour': 'red'}, 'colour'),
    ({'imageRef': OTHER, 'trusted_image_certificates': []}, 'trusted_image_certificates'),
    ({'imageRef': OTHER, 'description': 'x' * 256}, 'description')])
def test_bad_bodies(site, member, server, value, says):
    answer = act(member, server, 'rebuild', value)
    assert answer.status_code == 400
    assert says.lower() in answer.json()['badRequest']['message'].lower()
    there = shown(site, server)
    assert (there['status'], there['image']['id'], there['name']) == ('ACTIVE', harness.IMAGE_ID, 'subject')


@pytest.mark.parametrize('token, status', [
    ('mallory:elsewhere', 404), ('rita:project-a:reader', 403), ('admin:demo', 202), ('bob:project-a', 202)])
def test_who_may(site, member, server, token, status):
    rebuild(site.client(token), server, status=status)
    member.wait(server['id'], 'ACTIVE')


def test_states(site, member, server):
    root = site.client()
    act(member, server, 'pause')
    member.wait(server['id'], 'PAUSED')
    answer = rebuild(member, server, status=409)
    assert 'vm_state paused' in answer.json()['conflictingRequest']['message']
    act(member, server, 'unpause')
    member.wait(server['id'], 'ACTIVE')
    act(root, server, 'lock')
    rebuild(member, server, status=409)
    act(root, server, 'unlock')
    act(member, server, 'os-stop')
    member.wait(server['id'], 'SHUTOFF')
    assert rebuild(member, server, OTHER).json()['server']['status'] == 'REBUILD'
    assert member.wait(server['id'], 'SHUTOFF')['OS-EXT-STS:power_state'] == 4
    act(member, server, 'os-start')
    member.wait(server['id'], 'ACTIVE')


def test_an_image_that_the_host_cannot_run_changes_nothing(site, member, server):
    rebuild(member, server, ALIEN)
    harness.wait_for(lambda: 'No valid host' in (action(site, server)['message'] or ''), 'it failed')
    there = member.wait(server['id'], 'ACTIVE')
    assert (there['image']['id'], there['OS-EXT-STS:power_state']) == (harness.IMAGE_ID, 1)
    assert len(site.sql('SELECT * FROM claims')) == 1


def test_an_image_url_will_do(member, server):
    rebuild(member, server, f'http://images.example/v2/images/{OTHER}')
    assert member.wait(server['id'], 'ACTIVE')['image']['id'] == OTHER


def test_a_full_and_disabled_host_rebuilds_from_another_image():
    """What the server holds there it holds already."""
    with harness.Cloud.all_in_one({'fake': {'memory_mb': 128}}) as cloud:
        register(cloud, OTHER, ALIEN)
        root = cloud.client()
        group = root.post('/os-server-groups', {'server_group': {'name': 'g', 'policy': 'anti-affinity'}})
        made = root.post('/servers', {'server': {
            'name': 'subject', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none'},
            'os:scheduler_hints': {'group': group['server_group']['id']}})['server']
        root.wait(made['id'], 'ACTIVE')
        service = root.get('/os-services?binary=nova-compute')['services'][0]
        root.call('PUT', f'/os-services/{service["id"]}', {'status': 'disabled'})
        rebuild(root, made, OTHER)
        assert root.wait(made['id'], 'ACTIVE')['image']['id'] == OTHER
        rebuild(root, made, ALIEN)
        harness.wait_for(lambda: 'No valid host' in (action(cloud, made)['message'] or ''), 'it failed')
        assert root.wait(made['id'], 'ACTIVE')['image']['id'] == OTHER
        assert cloud.leaks() == []


def test_a_broken_server_is_healed():
    with harness.Cloud.all_in_one({'fake': {'failures': 'destroy:once'}}) as cloud:
        member = cloud.client()
        server = member.boot('subject')
        rebuild(member, server)
        there = member.wait(server['id'], 'ERROR')
        assert there['fault']['message']
        rebuild(member, server)
        there = member.wait(server['id'], 'ACTIVE')
        assert 'fault' not in there
        assert cloud.leaks() == []
        assert len(cloud.sql('SELECT * FROM claims')) == 1


def test_ephemeral_disks_are_not_lost_behind_the_users_back():
    with harness.Cloud.all_in_one() as cloud:
        cloud.manage('flavor', 'create', '--name', 'eph', '--id', '7', '--ram', '64', '--vcpus', '1', '--disk', '1',
                     '--ephemeral', '1')
        register(cloud, OTHER)
        member = cloud.client()
        server = member.boot('subject', flavorRef='7')
        rebuild(member, server, OTHER, preserve_ephemeral=True)
        harness.wait_for(lambda: action(cloud, server)['message'] == 'Error', 'it was refused')
        there = member.wait(server['id'], 'ACTIVE')
        assert (there['image']['id'], there['OS-EXT-STS:power_state']) == (harness.IMAGE_ID, 1)
        rebuild(member, server, OTHER)
        assert member.wait(server['id'], 'ACTIVE')['image']['id'] == OTHER


def test_it_goes_on_after_a_restart_of_the_host(tmp_path):
    settings = {'fake': {'delays': 'destroy:3', 'state_file': tmp_path / 'guests'}}
    with harness.Cloud.all_in_one(settings) as cloud:
        member = cloud.client()
        server = member.boot('subject')
        rebuild(member, server)
        harness.wait_for(lambda: action(cloud, server)['events'], 'it began')
        cloud.kill('nova-all')
        cloud.start('nova-all')
        cloud.wait_ready()
        member.wait(server['id'], 'ACTIVE')
        assert action(cloud, server)['message'] is None
        assert cloud.leaks() == []
