# SPDX-License-Identifier: Apache-2.0
"""Servers that boot from volumes: shelved without an image, made anew by writing an image over the volume."""

import pytest

from nova.tests import harness

OTHER = '33333333-3333-3333-3333-333333333333'


@pytest.fixture(scope='module')
def site():
    with harness.Cloud.all_in_one() as cloud:
        disk = cloud.directory / 'other.raw'
        disk.write_bytes(b'other' + bytes(65536))
        cloud.manage('image', 'register', str(disk), '--name', 'other', '--disk-format', 'raw', '--public', '--id',
                     OTHER, '--property', 'os_distro=other')
        yield cloud
        assert not cloud.tracebacks()


@pytest.fixture
def member(site):
    return site.client('alice:project-a')


@pytest.fixture
def server(site, member):
    made = member.boot('subject', imageRef='', block_device_mapping_v2=[
        {'boot_index': 0, 'uuid': harness.IMAGE_ID, 'source_type': 'image', 'destination_type': 'volume',
         'volume_size': 1, 'delete_on_termination': True}])
    yield made
    member.call('DELETE', f'/servers/{made["id"]}')
    member.gone(made['id'])
    assert site.leaks() == []
    assert site.sql('SELECT * FROM volume_attachments') == []
    assert list((site.directory / 'state' / 'volumes').iterdir()) == []


def act(client, server, name, value=None, version=None):
    return client.call('POST', f'/servers/{server["id"]}/action', {name: value}, version=version)


def content(site):
    """What is on the one volume there is."""
    (path,) = (site.directory / 'state' / 'volumes').iterdir()
    return path.read_bytes()[:5]


def test_no_images_of_it(member, server):
    for action, value in (('createImage', {'name': 'x'}),
                          ('createBackup', {'name': 'x', 'backup_type': 'd', 'rotation': 1})):
        answer = act(member, server, action, value)
        assert answer.status_code == 400
        assert 'volume' in answer.json()['badRequest']['message']


@pytest.mark.parametrize('stop', [False, True])
def test_on_the_shelf_and_back_with_its_volume(site, member, server, stop):
    before = member.get(f'/servers/{server["id"]}/os-volume_attachments')
    if stop:
        act(member, server, 'os-stop')
        member.wait(server['id'], 'SHUTOFF')
    assert act(member, server, 'shelve').status_code == 202
    member.wait(server['id'], 'SHELVED_OFFLOADED')
    assert [image['name'] for image in member.get('/images', '2.1')['images']] == ['other', 'guest']
    assert site.sql('SELECT * FROM claims') == []
    assert act(member, server, 'unshelve').status_code == 202
    member.wait(server['id'], 'ACTIVE')
    assert member.get(f'/servers/{server["id"]}/os-volume_attachments') == before


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
