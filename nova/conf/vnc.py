# SPDX-License-Identifier: Apache-2.0
"""Screens of servers over VNC."""

from oslo_config import cfg

GROUP = cfg.OptGroup('vnc', title='VNC', help='The screens of guests, seen through a VNC client in a browser.')

OPTS = [
    cfg.BoolOpt('enabled', default=True,
                help='Give guests a screen that VNC shows. It takes effect when a guest is started.'),
    cfg.StrOpt('server_listen', default='127.0.0.1',
               help='Address that guests listen on. Anybody who reaches it can take the screen: it must be one that '
                    "only the console proxy reaches. Guests move only to hosts with the same, so use 0.0.0.0 and a "
                    'firewall there.'),
    cfg.HostAddressOpt('server_proxyclient_address', default='127.0.0.1',
                       help='Address by which the console proxy reaches the guests of this host.'),
    cfg.StrOpt('keymap',
               help='Keyboard of guests whose client cannot say which key was pressed (for example en-us). Better '
                    'unset.'),
    cfg.URIOpt('novncproxy_base_url', default='http://127.0.0.1:6080/vnc_lite.html',
               help="Where users' browsers find the console proxy."),
]
