# SPDX-License-Identifier: Apache-2.0
"""One fixed address.  (/os-fixed-ips, until 2.35)"""

import netaddr

from nova import exception, objects
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import ANY
from nova.api.openstack.view import Field, Table
from nova.policy import ADMIN, Rule

RULE = Rule('os-fixed-ips', ADMIN)
VIEW = Table(
    Field('address', lambda found: found['address'], type='string'),
    Field('cidr', lambda found: found['cidr'], type='string'),
    Field('host', lambda found: found['host'], type='string?'),
    Field('hostname', lambda found: found['hostname'], type='string?'),
    Field('reserved', lambda found: found['reserved'], since='2.4', type='boolean'),
)


def _find(context, address):
    if not netaddr.valid_ipv4(address) and not netaddr.valid_ipv6(address):
        raise Refused(f'address: {address!r} is no IP address.')
    return objects.FixedIP.get_by_address(context, address)


class FixedIps(wsgi.Resource):
    """Where an address is."""

    path = '/os-fixed-ips/{address}'

    @wsgi.get(until='2.35', view=VIEW.one('fixed_ip'), policy=RULE, errors=(exception.FixedIpNotFound,))
    def show(self, context, address):
        found = _find(context, address)
        server = None
        if found.instance_uuid:
            server = objects.Instance.get_by_uuid(context, found.instance_uuid)
        cidr = next((network.cidr for network in objects.NetworkList.get_all(context)
                     if network.id == found.network_id), None)
        return {'address': found.address, 'cidr': cidr, 'host': server.host if server else None,
                'hostname': server.hostname if server else None, 'reserved': found.reserved}

    @wsgi.action('reserve', until='2.35', body=ANY, policy=RULE, errors={exception.FixedIpNotFound: 404,
                                                                         exception.FixedIpAlreadyInUse: 400})
    def reserve(self, context, address):
        _find(context, address).reserve(True)

    @wsgi.action('unreserve', until='2.35', body=ANY, policy=RULE, errors=(exception.FixedIpNotFound,))
    def unreserve(self, context, address):
        _find(context, address).reserve(False)
