# SPDX-License-Identifier: Apache-2.0
"""Hosts, external events, networks of projects, and what is no longer offered."""

import pytest

from nova.tests import harness
from nova.tests.functional import sites, test_networks

OLD = '2.1'
UNKNOWN = '22222222-2222-2222-2222-222222222222'


site = sites.own()


@pytest.fixture
def root(site):
    return site.client(version=OLD)


@pytest.fixture
def member(site):
    return site.client('alice:project-a', version=OLD)


def test_hosts(site, root, member):
    rows = root.get('/os-hosts')['hosts']
    assert {'host_name': 'test', 'service': 'compute', 'zone': 'nova'} in rows
    assert all(row['zone'] == 'nova' for row in root.get('/os-hosts?zone=nova')['hosts'])
    server = site.client('alice:project-a').boot('guest')
    shown = {row['resource']['project']: row['resource'] for row in root.get('/os-hosts/test')['host']}
    assert set(shown) == {'(total)', '(used_now)', '(used_max)', 'project-a'}
    assert shown['project-a'] == {'host': 'test', 'project': 'project-a', 'cpu': 1, 'memory_mb': 128, 'disk_gb': 1}
    assert shown['(used_now)']['memory_mb'] == 128
    member.call('DELETE', f'/servers/{server["id"]}')
    assert root.call('PUT', '/os-hosts/test', {'status': 'disable'}).json() == {'host': 'test', 'status': 'disabled'}
    (service,) = root.get('/os-services?binary=nova-compute')['services']
    assert service['status'] == 'disabled'
    assert root.call('PUT', '/os-hosts/test', {'status': 'enable', 'maintenance_mode': 'enable'}).json() == {
        'host': 'test', 'status': 'enabled', 'maintenance_mode': 'on_maintenance'}
    assert root.get('/os-hosts/test/reboot') == {'host': 'test', 'power_action': 'reboot'}


@pytest.mark.parametrize('method, path, body, status', [
    ('GET', '/os-hosts/nowhere', None, 404), ('PUT', '/os-hosts/nowhere', {'status': 'enable'}, 404),
    ('PUT', '/os-hosts/test', {}, 400), ('PUT', '/os-hosts/test', {'status': 'off'}, 400),
    ('GET', '/os-hosts/nowhere/reboot', None, 404), ('GET', '/os-hosts/test/dance', None, 404)])
def test_hosts_that_are_none(root, member, method, path, body, status):
    assert root.call(method, path, body).status_code == status
    assert member.call(method, path, body).status_code in {400, 403}


def test_external_events_reach_the_host(site, root):
    server = site.client().boot('told')
    event = {'name': 'network-changed', 'server_uuid': server['id']}
    answer = root.call('POST', '/os-server-external-events', {'events': [event]})
    assert answer.status_code == 200
    assert answer.json()['events'] == [{**event, 'status': 'completed', 'code': 200}]
    mixed = root.call('POST', '/os-server-external-events', {'events': [event, {**event, 'server_uuid': UNKNOWN}]})
    assert mixed.status_code == 207
    assert [each['code'] for each in mixed.json()['events']] == [200, 404]
    assert mixed.json()['events'][1]['status'] == 'failed'
    latest = site.client()
    untagged = latest.call('POST', '/os-server-external-events', {'events': [{**event, 'name': 'volume-extended'}]})
    assert [each['code'] for each in untagged.json()['events']] == [400]
    power = latest.call('POST', '/os-server-external-events', {'events': [{**event, 'name': 'power-update',
                                                                           'tag': 'POWER_OFF'}]})
    assert power.status_code == 200


@pytest.mark.parametrize('version, name, status', [
    ('2.50', 'volume-extended', 400), ('2.51', 'volume-extended', 207), ('2.75', 'power-update', 400),
    ('2.81', 'accelerator-request-bound', 400), ('2.92', 'volume-reimaged', 400), ('2.93', 'volume-reimaged', 207),
    ('2.1', 'made-up', 400)])
def test_names_of_events_by_version(root, version, name, status):
    answer = root.call('POST', '/os-server-external-events', {'events': [
        {'name': name, 'server_uuid': UNKNOWN, 'tag': 'x'}]}, version)
    assert answer.status_code == status


def test_an_extended_volume_is_noticed(site):
    client = site.client()
    server = client.boot('grower')
    volume = client.post('/os-volumes', {'volume': {'size': 1}}, OLD)['volume']['id']
    client.post(f'/servers/{server["id"]}/os-volume_attachments', {'volumeAttachment': {'volumeId': volume}})
    harness.wait_for(lambda: client.get(f'/os-volumes/{volume}', OLD)['volume']['status'] == 'in-use', 'attached')
    answer = client.call('POST', '/os-server-external-events', {'events': [
        {'name': 'volume-extended', 'server_uuid': server['id'], 'tag': volume}]})
    assert answer.status_code == 200


def test_events_are_of_services_only(member):
    assert member.call('POST', '/os-server-external-events', {'events': [
        {'name': 'network-changed', 'server_uuid': UNKNOWN}]}).status_code == 403


def test_whose_a_network_is(site, root, member):
    test_networks.make(site, 'shared', '10.7.0.0/24')
    network = root.get('/os-networks')['networks'][0]['id']
    assert root.call('POST', '/os-networks/add', {'id': network}).status_code == 202
    assert root.get(f'/os-networks/{network}')['network']['project_id'] == 'demo'
    assert member.get('/os-tenant-networks')['networks'] == []
    for action in ('disassociate_project', 'disassociate_host', 'disassociate'):
        assert root.call('POST', f'/os-networks/{network}/action', {action: None}).status_code == 202
    assert root.get(f'/os-networks/{network}')['network']['project_id'] is None
    assert root.call('POST', f'/os-networks/{network}/action', {'associate_host': 'test'}).status_code == 202
    assert root.get(f'/os-networks/{network}')['network']['host'] == 'test'
    assert root.call('POST', f'/os-networks/{UNKNOWN}/action', {'disassociate': None}).status_code == 404
    assert member.call('POST', f'/os-networks/{network}/action', {'disassociate': None}).status_code == 403


def test_networks_of_ones_own(site, member):
    made = member.post('/os-tenant-networks', {'network': {'label': 'mine', 'cidr': '10.8.0.0/24'}})['network']
    assert (made['label'], made['cidr']) == ('mine', '10.8.0.0/24')
    assert member.get(f'/os-tenant-networks/{made["id"]}')['network'] == made
    assert made not in site.client('mallory:elsewhere').get('/os-tenant-networks', OLD)['networks']
    assert member.call('DELETE', f'/os-tenant-networks/{made["id"]}').status_code == 202
    assert member.call('GET', f'/os-tenant-networks/{made["id"]}').status_code == 404
    assert member.call('POST', '/os-tenant-networks', {'network': {'label': 'x'}}).status_code == 400


def test_images_are_fetched_beforehand(site):
    client = site.client()
    made = client.post('/os-aggregates', {'aggregate': {'name': 'warm'}})['aggregate']
    client.post(f'/os-aggregates/{made["id"]}/action', {'add_host': {'host': 'test'}})
    path = f'/os-aggregates/{made["id"]}/images'
    assert client.call('POST', path, {'cache': [{'id': harness.IMAGE_ID}]}).status_code == 202
    assert client.call('POST', path, {'cache': [{'id': UNKNOWN}]}).status_code == 400
    assert client.call('POST', path, {'cache': []}).status_code == 400
    assert client.call('POST', path, {'cache': [{'id': harness.IMAGE_ID}]}, '2.80').status_code == 404


@pytest.mark.parametrize('method, path, status', [
    ('GET', '/os-cells', 501), ('GET', '/os-cells/detail', 501), ('GET', '/os-cells/x/capacities', 501),
    ('POST', '/os-cells', 501), ('POST', '/os-cells/sync_instances', 501), ('DELETE', '/os-cells/x', 501),
    ('GET', '/os-baremetal-nodes', 501), ('GET', '/os-baremetal-nodes/x', 501), ('POST', '/os-baremetal-nodes', 400)])
def test_what_is_not_offered_says_so(root, method, path, status):
    assert root.call(method, path, {} if method in ('POST', 'PUT') else None).status_code == status


def test_fping(root):
    assert root.call('GET', '/os-fping').status_code in {200, 503}
    assert root.call('GET', f'/os-fping/{UNKNOWN}').status_code in {404, 503}
    assert root.call('GET', '/os-fping', version='2.36').status_code == 404
