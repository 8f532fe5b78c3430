# SPDX-License-Identifier: Apache-2.0
"""Resources that current releases dropped or that only neighbours ask: each route, whose it is, and its versions."""

import json
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from nova.tests import harness
from nova.tests.functional import sites, test_networks

OLD, LATEST = '2.1', harness.LATEST
UNKNOWN = '22222222-2222-2222-2222-222222222222'
SNAPSHOT = '33333333-3333-3333-3333-333333333333'


site = sites.own({'DEFAULT': {
    'vpn_image_id': harness.IMAGE_ID, 'vpn_flavor': 'm1.test', 'instance_usage_audit': True,
    'instance_usage_audit_interval': 1, 'instance_usage_audit_period': 'hour'}})


@pytest.fixture
def root(site):
    return site.client()


class TestAgents:
    AGENT = {'hypervisor': 'xen', 'os': 'linux', 'architecture': 'x86_64', 'version': '1.2', 'md5hash': 'ab01',
             'url': 'http://agents.example/agent'}

    @pytest.mark.parametrize('version', [OLD, LATEST])
    def test_come_and_go(self, root, version):
        made = root.post('/os-agents', {'agent': self.AGENT}, version)['agent']
        assert made == {**self.AGENT, 'agent_id': made['agent_id']}
        assert isinstance(made['agent_id'], int)
        again = root.call('POST', '/os-agents', {'agent': {**self.AGENT, 'version': '9'}}, version)
        assert again.status_code == 409
        assert 'xen' in again.text
        root.post('/os-agents', {'agent': {**self.AGENT, 'hypervisor': 'kvm'}}, version)
        assert root.get('/os-agents?hypervisor=xen', version)['agents'] == [made]
        assert len(root.get('/os-agents', version)['agents']) == 2
        newer = {'version': '1.3', 'url': 'http://agents.example/newer', 'md5hash': 'cd'}
        changed = root.call('PUT', f'/os-agents/{made["agent_id"]}', {'para': newer}, version)
        assert (changed.status_code, changed.json()) == (200, {'agent': {**newer, 'agent_id': str(made['agent_id'])}})
        assert root.get('/os-agents?hypervisor=xen', version)['agents'] == [{**made, **newer}]
        for each in root.get('/os-agents', version)['agents']:
            gone = root.call('DELETE', f'/os-agents/{each["agent_id"]}', version=version)
            assert (gone.status_code, gone.content) == (200, b'')
        assert root.get('/os-agents', version)['agents'] == []

    @pytest.mark.parametrize('changes', [
        {'version': ''}, {'version': 'x' * 256}, {'os': 'a/b'}, {'url': 'no url'}, {'md5hash': 'xyz'},
        {'hypervisor': 5}, {'nonsense': 1}, {'architecture': None}])
    def test_that_are_none(self, root, changes):
        (name,) = changes
        answer = root.call('POST', '/os-agents', {'agent': {**self.AGENT, **changes}})
        assert answer.status_code == 400
        assert name in answer.text
        del_one = {key: value for key, value in self.AGENT.items() if key != 'url'}
        assert root.call('POST', '/os-agents', {'agent': del_one}).status_code == 400
        assert root.get('/os-agents')['agents'] == []

    def test_that_are_not_there(self, root):
        body = {'para': {name: self.AGENT[name] for name in ('version', 'url', 'md5hash')}}
        for agent, status in (('424242', 404), ('x', 400), ('9' * 30, 400)):
            assert root.call('PUT', f'/os-agents/{agent}', body).status_code == status
            assert root.call('DELETE', f'/os-agents/{agent}').status_code == status

    def test_are_of_administrators(self, member):
        for method, path, body in (('GET', '', None), ('POST', '', {'agent': self.AGENT}), ('DELETE', '/1', None),
                                   ('PUT', '/1', {'para': {name: self.AGENT[name] for name in (
                                       'version', 'url', 'md5hash')}})):
            assert member.call(method, f'/os-agents{path}', body).status_code == 403


class TestCertificates:
    def test_are_signed_by_the_root(self, site, member):
        before = member.call('GET', '/os-certificates/root')
        assert before.status_code == 404
        made = member.call('POST', '/os-certificates').json()['certificate']
        root = member.get('/os-certificates/root', OLD)['certificate']
        assert root['private_key'] is None
        authority, certificate = (x509.load_pem_x509_certificate(one['data'].encode()) for one in (root, made))
        certificate.verify_directly_issued_by(authority)
        key = serialization.load_pem_private_key(made['private_key'].encode(), None)
        assert key.public_key() == certificate.public_key()
        assert 'project-a' in certificate.subject.rfc4514_string()
        assert member.call('POST', '/os-certificates', {}, OLD).json()['certificate']['data'] != made['data']
        assert member.get('/os-certificates/root')['certificate'] == root
        secret = site.directory / 'state' / 'CA' / 'private' / 'cakey.pem'
        assert secret.stat().st_mode & 0o077 == 0

    def test_others_are_not_kept(self, member):
        assert member.call('GET', '/os-certificates/mine').status_code == 501


class TestCloudpipe:
    def test_a_way_into_a_network(self, site, root):
        bare = root.call('POST', '/os-cloudpipe', {'cloudpipe': {}})
        assert bare.status_code == 400
        assert 'no network' in bare.text
        assert root.call('PUT', '/os-cloudpipe/configure-project',
                         {'configure_project': {'vpn_ip': '127.0.0.1', 'vpn_port': 9}}).status_code == 400
        test_networks.make(site, 'of-demo', '10.17.0.0/24')
        network = root.get('/os-networks', OLD)['networks'][0]['id']
        root.call('POST', '/os-networks/add', {'id': network}, OLD)
        made = root.post('/os-cloudpipe', {'cloudpipe': {}})['instance_id']
        assert root.post('/os-cloudpipe', {'cloudpipe': {'project_id': 'demo'}}, OLD)['instance_id'] == made
        server = root.wait(made, 'ACTIVE')
        assert (server['name'], server['key_name']) == ('demo-vpn', 'demo-vpn')
        assert [group['name'] for group in server['security_groups']] == ['demo-vpn']
        (pipe,) = root.get('/os-cloudpipe')['cloudpipes']
        address = server['addresses']['of-demo'][0]['addr']
        assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', pipe.pop('created_at'))
        assert pipe == {'project_id': 'demo', 'instance_id': made, 'internal_ip': address, 'state': 'invalid'}
        port = harness.free_port()
        configured = root.call('PUT', '/os-cloudpipe/configure-project',
                               {'configure_project': {'vpn_ip': '127.0.0.1', 'vpn_port': port}})
        assert (configured.status_code, configured.content) == (202, b'')
        (pipe,) = root.get('/os-cloudpipe', OLD)['cloudpipes']
        assert (pipe['public_ip'], pipe['public_port'], pipe['state']) == ('127.0.0.1', port, 'down')
        root.delete(made)
        assert root.get('/os-cloudpipe')['cloudpipes'] == []

    @pytest.mark.parametrize('what, body', [
        ('configure-project', {'vpn_ip': 'x', 'vpn_port': 1}), ('configure-project', {'vpn_ip': '10.0.0.1'}),
        ('configure-project', {'vpn_ip': '10.0.0.1', 'vpn_port': 70000}),
        ('others', {'vpn_ip': '10.0.0.1', 'vpn_port': 1})])
    def test_that_makes_no_sense(self, root, what, body):
        assert root.call('PUT', f'/os-cloudpipe/{what}', {'configure_project': body}).status_code == 400

    def test_is_of_administrators(self, member):
        assert member.call('GET', '/os-cloudpipe').status_code == 403
        assert member.call('POST', '/os-cloudpipe', {'cloudpipe': {}}).status_code == 403
        assert member.call('PUT', '/os-cloudpipe/configure-project', {
            'configure_project': {'vpn_ip': '10.0.0.1', 'vpn_port': 1}}).status_code == 403


class TestConsolePools:
    @pytest.mark.parametrize('version', [OLD, LATEST])
    def test_there_are_none(self, site, member, version):
        server = member.boot('without-pool')['id']
        assert member.get(f'/servers/{server}/consoles', version) == {'consoles': []}
        stranger = site.client('mallory:elsewhere', version)
        for method, path in (('POST', ''), ('GET', '/1'), ('DELETE', '/1')):
            mine = member.call(method, f'/servers/{server}/consoles{path}', version=version)
            theirs = stranger.call(method, f'/servers/{server}/consoles{path}')
            assert (mine.status_code, theirs.status_code) == (404, 404)
            assert 'could not be found' in theirs.text
            assert 'console' in mine.json()['itemNotFound']['message']
        assert stranger.call('GET', f'/servers/{server}/consoles').status_code == 404
        member.call('DELETE', f'/servers/{server}')


class TestVolumesBoot:
    def test_is_servers_by_another_name(self, site, member):
        asked = {'server': {'name': 'alias', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none'}}
        made = member.call('POST', '/os-volumes_boot', asked, '2.102')
        assert made.status_code == 202
        uuid = made.json()['server']['id']
        assert made.headers['Location'].endswith(f'/servers/{uuid}')
        member.wait(uuid, 'ACTIVE')
        assert member.get(f'/os-volumes_boot/{uuid}', '2.96') == member.get(f'/servers/{uuid}', '2.96')
        for path in ('', '/detail'):
            assert member.get(f'/os-volumes_boot{path}', OLD) == member.get(f'/servers{path}', OLD)
        renamed = member.call('PUT', f'/os-volumes_boot/{uuid}', {'server': {'name': 'other'}}, '2.90')
        assert (renamed.status_code, renamed.json()['server']['name']) == (200, 'other')
        member.call('POST', f'/os-volumes_boot/{uuid}/action', {'os-stop': None}, '2.102')
        member.wait(uuid, 'SHUTOFF')
        stranger = site.client('mallory:elsewhere', '2.102')
        for method, body in (('GET', None), ('DELETE', None), ('PUT', {'server': {'name': 'x'}})):
            assert stranger.call(method, f'/os-volumes_boot/{uuid}', body).status_code == 404
            assert member.call(method, f'/os-volumes_boot/{uuid}', body, '2.103').status_code == 404
        for method, path, body in (('GET', '', None), ('GET', '/detail', None), ('POST', '', asked)):
            assert member.call(method, f'/os-volumes_boot{path}', body, '2.103').status_code == 404
        assert member.call('POST', '/os-volumes_boot', {'server': {'name': ''}}, '2.102').status_code == 400
        assert member.call('DELETE', f'/os-volumes_boot/{uuid}', version='2.1').status_code == 204
        member.gone(uuid)


class TestAuditLog:
    KEYS = {'period_beginning', 'period_ending', 'num_hosts', 'num_hosts_done', 'num_hosts_running',
            'num_hosts_not_run', 'hosts_not_run', 'total_instances', 'total_errors', 'overall_status', 'log'}

    def test_hosts_audit_the_last_period(self, root):
        def audited():
            found = root.get('/os-instance_usage_audit_log')['instance_usage_audit_logs']
            return found if found['num_hosts_done'] == 1 else None
        found = harness.wait_for(audited, 'audit')
        assert set(found) == self.KEYS
        assert re.fullmatch(r'\d{4}-\d\d-\d\d \d\d:00:00', found['period_beginning'])
        assert (found['num_hosts'], found['hosts_not_run'], found['overall_status']) == (
            1, [], 'ALL hosts done. 0 errors.')
        # None, unless an hour ended while the tests ran.
        count = found['log']['test']['instances']
        assert found['log'] == {'test': {'state': 'DONE', 'instances': count, 'errors': 0,
                                         'message': f'Audited {count} servers, 0 of them with errors'}}

    def test_of_an_older_period(self, root):
        found = root.get('/os-instance_usage_audit_log/2020-01-02 03:04:05.6', OLD)['instance_usage_audit_log']
        assert (found['period_beginning'], found['period_ending']) == ('2020-01-02 02:00:00', '2020-01-02 03:00:00')
        assert (found['num_hosts_not_run'], found['hosts_not_run'], found['log']) == (1, ['test'], {})
        assert found['overall_status'] == '0 of 1 hosts done. 0 errors.'
        assert root.call('GET', '/os-instance_usage_audit_log', version=OLD).status_code == 200
        assert root.call('GET', '/os-instance_usage_audit_log/2020-01-02 03:04:05').status_code == 200

    def test_moments_that_are_none_and_others(self, root, member):
        for moment in ('yesterday', '2020-01-02', '0001-01-01 00:00:00'):
            answer = root.call('GET', f'/os-instance_usage_audit_log/{moment}')
            assert answer.status_code == 400
            assert 'before' in answer.text
        assert member.call('GET', '/os-instance_usage_audit_log').status_code == 403
        assert member.call('GET', '/os-instance_usage_audit_log/2020-01-02 03:04:05').status_code == 403


class TestAssistedSnapshots:
    @staticmethod
    def ask(client, volume, snapshot=SNAPSHOT, version=LATEST, **more):
        return client.call('POST', '/os-assisted-volume-snapshots', {'snapshot': {
            'volume_id': volume, 'create_info': {'snapshot_id': snapshot, 'type': 'qcow2', 'new_file': 'f',
                                                 'id': 'its-id', **more}}}, version)

    @staticmethod
    def status(site, snapshot):
        rows = site.sql(f"SELECT status FROM volume_snapshots WHERE id = '{snapshot}'")
        return rows[0]['status'] if rows else None

    def test_the_host_takes_and_removes_them(self, site, root):
        server = root.boot('with-volume')['id']
        volume = root.post('/os-volumes', {'volume': {'size': 1}}, OLD)['volume']['id']
        root.post(f'/servers/{server}/os-volume_attachments', {'volumeAttachment': {'volumeId': volume}})
        harness.wait_for(lambda: root.get(f'/os-volumes/{volume}', OLD)['volume']['status'] == 'in-use', 'attached')
        snapshot = root.post('/os-snapshots', {'snapshot': {'volume_id': volume, 'force': True}}, OLD)['snapshot']['id']
        made = self.ask(root, volume, snapshot, OLD)
        assert (made.status_code, made.json()) == (200, {'snapshot': {'id': 'its-id', 'volumeId': volume}})
        # The driver refuses the same one again; the volume service reads that in the snapshot.
        assert self.ask(root, volume, snapshot, id='x').status_code == 200
        harness.wait_for(lambda: self.status(site, snapshot) == 'error', 'refusal told')
        info = json.dumps({'volume_id': volume, 'type': 'qcow2'})
        gone = root.call('DELETE', f'/os-assisted-volume-snapshots/{snapshot}', params={'delete_info': info})
        assert (gone.status_code, gone.content) == (204, b'')
        harness.wait_for(lambda: self.status(site, snapshot) is None, 'snapshot removed')
        root.delete(server)

    @pytest.mark.parametrize('changes', [{'type': 'raw'}, {'snapshot_id': 'x'}, {'new_file': ''}, {'new_file': 5},
                                             {'nonsense': 1}])
    def test_that_make_no_sense(self, root, changes):
        answer = self.ask(root, UNKNOWN, **changes)
        assert answer.status_code == 400
        assert next(iter(changes)) in answer.text

    def test_of_volumes_that_no_server_has(self, root):
        assert self.ask(root, UNKNOWN).status_code == 400
        for info, version, status in (
                (None, OLD, 400), ('x', OLD, 400), ('[]', OLD, 400), ('{}', LATEST, 400),
                (json.dumps({'volume_id': UNKNOWN}), OLD, 400)):
            answer = root.call('DELETE', f'/os-assisted-volume-snapshots/{SNAPSHOT}', version=version,
                               params={'delete_info': info} if info else {})
            assert answer.status_code == status
        extra = {'delete_info': '{}', 'more': '1'}
        assert 'more' in root.call('DELETE', '/os-assisted-volume-snapshots/x', params=extra, version='2.75').text
        assert 'more' not in root.call('DELETE', '/os-assisted-volume-snapshots/x', params=extra, version='2.74').text

    def test_are_of_services(self, site, member):
        assert self.ask(member, UNKNOWN).status_code == 403
        assert member.call('DELETE', '/os-assisted-volume-snapshots/x',
                           params={'delete_info': '{}'}).status_code == 403
        assert self.ask(site.client('cinder:service:service'), UNKNOWN).status_code == 400


@pytest.mark.parametrize('action', ['add_interface', 'remove_interface'])
def test_interfaces_of_machines_are_never_given(root, action):
    refused = root.call('POST', '/os-baremetal-nodes/1/action', {action: {'address': 'x'}}, '2.35')
    assert refused.status_code == 400
    assert 'bare metal service' in refused.text
    assert root.call('POST', '/os-baremetal-nodes/1/action', {action: {'address': 'x'}}, '2.36').status_code == 404


@pytest.mark.parametrize('path', ['', '/detail', '/info', '/capacities', '/some', '/some/capacities'])
def test_cells_are_not_offered(root, member, path):
    for version in (OLD, LATEST):
        assert root.call('GET', f'/os-cells{path}', version=version).status_code == 501
    assert member.call('GET', f'/os-cells{path}').status_code == 403
