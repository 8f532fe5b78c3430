# SPDX-License-Identifier: Apache-2.0
"""How a server lies on the memory and CPUs of its host.  (/servers/{id}/topology)"""

from nova import exception
from nova import policy as nova_policy
from nova.api.openstack import wsgi
from nova.api.openstack.view import Plain, many, schema_of, shape
from nova.compute import api as compute_api
from nova.policy import ADMIN, READER, Rule

HOST = Rule('compute:server:topology:host:index', ADMIN)

_PINS = {'type': 'object', 'additionalProperties': {'type': 'integer'}}
_ANSWER = shape(pagesize_kb='integer?', nodes=many(shape(
    optional=('host_node', 'cpu_pinning'), vcpu_set='integer*', siblings=many(schema_of('integer*')),
    memory_mb='integer', host_node='integer', cpu_pinning=_PINS)))


class Topology(wsgi.Resource):
    """NUMA cells of a server."""

    path = '/servers/{server_id}/topology'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(since='2.78', view=Plain(None, _ANSWER), policy=Rule('compute:server:topology:index', READER),
              errors=(exception.InstanceNotFound,))
    def index(self, context, server_id):
        server = self.compute.get(context, server_id)
        shows_host = nova_policy.check(context, HOST)
        cells = self.compute.get_topology(context, server)
        return {'nodes': [_cell(cell, shows_host) for cell in cells['nodes']], 'pagesize_kb': cells['pagesize_kb']}


def _cell(cell, shows_host):
    return {name: value for name, value in cell.items() if shows_host or name not in ('host_node', 'cpu_pinning')}
