# SPDX-License-Identifier: Apache-2.0
"""Shared file systems of a server.  (/servers/{id}/shares, from 2.97)"""

from nova import exception, share
from nova.api.openstack import wsgi
from nova.api.openstack.schema import Table, Text, Uuid
from nova.api.openstack.view import ABSENT, Field
from nova.api.openstack.view import Table as View
from nova.compute import api as compute_api
from nova.compute.verbs import shares
from nova.objects import share_mapping
from nova.policy import MEMBER, READER, Rule
from nova.share import api as share_api
from nova.share import record as share_record

_ONE = ('show', 'create')


def _for_admins(name):
    def get(mapping, request):
        return getattr(mapping, name) if request.context.is_admin else ABSENT
    return get


VIEW = View(
    Field('share_id', type='string'),
    Field('status', type={'enum': ['attaching', 'inactive', 'active', 'detaching', 'error']}),
    Field('tag', type='string'),
    Field('uuid', _for_admins('uuid'), on=_ONE, type='string', optional=True),
    Field('export_location', _for_admins('export_location'), on=_ONE, type='string', optional=True),
)
BODY = Table(Uuid('share_id', required=True),
             Text('tag', min=1, max=255, pattern=r'^[a-zA-Z0-9-]*\Z', says='1 to 255 letters, digits and -'),
             within='share')
_STATES = (exception.InstanceInvalidState, exception.InstanceIsLocked, exception.InstanceNotReady)
_MISSING = (exception.InstanceNotFound, share_mapping.ShareMappingNotFound)


class ServerShares(wsgi.Resource):
    """Shared file systems that a guest sees under a tag."""

    path = '/servers/{server_id}/shares'

    def __init__(self):
        self.compute = compute_api.API()
        self.shares = shares.Shares()

    @wsgi.get(since='2.97', view=VIEW.many('shares'), policy=Rule('os-server-shares:index', READER),
              errors=(exception.InstanceNotFound,))
    def index(self, context, server_id):
        """The server's shares."""
        return self.shares.get_all(context, self.compute.get(context, server_id))

    @wsgi.get('/{share_id}', since='2.97', view=VIEW.one('share'), policy=Rule('os-server-shares:show', READER),
              errors=_MISSING)
    def show(self, context, server_id, share_id):
        """One of the server's shares."""
        return self.shares.get(context, self.compute.get(context, server_id), share_id)

    @wsgi.post(since='2.97', body=BODY, success=201, view=VIEW.one('share'),
               policy=Rule('os-server-shares:create', MEMBER),
               errors=(*_STATES, exception.InstanceNotFound, share.SharesNotSupported, share.ShareNotFound,
                       share_api.ShareUnusable, share_mapping.ShareMappingAlreadyExists,
                       share_record.ShareServiceFailed))
    def create(self, context, server_id, share_id, tag=None):
        """Let a stopped server have a share when it starts."""
        return self.shares.attach(context, self.compute.get(context, server_id), share_id, tag or share_id)

    @wsgi.delete('/{share_id}', since='2.97', success=200, policy=Rule('os-server-shares:delete', MEMBER),
                 errors=(*_STATES, *_MISSING, exception.Conflict))
    def delete(self, context, server_id, share_id):
        """Take a share from a stopped server."""
        self.shares.detach(context, self.compute.get(context, server_id), share_id)
