# SPDX-License-Identifier: Apache-2.0
"""Who comes in, and what rules say to him."""

import base64
import json

import bcrypt
import pytest

from nova import context as nova_context
from nova import exception, policy
from nova.api import auth
from nova.api.openstack import wsgi
from nova.conf import CONF


def application(environ, start_response):
    context = environ['nova.context']
    start_response('200 OK', [])
    return [json.dumps([context.user_id, context.project_id, context.is_admin, sorted(context.roles)]).encode()]


def call(strategy, **headers):
    """(status, headers, JSON) of a request with these headers."""
    found = {}

    def start_response(status, answer_headers):
        found.update(status=int(status.split()[0]), headers=dict(answer_headers))
    environ = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/', **{f'HTTP_{name}': value for name, value in headers.items()}}
    body = b''.join(auth.Middleware(application, strategy)(environ, start_response))
    return found['status'], found['headers'], json.loads(body)


class TestNoauth:
    @pytest.mark.parametrize('token, who', [
        ('admin:demo', ['admin', 'demo', True]), ('alice:demo', ['alice', 'demo', False]),
        ('bob', ['bob', 'bob', False])])
    def test_the_token_says_who(self, token, who):
        status, _headers, body = call('noauth2', X_AUTH_TOKEN=token)
        assert (status, body[:3]) == (200, who)

    def test_without_a_token_one_is_the_administrator(self):
        assert call('noauth2')[2][2] is True

    def test_an_empty_token_is_nobodys(self):
        assert call('noauth2', X_AUTH_TOKEN='')[0] == 401

    def test_a_role_includes_those_below_it(self):
        assert call('noauth2', X_AUTH_TOKEN='admin:demo')[2][3] == ['admin', 'manager', 'member', 'reader']
        assert auth.with_implied(['Manager', 'other']) == ['Manager', 'other', 'member', 'reader']


class TestHttpBasic:
    @pytest.fixture(autouse=True)
    def password_file(self, tmp_path):
        path = tmp_path / 'htpasswd'
        path.write_text(f'alice:{bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}\nbroken:none\n')
        CONF.set_override('http_basic_auth_user_file', str(path), 'api')
        yield
        CONF.clear_override('http_basic_auth_user_file', 'api')

    @staticmethod
    def basic(text):
        return 'Basic ' + base64.b64encode(text.encode()).decode()

    def test_the_right_password(self):
        for _ in range(2):      # the second is answered from memory
            status, _headers, body = call('http_basic', AUTHORIZATION=self.basic('alice:secret'))
            assert (status, body[:3]) == (200, ['alice', 'default', False])

    @pytest.mark.parametrize('header', ['', 'Bearer x', 'Basic ###', 'alice:wrong', 'nobody:secret', 'broken:none',
                                        'alice'])
    def test_anything_else_is_401_with_a_challenge(self, header):
        given = header if not header or header.startswith(('Bearer', 'Basic')) else self.basic(header)
        status, headers, body = call('http_basic', AUTHORIZATION=given)
        assert status == 401
        assert headers['WWW-Authenticate'].startswith('Basic')
        assert headers['x-openstack-request-id'].startswith('req-')
        assert body['unauthorized']['code'] == 401


class TestKeystone:
    def test_only_confirmed_tokens_come_in(self):
        assert call('keystone')[0] == 401
        assert call('keystone', X_IDENTITY_STATUS='Invalid', X_PROJECT_ID='p')[0] == 401
        status, _headers, body = call('keystone', X_IDENTITY_STATUS='Confirmed', X_PROJECT_ID='p', X_USER_ID='u',
                                      X_ROLES='member')
        assert (status, body) == (200, ['u', 'p', False, ['member', 'reader']])


class TestPolicy:
    MEMBER = nova_context.RequestContext('u', 'p', roles=['member', 'reader'], is_admin=False)
    READER = nova_context.RequestContext('u', 'p', roles=['reader'], is_admin=False)
    ADMIN = nova_context.RequestContext('a', 'q', roles=['admin'], is_admin=True)

    @pytest.fixture(autouse=True)
    def rules(self, tmp_path):
        wsgi.table()
        CONF([], default_config_files=[])
        policy.reset()
        self.file = tmp_path / 'policy.yaml'
        yield
        CONF.clear_override('policy_file', 'oslo_policy')
        policy.reset()

    def use(self, text):
        self.file.write_text(text)
        policy.init()
        CONF.set_override('policy_file', str(self.file), 'oslo_policy')
        policy.reset()

    def test_defaults(self):
        assert policy.check(self.MEMBER, 'servers:create')
        assert not policy.check(self.READER, 'servers:create')
        assert policy.check(self.READER, 'servers:show')
        assert not policy.check(self.MEMBER, 'servers:show', {'project_id': 'other'})
        assert policy.check(self.ADMIN, 'servers:show', {'project_id': 'other'})
        with pytest.raises(exception.PolicyNotAuthorized, match='os_compute_api:os-hypervisors:list'):
            policy.authorize(self.MEMBER, 'os-hypervisors:list')

    def test_a_policy_file_changes_a_rule(self):
        self.use('"os_compute_api:os-hypervisors:list": "role:reader"\n"os_compute_api:servers:create": "!"\n')
        assert policy.check(self.READER, 'os-hypervisors:list')
        assert not policy.check(self.ADMIN, 'servers:create')
        assert policy.check(self.MEMBER, 'servers:show')

    def test_a_policy_file_says_who_is_an_administrator(self):
        self.use('"context_is_admin": "role:boss"\n')
        assert not policy.is_admin(self.ADMIN)
        assert policy.is_admin(nova_context.RequestContext('u', 'p', roles=['boss'], is_admin=False))

    def test_a_coarse_name_of_old_files_is_honoured(self):
        self.use('"os_compute_api:os-hypervisors": "role:reader"\n')
        assert policy.check(self.READER, 'os-hypervisors:statistics')
        assert not policy.check(self.READER, 'os-services:list')

    def test_the_language_of_the_defaults_says_the_same_as_their_functions(self):
        self.use('"context_is_admin": "role:admin"\n')      # a changed base: everything goes through the language
        for name in sorted(policy._rules):
            for context in (self.MEMBER, self.READER, self.ADMIN):
                for target in ({'project_id': 'p', 'user_id': 'u'}, {'project_id': 'x', 'user_id': 'y'}):
                    expected = bool(policy._rules[name].role.allows(context, target))
                    assert policy.check(context, name, target) == expected, (name, context, target)
