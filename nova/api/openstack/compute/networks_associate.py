# SPDX-License-Identifier: Apache-2.0
"""Networks for projects and hosts, and networks of one's own.  (/os-networks/…/action, /os-tenant-networks)"""

from nova import exception, objects
from nova.api.openstack import wsgi
from nova.api.openstack.schema import Cidr, HostName, Integer, Name, Null, Table, Uuid, Value
from nova.api.openstack.view import Field
from nova.api.openstack.view import Table as View
from nova.network import api as network_api
from nova.policy import ADMIN, MEMBER, READER, Rule

_NETWORKS = Rule('os-networks', ADMIN)
_ASSOCIATE = Rule('os-networks-associate', ADMIN)
_MISSING = (exception.NetworkNotFound,)
VIEW = View(
    Field('id', 'uuid', type='string'),
    Field('label', type='string'),
    Field('cidr', lambda network: str(network.cidr), type='string'),
)
BODY = Table(
    Name('label', required=True), Cidr('cidr'), Cidr('cidr_v6'), Integer('vlan_start', min=1, max=4094),
    Integer('network_size', min=1), Integer('num_networks', min=1), within='network', either=(('cidr', 'cidr_v6'),))


class NetworkActions(wsgi.Resource):
    """Whose a network is."""

    path = '/os-networks/{network_id}'

    def __init__(self):
        self.network = network_api.API()

    @wsgi.action('disassociate', until='2.35', body=Value(Null('disassociate')), policy=_NETWORKS, errors=_MISSING)
    def disassociate(self, context, network_id):
        self.network.disassociate(context, network_id)

    @wsgi.action('disassociate_host', until='2.35', body=Value(Null('disassociate_host')), policy=_ASSOCIATE,
                 errors=_MISSING)
    def disassociate_host(self, context, network_id):
        self.network.associate(context, network_id, host=None)

    @wsgi.action('disassociate_project', until='2.35', body=Value(Null('disassociate_project')), policy=_ASSOCIATE,
                 errors=_MISSING)
    def disassociate_project(self, context, network_id):
        self.network.associate(context, network_id, project_id=None)

    @wsgi.action('associate_host', until='2.35', body=Value(HostName('associate_host', to='host')), policy=_ASSOCIATE,
                 errors=(*_MISSING, exception.ServiceNotFound))
    def associate_host(self, context, network_id, host):
        # Whoever serves nothing there would be asked for addresses for ever.
        objects.Service.get_by_args(context, host, 'nova-network')
        self.network.associate(context, network_id, host=host)


class NetworkAdd(wsgi.Resource):
    """A network for the caller's project."""

    path = '/os-networks/add'

    def __init__(self):
        self.network = network_api.API()

    @wsgi.post(until='2.35', body=Table(Uuid('id', required=True, nullable=True, to='network')), success=202,
               policy=_NETWORKS, errors={exception.NetworkNotFound: 400})
    def add(self, context, network=None):
        if network is None:
            free = [each for each in self.network.get_all(context) if each.project_id is None]
            if not free:
                raise exception.NetworkNotFound(network_id='that belongs to no project')
            network = free[0].uuid
        self.network.associate(context, network, project_id=context.project_id)


class TenantNetworks(wsgi.Resource):
    """Networks as their users see them."""

    path = '/os-tenant-networks'

    def __init__(self):
        self.network = network_api.API()

    @wsgi.get(until='2.35', view=VIEW.many('networks'), policy=Rule('os-tenant-networks:list', READER,
                                                                    formerly='os-tenant-networks'))
    def index(self, context):
        return self.network.get_all(context)

    @wsgi.get('/{network_id}', until='2.35', view=VIEW.one('network'), errors=_MISSING,
              policy=Rule('os-tenant-networks:show', READER, formerly='os-tenant-networks'))
    def show(self, context, network_id):
        return self.network.get(context, network_id)

    @wsgi.post(until='2.35', body=BODY, success=200, view=VIEW.one('network'),
               policy=Rule('os-tenant-networks', MEMBER), errors=(exception.Invalid, exception.Conflict))
    def create(self, context, label, cidr=None, cidr_v6=None, **values):
        values = {name: value for name, value in values.items() if name != 'vlan_start'}
        if not context.is_admin:
            values['project_id'] = context.project_id
        return self.network.create_all(context, label, cidr, cidr_v6, **values)[0]

    @wsgi.delete('/{network_id}', until='2.35', success=202, policy=Rule('os-tenant-networks', MEMBER),
                 errors={exception.NetworkNotFound: 404, exception.NetworkInUse: 409, exception.NotAuthorized: 403})
    def delete(self, context, network_id):
        found = self.network.get(context, network_id)
        if not context.is_admin and found.project_id != context.project_id:
            raise exception.NotAuthorized(f'Network {network_id} is not of your project')
        self.network.delete(context, network_id)

