# SPDX-License-Identifier: Apache-2.0
"""Images, seen through the Compute API.  (/images, until 2.35; their metadata until 2.38)"""

from nova import exception, image
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.snapshot import check_metadata
from nova.api.openstack.compute.servers.views import second
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Integer, Limit, Metadata, Prefix, Query, Table, Text
from nova.api.openstack.view import ABSENT, DETAIL, LINKS, MAP, SHOW, Field, Plain, shape
from nova.api.openstack.view import Table as View
from nova.objects.base import aware

_FULL = (DETAIL, SHOW)
#: status of the image service -> (status here, progress)
STATUSES = {'active': ('ACTIVE', 100), 'queued': ('SAVING', 25), 'saving': ('SAVING', 50), 'deleted': ('DELETED', 0),
            'pending_delete': ('DELETED', 0), 'killed': ('ERROR', 0)}
_UNKNOWN = ('UNKNOWN', 0)


def _status(found):
    return STATUSES.get(found.get('status'), _UNKNOWN)


def _moment(name):
    def get(found):
        value = found.get(name)
        if isinstance(value, str) or value is None:
            return value
        return second(value if value.tzinfo else aware(value))
    return get


def _disk_config(found):
    value = (found.get('properties') or {}).get('auto_disk_config')
    if value is None:
        return ABSENT
    return 'AUTO' if str(value).lower() in ('true', '1', 'yes', 'auto') else 'MANUAL'


def _server(found, request):
    uuid = (found.get('properties') or {}).get('instance_uuid')
    return {'id': uuid, 'links': request.links.item('servers', uuid)} if uuid else ABSENT


_SERVER = shape(id='string', links=LINKS)
VIEW = View(
    Field('id', lambda found: found['id'], type='string'),
    Field('name', lambda found: found.get('name'), type='string?'),
    Field('links', lambda found, request: request.links.image(found['id']), type=LINKS),
    Field('status', lambda found: _status(found)[0], on=_FULL, type='string'),
    Field('progress', lambda found: _status(found)[1], on=_FULL, type='integer'),
    Field('minDisk', lambda found: int(found.get('min_disk') or 0), on=_FULL, type='integer'),
    Field('minRam', lambda found: int(found.get('min_ram') or 0), on=_FULL, type='integer'),
    Field('created', _moment('created_at'), on=_FULL, type='string'),
    Field('updated', _moment('updated_at'), on=_FULL, type='string?'),
    Field('metadata', lambda found: found.get('properties') or {}, on=_FULL, type=MAP),
    Field('OS-EXT-IMG-SIZE:size', lambda found: int(found.get('size') or 0), on=_FULL, type='integer'),
    Field('OS-DCF:diskConfig', _disk_config, on=_FULL, type='string', optional=True),
    Field('server', _server, on=_FULL, type=_SERVER, optional=True),
)
QUERY = Query(
    Limit(), Integer('page_size', min=1), Text('marker', min=1), Text('name'), Text('status'), Text('server'),
    Text('type'), Integer('minRam'), Integer('minDisk'), Text('changes-since', to='changes_since'),
    Prefix('property-', to='properties'))
_MAP = {'type': 'object', 'additionalProperties': {'type': 'string'}}
BODY = Table(Metadata('metadata', required=True))
ITEM = Table(Metadata('meta', required=True, min=1, max=1))
_MISSING = (exception.ImageNotFound, exception.ImageNotAuthorized)
_CHANGE = {**dict.fromkeys(_MISSING), exception.Invalid: None, exception.QuotaError: 403}


class Images(wsgi.Resource):
    """What servers can be made from."""

    path = '/images'

    def __init__(self):
        self.image = image.API()

    def _list(self, context, limit, marker=None, properties=None, minRam=0, minDisk=0,     # noqa: N803
              changes_since=None, server=None, type=None, page_size=None, **filters):
        properties = dict(properties or {})
        if server:
            properties['instance_uuid'] = server.rstrip('/').rpartition('/')[2]
        if type:
            properties['image_type'] = type
        filters.update({f'property-{key}': value for key, value in properties.items()})
        if 'status' in filters:
            filters['status'] = filters['status'].lower()
        if changes_since:
            filters['changes-since'] = changes_since
        # Of images that are too small for a page the service would not know.
        least = bool(minRam or minDisk)
        found = self.image.get_all(context, filters=filters, limit=None if least else limit, marker=marker)
        return [one for one in found if int(one.get('min_ram') or 0) >= minRam
                and int(one.get('min_disk') or 0) >= minDisk][:limit]

    @wsgi.get(until='2.35', query=QUERY, view=VIEW.many('images', links='images_links', marker=lambda one: one['id']),
              errors=(exception.Invalid,))
    def index(self, context, **query):
        return self._list(context, **query)

    @wsgi.get('/detail', until='2.35', query=QUERY,
              view=VIEW.many('images', links='images_links', marker=lambda one: one['id']),
              errors=(exception.Invalid,))
    def detail(self, context, **query):
        return self._list(context, **query)

    @wsgi.get('/{image_id}', until='2.35', view=VIEW.one('image'), errors=_MISSING)
    def show(self, context, image_id):
        return self.image.get(context, image_id)

    @wsgi.delete('/{image_id}', until='2.35', errors=_MISSING)
    def delete(self, context, image_id):
        self.image.delete(context, image_id)


class ImageMetadata(wsgi.Resource):
    """Properties of an image."""

    path = '/images/{image_id}/metadata'

    def __init__(self):
        self.image = image.API()

    def _of(self, context, image_id):
        return dict(self.image.get(context, image_id).get('properties') or {})

    def _store(self, context, image_id, metadata, is_more=True):
        if is_more:
            check_metadata(context, metadata)
        found = self.image.update(context, image_id, {'properties': metadata}, purge_props=True)
        return dict(found.get('properties') or {})

    @wsgi.get(until='2.38', view=Plain('metadata', _MAP), errors=_MISSING)
    def index(self, context, image_id):
        return self._of(context, image_id)

    @wsgi.post(until='2.38', body=BODY, view=Plain('metadata', _MAP), errors=_CHANGE)
    def create(self, context, image_id, metadata):
        return self._store(context, image_id, {**self._of(context, image_id), **metadata})

    @wsgi.put(until='2.38', body=BODY, view=Plain('metadata', _MAP), errors=_CHANGE)
    def update_all(self, context, image_id, metadata):
        return self._store(context, image_id, metadata)

    @wsgi.get('/{key}', until='2.38', view=Plain('meta', _MAP), errors=(exception.NotFound, *_MISSING))
    def show(self, context, image_id, key):
        metadata = self._of(context, image_id)
        if key not in metadata:
            raise exception.NotFound(f'Image {image_id} has no metadata item {key}')
        return {key: metadata[key]}

    @wsgi.put('/{key}', until='2.38', body=ITEM, view=Plain('meta', _MAP), errors=_CHANGE)
    def update(self, context, image_id, key, meta):
        if key not in meta:
            raise Refused(f'meta: its key must be the one of the URL, {key!r}.')
        self._store(context, image_id, {**self._of(context, image_id), **meta})
        return meta

    @wsgi.delete('/{key}', until='2.38', errors=(exception.NotFound, *_MISSING))
    def delete(self, context, image_id, key):
        metadata = self._of(context, image_id)
        if key not in metadata:
            raise exception.NotFound(f'Image {image_id} has no metadata item {key}')
        del metadata[key]
        self._store(context, image_id, metadata, is_more=False)
