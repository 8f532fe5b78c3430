# SPDX-License-Identifier: Apache-2.0
"""nova-spicehtml5proxy."""

from oslo_config import cfg

from nova.conf.spice import GROUP  # noqa: F401  (the group of these options too)

OPTS = CLI_OPTS = [
    cfg.StrOpt('html5proxy_host', default='0.0.0.0',
               help='Address or host name on which nova-spicehtml5proxy listens.'),
    cfg.PortOpt('html5proxy_port', default=6082, help='Port on which nova-spicehtml5proxy listens.'),
]
