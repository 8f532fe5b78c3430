# SPDX-License-Identifier: Apache-2.0
"""Serial ports of servers over the network."""

from oslo_config import cfg

GROUP = cfg.OptGroup('serial_console', title='Serial console', help='Serial ports of guests, as a terminal for users.')


OPTS = [
    cfg.BoolOpt('enabled', default=False,
                help='Let guests listen with their serial ports on TCP. It takes effect when a guest is started.'),
    cfg.StrOpt('port_range', default='10000:20000', regex=r'^\d{1,5}:\d{1,5}$',
               help='Ports for this, first:last. Each serial port of a guest takes one.'),
    cfg.URIOpt('base_url', default='ws://127.0.0.1:6083/', help="Where users' clients find the proxy for serial "
                                                                "ports."),
    cfg.StrOpt('proxyclient_address', default='127.0.0.1',
               help='Address of this host that guests listen on with their serial ports, and by which the proxy '
                    'reaches them.'),
]


def ports(conf):
    """The ports for serial consoles, as a range.  Raises ValueError when the option is no range of ports."""
    first, last = (int(number) for number in conf.serial_console.port_range.split(':'))
    if not 0 < first <= last <= 65535:
        raise ValueError(f'[serial_console] port_range: {conf.serial_console.port_range} is not first:last within '
                         f'1:65535')
    return range(first, last + 1)
