# SPDX-License-Identifier: Apache-2.0
"""The password that a guest left, encrypted with its user's key.  (/servers/{id}/os-server-password)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.view import Plain
from nova.compute import api as compute_api
from nova.policy import MEMBER, READER, Rule


class ServerPassword(wsgi.Resource):
    """What the guest posted to the metadata service."""

    path = '/servers/{server_id}/os-server-password'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(view=Plain('password', {'type': 'string'}), policy=Rule('os-server-password:show', READER),
              errors=(exception.InstanceNotFound,))
    def index(self, context, server_id):
        return self.compute.get_password(context, self.compute.get(context, server_id))

    @wsgi.delete(policy=Rule('os-server-password:clear', MEMBER), errors=(exception.InstanceNotFound,))
    def clear(self, context, server_id):
        """Forget it here; the guest keeps it."""
        self.compute.clear_password(context, self.compute.get(context, server_id))
