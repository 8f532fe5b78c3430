# SPDX-License-Identifier: Apache-2.0
"""Locking servers, and what administrators say of them.  (/servers/{id}/action)"""

from nova import exception
from nova import policy as nova_policy
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.power import ERRORS
from nova.api.openstack.schema import ANY, Choice, Table, Text
from nova.compute import api as compute_api
from nova.policy import ADMIN, MEMBER, Rule

OVERRIDE = Rule('os-lock-server:unlock:unlock_override', ADMIN)
REASON = Table(Text('locked_reason', min=1, max=255, to='reason'), nullable=True)
STATE = Table(Choice('state', ('active', 'error'), required=True))


class Lock(wsgi.Resource):
    """Locks keep users from changing their servers by mistake."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('lock', until='2.72', body=ANY, policy=Rule('os-lock-server:lock', MEMBER),
                 errors=(exception.InstanceNotFound,))
    def lock(self, context, server_id):
        self.compute.lock(context, self.compute.get(context, server_id))

    @wsgi.action('lock', since='2.73', body=REASON, policy=Rule('os-lock-server:lock', MEMBER),
                 errors=(exception.InstanceNotFound,))
    def lock_with_reason(self, context, server_id, reason=None):
        self.compute.lock(context, self.compute.get(context, server_id), reason)

    @wsgi.action('unlock', body=ANY, policy=Rule('os-lock-server:unlock', MEMBER),
                 errors=(exception.InstanceNotFound, exception.NotAuthorized))
    def unlock(self, context, server_id):
        server = self.compute.get(context, server_id)
        if server.locked_by == 'admin':
            nova_policy.authorize(context, OVERRIDE, {'project_id': server.project_id})
        self.compute.unlock(context, server)


class AdminActions(wsgi.Resource):
    """What administrators say of a server."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('os-resetState', body=STATE, policy=Rule('os-admin-actions:reset_state', ADMIN),
                 errors=(exception.InstanceNotFound,))
    def reset_state(self, context, server_id, state):
        self.compute.reset_state(context, self.compute.get(context, server_id), error=state == 'error')

    @wsgi.action('resetNetwork', body=ANY, policy=Rule('os-admin-actions:reset_network', ADMIN), errors=ERRORS)
    def reset_network(self, context, server_id):
        self.compute.reset_network(context, self.compute.get(context, server_id))

    @wsgi.action('injectNetworkInfo', body=ANY, policy=Rule('os-admin-actions:inject_network_info', ADMIN),
                 errors=ERRORS)
    def inject_network_info(self, context, server_id):
        self.compute.inject_network_info(context, self.compute.get(context, server_id))
