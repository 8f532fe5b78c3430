# SPDX-License-Identifier: Apache-2.0
"""Screens of servers over RDP."""

from oslo_config import cfg

GROUP = cfg.OptGroup('rdp', title='RDP', help='The screens of guests of Hyper-V, seen through an RDP client.')

OPTS = [
    cfg.BoolOpt('enabled', default=False, help='Offer consoles of type rdp-html5.'),
    cfg.URIOpt('html5_proxy_base_url', default='http://127.0.0.1:6083/', help="Where users' browsers find the proxy."),
]
