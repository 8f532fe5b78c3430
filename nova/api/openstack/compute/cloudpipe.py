# SPDX-License-Identifier: Apache-2.0
"""VPN servers of projects.  (/os-cloudpipe)"""

from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.resource import CREATE_ERRORS
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Integer, Ip, ProjectId, Table
from nova.api.openstack.view import Plain
from nova.compute import cloudpipe
from nova.policy import ADMIN, Rule

RULE = Rule('os-cloudpipe', ADMIN)
CREATE = Table(ProjectId('project_id'), within='cloudpipe')
CONFIGURE = Table(Ip('vpn_ip', required=True), Integer('vpn_port', min=0, max=65535, required=True),
                  within='configure_project')
_TEXT = {'type': 'string'}
_PIPE = {'type': 'object', 'required': ['project_id', 'state'], 'properties': {
    **dict.fromkeys(('project_id', 'instance_id', 'created_at', 'internal_ip', 'public_ip'), _TEXT),
    'public_port': {'type': 'integer'}, 'state': {'enum': ['invalid', 'running', 'down', 'pending']}}}


class CloudpipeServers(wsgi.Resource):
    """Ways into the networks of projects."""

    path = '/os-cloudpipe'

    def __init__(self):
        self.cloudpipe = cloudpipe.Cloudpipe()

    @wsgi.get(view=Plain('cloudpipes', {'type': 'array', 'items': _PIPE}), policy=RULE)
    def index(self, context):
        """The VPN servers of all projects."""
        return self.cloudpipe.describe(context)

    @wsgi.post(body=CREATE, success=200, view=Plain('instance_id', _TEXT), policy=RULE,
               errors={**CREATE_ERRORS, cloudpipe.CloudpipeUnavailable: 400})
    def create(self, context, project_id=None):
        """The VPN server of a project (the caller's unless named), made if there is none."""
        return self.cloudpipe.launch(context, project_id).uuid

    @wsgi.put('/{what}', body=CONFIGURE, success=202, policy=RULE, errors=(cloudpipe.CloudpipeUnavailable,))
    def update(self, context, what, vpn_ip, vpn_port):
        """Say where the VPN of the caller's project is reached: `configure-project`."""
        if what != 'configure-project':
            raise Refused(f'{what[:50]!r} is not known here. Known is configure-project.')
        self.cloudpipe.configure(context, vpn_ip, vpn_port)
