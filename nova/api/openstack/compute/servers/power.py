# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping and rebooting servers, and what their consoles say.  (/servers/{id}/action)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.schema import ANY, Integer, Raw, Table
from nova.api.openstack.view import Plain
from nova.compute import api as compute_api
from nova.policy import MEMBER, Rule

ERRORS = (exception.InstanceNotFound, exception.InstanceInvalidState, exception.InstanceIsLocked,
          exception.InstanceNotReady)
REBOOT = Table(Raw('type', {'enum': ['SOFT', 'Soft', 'soft', 'HARD', 'Hard', 'hard']}, required=True, to='kind',
                   convert=str.upper, says="'SOFT' or 'HARD'"))
LENGTH = Table(Integer('length', min=-1, nullable=True), nullable=True)


class Power(wsgi.Resource):
    """What may be done with a server's power."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('os-start', body=ANY, policy=Rule('servers:start', MEMBER), errors=ERRORS)
    def start(self, context, server_id):
        self.compute.start(context, self.compute.get(context, server_id))

    @wsgi.action('os-stop', body=ANY, policy=Rule('servers:stop', MEMBER), errors=ERRORS)
    def stop(self, context, server_id):
        self.compute.stop(context, self.compute.get(context, server_id))

    @wsgi.action('reboot', body=REBOOT, policy=Rule('servers:reboot', MEMBER), errors=ERRORS)
    def reboot(self, context, server_id, kind):
        self.compute.reboot(context, self.compute.get(context, server_id), kind)


class ConsoleOutput(wsgi.Resource):
    """What a guest wrote to its console."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('os-getConsoleOutput', body=LENGTH, success=200, view=Plain('output', {'type': 'string'}),
                 policy=Rule('os-console-output', MEMBER),
                 errors=(exception.InstanceNotFound, exception.InstanceNotReady, exception.ConsoleNotAvailable,
                         exception.ComputeServiceUnavailable, exception.Unsupported))
    def output(self, context, server_id, length=None):
        return self.compute.get_console_output(context, self.compute.get(context, server_id), length)
