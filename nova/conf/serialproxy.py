# SPDX-License-Identifier: Apache-2.0
"""nova-serialproxy."""

from oslo_config import cfg

from nova.conf.serial_console import GROUP  # noqa: F401  (the group of these options too)

OPTS = CLI_OPTS = [
    cfg.StrOpt('serialproxy_host', default='0.0.0.0', help='Address or host name on which nova-serialproxy listens.'),
    cfg.PortOpt('serialproxy_port', default=6083, help='Port on which nova-serialproxy listens.'),
]
