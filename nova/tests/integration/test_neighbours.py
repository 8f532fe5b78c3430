# SPDX-License-Identifier: Apache-2.0
"""Our service beside a real Keystone, Glance and Cinder (tools/neighbours), with the stock clients."""

import configparser
import json
import os
import signal
import subprocess

import openstack
import pytest
import requests
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider
from novaclient import client as novaclient

from nova.tests import forkserver, harness

#: For the order of the groups of tests.
TAKES_S = 130

TOOLS = harness.ROOT / 'tools' / 'neighbours'


class Site:
    """The service, its neighbours, and what a user of them has."""

    def __init__(self, cloud, directory):
        self.cloud, self.directory = cloud, directory

    def openstack(self, *words, user='member', check=True):
        done = forkserver.openstack('--os-cloud', f'neighbours-{user}', *words, OS_COMPUTE_API_VERSION='2.96',
                                    OS_CLIENT_CONFIG_FILE=str(self.directory / 'clouds.yaml'))
        assert not check or done.returncode == 0, f'{words}: {done.stdout}{done.stderr}'
        return done.stdout

    def connect(self, user='member'):
        return openstack.config.OpenStackConfig(
            config_files=[str(self.directory / 'clouds.yaml')]).get_one(f'neighbours-{user}')

    def client(self, user='member', version=harness.LATEST):
        return self.cloud.client(self.connect(user).get_session().get_token(), version)


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp('neighbours')
    cloud = harness.Cloud.all_in_one()
    try:
        subprocess.run([TOOLS / 'start.sh', '--dir', directory, '--compute-url', cloud.endpoint], check=True,
                       timeout=900)
        found = configparser.ConfigParser(interpolation=None)
        found.read(directory / 'nova.conf')
        cloud.settings = {**{section: dict(found[section]) for section in found.sections()},
                          'fake': {'more_hosts': 'second'}, 'DEFAULT': {'shelved_offload_time': 0}}
        cloud.settings['cinder'].update(timeout='5', http_retries='0')
        beside = Site(cloud, directory)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cloud, 'client', lambda token=None, version=harness.LATEST: harness.Client(
                cloud, token or beside.connect('admin').get_session().get_token(), version))
            with cloud:
                cloud.wait_ready(2)
                (directory / 'disk.raw').write_bytes(b'\0' * 65536)
                beside.openstack('image', 'create', '--disk-format', 'raw', '--container-format', 'bare', '--file',
                                 str(directory / 'disk.raw'), '--private', 'mine')
                yield beside
    finally:
        subprocess.run([TOOLS / 'stop.sh', '--dir', directory], check=True, timeout=60)


def test_the_openstack_command_finds_us_by_the_catalog_and_runs_a_server(site):
    assert 'm1.test' in site.openstack('flavor', 'list')
    site.openstack('server', 'create', '--image', 'mine', '--flavor', 'm1.test', '--nic', 'none', '--wait', 'one')
    assert json.loads(site.openstack('server', 'list', '-f', 'json'))[0]['Name'] == 'one'
    made = json.loads(site.openstack('server', 'show', 'one', '-f', 'json'))
    for action, status in (('stop', 'SHUTOFF'), ('start', 'ACTIVE')):
        site.openstack('server', action, 'one')
        site.client().wait(made['id'], status)
    site.openstack('console', 'log', 'show', 'one')
    refused = site.client('other').call('GET', f'/servers/{made["id"]}')
    assert refused.status_code == 404
    assert site.client('other').get('/servers')['servers'] == []
    site.openstack('server', 'delete', '--wait', 'one')


def test_a_reader_may_not_create(site):
    image = site.client(version='2.35').get('/images')['images'][0]['id']
    answer = site.client('reader').call('POST', '/servers', {'server': {
        'name': 'no', 'flavorRef': '1', 'imageRef': image, 'networks': 'none'}})
    assert answer.status_code == 403, answer.text


def test_a_token_that_is_not_one_is_refused_with_a_challenge(site):
    answer = requests.get(f'{site.cloud.endpoint}/servers', headers={'X-Auth-Token': 'garbage'}, timeout=30)
    assert answer.status_code == 401
    assert answer.headers['WWW-Authenticate'].startswith('Keystone uri=')


def test_a_revoked_token_is_refused(site):
    token = site.connect().get_session().get_token()
    site.openstack('token', 'revoke', token)
    answer = site.cloud.client(token).call('GET', '/servers')
    assert answer.status_code == 401
    assert 'servers' not in answer.text


def test_the_image_proxy_shows_what_glance_shows_to_the_caller(site):
    assert [image['name'] for image in site.client(version='2.35').get('/images')['images']] == ['mine']
    assert site.client('other', version='2.35').get('/images')['images'] == []


def test_a_private_image_of_another_project_is_refused(site):
    image = site.client(version='2.35').get('/images')['images'][0]['id']
    answer = site.client('other').call('POST', '/servers', {'server': {
        'name': 'no', 'flavorRef': '1', 'imageRef': image, 'networks': 'none'}})
    assert answer.status_code == 400, answer.text


def test_openstacksdk(site):
    cloud = openstack.connection.Connection(config=site.connect())
    image = cloud.create_image('sdk', filename=str(site.directory / 'disk.raw'), disk_format='raw',
                               container_format='bare', wait=True)
    flavor = cloud.compute.find_flavor('m1.test')
    server = cloud.compute.create_server(name='two', image_id=image.id, flavor_id=flavor.id, networks='none')
    cloud.compute.wait_for_server(server, status='ACTIVE', interval=1, wait=30)
    cloud.compute.stop_server(server)
    cloud.compute.wait_for_server(server, status='SHUTOFF', interval=1, wait=30)
    cloud.compute.start_server(server)
    cloud.compute.wait_for_server(server, status='ACTIVE', interval=1, wait=30)
    assert 'fake guest' in cloud.get_server_console('two')
    copy = cloud.compute.create_server_image(server, 'copy', wait=True)
    assert cloud.image.get_image(copy).status == 'active'
    assert cloud.delete_server('two', wait=True)
    for made in (image, copy):
        cloud.image.delete_image(made)


def test_novaclient(site):
    nova = novaclient.Client('2.96', session=site.connect().get_session(), region_name='RegionOne')
    image = next(found for found in nova.glance.list() if found.name == 'mine')
    flavor = next(found for found in nova.flavors.list() if found.name == 'm1.test')
    server = nova.servers.create('three', image, flavor, nics='none')

    def status():
        return nova.servers.get(server.id).status
    harness.wait_for(lambda: status() == 'ACTIVE', 'boot')
    server.stop()
    harness.wait_for(lambda: status() == 'SHUTOFF', 'stop')
    server.start()
    harness.wait_for(lambda: status() == 'ACTIVE', 'start')
    assert 'fake guest' in nova.servers.get_console_output(server, 10)
    server.delete()
    harness.wait_for(lambda: not nova.servers.list(search_opts={'name': 'three'}), 'deletion')


def test_libcloud(site):
    auth = site.connect().config['auth']
    driver = get_driver(Provider.OPENSTACK)(
        'member', auth['password'], ex_force_auth_url=auth['auth_url'].removesuffix('/v3'),
        ex_force_auth_version='3.x_password', ex_tenant_name='demo', ex_domain_name='Default',
        ex_force_service_region='RegionOne', api_version='2.2')
    size = next(found for found in driver.list_sizes() if found.name == 'm1.test')
    image = next(found for found in driver.list_images() if found.name == 'mine')
    node = driver.create_node(name='four', size=size, image=image)

    def state():
        return driver.ex_get_node_details(node.id).state
    harness.wait_for(lambda: state() == 'running', 'boot', every_s=0.3)
    assert driver.ex_stop_node(node)
    harness.wait_for(lambda: state() == 'stopped', 'stop', every_s=0.3)
    assert driver.ex_start_node(node)
    harness.wait_for(lambda: state() == 'running', 'start', every_s=0.3)
    assert 'fake guest' in driver.ex_get_console_output(node)['output']
    assert driver.destroy_node(node)
    harness.wait_for(lambda: not [one for one in driver.list_nodes() if one.name == 'four'], 'deletion', every_s=0.3)


# Volumes: Cinder's ----------------------------------------------------------------------------------------------------

class Volumes:
    """Volumes of the member's project, as Cinder has them."""

    def __init__(self, site):
        self.site, self.cinder = site, openstack.connection.Connection(config=site.connect()).block_storage
        # Whose attachments they are, and how often.
        self.admin = openstack.connection.Connection(config=site.connect('admin')).block_storage

    def make(self, **more):
        made = self.cinder.create_volume(**{'size': 1, **more})
        return self.cinder.wait_for_status(made, 'available', interval=0.2, wait=60).id

    def get(self, volume):
        return self.cinder.get_volume(volume)

    def settled(self, volume, status):
        harness.wait_for(lambda: self.get(volume).status == status, f'volume {volume} {status}', 60, 0.2)

    def attachments(self, volume):
        found = self.admin.get('/attachments/detail', microversion='3.27', params={
            'volume_id': volume, 'all_tenants': 1}).json()['attachments']
        return [(each['instance'], each['status']) for each in found]

    def gone(self, volume):
        harness.wait_for(lambda: self.cinder.find_volume(volume) is None, f'volume {volume} gone', 60, 0.2)

    def names(self):
        return {volume.name for volume in self.cinder.volumes()}


@pytest.fixture
def volumes(site):
    """Nothing of what a test makes there is left, no file either."""
    found = Volumes(site)
    yield found
    for volume in found.cinder.volumes():
        found.settled(volume.id, 'available')
        found.cinder.delete_volume(volume)
        found.gone(volume.id)
    assert os.listdir(site.directory / 'volumes') == []


@pytest.fixture
def member(site):
    return site.client()


@pytest.fixture
def server(site, member):
    made = member.boot('with-volumes', imageRef=image_id(site), networks='none')
    yield made
    member.call('DELETE', f'/servers/{made["id"]}')
    member.gone(made['id'])


def image_id(site):
    return next(image['id'] for image in site.client(version='2.35').get('/images')['images']
                if image['name'] == 'mine')


def attach(client, server, volume, **more):
    return client.call('POST', f'/servers/{server["id"]}/os-volume_attachments',
                       {'volumeAttachment': {'volumeId': volume, **more}}, '2.100')


def test_a_volume_of_cinder_comes_and_goes_by_the_openstack_command(site, volumes, server):
    site.openstack('volume', 'create', '--size', '1', 'data')
    volume = volumes.cinder.find_volume('data').id
    volumes.settled(volume, 'available')
    site.openstack('server', 'add', 'volume', server['id'], 'data')
    volumes.settled(volume, 'in-use')
    attached = json.loads(site.openstack('volume', 'show', 'data', '-f', 'json'))['attachments']
    assert [(each['server_id'], each['device']) for each in attached] == [(server['id'], '/dev/vdb')]
    assert volumes.attachments(volume) == [(server['id'], 'attached')]
    refused = site.client().call('POST', f'/servers/{server["id"]}/os-volume_attachments',
                                 {'volumeAttachment': {'volumeId': volume}})
    assert refused.status_code == 400
    site.openstack('server', 'remove', 'volume', server['id'], 'data')
    volumes.settled(volume, 'available')
    assert volumes.attachments(volume) == []


def test_the_proxies_show_volumes_and_snapshots_of_cinder(site, volumes, member):
    old = site.client(version='2.35')
    wanted = {'size': 1, 'display_name': 'by-proxy', 'metadata': {'a': 'b'}}
    made = old.post('/os-volumes', {'volume': wanted})['volume']
    volumes.settled(made['id'], 'available')
    shown = old.get(f'/os-volumes/{made["id"]}')['volume']
    assert (shown['displayName'], shown['size'], shown['metadata'], shown['attachments']) == (
        'by-proxy', 1, {'a': 'b'}, [{}])
    assert old.get('/os-volumes/detail')['volumes'] == [shown]
    snapshot = old.post('/os-snapshots', {'snapshot': {'volume_id': made['id'], 'display_name': 'then'}})['snapshot']
    path = f'/os-snapshots/{snapshot["id"]}'
    harness.wait_for(lambda: old.get(path)['snapshot']['status'] == 'available', 'snapshot', 60, 0.2)
    assert [each['displayName'] for each in old.get('/os-snapshots')['snapshots']] == ['then']
    refused = old.call('DELETE', f'/os-volumes/{made["id"]}')
    assert refused.status_code == 400
    assert 'snapshot' in refused.json()['badRequest']['message']
    copy = old.post('/os-volumes', {'volume': {'snapshot_id': snapshot['id'], 'size': 2}})['volume']
    volumes.settled(copy['id'], 'available')
    assert old.get(f'/os-volumes/{copy["id"]}')['volume']['size'] == 2
    for gone in (path, f'/os-volumes/{copy["id"]}'):
        assert old.call('DELETE', gone).status_code == 202
        harness.wait_for(lambda gone=gone: old.call('GET', gone).status_code == 404, f'{gone} gone', 60, 0.2)
    assert site.client('other', version='2.35').call('GET', f'/os-volumes/{made["id"]}').status_code == 404


@pytest.mark.parametrize('method, path, body, status', [
    ('GET', '/os-volumes/detail-of-nothing', None, 404),
    ('GET', '/os-volumes/8e6b3a3a-5b2f-4f8d-9f3a-000000000000', None, 404),
    ('DELETE', '/os-snapshots/8e6b3a3a-5b2f-4f8d-9f3a-000000000000', None, 404),
    ('POST', '/os-volumes', {'volume': {'size': 1, 'volume_type': 'no such type'}}, 400),
    ('POST', '/os-volumes', {'volume': {'size': 1, 'availability_zone': 'no such zone'}}, 400),
    ('POST', '/os-volumes', {'volume': {'size': 1, 'snapshot_id': '8e6b3a3a-5b2f-4f8d-9f3a-000000000000'}}, 404),
    ('POST', '/os-volumes', {'volume': {'size': 100000}}, 403),
    ('POST', '/servers', {'server': {'name': 'no', 'flavorRef': '1', 'imageRef': '', 'block_device_mapping_v2': [
        {'boot_index': 0, 'source_type': 'blank', 'destination_type': 'volume', 'volume_size': 1,
         'volume_type': 'no such type'}]}}, 400)])
def test_what_cinder_refuses_is_refused_with_its_reason(site, volumes, method, path, body, status):
    version = '2.96' if path == '/servers' else '2.35'
    answer = site.client(version=version).call(method, path, body)
    assert answer.status_code == status, answer.text
    assert 'Unexpected' not in answer.text


def test_a_server_boots_from_a_volume_that_is_made_for_it_and_goes_with_it(site, volumes, member):
    made = member.boot('from-volume', imageRef='', networks='none', block_device_mapping_v2=[
        {'boot_index': 0, 'uuid': image_id(site), 'source_type': 'image', 'destination_type': 'volume',
         'volume_size': 1, 'delete_on_termination': True},
        {'boot_index': -1, 'source_type': 'blank', 'destination_type': 'volume', 'volume_size': 1}])
    found = {volume.name: volume for volume in volumes.cinder.volumes(details=True)}
    assert set(found) == {f'{made["id"]}-image', f'{made["id"]}-blank'}
    assert {volume.status for volume in found.values()} == {'in-use'}
    root = found[f'{made["id"]}-image']
    assert root.volume_image_metadata['image_name'] == 'mine'
    member.call('DELETE', f'/servers/{made["id"]}')
    member.gone(made['id'])
    volumes.gone(root.id)
    volumes.settled(found[f'{made["id"]}-blank'].id, 'available')


def test_a_volume_that_cannot_be_made_fails_the_server_with_the_reason(site, volumes, member):
    there, away = site.directory / 'volumes', site.directory / 'volumes-away'
    there.rename(away)      # Cinder's storage is gone
    try:
        made = member.boot('fails', wait='ERROR', imageRef='', networks='none', block_device_mapping_v2=[
            {'boot_index': 0, 'source_type': 'blank', 'destination_type': 'volume', 'volume_size': 1}])
    finally:
        away.rename(there)
    fault = member.get(f'/servers/{made["id"]}')['server']['fault']
    assert 'was not created' in fault['message'], fault
    member.call('DELETE', f'/servers/{made["id"]}')
    member.gone(made['id'])
    harness.wait_for(lambda: volumes.names() == set(), 'no volume left', 60, 0.2)


def test_volumes_follow_a_server_from_host_to_host(site, volumes, member, server):
    volume = volumes.make()
    admin = site.cloud.client(site.connect('admin').get_session().get_token())
    attach(member, server, volume)
    volumes.settled(volume, 'in-use')

    def host():
        return admin.get(f'/servers/{server["id"]}')['server']['OS-EXT-SRV-ATTR:host']

    def is_there():
        found = volumes.admin.get_volume(volume).attachments
        return [each['host_name'] for each in found] == [host()] and len(volumes.attachments(volume)) == 1

    def act(name, value, status):
        answer = admin.call('POST', f'/servers/{server["id"]}/action', {name: value})
        assert answer.status_code in (202, 204), answer.text
        admin.wait(server['id'], status)
    before = host()
    act('os-migrateLive', {'host': None, 'block_migration': 'auto'}, 'ACTIVE')
    harness.wait_for(lambda: host() != before and is_there(), 'arrived with its volume', 60, 0.2)
    act('migrate', {'host': None}, 'VERIFY_RESIZE')
    assert host() == before
    assert is_there()
    act('revertResize', None, 'ACTIVE')
    assert host() != before
    assert is_there()
    act('shelve', None, 'SHELVED_OFFLOADED')
    assert volumes.attachments(volume) == [(server['id'], 'reserved')]
    act('unshelve', None, 'ACTIVE')
    harness.wait_for(is_there, 'back with its volume', 60, 0.2)
    assert volumes.get(volume).status == 'in-use'


def test_volumes_are_swapped_and_grow(site, volumes, member, server):
    first, second = volumes.make(), volumes.make(size=2)
    attach(member, server, first)
    volumes.settled(first, 'in-use')
    admin = site.cloud.client(site.connect('admin').get_session().get_token())
    path = f'/servers/{server["id"]}/os-volume_attachments'
    assert admin.call('PUT', f'{path}/{first}', {'volumeAttachment': {'volumeId': second}}).status_code == 202
    volumes.settled(first, 'available')
    volumes.settled(second, 'in-use')
    assert [each['volumeId'] for each in member.get(path)['volumeAttachments']] == [second]
    volumes.cinder.post(f'/volumes/{second}/action', json={'os-extend': {'new_size': 3}}, microversion='3.42')
    # Cinder tells us (volume-extended), and the host asks it how large the volume is.
    harness.wait_for(lambda: site.cloud.sql(
        f"SELECT id FROM block_device_mapping WHERE volume_id = '{second}' AND volume_size = 3"), 'larger', 60, 0.2)


def test_the_volume_that_a_server_boots_from_gets_another_image(site, volumes, member):
    other = site.directory / 'other.raw'
    other.write_bytes(b'other' + bytes(65536))
    cloud = openstack.connection.Connection(config=site.connect())
    image = cloud.create_image('other', filename=str(other), disk_format='raw', container_format='bare', wait=True).id
    made = member.boot('rebuilt', imageRef='', networks='none', block_device_mapping_v2=[
        {'boot_index': 0, 'uuid': image_id(site), 'source_type': 'image', 'destination_type': 'volume',
         'volume_size': 1, 'delete_on_termination': True}])
    answer = member.call('POST', f'/servers/{made["id"]}/action', {'rebuild': {'imageRef': image}})
    assert answer.status_code == 202, answer.text
    member.wait(made['id'], 'ACTIVE')
    (volume,) = (site.directory / 'volumes').iterdir()
    with volume.open('rb') as content:
        assert content.read(5) == b'other'
    member.call('DELETE', f'/servers/{made["id"]}')
    member.gone(made['id'])
    harness.wait_for(lambda: volumes.names() == set(), 'volume gone', 60, 0.2)
    cloud.image.delete_image(image)


def test_without_cinder_requests_say_so_and_nothing_is_lost(site, volumes, member, server):
    volume = volumes.make()
    pid = int((site.directory / 'cinder.pid').read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = attach(member, server, volume)
        assert answer.status_code == 503, answer.text
        assert 'Block Storage' in answer.json()['serviceUnavailable']['message']
        made = member.boot('waits', wait=None, imageRef='', networks='none', block_device_mapping_v2=[
            {'boot_index': 0, 'source_type': 'blank', 'destination_type': 'volume', 'volume_size': 1,
             'delete_on_termination': True}])
        failed = member.wait(made['id'], 'ERROR')
        assert 'Block Storage' in failed['fault']['message'] or 'valid host' in failed['fault']['message']
    finally:
        os.kill(pid, signal.SIGCONT)
    member.call('DELETE', f'/servers/{made["id"]}')
    member.gone(made['id'])
    assert member.get(f'/servers/{server["id"]}/os-volume_attachments')['volumeAttachments'] == []
    assert volumes.get(volume).status == 'available'
