# SPDX-License-Identifier: Apache-2.0
"""/image/v2: the Image API over the local store.  What is not part of it lives in `nova.image`."""

import urllib.parse

import webob
from oslo_log import log as logging

from nova import conf, exception, image
from nova.api.standalone import image_views as views
from nova.api.standalone import routing
from nova.api.standalone.routing import Route
from nova.image import formats, local
from nova.image import record as image_record

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_VERSIONS = ('2.16', '2.15', '2.9', '2.7', '2.6', '2.5', '2.4', '2.3', '2.2', '2.1', '2.0')
_PAGE, _MAX_PAGE = 25, 1000
_IMPORT_METHODS = {'import-methods': {'description': 'Import methods available.', 'type': 'array',
                                      'value': ['glance-direct']}}


class BadUpload(exception.Invalid):
    msg_fmt = 'The upload ended after %(got)d of %(wanted)d bytes.'


def _fault(status, title, message, name):
    return {'code': status, 'title': title, 'message': message}


class ImageDoor:
    """The handlers; `store` is a `nova.image.local.LocalStore`, or None for the configured one."""

    def __init__(self, store=None):
        self._store = store

    @property
    def store(self):
        if self._store is None:
            backend = image.API().backend
            if not isinstance(backend, local.LocalStore):
                raise exception.NotFound('The images of this site are in another service, see the catalog.')
            self._store = backend
        return self._store

    # Versions and descriptions

    def versions(self, call):
        link = [{'rel': 'self', 'href': f'{call.url}/v2/'}]
        return {'versions': [{'id': f'v{version}', 'status': 'SUPPORTED' if at else 'CURRENT', 'links': link}
                             for at, version in enumerate(_VERSIONS)]}

    def schema(self, call, name):
        schemas = {'image': views.IMAGE_SCHEMA, 'images': views.list_schema('images', views.IMAGE_SCHEMA),
                   'member': views.MEMBER_SCHEMA, 'members': views.list_schema('members', views.MEMBER_SCHEMA)}
        if name not in schemas:
            raise exception.NotFound(f'There is no schema {name}.')
        return schemas[name]

    def import_info(self, call):
        return _IMPORT_METHODS

    def stores(self, call):
        return {'stores': [{'id': 'local', 'default': 'true', 'description': 'Files of this site'}]}

    def namespaces(self, call):
        return {'namespaces': [], 'first': '/v2/metadefs/namespaces', 'schema': '/v2/schemas/metadefs/namespaces'}

    # Images

    def list(self, call):
        limit, marker = call.paging(_MAX_PAGE, _PAGE)
        filters, keys, dirs = views.selection(call.req.GET)
        found = self.store.list(call.context, filters, keys, dirs, limit + 1, marker)
        query = [(name, value) for name, value in call.req.GET.items() if name != 'marker']
        body = {'images': [views.image_view(record) for record in found[:limit]], 'schema': '/v2/schemas/images',
                'first': self._page(query)}
        if len(found) > limit > 0:
            body['next'] = self._page([*query, ('marker', found[limit - 1]['id'])])
        return body

    @staticmethod
    def _page(query):
        return '/v2/images' + (f'?{urllib.parse.urlencode(query)}' if query else '')

    def create(self, call):
        call.require_role(*routing.WRITERS)
        record = self.store.create(call.context, views.given_in(call.body))
        path = f'/v2/images/{record["id"]}'
        return routing.answer(views.image_view(record), 201, {
            'Location': f'{call.url}{path}', 'OpenStack-image-import-methods': 'glance-direct'})

    def show(self, call, image_id):
        return views.image_view(self.store.show(call.context, image_id))

    def update(self, call, image_id):
        call.require_role(*routing.WRITERS)
        if call.req.content_type not in views.PATCH_TYPES:
            raise routing.UnsupportedMediaType(type=call.req.content_type)
        record = self.store.show(call.context, image_id)
        given = views.patched(record, call.json())
        return views.image_view(self.store.update(call.context, image_id, given, purge_properties=True))

    def delete(self, call, image_id):
        call.require_role(*routing.WRITERS)
        self.store.delete(call.context, image_id)

    # Content

    def upload(self, call, image_id):
        self._take_content(call, image_id, staged=False)

    def stage(self, call, image_id):
        self._take_content(call, image_id, staged=True)

    def _take_content(self, call, image_id, staged):
        call.require_role(*routing.WRITERS)
        if call.req.content_type != 'application/octet-stream':
            raise routing.UnsupportedMediaType(type=call.req.content_type)
        try:
            self.store.upload(call.context, image_id, _content(call.req), staged)
        except OSError as exc:
            # The store's disk, or the client's connection.  The one is for the operator, the other for nobody.
            LOG.warning('Upload of image %s ended early: %s', image_id, exc)
            raise exception.Unavailable(reason=f'the content could not be stored: {exc}') from exc

    def finish_import(self, call, image_id):
        call.require_role(*routing.WRITERS)
        method = call.object('method').get('name')
        if method != 'glance-direct':
            raise exception.InvalidInput(reason=f'method.name: {method!r} is not glance-direct.')
        self.store.finish_import(call.context, image_id)
        return routing.answer(None, 202)

    def download(self, call, image_id):
        record = self.store.show(call.context, image_id)
        if record['status'] == 'deactivated':
            raise exception.ImageNotAuthorized(f'Image {image_id} is deactivated.')
        if record['status'] != 'active':
            return routing.answer(None, 204)
        content = self.store.download(call.context, image_id)
        response = webob.Response(app_iter=content, content_type='application/octet-stream')
        response.content_length = record['size']
        response.headers['Content-MD5'] = record['checksum']
        return response

    def deactivate(self, call, image_id):
        self.store.set_downloadable(call.context, image_id, False)

    def reactivate(self, call, image_id):
        self.store.set_downloadable(call.context, image_id, True)

    # Tags and members

    def add_tag(self, call, image_id, tag):
        self._change_tags(call, image_id, lambda tags: {*tags, tag})

    def remove_tag(self, call, image_id, tag):
        if tag not in self.store.show(call.context, image_id)['tags']:
            raise exception.NotFound(f'The image has no tag {tag}.')
        self._change_tags(call, image_id, lambda tags: {*tags} - {tag})

    def _change_tags(self, call, image_id, change):
        call.require_role(*routing.WRITERS)
        tags = self.store.show(call.context, image_id)['tags']
        self.store.update(call.context, image_id, {'tags': sorted(change(tags))})

    def _members(self, call, image_id):
        """The image, and those of its members whom the caller may know of."""
        record = self.store.show(call.context, image_id)
        if record['visibility'] == 'public':
            raise exception.ImageNotAuthorized('Public images do not have members.')
        if image_record.changeable(call.context, record):
            return record, sorted(record['members'])
        return record, [project for project in record['members'] if project == call.context.project_id]

    def list_members(self, call, image_id):
        record, members = self._members(call, image_id)
        return {'members': [views.member_view(record, project) for project in members],
                'schema': '/v2/schemas/members'}

    def show_member(self, call, image_id, project_id):
        record, members = self._members(call, image_id)
        if project_id not in members:
            raise exception.NotFound(f'{project_id} is not a member of image {image_id}.')
        return views.member_view(record, project_id)

    def add_member(self, call, image_id):
        call.require_role(*routing.WRITERS)
        project_id = call.body.get('member')
        if not isinstance(project_id, str) or not 0 < len(project_id) <= 255:
            raise exception.InvalidInput(reason='member: the id of a project is needed.')
        record = self.store.show(call.context, image_id)
        if record['visibility'] != 'shared':
            raise exception.ImageNotAuthorized('Only shared images have members.')
        if project_id in record['members']:
            raise exception.Conflict(reason=f'{project_id} is a member of image {image_id} already.')
        return self._set_member(call, image_id, project_id, 'pending')

    def update_member(self, call, image_id, project_id):
        call.require_role(*routing.WRITERS)
        status = call.body.get('status')
        if status not in image_record.MEMBER_STATUSES:
            raise exception.InvalidInput(
                reason=f'status: {status!r} is not one of {", ".join(image_record.MEMBER_STATUSES)}.')
        self.show_member(call, image_id, project_id)
        if project_id != call.context.project_id and not call.context.is_admin:
            raise exception.ImageNotAuthorized('A member answers for itself.')
        return self._set_member(call, image_id, project_id, status)

    def _set_member(self, call, image_id, project_id, status):
        self.store.set_member(call.context, image_id, project_id, status)
        return views.member_view(self.store.show(call.context, image_id), project_id)

    def remove_member(self, call, image_id, project_id):
        call.require_role(*routing.WRITERS)
        self.show_member(call, image_id, project_id)
        self.store.set_member(call.context, image_id, project_id, None)

    def tasks(self, call, image_id):
        """Content is taken while the request waits: there are none."""
        self.store.show(call.context, image_id)
        return {'tasks': []}

    def routes(self):
        one = '/v2/images/{image_id}'
        yield Route('GET', '/?', self.versions, 300, public=True)
        yield Route('GET', '/versions', self.versions, public=True)
        yield Route('GET', '/v2', self.versions, 300, public=True)
        yield Route('GET', '/v2/schemas/{name}', self.schema)
        yield Route('GET', '/v2/info/import', self.import_info)
        yield Route('GET', '/v2/info/stores', self.stores)
        yield Route('GET', '/v2/metadefs/namespaces', self.namespaces)
        yield Route('GET', '/v2/images', self.list)
        yield Route('POST', '/v2/images', self.create, 201)
        yield Route('GET', one, self.show)
        yield Route('PATCH', one, self.update)
        yield Route('DELETE', one, self.delete, 204)
        yield Route('GET', f'{one}/tasks', self.tasks)
        yield Route('PUT', f'{one}/file', self.upload, 204)
        yield Route('GET', f'{one}/file', self.download)
        yield Route('PUT', f'{one}/stage', self.stage, 204)
        yield Route('POST', f'{one}/import', self.finish_import, 202)
        yield Route('POST', f'{one}/actions/deactivate', self.deactivate, 204)
        yield Route('POST', f'{one}/actions/reactivate', self.reactivate, 204)
        yield Route('PUT', f'{one}/tags/{{tag}}', self.add_tag, 204)
        yield Route('DELETE', f'{one}/tags/{{tag}}', self.remove_tag, 204)
        yield Route('GET', f'{one}/members', self.list_members)
        yield Route('POST', f'{one}/members', self.add_member)
        yield Route('GET', f'{one}/members/{{project_id}}', self.show_member)
        yield Route('PUT', f'{one}/members/{{project_id}}', self.update_member)
        yield Route('DELETE', f'{one}/members/{{project_id}}', self.remove_member, 204)


def _content(req):
    """The body as it arrives, in pieces; never more of it in memory than one.

    :raises BadUpload: it is shorter than was announced.
    """
    source, wanted, got = req.environ['wsgi.input'], req.content_length, 0
    while wanted is None or got < wanted:
        chunk = source.read(formats.CHUNK if wanted is None else min(formats.CHUNK, wanted - got))
        if not chunk:
            break
        got += len(chunk)
        yield chunk
    if wanted is not None and got < wanted:
        raise BadUpload(got=got, wanted=wanted)


def application(store=None):
    """The WSGI application of this door."""
    return routing.Door(list(ImageDoor(store).routes()), _fault)
