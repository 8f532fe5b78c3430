# SPDX-License-Identifier: Apache-2.0
"""Packet filter and NAT as commands; that the kernel takes them, and what they do, is in the integration tests."""

import pytest

from nova.network import nft
from nova.privsep import linux_net as root

PORT = nft.Port('tap1', 'fa:16:3e:00:00:01', ('10.0.0.2',), neighbours=('10.0.0.0/24',), dhcp_servers=('10.0.0.1',))


def rules_to(*rules, conntrack='bridge'):
    """What security group rules add to what reaches a guest."""
    port = nft.Port('tap1', 'fa:16:3e:00:00:01', ('10.0.0.2',), rules=tuple(nft.Rule(*rule) for rule in rules))
    prefix = 'add rule bridge nova_compute to-tap1 '
    lines = [line.removeprefix(prefix) for line in nft.port(port, conntrack) if line.startswith(prefix)]
    assert lines[-1] == 'drop'
    return lines[2:-1]


@pytest.mark.parametrize('rule,lines', [
    (('tcp', 22, 22, ('0.0.0.0/0',)), ['ether type ip tcp dport 22 accept']),
    (('tcp', 1, 65535, ('10.1.0.0/16',)), ['ip saddr 10.1.0.0/16 meta l4proto tcp accept']),
    (('udp', 53, 60, ('::/0',)), ['ether type ip6 udp dport 53-60 accept']),
    (('icmp', -1, -1, ('0.0.0.0/0',)), ['ether type ip meta l4proto icmp accept']),
    (('icmp', 8, -1, ('10.0.0.9',)), ['ip saddr 10.0.0.9 icmp type 8 accept']),
    (('icmp', 3, 4, ('10.0.0.9',)), ['ip saddr 10.0.0.9 icmp type 3 icmp code 4 accept']),
    ((None, None, None, ('10.0.0.9', 'fd00::9')), ['ip saddr 10.0.0.9 accept', 'ip6 saddr fd00::9 accept']),
    (('tcp', 80, 80, ('10.0.0.0/24', '10.0.0.9', '10.2.0.1')),
     ['ip saddr { 10.0.0.0/24, 10.2.0.1 } tcp dport 80 accept']),
    (('tcp', 80, 80, ()), [])])
def test_a_rule_of_a_security_group(rule, lines):
    assert rules_to(rule) == lines


def test_what_a_guest_may_send():
    prefix = 'add rule bridge nova_compute from-tap1 '
    lines = [line.removeprefix(prefix) for line in nft.port(PORT, 'bridge') if line.startswith(prefix)]
    assert lines == ['ether saddr != fa:16:3e:00:00:01 drop',
                     'ether type arp arp saddr ether != fa:16:3e:00:00:01 drop',
                     'ether type arp arp saddr ip { 0.0.0.0, 10.0.0.2 } accept',
                     'ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept', 'ether type ip udp sport 67 drop',
                     'ip saddr 10.0.0.2 accept', 'drop']


def test_answers_are_told_by_mark_where_the_kernel_cannot_follow_connections():
    assert any('ct state' in line for line in nft.port(PORT, 'bridge'))
    assert not any('ct state' in line for line in nft.port(PORT, 'br_netfilter'))
    assert any(f'{nft.KNOWN:#x} accept' in line for line in nft.port(PORT, 'br_netfilter'))
    assert nft.filter_tables([], 'bridge')[-2:] == ['add table inet nova_compute', 'delete table inet nova_compute']


def test_without_networks_there_are_no_tables():
    assert all(line.startswith(('add table', 'delete table'))
               for line in nft.gateway_tables([], metadata_host=None, metadata_port=8775))


def test_metadata_is_redirected_here_or_sent_there_and_not_translated():
    gateways = [nft.Gateway('br100', '10.0.0.0/24', '10.0.0.1')]
    here = nft.gateway_tables(gateways, metadata_host=None, metadata_port=8775)
    assert any(line.endswith('ip daddr 169.254.169.254 tcp dport 80 redirect to :8775') for line in here)
    there = nft.gateway_tables(gateways, metadata_host='192.0.2.9', metadata_port=80, untranslated=('192.168.0.0/16',),
                               source='192.0.2.1')
    assert any(line.endswith('dnat ip to 192.0.2.9:80') for line in there)
    leaving = [line for line in there if ' leaving ' in line and 'add rule' in line]
    assert leaving[0].endswith('ip daddr { 10.0.0.0/24, 192.0.2.9, 192.168.0.0/16 } accept')
    assert leaving[-1].endswith('snat ip to 192.0.2.1')


def test_every_line_is_one_that_root_takes():
    gateways = [nft.Gateway('br100', '10.0.0.0/24', '10.0.0.1', 'eth1', alone=True, shared=True,
                            floating=(('192.0.2.7', '10.0.0.2'),))]
    for line in [*nft.filter_tables([PORT], 'br_netfilter'), *nft.port_gone('tap1'),
                 *nft.gateway_tables(gateways, metadata_host=None, metadata_port=1)]:
        assert root._NFT_LINE.fullmatch(root._without_statements(line)), line


@pytest.mark.parametrize('line', [
    'include "/etc/shadow"', 'flush ruleset', 'delete table inet other', 'add rule ip filter x accept', 'list ruleset',
    'add rule bridge nova_compute x accept; flush ruleset', 'add rule bridge nova_compute x accept\nflush ruleset', ''])
def test_root_takes_no_other_line(line):
    with pytest.raises(ValueError, match='no command for a table of ours'):
        root.apply_nft([line])


@pytest.mark.parametrize('name', ['', 'a' * 16, '../x', '-rf', 'a b', 'a;b', '.', None])
def test_root_takes_only_names_of_devices(name):
    for function in (root.delete_bridge, root.set_up):
        with pytest.raises(ValueError, match='no name of a network device'):
            function(name)


def test_ipv6_addresses_that_a_guest_makes_of_its_mac():
    assert nft.link_local('fa:16:3e:12:34:56') == 'fe80::f816:3eff:fe12:3456'
