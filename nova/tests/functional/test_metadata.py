# SPDX-License-Identifier: Apache-2.0
"""The metadata service over HTTP: whose metadata, what of it, what the site adds."""

import base64
import hashlib
import hmac
import http.server
import json
import threading

import pytest
import requests

from nova.tests import harness

SECRET = 'between proxies'
KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl tester'
SCRIPT = b'#!/bin/sh\necho hello\n'


class VendorData:
    """A service that answers what it was asked, or fails."""

    def __init__(self):
        self.questions = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
                outer.questions.append((self.path, question))
                self.send_response(500 if self.path == '/broken' else 200)
                self.end_headers()
                self.wfile.write(json.dumps({'rack': 'r1', 'of': question['instance-id']}).encode())

            def log_message(self, *_args):
                """Quiet."""
        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self._server.server_port}'
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope='module')
def vendor():
    service = VendorData()
    yield service
    service.close()


@pytest.fixture(scope='module')
def site(vendor, tmp_path_factory):
    static = tmp_path_factory.mktemp('vendor') / 'data.json'
    static.write_text('{"site": "north"}')
    options = {'cache_expiration_s': 0, 'vendordata_jsonfile_path': static, 'use_forwarded_for': True,
               'vendordata_providers': 'StaticJSON,DynamicJSON',
               'vendordata_dynamic_targets': f'racks@{vendor.url}/racks,broken@{vendor.url}/broken'}
    with harness.Cloud.all_in_one({'metadata': options}) as cloud:
        cloud.manage('network', 'create', '--label', 'lan', '--cidr', '10.9.0.0/24', '--dns1', '9.9.9.9')
        yield cloud
        assert not cloud.tracebacks()


@pytest.fixture(scope='module')
def server(site):
    admin = site.client()
    admin.post('/os-keypairs', {'keypair': {'name': 'mine', 'public_key': KEY}})
    return admin.boot('Web 1', networks='auto', key_name='mine', metadata={'role': 'web'},
                      user_data=base64.b64encode(SCRIPT).decode())


def ask(cloud, path, address='10.9.0.2', method='GET', data=None, **headers):
    return requests.request(method, f'http://127.0.0.1:{cloud.metadata_port}{path}', data=data, timeout=20,
                            headers={'X-Forwarded-For': address, **headers})


@pytest.fixture(scope='module')
def address(server):
    return server['addresses']['lan'][0]['addr']


@pytest.mark.parametrize('path, expected', [
    ('/', '1.0\n2007-01-19'), ('/latest/', 'meta-data'), ('/latest/meta-data/local-ipv4', '10.9.0.'),
    ('/latest/meta-data/hostname', 'web-1'), ('/latest/meta-data/instance-type', 'm1.test'),
    ('/latest/meta-data/public-keys/', '0=mine'), ('/latest/meta-data/public-keys/0/openssh-key', KEY),
    ('/latest/meta-data/placement/availability-zone', 'nova'), ('/latest/meta-data/security-groups', 'default'),
    ('/2009-04-04/meta-data/instance-id', 'i-'), ('/latest/user-data', 'echo hello'),
    ('/openstack', '2012-08-10\n'), ('/openstack/latest', 'meta_data.json\nnetwork_data.json\npassword\nuser_data\n'),
    ('/openstack/2012-08-10', 'meta_data.json\nuser_data'), ('/openstack/latest/user_data', 'echo hello'),
    ('/openstack/latest/password', '')])
def test_what_a_guest_reads(site, address, path, expected):
    answer = ask(site, path, address)
    assert answer.status_code == 200
    assert expected in answer.text


def test_the_documents_of_a_server(site, server, address):
    def document(name):
        answer = ask(site, f'/openstack/latest/{name}', address)
        assert answer.headers['Content-Type'] == 'application/json'
        return answer.json()
    found = document('meta_data.json')
    assert (found['uuid'], found['name'], found['meta']) == (server['id'], 'Web 1', {'role': 'web'})
    assert found['public_keys'] == {'mine': KEY}
    assert found['keys'] == [{'name': 'mine', 'type': 'ssh', 'data': KEY}]
    network = document('network_data.json')
    (link,), (subnet,) = network['links'], network['networks']
    assert (link['ethernet_mac_address'], subnet['ip_address']) == (
        server['addresses']['lan'][0]['OS-EXT-IPS-MAC:mac_addr'], address)
    assert network['services'] == [{'type': 'dns', 'address': '9.9.9.9'}]


@pytest.mark.parametrize('path', ['/latest/nothing', '/1999-01-01/meta-data', '/openstack/2011-01-01', '/nowhere',
                                  '/openstack/latest/vendor.json', '/openstack/2012-08-10/network_data.json',
                                  '/openstack/content/0000', '/openstack/content/%B2',
                                  '/latest/meta-data/hostname/more'])
def test_what_there_is_not(site, address, path):
    assert ask(site, path, address).status_code == 404


def test_nobody_else_gets_it(site, address):
    assert ask(site, '/openstack/latest/meta_data.json', '10.9.0.200').status_code == 404
    assert ask(site, '/openstack/latest/meta_data.json', 'nonsense').status_code == 404
    assert ask(site, '/openstack/latest/meta_data.json', address, method='POST').status_code == 400


def test_the_site_adds_its_own(site, vendor, server, address):
    assert ask(site, '/openstack/latest/vendor_data.json', address).json() == {'site': 'north'}
    vendor.questions.clear()
    assert ask(site, '/openstack/latest/vendor_data2.json', address).json() == {
        'static': {'site': 'north'}, 'racks': {'rack': 'r1', 'of': server['id']}, 'broken': {}}
    (path, question), _broken = vendor.questions
    assert path == '/racks'
    assert (question['instance-id'], question['hostname'], question['metadata'], question['project-id']) == (
        server['id'], 'web-1', {'role': 'web'}, 'demo')


def test_a_password_is_left_once(site, server, address):
    path = '/openstack/2013-04-04/password'
    assert ask(site, path, address, method='POST', data=b'x' * 1021).status_code == 400
    assert ask(site, path, address, method='PUT').status_code == 400
    assert ask(site, path, address, method='POST', data=b'encrypted').status_code == 200
    assert ask(site, path, address).text == 'encrypted'
    assert ask(site, path, address, method='POST', data=b'again').status_code == 409
    assert site.client().get(f'/servers/{server["id"]}/os-server-password') == {'password': 'encrypted'}


# As they come through the proxy of a network service ------------------------------------------------------------------

@pytest.fixture(scope='module')
def proxied():
    with harness.Cloud.all_in_one({'metadata': {
            'service_metadata_proxy': True, 'metadata_proxy_shared_secret': SECRET}}) as cloud:
        yield cloud, cloud.client().boot('signed')


def sign(server_id, secret=SECRET):
    return {'X-Instance-ID': server_id, 'X-Tenant-ID': 'demo',
            'X-Instance-ID-Signature': hmac.new(secret.encode(), server_id.encode(), hashlib.sha256).hexdigest()}


@pytest.mark.parametrize('change, status', [
    ({}, 200), ({'X-Tenant-ID': ''}, 400), ({'X-Tenant-ID': 'other'}, 404),
    ({'X-Instance-ID-Signature': b'\xe9' * 64}, 403),
    ({'X-Instance-ID-Signature': '0' * 64}, 403), ({'X-Instance-ID-Signature': ''}, 400),
    ({'X-Instance-ID': ''}, 400), ({'X-Instance-ID': '11111111-2222-3333-4444-555555555555'}, 403)])
def test_signatures(proxied, change, status):
    cloud, server = proxied
    answer = ask(cloud, '/openstack/latest/meta_data.json', **{**sign(server['id']), **change})
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()['uuid'] == server['id']


def test_a_signed_server_that_does_not_exist(proxied):
    cloud, _server = proxied
    nobody = '11111111-2222-3333-4444-555555555555'
    assert ask(cloud, '/latest/', **sign(nobody)).status_code == 404
