# SPDX-License-Identifier: Apache-2.0
"""/v2: the surface of 2.1 for clients that are older than microversions, and that nobody may break any more.

Both microversion headers are ignored and not returned, unknown keys are dropped, and names are stripped.
"""

import pytest

from nova.api.openstack import wsgi
from nova.tests import harness
from nova.tests.functional import sites

IMAGE = harness.IMAGE_ID
UNKNOWN = '22222222-2222-2222-2222-222222222222'
KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJlpN3pX9rlg0jZm4aRFjdkRJGRBaDGStKdgGPsRbMkt'


site = sites.own(prepare=sites.make_private_network)


class Old(harness.Client):
    """A client of /v2 that also sends the headers of a version: they must not matter."""

    def call(self, method, path, body=None, version=None, headers=None, **kwargs):
        if not path.startswith('http'):
            path = f'http://127.0.0.1:{self.cloud.port}/v2{path}'
        return super().call(method, path, body, version or '2.104', headers, **kwargs)


@pytest.fixture(scope='module')
def admin(site):
    return Old(site)


@pytest.fixture(scope='module')
def member(site):
    return Old(site, 'alice:project-a')


@pytest.fixture(scope='module')
def server(site, member):
    """What GET says of a server that was made through /v2, with keys that nobody knows."""
    made = member.post('/project-a/servers', {'server': {
        'name': ' old one ', 'flavorRef': '1', 'imageRef': IMAGE, 'user_data': None, 'nonsense': 1,
        'description': 'not yet known', 'tags': ['nor', 'this'], 'metadata': {'a': 'b'},
        'networks': [{'uuid': site.client().get('/os-networks', '2.1')['networks'][0]['id'], 'nonsense': 2}],
    }, 'more': 'nonsense'})['server']
    site.client('alice:project-a').wait(made['id'], 'ACTIVE')
    return member.get(f'/project-a/servers/{made["id"]}')['server']


@pytest.mark.parametrize('version', ['2.104', '2.1', '3.7', 'nonsense', 'latest'])
@pytest.mark.parametrize('path', ['/servers', '/flavors/detail', '/servers/nobody'])
def test_headers_of_versions_are_ignored_and_not_returned(member, path, version):
    answer = member.call('GET', path, version=version)
    assert answer.status_code == (404 if path.endswith('nobody') else 200)
    names = {name.lower() for name in answer.headers}
    assert not names & {'x-openstack-nova-api-version', 'openstack-api-version', 'vary'}
    assert names >= {'x-compute-request-id', 'x-openstack-request-id'}


def test_a_server_is_that_of_2_1(site, server):
    assert server['name'] == 'old one'
    at_2_1 = site.client('alice:project-a', '2.1').get(f'/servers/{server["id"]}')['server']
    assert set(server) == set(at_2_1)
    assert server['links'][0]['href'] == f'http://127.0.0.1:{site.port}/v2/project-a/servers/{server["id"]}'
    newest = site.client('alice:project-a').get(f'/servers/{server["id"]}')['server']
    assert (newest['description'], newest['tags']) == ('old one', [])


#: Method, path, body, status, and a part of the answer.  `{server}` is the server's id.
LENIENT = (
    ('PUT', '/servers/{server}', {'server': {'name': '  new  ', 'nonsense': 1}, 'more': 2}, 200,
     ('server', 'name', 'new')),
    ('PUT', '/servers/{server}', {'server': {'name': ' '}}, 400, None),
    ('POST', '/servers/{server}/metadata', {'metadata': {'c': 'd'}, 'x': 1}, 200, ('metadata', 'c', 'd')),
    ('PUT', '/servers/{server}/metadata/c', {'meta': {'c': 'e'}, 'x': 1}, 200, ('meta', 'c', 'e')),
    ('PUT', '/servers/{server}/metadata/c', {'meta': {'c': 5}}, 400, None),
    ('POST', '/servers/{server}/action', {'removeSecurityGroup': {'name': 'none', 'x': 1}}, 400, None),
    ('POST', '/servers/{server}/action', {'reboot': {'type': 'SOFT', 'x': 1}}, 202, None),
    ('POST', '/servers/{server}/action', {'os-getConsoleOutput': {'length': 1, 'x': 1}}, 200, None),
    ('POST', '/servers/{server}/action', {'os-getConsoleOutput': {}, 'x': 1}, 400, None),
    ('POST', '/servers/{server}/action', {'unheard-of': None}, 400, None),
    ('POST', '/servers/{server}/action', {'trigger_crash_dump': None}, 404, None),
    ('GET', '/servers/{server}/tags', None, 404, None),
    ('GET', '/servers/{server}/topology', None, 404, None),
    ('POST', '/servers/{server}/remote-consoles', {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}}, 404, None),
    ('POST', '/servers/{server}/action', {'os-getVNCConsole': {'type': 'novnc', 'x': 1}}, 200,
     ('console', 'type', 'novnc')),
    ('GET', '/servers?nonsense=1&limit=5', None, 200, None),
    ('GET', '/servers?limit=-1', None, 400, None),
    ('GET', '/servers/detail?status=unheard-of', None, 200, ('servers', [])),
    ('POST', '/os-keypairs', {'keypair': {'name': 'a+b@c:d', 'public_key': KEY, 'type': 'x509'}}, 200,
     ('keypair', 'name', 'a+b@c:d')),
    ('GET', '/os-keypairs/a+b@c:d', None, 200, ('keypair', 'public_key', KEY)),
    ('DELETE', '/os-keypairs/a+b@c:d', None, 202, None),
    ('POST', '/os-keypairs', {'keypair': {'name': '', 'public_key': KEY}}, 400, None),
    ('POST', '/os-security-groups', {'security_group': {'name': 'g', 'description': 'd', 'x': 1}}, 200, None),
    ('POST', '/os-server-groups', {'server_group': {'name': ' s ', 'policies': ['affinity'], 'x': 1}}, 200,
     ('server_group', 'name', 's')),
    ('POST', '/os-volumes', {'volume': {'size': 1, 'x': 1}}, 200, None),
    ('GET', '/images', None, 200, None), ('GET', '/os-networks', None, 200, None),
    ('GET', '/os-volumes_boot', None, 200, None), ('GET', '/limits?x=1', None, 200, None),
    ('GET', '/extensions/OS-EXT-VIF-NET', None, 200, ('extension', 'alias', 'OS-EXT-VIF-NET')),
    ('GET', '/otherproject/servers', None, 400, None), ('GET', '/nothing', None, 404, None),
)


@pytest.mark.parametrize('method, path, body, status, part', LENIENT,
                         ids=[f'{one[0]} {one[1]} {str(one[2])[:60]}' for one in LENIENT])
def test_what_is_taken(member, server, method, path, body, status, part):
    answer = member.call(method, path.format(server=server['id']), body)
    assert answer.status_code == status, answer.text
    if part is not None:
        found = answer.json()
        for key in part[:-1]:
            found = found[key]
        assert found == part[-1]


def test_administrators_too(admin):
    made = admin.post('/flavors', {'flavor': {'name': ' padded ', 'ram': 1, 'vcpus': 1, 'disk': 1, 'x': 1}})['flavor']
    assert made['name'] == 'padded'
    assert 'description' not in made
    aggregate = admin.post('/os-aggregates', {'aggregate': {'name': ' a ', 'x': 1}})['aggregate']
    assert aggregate['name'] == 'a'
    assert 'uuid' not in aggregate
    assert isinstance(admin.get('/os-services')['services'][0]['id'], int)
    assert isinstance(admin.get('/os-hypervisors')['hypervisors'][0]['id'], int)
    assert admin.call('PUT', '/os-services/disable', {'host': 'test', 'binary': 'nova-compute', 'x': 1}).json() == {
        'service': {'host': 'test', 'binary': 'nova-compute', 'status': 'disabled'}}
    assert admin.call('PUT', '/os-services/enable', {'host': 'test', 'binary': 'nova-compute'}).status_code == 200
    assert admin.call('PUT', '/os-services/force-down', {'host': 'test', 'binary': 'nova-compute',
                                                         'forced_down': True}).status_code == 404


def test_interfaces_name_their_networks(site, member, server):
    network = site.client().get('/os-networks', '2.1')['networks'][0]['id']
    (found,) = member.get(f'/servers/{server["id"]}/os-virtual-interfaces')['virtual_interfaces']
    assert found['OS-EXT-VIF-NET:net_id'] == network
    assert set(found) == {'id', 'mac_address', 'OS-EXT-VIF-NET:net_id'}
    (of_2_1,) = site.client('alice:project-a', '2.1').get(
        f'/servers/{server["id"]}/os-virtual-interfaces')['virtual_interfaces']
    assert set(of_2_1) == {'id', 'mac_address'}


def test_others_get_as_little_as_anywhere(site, server):
    stranger = Old(site, 'mallory:elsewhere')
    assert stranger.call('GET', f'/servers/{server["id"]}').status_code == 404
    assert stranger.get('/servers')['servers'] == []
    assert stranger.call('GET', '/project-a/servers').status_code == 400
    assert stranger.call('GET', '/os-services').status_code == 403
    assert Old(site, '').call('GET', '/servers').status_code == 401


LISTS = sorted({route.path for route in wsgi.table().routes
                if route.method == 'GET' and '{' not in route.path})


@pytest.mark.parametrize('path', LISTS)
def test_every_list_is_there_as_it_was_at_2_1(site, admin, path):
    """The same keys as at 2.1, and nothing that began later."""
    then = site.client(version='2.1').call('GET', path)
    now = admin.call('GET', path)
    assert now.status_code == then.status_code
    if now.status_code == 200:
        assert set(now.json()) == set(then.json())
