# SPDX-License-Identifier: Apache-2.0
"""/volume/v3: the Block Storage API 3.0 over the local volumes.  What is not part of it lives in `nova.volume`."""

import urllib.parse

from nova import exception, volume
from nova.api.standalone import routing
from nova.api.standalone import volume_views as views
from nova.api.standalone.routing import Route
from nova.conf import CONF

_VERSION = '3.0'
_UPDATED = '2018-07-17T00:00:00Z'
_MEDIA = [{'base': 'application/json', 'type': 'application/vnd.openstack.volume+json;version=3'}]
_FAULTS = {400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'itemNotFound', 405: 'badMethod',
           409: 'conflictingRequest', 413: 'overLimit', 415: 'badMediaType', 501: 'notImplemented',
           503: 'serviceUnavailable'}
#: What an administrator may say of a volume that got stuck.
_STATUSES = ('available', 'error', 'creating', 'deleting', 'in-use', 'reserved', 'detaching', 'uploading')
_SNAPSHOT_STATUSES = ('available', 'error', 'creating', 'deleting')


class NotAcceptable(exception.Invalid):
    msg_fmt = 'Version %(version)s is not supported by the API. Minimum is 3.0 and maximum is 3.0.'
    status = 406


def _fault(status, title, message, name):
    return {_FAULTS.get(status, 'computeFault'): {'code': status, 'message': message}}


def _in_version(handler):
    """The handler, for requests in the one version there is."""
    def run(call, **arguments):
        for asked in call.req.headers.get('OpenStack-API-Version', '').split(','):
            service, _space, wanted = asked.strip().partition(' ')
            if service == 'volume' and wanted not in (_VERSION, 'latest'):
                raise NotAcceptable(version=wanted)
        return handler(call, **arguments)
    return run


class _Metadata:
    """The handlers of what is said of volumes, or of snapshots.

    :param get, update: names of the methods of the door's store.
    """

    def __init__(self, door, get, update):
        self.door, self.get, self.update = door, get, update

    def _get(self, context, item_id):
        return getattr(self.door.store, self.get)(context, item_id)

    def _keep(self, call, item_id, metadata):
        update = getattr(self.door.store, self.update)
        return update(call.context, item_id, {'metadata': metadata}).metadata

    def _known(self, call, item_id, key):
        found = self._get(call.context, item_id).metadata
        if key not in found:
            raise exception.NotFound(f'{item_id} has no metadata {key}.')
        return dict(found)

    def show(self, call, item_id):
        return {'metadata': self._get(call.context, item_id).metadata}

    def change(self, call, item_id):
        call.require_role(*routing.WRITERS)
        before = self._get(call.context, item_id).metadata
        return {'metadata': self._keep(call, item_id, {**before, **views.metadata_in(call.body)})}

    def replace(self, call, item_id):
        call.require_role(*routing.WRITERS)
        return {'metadata': self._keep(call, item_id, views.metadata_in(call.body))}

    def show_one(self, call, item_id, key):
        return {'meta': {key: self._known(call, item_id, key)[key]}}

    def change_one(self, call, item_id, key):
        call.require_role(*routing.WRITERS)
        given = views.metadata_in(call.body, 'meta')
        if list(given) != [key]:
            raise exception.InvalidInput(reason=f'meta: {key}, and nothing else, is needed.')
        return {'meta': {key: self._keep(call, item_id, {**self._get(call.context, item_id).metadata, **given})[key]}}

    def delete_one(self, call, item_id, key):
        call.require_role(*routing.WRITERS)
        found = self._known(call, item_id, key)
        del found[key]
        self._keep(call, item_id, found)

    def routes(self, path):
        """(method, path, handler, status) for the metadata of what is at a path."""
        for method, rest, handler in (
                ('GET', '', self.show), ('POST', '', self.change), ('PUT', '', self.replace),
                ('GET', '/{key}', self.show_one), ('PUT', '/{key}', self.change_one),
                ('DELETE', '/{key}', self.delete_one)):
            yield method, f'{path}/{{item_id}}/metadata{rest}', handler, 200


class VolumeDoor:
    """The handlers."""

    def __init__(self, api=None):
        self._api = api or volume.API()

    @property
    def store(self):
        if not self._api.is_local:
            raise exception.NotFound('The volumes of this site are in another service, see the catalog.')
        return self._api.backend

    # What there is ----------------------------------------------------------------------------------------------------

    def versions(self, call):
        return {'versions': [{'id': 'v3.0', 'status': 'CURRENT', 'version': _VERSION, 'min_version': _VERSION,
                              'updated': _UPDATED, 'media-types': _MEDIA,
                              'links': [{'rel': 'self', 'href': f'{call.url}/v3/'}]}]}

    def types(self, call):
        return {'volume_types': [views.TYPE]}

    def type(self, call, type_id):
        if type_id not in (views.TYPE['id'], views.TYPE['name'], 'default'):
            raise exception.NotFound(f'Volume type {type_id} could not be found.')
        return {'volume_type': views.TYPE}

    def encryption(self, call, type_id):
        """Nothing: volumes of this kind are not encrypted."""
        self.type(call, type_id)
        return {}

    def zones(self, call):
        return {'availabilityZoneInfo': [{'zoneName': CONF.default_availability_zone,
                                          'zoneState': {'available': True}}]}

    def nothing(self, name):
        """A handler of a list that is always empty."""
        return lambda call: {name: []}

    def limits(self, call):
        return views.limits_view(self._volumes(call), self._snapshots(call))

    def quotas(self, call, project_id):
        self._require_sight(call, project_id)
        volumes = [each for each in views.volumes_of(call.context, True) if each.project_id == project_id]
        snapshots = [each for each in self.store.get_all_snapshots(call.context, True) if each.project_id == project_id]
        return views.quota_view(project_id, volumes, snapshots, views.flag_in(call.req.GET, 'usage'))

    def default_quotas(self, call, project_id):
        self._require_sight(call, project_id)
        return views.quota_view(project_id)

    @staticmethod
    def _require_sight(call, project_id):
        if not call.context.can_see(project_id):
            raise exception.NotAuthorized()

    # Volumes ----------------------------------------------------------------------------------------------------------

    @staticmethod
    def _wants_all_projects(call):
        wanted = call.req.GET.get('all_tenants', '').lower() in ('1', 'true')
        if wanted:
            call.require_role('admin')
        return wanted

    def _volumes(self, call):
        return self.store.get_all(call.context, self._wants_all_projects(call))

    def list(self, call):
        return self._listed(call, 'volumes', self._shown(call), ('id', 'name', 'links'))

    def list_detail(self, call):
        return self._listed(call, 'volumes', self._shown(call))

    def _shown(self, call):
        return [views.volume_view(call, each) for each in self._volumes(call)]

    @staticmethod
    def _listed(call, name, shown, fields=None):
        """A page of a list, with a link to the next one."""
        limit, marker = call.paging()
        offset = routing.whole_number('offset', call.req.GET.get('offset', 0))
        found, more = views.page(views.selected(shown, call.req.GET), limit, marker, offset)
        body = {name: [{key: view[key] for key in fields} for view in found] if fields else found}
        if more and found:
            query = [(key, value) for key, value in call.req.GET.items() if key not in ('marker', 'offset')]
            following = urllib.parse.urlencode([*query, ('marker', found[-1]['id'])])
            body[f'{name}_links'] = [{'rel': 'next', 'href': f'{call.url}{call.req.path_info}?{following}'}]
        return body

    def create(self, call):
        call.require_role(*routing.WRITERS)
        given = call.object('volume')
        sources = [name for name in ('snapshot_id', 'source_volid', 'imageRef') if given.get(name)]
        if len(sources) > 1:
            raise exception.InvalidInput(reason=f'{" and ".join(sources)}: a volume has one source.')
        for name, known in (('volume_type', (views.TYPE['name'], views.TYPE['id'])),
                            ('availability_zone', (CONF.default_availability_zone,))):
            if (views.text_in(given, name) or known[0]) not in known:
                raise exception.InvalidInput(reason=f'{name}: there is no {given[name]}.')
        made = self.store.create(
            call.context, views.size_in(given, 'size', required=not sources or sources == ['imageRef']),
            views.text_in(given, 'name', 'display_name'), views.text_in(given, 'description', 'display_description'),
            snapshot_id=views.text_in(given, 'snapshot_id'), image_id=views.text_in(given, 'imageRef'),
            volume_type=views.TYPE['name'], metadata=views.metadata_in(given),
            multiattach=views.flag_in(given, 'multiattach'),
            source_volume_id=views.text_in(given, 'source_volid'))
        return {'volume': views.made_view(call, made)}

    def show(self, call, volume_id):
        return {'volume': views.volume_view(call, self.store.get(call.context, volume_id))}

    def update(self, call, volume_id):
        call.require_role(*routing.WRITERS)
        given = call.object('volume')
        values = {name: views.text_in(given, name, f'display_{name}') for name in ('name', 'description')
                  if name in given or f'display_{name}' in given}
        if 'metadata' in given:
            values['metadata'] = views.metadata_in(given)
        return {'volume': views.volume_view(call, self.store.update(call.context, volume_id, values))}

    def delete(self, call, volume_id):
        call.require_role(*routing.WRITERS)
        if views.flag_in(call.req.GET, 'cascade'):
            self.store.get(call.context, volume_id)
            for each in self.store.get_all_snapshots(call.context, call.context.is_admin):
                if each.volume_id == volume_id:
                    self.store.delete_snapshot(call.context, each.id)
        self.store.delete(call.context, volume_id)

    # What is done to them ---------------------------------------------------------------------------------------------

    def act(self, call, volume_id):
        call.require_role(*routing.WRITERS)
        body = call.body
        name = next(iter(body), None)
        action = self.ACTIONS.get(name)
        if len(body) != 1 or action is None:
            raise exception.InvalidInput(reason=f'there is no action {name}.')
        return action(self, call, volume_id, body[name] if isinstance(body[name], dict) else {})

    def _extend(self, call, volume_id, given):
        self.store.extend(call.context, volume_id, views.size_in(given, 'new_size'))
        return routing.answer(status=202)

    def _set_bootable(self, call, volume_id, given):
        self.store.update(call.context, volume_id, {'bootable': views.flag_in(given, 'bootable')})
        return routing.answer(status=200)

    def _reset(self, call, volume_id, given):
        call.require_role('admin')
        self.store.update(call.context, volume_id, {'status': views.status_in(given, _STATUSES)})
        return routing.answer(status=202)

    def _set_read_only(self, call, volume_id, given):
        if not isinstance(given.get('readonly'), bool):
            raise exception.InvalidInput(reason='readonly: true or false is needed.')
        self.store.set_read_only(call.context, volume_id, given['readonly'])
        return routing.answer(status=202)

    def _upload_image(self, call, volume_id, given):
        name = views.text_in(given, 'image_name')
        if not name:
            raise exception.InvalidInput(reason='image_name: a text is needed.')
        for later in ('visibility', 'protected'):
            if later in given:
                raise exception.InvalidInput(reason=f'{later}: this is known from 3.1 on, and this is {_VERSION}.')
        return routing.answer(views.upload_view(*self.store.upload(
            call.context, volume_id, name, views.text_in(given, 'disk_format') or 'raw',
            views.text_in(given, 'container_format') or 'bare', views.flag_in(given, 'force'))), 202)

    def _show_image_metadata(self, call, volume_id, given):
        return routing.answer({'metadata': views.image_metadata(self.store.get(call.context, volume_id))})

    def _set_image_metadata(self, call, volume_id, given):
        before = views.image_metadata(self.store.get(call.context, volume_id))
        return self._keep_image_metadata(call, volume_id, {**before, **views.metadata_in(given)})

    def _unset_image_metadata(self, call, volume_id, given):
        found = views.image_metadata(self.store.get(call.context, volume_id))
        key = views.text_in(given, 'key')
        if key not in found:
            raise exception.NotFound(f'Volume {volume_id} has no image metadata {key}.')
        del found[key]
        return self._keep_image_metadata(call, volume_id, found)

    def _keep_image_metadata(self, call, volume_id, shown):
        self.store.update(call.context, volume_id, {'image_metadata': views.kept_image_metadata(shown)})
        return routing.answer({'metadata': shown})

    def _force_delete(self, call, volume_id, given):
        call.require_role('admin')
        found = self.store.get(call.context, volume_id)
        if not found.attachments:
            self.store.update(call.context, volume_id, {'status': 'error'})
        self.store.delete(call.context, volume_id)
        return routing.answer(status=202)

    ACTIONS = {'os-extend': _extend, 'os-set_bootable': _set_bootable, 'os-reset_status': _reset,
               'os-force_delete': _force_delete, 'os-update_readonly_flag': _set_read_only,
               'os-volume_upload_image': _upload_image, 'os-show_image_metadata': _show_image_metadata,
               'os-set_image_metadata': _set_image_metadata, 'os-unset_image_metadata': _unset_image_metadata}

    # Snapshots --------------------------------------------------------------------------------------------------------

    def _snapshots(self, call):
        return self.store.get_all_snapshots(call.context, self._wants_all_projects(call))

    def list_snapshots(self, call):
        return self._listed(call, 'snapshots', [views.snapshot_view(each) for each in self._snapshots(call)])

    def show_snapshot(self, call, snapshot_id):
        return {'snapshot': views.snapshot_view(self.store.get_snapshot(call.context, snapshot_id))}

    def create_snapshot(self, call):
        call.require_role(*routing.WRITERS)
        given = call.object('snapshot')
        made = self.store.create_snapshot(
            call.context, views.text_in(given, 'volume_id') or '', views.text_in(given, 'name', 'display_name'),
            views.text_in(given, 'description', 'display_description'), views.flag_in(given, 'force'),
            views.metadata_in(given))
        return {'snapshot': views.snapshot_view(made)}

    def update_snapshot(self, call, snapshot_id):
        call.require_role(*routing.WRITERS)
        given = call.object('snapshot')
        values = {name: views.text_in(given, name) for name in ('name', 'description') if name in given}
        return {'snapshot': views.snapshot_view(self.store.update_snapshot(call.context, snapshot_id, values))}

    def act_on_snapshot(self, call, snapshot_id):
        call.require_role('admin')
        given = call.object('os-reset_status')
        self.store.get_snapshot(call.context, snapshot_id).change(
            {'status': views.status_in(given, _SNAPSHOT_STATUSES)})
        return routing.answer(status=202)

    def delete_snapshot(self, call, snapshot_id):
        call.require_role(*routing.WRITERS)
        self.store.delete_snapshot(call.context, snapshot_id)
        return routing.answer(status=202)

    def routes(self):
        one, snapshot = '/v3/volumes/{volume_id}', '/v3/snapshots/{snapshot_id}'
        for path in ('/?', '/v3'):
            yield Route('GET', path, self.versions, 300 if path == '/?' else 200, public=True)
        # The SDK asks for the newest version it knows here, without a look at which there are; all have this alike.
        yield Route('POST', f'{snapshot}/action', self.act_on_snapshot, 202)
        for method, path, handler, status in (
                ('GET', '/v3/volumes', self.list, 200), ('GET', '/v3/volumes/detail', self.list_detail, 200),
                ('POST', '/v3/volumes', self.create, 202), ('GET', one, self.show, 200),
                ('PUT', one, self.update, 200), ('DELETE', one, self.delete, 202),
                ('POST', f'{one}/action', self.act, 202), *_Metadata(self, 'get', 'update').routes('/v3/volumes'),
                *_Metadata(self, 'get_snapshot', 'update_snapshot').routes('/v3/snapshots'),
                ('GET', '/v3/snapshots', self.list_snapshots, 200),
                ('GET', '/v3/snapshots/detail', self.list_snapshots, 200),
                ('POST', '/v3/snapshots', self.create_snapshot, 202), ('GET', snapshot, self.show_snapshot, 200),
                ('PUT', snapshot, self.update_snapshot, 200), ('DELETE', snapshot, self.delete_snapshot, 202),
                ('GET', '/v3/types', self.types, 200), ('GET', '/v3/types/{type_id}', self.type, 200),
                ('GET', '/v3/types/{type_id}/encryption', self.encryption, 200),
                ('GET', '/v3/os-availability-zone', self.zones, 200), ('GET', '/v3/limits', self.limits, 200),
                ('GET', '/v3/os-quota-sets/{project_id}', self.quotas, 200),
                ('GET', '/v3/os-quota-sets/{project_id}/defaults', self.default_quotas, 200),
                *(('GET', f'/v3/{path}', self.nothing(name), 200) for path, name in (
                    ('extensions', 'extensions'), ('os-services', 'services'), ('backups/detail', 'backups'),
                    ('os-volume-transfer/detail', 'transfers'), ('qos-specs', 'qos_specs')))):
            yield Route(method, path, _in_version(handler), status)


def application(api=None):
    """The WSGI application of this door."""
    return routing.Door(list(VolumeDoor(api).routes()), _fault, {
        'OpenStack-API-Version': f'volume {_VERSION}', 'Vary': 'OpenStack-API-Version'})
