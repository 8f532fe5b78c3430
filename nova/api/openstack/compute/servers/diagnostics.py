# SPDX-License-Identifier: Apache-2.0
"""What a guest uses.  (/servers/{id}/diagnostics)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.view import Plain
from nova.compute import api as compute_api
from nova.policy import ADMIN, Rule

RULE = Rule('os-server-diagnostics', ADMIN)
ERRORS = {exception.InstanceNotFound: None, exception.InstanceNotReady: None, exception.InstanceInvalidState: None,
          exception.ComputeServiceUnavailable: 409, exception.Unsupported: None}


class Diagnostics(wsgi.Resource):
    """Counters of a guest."""

    path = '/servers/{server_id}/diagnostics'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(until='2.47', view=Plain(), policy=RULE, errors=ERRORS)
    def flat(self, context, server_id):
        """In the words of the hypervisor's driver."""
        return self.compute.get_diagnostics(context, self.compute.get(context, server_id))

    @wsgi.get(since='2.48', view=Plain(), policy=RULE, errors=ERRORS)
    def standard(self, context, server_id):
        """In the form that is the same for all drivers."""
        return self.compute.get_instance_diagnostics(context, self.compute.get(context, server_id))
