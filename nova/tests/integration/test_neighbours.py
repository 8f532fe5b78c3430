# SPDX-License-Identifier: Apache-2.0
"""Our service beside a real Keystone and a real Glance (tools/neighbours), with the stock clients."""

import configparser
import json
import os
import pathlib
import subprocess
import sys

import openstack
import pytest
import requests
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider
from novaclient import client as novaclient

from nova.tests import harness

BIN = pathlib.Path(sys.executable).parent
TOOLS = harness.ROOT / 'tools' / 'neighbours'


class Site:
    """The service, its neighbours, and what a user of them has."""

    def __init__(self, cloud, directory):
        self.cloud, self.directory = cloud, directory

    def openstack(self, *words, user='member', check=True):
        done = subprocess.run(
            [BIN / 'openstack', '--os-cloud', f'neighbours-{user}', *words], capture_output=True, text=True,
            check=False, timeout=120,
            env={**os.environ, 'OS_CLIENT_CONFIG_FILE': str(self.directory / 'clouds.yaml'),
                 'OS_COMPUTE_API_VERSION': '2.96'})
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
    subprocess.run([TOOLS / 'start.sh', '--dir', directory, '--compute-url', cloud.endpoint], check=True, timeout=900)
    try:
        found = configparser.ConfigParser(interpolation=None)
        found.read(directory / 'nova.conf')
        cloud.settings = {section: dict(found[section]) for section in found.sections()}
        beside = Site(cloud, directory)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cloud, 'client', lambda token=None, version=harness.LATEST: harness.Client(
                cloud, token or beside.connect('admin').get_session().get_token(), version))
            # Images are Glance's here: there is none to register.
            manage = cloud.manage
            patch.setattr(cloud, 'manage', lambda *words, **how: '' if words[0] == 'image' else manage(*words, **how))
            patch.setattr(harness, '_TEMPLATE', [])
            with cloud:
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
