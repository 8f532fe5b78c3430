# SPDX-License-Identifier: Apache-2.0
"""The proxy between a VNC client and a VNC server that speaks VeNCrypt; the server is this file's, its TLS is real."""

import socket
import ssl
import struct
import subprocess
import threading

import pytest

from nova.conf import CONF
from nova.console import access, rfb

V38 = b'RFB 003.008\n'


@pytest.fixture(scope='module')
def pki(tmp_path_factory):
    """A directory with an authority, and certificates of a server, a client, and a stranger."""
    where = tmp_path_factory.mktemp('pki')

    def openssl(*args):
        subprocess.run(['openssl', *args], cwd=where, check=True, capture_output=True)

    for name in ('ca', 'stranger'):
        openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', f'/CN={name}', '-keyout',
                f'{name}.key', '-out', f'{name}.crt')
    for name in ('server', 'client'):
        openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', f'/CN={name}', '-keyout', f'{name}.key', '-out',
                f'{name}.csr')
        openssl('x509', '-req', '-in', f'{name}.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days',
                '2', '-out', f'{name}.crt')
    return where


@pytest.fixture
def options(pki):
    names = {'vencrypt_client_key': 'client.key', 'vencrypt_client_cert': 'client.crt', 'vencrypt_ca_certs': 'ca.crt'}
    for option, name in names.items():
        CONF.set_override(option, str(pki / name), 'vnc')
    yield
    for option in names:
        CONF.clear_override(option, 'vnc')


class Server(threading.Thread):
    """A VNC server: does `script` (bytes to send, numbers of bytes to read, or a function), then `echo`."""

    def __init__(self, script):
        super().__init__(daemon=True)
        self.script, self.heard = script, []
        self.socket, self.target = socket.socketpair()
        for end in (self.socket, self.target):
            end.settimeout(10)
        self.start()

    def run(self):
        try:
            for step in self.script:
                if callable(step):
                    self.socket = step(self.socket)
                elif isinstance(step, int):
                    self.heard.append(self.socket.recv(step, socket.MSG_WAITALL if type(self.socket) is socket.socket
                                                       else 0))
                else:
                    self.socket.sendall(step)
        except OSError as error:
            self.heard.append(error)
        finally:
            self.socket.close()


def tls_of(pki, name='server'):
    def wrap(connection):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki / f'{name}.crt', pki / f'{name}.key')
        context.load_verify_locations(pki / 'ca.crt')
        context.verify_mode = ssl.CERT_REQUIRED
        return context.wrap_socket(connection, server_side=True)
    return wrap


class Client:
    """What a VNC client sends, and what it was sent."""

    def __init__(self, said=V38 + b'\x01'):
        self.said, self.heard = [said[n:n + 5] for n in range(0, len(said), 5)], b''
        self.peer = rfb.Peer(lambda: self.said.pop(0) if self.said else b'', self.hear)

    def hear(self, data):
        self.heard += data


def fails(script, client=None, schemes=('vencrypt', 'none')):
    client, server = client or Client(), Server(script)
    with pytest.raises(access.NotReachable) as raised:
        rfb.negotiate(client.peer, server.target, schemes)
    server.target.close()
    server.join(10)
    return client, str(raised.value)


WELCOME = V38 + b'\x01\x01' + b'\x00\x00\x00\x00'


def test_none_is_none():
    server, client = Server([V38, 12, b'\x02\x02\x01', 1, b'\0\0\0\0', b'screen']), Client(V38 + b'\x01typed')
    target = rfb.negotiate(client.peer, server.target, ['vencrypt', 'none'])
    assert target.recv(100) == b'screen'
    assert server.heard == [V38, b'\x01']
    assert client.heard == WELCOME
    assert client.peer.left + b''.join(client.said) == b'typed'


def test_vencrypt_with_certificates_on_both_sides(pki, options):
    server = Server([V38, 12, b'\x02\x01\x13', 1, b'\0\2', 2, b'\0', b'\x02' + struct.pack('!II', 259, 260), 4, b'\x01',
                     tls_of(pki), b'\0\0\0\0', b'screen', 5])
    client = Client()
    target = rfb.negotiate(client.peer, server.target, ['vencrypt', 'none'])
    assert isinstance(target, ssl.SSLSocket)
    assert target.recv(100) == b'screen'
    target.sendall(b'typed')
    server.join(10)
    assert server.heard == [V38, b'\x13', b'\0\2', struct.pack('!I', 260), b'typed']
    assert client.heard == WELCOME


def test_a_server_of_another_authority_is_not_trusted(pki, options):
    client, text = fails([V38, 12, b'\x01\x13', 1, b'\0\2', 2, b'\0', b'\x01' + struct.pack('!I', 260), 4, b'\x01',
                          tls_of(pki, 'stranger')])
    assert 'CERTIFICATE_VERIFY_FAILED' in text
    reason = b'the console does not answer'
    assert client.heard == V38 + b'\x00' + struct.pack('!I', len(reason)) + reason


@pytest.mark.parametrize('script, words', [
    ([b'RFB 003.003\n'], 'RFB 003.003'),
    ([V38, 12, b'\x00' + struct.pack('!I', 4) + b'busy'], 'refused: busy'),
    ([V38, 12, b'\x01\x02', 1], 'security types [2]'),
    ([V38, 12, b'\x01\x01', 1, b'\0\0\0\1' + struct.pack('!I', 3) + b'bad'], 'let the proxy in: bad'),
    ([V38, 12, b'\x01\x13', 1, b'\0\1'], 'VeNCrypt 0.1'),
    ([V38, 12, b'\x01\x13', 1, b'\0\2', 2, b'\1'], 'refused VeNCrypt 0.2'),
    ([V38, 12, b'\x01\x13', 1, b'\0\2', 2, b'\0', b'\x01' + struct.pack('!I', 257)], 'kinds [257]'),
    ([V38, 12, b'\x01\x13', 1, b'\0\2', 2, b'\0', b'\x01' + struct.pack('!I', 260), 4, b'\0'], 'refused VeNCrypt X509'),
    ([V38[:5]], 'in the middle'),
])
def test_what_a_server_may_say_instead(script, words):
    client, text = fails(script)
    assert words in text
    assert client.heard[:13] == V38 + b'\x00'


@pytest.mark.parametrize('said', [b'', V38[:3], b'RFB 003.003\n', V38 + b'\x02'])
def test_what_a_client_may_say_instead(said):
    fails([V38, 12, b'\x01\x01', 1, b'\0\0\0\0'], Client(said))
