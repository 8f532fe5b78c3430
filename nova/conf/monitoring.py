# SPDX-License-Identifier: Apache-2.0
"""How the processes are watched."""

from oslo_config import cfg, types

GROUP = cfg.OptGroup('monitoring', title='Monitoring',
                     help='/healthcheck and /metrics. The APIs serve both on their own ports; the daemons that have no '
                          'port of their own open one for it if it is configured here.')

OPTS = [
    cfg.HostAddressOpt('listen', default='127.0.0.1',
                       help='Address on which daemons without an API serve /healthcheck and /metrics.'),
    cfg.PortOpt('port',
                help='Port on which a daemon without an API serves /healthcheck and /metrics. Unset or 0: not served. '
                     'Where several daemons read the same file, use `ports`.'),
    cfg.Opt('ports', type=types.Dict(types.Integer(min=0, max=65535)), default={},
            help='Ports by daemon, for example `nova-conductor:8781,nova-scheduler:8782,nova-compute:8783,'
                 'nova-network:8784`. Goes before `port`; 0 turns it off for that daemon.'),
    cfg.ListOpt('allowed_sources', default=['127.0.0.0/8', '::1/128'],
                help='Addresses or networks (CIDR) that may read /metrics and the details of /healthcheck?verbose. Put '
                     'the addresses of the monitoring system here. The plain answer of /healthcheck is for everyone. '
                     'Behind a proxy on the same host every request seems to come from 127.0.0.1.'),
]
