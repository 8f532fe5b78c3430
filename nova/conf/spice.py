# SPDX-License-Identifier: Apache-2.0
"""Screens of servers over SPICE."""

from oslo_config import cfg

GROUP = cfg.OptGroup('spice', title='SPICE', help='The screens of guests, seen through a SPICE client.')

OPTS = [
    cfg.BoolOpt('enabled', default=False,
                help='Give guests a screen that SPICE shows. It takes effect when a guest is started.'),
    cfg.BoolOpt('agent_enabled', default=True, help='Let the SPICE agent inside guests talk to the client.'),
    cfg.StrOpt('server_listen', default='127.0.0.1', help='Address that guests listen on.'),
    cfg.HostAddressOpt('server_proxyclient_address', default='127.0.0.1',
                       help='Address by which the console proxy reaches the guests of this host.'),
    cfg.URIOpt('html5proxy_base_url', default='http://127.0.0.1:6082/spice_auto.html',
               help="Where users' browsers find the proxy for SPICE."),
    cfg.URIOpt('spice_direct_proxy_base_url', default='http://127.0.0.1:13002/nova',
               help='Where native SPICE clients find a proxy that looks tokens up in this API.'),
]
