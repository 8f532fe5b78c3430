# SPDX-License-Identifier: Apache-2.0
"""Volumes of the local store, attached to servers, booted from, and what is left when things fail."""

import os

import pytest
import sqlalchemy as sa

from nova.tests import harness
from nova.tests.functional import sites

OLD = '2.1'


site = sites.own()


@pytest.fixture
def server(site, member):
    with member.booted('with-disks') as made:
        yield made


@pytest.fixture
def volumes(site, member):
    """Makes volumes, which are all gone in the end with their files."""
    yield lambda size=1, **more: member.post('/os-volumes', {'volume': {'size': size, **more}}, OLD)['volume']['id']
    for found in member.get('/os-volumes', OLD)['volumes']:
        settled(member, found['id'], 'available')
        assert member.call('DELETE', f'/os-volumes/{found["id"]}', version=OLD).status_code == 202
    assert os.listdir(site.directory / 'state' / 'volumes') == []
    assert site.sql('SELECT * FROM volume_attachments') == []


def status(client, volume):
    return client.get(f'/os-volumes/{volume}', OLD)['volume']['status']


def settled(client, volume, wanted):
    harness.wait_for(lambda: status(client, volume) == wanted, f'volume {volume} {wanted}')


def attach(client, server, volume, version='2.100', **more):
    return client.call('POST', f'/servers/{server["id"]}/os-volume_attachments',
                       {'volumeAttachment': {'volumeId': volume, **more}}, version)


def test_a_volume_comes_and_goes(site, member, volumes, server):
    volume, path = volumes(display_name='data'), f'/servers/{server["id"]}/os-volume_attachments'
    made = attach(member, server, volume, tag='log').json()['volumeAttachment']
    assert made == {'id': volume, 'volumeId': volume, 'serverId': server['id'], 'device': '/dev/vdb', 'tag': 'log',
                    'delete_on_termination': False}
    settled(member, volume, 'in-use')
    assert member.get(f'/servers/{server["id"]}')['server']['os-extended-volumes:volumes_attached'] == [
        {'id': volume, 'delete_on_termination': False}]
    shown = member.get(f'/os-volumes/{volume}', OLD)['volume']
    assert shown['attachments'] == [{'id': volume, 'volumeId': volume, 'serverId': server['id'],
                                     'device': '/dev/vdb'}]
    assert attach(member, server, volume).status_code == 400
    assert member.call('DELETE', f'/os-volumes/{volume}', version=OLD).status_code == 400
    assert member.call('DELETE', f'{path}/{volume}').status_code == 202
    settled(member, volume, 'available')
    assert member.get(path)['volumeAttachments'] == []
    assert member.call('DELETE', f'{path}/{volume}').status_code == 404


@pytest.mark.parametrize('version, keys', [
    ('2.1', {'id', 'volumeId', 'serverId', 'device'}), ('2.70', {'id', 'volumeId', 'serverId', 'device', 'tag'}),
    ('2.79', {'id', 'volumeId', 'serverId', 'device', 'tag', 'delete_on_termination'}),
    ('2.89', {'volumeId', 'serverId', 'device', 'tag', 'delete_on_termination', 'attachment_id', 'bdm_uuid'})])
def test_the_fields_of_each_version(member, volumes, server, version, keys):
    volume = volumes()
    assert set(attach(member, server, volume, version).json()['volumeAttachment']) == keys - {
        'attachment_id', 'bdm_uuid'} | {'id'}
    settled(member, volume, 'in-use')
    path = f'/servers/{server["id"]}/os-volume_attachments'
    (listed,) = member.get(path, version)['volumeAttachments']
    assert set(listed) == keys
    assert member.get(f'{path}/{volume}', version)['volumeAttachment'] == listed


def test_from_2_101_the_answer_comes_first(member, volumes, server):
    volume = volumes()
    answer = attach(member, server, volume, '2.101', delete_on_termination=True)
    assert (answer.status_code, answer.content) == (202, b'')
    settled(member, volume, 'in-use')
    member.delete(server['id'])
    assert member.call('GET', f'/os-volumes/{volume}', version=OLD).status_code == 404


def test_an_attachment_is_changed_and_swapped(site, member, volumes, server):
    first, second, small = volumes(1), volumes(2), volumes(1)
    attach(member, server, first)
    settled(member, first, 'in-use')
    path = f'/servers/{server["id"]}/os-volume_attachments'

    def put(client, attached, version='2.85', **body):
        return client.call('PUT', f'{path}/{attached}', {'volumeAttachment': body}, version)
    assert put(member, first, volumeId=first, delete_on_termination=True).status_code == 202
    assert member.get(f'{path}/{first}')['volumeAttachment']['delete_on_termination'] is True
    put(member, first, volumeId=first, delete_on_termination=False)
    assert put(member, first, volumeId=first, device='/dev/vdz').status_code == 400
    assert put(member, first, volumeId=second).status_code == 403
    assert put(site.client(), first, volumeId=second).status_code == 202
    settled(member, second, 'in-use')
    settled(member, first, 'available')
    assert put(site.client(), second, '2.84', volumeId=small).status_code == 400
    assert put(site.client(), first, '2.84', volumeId=small).status_code == 404


def test_snapshots_are_copies(member, volumes):
    volume = volumes(1)
    made = member.post('/os-snapshots', {'snapshot': {'volume_id': volume, 'display_name': 'then'}}, OLD)['snapshot']
    assert (made['volumeId'], made['size'], made['status']) == (volume, 1, 'available')
    assert member.get('/os-snapshots/detail', OLD)['snapshots'] == [made]
    assert member.call('DELETE', f'/os-volumes/{volume}', version=OLD).status_code == 400
    copy = member.post('/os-volumes', {'volume': {'snapshot_id': made['id'], 'size': 2}}, OLD)['volume']
    assert (copy['snapshotId'], copy['size']) == (made['id'], 2)
    assert member.call('DELETE', f'/os-snapshots/{made["id"]}', version=OLD).status_code == 202
    assert member.call('GET', f'/os-snapshots/{made["id"]}', version=OLD).status_code == 404


def test_servers_boot_from_volumes(site, member, volumes):
    volume = volumes(1)
    root = {'imageRef': '', 'block_device_mapping_v2': [
        {'boot_index': 0, 'uuid': volume, 'source_type': 'volume', 'destination_type': 'volume'}]}
    refused = member.call('POST', '/servers', {'server': {'name': 'x', 'flavorRef': '1', 'networks': 'none', **root}})
    assert refused.status_code == 400
    assert 'not bootable' in refused.text
    # Whoever put a system on it says so to the block storage service.
    engine = sa.create_engine(site.database)
    with engine.begin() as connection:
        connection.execute(sa.text('UPDATE volumes SET bootable = 1'))
    engine.dispose()
    mine = member.boot('mine', **root)
    assert mine['image'] == ''
    new = member.boot('new', imageRef='', block_device_mapping_v2=[
        {'boot_index': 0, 'uuid': harness.IMAGE_ID, 'source_type': 'image', 'destination_type': 'volume',
         'volume_size': 1, 'delete_on_termination': True}])
    assert [row['disk_gb'] for row in site.sql('SELECT disk_gb FROM claims')] == [0, 0]
    path = f'/servers/{mine["id"]}/os-volume_attachments/{volume}'
    assert member.call('DELETE', path).status_code == 400
    for server in (mine, new):
        member.delete(server['id'])
    assert [each['id'] for each in member.get('/os-volumes', OLD)['volumes']] == [volume]
    assert status(member, volume) == 'available'


@pytest.mark.parametrize('disk, says', [
    ({'source_type': 'volume', 'destination_type': 'volume'}, 'uuid'),
    ({'source_type': 'blank', 'destination_type': 'volume'}, 'volume_size'),
    ({'source_type': 'volume', 'destination_type': 'local', 'uuid': harness.IMAGE_ID}, 'must be a volume'),
    ({'source_type': 'volume', 'destination_type': 'volume', 'uuid': harness.IMAGE_ID}, 'could not be found')])
def test_disks_that_cannot_be(member, disk, says):
    answer = member.call('POST', '/servers', {'server': {
        'name': 'x', 'flavorRef': '1', 'imageRef': '', 'networks': 'none',
        'block_device_mapping_v2': [{'boot_index': 0, **disk}]}})
    assert answer.status_code == 400
    assert says in answer.text


@pytest.mark.parametrize('body', [{'size': 0}, {'size': 'big'}, {}, {'size': 1, 'colour': 'red'}])
def test_volumes_that_cannot_be(member, body):
    assert member.call('POST', '/os-volumes', {'volume': body}, OLD).status_code == 400


def test_others_see_nothing(site, member, volumes, server):
    volume, stranger = volumes(), site.client('mallory:elsewhere')
    assert stranger.get('/os-volumes', OLD)['volumes'] == []
    for method, path, body in (
            ('GET', f'/os-volumes/{volume}', None), ('DELETE', f'/os-volumes/{volume}', None),
            ('POST', '/os-snapshots', {'snapshot': {'volume_id': volume}})):
        assert stranger.call(method, path, body, OLD).status_code == 404
    path = f'/servers/{server["id"]}/os-volume_attachments'
    assert stranger.call('GET', path).status_code == 404
    assert attach(stranger, server, volume).status_code == 404
    assert attach(site.client('rita:project-a:reader'), server, volume).status_code == 403
    own = stranger.boot('own')
    assert attach(stranger, own, volume).status_code == 404
    stranger.call('DELETE', f'/servers/{own["id"]}')


def test_a_volume_that_the_guest_refuses_is_free_again():
    with harness.Cloud.all_in_one({'fake': {'failures': 'attach_volume:always'}}) as cloud:
        member = cloud.client()
        server = member.boot('stubborn')
        volume = member.post('/os-volumes', {'volume': {'size': 1}}, OLD)['volume']['id']
        assert attach(member, server, volume, '2.101').status_code == 202
        path = f'/servers/{server["id"]}/os-instance-actions'
        harness.wait_for(lambda: member.get(path)['instanceActions'][0]['message'] == 'Error', 'it failed')
        settled(member, volume, 'available')
        assert member.get(f'/servers/{server["id"]}/os-volume_attachments')['volumeAttachments'] == []
        assert member.get(f'/servers/{server["id"]}')['server']['status'] == 'ACTIVE'


def test_a_volume_that_is_being_attached_ends_no_other_task():
    with harness.Cloud.all_in_one({'fake': {'more_hosts': 'second', 'delays': 'attach_volume:2'}}) as cloud:
        cloud.wait_ready(2)
        client = cloud.client()
        server = client.boot('busy')
        volume = client.post('/os-volumes', {'volume': {'size': 1}}, OLD)['volume']['id']
        client.post(f'/servers/{server["id"]}/os-volume_attachments', {'volumeAttachment': {'volumeId': volume}})
        client.action(server['id'], 'migrate')
        client.wait(server['id'], 'VERIFY_RESIZE')
        assert not cloud.tracebacks()
