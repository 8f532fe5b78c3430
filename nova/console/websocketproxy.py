# SPDX-License-Identifier: Apache-2.0
"""From a WebSocket to the console of a guest: what happens on one connection.

A connection is let in by `access` before its WebSocket is opened, and the guest's console is reached before that, so
that a client which is refused sees an HTTP status with a reason.  Then bytes pass, in both directions, one green
thread for each: who reads slowly slows down only its own sender, and an idle console costs nothing.
"""

import contextlib
import itertools
import logging
import socket
import time

from websockify import websocketproxy, websockifyserver

from nova import concurrency, exception, service
from nova.conf import CONF
from nova.console import access, rfb
from nova.monitoring import metrics

LOG = logging.getLogger(__name__)

#: Seconds for a client to say what it wants, and for a guest's console to take a connection.
HANDSHAKE_S = 30
CONNECT_S = 10
#: Seconds of silence after which the kernel probes whether the other side is still there.
_KEEPIDLE_S = 60
#: Bytes of one message; what clients type and paste is far below.
_MAX_MESSAGE = 16 * 1024 * 1024
#: Bytes read at once from a guest: one frame to the client.
_CHUNK = 65536
#: Of the answer to CONNECT.
_MAX_ANSWER = 4096
#: Seconds that a client has to take the farewell.
_FAREWELL_S = 2

_STATUS = {exception.FORBIDDEN: 403, exception.UNAVAILABLE: 503}
#: The first byte of a client that speaks TLS.
_TLS_HELLO = b'\x16'

_CONNECTIONS = metrics.Counter('console_connections_total', 'Connections to consoles, let in or not.',
                               ('type', 'result'))


class _WebSocket(websockifyserver.CompatibleWebSocket):
    """Takes text for bytes, as simple terminal clients send it; may be written to by two green threads."""

    def __init__(self, *handler):
        # Releases of the library before 0.11 give none.
        super().__init__(*handler)
        self._writing = concurrency.Semaphore(1)

    def select_subprotocol(self, protocols):
        # As the client wrote it, blanks included: the library compares it with just that.
        return next((name for name in protocols if name.strip() == 'binary'), '')

    def _decode_hybi(self, buf):
        frame = super()._decode_hybi(buf)
        if frame is not None and frame['opcode'] == 1:
            frame['opcode'] = 2
        return frame

    def _recv(self):
        if len(self._recv_buffer) + len(self._partial_msg) > _MAX_MESSAGE:
            raise OSError(f'the client sent a message of more than {_MAX_MESSAGE} bytes')
        return super()._recv()

    def _flush(self):
        with self._writing:
            while self._send_buffer:
                sent = self.socket.send(self._send_buffer)
                # Others may have appended meanwhile.
                self._send_buffer = self._send_buffer[sent:]

    def _close(self):
        # Whoever else is reading or writing notices; the descriptor stays ours until all have let go of it.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class NovaProxyRequestHandlerBase:
    """What is ours of a connection; goes before a request handler of websockify."""

    server_version = 'WebSockify'
    sys_version = ''
    timeout = HANDSHAKE_S
    SocketClass = _WebSocket
    #: What was let in, a socket to the guest, and an error of ours that kept us from letting in.
    token = target = error = None

    def setup(self):
        self.directory = self.server.web
        super().setup()

    def address_string(self):
        """The client's address; not its name, for which a name server would have to be asked."""
        return self.client_address[0]

    def log_message(self, format, *args):
        # What the library logs holds paths, and paths hold tokens.  What is worth a line is logged here.
        pass

    def list_directory(self, path):
        self.send_error(404)

    # Letting in -------------------------------------------------------------------------------------------------------

    def handle_upgrade(self):
        """A client asks for a WebSocket."""
        try:
            super().handle_upgrade()
        except access.Refused as refusal:
            self._refuse(refusal)
        finally:
            if self.target is not None:
                self.target.close()

    def validate_connection(self):
        """Let the client in, and reach the guest.  Raises access.Refused."""
        try:
            self.token = access.admit(self.path, self.headers, self.server.console_types)
        except access.Refused:
            raise
        except Exception as error:
            # An edge: without an answer the client would wait, and the reason would be lost.
            self.error = None if service.is_outage(error) else error
            raise access.NotReachable(f'its token cannot be looked up: {type(error).__name__}: {error}',
                                      'tokens cannot be looked up now') from error
        self.target = _reach(self.token)

    def verify_origin_proto(self, connection_info, origin_proto):
        """Whether pages of this scheme may connect by the URL that the API gave out."""
        return access.may_come_by(origin_proto, connection_info.access_url_base)

    def _refuse(self, refusal):
        LOG.warning('Refused a console to %s: %s', self.address_string(), refusal, exc_info=self.error)
        _CONNECTIONS.inc(self.server.console_types[0], 'refused')
        self.close_connection = True
        with contextlib.suppress(OSError):
            # No body: what follows the headers is taken for the guest's words by clients that do not look at them.
            self.send_response(_STATUS[refusal.kind], refusal.public)
            self.send_header('Content-Length', '0')
            self.send_header('Connection', 'close')
            self.end_headers()

    # Passing on -------------------------------------------------------------------------------------------------------

    def new_websocket_client(self):
        """The WebSocket is open: pass bytes on until one of the two has enough."""
        _CONNECTIONS.inc(self.token.console_type, 'opened')
        LOG.info('%s opened the %s console of server %s', self.address_string(), self.token.console_type,
                 self.token.instance_uuid)
        begun = time.monotonic()
        code, reason = 1011, 'the proxy failed'
        try:
            code, reason = self._pass_on()
        except concurrency.Killed:
            code, reason = 1001, 'the proxy is stopping'
            raise
        except access.NotReachable as error:
            LOG.warning('The console of server %s was not opened: %s', self.token.instance_uuid, error)
            reason = error.public
        except OSError as error:
            reason = f'the connection broke: {error}'
        finally:
            LOG.info('%s closed the %s console of server %s after %d s: %s', self.address_string(),
                     self.token.console_type, self.token.instance_uuid, time.monotonic() - begun, reason)
            self._farewell(code, reason)

    def _pass_on(self):
        """Returns the code and the reason of the end, as a WebSocket knows them.  Raises OSError, NotReachable."""
        self.request.settimeout(HANDSHAKE_S)
        early = self._secure() if self.token.console_type == 'novnc' else b''
        self.request.settimeout(None)
        self.target.settimeout(None)
        for connection in (self.request, self.target):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.target.sendall(early)
        left_s = self.token.expires - time.time() if CONF.consoleauth.enforce_session_timeout else None
        talker = concurrency.spawn(self._listen_to_client)
        try:
            with concurrency.timeout(left_s):
                self._listen_to_guest()
            return 1000, 'the client left' if talker.is_done() else 'the guest closed its console'
        except TimeoutError:
            if left_s is None or time.time() < self.token.expires:
                raise
            return 1008, 'the console token has expired'
        finally:
            talker.kill()

    def _secure(self):
        """Agree with a VNC server on who is who, where that is the proxy's business.

        Returns what the client has sent already beyond that.
        """
        if CONF.vnc.auth_schemes == ['none']:
            return b''
        client = rfb.Peer(self._read_some, lambda data: self.send_frames([data]))
        self.target = rfb.negotiate(client, self.target, CONF.vnc.auth_schemes)
        return client.left

    def _read_some(self):
        """What the client sent next; b'' if it left."""
        while True:
            pieces, closed = self.recv_frames()
            data = b''.join(pieces)
            if data or closed:
                return data

    def _listen_to_client(self):
        try:
            while data := self._read_some():
                self.target.sendall(data)
        except OSError as error:
            LOG.debug('The console of server %s: %s', self.token.instance_uuid, error)
        finally:
            # Ends the other direction.
            with contextlib.suppress(OSError):
                self.target.shutdown(socket.SHUT_RDWR)

    def _listen_to_guest(self):
        with contextlib.suppress(ConnectionResetError):
            while data := self.target.recv(_CHUNK):
                self.send_frames([data])

    def _farewell(self, code, reason):
        with contextlib.suppress(OSError, ValueError):
            self.request.settimeout(_FAREWELL_S)
            self.send_close(code, reason[:120])


class NovaProxyRequestHandler(NovaProxyRequestHandlerBase, websocketproxy.ProxyRequestHandler):
    """One connection: a page, or a WebSocket."""


def _reach(token):
    """A socket connected to the console that a token opens.  Raises access.NotReachable."""
    place = f'{token.host}:{token.port}'
    try:
        target = socket.create_connection((token.host, token.port), CONNECT_S)
    except OSError as error:
        raise access.NotReachable(f'{place} of server {token.instance_uuid} does not answer: {error}') from error
    try:
        target.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        target.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPIDLE_S)
        if token.internal_access_path:
            _ask_for_path(target, token.internal_access_path)
    except (OSError, ValueError) as error:
        target.close()
        raise access.NotReachable(f'{place} of server {token.instance_uuid}: {error}') from error
    return target


def _ask_for_path(target, path):
    """Ask an HTTP server that stands before consoles for the one at `path`.  Raises OSError, ValueError."""
    if not path.isascii() or not path.isprintable() or ' ' in path:
        raise ValueError(f'{path!r} is no path of a console')
    target.sendall(f'CONNECT {path} HTTP/1.1\r\n\r\n'.encode())
    answer = b''
    while not answer.endswith(b'\r\n\r\n'):
        # Not a byte beyond the headers: the rest is the guest's.
        more = target.recv(1)
        answer += more
        if not more or len(answer) > _MAX_ANSWER:
            raise ValueError(f'no answer to CONNECT {path} but {answer[:100]!r}')
    status = answer.split(b'\r\n', 1)[0].split()
    if len(status) < 2 or status[1] != b'200':
        raise ValueError(f'the answer to CONNECT {path} is {answer[:100]!r}')


class NovaWebSocketProxy(websocketproxy.WebSocketProxy):
    """What the connections of one proxy have in common.  `serve` takes one that was just accepted.

    :param console_types: that it serves.
    :param web: directory of pages, or None.
    :param tls: function that returns an SSLContext, or None where there is no certificate.
    Other arguments are those of websockify's class.
    """

    def __init__(self, *args, console_types, web=None, tls=lambda: None, RequestHandlerClass=NovaProxyRequestHandler,  # noqa: N803
                 **kwargs):
        # Told of the directory, the library would go there with the whole process.
        super().__init__(*args, RequestHandlerClass=RequestHandlerClass, file_only=True, **kwargs)
        self.console_types, self.web, self.only_upgrade, self._tls = console_types, web, not web, tls
        self._numbers = itertools.count(1)

    @staticmethod
    def get_logger():
        return LOG

    def msg(self, *args, **kwargs):
        # The library tells of settings that it does not use here.
        self.vmsg(*args, **kwargs)

    def serve(self, connection, address):
        """Serve one connection until its end, and close it.  Never raises an Exception."""
        try:
            connection.settimeout(HANDSHAKE_S)
            first = connection.recv(1, socket.MSG_PEEK)
            if first:
                connection = self._wrap(connection, first == _TLS_HELLO)
                self.handler_id = next(self._numbers)
                self.RequestHandlerClass(connection, (*address[:2], first == _TLS_HELLO), self)
        except (access.Refused, exception.ConfigInvalid) as error:
            LOG.warning('Refused a console to %s: %s', address[0], error)
        except OSError as error:
            LOG.debug('Connection of %s: %s', address[0], error)
        except Exception:
            LOG.exception('Connection of %s failed', address[0])
        finally:
            connection.close()

    def _wrap(self, connection, speaks_tls):
        if not speaks_tls:
            if self.ssl_only:
                raise access.Refused('it does not speak TLS')
            return connection
        context = self._tls()
        if context is None:
            raise access.Refused('it speaks TLS, and there is no certificate')
        return context.wrap_socket(connection, server_side=True)
