# SPDX-License-Identifier: Apache-2.0
"""Stock clients with a stock clouds.yaml and no Keystone: the front doors answer them.

Each uploads an image, lists flavors, boots by names, shows, stops, starts, reads the console log, and deletes.
"""

import json
import pathlib
import subprocess
import sys

import openstack
import pytest
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider
from novaclient import client as novaclient

from nova.tests import harness, standalone

BIN = pathlib.Path(sys.executable).parent


@pytest.fixture(scope='module')
def site():
    with standalone.site({'demo': standalone.user('member')}) as cloud, standalone.acting_as(cloud, 'demo'):
        (cloud.directory / 'disk.raw').write_bytes(b'\0' * 65536)
        cloud.manage('network', 'create', '--label', 'private', '--cidr', '10.0.0.0/24')
        yield cloud


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f'{words}: {done.stdout}{done.stderr}'
    return done.stdout


def test_the_openstack_command(site):
    def cli(*words):
        return run(BIN / 'openstack', *words)
    cli('image', 'create', '--disk-format', 'raw', '--container-format', 'bare', '--file', site.directory / 'disk.raw',
        'uploaded')
    assert 'm1.test' in cli('flavor', 'list')
    assert 'PRIVATE KEY' in cli('keypair', 'create', 'k')
    made = json.loads(cli('server', 'create', '--image', 'uploaded', '--flavor', 'm1.test', '--network', 'private',
                          '--key-name', 'k', '--wait', '-f', 'json', 'one'))
    assert made['status'] == 'ACTIVE'
    shown = json.loads(cli('server', 'show', 'one', '-f', 'json'))
    assert shown['addresses']['private'][0].startswith('10.0.0.')
    cli('server', 'stop', 'one')
    harness.wait_for(lambda: json.loads(cli('server', 'show', 'one', '-f', 'json'))['status'] == 'SHUTOFF', 'stop')
    cli('server', 'start', 'one')
    harness.wait_for(lambda: json.loads(cli('server', 'show', 'one', '-f', 'json'))['status'] == 'ACTIVE', 'start')
    assert 'fake guest' in cli('console', 'log', 'show', 'one')
    assert 'total_cores_used' in cli('limits', 'show', '--absolute')
    cli('server', 'delete', '--wait', 'one')
    assert 'one' not in cli('server', 'list', '-f', 'value', '-c', 'Name').split()
    cli('image', 'delete', 'uploaded')


def test_openstacksdk(site):
    cloud = openstack.connect()
    image = cloud.create_image('sdk', filename=str(site.directory / 'disk.raw'), disk_format='raw',
                               container_format='bare', wait=True)
    assert 'm1.test' in [flavor.name for flavor in cloud.list_flavors()]
    server = cloud.create_server('two', image='sdk', flavor='m1.test', network='private', wait=True, auto_ip=False)
    assert server.status == 'ACTIVE'
    cloud.compute.stop_server(server)
    cloud.compute.wait_for_server(server, status='SHUTOFF', interval=1, wait=30)
    cloud.compute.start_server(server)
    cloud.compute.wait_for_server(server, status='ACTIVE', interval=1, wait=30)
    assert 'fake guest' in cloud.get_server_console('two')
    assert cloud.delete_server('two', wait=True)
    assert cloud.delete_image(image.id)


def test_novaclient(site):
    session = openstack.connect().session
    nova = novaclient.Client('2.96', session=session, region_name='RegionOne')
    image = next(found for found in nova.glance.list() if found.name == 'guest')
    flavor = next(found for found in nova.flavors.list() if found.name == 'm1.test')
    network = nova.neutron.find_network('private')
    server = nova.servers.create('three', image, flavor, nics=[{'net-id': network.id}])

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
    driver = get_driver(Provider.OPENSTACK)(
        'demo', standalone.PASSWORD, ex_force_auth_url=f'{site.url}/identity',
        ex_force_auth_version='3.x_password', ex_tenant_name='demo', ex_domain_name='Default',
        ex_force_service_region='RegionOne', api_version='2.2')
    size = next(found for found in driver.list_sizes() if found.name == 'm1.test')
    image = next(found for found in driver.list_images() if found.name == 'guest')
    network = next(found for found in driver.ex_list_networks() if found.name == 'private')
    node = driver.create_node(name='four', size=size, image=image, networks=[network])

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
