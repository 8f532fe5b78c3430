# SPDX-License-Identifier: Apache-2.0
"""New networks out of what was asked for: which ranges, which addresses in them, and which of these are kept back."""

import netaddr

from nova import exception
from nova.privsep import linux_net as root

#: Addresses that are stored for a network at most.
LARGEST = 65536
SMALLEST = 4
#: Bits of an IPv6 network: the other half guests make of their MACs, and routers announce no other size for that.
_PREFIX_V6 = 64
#: Columns that are numbers: (least, most).
_NUMBERS = {'mtu': (68, 65535), 'vlan': (1, 4094)}


def plan(label, cidr=None, cidr_v6=None, *, num_networks=1, network_size=None, gateway=None, gateway_v6=None,
         dhcp_server=None, fixed_cidr=None, allowed_start=None, allowed_end=None, vlan_start=None, **values):
    """The networks to make, in order: [{column: value}].

    :param network_size: addresses of each network; None: the range is divided evenly.
    :param fixed_cidr, allowed_start, allowed_end: where in its network servers get addresses.
    :param values: further columns, the same for all.
    Raises InvalidInput, naming the field.
    """
    if not cidr and not cidr_v6:
        raise exception.InvalidInput(reason='cidr: a network needs cidr or cidr_v6')
    num_networks = 1 if num_networks is None else num_networks
    if num_networks < 1:
        raise exception.InvalidInput(reason=f'num_networks: {num_networks} is less than 1')
    _check(values)
    for name, value in (('gateway', gateway), ('gateway_v6', gateway_v6), ('dhcp_server', dhcp_server),
                        ('fixed_cidr', fixed_cidr), ('allowed_start', allowed_start), ('allowed_end', allowed_end),
                        ('uuid', values.get('uuid'))):
        if value and num_networks > 1:
            raise exception.InvalidInput(reason=f'{name}: cannot be chosen for {num_networks} networks at once')
    ranges = _divide('cidr', _network('cidr', cidr, 4), num_networks, network_size) if cidr else [None] * num_networks
    ranges_v6 = (_divide('cidr_v6', _network('cidr_v6', cidr_v6, 6), num_networks, None, to_64=True) if cidr_v6
                 else [None] * num_networks)
    planned = []
    for index, (range_v4, range_v6) in enumerate(zip(ranges, ranges_v6, strict=True)):
        network = {**values, 'label': label if num_networks == 1 else f'{label}_{index}'}
        if vlan_start is not None:
            network['vlan'] = _number('vlan', vlan_start + index)
        if range_v4 is not None:
            network.update(_v4(range_v4, gateway, dhcp_server, fixed_cidr, allowed_start, allowed_end))
        if range_v6 is not None:
            network.update(_v6(range_v6, gateway_v6))
        planned.append(network)
    return planned


def _check(values):
    """Raises InvalidInput for what a host would stumble over when it sets the network up."""
    for name in ('bridge', 'bridge_interface'):
        if values.get(name) is not None:
            try:
                root.device_name(values[name])
            except ValueError as exc:
                raise exception.InvalidInput(reason=f'{name}: {exc}') from exc
    for name in ('dns1', 'dns2'):
        if values.get(name) is not None:
            _address(name, values[name])
    for name in _NUMBERS:
        if values.get(name) is not None:
            _number(name, values[name])


def _number(name, value):
    low, high = _NUMBERS[name]
    if not low <= value <= high:
        raise exception.InvalidInput(reason=f'{name}: {value} is not between {low} and {high}')
    return value


def _network(name, value, version):
    try:
        found = netaddr.IPNetwork(value)
    except (netaddr.AddrFormatError, ValueError, TypeError) as exc:
        raise exception.InvalidInput(reason=f'{name}: {value!r} is no network') from exc
    if found.version != version:
        raise exception.InvalidInput(reason=f'{name}: {value} is no IPv{version} network')
    return found.cidr


def _divide(name, whole, count, size, to_64=False):
    if to_64:
        prefix = max(_PREFIX_V6, whole.prefixlen)
    elif size is None and count == 1:
        prefix = whole.prefixlen
    else:
        size = size or whole.size // count
        if size < SMALLEST or size > whole.size:
            raise exception.InvalidInput(reason=f'network_size: {size} is not between {SMALLEST} and the size of '
                                                f'{whole}, {whole.size}')
        prefix = 32 - (size.bit_length() - 1)
    if count > 2 ** (prefix - whole.prefixlen):
        raise exception.InvalidInput(reason=f'num_networks: {count} networks of /{prefix} do not fit into {name} '
                                            f'{whole}')
    return list(whole.subnet(prefix, count=count))


def _address(name, value):
    try:
        return netaddr.IPAddress(value)
    except (netaddr.AddrFormatError, ValueError, TypeError) as exc:
        raise exception.InvalidInput(reason=f'{name}: {value!r} is no address') from exc


def _inside(name, value, network):
    found = _address(name, value)
    if found not in network:
        raise exception.InvalidInput(reason=f'{name}: {value} is not in {network}')
    return str(found)


def _v4(network, gateway, dhcp_server, fixed_cidr, first, last):
    if network.size < SMALLEST or network.size > LARGEST:
        raise exception.InvalidInput(reason=f'cidr: {network} has {network.size} addresses; a network has '
                                            f'{SMALLEST} to {LARGEST}')
    if fixed_cidr:
        served = _network('fixed_cidr', fixed_cidr, 4)
        if served not in network:
            raise exception.InvalidInput(reason=f'fixed_cidr: {served} is not in {network}')
        first, last = first or served[0], last or served[-1]
    gateway = _inside('gateway', gateway or network[1], network)
    values = {'cidr': str(network), 'netmask': str(network.netmask), 'broadcast': str(network[-1]), 'gateway': gateway,
              'dhcp_server': _inside('dhcp_server', dhcp_server or gateway, network)}
    kept = kept_back(values)
    first = _inside('allowed_start', first or network[1], network)
    last = _inside('allowed_end', last or network[-2], network)
    if int(netaddr.IPAddress(first)) > int(netaddr.IPAddress(last)):
        raise exception.InvalidInput(reason=f'allowed_end: {last} comes before allowed_start {first}')
    start = next((str(address) for address in netaddr.iter_iprange(first, last) if str(address) not in kept), None)
    if start is None:
        raise exception.InvalidInput(reason=f'cidr: {network} has no address for a server between {first} and {last}')
    return {**values, 'dhcp_start': start, 'dhcp_end': last}


def _v6(network, gateway):
    if network.prefixlen != _PREFIX_V6:
        raise exception.InvalidInput(reason=f'cidr_v6: {network} is less than a /{_PREFIX_V6}, which a network needs')
    gateway = _inside('gateway_v6', gateway or network[1], network)
    return {'cidr_v6': str(network), 'netmask_v6': str(network.prefixlen), 'gateway_v6': gateway}


def kept_back(values):
    """Addresses of a network that servers do not get: the network's and the broadcast's, and those of the host."""
    network = netaddr.IPNetwork(values['cidr'])
    return {str(network[0]), str(network[-1]), values['gateway'], values['dhcp_server']} - {None}


def addresses(values):
    """Every address of a planned network: (address, whether it is kept back)."""
    kept = kept_back(values)
    low, high = (int(netaddr.IPAddress(values[name])) for name in ('dhcp_start', 'dhcp_end'))
    for address in netaddr.IPNetwork(values['cidr']):
        yield str(address), str(address) in kept or not low <= int(address) <= high
