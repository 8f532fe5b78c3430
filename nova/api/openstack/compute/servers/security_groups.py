# SPDX-License-Identifier: Apache-2.0
"""Security groups of a server.  (/servers/{id}/os-security-groups, addSecurityGroup, removeSecurityGroup)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.compute.security_groups import VIEW, with_sources
from nova.api.openstack.schema import Name, Table
from nova.compute import api as compute_api
from nova.policy import MEMBER, READER, Rule

BODY = Table(Name('name', required=True))
FAILS = {exception.InstanceNotFound: 404, exception.SecurityGroupNotFound: 404, exception.Invalid: 400,
         exception.InstanceInvalidState: 409}


class ServerSecurityGroups(wsgi.Resource):
    """What holds for a server."""

    path = '/servers/{server_id}/os-security-groups'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(view=VIEW.many('security_groups'), errors=(exception.InstanceNotFound,),
              policy=Rule('os-security-groups:list', READER, formerly='os-security-groups'))
    def index(self, context, server_id):
        server = self.compute.get(context, server_id)
        return with_sources(context, self.compute.network.security_groups.of_server(context, server))


class SecurityGroupActions(wsgi.Resource):
    """What changes that."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('addSecurityGroup', body=BODY, errors=FAILS,
                 policy=Rule('os-security-groups:add', MEMBER, formerly='os-security-groups'))
    def add(self, context, server_id, name):
        self.compute.network.security_groups.add_to_server(context, self.compute.get(context, server_id), name)

    @wsgi.action('removeSecurityGroup', body=BODY, errors=FAILS,
                 policy=Rule('os-security-groups:remove', MEMBER, formerly='os-security-groups'))
    def remove(self, context, server_id, name):
        self.compute.network.security_groups.remove_from_server(context, self.compute.get(context, server_id), name)
