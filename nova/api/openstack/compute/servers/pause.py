# SPDX-License-Identifier: Apache-2.0
"""Pausing, suspending and crashing servers.  (/servers/{id}/action)"""

from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.power import ERRORS
from nova.api.openstack.schema import ANY, Null, Value
from nova.compute import api as compute_api
from nova.policy import MEMBER, Rule


class Pause(wsgi.Resource):
    """What stops a guest for a while."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('pause', body=ANY, policy=Rule('os-pause-server:pause', MEMBER), errors=ERRORS)
    def pause(self, context, server_id):
        self.compute.pause(context, self.compute.get(context, server_id))

    @wsgi.action('unpause', body=ANY, policy=Rule('os-pause-server:unpause', MEMBER), errors=ERRORS)
    def unpause(self, context, server_id):
        self.compute.unpause(context, self.compute.get(context, server_id))

    @wsgi.action('suspend', body=ANY, policy=Rule('os-suspend-server:suspend', MEMBER), errors=ERRORS)
    def suspend(self, context, server_id):
        self.compute.suspend(context, self.compute.get(context, server_id))

    @wsgi.action('resume', body=ANY, policy=Rule('os-suspend-server:resume', MEMBER), errors=ERRORS)
    def resume(self, context, server_id):
        self.compute.resume(context, self.compute.get(context, server_id))

    @wsgi.action('trigger_crash_dump', since='2.17', body=Value(Null('trigger_crash_dump')),
                 policy=Rule('servers:trigger_crash_dump', MEMBER), errors=ERRORS)
    def trigger_crash_dump(self, context, server_id):
        self.compute.trigger_crash_dump(context, self.compute.get(context, server_id))
