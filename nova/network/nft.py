# SPDX-License-Identifier: Apache-2.0
"""The packet filter and the translation of addresses, as commands for nft: one a line, from values to text.

Nothing here touches the host.  Each owner has tables of its own, so that nova-compute and nova-network on one host do
not meet:

- `bridge nova_compute`: what guests may send (their own MAC and addresses, no answers of a DHCP server or router) and
  what reaches them (security groups).  It is seen by everything that crosses a bridge, also between two guests on it.
- `inet nova_compute`: only where the kernel cannot follow connections in the bridge family.  Bridged packets pass the
  filters of IP then (br_netfilter), and those of known connections get a mark that the bridge table asks for.
- `inet nova_network`: metadata redirect, masquerade, floating addresses.
- `bridge nova_network`: keeps DHCP and shared gateway addresses of multi-host networks to their host.

A full rendering replaces the table in the same transaction; `port` and `port_gone` change one device, and may be
repeated.
"""

import dataclasses
import ipaddress

#: Bit of the packet mark that says "of a known connection" (only with br_netfilter).
KNOWN = 0x20000000

FILTER = 'nova_compute'
GATEWAY = 'nova_network'

#: Answers of routers and of neighbours that every IPv6 host needs.
_ND_IN = '{ nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }'


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule of a security group: who may come in.

    :param protocol: 'tcp', 'udp', 'icmp' or None for all; ports are None or -1 for all; for icmp they are type and
        code.
    :param sources: networks and addresses.
    """

    protocol: str | None
    first: int | None
    last: int | None
    sources: tuple


@dataclasses.dataclass(frozen=True)
class Port:
    """A guest's interface, as the filter sees it.

    :param device: the host's end.
    :param addresses: the guest's own, both families.
    :param neighbours: networks whose servers may come in whatever the rules say.
    :param dhcp_servers: addresses that may answer as DHCP servers.
    """

    device: str
    mac: str
    addresses: tuple
    neighbours: tuple = ()
    dhcp_servers: tuple = ()
    rules: tuple = ()


def _several(values):
    values = list(values)
    return values[0] if len(values) == 1 else '{ ' + ', '.join(values) + ' }'


def _by_family(values):
    """[(matching word, values)] of addresses or networks of both families, without the empty ones."""
    found = {4: [], 6: []}
    for value in values:
        found[ipaddress.ip_network(value, strict=False).version].append(str(value))
    return [(word, found[version]) for version, word in ((4, 'ip'), (6, 'ip6')) if found[version]]


def link_local(mac):
    """The IPv6 address that an interface makes of its MAC."""
    return str(ipaddress.IPv6Address((0xfe80 << 112) | eui64(mac)))


def eui64(mac):
    """The lower half of the IPv6 addresses that an interface makes of its MAC, as a number."""
    octets = [int(part, 16) for part in mac.split(':')]
    octets[0] ^= 2
    return int.from_bytes(bytes([*octets[:3], 0xff, 0xfe, *octets[3:]]), 'big')


# Guests ---------------------------------------------------------------------------------------------------------------

def filter_tables(ports, conntrack):
    """Everything of nova-compute: replaces what there is.

    :param conntrack: 'bridge' or 'br_netfilter'.
    """
    table = f'bridge {FILTER}'
    lines = [*_fresh(table),
             f'add map {table} senders {{ type ifname : verdict; }}',
             f'add map {table} receivers {{ type ifname : verdict; }}',
             f'add chain {table} sent {{ type filter hook prerouting priority -250; policy accept; }}',
             f'add chain {table} received {{ type filter hook postrouting priority -250; policy accept; }}',
             f'add rule {table} sent iifname vmap @senders',
             f'add rule {table} received oifname vmap @receivers']
    for port_ in ports:
        lines += port(port_, conntrack)
    marks = f'inet {FILTER}'
    if conntrack == 'br_netfilter':
        lines += _fresh(marks)
        for hook in ('prerouting', 'output'):
            lines += [f'add chain {marks} {hook} {{ type filter hook {hook} priority -140; policy accept; }}',
                      f'add rule {marks} {hook} meta mark set meta mark & {0xffffffff ^ KNOWN:#x}',
                      f'add rule {marks} {hook} ct state established,related meta mark set meta mark | {KNOWN:#x}']
    else:
        lines += _gone(marks)
    return lines


def port(port_, conntrack):
    """The filter of one interface; replaces what there was of it."""
    table = f'bridge {FILTER}'
    lines = []
    for way, chain, rules in (('senders', f'from-{port_.device}', _from(port_)),
                              ('receivers', f'to-{port_.device}', _to(port_, conntrack))):
        lines += [f'add chain {table} {chain}', f'flush chain {table} {chain}',
                  *(f'add rule {table} {chain} {rule}' for rule in rules),
                  f'add element {table} {way} {{ "{port_.device}" : jump {chain} }}']
    return lines


def port_gone(device):
    """Takes the filter of an interface away.  What is to be deleted is added first, so that it is there for certain."""
    table = f'bridge {FILTER}'
    lines = []
    for way, chain in (('senders', f'from-{device}'), ('receivers', f'to-{device}')):
        lines += [f'add chain {table} {chain}', f'flush chain {table} {chain}',
                  f'add element {table} {way} {{ "{device}" : jump {chain} }}',
                  f'delete element {table} {way} {{ "{device}" }}', f'delete chain {table} {chain}']
    return lines


def _from(port_):
    """What a guest may send: its own packets, and nothing that only a host of ours may say."""
    v4 = [address for word, found in _by_family(port_.addresses) if word == 'ip' for address in found]
    v6 = [address for word, found in _by_family(port_.addresses) if word == 'ip6' for address in found]
    rules = [f'ether saddr != {port_.mac} drop',
             f'ether type arp arp saddr ether != {port_.mac} drop',
             # 0.0.0.0: the question whether somebody has the address already
             f'ether type arp arp saddr ip {_several(["0.0.0.0", *v4])} accept',
             'ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept',
             'ether type ip udp sport 67 drop']
    if v4:
        rules.append(f'ip saddr {_several(v4)} accept')
    if v6:
        own = [link_local(port_.mac), *v6]
        rules += ['icmpv6 type nd-router-advert drop', 'ether type ip6 udp sport 547 drop',
                  # :: asks whether somebody has the address already, and for routers
                  f'ip6 saddr {_several(["::", *own])} accept']
    return [*rules, 'drop']


def _to(port_, conntrack):
    """What reaches a guest: answers, its DHCP server, its neighbours, and what the security groups let in."""
    rules = ['ether type arp accept',
             'ct state established,related accept' if conntrack == 'bridge'
             else f'meta mark & {KNOWN:#x} == {KNOWN:#x} accept']
    for word, servers in _by_family(port_.dhcp_servers):
        if word == 'ip':
            rules.append(f'ip saddr {_several(servers)} udp sport 67 udp dport 68 accept')
    if any(word == 'ip6' for word, _ in _by_family(port_.addresses)):
        rules.append(f'icmpv6 type {_ND_IN} accept')
    rules += [f'{word} saddr {_several(found)} accept' for word, found in _by_family(port_.neighbours)]
    for rule in port_.rules:
        rules += _let_in(rule)
    return [*rules, 'drop']


def _let_in(rule):
    for word, sources in _by_family(rule.sources):
        yield ' '.join(part for part in (_source(word, sources), _what(word, rule), 'accept') if part)


def _source(word, sources):
    if any(ipaddress.ip_network(source, strict=False).prefixlen == 0 for source in sources):
        return f'ether type {word}'
    # Overlapping networks cannot stand in one set.
    return f'{word} saddr {_several(_merged(sources))}'


def _merged(sources):
    return [str(net.network_address) if net.num_addresses == 1 else str(net) for net in
            ipaddress.collapse_addresses(ipaddress.ip_network(source, strict=False) for source in sources)]


def _what(word, rule):
    if rule.protocol is None:
        return ''
    if rule.protocol == 'icmp':
        name = 'icmp' if word == 'ip' else 'icmpv6'
        if rule.first in (None, -1):
            return f'meta l4proto {"icmp" if word == "ip" else "ipv6-icmp"}'
        code = f' {name} code {int(rule.last)}' if rule.last not in (None, -1) else ''
        return f'{name} type {int(rule.first)}{code}'
    if rule.protocol not in ('tcp', 'udp'):
        return f'meta l4proto {int(rule.protocol)}'
    if rule.first in (None, -1) or (rule.first <= 1 and rule.last == 65535):
        return f'meta l4proto {rule.protocol}'
    ports = f'{int(rule.first)}' if rule.first == rule.last else f'{int(rule.first)}-{int(rule.last)}'
    return f'{rule.protocol} dport {ports}'


# Gateways -------------------------------------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Gateway:
    """A network, as the host that is its gateway sees it.

    :param address: the host's own address in it.
    :param uplink: the device that joins this bridge with those of other hosts, if there is one.
    :param alone: other hosts have DHCP servers of their own for this network.
    :param shared: they have the same address, too.
    :param floating: ((floating, fixed address), …)
    """

    bridge: str
    cidr: str
    address: str | None
    uplink: str | None = None
    alone: bool = False
    shared: bool = False
    floating: tuple = ()


def gateway_tables(gateways, *, metadata_host, metadata_port, source=None, untranslated=()):
    """Everything of nova-network: replaces what there is; without gateways nothing is left.

    :param metadata_host: address, or None for this host whatever its addresses are.
    :param source: address that guests have outside; None: that of the device.
    :param untranslated: networks that see guests as they are.
    """
    nat, isolation = f'inet {GATEWAY}', f'bridge {GATEWAY}'
    lines = [*_gone(nat), *_gone(isolation)]
    gateways = [gateway for gateway in gateways if gateway.cidr]
    if gateways:
        lines += [f'add table {nat}', *_nat(nat, gateways, metadata_host, metadata_port, source, untranslated)]
    alone = [gateway for gateway in gateways if gateway.alone and gateway.uplink]
    if alone:
        lines += [f'add table {isolation}', *_isolation(isolation, alone)]
    return lines


def _nat(table, gateways, metadata_host, metadata_port, source, untranslated):
    lines = [f'add chain {table} arriving {{ type nat hook prerouting priority -100; policy accept; }}',
             f'add chain {table} local {{ type nat hook output priority -100; policy accept; }}',
             f'add chain {table} leaving {{ type nat hook postrouting priority 100; policy accept; }}']
    target = f'dnat ip to {metadata_host}:{metadata_port}' if metadata_host else f'redirect to :{metadata_port}'
    bridges = _several(f'"{bridge}"' for bridge in sorted({gateway.bridge for gateway in gateways}))
    lines.append(f'add rule {table} arriving iifname {bridges} ip daddr 169.254.169.254 tcp dport 80 {target}')
    floating = [pair for gateway in gateways for pair in gateway.floating]
    lines += [f'add rule {table} {chain} ip daddr {public} dnat ip to {fixed}'
              for public, fixed in floating for chain in ('arriving', 'local')]
    # A guest that reaches another by its floating address must be seen under its own.
    cidrs = sorted({gateway.cidr for gateway in gateways})
    seen_as_is = [*cidrs, *untranslated, *([metadata_host] if metadata_host else [])]
    cidrs = _several(cidrs)
    lines += [f'add rule {table} leaving ip saddr {fixed} ip daddr {cidrs} ct status dnat snat ip to {public}'
              for public, fixed in floating]
    lines += [f'add rule {table} leaving ip saddr {cidrs} ip daddr {_several(_merged(seen_as_is))} accept']
    lines += [f'add rule {table} leaving ip saddr {fixed} snat ip to {public}' for public, fixed in floating]
    lines.append(f'add rule {table} leaving ip saddr {cidrs} '
                 + (f'snat ip to {source}' if source else 'masquerade'))
    return lines


def _isolation(table, gateways):
    lines = [f'add chain {table} in {{ type filter hook prerouting priority -260; policy accept; }}',
             f'add chain {table} out {{ type filter hook postrouting priority -260; policy accept; }}']
    for gateway in gateways:
        for chain, side in (('in', 'iifname'), ('out', 'oifname')):
            match = f'add rule {table} {chain} {side} "{gateway.uplink}"'
            lines.append(f'{match} ether type ip udp dport {{ 67, 68 }} drop')
            if gateway.shared and gateway.address:
                lines += [f'{match} arp {way} ip {gateway.address} drop' for way in ('saddr', 'daddr')]
    return lines


def _fresh(table):
    return [*_gone(table), f'add table {table}']


def _gone(table):
    return [f'add table {table}', f'delete table {table}']
