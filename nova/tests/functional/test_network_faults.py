# SPDX-License-Identifier: Apache-2.0
"""What users of nova-network found broken: interfaces of both families, networks that are in use, groups and floating
addresses that change while servers have them.
"""

import pytest

from nova.tests.functional import sites

OLD = '2.1'


def _make_networks(cloud):
    cloud.manage('network', 'create', '--label', 'both', '--cidr', '10.0.0.0/24', '--cidr-v6', 'fd00:1::/64')


site = sites.own(prepare=_make_networks)


@pytest.fixture
def root(site):
    return site.client(version=OLD)


@pytest.fixture
def alice(site):
    return site.client('alice:project-a')


@pytest.fixture
def network(root):
    return next(each['id'] for each in root.get('/os-networks')['networks'] if each['label'] == 'both')


@pytest.fixture
def server(site, alice, network):
    with alice.booted('addressed', networks=[{'uuid': network}]) as made:
        yield made
    assert site.leaks() == []


def test_an_interface_of_both_families_is_detached(alice, server, network):
    path = f'/servers/{server["id"]}/os-interface'
    (first,) = alice.get(path)['interfaceAttachments']
    made = alice.post(path, {'interfaceAttachment': {'net_id': network}})['interfaceAttachment']
    assert [':' in ip['ip_address'] for ip in made['fixed_ips']] == [False, True]
    gone = alice.call('DELETE', f'{path}/{made["port_id"]}')
    assert gone.status_code == 202, gone.text
    assert alice.get(path)['interfaceAttachments'] == [first]


def test_an_interface_of_ipv6_alone_is_detached(alice, server):
    path = f'/servers/{server["id"]}/os-interface'
    made = alice.call('POST', '/os-tenant-networks', {'network': {'label': 'six', 'cidr_v6': 'fd00:6::/64'}}, OLD)
    network = made.json()['network']['id']
    vif = alice.post(path, {'interfaceAttachment': {'net_id': network}})['interfaceAttachment']
    assert [ip['ip_address'].startswith('fd00:6::') for ip in vif['fixed_ips']] == [True]
    gone = alice.call('DELETE', f'{path}/{vif["port_id"]}')
    assert gone.status_code == 202, gone.text
    assert len(alice.get(path)['interfaceAttachments']) == 1
    assert alice.call('DELETE', f'/os-tenant-networks/{network}', version=OLD).status_code == 202


def test_a_network_that_cannot_be_deleted_stays_its_projects(site, alice):
    made = alice.call('POST', '/os-tenant-networks', {'network': {'label': 'ours', 'cidr': '10.7.0.0/24'}}, OLD)
    network = made.json()['network']['id']
    row = f"SELECT project_id, host FROM networks WHERE uuid = '{network}'"
    with alice.booted('inside', networks=[{'uuid': network}]):
        before = dict(site.sql(row)[0])
        assert before['project_id'] == 'project-a'
        assert alice.call('DELETE', f'/os-tenant-networks/{network}', version=OLD).status_code == 409
        assert dict(site.sql(row)[0]) == before
        seen = site.client('mallory:elsewhere').get('/os-tenant-networks', OLD)['networks']
        assert network not in {each['id'] for each in seen}
    assert alice.call('DELETE', f'/os-tenant-networks/{network}', version=OLD).status_code == 202


def test_a_group_that_is_renamed_holds_under_its_new_name(alice, server):
    group = alice.call('POST', '/os-security-groups', {'security_group': {'name': 'web', 'description': 'x'}},
                       OLD).json()['security_group']
    path, action = f'/servers/{server["id"]}', f'/servers/{server["id"]}/action'
    assert alice.call('POST', action, {'addSecurityGroup': {'name': 'web'}}).status_code == 202
    renamed = alice.call('PUT', f'/os-security-groups/{group["id"]}',
                         {'security_group': {'name': 'www', 'description': 'x'}}, OLD)
    assert renamed.status_code == 200
    shown = {each['name'] for each in alice.get(path)['server']['security_groups']}
    assert shown == {'default', 'www'}
    held = alice.get(f'{path}/os-security-groups')['security_groups']
    assert {each['name'] for each in held} == {'default', 'www'}
    assert alice.call('POST', action, {'addSecurityGroup': {'name': 'www'}}).status_code == 400
    assert alice.call('POST', action, {'removeSecurityGroup': {'name': 'www'}}).status_code == 202
    assert alice.call('DELETE', f'/os-security-groups/{group["id"]}', version=OLD).status_code == 202


def test_floating_addresses_that_are_removed_lead_nowhere(root, alice, server):
    root.call('POST', '/os-floating-ips-bulk', {'floating_ips_bulk_create': {'ip_range': '198.51.100.9/32'}})
    address = alice.call('POST', '/os-floating-ips', {}, OLD).json()['floating_ip']['ip']
    assert alice.call('POST', f'/servers/{server["id"]}/action', {'addFloatingIp': {'address': address}},
                      OLD).status_code == 202
    assert address in str(alice.get(f'/servers/{server["id"]}')['server']['addresses'])
    assert root.call('PUT', '/os-floating-ips-bulk/delete', {'ip_range': '198.51.100.9/32'}).status_code == 200
    assert address not in str(alice.get(f'/servers/{server["id"]}')['server']['addresses'])


def test_a_group_that_an_offloaded_server_will_need_is_in_use(alice, server):
    group = alice.call('POST', '/os-security-groups', {'security_group': {'name': 'needed', 'description': 'x'}},
                       OLD).json()['security_group']
    alice.action(server['id'], 'addSecurityGroup', {'name': 'needed'})
    alice.action(server['id'], 'shelve')
    alice.wait(server['id'], 'SHELVED_OFFLOADED')
    refused = alice.call('DELETE', f'/os-security-groups/{group["id"]}', version=OLD)
    assert refused.status_code == 400, refused.status_code
    alice.action(server['id'], 'removeSecurityGroup', {'name': 'needed'})
    assert alice.call('DELETE', f'/os-security-groups/{group["id"]}', version=OLD).status_code == 202
