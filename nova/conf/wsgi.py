# SPDX-License-Identifier: Apache-2.0
"""The HTTP servers."""

from oslo_config import cfg

GROUP = cfg.OptGroup('wsgi', title='HTTP servers', help='How nova-api and its relatives speak HTTP.')

OPTS = [
    cfg.IntOpt('max_connections', default=1000, min=1,
               help='Connections that one worker holds open; further ones wait in the queue of the socket.'),
    cfg.IntOpt('backlog', default=1024, min=1, help='Connections that wait to be accepted.'),
    cfg.BoolOpt('keep_alive', default=True, help='Let clients use a connection for more than one request.'),
    cfg.IntOpt('client_socket_timeout', default=900, min=0,
               help='Seconds without a byte after which a connection is closed. 0: never.'),
    cfg.IntOpt('tcp_keepidle', default=600, min=1,
               help='Seconds of silence after which the kernel probes whether a client is still there.'),
    cfg.IntOpt('max_request_line', default=8192, min=256,
               help='Bytes of the request line (method, URL, version). A longer one is answered with 414.'),
    cfg.IntOpt('max_header_line', default=16384, min=256,
               help='Bytes of one header line. A longer one is answered with 400. Large Keystone tokens need large '
                    'lines.'),
    cfg.StrOpt('ssl_cert_file', help='Certificate file (PEM) of the servers listed in enabled_ssl_apis.'),
    cfg.StrOpt('ssl_key_file', help='Private key file (PEM) that belongs to ssl_cert_file.'),
    cfg.StrOpt('ssl_ca_file',
               help='File of certificate authorities (PEM). Set: only clients with a certificate of one of them may '
                    'connect.'),
]
