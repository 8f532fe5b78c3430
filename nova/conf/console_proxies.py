# SPDX-License-Identifier: Apache-2.0
"""What all proxies of consoles have in common: also options of their command lines."""

from oslo_config import cfg

GROUP = None

OPTS = [
    cfg.BoolOpt('daemon', default=False, help='Put the proxy into the background. Not for systemd, which wants to see '
                                              'it in the foreground.'),
    cfg.BoolOpt('ssl_only', default=False, help='Refuse connections without TLS. Needs a certificate in `cert`.'),
    cfg.BoolOpt('source_is_ipv6', default=False,
                help='Listen on the IPv6 address of a host name that has addresses of both kinds.'),
    cfg.StrOpt('cert', default='self.pem',
               help='Certificate file (PEM, with its chain). If it is there, the proxy speaks TLS as well. It is read '
                    'for each connection, so a renewed one needs no restart.'),
    cfg.StrOpt('key', help='Private key file (PEM). Unset: the key is in the file of the certificate.'),
    cfg.StrOpt('web', help='Directory of the page that users open in their browser. Unset: /usr/share/novnc for '
                           'nova-novncproxy, /usr/share/spice-html5 for nova-spicehtml5proxy, none for '
                           'nova-serialproxy. Empty: no page, WebSockets only.'),
    cfg.StrOpt('record', help='Record all that passes: the connection number N goes to this file with `.N` appended. '
                              'It holds what users type, passwords included; for finding faults only.'),
]
