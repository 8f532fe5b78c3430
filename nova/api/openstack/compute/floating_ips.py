# SPDX-License-Identifier: Apache-2.0
"""Floating addresses.  (/os-floating-ips, -pools, -bulk, until 2.35)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.errors import NO_SUCH_URL, Refused, number
from nova.api.openstack.schema import Table, Text
from nova.api.openstack.view import Field, Plain, many, shape
from nova.api.openstack.view import Table as View
from nova.conf import CONF
from nova.network import api as network_api
from nova.objects import floating_ip
from nova.policy import ADMIN, ANYBODY, MEMBER, READER, Rule

VIEW = View(
    Field('id', type='integer'),
    Field('ip', 'address', type='string'),
    Field('pool', type='string'),
    Field('instance_id', 'instance_uuid', type='string?'),
    Field('fixed_ip', 'fixed_address', type='string?'),
)
INFO = View(
    Field('address', type='string'),
    Field('pool', type='string'),
    Field('interface', type='string?'),
    Field('project_id', type='string?'),
    Field('instance_uuid', type='string?'),
    Field('fixed_ip', 'fixed_address', type='string?'),
)
BODY = Table(Text('pool', nullable=True), nullable=True)
BULK = Table(Text('ip_range', required=True), Text('pool'), Text('interface'), within='floating_ips_bulk_create')
_MADE = shape(ip_range='string', pool='string', interface='string')
RANGE = Table(Text('ip_range', required=True))
_BULK = Rule('os-floating-ips-bulk', ADMIN)


class FloatingIpPools(wsgi.Resource):
    """Where floating addresses come from."""

    path = '/os-floating-ip-pools'

    def __init__(self):
        self.network = network_api.API()

    @wsgi.get(until='2.35', view=Plain('floating_ip_pools', many(shape(name='string'))),
              policy=Rule('os-floating-ip-pools', ANYBODY))
    def index(self, context):
        return [{'name': name} for name in self.network.get_floating_ip_pools(context)]


class FloatingIps(wsgi.Resource):
    """Public addresses of a project."""

    path = '/os-floating-ips'

    def __init__(self):
        self.network = network_api.API()

    @wsgi.get(until='2.35', view=VIEW.many('floating_ips'),
              policy=Rule('os-floating-ips:list', READER, formerly='os-floating-ips'))
    def index(self, context):
        return self.network.get_floating_ips(context)

    @wsgi.get('/{ip_id}', until='2.35', view=VIEW.one('floating_ip'), errors=(exception.NotFound,),
              policy=Rule('os-floating-ips:show', READER, formerly='os-floating-ips'))
    def show(self, context, ip_id):
        return self.network.get_floating_ip(context, number('floating_ip_id', ip_id))

    @wsgi.post(until='2.35', body=BODY, success=200, view=VIEW.one('floating_ip'),
               errors={exception.QuotaError: 403, exception.NotFound: 404},
               policy=Rule('os-floating-ips:create', MEMBER, formerly='os-floating-ips'))
    def create(self, context, pool=None):
        return self.network.allocate_floating_ip(context, pool)

    @wsgi.delete('/{ip_id}', until='2.35', success=202, errors=(exception.NotFound, floating_ip.FloatingIpAssociated),
                 policy=Rule('os-floating-ips:delete', MEMBER, formerly='os-floating-ips'))
    def delete(self, context, ip_id):
        found = self.network.get_floating_ip(context, number('floating_ip_id', ip_id))
        self.network.release_floating_ip(context, found.address)


class FloatingIpsBulk(wsgi.Resource):
    """All floating addresses of the site."""

    path = '/os-floating-ips-bulk'

    def __init__(self):
        self.network = network_api.API()

    @wsgi.get(until='2.35', view=INFO.many('floating_ip_info'), policy=_BULK)
    def index(self, context):
        return self.network.get_floating_ips(context, all_projects=True)

    @wsgi.get('/{host}', until='2.35', view=INFO.many('floating_ip_info'), policy=_BULK, errors=(exception.NotFound,))
    def show(self, context, host):
        found = [each for each in self.network.get_floating_ips(context, all_projects=True) if each.host == host]
        if not found:
            raise exception.NotFound(f'Host {host} has no floating IPs')
        return found

    @wsgi.post(until='2.35', body=BULK, success=200, view=Plain('floating_ips_bulk_create', _MADE), policy=_BULK,
               errors=(exception.Invalid, exception.Conflict))
    def create(self, context, ip_range, pool=None, interface=None):
        pool, interface = pool or CONF.default_floating_pool, interface or CONF.public_interface
        self.network.create_floating_ips(context, ip_range, pool, interface)
        return {'ip_range': ip_range, 'pool': pool, 'interface': interface}

    @wsgi.put('/{verb}', until='2.35', body=RANGE, view=Plain('floating_ips_bulk_delete', {'type': 'string'}),
              policy=_BULK, errors=(exception.Invalid, exception.NotFound))
    def update(self, context, verb, ip_range):
        if verb != 'delete':
            raise Refused(NO_SUCH_URL, 404)
        for address in floating_ip.range_of(ip_range):
            self.network.delete_floating_ip(context, str(address))
        return ip_range
