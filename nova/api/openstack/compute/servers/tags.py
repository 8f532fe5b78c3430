# SPDX-License-Identifier: Apache-2.0
"""Tags of a server.  (/servers/{id}/tags)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import ANY, List, Table, Text
from nova.api.openstack.view import Plain
from nova.compute import api as compute_api
from nova.policy import MEMBER, READER, Rule

MOST = 50
TAG = Text(None, min=1, max=60, pattern='^[^,/]+$', says="text of 1 to 60 characters without '/' and ','")
BODY = Table(List('tags', TAG, max=MOST, required=True))
_TAGS = {'type': 'array', 'items': {'type': 'string'}}
_CHANGE = (exception.InstanceNotFound, exception.InstanceInvalidState)


class Tags(wsgi.Resource):
    """Short words that a server's users look for."""

    path = '/servers/{server_id}/tags'

    def __init__(self):
        self.compute = compute_api.API()

    def _server(self, context, server_id):
        return self.compute.get(context, server_id, with_=('tags',))

    @wsgi.get(since='2.26', view=Plain('tags', _TAGS), policy=Rule('os-server-tags:index', READER),
              errors=(exception.InstanceNotFound,))
    def index(self, context, server_id):
        return self._server(context, server_id).tags

    @wsgi.get('/{tag}', since='2.26', success=204, policy=Rule('os-server-tags:show', READER),
              errors=(exception.NotFound,))
    def show(self, context, server_id, tag):
        if tag not in self._server(context, server_id).tags:
            raise exception.NotFound(f'Server {server_id} has no tag {tag!r}')

    @wsgi.put(since='2.26', body=BODY, view=Plain('tags', _TAGS), policy=Rule('os-server-tags:update_all', MEMBER),
              errors=_CHANGE)
    def update_all(self, context, server_id, tags):
        return self.compute.set_tags(context, self._server(context, server_id), sorted(set(tags)))

    @wsgi.put('/{tag}', since='2.26', body=ANY, success=201, may=(204,), policy=Rule('os-server-tags:update', MEMBER),
              errors=_CHANGE)
    def update(self, context, server_id, tag):
        _check(tag)
        server = self._server(context, server_id)
        if tag in server.tags:
            return wsgi.Answer(status=204)
        if len(server.tags) >= MOST:
            raise Refused(f'tag: a server has at most {MOST} tags.')
        self.compute.set_tags(context, server, sorted({*server.tags, tag}))
        return wsgi.Answer(status=201, location=f'/servers/{server_id}/tags/{tag}')

    @wsgi.delete(since='2.26', policy=Rule('os-server-tags:delete_all', MEMBER), errors=_CHANGE)
    def delete_all(self, context, server_id):
        self.compute.set_tags(context, self._server(context, server_id), [])

    @wsgi.delete('/{tag}', since='2.26', policy=Rule('os-server-tags:delete', MEMBER),
                 errors=(exception.NotFound, *_CHANGE))
    def delete(self, context, server_id, tag):
        server = self._server(context, server_id)
        if tag not in server.tags:
            raise exception.NotFound(f'Server {server_id} has no tag {tag!r}')
        self.compute.set_tags(context, server, [other for other in server.tags if other != tag])


def _check(tag):
    """Raises Refused for what is no tag."""
    if not 1 <= len(tag) <= 60 or ',' in tag or '/' in tag:
        raise Refused(f"tag: {tag!r} is not text of 1 to 60 characters without '/' and ','.")
