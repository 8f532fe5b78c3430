# SPDX-License-Identifier: Apache-2.0
"""Screens of servers over VMware's protocol."""

from oslo_config import cfg

GROUP = cfg.OptGroup('mks', title='MKS', help='The screens of guests of VMware, seen through WebMKS.')

OPTS = [
    cfg.BoolOpt('enabled', default=False, help='Offer consoles of type webmks.'),
    cfg.URIOpt('mksproxy_base_url', default='http://127.0.0.1:6090/', help="Where users' browsers find the proxy."),
]
