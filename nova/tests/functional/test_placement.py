# SPDX-License-Identifier: Apache-2.0
"""Servers that want certain parts of a host: NUMA cells, pinned CPUs, pages, PCI devices, resource classes, traits."""

import pytest

from nova.tests import harness

SITE = {'fake': {'numa_cells': 2, 'pci_devices': 3, 'inventory': 'CUSTOM_GOLD:1', 'vcpus': 8, 'memory_mb': 4096,
                 'more_hosts': 'other'},
        'pci': {'alias': '{"name": "nic", "vendor_id": "8086", "product_id": "1520"}',
                'device_spec': '{"vendor_id": "8086"}'},
        'DEFAULT': {'cpu_allocation_ratio': 1.0}}
HOSTS = ('test', 'other')


@pytest.fixture(scope='module')
def cloud():
    with harness.Cloud.all_in_one(SITE) as cloud:
        cloud.wait_ready(computes=2)
        yield cloud


@pytest.fixture
def client(cloud):
    client = cloud.client()
    yield client
    for server in client.get('/servers')['servers']:
        client.delete(server['id'])
    assert not cloud.leaks()
    assert not [row for row in cloud.sql('SELECT inventory_used FROM compute_nodes')
                if row['inventory_used'] not in (None, '{}')]


def flavor(client, name, vcpus=2, ram=256, **specs):
    made = client.post('/flavors', {'flavor': {'name': name, 'vcpus': vcpus, 'ram': ram, 'disk': 1}})['flavor']['id']
    client.post(f'/flavors/{made}/os-extra_specs',
                {'extra_specs': {key.replace('__', ':'): value for key, value in specs.items()}}, '2.1')
    return made


def topology(client, server):
    return client.get(f'/servers/{server["id"]}/topology')


def host_of(client, server):
    return client.get(f'/servers/{server["id"]}')['server']['OS-EXT-SRV-ATTR:host']


def test_pinned_cpus_are_shown_and_never_shared(client):
    pinned = flavor(client, 'pinned', hw__cpu_policy='dedicated')
    servers = [client.boot(f'pinned-{number}', flavorRef=pinned) for number in range(8)]
    taken = []
    for server in servers:
        found = topology(client, server)
        assert found['pagesize_kb'] is None
        (cell,) = found['nodes']
        assert cell['vcpu_set'] == [0, 1]
        assert cell['memory_mb'] == 256
        taken += [(host_of(client, server), cpu) for cpu in cell['cpu_pinning'].values()]
    assert sorted(taken) == sorted((host, cpu) for host in HOSTS for cpu in range(8))
    fault = client.boot('one-more', wait='ERROR', flavorRef=pinned)['fault']
    assert 'CPUs' in fault['message']
    member = cloud_member(client)
    assert 'cpu_pinning' not in topology(member, servers[0])['nodes'][0]


def cloud_member(client):
    return client.cloud.client('user:demo:member')


def test_pages_and_two_cells(client):
    wanted = flavor(client, 'two-cells', vcpus=4, ram=512, hw__numa_nodes='2', hw__mem_page_size='2MB')
    found = topology(client, client.boot('wide', flavorRef=wanted))
    assert found['pagesize_kb'] == 2048
    assert [(cell['host_node'], cell['vcpu_set'], cell['memory_mb']) for cell in found['nodes']] == [
        (0, [0, 1], 256), (1, [2, 3], 256)]


def test_a_resize_claims_there_and_gives_back_here(client, cloud):
    pinned = flavor(client, 'pinned-small', hw__cpu_policy='dedicated')
    larger = flavor(client, 'pinned-large', vcpus=4, ram=512, hw__cpu_policy='dedicated')
    server = client.boot('grows', flavorRef=pinned)
    before = host_of(client, server)
    client.action(server['id'], 'resize', {'flavorRef': larger})
    client.wait(server['id'], 'VERIFY_RESIZE')
    assert len(topology(client, server)['nodes'][0]['cpu_pinning']) == 4
    assert host_of(client, server) != before
    client.action(server['id'], 'revertResize')
    client.wait(server['id'], 'ACTIVE')
    assert (host_of(client, server), len(topology(client, server)['nodes'][0]['cpu_pinning'])) == (before, 2)
    client.action(server['id'], 'resize', {'flavorRef': larger})
    client.wait(server['id'], 'VERIFY_RESIZE')
    client.action(server['id'], 'confirmResize')
    client.wait(server['id'], 'ACTIVE')
    used = ''.join(row['inventory_used'] or '' for row in cloud.sql('SELECT inventory_used FROM compute_nodes'))
    assert used.count('PCPU') == 4


def test_a_device_has_one_server(client):
    wanted = flavor(client, 'with-nics', pci_passthrough__alias='nic:2')
    for number in range(2):
        client.boot(f'nics-{number}', flavorRef=wanted)
    assert 'PCI devices' in client.boot('no-nics', wait='ERROR', flavorRef=wanted)['fault']['message']


def test_a_resource_class_is_for_as_many_as_there_are(client):
    gold = flavor(client, 'gold', vcpus=64, ram=65536, resources__CUSTOM_GOLD='1', resources__VCPU='0',
                  resources__MEMORY_MB='0', resources__DISK_GB='0')
    hosts = {host_of(client, client.boot(f'gold-{number}', flavorRef=gold)) for number in range(2)}
    assert hosts == set(HOSTS)
    fault = client.boot('no-gold', wait='ERROR', flavorRef=gold)['fault']
    assert 'resources that the flavor asks for' in fault['message']
    assert 'CUSTOM_GOLD' in fault['details']


def test_a_trait_that_no_host_has(client):
    fault = client.boot('fast', wait='ERROR', flavorRef=flavor(client, 'fast', trait__CUSTOM_FAST='required'))['fault']
    assert 'traits' in fault['message']
    assert 'without CUSTOM_FAST' in fault['details']


@pytest.mark.parametrize('specs, words', [
    ({'hw__numa_nodes': '3'}, 'hw:numa_nodes'), ({'hw__cpu_policy': 'shared', 'hw__cpu_thread_policy': 'isolate'},
                                                 'hw:cpu_thread_policy'),
    ({'pci_passthrough__alias': 'unknown:1'}, 'no alias unknown'),
    ({'hw__watchdog_action': 'bark'}, 'hw:watchdog_action'), ({'hw__mem_encryption': 'true'}, 'hw:mem_encryption')])
def test_what_cannot_be_is_refused_at_once(client, specs, words):
    wanted = flavor(client, f'wrong-{words}', **specs)
    answer = client.call('POST', '/servers', {'server': {'name': 'wrong', 'flavorRef': wanted,
                                                         'imageRef': harness.IMAGE_ID, 'networks': 'none'}})
    assert answer.status_code == 400
    assert words in answer.json()['badRequest']['message']
