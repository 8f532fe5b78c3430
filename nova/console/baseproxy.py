# SPDX-License-Identifier: Apache-2.0
"""The daemon around a proxy of consoles: its socket, its certificate, its start and its end."""

import logging
import os
import socket
import ssl

from oslo_service import service as oslo_service

from nova import concurrency, exception
from nova.conf import CONF, console_proxies
from nova.console import websocketproxy

LOG = logging.getLogger(__name__)

#: Seconds after which a connection is tried to be accepted again when there were no file descriptors for it.
_BREATH_S = 0.5
_TLS_VERSIONS = {'tlsv1_1': ssl.TLSVersion.TLSv1_1, 'tlsv1_2': ssl.TLSVersion.TLSv1_2,
                 'tlsv1_3': ssl.TLSVersion.TLSv1_3}


def register_cli_opts(group, options):
    """Let the command line say what the configuration file may say; before it is read.

    :param group, options: of this proxy, beside those that all have.
    """
    CONF.register_cli_opts(console_proxies.OPTS)
    CONF.register_cli_opts(options, group=group)


class ProxyService(oslo_service.ServiceBase):
    """A proxy of consoles.  Its socket is open when it is constructed.

    :param name: for the log.
    :param console_types: those that it serves.
    :param host, port: where it listens.
    :param web: directory of pages where [DEFAULT]web says nothing; no pages if it is not there.
    Raises ConfigInvalid.
    """

    def __init__(self, name, console_types, host, port, web=None):
        self.name = name
        self._proxy = websocketproxy.NovaWebSocketProxy(
            console_types=console_types, web=_web(name, web), tls=_tls, listen_host=host, listen_port=port,
            ssl_only=CONF.ssl_only, cert=CONF.cert, key=CONF.key or '', record=CONF.record or '')
        if _tls() is None and CONF.ssl_only:
            raise exception.ConfigInvalid(option='[DEFAULT]cert', reason=f'{CONF.cert} is not there, and ssl_only '
                                                                         f'wants a certificate')
        try:
            self._socket = concurrency.ListenSocket(_address(host), port, CONF.wsgi.backlog, CONF.wsgi.tcp_keepidle)
        except OSError as error:
            raise exception.ConfigInvalid(option=f'address of {name}, {host}:{port}', reason=str(error)) from error
        self.port = self._socket.getsockname()[1]
        self._acceptor, self._sessions = None, set()
        if CONF.daemon:
            _go_to_background()

    def start(self):
        host, port = self._socket.getsockname()[:2]
        LOG.info('%s listens on %s:%d, %s TLS, page: %s', self.name, host, port,
                 'only' if CONF.ssl_only else 'with' if _tls() else 'without', self._proxy.web or 'none')
        self._acceptor = concurrency.spawn(self._accept)

    def _accept(self):
        pool = concurrency.GreenPool(CONF.wsgi.max_connections)
        while True:
            try:
                connection, address = self._socket.accept()
            except OSError as error:
                LOG.warning('%s cannot accept a connection now: %s', self.name, error)
                concurrency.sleep(_BREATH_S)
                continue
            self._sessions = {task for task in self._sessions if not task.is_done()}
            # Waits for a free place.
            self._sessions.add(pool.spawn(self._proxy.serve, connection, address))

    def stop(self):
        """Accept no more, and end what is open: consoles have no end of their own that could be waited for."""
        if self._acceptor is not None:
            self._acceptor.kill()
        self._socket.close()
        for session in self._sessions:
            session.kill()

    def wait(self):
        for session in self._sessions:
            session.wait()

    def reset(self):
        """On SIGHUP: certificates are read for each connection, and other options are for the next start."""


def _web(name, default):
    """The directory of pages, or None.  Raises ConfigInvalid when a directory was asked for that is not there."""
    path = default if CONF.web is None else CONF.web
    if not path:
        return None
    if os.path.isdir(path):
        return os.path.abspath(path)
    if CONF.web:
        raise exception.ConfigInvalid(option='[DEFAULT]web', reason=f'{path} is no directory')
    LOG.warning('%s is not there, so %s serves no page, WebSockets only', path, name)
    return None


def _tls():
    """How TLS is spoken, from the files as they are now; None if there is no certificate.  Raises ConfigInvalid."""
    if not CONF.cert or not os.path.exists(CONF.cert):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(CONF.cert, CONF.key or None)
    except OSError as error:
        raise exception.ConfigInvalid(option='[DEFAULT]cert, key', reason=str(error)) from error
    if CONF.console.ssl_ciphers:
        try:
            context.set_ciphers(CONF.console.ssl_ciphers)
        except ssl.SSLError as error:
            raise exception.ConfigInvalid(option='[console]ssl_ciphers', reason=str(error)) from error
    version = _TLS_VERSIONS.get(CONF.console.ssl_minimum_version)
    if version is not None:
        context.minimum_version = version
    return context


def _address(host):
    """The address of a host's name, of the kind that [DEFAULT]source_is_ipv6 prefers.  Raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    wanted = socket.AF_INET6 if CONF.source_is_ipv6 else socket.AF_INET
    best = next((entry for entry in found if entry[0] == wanted), found[0])
    return best[4][0]


def _go_to_background():
    """Become a process without a terminal; the one that was started ends with status 0."""
    if os.fork():
        os._exit(0)
    os.setsid()
    # Once more: the leader of a session could get a terminal again.
    if os.fork():
        os._exit(0)
    with open(os.devnull, 'r+b') as nothing:
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)
