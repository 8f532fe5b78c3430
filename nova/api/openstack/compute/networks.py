# SPDX-License-Identifier: Apache-2.0
"""Networks of nova-network.  (/os-networks, until 2.35)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.views import micros
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Boolean, Cidr, Integer, Ip, Name, Table, Text
from nova.api.openstack.view import Field
from nova.api.openstack.view import Table as View
from nova.network import api as network_api
from nova.policy import ADMIN, READER, Rule

ADMIN_FIELDS = Rule('os-networks', ADMIN)
_TEXT = ('bridge', 'bridge_interface', 'vpn_public_address', 'vpn_private_address', 'dhcp_start', 'dhcp_server',
         'project_id', 'host')
VIEW = View(
    Field('id', 'uuid', type='string'),
    Field('label', type='string'),
    *(Field(name, type='string?') for name in ('cidr', 'netmask', 'gateway', 'broadcast', 'dns1', 'dns2', 'cidr_v6',
                                               'gateway_v6', 'netmask_v6')),
    *(Field(name, lambda network, name=name: micros(getattr(network, name)), policy=ADMIN_FIELDS,
            type='string?')
      for name in ('created_at', 'updated_at', 'deleted_at')),
    *(Field(name, policy=ADMIN_FIELDS, type=kind) for kind, names in (
        ('string?', _TEXT), ('integer?', ('vlan', 'vpn_public_port', 'mtu', 'priority', 'rxtx_base')),
        ('boolean', ('deleted', 'injected', 'enable_dhcp', 'share_address', 'multi_host'))) for name in names),
)
BODY = Table(
    Name('label', required=True),
    Cidr('cidr'),
    Cidr('cidr_v6'),
    Boolean('ipam'),
    Text('project_id', max=255),
    Boolean('multi_host'),
    Ip('gateway', version=4),
    Ip('gateway_v6', version=6),
    Text('bridge', max=15),
    Text('bridge_interface', max=15),
    Ip('dns1'),
    Ip('dns2'),
    Ip('dhcp_server', version=4),
    Cidr('fixed_cidr'),
    Ip('allowed_start', version=4),
    Ip('allowed_end', version=4),
    Boolean('enable_dhcp'),
    Boolean('share_address'),
    Integer('mtu', min=68, max=65535),
    Integer('vlan', min=1, max=4094),
    Integer('vlan_start', min=1, max=4094),
    Ip('vpn_start', version=4),
    within='network', either=(('cidr', 'cidr_v6'),),
)


class Networks(wsgi.Resource):
    """Networks that servers can be put into."""

    path = '/os-networks'

    def __init__(self):
        self.network = network_api.API()

    @wsgi.get(until='2.35', view=VIEW.many('networks'), policy=Rule('os-networks:list', READER,
                                                                    formerly='os-networks:view'))
    def index(self, context):
        return self.network.get_all(context)

    @wsgi.get('/{network_id}', until='2.35', view=VIEW.one('network'), errors=(exception.NetworkNotFound,),
              policy=Rule('os-networks:show', READER, formerly='os-networks:view'))
    def show(self, context, network_id):
        return self.network.get(context, network_id)

    @wsgi.post(until='2.35', body=BODY, view=VIEW.one('network'), policy=ADMIN_FIELDS,
               errors=(exception.Invalid, exception.Conflict))
    def create(self, context, label, cidr=None, **values):
        if cidr is None:
            raise Refused('cidr_v6: networks of IPv6 alone are not possible; give a cidr.')
        for name in ('ipam', 'fixed_cidr', 'vlan_start', 'vpn_start'):
            values.pop(name, None)
        return self.network.create(context, label, cidr, **values)

    @wsgi.delete('/{network_id}', until='2.35', success=202, policy=ADMIN_FIELDS,
                 errors=(exception.NetworkNotFound, exception.NetworkInUse))
    def delete(self, context, network_id):
        self.network.delete(context, network_id)
