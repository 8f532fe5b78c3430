# SPDX-License-Identifier: Apache-2.0
from nova import concurrency

concurrency.monkey_patch()

import http.client  # noqa: E402  (everything below must be imported patched)
import os  # noqa: E402
import socket  # noqa: E402
import struct  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import unittest  # noqa: E402

from nova import exception  # noqa: E402
from nova.conf import CONF  # noqa: E402
from nova.monitoring import metrics  # noqa: E402
from nova.wsgi import server  # noqa: E402

#: Offset of tcpi_data_segs_in, a 32-bit number, in Linux' struct tcp_info.
DATA_SEGMENTS_IN = 152


def application(environ, start_response):
    """Answers with what the path says: /size/<bytes>, /pieces/<how many>, /stream/<how many>, /slow, /broken, /id."""
    environ['nova.route'] = '/' + environ['PATH_INFO'].split('/')[1]
    kind, _, amount = environ['PATH_INFO'].strip('/').partition('/')
    headers = [('Content-Type', 'text/plain')]
    if kind == 'broken':
        raise ValueError('on purpose')
    if kind == 'slow':
        concurrency.sleep(0.3)
    if kind == 'id':
        headers.append(('X-Openstack-Request-Id', 'req-1234'))
    if kind == 'echo':
        body = [environ['wsgi.input'].read()]
    elif kind == 'pieces':
        body = [b'x' * 5000] * int(amount)
    elif kind == 'stream':
        body = (b'x' * 5000 for _ in range(int(amount)))
    else:
        body = [b'x' * int(amount or 2)]
    if isinstance(body, list):
        headers.append(('Content-Length', str(sum(map(len, body)))))
    start_response('200 OK', headers)
    return body


class ServerTestCase(unittest.TestCase):

    def setUp(self):
        CONF([], default_config_files=[])
        self.server = server.Server('test', server.wrap(application, 'test'), '127.0.0.1', 0)
        self.server.start()
        self.addCleanup(self.end)

    def end(self):
        self.server.stop()
        self.server.wait()

    def connect(self):
        sock = socket.create_connection(('127.0.0.1', self.server.port))
        sock.settimeout(5)
        self.addCleanup(sock.close)
        return sock

    def exchange(self, sock, request, expect=b'\r\n\r\n'):
        """Send raw bytes; return what came until the marker, the announced body included."""
        sock.sendall(request)
        received = b''
        while expect not in received:
            piece = sock.recv(1 << 20)
            if not piece:
                return received
            received += piece
        head, _, body = received.partition(b'\r\n\r\n')
        length = next((int(line.split(b':')[1]) for line in head.split(b'\r\n') if
                       line.lower().startswith(b'content-length')), 0)
        while len(body) < length:
            body += sock.recv(1 << 20)
        return head + b'\r\n\r\n' + body

    def get(self, sock, path):
        return self.exchange(sock, f'GET {path} HTTP/1.1\r\nHost: x\r\n\r\n'.encode())

    def segments(self, sock):
        return struct.unpack_from('I', sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), DATA_SEGMENTS_IN)[0]

    def test_a_response_is_one_write(self):
        """Headers and body of one response arrive in one segment, whatever the size of the library's buffers."""
        sock = self.connect()
        for path in ('/size/2', '/size/5000', '/size/20000', '/size/30000', '/pieces/6'):
            with self.subTest(path=path):
                before = self.segments(sock)
                self.get(sock, path)
                self.assertEqual(1, self.segments(sock) - before)

    def test_nothing_waits_for_more_to_send(self):
        sock = self.connect()
        self.assertTrue(self.server._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        with concurrency.timeout(2):
            # With Nagle's algorithm and delayed acknowledgements each would take 40 ms.
            for _ in range(100):
                self.get(sock, '/pieces/3')

    def test_a_connection_serves_many_requests(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port, timeout=5)
        self.addCleanup(connection.close)
        connection.connect()
        sock = connection.sock
        for size in (1, 100000, 0):
            connection.request('GET', f'/size/{size}')
            self.assertEqual(size, len(connection.getresponse().read()))
        self.assertIs(sock, connection.sock)

    def test_a_body_made_on_the_way_is_streamed(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port, timeout=5)
        self.addCleanup(connection.close)
        connection.request('GET', '/stream/20')
        self.assertEqual(100000, len(connection.getresponse().read()))
        connection.request('POST', '/echo', body=b'y' * 300000)
        self.assertEqual(300000, len(connection.getresponse().read()))

    def test_long_request_lines_and_headers_are_refused(self):
        self.assertTrue(self.get(self.connect(), '/' + 'a' * 9000).startswith(b'HTTP/1.0 414'))
        self.assertTrue(self.exchange(self.connect(), b'GET / HTTP/1.1\r\nX-Auth-Token: ' + b'a' * 17000 +
                                      b'\r\n\r\n').startswith(b'HTTP/1.0 400'))
        # A token of that size is usual where tokens are signed documents.
        self.assertTrue(self.exchange(self.connect(), b'GET / HTTP/1.1\r\nX-Auth-Token: ' + b'a' * 12000 +
                                      b'\r\n\r\n').startswith(b'HTTP/1.1 200'))

    def test_garbage_is_refused_and_the_server_goes_on(self):
        for request in (b'\x00\x01\x02\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n',
                        b'POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n',
                        b'POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nabcde'):
            with self.subTest(request=request):
                self.assertNotIn(b' 200 ', self.exchange(self.connect(), request)[:20])
        self.assertIn(b' 200 ', self.get(self.connect(), '/size/1'))

    def test_a_line_in_the_log_for_each_request(self):
        with self.assertLogs('nova.wsgi.server', 'INFO') as logs:
            self.get(self.connect(), '/id?a=b%0Ac')
        self.assertRegex(logs.output[0], r'127\.0\.0\.1 "GET /id\?a=b%0Ac HTTP/1\.\d" status: 200 len: 2 '
                                         r'time: 0\.\d+ request: req-1234')

    def test_a_count_for_each_request(self):
        before = metrics.REQUESTS.counts['test', 'GET', '/size', '200']
        self.get(self.connect(), '/size/1')
        self.assertEqual(before + 1, metrics.REQUESTS.counts['test', 'GET', '/size', '200'])

    def test_what_nobody_caught_is_an_answer_without_a_traceback(self):
        with self.assertLogs('nova.wsgi.server', 'ERROR') as logs:
            answer = self.get(self.connect(), '/broken')
        self.assertIn(b'HTTP/1.1 500', answer)
        self.assertIn(b'computeFault', answer)
        self.assertNotIn(b'on purpose', answer)
        self.assertIn('on purpose', logs.output[0])

    def test_monitoring_is_served_before_the_application(self):
        self.assertIn(b' 200 ', self.get(self.connect(), '/healthcheck/live'))
        self.assertIn(b'nova_http_requests_total', self.get(self.connect(), '/metrics'))

    def test_stopping_finishes_what_is_being_worked_on_and_closes_the_rest(self):
        idle, busy = self.connect(), self.connect()
        self.get(idle, '/size/1')
        answer = concurrency.spawn(self.get, busy, '/slow')
        concurrency.sleep(0.1)
        self.end()
        self.assertIn(b' 200 ', answer.wait())
        self.assertEqual(b'', idle.recv(1))
        with self.assertRaises(OSError):
            self.connect()

    def test_a_taken_port_is_named(self):
        with self.assertRaises(exception.ConfigInvalid) as raised:
            server.Server('test', application, '127.0.0.1', self.server.port)
        self.assertIn(str(self.server.port), str(raised.exception))

    def test_a_client_that_leaves_early_harms_nobody(self):
        for _ in range(5):
            sock = self.connect()
            sock.sendall(b'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            sock.close()
        concurrency.sleep(0.4)
        self.assertIn(b' 200 ', self.get(self.connect(), '/size/1'))


class TLSTestCase(unittest.TestCase):

    def setUp(self):
        CONF([], default_config_files=[])
        self.dir = self.enterContext(tempfile.TemporaryDirectory())

    def configure(self, **options):
        for name, value in options.items():
            CONF.set_override(name, value, 'wsgi')
            self.addCleanup(CONF.clear_override, name, 'wsgi')

    def test_https(self):
        import ssl
        cert, key = os.path.join(self.dir, 'cert'), os.path.join(self.dir, 'key')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert,
                        '-days', '1', '-subj', '/CN=127.0.0.1'], check=True, capture_output=True)
        self.configure(ssl_cert_file=cert, ssl_key_file=key)
        served = server.Server('test', server.wrap(application, 'test'), '127.0.0.1', 0, tls=True)
        served.start()
        self.addCleanup(lambda: (served.stop(), served.wait()))
        # One that connects and says nothing must not hold up the others.
        silent = socket.create_connection(('127.0.0.1', served.port))
        self.addCleanup(silent.close)
        context = ssl.create_default_context(cafile=cert)
        context.check_hostname = False
        connection = http.client.HTTPSConnection('127.0.0.1', served.port, timeout=5, context=context)
        connection.request('GET', '/size/50000')
        self.assertEqual(50000, len(connection.getresponse().read()))
        connection.close()

    def test_missing_files_are_named(self):
        self.configure(ssl_cert_file='/nowhere', ssl_key_file='/nowhere')
        with self.assertRaisesRegex(exception.ConfigInvalid, 'ssl_cert_file'):
            server.Server('test', application, '127.0.0.1', 0, tls=True)


class PasteTestCase(unittest.TestCase):

    def setUp(self):
        CONF([], default_config_files=[])
        self.dir = self.enterContext(tempfile.TemporaryDirectory())
        self.path = os.path.join(self.dir, 'paste.ini')
        CONF.set_override('api_paste_config', self.path)
        self.addCleanup(CONF.clear_override, 'api_paste_config')

    def test_the_application_is_found_by_name(self):
        with open(self.path, 'w') as paste:
            paste.write('[app:osapi_compute]\npaste.app_factory = nova.monitoring.http:app_factory\n')
        self.assertEqual('osapi_compute', server.load_app('osapi_compute').name)
        with self.assertRaisesRegex(exception.ConfigInvalid, 'metadata'):
            server.load_app('metadata')

    def test_a_missing_file_is_named(self):
        with self.assertRaisesRegex(exception.ConfigInvalid, 'api_paste_config'):
            server.load_app('osapi_compute')
