# SPDX-License-Identifier: Apache-2.0
"""What happens on a connection, piece by piece; the functional tests run it as a whole."""

import io
import socket
import ssl
import threading
import types
from unittest import mock

import pytest

from nova import exception
from nova.conf import CONF
from nova.console import access, baseproxy, websocketproxy

TOKEN = {'host': '127.0.0.1', 'port': 1, 'internal_access_path': None, 'instance_uuid': 'u', 'console_type': 'novnc'}


@pytest.fixture
def guest():
    """A server that answers one connection: `guest.answer` bytes, after it heard the first ones."""
    with socket.create_server(('127.0.0.1', 0)) as listening:
        found = types.SimpleNamespace(port=listening.getsockname()[1], answer=b'', heard=b'')

        def run():
            try:
                connection, _address = listening.accept()
            except OSError:
                return
            with connection:
                found.heard = connection.recv(1000)
                connection.sendall(found.answer)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield found
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def reach(guest, **values):
    return websocketproxy._reach(types.SimpleNamespace(**{**TOKEN, 'port': guest.port, **values}))


def test_a_path_is_asked_for_and_not_a_byte_is_lost(guest):
    guest.answer = b'HTTP/1.1 200 OK\r\nX: y\r\n\r\nRFB 003.008\n'
    with reach(guest, internal_access_path='/console?uuid=1') as target:
        assert target.recv(100) == b'RFB 003.008\n'
    assert guest.heard == b'CONNECT /console?uuid=1 HTTP/1.1\r\n\r\n'


@pytest.mark.parametrize('answer', [b'HTTP/1.1 404 Not Found\r\n\r\n', b'', b'nonsense\r\n\r\n', b'x' * 5000,
                                    b'HTTP/1.1 404 200\r\n\r\n'])
def test_a_path_that_is_not_given(guest, answer):
    guest.answer = answer
    with pytest.raises(access.NotReachable, match='CONNECT'):
        reach(guest, internal_access_path='/console')


@pytest.mark.parametrize('path', ['/a\r\nX: y', '/a b', '/\u00e4'])
def test_a_path_cannot_carry_anything_else(guest, path):
    with pytest.raises(access.NotReachable, match='no path'):
        reach(guest, internal_access_path=path)
    assert guest.heard == b''


def test_a_console_that_nobody_answers_at():
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(access.NotReachable, match=f'127.0.0.1:{port} of server u does not answer'):
        websocketproxy._reach(types.SimpleNamespace(**{**TOKEN, 'port': port}))


class Handler(websocketproxy.NovaProxyRequestHandler):
    """One without a connection."""

    verbose = False

    def __init__(self, path='/'):
        self.path, self.headers, self.wfile = path, {}, io.BytesIO()
        self.client_address, self.request_version, self.requestline = ('192.0.2.1', 1), 'HTTP/1.1', ''
        self.server = types.SimpleNamespace(console_types=('novnc',))


def test_a_refusal_has_a_status_a_reason_and_no_body(caplog):
    handler = Handler('/?token=secret')
    with mock.patch.object(access, 'admit', side_effect=access.Refused('its token is odd')):
        handler.handle_upgrade()
    head, _, body = handler.wfile.getvalue().partition(b'\r\n\r\n')
    assert head.startswith(b'HTTP/1.1 403 the console token is not valid, or has expired\r\nServer: WebSockify')
    assert b'Content-Length: 0' in head
    assert body == b''
    assert handler.close_connection
    assert [record.message for record in caplog.records] == ['Refused a console to 192.0.2.1: its token is odd']


def test_a_database_that_is_away_lets_nobody_in(caplog):
    handler = Handler()
    with mock.patch.object(access, 'admit', side_effect=ValueError('database')):
        handler.handle_upgrade()
    assert handler.wfile.getvalue().startswith(b'HTTP/1.1 503 tokens cannot be looked up now\r\n')
    (record,) = caplog.records
    assert 'ValueError: database' in record.message
    assert record.exc_info


def test_the_scheme_of_an_origin():
    info = types.SimpleNamespace(access_url_base='https://proxy/')
    assert Handler().verify_origin_proto(info, 'https')
    assert not Handler().verify_origin_proto(info, 'http')


def frame(opcode, payload, fin=0x80):
    return bytes([fin | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def make_websocket():
    ours, theirs = socket.socketpair()
    found = websocketproxy._WebSocket(None)
    found.socket, found.client, found._state = ours, False, 'done'
    return found, theirs


def test_text_is_taken_for_bytes():
    found, theirs = make_websocket()
    theirs.sendall(frame(1, b'ls\n') + frame(1, b'a', 0) + frame(0, b'b') + frame(2, b'\xff'))
    assert [found.recvmsg() for _ in range(3)] == [b'ls\n', b'ab', b'\xff']


def test_a_message_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(websocketproxy, '_MAX_MESSAGE', 100)
    found, theirs = make_websocket()
    theirs.sendall(bytes([0x82, 0xff]) + (10**9).to_bytes(8, 'big') + b'1234' + b'x' * 200)
    with pytest.raises(OSError, match='more than 100 bytes'):  # noqa: PT012  (which of the reads is the library's affair)
        for _ in range(3):
            try:
                found.recvmsg()
            except websocketproxy.websockifyserver.WebSocketWantReadError:
                theirs.sendall(b'more')


@pytest.mark.parametrize('offered, chosen', [(['binary'], 'binary'), (['base64', ' binary'], ' binary'),
                                             (['base64'], '')])
def test_which_subprotocol_is_chosen(offered, chosen):
    assert websocketproxy._WebSocket(None).select_subprotocol(offered) == chosen


# Options --------------------------------------------------------------------------------------------------------------

@pytest.fixture
def override():
    changed = []

    def change(name, value, group=None):
        CONF.set_override(name, value, group)
        changed.append((name, group))

    yield change
    for name, group in changed:
        CONF.clear_override(name, group)


def test_a_taken_address_stops_the_proxy(override, tmp_path):
    override('cert', '')
    with socket.create_server(('127.0.0.1', 0)) as taken, pytest.raises(exception.ConfigInvalid, match='127.0.0.1'):
        baseproxy.ProxyService('nova-novncproxy', ('novnc',), '127.0.0.1', taken.getsockname()[1])


def test_a_certificate_that_is_none_stops_the_proxy(override, tmp_path):
    (tmp_path / 'cert').write_text('nothing')
    override('cert', str(tmp_path / 'cert'))
    with pytest.raises(exception.ConfigInvalid, match='cert, key'):
        baseproxy.ProxyService('nova-novncproxy', ('novnc',), '127.0.0.1', 0)


def test_the_page_is_where_the_package_put_it_unless_told_otherwise(override, tmp_path):
    assert baseproxy._web('p', str(tmp_path)) == str(tmp_path)
    assert baseproxy._web('p', str(tmp_path / 'none')) is None
    assert baseproxy._web('p', None) is None
    override('web', '')
    assert baseproxy._web('p', str(tmp_path)) is None
    override('web', str(tmp_path / 'none'))
    with pytest.raises(exception.ConfigInvalid, match='no directory'):
        baseproxy._web('p', str(tmp_path))


def test_the_address_of_a_name(override):
    found = [(socket.AF_INET, 1, 6, '', ('192.0.2.1', 0)), (socket.AF_INET6, 1, 6, '', ('2001:db8::1', 0, 0, 0))]
    with mock.patch.object(socket, 'getaddrinfo', return_value=found):
        assert baseproxy._address('proxy') == '192.0.2.1'
        override('source_is_ipv6', True)
        assert baseproxy._address('proxy') == '2001:db8::1'


def test_ciphers_that_do_not_exist(override, tmp_path):
    (tmp_path / 'cert').write_text('')
    override('cert', str(tmp_path / 'cert'))
    override('ssl_ciphers', 'NO-SUCH', 'console')
    with mock.patch.object(ssl.SSLContext, 'load_cert_chain'), pytest.raises(exception.ConfigInvalid,
                                                                             match='ssl_ciphers'):
        baseproxy._tls()
