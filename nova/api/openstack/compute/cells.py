# SPDX-License-Identifier: Apache-2.0
"""Cells of version 1, which are not offered: every route says so.  (/os-cells)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.schema import ANY
from nova.policy import ADMIN, Rule

RULE = Rule('os-cells', ADMIN)
_NONE = 'Cells of version 1 are not enabled. Cells are managed with nova-manage cell_v2.'


class CellsUnsupported(exception.Unsupported):
    msg_fmt = _NONE


class Cells(wsgi.Resource):
    """What was once cells."""

    path = '/os-cells'

    @wsgi.get(policy=RULE, errors=(CellsUnsupported,))
    def index(self, context):
        raise CellsUnsupported()

    @wsgi.get('/{cell}', policy=RULE, errors=(CellsUnsupported,))
    def show(self, context, cell):
        raise CellsUnsupported()

    @wsgi.get('/{cell}/capacities', policy=RULE, errors=(CellsUnsupported,))
    def capacities(self, context, cell):
        raise CellsUnsupported()

    @wsgi.post(body=ANY, success=200, policy=Rule('os-cells:create', ADMIN), errors=(CellsUnsupported,))
    def create(self, context):
        raise CellsUnsupported()

    @wsgi.post('/sync_instances', body=ANY, success=200, policy=Rule('os-cells:sync_instances', ADMIN),
               errors=(CellsUnsupported,))
    def sync(self, context):
        raise CellsUnsupported()

    @wsgi.put('/{cell}', body=ANY, policy=Rule('os-cells:update', ADMIN), errors=(CellsUnsupported,))
    def update(self, context, cell):
        raise CellsUnsupported()

    @wsgi.delete('/{cell}', success=200, policy=Rule('os-cells:delete', ADMIN), errors=(CellsUnsupported,))
    def delete(self, context, cell):
        raise CellsUnsupported()
