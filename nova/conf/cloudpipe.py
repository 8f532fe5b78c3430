# SPDX-License-Identifier: Apache-2.0
"""Cloudpipe: a server of a project that is the way into its network, by VPN."""

from oslo_config import cfg

GROUP = None
OPTS = [
    cfg.StrOpt('vpn_image_id',
               help='Image of VPN servers: it must run the script in its user data, a zip file with autorun.sh. Unset: '
                    'there are no VPN servers.'),
    cfg.StrOpt('vpn_flavor', default='m1.tiny', help='Name or id of the flavor of VPN servers.'),
    cfg.StrOpt('vpn_key_suffix', default='-vpn',
               help="What is appended to a project's id in the name of the key pair and of the security group of its "
                    'VPN server.'),
    cfg.StrOpt('dmz_net', default='10.0.0.0', help='Network that clients of a VPN reach through it.'),
    cfg.StrOpt('dmz_mask', default='255.255.255.0', help='Netmask of dmz_net.'),
]
