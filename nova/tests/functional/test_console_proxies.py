# SPDX-License-Identifier: Apache-2.0
"""The proxies of consoles as processes, with a real client of WebSockets; a small server stands for the guests."""

import contextlib
import hashlib
import os
import pathlib
import signal
import socket
import socketserver
import sqlite3
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid

import pytest
import requests
import websocket

from nova.tests import harness

PROXIES = {'nova-novncproxy': ('vnc', 'novncproxy', 'novnc'),
           'nova-serialproxy': ('serial_console', 'serialproxy', 'serial'),
           'nova-spicehtml5proxy': ('spice', 'html5proxy', 'spice-html5')}
SOON_S = 60


class Console(socketserver.ThreadingTCPServer):
    """Says what it hears in capitals.  `b'bye'` makes it hang up, `b'flood'` talk much.

    With a `path` it wants to hear CONNECT first.
    """

    allow_reuse_address = daemon_threads = True

    def __init__(self, path=None):
        self.path, self.asked = path, []
        super().__init__(('127.0.0.1', 0), self.Handler)
        self.port = self.server_address[1]

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            if self.server.path:
                said = self.request.recv(1000)
                self.server.asked.append(said)
                ok = said == f'CONNECT {self.server.path} HTTP/1.1\r\n\r\n'.encode()
                self.request.sendall(b'HTTP/1.1 200 OK\r\n\r\n' if ok else b'HTTP/1.1 404 Not Found\r\n\r\n')
            self.request.sendall(b'hello ')
            with contextlib.suppress(OSError):
                while data := self.request.recv(65536):
                    if data == b'bye':
                        return
                    self.request.sendall(b'x' * 3_000_000 if data == b'flood' else data.upper())


@contextlib.contextmanager
def console(path=None):
    with Console(path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Proxy:
    def __init__(self, cloud, binary, **changes):
        self.cloud, self.binary, self.port = cloud, binary, harness.free_port()
        group, prefix, self.type = PROXIES[binary]
        self.name = f'{binary}-{uuid.uuid4().hex[:6]}'
        self.url = f'ws://127.0.0.1:{self.port}/'
        changes.setdefault(group, {}).update({f'{prefix}_host': '127.0.0.1', f'{prefix}_port': self.port})
        self.config = cloud.write_config(cloud.directory / f'{self.name}.conf', **changes)

    def start(self):
        self.cloud.start(self.binary, self.config, self.name)
        harness.wait_for(lambda: 'listens on' in self.output or self.process.poll() is not None, self.name)
        assert self.process.poll() is None, self.output
        return self

    @property
    def process(self):
        return self.cloud.processes[self.name]

    @property
    def output(self):
        return self.cloud.output(self.name)

    def connect(self, token, **options):
        return websocket.create_connection(f'{self.url}?token={token}', timeout=SOON_S, subprotocols=['binary'],
                                           suppress_origin='origin' not in options, **options)

    def refusal(self, token, reason, **options):
        """Try to connect; it is refused, logged once with a reason, and the token is in no log."""
        before = self.output.count('Refused a console')
        with pytest.raises(websocket.WebSocketBadStatusException) as raised:
            self.connect(token, **options)
        assert self.output.count('Refused a console') == before + 1
        last = [line for line in self.output.splitlines() if 'Refused a console' in line][-1]
        assert reason in last
        assert not token or token not in self.output
        return raised.value.status_code


@pytest.fixture(scope='module')
def proxy(cloud):
    with started(cloud, 'nova-serialproxy') as found:
        yield found


@contextlib.contextmanager
def started(cloud, binary, **changes):
    found = Proxy(cloud, binary, **changes)
    try:
        yield found.start()
    finally:
        if found.name in cloud.processes:
            assert cloud.stop(found.name) == 0, found.output


@pytest.fixture(scope='module')
def server(cloud):
    client = cloud.client('alice:project-a')
    with client.booted('of-consoles') as made:
        yield made


def execute(cloud, statement, values=()):
    with contextlib.closing(sqlite3.connect(cloud.directory / 'nova.sqlite', timeout=SOON_S)) as connection, connection:
        return connection.execute(statement, values).rowcount


def make_token(cloud, server, port, kind='serial', ttl_s=600, base='ws://127.0.0.1:6083/', path=None):
    token = str(uuid.uuid4())
    execute(cloud, 'INSERT INTO console_auth_tokens (token_hash, console_type, host, port, internal_access_path, '
                   'instance_uuid, expires, access_url_base, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
            (hashlib.sha256(token.encode()).hexdigest(), kind, '127.0.0.1', port, path, server['id'],
             int(time.time()) + ttl_s, base, '2026-01-01 00:00:00'))
    return token


def hear(client, expected):
    heard = b''
    while len(heard) < len(expected):
        heard += client.recv()
    assert heard == expected


@pytest.mark.parametrize('binary', PROXIES)
def test_bytes_pass_both_ways(cloud, server, binary):
    with started(cloud, binary) as proxy, console() as guest:
        token = make_token(cloud, server, guest.port, proxy.type)
        client = proxy.connect(token)
        assert client.getsubprotocol() == 'binary'
        client.send_binary(b'\x00abc\xff')
        hear(client, b'hello \x00ABC\xff')
        client.send('text')
        hear(client, b'TEXT')
        client.send_binary(b'flood')
        hear(client, b'x' * 3_000_000)
        client.ping('are you there')
        client.send_binary(b'bye')
        opcode, data = client.recv_data()
        assert (opcode, data[2:]) == (websocket.ABNF.OPCODE_CLOSE, b'the guest closed its console')
        client.close()
        harness.wait_for(lambda: 'the guest closed its console' in proxy.output, 'a line about the end')
        assert token not in proxy.output


def test_many_at_once(cloud, server, proxy):
    with console() as guest:
        token = make_token(cloud, server, guest.port)
        clients = [proxy.connect(token) for _ in range(50)]
        for number, client in enumerate(clients):
            client.send_binary(b'n%d' % number)
        for number, client in enumerate(clients):
            hear(client, b'hello N%d' % number)
            client.close()
        harness.wait_for(lambda: proxy.output.count('the client left') >= 50, 'all have left')


def test_a_client_that_does_not_read_stops_nobody(cloud, server, proxy):
    with console() as guest:
        token = make_token(cloud, server, guest.port)
        lazy, other = proxy.connect(token), proxy.connect(token)
        for _ in range(5):
            lazy.send_binary(b'flood')
            time.sleep(0.05)
        other.send_binary(b'me')
        hear(other, b'hello ME')
        hear(lazy, b'hello ' + b'x' * 3_000_000)
        lazy.close()
        other.close()


def hang_up(client):
    """Leave without a word, as a machine that lost its power and came back."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    client.sock.close()


def test_a_client_that_hangs_up_in_the_middle(cloud, server, proxy):
    with console() as guest:
        token, before = make_token(cloud, server, guest.port), proxy.output.count('closed the serial console')
        for length in (1, 100_000):
            client = proxy.connect(token)
            client.send_binary(b'flood')
            client.recv()
            client.send_binary(b'')
            client.sock.sendall(b'\x82\xff' + (10**6).to_bytes(8, 'big') + b'\0' * length)
            hang_up(client)
        polite = proxy.connect(token)
        hear(polite, b'hello ')
        polite.sock.shutdown(socket.SHUT_RDWR)
        harness.wait_for(lambda: proxy.output.count('closed the serial console') == before + 3, 'the ends')
    assert 'Traceback' not in proxy.output


def test_the_token_in_other_places(cloud, server, proxy):
    with console() as guest:
        token = make_token(cloud, server, guest.port)
        for path, cookie in ((f'websockify?token={token}', None), (f'?path=%3Ftoken%3D{token}', None), (token, None),
                             ('', f'a=b; token={token}')):
            client = websocket.create_connection(proxy.url + path, timeout=SOON_S, cookie=cookie, suppress_origin=True)
            hear(client, b'hello ')
            client.close()


def test_who_is_refused(cloud, server, proxy):
    with console() as guest:
        stale = make_token(cloud, server, guest.port, ttl_s=-1)
        assert proxy.refusal(stale, 'unknown, was taken back, or has expired') == 403
        assert proxy.refusal(str(uuid.uuid4()), 'unknown') == 403
        assert proxy.refusal('', 'no token') == 403
        assert proxy.refusal(make_token(cloud, server, guest.port, 'novnc'), 'of type novnc') == 403
        assert proxy.refusal(make_token(cloud, {'id': str(uuid.uuid4())}, guest.port), 'gone') == 403
    assert proxy.refusal(make_token(cloud, server, guest.port), 'does not answer') == 503


def test_pages_of_other_sites_are_refused(cloud, server):
    with console() as guest, started(
            cloud, 'nova-novncproxy', console={'allowed_origins': 'dashboard.example'}) as proxy:
        token = make_token(cloud, server, guest.port, 'novnc', base='https://consoles.example:6080/vnc_auto.html')
        for origin in ('https://evil.example', 'https://evil.example/?consoles.example', 'null', 'https://[',
                       'https://consoles.example.evil.example'):
            assert proxy.refusal(token, 'origin', origin=origin) == 403
        assert proxy.refusal(token, 'scheme', origin='http://consoles.example:6080') == 403
        for origin in ('https://consoles.example:6080', 'https://Dashboard.example', f'https://127.0.0.1:{proxy.port}'):
            client = proxy.connect(token, origin=origin)
            hear(client, b'hello ')
            client.close()


def test_a_token_of_the_api_and_its_server(cloud):
    """The way of a user: ask the API for a URL, open it; and no more when the server has gone."""
    user = cloud.client('alice:project-a')
    made = user.boot('with-a-console')
    with started(cloud, 'nova-novncproxy') as proxy:
        found = user.post(f'/servers/{made["id"]}/remote-consoles',
                          {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}})['remote_console']
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(found['url']).query)
        token = urllib.parse.parse_qs(query['path'][0].lstrip('?'))['token'][0]
        path = cloud.sql(f"SELECT internal_access_path FROM console_auth_tokens WHERE instance_uuid = '{made['id']}'")
        with console(path[0]['internal_access_path']) as guest:
            execute(cloud, 'UPDATE console_auth_tokens SET port = ? WHERE instance_uuid = ?', (guest.port, made['id']))
            client = proxy.connect(token, origin='http://127.0.0.1:6080')
            client.send_binary(b'user')
            hear(client, b'hello USER')
            assert len(guest.asked) == 1
            guest.path = 'another'
            assert proxy.refusal(token, '404 Not Found') == 503
            guest.path = path[0]['internal_access_path']
            user.action(made['id'], 'os-stop')
            user.wait(made['id'], 'SHUTOFF')
            assert proxy.refusal(token, '') == 403
            user.action(made['id'], 'os-start')
            user.wait(made['id'], 'ACTIVE')
            user.delete(made['id'])
            assert proxy.refusal(token, '') == 403
            client.close()


def test_a_session_ends_with_its_token_where_the_site_wants_it(cloud, server):
    with console() as guest, started(
            cloud, 'nova-serialproxy', consoleauth={'enforce_session_timeout': True}) as proxy:
        client = proxy.connect(make_token(cloud, server, guest.port, ttl_s=3))
        hear(client, b'hello ')
        opcode, data = client.recv_data()
        assert (opcode, data) == (websocket.ABNF.OPCODE_CLOSE, b'\x03\xf0the console token has expired')


def test_a_stop_ends_sessions_at_once_and_says_so(cloud, server):
    with console() as guest, started(cloud, 'nova-serialproxy') as proxy:
        client = proxy.connect(make_token(cloud, server, guest.port))
        hear(client, b'hello ')
        begun = time.monotonic()
        assert cloud.stop(proxy.name) == 0
        assert time.monotonic() - begun < 5
        assert client.recv_data() == (websocket.ABNF.OPCODE_CLOSE, b'\x03\xe9the proxy is stopping')


def test_pages(cloud, tmp_path):
    (tmp_path / 'vnc_auto.html').write_text('<title>console</title>')
    (tmp_path / 'core').mkdir()
    with started(cloud, 'nova-novncproxy', DEFAULT={'web': tmp_path}) as proxy:
        base = f'http://127.0.0.1:{proxy.port}'
        with requests.Session() as browser:
            page = browser.get(f'{base}/vnc_auto.html?path=%3Ftoken%3Dsecret')
            assert (page.status_code, page.text) == (200, '<title>console</title>')
            assert browser.get(f'{base}/core/').status_code == 404
            assert browser.get(f'{base}/../nova.conf').status_code == 404
            assert browser.get(f'{base}/%2e%2e/%2e%2e/etc/passwd').status_code == 404
        assert 'secret' not in proxy.output
    with started(cloud, 'nova-novncproxy', DEFAULT={'web': ''}) as proxy:
        assert requests.get(f'http://127.0.0.1:{proxy.port}/vnc_auto.html', timeout=SOON_S).status_code == 405


def test_tls(cloud, server, tmp_path):
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1',
                    '-keyout', tmp_path / 'key', '-out', tmp_path / 'cert'], check=True, capture_output=True)
    trust = {'cert_reqs': ssl.CERT_NONE}
    with console() as guest, started(cloud, 'nova-serialproxy', console={'ssl_minimum_version': 'tlsv1_3'}, DEFAULT={
            'cert': tmp_path / 'cert', 'key': tmp_path / 'key', 'ssl_only': True}) as proxy:
        token = make_token(cloud, server, guest.port, base='wss://127.0.0.1:6083/')
        with pytest.raises((websocket.WebSocketException, OSError)):
            proxy.connect(token)
        harness.wait_for(lambda: 'does not speak TLS' in proxy.output, 'a line in the log')
        proxy.url = proxy.url.replace('ws:', 'wss:')
        with pytest.raises(ssl.SSLError):
            proxy.connect(token, sslopt={'context': old_tls()})
        client = proxy.connect(token, sslopt=trust)
        client.send_binary(b'flood')
        hear(client, b'hello ' + b'x' * 3_000_000)
        client.send_binary(b'a' * 1_000_000)
        hear(client, b'A' * 1_000_000)
        client.send_binary(b'')
        client.send_binary(b'flood')
        hang_up(client)
        harness.wait_for(lambda: 'closed the serial console' in proxy.output, 'the end')
        assert 'Traceback' not in proxy.output


def old_tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def test_all_that_passes_can_be_recorded(cloud, server, tmp_path):
    with console() as guest, started(cloud, 'nova-serialproxy', DEFAULT={'record': tmp_path / 'tape'}) as proxy:
        client = proxy.connect(make_token(cloud, server, guest.port))
        client.send_binary(b'abc')
        hear(client, b'hello ABC')
        client.close()
        tape = tmp_path / 'tape.1'
        harness.wait_for(lambda: tape.exists() and "'EOF'" in tape.read_text(), 'a record')
        assert '{abc' in tape.read_text().replace('}', '{')


def test_silent_and_foolish_clients(cloud, server, proxy):
    with socket.create_connection(('127.0.0.1', proxy.port)) as silent:
        for nonsense in (b'\r\n\r\n', b'GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n', b'\x16\x03\x01\x00\x05hello'):
            # It may hang up at any point.
            with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', proxy.port),
                                                                        timeout=SOON_S) as client:
                client.sendall(nonsense)
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
        with console() as guest:
            client = proxy.connect(make_token(cloud, server, guest.port))
            hear(client, b'hello ')
            client.close()
        assert silent.fileno() > 0


def test_what_is_wrong_with_the_options_is_one_line(cloud, tmp_path):
    cases = (({'DEFAULT': {'ssl_only': True, 'cert': tmp_path / 'none.pem'}}, 'cert'),
             ({'DEFAULT': {'web': tmp_path / 'none'}}, 'web'),
             ({'vnc': {'auth_schemes': 'none,magic'}}, 'auth_schemes'))
    for changes, named in cases:
        proxy = Proxy(cloud, 'nova-novncproxy', **changes)
        cloud.start('nova-novncproxy', proxy.config, proxy.name)
        assert cloud.processes.pop(proxy.name).wait(SOON_S) == 1
        last = proxy.output.strip().splitlines()[-1]
        assert named in last
        assert 'Traceback' not in proxy.output


def test_the_command_line_and_the_background(cloud, tmp_path):
    """As DevStack starts it, with the page's directory on the command line; and with --daemon."""
    proxy = Proxy(cloud, 'nova-novncproxy')
    (tmp_path / 'x.html').write_text('page')
    log = cloud.directory / 'log' / f'{proxy.name}.log'
    code = 'import sys; from nova.cmd.novncproxy import main; sys.argv[0] = "nova-novncproxy"; sys.exit(main())'
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code, '--config-file', str(proxy.config), '--daemon',
                           '--web', str(tmp_path), '--log-file', str(log)], cwd=harness.ROOT, timeout=SOON_S,
                          check=False)
    assert done.returncode == 0
    harness.wait_for(lambda: log.exists() and 'listens on' in log.read_text(), 'a start in the background')
    assert requests.get(f'http://127.0.0.1:{proxy.port}/x.html', timeout=SOON_S).text == 'page'
    (pid,) = [int(path.parent.name) for path in pathlib.Path('/proc').glob('[0-9]*/cmdline')
              if str(proxy.config).encode() in path.read_bytes()]
    os.kill(pid, signal.SIGTERM)
    harness.wait_for(lambda: not pathlib.Path(f'/proc/{pid}').exists(), 'its end')
