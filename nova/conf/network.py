# SPDX-License-Identifier: Apache-2.0
"""nova-network: bridges, addresses, DHCP, NAT and the packet filter of servers."""

import os
import shutil
import sys

from oslo_config import cfg

GROUP = None


def _dhcpbridge():
    """The command that belongs to this installation, or whichever is on the path."""
    beside = os.path.join(os.path.dirname(sys.executable), 'nova-dhcpbridge')
    return beside if os.path.exists(beside) else shutil.which('nova-dhcpbridge') or 'nova-dhcpbridge'


OPTS = [
    # What a new network is like unless the request says otherwise.
    cfg.BoolOpt('multi_host', default=False,
                help='New networks are multi-host: every compute host runs nova-network, and is gateway and DHCP '
                     'server of its own guests. Otherwise one nova-network serves all hosts.'),
    cfg.StrOpt('flat_network_bridge', default='br100', max_length=15, help='Bridge of new networks.'),
    cfg.StrOpt('flat_interface', max_length=15,
               help='Network device that is put into the bridge of new networks and connects it with the bridges of '
                    'other hosts. Its addresses and routes move to the bridge. Unset: the bridge has guests only.'),
    cfg.StrOpt('default_floating_pool', default='nova', help='Pool that floating addresses come from.'),
    cfg.StrOpt('public_interface', default='eth0', max_length=15,
               help='Network device that floating addresses are put on.'),

    # What a host is given.
    cfg.StrOpt('networks_path', default='$state_path/networks',
               help='Directory for the DHCP servers: their hosts, options, leases and process ids.'),
    cfg.IntOpt('dhcp_lease_time', default=86400, min=120, help='Seconds for which a guest has its address.'),
    cfg.MultiStrOpt('dns_server', default=[],
                    help='Name servers that the DHCP servers forward questions to. None: those of the host. A network '
                         'with name servers of its own tells its guests these.'),
    cfg.StrOpt('dnsmasq_config_file', default='',
               help='More configuration for dnsmasq, read after our own options.'),
    cfg.StrOpt('dhcpbridge', default=_dhcpbridge(), sample_default='<directory of this installation>/nova-dhcpbridge',
               help='Command that dnsmasq tells of leases.'),
    cfg.BoolOpt('force_dhcp_release', default=True,
                help='Tell dnsmasq when an address is taken back, so that it can be given again at once.'),
    cfg.StrOpt('metadata_host', default='$my_ip',
               help='Where requests for 169.254.169.254:80 are sent. A loopback address: the metadata service of the '
                    'host that the guest is on, or that is its gateway.'),
    cfg.PortOpt('metadata_port', default=8775, help='Port of the metadata service there.'),
    cfg.StrOpt('routing_source_ip', default='',
               help='Address that guests without a floating one have outside of their network. Unset: that of the '
                    'device their packets leave by.'),
    cfg.ListOpt('dmz_cidr', default=[],
                help='Networks that see the addresses of guests as they are, not translated.'),
    cfg.IntOpt('network_sync_interval', default=60, min=0,
               help='Seconds between two comparisons of what this host has (bridges, DHCP servers, NAT) with what it '
                    'should have. 0: only when told, and at start.'),

    # The filter.
    cfg.BoolOpt('allow_same_net_traffic', default=True,
                help='Servers may reach each other within a network, whatever their security groups say.'),
    cfg.StrOpt('bridge_conntrack', default='auto', choices=[
        ('auto', 'the first of the others that the kernel can'),
        ('bridge', 'connection tracking of bridges (nf_conntrack_bridge)'),
        ('br_netfilter', 'bridged packets also pass the filters of IP (br_netfilter)')],
               help='How answers to what a guest began are told from what others begin.'),
    cfg.BoolOpt('fake_network',
                help='Keep the records of networks, and touch nothing of the host. Unset: so with the fake driver.'),
]


def is_fake(conf):
    """Whether nothing of the host is to be touched."""
    return conf.compute_driver.startswith('fake.') if conf.fake_network is None else conf.fake_network
