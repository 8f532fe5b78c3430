# SPDX-License-Identifier: Apache-2.0
"""The beginning of RFB, the protocol of VNC (RFC 6143, section 7.1), where the proxy stands between client and server.

The server is asked for the security that the site wants; VeNCrypt means TLS in which both show certificates.  The
client, whom its token has let in, is told that there is none.
"""

import ssl
import struct

from nova.conf import CONF
from nova.console import access

_VERSION = b'RFB 003.008\n'
_NONE, _VENCRYPT = 1, 19
_SCHEMES = {'none': _NONE, 'vencrypt': _VENCRYPT}
_VENCRYPT_VERSION = b'\x00\x02'
_X509_NONE = 260
#: Bytes of a reason that a server gives for not letting us in.
_MAX_REASON = 1000


class Peer:
    """One of the two, as functions to read and write.

    :param read: the next bytes; b'' if there will be none.
    :ivar left: bytes that were read and not asked for yet.
    """

    def __init__(self, read, write):
        self._read, self.write, self.left = read, write, b''

    def take(self, count):
        """So many bytes.  Raises access.NotReachable when the peer leaves first."""
        while len(self.left) < count:
            more = self._read()
            if not more:
                raise access.NotReachable('the connection ended in the middle of the RFB handshake')
            self.left += more
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def number(self):
        return struct.unpack('!I', self.take(4))[0]


def negotiate(client, target, schemes):
    """Let the client in at the VNC server.

    :param client: Peer.
    :param target: socket connected to the server.
    :param schemes: 'vencrypt', 'none': what the server may want, the best first.
    Returns the socket to go on with: `target`, or TLS around it.  Raises access.NotReachable, after telling the client.
    """
    try:
        target = _enter(target, schemes)
    except access.NotReachable as error:
        _turn_away(client, error.public.encode())
        raise
    except OSError as error:
        _turn_away(client, b'the console does not answer')
        raise access.NotReachable(f'RFB handshake: {error}') from error
    _welcome(client)
    return target


def _enter(target, schemes):
    # Byte for byte: what follows the handshake is not ours, and what follows the plain part of it is TLS.
    server = Peer(lambda: target.recv(1), target.sendall)
    version = server.take(len(_VERSION))
    if version != _VERSION:
        raise access.NotReachable(f'the VNC server speaks {version!r}, and not {_VERSION!r}')
    server.write(_VERSION)
    offered = server.take(server.take(1)[0])
    if not offered:
        raise access.NotReachable(f'the VNC server refused: {_reason(server)}')
    wanted = next((scheme for scheme in schemes if _SCHEMES[scheme] in offered), None)
    if wanted is None:
        raise access.NotReachable(f'the VNC server offers security types {list(offered)}; [vnc]auth_schemes has '
                                  f'{", ".join(schemes)}', 'the console offers no security that the proxy may use')
    server.write(bytes([_SCHEMES[wanted]]))
    if wanted == 'vencrypt':
        target = _vencrypt(server, target)
        server = Peer(lambda: target.recv(1), target.sendall)
    if server.number() != 0:
        raise access.NotReachable(f'the VNC server did not let the proxy in: {_reason(server)}')
    return target


def _reason(server):
    return server.take(min(server.number(), _MAX_REASON)).decode('utf-8', 'replace')


def _vencrypt(server, target):
    """TLS around the target."""
    version = server.take(2)
    if version != _VENCRYPT_VERSION:
        raise access.NotReachable(f'the VNC server speaks VeNCrypt {version[0]}.{version[1]}, and not 0.2')
    server.write(_VENCRYPT_VERSION)
    if server.take(1) != b'\x00':
        raise access.NotReachable('the VNC server refused VeNCrypt 0.2, which it offered')
    kinds = [server.number() for _ in range(server.take(1)[0])]
    if _X509_NONE not in kinds:
        raise access.NotReachable(f'the VNC server offers VeNCrypt of the kinds {kinds}, and not {_X509_NONE} '
                                  f'(X509None)')
    server.write(struct.pack('!I', _X509_NONE))
    if server.take(1) != b'\x01':
        raise access.NotReachable('the VNC server refused VeNCrypt X509None, which it offered')
    return _tls().wrap_socket(target)


def _tls():
    options = CONF.vnc
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Hosts are known by address here; that a certificate is of the site's own authority is what matters.
    context.check_hostname = False
    context.load_verify_locations(options.vencrypt_ca_certs)
    context.load_cert_chain(options.vencrypt_client_cert, options.vencrypt_client_key)
    return context


def _welcome(client):
    """Be a server that wants nothing."""
    client.write(_VERSION)
    version = client.take(len(_VERSION))
    if version != _VERSION:
        _say_no(client, b'RFB 3.8 is spoken here')
        raise access.NotReachable(f'the client speaks {version!r}, and not {_VERSION!r}')
    client.write(bytes([1, _NONE]))
    if client.take(1)[0] != _NONE:
        raise access.NotReachable('the client chose a security type that was not offered')
    client.write(struct.pack('!I', 0))


def _turn_away(client, reason):
    """Tell the client, in its own protocol, that it will see nothing."""
    try:
        client.write(_VERSION)
        client.take(len(_VERSION))
        _say_no(client, reason)
    except (OSError, access.NotReachable):
        # It did not wait for it; the first error is the one to report.
        return


def _say_no(client, reason):
    client.write(b'\x00' + struct.pack('!I', len(reason)) + reason)

