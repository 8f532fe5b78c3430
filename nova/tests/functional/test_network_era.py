# SPDX-License-Identifier: Apache-2.0
"""What nova-network offered its users, until 2.35 (2.43 for actions): security groups, addresses, interfaces."""

import sqlite3

import pytest
import sqlalchemy as sa

from nova.tests import harness
from nova.tests.functional import sites, test_networks

OLD = '2.1'


site = sites.own(prepare=sites.make_private_network)


@pytest.fixture
def root(site):
    return site.client(version=OLD)


@pytest.fixture
def member(site):
    return site.client('alice:project-a', version=OLD)


@pytest.fixture
def server(site):
    latest = site.client('alice:project-a')
    with latest.booted('addressed', networks='auto') as made:
        yield made
    assert site.leaks() == []


def act(client, server, name, value, version='2.43'):
    return client.call('POST', f'/servers/{server["id"]}/action', {name: value}, version)


def addresses(client, server):
    found = client.get(f'/servers/{server["id"]}/ips', harness.LATEST)['addresses']
    return [each['addr'] for each in found.get('private', ())]


# Security groups -----------------------------------------------------------------------------------------------------

def test_a_group_with_rules(site, member):
    made = member.post('/os-security-groups', {'security_group': {'name': 'web', 'description': 'of the web'}})
    group = made['security_group']
    assert (group['name'], group['tenant_id'], group['rules']) == ('web', 'project-a', [])
    rule = member.post('/os-security-group-rules', {'security_group_rule': {
        'parent_group_id': group['id'], 'ip_protocol': 'TCP', 'from_port': 80, 'to_port': '81',
        'cidr': '10.0.0.0/8'}})['security_group_rule']
    assert rule['ip_range'] == {'cidr': '10.0.0.0/8'}
    assert (rule['ip_protocol'], rule['from_port'], rule['to_port'], rule['group']) == ('tcp', 80, 81, {})
    from_group = member.post('/os-security-group-rules', {'security_group_rule': {
        'parent_group_id': group['id'], 'group_id': group['id']}})['security_group_rule']
    assert from_group['group'] == {'name': 'web', 'tenant_id': 'project-a'}
    shown = member.get(f'/os-security-groups/{group["id"]}')['security_group']
    assert shown['rules'] == [rule, from_group]
    assert [each['name'] for each in member.get('/os-security-groups')['security_groups']] == ['default', 'web']
    renamed = member.call('PUT', f'/os-security-groups/{group["id"]}',
                          {'security_group': {'name': 'www', 'description': 'still'}})
    assert renamed.json()['security_group']['name'] == 'www'
    assert member.call('DELETE', f'/os-security-group-rules/{rule["id"]}').status_code == 202
    stranger = site.client('mallory:elsewhere', version=OLD)
    for method, path, body in (('GET', f'/os-security-groups/{group["id"]}', None),
                               ('DELETE', f'/os-security-groups/{group["id"]}', None),
                               ('DELETE', f'/os-security-group-rules/{from_group["id"]}', None)):
        assert stranger.call(method, path, body).status_code == 404
    assert site.client('rita:project-a:reader').call('DELETE', f'/os-security-groups/{group["id"]}',
                                                     version=OLD).status_code == 403
    assert member.call('DELETE', f'/os-security-groups/{group["id"]}').status_code == 202
    assert member.call('GET', f'/os-security-groups/{group["id"]}').status_code == 404
    assert member.call('GET', '/os-security-groups', version='2.36').status_code == 404


@pytest.mark.parametrize('body, status, says', [
    ({'ip_protocol': 'sctp', 'from_port': 1, 'to_port': 2}, 400, 'ip_protocol'),
    ({'ip_protocol': 'tcp', 'from_port': 2, 'to_port': 1}, 400, 'to_port'),
    ({'ip_protocol': 'tcp', 'from_port': 0, 'to_port': 1}, 400, 'from_port'),
    ({'ip_protocol': 'tcp', 'from_port': 1, 'to_port': 2, 'cidr': 'x'}, 400, 'cidr'),
    ({'ip_protocol': 'tcp', 'from_port': 1, 'to_port': 2, 'cidr': '1.2.3.4/0'}, 400, '/0'),
    ({'ip_protocol': 'tcp'}, 400, 'from_port'), ({'group_id': 99999}, 404, '99999'),
    ({'group_id': 'many'}, 400, 'group_id')])
def test_rules_that_are_none(member, body, status, says):
    group = member.get('/os-security-groups')['security_groups'][0]
    answer = member.call('POST', '/os-security-group-rules', {'security_group_rule': {
        'parent_group_id': group['id'], **body}})
    assert answer.status_code == status
    assert says in answer.text


def test_groups_of_a_server(site, member, server):
    member.post('/os-security-groups', {'security_group': {'name': 'extra', 'description': 'x'}})
    assert act(member, server, 'addSecurityGroup', {'name': 'extra'}, harness.LATEST).status_code == 202
    found = member.get(f'/servers/{server["id"]}/os-security-groups', harness.LATEST)['security_groups']
    assert {group['name'] for group in found} == {'default', 'extra'}
    assert act(member, server, 'addSecurityGroup', {'name': 'extra'}).status_code == 400
    assert act(member, server, 'addSecurityGroup', {'name': 'unknown'}).status_code == 404
    assert act(member, server, 'removeSecurityGroup', {'name': 'extra'}).status_code == 202
    assert act(member, server, 'removeSecurityGroup', {'name': 'extra'}).status_code == 400
    assert act(site.client('mallory:elsewhere'), server, 'addSecurityGroup', {'name': 'default'}).status_code == 404
    group = next(each for each in member.get('/os-security-groups')['security_groups'] if each['name'] == 'default')
    assert member.call('DELETE', f'/os-security-groups/{group["id"]}').status_code == 400


def test_default_rules_are_those_of_new_projects(site, root):
    body = {'ip_protocol': 'tcp', 'from_port': 22, 'to_port': 22, 'cidr': '0.0.0.0/0'}
    made = root.post('/os-security-group-default-rules', {'security_group_default_rule': body})
    rule = made['security_group_default_rule']
    assert root.call('POST', '/os-security-group-default-rules',
                     {'security_group_default_rule': body}).status_code == 409
    newcomer = site.client('nina:project-new', version=OLD)
    (group,) = newcomer.get('/os-security-groups')['security_groups']
    assert [(each['from_port'], each['ip_range']) for each in group['rules']] == [(22, {'cidr': '0.0.0.0/0'})]
    assert newcomer.call('GET', '/os-security-group-default-rules').status_code == 403
    assert root.get(f'/os-security-group-default-rules/{rule["id"]}') == made
    assert root.call('DELETE', f'/os-security-group-default-rules/{rule["id"]}').status_code == 204
    assert root.get('/os-security-group-default-rules') == {'security_group_default_rules': []}


# Floating addresses --------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def pool(site):
    root = site.client(version=OLD)
    answer = root.call('POST', '/os-floating-ips-bulk', {'floating_ips_bulk_create': {'ip_range': '192.0.2.0/29',
                                                                                      'pool': 'public'}})
    assert answer.status_code == 200
    return answer.json()['floating_ips_bulk_create']


def test_a_floating_address_comes_and_goes(site, root, member, server, pool):
    assert member.get('/os-floating-ip-pools') == {'floating_ip_pools': [{'name': 'public'}]}
    floating = member.post('/os-floating-ips', {'pool': 'public'})['floating_ip']
    assert floating['instance_id'] is None
    assert act(member, server, 'addFloatingIp', {'address': floating['ip']}).status_code == 202
    assert floating['ip'] in addresses(member, server)
    bound = member.get(f'/os-floating-ips/{floating["id"]}')['floating_ip']
    assert (bound['instance_id'], bound['fixed_ip']) == (server['id'], addresses(member, server)[0])
    assert act(member, server, 'addFloatingIp', {'address': floating['ip']}).status_code == 202      # bound anew
    assert act(member, server, 'addFloatingIp', {'address': '192.0.2.99'}).status_code == 404
    stranger = site.client('mallory:elsewhere', version=OLD)
    assert stranger.get('/os-floating-ips') == {'floating_ips': []}
    assert stranger.call('GET', f'/os-floating-ips/{floating["id"]}').status_code == 404
    assert stranger.call('DELETE', f'/os-floating-ips/{floating["id"]}').status_code == 404
    everything = root.get('/os-floating-ips-bulk')['floating_ip_info']
    assert len(everything) == 6
    assert next(each for each in everything if each['address'] == floating['ip'])['instance_uuid'] == server['id']
    assert act(member, server, 'removeFloatingIp', {'address': floating['ip']}).status_code == 202
    assert act(member, server, 'removeFloatingIp', {'address': floating['ip']}).status_code == 409
    assert floating['ip'] not in addresses(member, server)
    assert member.call('DELETE', f'/os-floating-ips/{floating["id"]}').status_code == 202
    assert act(member, server, 'addFloatingIp', {'address': floating['ip']}, '2.44').status_code in {400, 404}


def test_an_address_that_is_bound_is_given_back_unbound(site, member, server, pool):
    floating = member.post('/os-floating-ips', {'pool': 'public'})['floating_ip']
    act(member, server, 'addFloatingIp', {'address': floating['ip']})
    assert member.call('DELETE', f'/os-floating-ips/{floating["id"]}').status_code == 202
    assert member.call('GET', f'/os-floating-ips/{floating["id"]}').status_code == 404
    assert floating['ip'] not in addresses(member, server)


def test_an_address_that_somebody_binds_at_the_moment_it_is_given_back_stays(site, member, server, pool):
    floating = member.post('/os-floating-ips', {'pool': 'public'})['floating_ip']
    path = f'/os-floating-ips/{floating["id"]}'
    act(member, server, 'addFloatingIp', {'address': floating['ip']})
    with sqlite3.connect(sa.make_url(site.database).database) as conn:
        # Whoever unbinds it finds it bound again at once.
        conn.execute('CREATE TRIGGER bound_again AFTER UPDATE OF fixed_ip_id ON floating_ips WHEN NEW.fixed_ip_id '
                     'IS NULL BEGIN UPDATE floating_ips SET fixed_ip_id = OLD.fixed_ip_id WHERE id = NEW.id; END')
        refused = member.call('DELETE', path)
        conn.execute('DROP TRIGGER bound_again')
    assert refused.status_code == 409, refused.text
    assert floating['ip'] in refused.text
    assert member.get(path)['floating_ip']['instance_id'] == server['id']
    assert member.call('DELETE', path).status_code == 202


def test_floating_addresses_that_are_not_to_be_had(root, member, pool):
    assert member.call('POST', '/os-floating-ips', {'pool': 'unknown'}).status_code == 404
    assert member.call('GET', '/os-floating-ips/x').status_code == 400
    assert member.call('GET', '/os-floating-ips-bulk').status_code == 403
    assert root.call('POST', '/os-floating-ips-bulk', {'floating_ips_bulk_create': {
        'ip_range': '192.0.2.0/29'}}).status_code == 409
    assert root.call('POST', '/os-floating-ips-bulk', {'floating_ips_bulk_create': {
        'ip_range': 'x'}}).status_code == 400
    added = root.call('POST', '/os-floating-ips-bulk', {'floating_ips_bulk_create': {'ip_range': '198.51.100.0/29'}})
    assert added.status_code == 200
    gone = root.call('PUT', '/os-floating-ips-bulk/delete', {'ip_range': '198.51.100.0/29'})
    assert gone.json() == {'floating_ips_bulk_delete': '198.51.100.0/29'}
    assert root.call('PUT', '/os-floating-ips-bulk/other', {'ip_range': '198.51.100.0/29'}).status_code == 404


# Fixed addresses and interfaces --------------------------------------------------------------------------------------

def test_fixed_addresses_are_added_and_removed(root, member, server):
    network = root.get('/os-networks')['networks'][0]['id']
    before = addresses(member, server)
    assert act(member, server, 'addFixedIp', {'networkId': network}).status_code == 202
    (new,) = set(addresses(member, server)) - set(before)
    shown = root.get(f'/os-fixed-ips/{new}', '2.4')['fixed_ip']
    assert (shown['cidr'], shown['host'], shown['reserved']) == ('10.0.0.0/24', 'test', False)
    assert 'reserved' not in root.get(f'/os-fixed-ips/{new}')['fixed_ip']
    assert len(member.get(f'/servers/{server["id"]}/os-virtual-interfaces')['virtual_interfaces']) == 2
    assert act(member, server, 'removeFixedIp', {'address': new}).status_code == 202
    assert addresses(member, server) == before
    assert act(member, server, 'removeFixedIp', {'address': new}).status_code == 400
    assert act(member, server, 'addFixedIp', {'networkId': 'unknown'}).status_code == 404
    assert member.call('GET', f'/os-fixed-ips/{new}').status_code == 403
    assert root.call('GET', '/os-fixed-ips/x').status_code == 400
    assert root.call('GET', '/os-fixed-ips/10.9.9.9').status_code == 404


def test_a_reserved_address_is_given_to_nobody(root):
    assert root.call('POST', '/os-fixed-ips/10.0.0.99/action', {'reserve': None}).status_code == 202
    assert root.get('/os-fixed-ips/10.0.0.99', '2.4')['fixed_ip']['reserved'] is True
    assert root.call('POST', '/os-fixed-ips/10.0.0.99/action', {'unreserve': None}).status_code == 202


def test_interfaces_of_a_running_server(site, root, server):
    member, path = site.client('alice:project-a'), f'/servers/{server["id"]}/os-interface'
    (first,) = member.get(path)['interfaceAttachments']
    assert first['fixed_ips'][0]['ip_address'] in addresses(member, server)
    network = root.get('/os-networks')['networks'][0]['id']
    made = member.post(path, {'interfaceAttachment': {'net_id': network, 'fixed_ips': [{'ip_address': '10.0.0.77'}],
                                                      'tag': 'second'}})['interfaceAttachment']
    assert made['fixed_ips'][0]['ip_address'] == '10.0.0.77'
    assert made['tag'] == 'second'
    assert member.get(f'{path}/{made["port_id"]}')['interfaceAttachment']['mac_addr'] == made['mac_addr']
    assert member.call('POST', path, {'interfaceAttachment': {
        'net_id': network, 'fixed_ips': [{'ip_address': '10.0.0.77'}]}}).status_code == 400
    assert member.call('DELETE', f'{path}/{made["port_id"]}').status_code == 202
    assert member.get(path)['interfaceAttachments'] == [first]
    assert member.call('DELETE', f'{path}/{made["port_id"]}').status_code == 404
    any_one = member.post(path, {'interfaceAttachment': {}})['interfaceAttachment']
    assert member.call('DELETE', f'{path}/{any_one["port_id"]}').status_code == 202
    actions = member.get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions']
    assert [each['action'] for each in actions[:2]] == ['detach_interface', 'attach_interface']
    assert member.call('POST', path, {'interfaceAttachment': {'fixed_ips': [{'ip_address': '10.0.0.5'}]}}
                       ).status_code == 400
    stranger = site.client('mallory:elsewhere')
    assert stranger.call('GET', path).status_code == 404
    assert stranger.call('POST', path, {'interfaceAttachment': {}}).status_code == 404
    assert site.client('rita:project-a:reader').call('POST', path, {'interfaceAttachment': {}}).status_code == 403


def test_an_interface_that_the_guest_refuses_leaves_nothing():
    with harness.Cloud.all_in_one({'fake': {'failures': 'attach_interface:always'}}) as cloud:
        test_networks.make(cloud, 'private', '10.0.0.0/24')
        admin = cloud.client()
        server = admin.boot('stubborn', networks='auto')
        before = addresses(admin, server)
        answer = admin.call('POST', f'/servers/{server["id"]}/os-interface', {'interfaceAttachment': {}})
        assert answer.status_code == 500
        assert 'attach_interface' in answer.text
        assert addresses(admin, server) == before
        assert len(cloud.sql('SELECT * FROM virtual_interfaces')) == 1


def test_names_of_addresses(site, member):
    root = site.client(version=OLD)
    base = '/os-floating-ip-dns'
    assert member.call('PUT', f'{base}/ours', {'domain_entry': {'scope': 'public'}}).status_code == 403
    for domain, body in (('Example.org', {'scope': 'public'}), ('b.example.org', {'scope': 'public', 'project': 'b'}),
                         ('inside', {'scope': 'private', 'availability_zone': 'nova'})):
        made = root.call('PUT', f'{base}/{domain}', {'domain_entry': body})
        assert made.status_code == 200, made.text
    assert made.json() == {'domain_entry': {'domain': 'inside', 'scope': 'private', 'project': None,
                                            'availability_zone': 'nova'}}
    assert [each['domain'] for each in root.get(base)['domain_entries']] == ['b.example.org', 'example.org', 'inside']
    assert [each['domain'] for each in member.get(base)['domain_entries']] == ['example.org', 'inside']
    for name, ip in (('www', '10.9.9.8'), ('www', '10.9.9.9'), ('ftp', '10.9.9.9')):
        entry = member.call('PUT', f'{base}/example.org/entries/{name}', {'dns_entry': {'ip': ip, 'dns_type': 'a'}})
        assert entry.json() == {'dns_entry': {'ip': ip, 'id': None, 'type': 'A', 'domain': 'example.org', 'name': name}}
    assert member.get(f'{base}/example.org/entries/WWW')['dns_entry']['ip'] == '10.9.9.9'
    by_address = member.get(f'{base}/example.org/entries/10.9.9.9')['dns_entries']
    assert [each['name'] for each in by_address] == ['ftp', 'www']
    assert member.get(f'{base}/example.org/entries/10.9.9.8') == {'dns_entries': []}
    assert member.call('DELETE', f'{base}/example.org/entries/ftp').status_code == 202
    for method, path in (('DELETE', '/example.org/entries/ftp'), ('GET', '/example.org/entries/ftp'),
                         ('GET', '/b.example.org/entries/x'), ('DELETE', '/b.example.org/entries/x')):
        assert member.call(method, base + path).status_code == 404, path
    assert root.call('DELETE', f'{base}/example.org').status_code == 202
    assert root.call('DELETE', f'{base}/example.org').status_code == 404
    assert root.call('PUT', f'{base}/example.org', {'domain_entry': {'scope': 'public'}}).status_code == 200
    assert root.call('GET', f'{base}/example.org/entries/www').status_code == 404


@pytest.mark.parametrize('path, body, says', [
    ('/d', {'domain_entry': {'scope': 'secret'}}, 'scope'), ('/d', {'domain_entry': {}}, 'scope'),
    ('/d', {'domain_entry': {'scope': 'private', 'project': 'p'}}, 'project'),
    ('/d', {'domain_entry': {'scope': 'public', 'availability_zone': 'z'}}, 'availability_zone'),
    ('/-d..x', {'domain_entry': {'scope': 'public'}}, 'domain'),
    ('/' + 'd' * 254, {'domain_entry': {'scope': 'public'}}, 'domain'),
    ('/known/entries/e', {'dns_entry': {'ip': 'x', 'dns_type': 'A'}}, 'ip'),
    ('/known/entries/e', {'dns_entry': {'ip': 'fd00::1', 'dns_type': 'A'}}, 'ip'),
    ('/known/entries/e', {'dns_entry': {'ip': '10.0.0.1', 'dns_type': 'MX'}}, 'dns_type'),
    ('/known/entries/a b', {'dns_entry': {'ip': '10.0.0.1', 'dns_type': 'A'}}, 'name')])
def test_names_that_are_none(site, path, body, says):
    root = site.client(version=OLD)
    root.call('PUT', '/os-floating-ip-dns/known', {'domain_entry': {'scope': 'public'}})
    answer = root.call('PUT', f'/os-floating-ip-dns{path}', body)
    assert answer.status_code == 400
    assert says in answer.text
