# SPDX-License-Identifier: Apache-2.0
"""Nodes of the bare metal service.  (/os-baremetal-nodes, until 2.35)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import ANY
from nova.policy import ADMIN, Rule

RULE = Rule('os-baremetal-nodes', ADMIN)


class IronicMissing(exception.Unsupported):
    msg_fmt = 'There is no bare metal service here.'


class BaremetalNodes(wsgi.Resource):
    """Machines, where there is a bare metal service."""

    path = '/os-baremetal-nodes'

    @wsgi.get(until='2.35', policy=Rule('os-baremetal-nodes:list', ADMIN, formerly='os-baremetal-nodes'),
              errors=(IronicMissing,))
    def index(self, context):
        raise IronicMissing()

    @wsgi.get('/{node}', until='2.35', policy=Rule('os-baremetal-nodes:show', ADMIN, formerly='os-baremetal-nodes'),
              errors=(IronicMissing,))
    def show(self, context, node):
        raise IronicMissing()

    @wsgi.post(until='2.35', body=ANY, policy=RULE)
    def create(self, context):
        raise Refused('Nodes are made with the bare metal service.')

    @wsgi.delete('/{node}', until='2.35', policy=RULE)
    def delete(self, context, node):
        raise Refused('Nodes are removed with the bare metal service.')


class BaremetalInterfaces(wsgi.Resource):
    """Interfaces of machines."""

    path = '/os-baremetal-nodes/{node}'

    @wsgi.action('add_interface', until='2.35', body=ANY, policy=RULE)
    def add_interface(self, context, node):
        raise Refused('Interfaces are added with the bare metal service.')

    @wsgi.action('remove_interface', until='2.35', body=ANY, policy=RULE)
    def remove_interface(self, context, node):
        raise Refused('Interfaces are removed with the bare metal service.')
