# SPDX-License-Identifier: Apache-2.0
"""The front door /volume/v3: the stock command and SDK find local volumes, with no Cinder anywhere."""

import json
import os

import openstack
import pytest
import requests

from nova.tests import forkserver, harness, standalone

PEOPLE = {'root': standalone.user('admin'), 'alice': standalone.user('member'), 'rita': standalone.user('reader'),
          'bob': standalone.user('member', project='other')}


class Site:
    def __init__(self, cloud):
        self.cloud = cloud

    def openstack(self, *words, user='alice', as_json=False):
        done = forkserver.openstack('--os-cloud', user, *words, *(('-f', 'json') if as_json else ()),
                                    OS_CLIENT_CONFIG_FILE=str(self.cloud.clouds), OS_COMPUTE_API_VERSION='2.96')
        assert done.returncode == 0, f'{words}: {done.stdout}{done.stderr}'
        return json.loads(done.stdout) if as_json else done.stdout

    def connect(self, user='alice'):
        return openstack.connection.Connection(config=openstack.config.OpenStackConfig(
            config_files=[str(self.cloud.clouds)]).get_one(user))

    def door(self, user='alice'):
        token = self.connect(user).auth_token

        def call(method, path, body=None, **headers):
            return requests.request(method, f'{self.cloud.url}/volume/v3{path}', json=body,
                                    timeout=30, headers={'X-Auth-Token': token, **headers})
        return call


@pytest.fixture(scope='module')
def site():
    with standalone.site(PEOPLE) as cloud:
        yield Site(cloud)


@pytest.fixture
def store(site):
    """The SDK's block storage; nothing is left in the end."""
    found = site.connect().block_storage
    yield found
    for snapshot in found.snapshots():
        found.delete_snapshot(snapshot)
    for volume in found.volumes():
        found.delete_volume(volume)
    assert os.listdir(site.cloud.directory / 'state' / 'volumes') == []


def test_the_openstack_command(site, store):
    made = site.openstack('volume', 'create', '--size', '1', '--property', 'a=b', 'data', as_json=True)
    assert made['name'] == 'data'
    assert [each['Name'] for each in site.openstack('volume', 'list', as_json=True)] == ['data']
    site.openstack('volume', 'set', '--name', 'files', '--size', '2', 'data')
    shown = site.openstack('volume', 'show', 'files', as_json=True)
    assert (shown['size'], shown['status'], shown['properties']) == (2, 'available', {'a': 'b'})
    site.openstack('volume', 'snapshot', 'create', '--volume', 'files', 'then')
    assert [each['Name'] for each in site.openstack('volume', 'snapshot', 'list', as_json=True)] == ['then']
    assert site.openstack('volume', 'snapshot', 'show', 'then', as_json=True)['size'] == 2
    site.openstack('volume', 'create', '--snapshot', 'then', 'again')
    site.openstack('volume', 'snapshot', 'delete', 'then')
    assert [each['Name'] for each in site.openstack('volume', 'type', 'list', as_json=True)] == ['local']
    for name in ('files', 'again'):
        site.openstack('volume', 'delete', name)
    assert site.openstack('volume', 'list', as_json=True) == []


def test_a_volume_is_added_to_a_server(site, store):
    site.openstack('volume', 'create', '--size', '1', 'data')
    site.openstack('server', 'create', '--flavor', 'm1.test', '--image', 'guest', '--nic', 'none', '--wait', 'one')
    site.openstack('server', 'add', 'volume', 'one', 'data')
    harness.wait_for(lambda: store.find_volume('data').status == 'in-use', 'attached')
    (attached,) = store.get_volume(store.find_volume('data').id).attachments
    assert attached['device'] == '/dev/vdb'
    assert site.openstack('server', 'volume', 'list', 'one', as_json=True)[0]['Device'] == '/dev/vdb'
    answer = site.door()('DELETE', f'/volumes/{attached["volume_id"]}')
    assert (answer.status_code, list(answer.json())) == (400, ['badRequest'])
    site.openstack('server', 'remove', 'volume', 'one', 'data')
    harness.wait_for(lambda: store.find_volume('data').status == 'available', 'detached')
    site.openstack('server', 'delete', '--wait', 'one')


def test_openstacksdk(site, store):
    cloud = site.connect()
    image = cloud.image.find_image('guest')
    made = store.create_volume(name='system', size=1, image_id=image.id)
    store.wait_for_status(made, 'available')
    assert store.get_volume(made.id).volume_image_metadata['image_name'] == 'guest'
    store.set_volume_bootable_status(made, True)
    assert store.get_volume(made.id).is_bootable
    clone = store.create_volume(name='clone', source_volume_id=made.id)
    assert store.get_volume(clone.id).size == 1
    assert {each.name for each in store.volumes(details=False)} == {'system', 'clone'}
    assert [each.name for each in store.volumes(name='clone')] == ['clone']
    assert [each.name for each in store.volumes(limit=1, sort='name:asc')] == ['clone', 'system']
    store.set_volume_metadata(made, x='y')
    store.delete_volume_metadata(made, ['x'])
    assert store.get_volume(made.id).metadata == {}
    assert [zone.name for zone in store.availability_zones()] == ['nova']
    assert store.get_limits().absolute.total_volumes_used == 2
    assert store.get_quota_set(cloud.current_project_id, usage=True).usage['volumes'] == 2
    snapshot = store.create_snapshot(volume_id=made.id, name='then')
    store.update_snapshot(snapshot, description='of now')
    assert store.get_snapshot(snapshot.id).description == 'of now'


@pytest.mark.parametrize('method, path, body, status', [
    ('POST', '/volumes', {'volume': {}}, 400), ('POST', '/volumes', {'volume': {'size': 'x'}}, 400),
    ('POST', '/volumes', {'volume': {'size': 0}}, 400), ('POST', '/volumes', {'volume': {'size': 10 ** 9}}, 400),
    ('POST', '/volumes', [], 400), ('POST', '/volumes', {'volume': {'size': 1, 'name': 5}}, 400),
    ('POST', '/volumes', {'volume': {'size': 1, 'metadata': {'a': 1}}}, 400),
    ('POST', '/volumes', {'volume': {'size': 1, 'volume_type': 'fast'}}, 400),
    ('POST', '/volumes', {'volume': {'size': 1, 'availability_zone': 'mars'}}, 400),
    ('POST', '/volumes', {'volume': {'size': 1, 'snapshot_id': 'a', 'source_volid': 'b'}}, 400),
    ('POST', '/volumes', {'volume': {'size': 1, 'snapshot_id': 'none'}}, 404),
    ('POST', '/volumes', {'volume': {'size': 1, 'imageRef': 'none'}}, 404),
    ('POST', '/snapshots', {'snapshot': {'volume_id': 'none'}}, 404), ('GET', '/volumes/none', None, 404),
    ('POST', '/snapshots', {'snapshot': {'volume_id': 'none', 'metadata': {'a': 1}}}, 400),
    ('GET', '/snapshots/none/metadata', None, 404), ('PUT', '/volumes/none/metadata/a', {'meta': {'a': 'b'}}, 404),
    ('PUT', '/volumes/none/metadata/a', {'meta': {'b': 'b'}}, 400),
    ('POST', '/volumes/none/action', {'os-update_readonly_flag': {}}, 400),
    ('POST', '/volumes/none/action', {'os-update_readonly_flag': {'readonly': 'yes'}}, 400),
    ('POST', '/volumes/none/action', {'os-update_readonly_flag': {'readonly': True}}, 404),
    ('POST', '/volumes/none/action', {'os-volume_upload_image': {}}, 400),
    ('POST', '/volumes/none/action', {'os-volume_upload_image': {'image_name': 'i', 'protected': True}}, 400),
    ('POST', '/volumes/none/action', {'os-volume_upload_image': {'image_name': 'i'}}, 404),
    ('GET', '/volumes?sort=colour', None, 400), ('GET', '/volumes?marker=none', None, 400),
    ('GET', '/volumes?all_tenants=1', None, 403), ('GET', '/snapshots?all_tenants=1', None, 403),
    ('POST', '/volumes/none/action', {'os-fly': {}}, 400),
    ('POST', '/volumes/none/action', {'os-reset_status': {'status': 'error'}}, 403), ('GET', '/types/x', None, 404),
    ('GET', '/os-quota-sets/of-others', None, 403), ('PATCH', '/volumes', None, 405)])
def test_what_is_refused(site, method, path, body, status):
    answer = site.door()(method, path, body)
    assert answer.status_code == status, answer.text
    ((_name, fault),) = answer.json().items()
    assert fault['code'] == status


@pytest.mark.parametrize('number', ['²', '٣', '-1', '1.5', '', '9' * 19, '9' * 5000], ids=range(7))
def test_what_is_no_number(site, number):
    door = site.door()
    for path in (f'/{name}?{query}={number}' for name in ('volumes', 'snapshots') for query in ('limit', 'offset')):
        answer = door('GET', path)
        assert answer.status_code == 400, (path[:80], answer.text)
    assert door('POST', '/volumes', {'volume': {'size': number}}).status_code == 400
    images = requests.get(f'{site.cloud.url}/image/v2/images?limit={number}', timeout=30,
                          headers={'X-Auth-Token': site.connect().auth_token})
    assert images.status_code == 400


@pytest.mark.parametrize('name', ['tags', 'members', 'properties'])
def test_images_are_not_found_by_what_is_no_filter(site, name):
    answer = requests.get(f'{site.cloud.url}/image/v2/images?{name}=x', timeout=30,
                          headers={'X-Auth-Token': site.connect().auth_token})
    assert (answer.status_code, answer.json().get('images')) == (200, [])


def test_what_is_said_of_a_volumes_image(site, store):
    volume = store.create_volume(size=1)
    store.set_volume_image_metadata(volume, image_id='1', hw_disk_bus='virtio')
    assert store.get_volume(volume.id).volume_image_metadata == {'image_id': '1', 'hw_disk_bus': 'virtio'}
    store.delete_volume_image_metadata(volume, ['image_id'])
    shown = site.door()('POST', f'/volumes/{volume.id}/action', {'os-show_image_metadata': None})
    assert (shown.status_code, shown.json()) == (200, {'metadata': {'hw_disk_bus': 'virtio'}})
    gone = site.door()('POST', f'/volumes/{volume.id}/action', {'os-unset_image_metadata': {'key': 'image_id'}})
    assert gone.status_code == 404


@pytest.fixture
def images(site):
    """The SDK's images; those that a test made are gone in the end."""
    found = site.connect().image
    before = {image.id for image in found.images()}
    yield found
    for image in found.images():
        if image.id not in before:
            found.delete_image(image)


def content_of(site, volume):
    return site.cloud.directory / 'state' / 'volumes' / f'volume-{volume.id}'


def when_made(images, image_id):
    return harness.wait_for(lambda: (found := images.get_image(image_id)).status == 'active' and found, 'it was made',
                            timeout_s=120)


def test_an_image_is_made_of_a_volume(site, store, images):
    volume = store.create_volume(name='system', size=1)
    content_of(site, volume).write_bytes(b'first' + bytes(1024 ** 2 - 5))
    os.truncate(content_of(site, volume), 1024 ** 3)
    store.set_volume_image_metadata(volume, hw_disk_bus='scsi', min_ram='64', image_name='old')
    made = site.openstack('image', 'create', '--volume', 'system', 'new', as_json=True)
    assert (made['id'], made['image_name'], made['disk_format'], made['volume_type']) == (
        volume.id, 'new', 'raw', 'local')
    image = when_made(images, made['image_id'])
    assert (image.name, image.size, image.min_ram, image.container_format) == ('new', 1024 ** 3, 64, 'bare')
    assert image.hw_disk_bus == 'scsi'
    harness.wait_for(lambda: store.get_volume(volume.id).status == 'available', 'it is free again')
    again = store.create_volume(size=1, image_id=image.id)
    assert content_of(site, again).read_bytes()[:5] == b'first'


@pytest.mark.parametrize('disk_format', ['qcow2', 'vmdk', 'vdi', 'vhd', 'vhdx'])
def test_an_image_is_made_in_another_format(site, store, images, disk_format):
    volume = store.create_volume(size=1)
    content_of(site, volume).write_bytes(b'first')
    os.truncate(content_of(site, volume), 1024 ** 3)
    made = store.upload_volume_to_image(volume, 'new', disk_format=disk_format)
    image = when_made(images, made['image_id'])
    assert image.disk_format == disk_format
    assert image.size < 1024 ** 3
    again = store.create_volume(size=2, image_id=image.id)
    assert content_of(site, again).read_bytes()[:5] == b'first'


def test_a_volume_of_an_image_of_a_cd(site, store, images):
    image = images.create_image(name='cd', disk_format='iso', container_format='bare',
                                data=bytes(16 * 2048) + b'\x01CD001\x01' + bytes(2041), wait=True)
    made = store.create_volume(size=1, image_id=image.id)
    assert content_of(site, made).read_bytes()[16 * 2048 + 1:][:5] == b'CD001'


def test_an_image_of_what_cannot_be_read_is_gone_and_the_volume_is_free(site, store, images):
    volume = store.create_volume(size=1)
    # What a guest may have written: a disk whose content is some file of the host.
    content_of(site, volume).write_bytes(b'QFI\xfb\0\0\0\x03' + bytes(8) + b'/etc/passwd')
    made = store.upload_volume_to_image(volume, 'new')
    harness.wait_for(lambda: images.find_image(made['image_id']) is None, 'it was refused')
    harness.wait_for(lambda: store.get_volume(volume.id).status == 'available', 'it is free again')


def test_an_image_of_a_volume_that_a_server_has(site, store, images):
    volume = store.create_volume(name='data', size=1)
    site.openstack('server', 'create', '--flavor', 'm1.test', '--image', 'guest', '--nic', 'none', '--wait', 'one')
    site.openstack('server', 'add', 'volume', 'one', 'data')
    harness.wait_for(lambda: store.get_volume(volume.id).status == 'in-use', 'attached')
    door, body = site.door(), {'image_name': 'new', 'disk_format': 'qcow2'}
    refused = door('POST', f'/volumes/{volume.id}/action', {'os-volume_upload_image': body})
    assert (refused.status_code, 'in-use' in refused.text) == (400, True)
    assert images.find_image('new') is None
    made = door('POST', f'/volumes/{volume.id}/action', {'os-volume_upload_image': {**body, 'force': True}})
    assert made.status_code == 202, made.text
    when_made(images, made.json()['os-volume_upload_image']['image_id'])
    assert store.get_volume(volume.id).status == 'in-use'
    site.openstack('server', 'delete', '--wait', 'one')
    harness.wait_for(lambda: store.get_volume(volume.id).status == 'available', 'detached')


def test_a_volume_that_servers_only_read(site, store):
    volume = store.create_volume(name='data', size=1, metadata={'a': 'b'})
    site.openstack('volume', 'set', '--read-only', 'data')
    assert site.openstack('volume', 'show', 'data', as_json=True)['properties'] == {'a': 'b', 'readonly': 'True'}
    assert site.door()('GET', f'/volumes/{volume.id}/metadata').json() == {'metadata': {'a': 'b'}}
    site.openstack('server', 'create', '--flavor', 'm1.test', '--image', 'guest', '--nic', 'none', '--wait', 'one')
    site.openstack('server', 'add', 'volume', 'one', 'data')
    harness.wait_for(lambda: store.get_volume(volume.id).status == 'in-use', 'attached')
    (row,) = site.cloud.sql(f"SELECT connection_info FROM block_device_mapping WHERE volume_id = '{volume.id}'")
    assert json.loads(row['connection_info'])['data']['access_mode'] == 'ro'
    in_use = site.door()('POST', f'/volumes/{volume.id}/action', {'os-update_readonly_flag': {'readonly': False}})
    assert (in_use.status_code, 'in-use' in in_use.text) == (400, True)
    site.openstack('server', 'delete', '--wait', 'one')
    harness.wait_for(lambda: store.get_volume(volume.id).status == 'available', 'detached')
    site.openstack('volume', 'set', '--read-write', 'data')
    assert site.openstack('volume', 'show', 'data', as_json=True)['properties'] == {'a': 'b'}


def test_what_is_said_of_a_snapshot(site, store):
    store.create_volume(name='data', size=1)
    site.openstack('volume', 'snapshot', 'create', '--volume', 'data', '--property', 'a=b', 'then')
    site.openstack('volume', 'snapshot', 'set', '--property', 'c=d', '--property', 'e=f', 'then')
    assert site.openstack('volume', 'snapshot', 'show', 'then', as_json=True)['properties'] == {
        'a': 'b', 'c': 'd', 'e': 'f'}
    site.openstack('volume', 'snapshot', 'unset', '--property', 'c', 'then')
    found = store.find_snapshot('then')
    door, path = site.door(), f'/snapshots/{found.id}/metadata'
    assert door('GET', path).json() == {'metadata': {'a': 'b', 'e': 'f'}}
    assert door('PUT', f'{path}/a', {'meta': {'a': 'x'}}).json() == {'meta': {'a': 'x'}}
    assert door('GET', f'{path}/a').json() == {'meta': {'a': 'x'}}
    assert door('DELETE', f'{path}/none').status_code == 404
    assert door('PUT', path, {'metadata': {'g': 'h'}}).json() == {'metadata': {'g': 'h'}}
    assert site.door('rita')('PUT', path, {'metadata': {}}).status_code == 403
    assert site.door('bob')('GET', path).status_code == 404
    site.openstack('volume', 'snapshot', 'set', '--no-property', 'then')
    assert store.get_snapshot(found.id).metadata == {}


def test_the_status_of_a_snapshot_is_set_by_administrators(site, store):
    snapshot = store.create_snapshot(volume_id=store.create_volume(size=1).id)
    path, body = f'/snapshots/{snapshot.id}/action', {'os-reset_status': {'status': 'error'}}
    assert site.door()('POST', path, body).status_code == 403
    site.connect('root').block_storage.reset_snapshot_status(snapshot, 'error')
    assert store.get_snapshot(snapshot.id).status == 'error'
    assert site.door('root')('POST', path, {'os-reset_status': {'status': 'odd'}}).status_code == 400


def test_quotas_and_encryption_are_those_of_files(site):
    door, project = site.door(), site.connect().current_project_id
    assert door('GET', f'/os-quota-sets/{project}/defaults').json()['quota_set']['volumes'] == -1
    assert door('GET', '/os-quota-sets/of-others/defaults').status_code == 403
    assert door('GET', '/types/local/encryption').json() == {}


def test_projects_and_roles_are_kept_apart(site, store):
    volume = store.create_volume(size=1).id
    for user, method, path, status in (
            ('bob', 'GET', f'/volumes/{volume}', 404), ('bob', 'DELETE', f'/volumes/{volume}', 404),
            ('rita', 'GET', f'/volumes/{volume}', 200), ('rita', 'DELETE', f'/volumes/{volume}', 403),
            ('root', 'GET', '/volumes?all_tenants=1', 200)):
        assert site.door(user)(method, path).status_code == status, (user, path)
    assert site.door('rita')('POST', '/volumes', {'volume': {'size': 1}}).status_code == 403
    assert site.door('bob')('GET', '/volumes').json() == {'volumes': []}


def test_administrators_see_the_snapshots_of_all_projects_and_delete_them_with_their_volume(site, store):
    volume = store.create_volume(size=1)
    store.create_snapshot(volume_id=volume.id, name='of the owner')
    root = site.door('root')
    made = root('POST', '/snapshots', {'snapshot': {'volume_id': volume.id, 'name': 'of root'}})
    assert made.status_code == 202, made.text
    bob = site.door('bob')
    others = bob('POST', '/volumes', {'volume': {'size': 1}}).json()['volume']['id']
    assert bob('POST', '/snapshots', {'snapshot': {'volume_id': others, 'name': 'of bob'}}).status_code == 202

    def names(path):
        return {each['name'] for each in root('GET', path).json()['snapshots']}
    assert names('/snapshots?all_tenants=1') == {'of the owner', 'of root', 'of bob'}
    assert 'of bob' not in names('/snapshots')
    assert [len(root('GET', f'/snapshots?all_tenants=1&volume_id={each}').json()['snapshots'])
            for each in (volume.id, others)] == [2, 1]
    project = site.connect('bob').current_project_id
    assert root('GET', f'/os-quota-sets/{project}?usage=true').json()['quota_set']['snapshots']['in_use'] == 1
    assert root('GET', '/limits?all_tenants=1').json()['limits']['absolute']['totalSnapshotsUsed'] == 3
    for each in (volume.id, others):
        assert root('DELETE', f'/volumes/{each}?cascade=true').status_code == 202
    assert names('/snapshots?all_tenants=1') == set()


def test_versions_are_negotiated(site):
    found = requests.get(f'{site.cloud.url}/volume/', timeout=30)
    assert (found.status_code, found.json()['versions'][0]['id']) == (300, 'v3.0')
    door = site.door()
    assert door('GET', '/volumes', **{'OpenStack-API-Version': 'volume 3.0'}).status_code == 200
    assert door('GET', '/volumes', **{'OpenStack-API-Version': 'volume 3.70'}).status_code == 406
