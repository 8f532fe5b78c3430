# SPDX-License-Identifier: Apache-2.0
"""From the records of nova-network to the form in which compute sees a network (`nova.network.model`)."""

import ipaddress

import netaddr

from nova.network import model, nft


def vif(network, vif_uuid, mac, addresses, server=None, tag=None):
    """The model of an interface.

    :param network: mapping with the columns of the network.
    :param addresses: fixed IPv4 addresses: text, or (text, [floating addresses]).
    :param server: address of the host that serves the interface in a multi-host network: its gateway and DHCP server.
    """
    subnets = []
    if network['cidr']:
        gateway = server or network['gateway']
        dns = [network[name] for name in ('dns1', 'dns2') if network[name]]
        ips = []
        for address in addresses:
            fixed, floating = (address, ()) if isinstance(address, str) else address
            ips.append(model.FixedIP(address=fixed, floating_ips=[model.IP(each, 'floating') for each in floating]))
        subnets.append(model.Subnet(
            cidr=network['cidr'], gateway=model.IP(gateway, 'gateway') if gateway else None,
            dns=[model.IP(each, 'dns') for each in dns if ':' not in each], ips=ips,
            **({'dhcp_server': server or network['dhcp_server']} if network['enable_dhcp'] else {})))
    if network['cidr_v6']:
        dns = [network[name] for name in ('dns1', 'dns2') if network[name]]
        subnets.append(model.Subnet(
            cidr=network['cidr_v6'], gateway=model.IP(network['gateway_v6'], 'gateway'),
            dns=[model.IP(each, 'dns') for each in dns if ':' in each],
            ips=[model.FixedIP(address=address_v6(network['cidr_v6'], mac))]))
    seen = model.Network(
        id=network['uuid'], bridge=network['bridge'], label=network['label'], subnets=subnets,
        multi_host=bool(network['multi_host']), should_create_bridge=True,
        bridge_interface=network['bridge_interface'], injected=bool(network['injected']), mtu=network['mtu'],
        tenant_id=network['project_id'])
    return model.VIF(id=vif_uuid, address=mac, network=seen, type='bridge', devname=f'tap{vif_uuid[:11]}', active=True,
                     **({'tag': tag} if tag else {}))


def address_v6(cidr_v6, mac):
    """The address that a guest makes of a router's announcement and its MAC."""
    return str(ipaddress.IPv6Address(netaddr.IPNetwork(cidr_v6).first | nft.eui64(mac)))
