# SPDX-License-Identifier: Apache-2.0
"""Rescue, and the administrator's password.  (/servers/{id}/action)"""

from nova import exception
from nova.api.openstack import microversions, wsgi
from nova.api.openstack.compute.servers.power import ERRORS
from nova.api.openstack.schema import ANY, Table, Text, Uuid
from nova.api.openstack.view import Plain, shape
from nova.compute import api as compute_api
from nova.conf import CONF
from nova.policy import MEMBER, Rule

RESCUE = Table(Text('adminPass', max=255, to='password'), Uuid('rescue_image_ref', to='image'), nullable=True)
#: Nothing where [api]enable_instance_password is off.
_ANSWER = shape(optional=('adminPass',), adminPass='string')
PASSWORD = Table(Text('adminPass', required=True, to='password'))


class Rescue(wsgi.Resource):
    """Ways back into a server whose own system does not let one in."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('rescue', body=RESCUE, success=200, view=Plain(None, _ANSWER), policy=Rule('os-rescue', MEMBER),
                 errors={**dict.fromkeys(ERRORS), exception.InstanceNotRescuable: 400, exception.ImageNotFound: 400,
                         exception.ImageNotActive: 400, exception.ImageNotAuthorized: 400})
    def rescue(self, context, server_id, minor, password=None, image=None):
        given = self.compute.rescue(context, self.compute.get(context, server_id), password, image,
                                    allow_bfv_rescue=minor >= microversions.minor('2.87'))
        return {'adminPass': given} if CONF.api.enable_instance_password else {}

    @wsgi.action('unrescue', body=ANY, policy=Rule('os-unrescue', MEMBER, formerly='os-rescue'), errors=ERRORS)
    def unrescue(self, context, server_id):
        self.compute.unrescue(context, self.compute.get(context, server_id))

    @wsgi.action('changePassword', body=PASSWORD, policy=Rule('os-admin-password', MEMBER),
                 errors={**dict.fromkeys(ERRORS), exception.ComputeServiceUnavailable: 409})
    def change_password(self, context, server_id, password):
        self.compute.set_admin_password(context, self.compute.get(context, server_id), password)
