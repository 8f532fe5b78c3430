# SPDX-License-Identifier: Apache-2.0
"""Who may connect to the proxies of consoles, and how."""

from oslo_config import cfg

GROUP = cfg.OptGroup('console', title='Console proxies',
                     help='Who may connect to nova-novncproxy, nova-serialproxy and nova-spicehtml5proxy, and how.')

OPTS = [
    cfg.ListOpt('allowed_origins', default=[], deprecated_group='DEFAULT', deprecated_name='console_allowed_origins',
                help='Host names of further web sites (a dashboard, for example) whose pages may open consoles. Pages '
                     "of the proxy's own host, and of the host in the URL that the API gave out, always may. Names "
                     'only, without scheme and port.'),
    cfg.StrOpt('ssl_ciphers', help='Ciphers for TLS up to 1.2, in the format of OpenSSL. Unset: those that Python '
                                   'considers good.'),
    cfg.StrOpt('ssl_minimum_version', default='default',
               choices=[('default', 'What the system allows'), ('tlsv1_1', 'TLS 1.1'), ('tlsv1_2', 'TLS 1.2'),
                        ('tlsv1_3', 'TLS 1.3')],
               help='The oldest TLS that is spoken.'),
]
