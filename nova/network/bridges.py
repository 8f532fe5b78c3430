# SPDX-License-Identifier: Apache-2.0
"""Bridges of this host: what is there, what is missing, and doing the difference."""

import contextlib
import hashlib
import json
import os

import netaddr
from oslo_concurrency import processutils
from oslo_log import log

from nova.conf import CONF
from nova.privsep import linux_net as root

LOG = log.getLogger(__name__)

#: Bridges with this alias were made by us, and go when nobody needs them.
ALIAS = 'nova'


def exists(device):
    return os.path.exists(f'/sys/class/net/{device}')


def ports(bridge):
    """Names of the devices in a bridge."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(os.listdir(f'/sys/class/net/{bridge}/brif'))
    return []


def mac_of(bridge):
    """The MAC of our bridge of that name: the same at each start, another one on each host."""
    octets = hashlib.sha256(f'{CONF.host}/{bridge}'.encode()).digest()[:5]
    return '02:' + ':'.join(f'{octet:02x}' for octet in octets)


def addresses(device):
    """What `ip` says of the addresses of a device that are not the kernel's own: [{'local', 'prefixlen', …}]."""
    found = json.loads(processutils.execute('ip', '-json', 'address', 'show', 'dev', device)[0] or '[]')
    return [info for link in found for info in link.get('addr_info', ()) if info.get('scope') == 'global']


def ensure(name, uplink=None, mtu=None):
    """Make a bridge be there and up, with a device of this host in it if one is named.

    The addresses of that device, and the routes by it, move to the bridge: the host stays reachable.
    """
    if not exists(name):
        LOG.info('Making bridge %s', name)
        with contextlib.suppress(processutils.ProcessExecutionError):
            # Somebody else on this host may have been faster; if not, what follows says what is wrong.
            root.add_bridge(name, mac_of(name), ALIAS)
    if not _is_up(name) or (mtu and _number(name, 'mtu') != mtu):
        root.set_up(name, mtu)
    if uplink and exists(uplink) and uplink not in ports(name):
        _take_in(name, uplink, mtu)


def _is_up(device):
    return _number(device, 'flags', base=16) & 1 == 1


def _number(device, attribute, base=10):
    with open(f'/sys/class/net/{device}/{attribute}') as file:
        return int(file.read(), base)


def _take_in(bridge, device, mtu):
    LOG.info('Putting %s into bridge %s', device, bridge)
    moving = addresses(device)
    routes = [route for route in json.loads(processutils.execute('ip', '-json', 'route', 'show', 'dev', device)[0]
                                            or '[]') if 'gateway' in route]
    if mtu:
        root.set_up(device, mtu)
    root.add_port(bridge, device)
    for info in moving:
        address = f'{info["local"]}/{info["prefixlen"]}'
        root.delete_address(device, address)
        root.add_address(bridge, address)
    for route in routes:
        root.add_route(bridge, route['dst'], route['gateway'])


def ensure_addresses(device, wanted, within):
    """Give a device these addresses ('10.0.0.1/24'), and take others out of the networks `within` away from it."""
    have = {f'{info["local"]}/{info["prefixlen"]}' for info in addresses(device)}
    for address in sorted(set(wanted) - have):
        root.add_address(device, address)
    for address in sorted(have - set(wanted)):
        if any(_contains(network, address) for network in within):
            root.delete_address(device, address)


def _contains(network, address):
    network = netaddr.IPNetwork(network)
    found = netaddr.IPNetwork(address)
    return found.version == network.version and found.ip in network


def remove(name, uplink=None):
    """Remove a bridge of ours that no guest is on; whether it is gone.

    A device of this host that is in it gets its addresses back.
    """
    if not exists(name):
        return True
    with open(f'/sys/class/net/{name}/ifalias') as file:
        ours = file.read().strip() == ALIAS
    if not ours or set(ports(name)) - {uplink}:
        return False
    LOG.info('Removing bridge %s', name)
    moving = addresses(name)
    root.delete_bridge(name)
    for info in moving if uplink and exists(uplink) else ():
        root.add_address(uplink, f'{info["local"]}/{info["prefixlen"]}')
    return True
