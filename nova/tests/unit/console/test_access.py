# SPDX-License-Identifier: Apache-2.0
"""Which connections are let in to consoles."""

import types
import uuid

import pytest

from nova import objects
from nova.compute import vm_states
from nova.conf import CONF
from nova.console import access
from nova.tests import database as databases

TOKEN = '6b2c0f4e-6c5b-4e0b-9d0c-3c2f4a0c7a11'


@pytest.mark.parametrize('path, headers, expected', [
    (f'/?token={TOKEN}', {}, TOKEN),
    (f'/websockify?x=1&token={TOKEN}', {'Cookie': 'token=another'}, TOKEN),
    (f'/?path=%3Ftoken%3D{TOKEN}', {}, TOKEN),
    (f'/websockify/{TOKEN}', {}, TOKEN),
    (f'/?token={TOKEN}%0A', {}, TOKEN),
    ('/', {'Cookie': f'a="b"; token={TOKEN}'}, TOKEN),
    ('/websockify', {}, None),
    ('/?token=', {}, None),
    ('/', {'Cookie': 'a=b'}, None),
    ('/', {'Cookie': '=;;"'}, None),
])
def test_where_a_token_is_found(path, headers, expected):
    assert access.token_of(path, headers) == expected


ORIGINS = [
    # access URL, Host, Origin, let in?
    ('http://proxy:6080/vnc.html', 'proxy:6080', None, True),
    ('http://proxy:6080/vnc.html', 'proxy:6080', 'http://proxy:6080', True),
    ('http://proxy:6080/vnc.html', 'proxy:6080', 'http://PROXY', True),
    ('http://proxy:6080/vnc.html', '10.0.0.1:6080', 'http://proxy:6080', True),
    ('http://proxy:6080/vnc.html', 'tunnel:1234', 'http://tunnel:1234', True),
    ('http://proxy:6080/vnc.html', '[2001:db8::1]:6080', 'http://[2001:db8::1]:6080', True),
    ('http://proxy:6080/vnc.html', 'proxy:6080', 'http://horizon', True),
    ('http://proxy:6080/vnc.html', 'proxy:6080', 'http://evil', False),
    ('http://proxy:6080/vnc.html', 'proxy:6080', 'http://proxy.evil', False),
    ('http://proxy:6080/vnc.html', 'proxy:6080', 'null', False),
    ('http://proxy:6080/vnc.html', 'proxy:6080', '', False),
    ('http://proxy:6080/vnc.html', 'proxy:6080', 'http://[', False),
    ('http://proxy:6080/vnc.html', '', 'http://', False),
    ('https://proxy:6080/vnc.html', 'proxy:6080', 'http://proxy:6080', False),
    ('https://proxy:6080/vnc.html', 'proxy:6080', 'https://proxy:6080', True),
    ('http://proxy:6080/vnc.html', 'proxy:6080', 'https://proxy:6080', False),
    ('ws://proxy:6083/', 'proxy:6083', 'https://horizon', True),
    ('wss://proxy:6083/', 'proxy:6083', 'https://proxy', True),
    ('wss://proxy:6083/', 'proxy:6083', 'http://proxy', False),
    (None, 'proxy:6083', 'http://proxy', False),
]


@pytest.mark.parametrize('url, host, origin, let_in', ORIGINS)
def test_which_pages_may_connect(url, host, origin, let_in):
    CONF.set_override('allowed_origins', ['Horizon'], 'console')
    headers = {'Host': host} | ({} if origin is None else {'Origin': origin})
    token = types.SimpleNamespace(access_url_base=url)
    try:
        if let_in:
            access.check_origin(headers, token)
        else:
            with pytest.raises(access.Refused, match='its origin'):
                access.check_origin(headers, token)
    finally:
        CONF.clear_override('allowed_origins', 'console')


class TestAdmit:

    @pytest.fixture(autouse=True)
    def server(self, database):
        self.server = databases.server()

    def token(self, ttl=60, **values):
        return objects.ConsoleAuthToken.authorize(databases.admin(), {
            'console_type': 'novnc', 'host': '127.0.0.1', 'port': 5900, 'instance_uuid': self.server.uuid,
            'access_url_base': 'http://proxy:6080/', **values}, ttl)

    def refused(self, token, kinds=('novnc',)):
        with pytest.raises(access.Refused) as raised:
            access.admit(f'/?token={token}', {}, kinds)
        assert token == '' or token not in str(raised.value) + raised.value.public
        return str(raised.value)

    def test_a_token_opens_its_console(self):
        found = access.admit(f'/?token={self.token()}', {}, ('novnc',))
        assert (found.port, found.instance_uuid) == (5900, self.server.uuid)

    def test_which_tokens_open_nothing(self):
        assert 'expired' in self.refused(self.token(ttl=0))
        assert 'unknown' in self.refused(str(uuid.uuid4()))
        assert 'no token' in self.refused('')
        assert 'type serial' in self.refused(self.token(console_type='serial'))
        assert 'gone' in self.refused(self.token(instance_uuid=str(uuid.uuid4())))

    def test_a_token_that_was_taken_back(self):
        token = self.token()
        objects.ConsoleAuthToken.clean_console_auths_for_instance(databases.admin(), self.server.uuid)
        assert 'taken back' in self.refused(token)

    @pytest.mark.parametrize('state', vm_states.ALL)
    def test_only_servers_with_a_guest(self, state):
        token = self.token()
        self.server.vm_state = state
        self.server.save()
        if state in ('active', 'building', 'paused', 'rescued', 'resized', 'error'):
            access.admit(f'/?token={token}', {}, ('novnc',))
        else:
            assert state in self.refused(token)
