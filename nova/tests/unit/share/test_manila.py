# SPDX-License-Identifier: Apache-2.0
"""The client of the Shared File Systems service, against a small one that speaks its API over HTTP."""

import http.server
import json
import threading
import urllib.parse

import pytest

from nova import conf, share
from nova import context as nova_context
from nova.conf import CONF
from nova.share import api as share_api
from nova.share import record

NFS, BUSY, CEPH, OTHER = 'nfs-id', 'busy-id', 'ceph-id', 'other-id'


class Service(http.server.BaseHTTPRequestHandler):
    """Keeps shares and access rules; a rule is active when it was asked for the second time."""

    def log_message(self, *_args):
        pass

    def _answer(self, body, status=200):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        state, path = self.server.state, urllib.parse.urlsplit(self.path)
        assert self.headers['X-OpenStack-Manila-API-Version'] == '2.45'
        if path.path == '/v2/share-access-rules':
            share_id = urllib.parse.parse_qs(path.query)['share_id'][0]
            rules = [dict(rule) for rule in state['rules'] if rule['share_id'] == share_id]
            for rule in state['rules']:
                rule['state'] = state['becomes']
            self._answer({'access_list': rules})
            return
        _empty, _v2, _shares, share_id, *more = path.path.split('/')
        found = state['shares'].get(share_id)
        if found is None:
            self._answer({'itemNotFound': {'code': 404, 'message': 'no'}}, 404)
        elif more:
            self._answer({'export_locations': [{'path': 'second', 'preferred': False},
                                               {'path': '192.0.2.1:/data', 'preferred': True}]})
        else:
            self._answer({'share': {'id': share_id, 'is_public': False, **found}})

    def do_POST(self):
        action = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        share_id, rules = self.path.split('/')[3], self.server.state['rules']
        if 'allow_access' in action:
            rules.append({'id': f'rule-{len(rules)}', 'share_id': share_id, 'state': 'applying',
                          **action['allow_access']})
        else:
            rules[:] = [rule for rule in rules if rule['id'] != action['deny_access']['access_id']]
        self._answer({}, 202)


@pytest.fixture
def state():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Service)
    server.state = {'rules': [], 'becomes': 'active', 'shares': {
        NFS: {'project_id': 'mine', 'status': 'available', 'share_proto': 'nfs'},
        CEPH: {'project_id': 'mine', 'status': 'available', 'share_proto': 'CEPHFS'},
        BUSY: {'project_id': 'mine', 'status': 'creating', 'share_proto': 'NFS'},
        OTHER: {'project_id': 'other', 'status': 'available', 'share_proto': 'NFS'}}}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    CONF([], default_config_files=[])
    conf.register_late(CONF, 'manila')
    changes = {'backend': 'manila', 'auth_type': 'none', 'share_apply_policy_timeout': 2,
               'endpoint_override': f'http://127.0.0.1:{server.server_port}/v2'}
    for name, value in changes.items():
        CONF.set_override(name, value, 'manila')
    yield server.state
    for name in changes:
        CONF.clear_override(name, 'manila')
    server.shutdown()
    server.server_close()


@pytest.fixture
def context():
    return nova_context.RequestContext('user', 'mine', roles=['member'])


def test_a_share_of_the_project(state, context):
    found = share.API().get_usable(context, NFS)
    assert found == share.Share(id=NFS, project_id='mine', status='available', protocol='NFS',
                                export_location='192.0.2.1:/data')


@pytest.mark.parametrize('share_id, error', [('unknown', share.ShareNotFound), (OTHER, share.ShareNotFound),
                                                 (BUSY, share_api.ShareUnusable)])
def test_shares_that_cannot_be_had(state, context, share_id, error):
    with pytest.raises(error):
        share.API().get_usable(context, share_id)


@pytest.mark.parametrize('share_id, protocol, kind, who', [(NFS, 'NFS', 'ip', CONF.my_ip),
                                                               (CEPH, 'CEPHFS', 'cephx', 'nova')])
def test_access_is_allowed_once_and_taken_back(state, context, share_id, protocol, kind, who):
    api = share.API()
    for _ in range(2):
        api.allow(context, share_id, protocol)
        (rule,) = state['rules']
        assert (rule['access_type'], rule['access_to'], rule['access_level'], rule['state']) == (
            kind, who, 'rw', 'active')
    for _ in range(2):
        api.deny(context, share_id, protocol)
        assert state['rules'] == []


@pytest.mark.parametrize('becomes', ['error', 'applying'])
def test_a_rule_that_does_not_become_active(state, context, becomes):
    state['becomes'] = becomes
    with pytest.raises(record.ShareServiceFailed, match=becomes):
        share.API().allow(context, NFS, 'NFS')


def test_a_service_that_is_not_there(state, context):
    CONF.set_override('endpoint_override', 'http://127.0.0.1:9/v2', 'manila')
    with pytest.raises(record.ShareServiceFailed):
        share.API().get(context, NFS)
