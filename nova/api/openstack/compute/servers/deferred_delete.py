# SPDX-License-Identifier: Apache-2.0
"""Deletions that can be taken back for a while.  (/servers/{id}/action)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.power import ERRORS
from nova.api.openstack.schema import ANY
from nova.compute import api as compute_api
from nova.policy import MEMBER, Rule


class DeferredDelete(wsgi.Resource):
    """What may be done with a server that was put away."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('restore', body=ANY, policy=Rule('os-deferred-delete:restore', MEMBER),
                 errors={**dict.fromkeys(ERRORS), exception.QuotaError: 403})
    def restore(self, context, server_id):
        self.compute.restore(context, self.compute.get(context, server_id))

    @wsgi.action('forceDelete', body=ANY, policy=Rule('os-deferred-delete:force', MEMBER), errors=ERRORS)
    def force_delete(self, context, server_id):
        self.compute.force_delete(context, self.compute.get(context, server_id))
