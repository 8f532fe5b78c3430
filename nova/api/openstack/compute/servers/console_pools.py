# SPDX-License-Identifier: Apache-2.0
"""Consoles of hypervisors that have a pool of console proxies.  (/servers/{id}/consoles)

XenServer was such a hypervisor.  No driver here has a pool, so no server has consoles of this kind: the list is empty,
and the answer to all else is that there is none.  /servers/{id}/remote-consoles is what serves every driver.
"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.schema import ANY
from nova.api.openstack.view import Field, Table
from nova.compute import api as compute_api
from nova.policy import ANYBODY, Rule


class ConsoleNotFound(exception.NotFound):
    msg_fmt = 'Instance %(server_id)s has no console %(console_id)s.'


class NoConsolePool(exception.NotFound):
    msg_fmt = ('The hypervisor of instance %(server_id)s has no pool of console proxies. Consoles are opened with '
               '/servers/{id}/remote-consoles.')


_CONSOLE = Table(Field('id', type='integer'), Field('console_type', type='string'),
                 *(Field(name, on='show', type='string') for name in ('password', 'instance_name', 'host')),
                 Field('port', on='show', type='integer'))
ITEM = Table(Field('console', lambda console: console, view=_CONSOLE))
_MISSING = (exception.InstanceNotFound, ConsoleNotFound)


class ConsolePools(wsgi.Resource):
    """Consoles out of a pool."""

    path = '/servers/{server_id}/consoles'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(view=ITEM.many('consoles'), policy=Rule('os-consoles:index', ANYBODY),
              errors=(exception.InstanceNotFound,))
    def index(self, context, server_id):
        """The server's consoles out of a pool: none."""
        self.compute.get(context, server_id)
        return []

    @wsgi.post(body=ANY, success=200, policy=Rule('os-consoles:create', ANYBODY),
               errors=(exception.InstanceNotFound, NoConsolePool))
    def create(self, context, server_id):
        """Ask the pool for a console."""
        self.compute.get(context, server_id)
        raise NoConsolePool(server_id=server_id)

    @wsgi.get('/{console_id}', view=_CONSOLE.one('console'), policy=Rule('os-consoles:show', ANYBODY), errors=_MISSING)
    def show(self, context, server_id, console_id):
        """How a console is reached."""
        self._refuse(context, server_id, console_id)

    @wsgi.delete('/{console_id}', success=202, policy=Rule('os-consoles:delete', ANYBODY), errors=_MISSING)
    def delete(self, context, server_id, console_id):
        """Give a console back to the pool."""
        self._refuse(context, server_id, console_id)

    def _refuse(self, context, server_id, console_id):
        self.compute.get(context, server_id)
        raise ConsoleNotFound(server_id=server_id, console_id=console_id[:50])
