# SPDX-License-Identifier: Apache-2.0
"""Addresses and interfaces of a server.  (os-interface, os-virtual-interfaces, add/removeFixedIp, -FloatingIp)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Integer, Ip, Limit, List, Query, Raw, Table, Text, Uuid
from nova.api.openstack.view import ABSENT, Field, many, shape
from nova.api.openstack.view import Table as View
from nova.compute import api as compute_api
from nova.policy import ANYBODY, MEMBER, READER, Rule

_STATE = {exception.InstanceNotFound: 404, exception.InstanceInvalidState: 409, exception.InstanceIsLocked: 409,
          exception.InstanceNotReady: 409, exception.ComputeServiceUnavailable: 409}
FIXED = {**_STATE, exception.NetworkNotFound: 404, exception.NoMoreFixedIps: 400, exception.FixedIpNotFound: 400,
         exception.FixedIpAlreadyInUse: 400, exception.Unavailable: None}
FLOATING = {**_STATE, exception.FixedIpNotFound: 400, exception.NotFound: 404, exception.Conflict: 400}
_NETWORK = Raw('networkId', {'type': ['string', 'integer']}, required=True, to='network', convert=str,
               says='the id of a network')


class Addresses(wsgi.Resource):
    """What changes a server's addresses."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('addFixedIp', until='2.43', body=Table(_NETWORK), errors=FIXED,
                 policy=Rule('os-multinic:add', MEMBER, formerly='os-multinic'))
    def add_fixed(self, context, server_id, network):
        self.compute.add_fixed_ip(context, self.compute.get(context, server_id), network)

    @wsgi.action('removeFixedIp', until='2.43', body=Table(Ip('address', required=True)), errors=FIXED,
                 policy=Rule('os-multinic:remove', MEMBER, formerly='os-multinic'))
    def remove_fixed(self, context, server_id, address):
        self.compute.remove_fixed_ip(context, self.compute.get(context, server_id), address)

    @wsgi.action('addFloatingIp', until='2.43', body=Table(Ip('address', required=True), Ip('fixed_address')),
                 errors=FLOATING, policy=Rule('os-floating-ips:add', MEMBER, formerly='os-floating-ips'))
    def add_floating(self, context, server_id, address, fixed_address=None):
        server = self.compute.get(context, server_id)
        if not server.get_network_info().fixed_ips():
            raise Refused('The server has no fixed address to bind a floating one to.')
        self.compute.network.associate_floating_ip(context, server, address, fixed_address)

    @wsgi.action('removeFloatingIp', until='2.43', body=Table(Ip('address', required=True)),
                 errors={**_STATE, exception.NotFound: 404},
                 policy=Rule('os-floating-ips:remove', MEMBER, formerly='os-floating-ips'))
    def remove_floating(self, context, server_id, address):
        server = self.compute.get(context, server_id)
        found = self.compute.network.get_floating_ip_by_address(context, address)
        if found.instance_uuid != server.uuid:
            raise Refused(f'Floating ip {address} is not associated with instance {server.uuid}.', 409)
        self.compute.network.disassociate_floating_ip(context, address)


def _net_in_v2(vif, request):
    return vif['network']['id'] if request.links.version == '/v2' else ABSENT


class VirtualInterfaces(wsgi.Resource):
    """Interfaces of a server."""

    path = '/servers/{server_id}/os-virtual-interfaces'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(until='2.43', query=Query(Limit(), Integer('offset', min=0)), view=View(
        Field('id', lambda vif: vif['id'], type='string'),
        Field('mac_address', lambda vif: vif['address'], type='string'),
        Field('net_id', lambda vif: vif['network']['id'], since='2.12', type='string'),
        Field('OS-EXT-VIF-NET:net_id', _net_in_v2, until='2.1', type='string', optional=True),
        ).many('virtual_interfaces'),
        policy=Rule('os-virtual-interfaces', ANYBODY), errors=(exception.InstanceNotFound,))
    def index(self, context, server_id, limit=None, offset=0):
        return list(self.compute.get(context, server_id).get_network_info())[offset:][:limit]


def _fixed(vif):
    return [{'ip_address': ip['address'], 'subnet_id': subnet.get('id') or subnet.get('cidr')}
            for subnet in vif['network']['subnets'] for ip in subnet['ips']]


_FIXED_IPS = {**many(shape(ip_address='string', subnet_id='string')), 'type': ['array', 'null']}
INTERFACE = View(
    Field('port_id', lambda vif: vif['id'], type='string'),
    Field('net_id', lambda vif: vif['network']['id'], type='string'),
    Field('mac_addr', lambda vif: vif['address'], type='string'),
    Field('port_state', lambda vif: 'ACTIVE', type='string'),
    Field('fixed_ips', _fixed, type=_FIXED_IPS),
    Field('tag', lambda vif: (vif.get('meta') or {}).get('tag') or vif.get('tag'), since='2.70', type='string?'),
)
ATTACH = Table(
    Uuid('net_id'),
    Uuid('port_id'),
    List('fixed_ips', Table(Ip('ip_address', required=True)), min=1, max=1),
    Text('tag', since='2.49', min=1, max=60, pattern=r'^[^,/]*\Z', says='1 to 60 characters without / and ,'),
    within='interfaceAttachment')


class Interfaces(wsgi.Resource):
    """Interfaces that come and go while a server runs."""

    path = '/servers/{server_id}/os-interface'

    def __init__(self):
        self.compute = compute_api.API()

    def _vif(self, context, server_id, port_id):
        for vif in self.compute.get(context, server_id).get_network_info():
            if vif['id'] == port_id:
                return vif
        raise exception.NotFound(f'Server {server_id} has no interface {port_id}')

    @wsgi.get(view=INTERFACE.many('interfaceAttachments'), errors=(exception.InstanceNotFound,),
              policy=Rule('os-attach-interfaces:list', READER, formerly='os-attach-interfaces'))
    def index(self, context, server_id):
        return list(self.compute.get(context, server_id).get_network_info())

    @wsgi.get('/{port_id}', view=INTERFACE.one('interfaceAttachment'), errors=(exception.NotFound,),
              policy=Rule('os-attach-interfaces:show', READER, formerly='os-attach-interfaces'))
    def show(self, context, server_id, port_id):
        return self._vif(context, server_id, port_id)

    @wsgi.post(body=ATTACH, success=200, view=INTERFACE.one('interfaceAttachment'),
               errors={**FIXED, exception.NotFound: 404, exception.NetworkAmbiguous: 400,
                                          exception.InterfaceAttachFailed: 500},
               policy=Rule('os-attach-interfaces:create', MEMBER, formerly='os-attach-interfaces'))
    def create(self, context, server_id, net_id=None, port_id=None, fixed_ips=None, tag=None):
        if net_id and port_id:
            raise Refused('net_id and port_id: give one of them only.')
        if fixed_ips and not net_id:
            raise Refused('fixed_ips: needs net_id.')
        if port_id:
            raise exception.NotFound(f'Port {port_id} could not be found.')
        return self.compute.attach_interface(context, self.compute.get(context, server_id), net_id,
                                             fixed_ips[0]['ip_address'] if fixed_ips else None, tag)

    @wsgi.delete('/{port_id}', success=202,
                 errors={**FIXED, exception.NotFound: 404, exception.InterfaceDetachFailed: 500},
                 policy=Rule('os-attach-interfaces:delete', MEMBER, formerly='os-attach-interfaces'))
    def delete(self, context, server_id, port_id):
        self._vif(context, server_id, port_id)
        self.compute.detach_interface(context, self.compute.get(context, server_id), port_id)
