# SPDX-License-Identifier: Apache-2.0
"""A host that cannot build: another is tried, over separate daemons, and the fault tells when none is left."""

import pytest

from nova.tests import harness


@pytest.fixture(scope='module')
def cloud():
    binaries = ('nova-conductor', 'nova-scheduler', 'nova-api')
    cloud = harness.Cloud.daemons({'compute': {'consecutive_build_service_disable_threshold': 0}}, binaries=binaries)
    ready, cloud.wait_ready = cloud.wait_ready, lambda: None
    with cloud:
        ready(computes=0)
        yield cloud


def start_host(cloud, name, failures=None):
    config = cloud.write_config(cloud.directory / f'{name}.conf', DEFAULT={'host': name}, fake={'failures': failures})
    before = len(cloud.client().get('/os-hypervisors')['hypervisors'])
    cloud.start('nova-compute', config, name)
    harness.wait_for(lambda: len(cloud.client().get('/os-hypervisors')['hypervisors']) == before + 1, f'{name} there')


def test_the_fault_says_where_it_was_tried(cloud):
    for name in ('bad1', 'bad2', 'bad3'):
        start_host(cloud, name, 'spawn:always')
    admin = cloud.client()
    server = admin.boot('unlucky', wait='ERROR')
    assert server['fault']['code'] == 500
    assert 'could not be built on 3 hosts' in server['fault']['message'], server['fault']
    for host in ('bad1', 'bad2', 'bad3'):
        assert host in server['fault']['details']
    member = cloud.client('alice:project-a').boot('unlucky', wait='ERROR')
    assert 'bad' not in str(member['fault'])
    for client, uuid in ((admin, server['id']), (cloud.client('alice:project-a'), member['id'])):
        assert client.call('DELETE', f'/servers/{uuid}').status_code == 204
        client.gone(uuid)
    assert not cloud.leaks()


def test_a_good_host_gets_what_others_cannot_build(cloud):
    start_host(cloud, 'good')
    client = cloud.client()
    made = client.post('/servers', {'server': {
        'name': 'lucky', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none', 'min_count': 6,
        'max_count': 6, 'return_reservation_id': True}})
    assert made['reservation_id'].startswith('r-')
    servers = harness.wait_for(lambda: [server for server in client.get('/servers/detail')['servers']
                                        if server['status'] == 'ACTIVE'][5:] and
                               client.get('/servers/detail')['servers'], 'six servers')
    assert {server['OS-EXT-SRV-ATTR:host'] for server in servers} == {'good'}
    actions = [client.get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions'] for server in servers]
    assert all(action['action'] == 'create' for found in actions for action in found)
    assert not cloud.leaks()
