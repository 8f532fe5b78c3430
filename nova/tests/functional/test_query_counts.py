# SPDX-License-Identifier: Apache-2.0
"""SQL statements of every GET: as many where there is much to tell as where there is little."""

import concurrent.futures
import contextlib

import pytest

from nova.api.openstack import wsgi
from nova.tests import harness
from nova.tests.functional import test_api_table

#: For the order of the groups of tests.
TAKES_S = 100

#: Work that services do by themselves is rare, so that what is counted is the request's; and there is room for more.
QUIET = {'quota': {'security_groups': -1, 'floating_ips': -1},
         'DEFAULT': {'report_interval': 20, 'service_down_time': 120, 'order_poll_interval': 60,
                     'janitor_interval': 60, 'update_resources_interval': 600, 'sync_power_state_interval': 600}}
#: What a site has more of each kind, and how many hosts.
MORE = 8
#: Values of path parameters that are no names of the world.
PARAMETERS = {'server_id': 'server', 'flavor_id': 'own_flavor', 'image_id': 'image', 'network_id': 'network',
              'aggregate_id': 'aggregate', 'group_id': 'security_group', 'hypervisor_id': 'node', 'volume_id': 'volume',
              'snapshot_id': 'snapshot', 'port_id': 'port', 'request_id': 'request', 'rule_id': 'default_rule',
              'ip_id': 'floating', 'token': 'spice_direct', 'attachment_id': 'volume', 'project_id': 'demo',
              'pattern': 'pattern', 'host': 'host', 'address': 'fixed', 'label': 'lan', 'key': 'key_of', 'tag': 't',
              'alias': 'alias', 'version_id': 'version', 'action': 'startup', 'certificate': 'root',
              'before': '2026-01-02 03:04:05'}
#: Routes whose answer does not come, or not alone, from databases: why.
NOT_COUNTED = {
    '/servers/{server_id}/migrations/{migration_id}': 'is there while a server moves',
    '/servers/{server_id}/shares/{share_id}': 'needs a share of a file system',
    '/servers/{server_id}/consoles/{console_id}': 'no hypervisor here has such consoles',
    '/os-cells': 'refused', '/os-cells/{cell}': 'refused', '/os-cells/{cell}/capacities': 'refused',
    '/os-baremetal-nodes': 'refused', '/os-baremetal-nodes/{node}': 'refused',
    '/os-fping': 'is refused where there is no fping',
    '/os-fping/{server_id}': 'is refused where there is no fping',
}


class Site:
    """A site with what it has, and how many statements a request needs there."""

    def __init__(self, cloud, world):
        self.cloud, self.client, self.world = cloud, cloud.client(), world

    def statements(self, path, version):
        """The least of several tries: services ask meanwhile."""
        found = []
        for _ in range(4):
            before = self._sent()
            answer = self.client.call('GET', path, version=version)
            found.append(self._sent() - before)
            assert answer.status_code in {200, 204}, f'{path}: {answer.text}'
        return min(found)

    def _sent(self):
        text = self.client.http.get(f'http://127.0.0.1:{self.cloud.port}/metrics', timeout=60).text
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith('nova_db_queries_total'))

    def path(self, route):
        """The route's path, filled in with what there is."""
        names = self.world | self.world['numbers' if route.range.last < 53 else 'uuids']
        path = route.path
        for segment in route.path.split('/'):
            if segment.startswith('{'):
                parameter = segment[1:-1]
                kind = (route.path.split('/')[1], parameter)
                value = OF_ROUTE.get(kind) or PARAMETERS.get(parameter, parameter)
                path = path.replace(segment, str(names.get(value, value)))
        return path


#: (first segment, parameter) -> what of the world, where the parameter's name alone does not say.
OF_ROUTE = {('os-server-groups', 'group_id'): 'group', ('os-keypairs', 'name'): 'key',
            ('os-floating-ip-dns', 'domain'): 'd', ('os-floating-ip-dns', 'entry'): '10.0.0.9',
            ('os-quota-class-sets', 'name'): 'default', ('images', 'key'): 'k', ('servers', 'key'): 'k',
            ('flavors', 'key'): 'hw:numa_nodes', ('os-volumes_boot', 'key'): 'k'}


@contextlib.contextmanager
def site(hosts, more):
    with harness.Cloud.all_in_one({**QUIET, 'fake': {'more_hosts': ','.join(hosts)}, 'rdp': {'enabled': True},
                                   'spice': {'enabled': True}}) as cloud:
        cloud.wait_ready(1 + len(hosts))
        world = {**test_api_table.furnish(cloud), 'own_flavor': 'own', 'key_of': 'k', 'fixed': '10.0.0.2',
                 'pattern': 'test', 'alias': 'os-keypairs', 'version': 'v2.1'}
        cloud.client().post('/os-certificates', {'certificate': None})
        cloud.client().call('PUT', '/os-floating-ip-dns/d', {'domain_entry': {'scope': 'public'}}, '2.1')
        _name(cloud.client(), 'e')
        if more:
            add(cloud.client(), world, hosts)
            # A move ends the old one.
            world['spice_direct'] = test_api_table.token(cloud.client(), world['server'], 'spice', 'spice-direct')
        yield Site(cloud, world)


def add(client, world, hosts):
    """More of everything that a request could have to look at one by one."""
    for number in range(MORE):
        for path, body in simple(world, number):
            client.post(path, body, '2.1')
        _aggregate(client, world, hosts, number)
        _security_group(client, world, number)
        _volume(client, world)
        _servers(client, world, number)
        client.call('PUT', f'/servers/{world["server"]}/tags/t{number}')
        client.call('PUT', f'/os-floating-ip-dns/d{number}', {'domain_entry': {'scope': 'public'}}, '2.1')
        _name(client, f'e{number}')
    _move_all(client)


def _name(client, name):
    entry = {'dns_entry': {'ip': '10.0.0.9', 'dns_type': 'A'}}
    client.call('PUT', f'/os-floating-ip-dns/d/entries/{name}', entry, '2.1')


def simple(world, number):
    """(path, body) of requests that make something."""
    server = f'/servers/{world["server"]}'
    return (
        ('/flavors', {'flavor': {'name': f'f{number}', 'id': f'f{number}', 'ram': 64, 'vcpus': 1, 'disk': 1,
                                 'os-flavor-access:is_public': False}}),
        (f'/flavors/f{number}/os-extra_specs', {'extra_specs': {'a': 'b'}}),
        (f'/flavors/f{number}/action', {'addTenantAccess': {'tenant': 'demo'}}),
        ('/flavors/own/action', {'addTenantAccess': {'tenant': f'p{number}'}}),
        ('/flavors/own/os-extra_specs', {'extra_specs': {f'k{number}': 'v'}}),
        ('/os-keypairs', {'keypair': {'name': f'k{number}', 'public_key': test_api_table.PUBLIC_KEY}}),
        ('/os-security-group-default-rules', {'security_group_default_rule': {
            'ip_protocol': 'tcp', 'from_port': number + 1, 'to_port': number + 1, 'cidr': '10.0.0.0/8'}}),
        ('/os-networks', {'network': {'label': f'n{number}', 'cidr': f'10.9.{number}.0/28'}}),
        ('/os-floating-ips-bulk', {'floating_ips_bulk_create': {'ip_range': f'172.24.{10 + number}.0/29'}}),
        ('/os-floating-ips', {}),
        (f'/images/{world["image"]}/metadata', {'metadata': {f'k{number}': 'v'}}),
        (f'{server}/metadata', {'metadata': {f'k{number}': 'v'}}),
        (f'{server}/os-interface', {'interfaceAttachment': {'net_id': world['network']}}))


def _aggregate(client, world, hosts, number):
    """An aggregate of all hosts; and one more host in the first one."""
    made = client.post('/os-aggregates', {'aggregate': {'name': f'a{number}'}})['aggregate']['id']
    for aggregate, host in [(made, host) for host in hosts] + [(world['aggregate'], hosts[number])]:
        client.post(f'/os-aggregates/{aggregate}/action', {'add_host': {'host': host}})


def _security_group(client, world, number):
    """A group that lets the first one in, and is let in by it; the server is in it."""
    made = client.post('/os-security-groups', {'security_group': {'name': f's{number}', 'description': 'd'}}, '2.1')
    group = made['security_group']['id']
    for parent, source in ((group, world['security_group']), (world['security_group'], group)):
        client.post('/os-security-group-rules', {'security_group_rule': {
            'ip_protocol': 'tcp', 'from_port': 1, 'to_port': 2, 'parent_group_id': parent, 'group_id': source}}, '2.1')
    client.action(world['server'], 'addSecurityGroup', {'name': f's{number}'})


def _volume(client, world):
    """A volume with a snapshot, attached to the server."""
    volume = client.post('/os-volumes', {'volume': {'size': 1}}, '2.1')['volume']['id']
    client.post('/os-snapshots', {'snapshot': {'volume_id': volume}}, '2.1')
    client.post(f'/servers/{world["server"]}/os-volume_attachments', {'volumeAttachment': {'volumeId': volume}}, '2.1')


def _servers(client, world, number):
    """A server in the first group, and one in a new group; each with key pair, address, metadata and tags."""
    made = client.post('/os-server-groups', {'server_group': {'name': f'g{number}', 'policy': 'soft-affinity'}})
    for group in (world['group'], made['server_group']['id']):
        client.post('/servers', {'os:scheduler_hints': {'group': group}, 'server': {
            'name': f'more-{number}', 'flavorRef': '1', 'imageRef': world['image'], 'key_name': 'key',
            'networks': [{'uuid': world['network']}], 'metadata': {'a': 'b'}, 'tags': ['t', 'u']}})


def _move_all(client):
    """Give each server a migration and a few actions."""
    servers = [server['id'] for server in client.get('/servers')['servers']]
    for uuid in servers:
        client.wait(uuid, 'ACTIVE')
        client.action(uuid, 'migrate')
    for uuid in servers:
        client.wait(uuid, 'VERIFY_RESIZE')
        client.action(uuid, 'confirmResize')
    for uuid in servers:
        client.wait(uuid, 'ACTIVE')


@pytest.fixture(scope='module')
def sites():
    """(one with little, one with much)"""
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = [pool.submit(stack.enter_context, site(hosts, more)) for hosts, more in (
            (['second'], False), ([f'host-{number}' for number in range(MORE)] + ['second'], True))]
        yield tuple(each.result() for each in found)


def routes():
    found = {}
    for route in wsgi.table().routes:
        # /os-volumes_boot is another name of /servers.
        if route.method == 'GET' and route.path not in NOT_COUNTED and not route.path.startswith('/os-volumes_boot'):
            found[route.path] = max(route, found.get(route.path, route), key=lambda one: one.range.last)
    return sorted(found.values(), key=lambda one: one.path)


@pytest.mark.parametrize('route', [pytest.param(route, id=route.path) for route in routes()])
def test_statements_do_not_grow(sites, route):
    few, many = (each.statements(each.path(route), f'2.{route.range.last}') for each in sites)
    assert many <= few, f'{route.path}: {few} statements for little, {many} for much'
    assert many <= 12
