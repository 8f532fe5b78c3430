# SPDX-License-Identifier: Apache-2.0
"""/network/v2.0: as much of the Networking API as looking up networks by name needs, over nova-network."""

import netaddr

from nova import exception, objects
from nova.api.standalone import routing
from nova.api.standalone.routing import Route
from nova.network import api as network_api

_EXTENSIONS = ('security-group', 'quotas', 'external-net', 'router')


def _fault(status, title, message, name):
    return {'NeutronError': {'type': name, 'message': message, 'detail': ''}}


def _stamp(moment):
    return moment.strftime('%Y-%m-%dT%H:%M:%SZ') if moment is not None else None


def network_view(network):
    return {'id': network.uuid, 'name': network.label, 'status': 'ACTIVE', 'admin_state_up': True,
            'subnets': [network.uuid], 'shared': network.project_id is None, 'router:external': False,
            'project_id': network.project_id or '', 'tenant_id': network.project_id or '', 'mtu': network.mtu or 1500,
            'port_security_enabled': True, 'availability_zones': ['nova'], 'availability_zone_hints': [],
            'description': '', 'tags': [], 'is_default': False, 'ipv4_address_scope': None, 'ipv6_address_scope': None,
            'created_at': _stamp(network.created_at), 'updated_at': _stamp(network.updated_at or network.created_at),
            'revision_number': 1}


def subnet_view(network):
    # With both families the subnet that is shown is the one addresses are given from.
    cidr = netaddr.IPNetwork(network.cidr or network.cidr_v6)
    return {'id': network.uuid, 'name': network.label, 'network_id': network.uuid, 'ip_version': cidr.version,
            'cidr': str(cidr), 'gateway_ip': network.gateway if network.cidr else network.gateway_v6,
            'enable_dhcp': network.enable_dhcp,
            'allocation_pools': [{'start': network.dhcp_start or str(cidr[2]), 'end': str(cidr[-2])}],
            'dns_nameservers': [dns for dns in (network.dns1, network.dns2) if dns], 'host_routes': [],
            'project_id': network.project_id or '', 'tenant_id': network.project_id or '', 'description': '',
            'tags': [], 'ipv6_address_mode': None, 'ipv6_ra_mode': None, 'subnetpool_id': None, 'service_types': [],
            'created_at': _stamp(network.created_at), 'updated_at': _stamp(network.updated_at or network.created_at),
            'revision_number': 1}


def group_view(group):
    return {'id': str(group.id), 'name': group.name, 'description': group.description or '',
            'project_id': group.project_id, 'tenant_id': group.project_id, 'stateful': True, 'shared': False,
            'tags': [], 'revision_number': 1, 'created_at': _stamp(group.created_at),
            'updated_at': _stamp(group.created_at),
            'security_group_rules': [rule_view(group, rule) for rule in group.rules]}


def rule_view(group, rule):
    return {'id': str(rule.id), 'security_group_id': str(group.id), 'direction': 'ingress', 'ethertype': 'IPv4',
            'protocol': rule.protocol, 'port_range_min': rule.from_port, 'port_range_max': rule.to_port,
            'remote_ip_prefix': rule.cidr, 'remote_group_id': str(rule.group_id) if rule.group_id else None,
            'project_id': group.project_id, 'tenant_id': group.project_id, 'description': '', 'tags': [],
            'revision_number': 1}


def port_view(server, vif):
    return {'id': vif['id'], 'name': '', 'network_id': vif['network']['id'], 'mac_address': vif['address'],
            'device_id': server.uuid, 'device_owner': 'compute:nova', 'status': 'ACTIVE', 'admin_state_up': True,
            'fixed_ips': [{'subnet_id': vif['network']['id'], 'ip_address': ip['address']}
                          for ip in vif.fixed_ips()],
            'project_id': server.project_id, 'tenant_id': server.project_id, 'security_groups': [],
            'description': '', 'tags': [], 'binding:vnic_type': 'normal', 'allowed_address_pairs': [],
            'port_security_enabled': True, 'revision_number': 1}


def floating_view(address):
    return {'id': str(address.id), 'floating_ip_address': address.address, 'fixed_ip_address': None, 'port_id': None,
            'floating_network_id': address.pool, 'router_id': None, 'project_id': address.project_id,
            'tenant_id': address.project_id, 'status': 'ACTIVE' if address.fixed_ip_id else 'DOWN', 'description': '',
            'tags': [], 'revision_number': 1}


class NetworkDoor:
    """The handlers.  Lists are filtered by the equality of any field that is shown, as the Networking API has it."""

    def __init__(self):
        self.network = network_api.API()

    def versions(self, call):
        return {'versions': [{'id': 'v2.0', 'status': 'CURRENT',
                              'links': [{'rel': 'self', 'href': f'{call.url}/v2.0/'}]}]}

    def version(self, call):
        return {'resources': [{'name': name, 'collection': f'{name}s', 'links': [
            {'rel': 'self', 'href': f'{call.url}/v2.0/{name}s'}]} for name in ('network', 'subnet', 'port')]}

    def extensions(self, call):
        return {'extensions': [{'alias': alias, 'name': alias, 'description': '', 'links': [],
                                'updated': '2013-01-01T00:00:00-00:00'} for alias in _EXTENSIONS]}

    # What there is ----------------------------------------------------------------------------------------------------

    def _networks(self, call):
        return [network_view(network) for network in self.network.get_all(call.context)]

    def _subnets(self, call):
        return [subnet_view(network) for network in self.network.get_all(call.context)]

    def _groups(self, call):
        return [group_view(group) for group in self.network.get_security_groups(call.context)]

    def _rules(self, call):
        return [rule for group in self._groups(call) for rule in group['security_group_rules']]

    def _ports(self, call):
        filters = {} if call.context.is_admin else {'project_id': call.context.project_id}
        answers, _down = objects.cell.ask_each(
            call.context, lambda in_cell: objects.InstanceList.get_by_filters(in_cell, filters).objects)
        return [port_view(server, vif) for _cell, servers in answers for server in servers
                for vif in server.get_network_info()]

    def _floating(self, call):
        return [floating_view(address) for address in self.network.get_floating_ips(call.context)]

    def _routers(self, call):
        return []

    KINDS = {'networks': ('network', _networks), 'subnets': ('subnet', _subnets), 'ports': ('port', _ports),
             'security-groups': ('security_group', _groups),
             'security-group-rules': ('security_group_rule', _rules), 'floatingips': ('floatingip', _floating),
             'routers': ('router', _routers)}

    def _kind(self, collection):
        if collection not in self.KINDS:
            raise exception.NotFound('The resource could not be found.')
        return self.KINDS[collection]

    def list(self, call, collection):
        name, find = self._kind(collection)
        found = find(self, call)
        for key in set(call.req.GET):
            wanted = call.req.GET.getall(key)
            if key in ('limit', 'marker', 'fields', 'sort_key', 'sort_dir', 'page_reverse'):
                continue
            found = [one for one in found if _shown(one.get(key)) in [value.lower() for value in wanted]]
        return {f'{name}s': found}

    def show(self, call, collection, thing_id):
        name, find = self._kind(collection)
        for one in find(self, call):
            if one['id'] == thing_id:
                return {name: one}
        raise exception.NotFound(f'{name} {thing_id} could not be found.')

    def quotas(self, call, project_id):
        if not call.context.can_see(project_id):
            raise exception.NotAuthorized()
        limits = objects.Quotas.limits(call.context, project_id)
        return {'quota': {'network': -1, 'subnet': -1, 'port': -1, 'router': 0,
                          'floatingip': limits['floating_ips'], 'security_group': limits['security_groups'],
                          'security_group_rule': limits['security_group_rules']}}

    # Making and removing networks: administrators ---------------------------------------------------------------------

    def create_network(self, call):
        raise exception.Unsupported(reason='a network of nova-network needs its address range: make it with '
                                           'nova-manage network create, or POST /os-networks')

    def delete_network(self, call, network_id):
        call.require_role('admin')
        self.network.delete(call.context, network_id)
        return routing.answer(status=204)


def _shown(value):
    return str(value).lower() if value is not None else ''


def application():
    door = NetworkDoor()
    return routing.Door((
        Route('GET', '/', door.versions, public=True),
        Route('GET', '', door.versions, public=True),
        Route('GET', '/v2.0', door.version),
        Route('GET', '/v2.0/extensions', door.extensions),
        Route('GET', '/v2.0/quotas/{project_id}', door.quotas),
        Route('POST', '/v2.0/networks', door.create_network),
        Route('DELETE', '/v2.0/networks/{network_id}', door.delete_network),
        Route('GET', '/v2.0/{collection}', door.list),
        Route('GET', '/v2.0/{collection}/{thing_id}', door.show),
    ), _fault)
