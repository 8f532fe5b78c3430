# SPDX-License-Identifier: Apache-2.0
"""Servers that boot from volumes: shelved without an image, made anew by writing an image over the volume."""

import json

import pytest

from nova.tests import harness
from nova.tests.functional import sites

OTHER = '33333333-3333-3333-3333-333333333333'


def prepare(cloud):
    disk = cloud.directory / 'other.raw'
    disk.write_bytes(b'other' + bytes(65536))
    cloud.manage('image', 'register', str(disk), '--name', 'other', '--disk-format', 'raw', '--public', '--id',
                 OTHER, '--property', 'os_distro=other')


site = sites.own(prepare=prepare)


@pytest.fixture
def server(site, member):
    with member.booted('subject', imageRef='', block_device_mapping_v2=[
        {'boot_index': 0, 'uuid': harness.IMAGE_ID, 'source_type': 'image', 'destination_type': 'volume',
         'volume_size': 1, 'delete_on_termination': True}]) as made:
        yield made
    assert site.leaks() == []
    assert site.sql('SELECT * FROM volume_attachments') == []
    assert list((site.directory / 'state' / 'volumes').iterdir()) == []


def act(client, server, name, value=None, version=None):
    return client.call('POST', f'/servers/{server["id"]}/action', {name: value}, version=version)


def volumes_of(client, server):
    """Its volumes; an attachment is that of a host, and another one when the server comes back."""
    found = client.get(f'/servers/{server["id"]}/os-volume_attachments')['volumeAttachments']
    return [{key: value for key, value in each.items() if key != 'attachment_id'} for each in found]


def content(site):
    """What is on the one volume there is."""
    (path,) = (site.directory / 'state' / 'volumes').iterdir()
    return path.read_bytes()[:5]


def test_no_backups_of_it(member, server):
    answer = act(member, server, 'createBackup', {'name': 'x', 'backup_type': 'd', 'rotation': 1})
    assert answer.status_code == 400
    assert 'volume' in answer.json()['badRequest']['message']


@pytest.mark.parametrize('version, body, says', [
    ('2.86', {'rescue_image_ref': OTHER}, '2.87'), ('2.87', None, 'rescue_image_ref')])
def test_a_rescue_that_cannot_be_is_refused_at_once(member, server, version, body, says):
    refused = act(member, server, 'rescue', body, version)
    assert refused.status_code == 400
    assert says in refused.json()['badRequest']['message']
    assert member.get(f'/servers/{server["id"]}')['server']['status'] == 'ACTIVE'


def test_a_rescue_from_a_named_image_and_back(member, server):
    assert act(member, server, 'rescue', {'rescue_image_ref': OTHER}).status_code == 200
    member.wait(server['id'], 'RESCUE')
    assert act(member, server, 'unrescue').status_code == 202
    member.wait(server['id'], 'ACTIVE')


@pytest.mark.parametrize('with_image_as_disk', [False, True])
def test_an_image_of_it_names_snapshots_and_boots(site, member, server, with_image_as_disk):
    act(member, server, 'os-stop')
    member.wait(server['id'], 'SHUTOFF')
    answer = act(member, server, 'createImage', {'name': 'copy', 'metadata': {'colour': 'red'}})
    assert answer.status_code == 202
    image_id = answer.json()['image_id']
    member.wait(server['id'], 'SHUTOFF')
    image = member.get(f'/images/{image_id}', '2.1')['image']
    (snapshot,) = member.get('/os-snapshots', '2.1')['snapshots']
    (disk,) = json.loads(image['metadata']['block_device_mapping'])
    assert (image['status'], image['OS-EXT-IMG-SIZE:size'], image['metadata']['colour']) == ('ACTIVE', 0, 'red')
    assert (disk['snapshot_id'], disk['boot_index'], disk['volume_size']) == (snapshot['id'], 0, 1)
    assert snapshot['volumeId'] == volumes_of(member, server)[0]['volumeId']
    root = {'block_device_mapping_v2': [{'boot_index': 0, 'uuid': image_id, 'source_type': 'image',
                                         'destination_type': 'local'}]} if with_image_as_disk else {}
    copy = member.boot('copy', imageRef=image_id, **root)
    (volume,) = volumes_of(member, copy)
    assert volume['delete_on_termination']
    assert volume['volumeId'] != snapshot['volumeId']
    assert copy['image'] == ''
    member.delete(copy['id'])
    assert member.call('DELETE', f'/images/{image_id}', version='2.1').status_code == 204
    assert member.call('DELETE', f'/os-snapshots/{snapshot["id"]}', version='2.1').status_code == 202


def test_an_image_that_names_what_is_none(site, member):
    gone = json.dumps([{'boot_index': 0, 'source_type': 'snapshot', 'snapshot_id': OTHER}])
    for text, says in (('nonsense', 'block_device_mapping'), (gone, OTHER)):
        site.manage('image', 'register', str(site.directory / 'other.raw'), '--name', 'odd', '--disk-format', 'raw',
                    '--public', '--property', f'block_device_mapping={text}')
        image = next(each for each in member.get('/images', '2.1')['images'] if each['name'] == 'odd')
        refused = member.call('POST', '/servers', {'server': {
            'name': 'x', 'flavorRef': '1', 'imageRef': image['id'], 'networks': 'none'}})
        assert refused.status_code == 400
        assert says in refused.text
        site.manage('image', 'delete', image['id'])


@pytest.mark.parametrize('stop', [False, True])
def test_on_the_shelf_and_back_with_its_volume(site, member, server, stop):
    before = volumes_of(member, server)
    if stop:
        act(member, server, 'os-stop')
        member.wait(server['id'], 'SHUTOFF')
    assert act(member, server, 'shelve').status_code == 202
    member.wait(server['id'], 'SHELVED_OFFLOADED')
    assert [image['name'] for image in member.get('/images', '2.1')['images']] == ['other', 'guest']
    assert site.sql('SELECT * FROM claims') == []
    assert act(member, server, 'unshelve').status_code == 202
    member.wait(server['id'], 'ACTIVE')
    assert volumes_of(member, server) == before


def test_another_image_is_written_to_the_volume_from_2_93(site, member, server):
    refused = act(member, server, 'rebuild', {'imageRef': OTHER}, '2.92')
    assert refused.status_code == 400
    assert '2.93' in refused.json()['badRequest']['message']
    assert content(site) == bytes(5)
    answer = act(member, server, 'rebuild', {'imageRef': OTHER}, '2.93')
    assert answer.status_code == 202
    assert answer.json()['server']['image'] == ''
    there = member.wait(server['id'], 'ACTIVE')
    assert (there['image'], content(site)) == ('', b'other')
    volume = member.get(f'/servers/{server["id"]}/os-volume_attachments')['volumeAttachments'][0]['volumeId']
    assert [row['status'] for row in site.sql('SELECT status FROM volumes')] == ['in-use']
    # Now that one is its own: it is not written again.
    (path,) = (site.directory / 'state' / 'volumes').iterdir()
    assert volume in path.name
    with path.open('r+b') as out:
        out.write(b'mine!')
    assert act(member, server, 'rebuild', {'imageRef': OTHER}, '2.92').status_code == 202
    member.wait(server['id'], 'ACTIVE')
    assert content(site) == b'mine!'


def test_an_image_larger_than_the_volume_is_refused(site, member, server):
    disk = site.directory / 'large.raw'
    disk.write_bytes(b'')
    with disk.open('r+b') as out:
        out.truncate(2 * 1024 ** 3)
    site.manage('image', 'register', str(disk), '--name', 'large', '--disk-format', 'raw', '--public')
    large = next(image['id'] for image in member.get('/images', '2.1')['images'] if image['name'] == 'large')
    try:
        assert act(member, server, 'rebuild', {'imageRef': large}).status_code == 400
    finally:
        site.client().call('DELETE', f'/images/{large}', version='2.1')
    assert member.get(f'/servers/{server["id"]}')['server']['status'] == 'ACTIVE'
