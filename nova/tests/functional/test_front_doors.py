# SPDX-License-Identifier: Apache-2.0
"""The standalone front doors over HTTP: identity, images and networks without Keystone, Glance, Neutron."""

import hashlib
import signal
import struct
import subprocess
import time

import pytest
import requests
import yaml

from nova.api.standalone import users
from nova.tests import harness, standalone

PEOPLE = {
    'root': standalone.user('admin'), 'rita': standalone.user('reader'),
    'alice': standalone.user(roles={'demo': ['member'], 'other': ['reader']}),
    'bob': standalone.user('member', project='other'), 'gone': standalone.user('member', enabled=False)}
OCTETS = {'Content-Type': 'application/octet-stream'}
PATCH = {'Content-Type': 'application/openstack-images-v2.1-json-patch'}


class Door:
    """One user's way in."""

    def __init__(self, base, token):
        self.base, self.token = base, token

    def __call__(self, method, path, json=None, headers=None, **kwargs):
        return requests.request(method, self.base + path, json=json, timeout=30, allow_redirects=False,
                                headers={'X-Auth-Token': self.token, **(headers or {})}, **kwargs)


def credentials(user, project='demo', password=None):
    who = {'name': user, 'domain': {'id': 'default'}, 'password': password or standalone.PASSWORD}
    scope = {'project': {'name': project, 'domain': {'name': 'Default'}}} if project else None
    return {'auth': {'identity': {'methods': ['password'], 'password': {'user': who}},
                     **({'scope': scope} if scope else {})}}


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    policy = tmp_path_factory.mktemp('standalone') / 'policy.yaml'
    with standalone.site(PEOPLE, {'oslo_policy': {'policy_file': policy}}) as cloud:
        cloud.policy = policy
        cloud.manage('network', 'create', '--label', 'lan', '--cidr', '10.9.0.0/24')
        yield cloud


@pytest.fixture(scope='module')
def enter(site):
    def enter(user, project='demo'):
        answer = requests.post(f'{site.url}/identity/v3/auth/tokens', json=credentials(user, project), timeout=30)
        assert answer.status_code == 201, answer.text
        return Door(site.url, answer.headers['X-Subject-Token'])
    return enter


# Identity -------------------------------------------------------------------------------------------------------------

def test_a_token_and_what_it_says(site, enter):
    alice = enter('alice')
    shown = alice('GET', '/identity/v3/auth/tokens', headers={'X-Subject-Token': alice.token}).json()['token']
    assert (shown['user']['name'], shown['project']['name']) == ('alice', 'demo')
    assert {role['name'] for role in shown['roles']} == {'member', 'reader'}
    assert {'compute', 'identity', 'image', 'network'} <= {service['type'] for service in shown['catalog']}
    for service in shown['catalog']:
        for endpoint in service['endpoints']:
            assert endpoint['url'].startswith(site.url)
    assert {project['name'] for project in alice('GET', '/identity/v3/auth/projects').json()['projects']} == {
        'demo', 'other'}


@pytest.mark.parametrize('body, status', [
    (credentials('alice', password='wrong'), 401), (credentials('nobody'), 401), (credentials('gone'), 401),
    (credentials('bob', 'demo'), 401), (credentials('alice', 'missing'), 401), ({}, 400), ({'auth': {}}, 400),
    ({'auth': {'identity': {'methods': ['carrier pigeon']}}}, 401), (credentials('alice', None), 201),
    (credentials('alice', 'other'), 201)])
def test_who_gets_in(site, body, status):
    answer = requests.post(f'{site.url}/identity/v3/auth/tokens', json=body, timeout=30)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.json()['error']['message']


def test_a_revoked_token_opens_nothing(site, enter):
    alice = enter('alice')
    assert alice('GET', '/v2.1/servers').status_code == 200
    assert alice('DELETE', '/identity/v3/auth/tokens', headers={'X-Subject-Token': alice.token}).status_code == 204
    assert alice('GET', '/v2.1/servers').status_code == 401
    assert alice('GET', '/image/v2/images').status_code == 401
    assert Door(site.url, 'forged')('GET', '/v2.1/servers').status_code == 401


def test_a_changed_password_voids_tokens(site, enter):
    bob = enter('bob', 'other')
    assert bob('GET', '/v2.1/servers').status_code == 200
    content = yaml.safe_load(site.users.read_text())
    old = content['users']['bob']['password']
    for password in (users.hash_password('another'), old):
        content['users']['bob']['password'] = password
        site.users.write_text(yaml.safe_dump(content))
        status = 200 if password == old else 401
        harness.wait_for(lambda status=status: bob('GET', '/v2.1/servers').status_code == status,
                         'the changed file was read')


def test_application_credentials(enter):
    alice = enter('alice')
    token = alice('GET', '/identity/v3/auth/tokens', headers={'X-Subject-Token': alice.token}).json()['token']
    me = token['user']['id']
    path = f'/identity/v3/users/{me}/application_credentials'
    made = alice('POST', path, {'application_credential': {'name': 'script', 'roles': [{'name': 'reader'}]}})
    assert made.status_code == 201, made.text
    made = made.json()['application_credential']
    answer = alice('POST', '/identity/v3/auth/tokens', {'auth': {'identity': {
        'methods': ['application_credential'],
        'application_credential': {'id': made['id'], 'secret': made['secret']}}}})
    assert answer.status_code == 201, answer.text
    script = Door(alice.base, answer.headers['X-Subject-Token'])
    assert script('GET', '/v2.1/servers').status_code == 200
    assert script('POST', '/v2.1/servers', {'server': {'name': 'x', 'flavorRef': '1', 'networks': 'none',
                                                       'imageRef': harness.IMAGE_ID}},
                  headers={'OpenStack-API-Version': 'compute 2.104'}).status_code == 403
    assert alice('DELETE', f'{path}/{made["id"]}').status_code == 204
    assert script('GET', '/v2.1/servers').status_code == 401


def test_what_a_file_keeps_cannot_be_changed_here(enter):
    root = enter('root')
    answer = root('POST', '/identity/v3/users', {'user': {'name': 'eve'}})
    assert answer.status_code in (403, 501), answer.text
    assert 'file' in answer.text


# Images ---------------------------------------------------------------------------------------------------------------

def make_image(door, content=b'\0' * 4096, disk_format='raw', **more):
    made = door('POST', '/image/v2/images', {'name': 'image', 'disk_format': disk_format, 'container_format': 'bare',
                                             **more})
    assert made.status_code == 201, made.text
    answer = door('PUT', f'/image/v2/images/{made.json()["id"]}/file', data=content, headers=OCTETS)
    return made.json()['id'], answer


def test_the_life_of_an_image(enter):
    alice, bob = enter('alice'), enter('bob', 'other')
    content = bytes(range(256)) * 64
    image, uploaded = make_image(alice, content, os_distro='debian', min_ram=64)
    assert uploaded.status_code == 204, uploaded.text
    shown = alice('GET', f'/image/v2/images/{image}').json()
    assert (shown['status'], shown['size'], shown['min_ram'], shown['os_distro']) == ('active', 16384, 64, 'debian')
    assert shown['checksum'] == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert alice('GET', f'/image/v2/images/{image}/file').content == content
    assert bob('GET', f'/image/v2/images/{image}').status_code == 404
    changed = alice('PATCH', f'/image/v2/images/{image}', headers=PATCH, data=(
        '[{"op": "replace", "path": "/name", "value": "renamed"}, {"op": "remove", "path": "/os_distro"}]'))
    assert changed.status_code == 200, changed.text
    assert (changed.json()['name'], 'os_distro' in changed.json()) == ('renamed', False)
    for query in ('name=renamed', 'size=16384', 'virtual_size=16384', 'min_ram=64'):
        assert [found['id'] for found in alice('GET', f'/image/v2/images?{query}').json()['images']] == [image], query
    assert alice('GET', '/image/v2/images?virtual_size=much').status_code == 400
    assert alice('PUT', f'/image/v2/images/{image}/tags/blue').status_code == 204
    assert [found['id'] for found in alice('GET', '/image/v2/images?tag=blue').json()['images']] == [image]
    # The compute API sees it too.
    assert alice('GET', f'/v2.1/images/{image}').json()['image']['name'] == 'renamed'
    assert alice('DELETE', f'/image/v2/images/{image}').status_code == 204
    assert alice('GET', f'/image/v2/images/{image}').status_code == 404


def qcow2(tmp_path, *options):
    path = tmp_path / 'image.qcow2'
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', *options, str(path), '1M'], check=True)
    return path.read_bytes()


def vmdk_of_the_host():
    """A descriptor whose extent is a file of the host."""
    return (b'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
            b'RW 2048 FLAT "/etc/passwd" 0\n')


HOSTILE = [
    ('a backing file', 'qcow2', lambda path: qcow2(path, '-u', '-F', 'raw', '-b', '/etc/passwd')),
    ('a data file', 'qcow2', lambda path: qcow2(path, '-o', f'data_file={path}/data')),
    ('a flat extent on the host', 'vmdk', lambda path: vmdk_of_the_host()),
    ('a qcow2 header in raw', 'raw', qcow2),
    ('a huge virtual size', 'qcow2', lambda path: _with_size(qcow2(path), 1 << 60)),
    ('not what it says', 'qcow2', lambda path: b'\0' * 65536),
    ('half a header', 'qcow2', lambda path: qcow2(path)[:20]),
]


def _with_size(header, size):
    return header[:24] + struct.pack('>Q', size) + header[32:]


@pytest.mark.parametrize('what, disk_format, make', HOSTILE)
def test_hostile_images_are_refused(site, enter, tmp_path, what, disk_format, make):
    """On the way in, whatever the way: uploaded, staged and imported, registered."""
    alice = enter('alice')
    content = make(tmp_path)
    image, answer = make_image(alice, content, disk_format)
    assert answer.status_code == 400, (what, answer.status_code, answer.text)
    assert alice('GET', f'/image/v2/images/{image}').json()['status'] != 'active'
    staged = alice('POST', '/image/v2/images', {'name': 'staged', 'disk_format': disk_format,
                                                'container_format': 'bare'}).json()['id']
    answers = [alice('PUT', f'/image/v2/images/{staged}/stage', data=content, headers=OCTETS)]
    if answers[0].ok:
        answers.append(alice('POST', f'/image/v2/images/{staged}/import', {'method': {'name': 'glance-direct'}}))
    assert answers[-1].status_code in (400, 409), (what, [answer.text for answer in answers])
    assert alice('GET', f'/image/v2/images/{staged}').json()['status'] != 'active'
    hostile = tmp_path / 'hostile'
    hostile.write_bytes(content)
    before = site.manage('image', 'list', '-f', 'value')
    assert site.manage('image', 'register', str(hostile), '--name', 'hostile', '--disk-format', disk_format,
                       check=False) == ''
    assert site.manage('image', 'list', '-f', 'value') == before


# Networks -------------------------------------------------------------------------------------------------------------

def test_networks_are_found_by_name(enter):
    alice = enter('alice')
    (network,) = alice('GET', '/network/v2.0/networks?name=lan').json()['networks']
    assert alice('GET', f'/network/v2.0/networks/{network["id"]}').json()['network']['name'] == 'lan'
    assert alice('GET', '/network/v2.0/networks?name=none').json()['networks'] == []
    (subnet,) = alice('GET', '/network/v2.0/subnets').json()['subnets']
    assert (subnet['cidr'], subnet['network_id']) == ('10.9.0.0/24', network['id'])
    assert [group['name'] for group in alice('GET', '/network/v2.0/security-groups').json()['security_groups']] == [
        'default']
    assert alice('GET', '/network/v2.0/networks/nothing').status_code == 404
    assert alice('GET', '/network/v2.0/extensions').status_code == 200
    assert Door(alice.base, 'forged')('GET', '/network/v2.0/networks').status_code == 401


# Rules ----------------------------------------------------------------------------------------------------------------

def test_a_changed_policy_holds_after_a_sighup(site, enter):
    rita = enter('rita')
    assert rita('GET', '/v2.1/servers').status_code == 200
    site.policy.write_text('"os_compute_api:servers:index": "rule:context_is_admin"\n')
    site.processes['nova-all'].send_signal(signal.SIGHUP)
    harness.wait_for(lambda: rita('GET', '/v2.1/servers').status_code == 403, 'the rule is in force')
    assert enter('root')('GET', '/v2.1/servers').status_code == 200
    site.policy.unlink()
    time.sleep(0.1)
    site.processes['nova-all'].send_signal(signal.SIGHUP)
    harness.wait_for(lambda: rita('GET', '/v2.1/servers').status_code == 200, 'the default is in force again')
