# SPDX-License-Identifier: Apache-2.0
"""Networks of nova-network."""

from nova.cmd.manage.arguments import arg
from nova.network import api


def _row(network):
    return {'uuid': network.uuid, 'label': network.label, 'cidr': network.cidr, 'gateway': network.gateway,
            'bridge': network.bridge, 'multi_host': network.multi_host, 'project_id': network.project_id,
            'host': network.host}


@arg('--label', required=True)
@arg('--cidr', required=True, help='IPv4 range, as 10.0.0.0/24')
@arg('--cidr-v6', help='IPv6 range beside it, as fd00:1::/64')
@arg('--gateway', help='the first address unless given')
@arg('--gateway-v6', help='the first address of the IPv6 range unless given')
@arg('--dns1')
@arg('--dns2')
@arg('--bridge', help='[DEFAULT]flat_network_bridge unless given')
@arg('--bridge-interface', help='device of the host that is put into the bridge')
@arg('--multi-host', action='store_true', default=None, help='every host serves its own servers')
@arg('--project-id', help='whose it is; everybody may use it unless given')
@arg('--allowed-start', help='first address for servers')
@arg('--allowed-end', help='last address for servers')
@arg('--mtu', type=int)
@arg('--uuid', help='for a site of several cells, each of which has its part of the network: the same in all')
@arg('--num-networks', type=int, help='divide the range into so many networks; the first is shown')
@arg('--network-size', type=int, help='addresses of each of them, a power of two')
@arg('--vlan', dest='vlan_start', type=int, help='VLAN of the first; the others get the next ones')
def create(context, label, cidr, **values):
    """Make a network."""
    return _row(api.API().create(context, label, cidr, **{name: value for name, value in values.items()
                                                         if value is not None}))


def list_networks(context):
    """All networks."""
    return [_row(network) for network in api.API().get_all(context)]


def _find(context, name_or_uuid):
    for network in api.API().get_all(context):
        if name_or_uuid in (network.uuid, network.label):
            return network
    return api.API().get(context, name_or_uuid)


@arg('network', help='uuid or label')
def show(context, network):
    """One network."""
    return _row(_find(context, network))


@arg('network', help='uuid or label')
def delete(context, network):
    """Remove a network that no server uses."""
    api.API().delete(context, _find(context, network).uuid)


COMMANDS = {'create': create, 'list': list_networks, 'show': show, 'delete': delete}
