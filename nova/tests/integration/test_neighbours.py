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
    subprocess.run([TOOLS / 'start.sh', '--dir', directory, '--compute-url', cloud.endpoint], check=True, timeout=200)
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
