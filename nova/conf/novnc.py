# SPDX-License-Identifier: Apache-2.0
"""nova-novncproxy."""

from oslo_config import cfg, types

from nova.conf.vnc import GROUP  # noqa: F401  (the group of these options too)

#: Those that the command line has as well.
CLI_OPTS = [
    cfg.StrOpt('novncproxy_host', default='0.0.0.0', help='Address or host name on which nova-novncproxy listens.'),
    cfg.PortOpt('novncproxy_port', default=6080, help='Port on which nova-novncproxy listens.'),
]

OPTS = [
    *CLI_OPTS,
    cfg.ListOpt('auth_schemes', default=['none'], item_type=types.String(choices=['none', 'vencrypt']),
                help='How the proxy may be let in by the VNC servers on hosts, the best first: `vencrypt` (TLS, with '
                     'certificates on both sides) or `none`. With `none` alone the proxy takes no part in it: a '
                     'password that a VNC server wants is asked of the user.'),
    cfg.StrOpt('vencrypt_client_key', default='/etc/pki/nova-novncproxy/client-key.pem',
               help='Private key file (PEM) of the proxy, shown to VNC servers.'),
    cfg.StrOpt('vencrypt_client_cert', default='/etc/pki/nova-novncproxy/client-cert.pem',
               help='Certificate file (PEM) of the proxy, shown to VNC servers.'),
    cfg.StrOpt('vencrypt_ca_certs', default='/etc/pki/nova-novncproxy/ca-cert.pem',
               help='File of certificate authorities (PEM) of the VNC servers.'),
]
