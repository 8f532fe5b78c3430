# SPDX-License-Identifier: Apache-2.0
"""Volumes of the Block Storage service, API version 3.

Requests carry the token of the user while there is one, and the token of the service user ([cinder]) beside it: the
service gives volumes of servers back to services only, and takes a user's token that has run out from them.  Work that
has no user is done as the service user.
"""

import contextlib
import re
import time

from keystoneauth1 import adapter, service_token, token_endpoint
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading as ks_loading
from oslo_utils import uuidutils

from nova import concurrency, conf, exception
from nova.volume import record

CONF = conf.CONF
_GROUP = 'cinder'

#: Version of its API -> what is used of it.  Each request names the oldest that it needs, so that old services do.
_PLAIN, _ATTACHMENTS, _COMPLETE, _MULTIATTACH, _REIMAGE = '3.0', '3.27', '3.44', '3.50', '3.68'
# Seconds without a byte after which the service counts as gone, unless [cinder] timeout says.
_SILENCE_S = 60
_PAGE = 500
_POLL_S = 0.5
_TOO_MUCH = 413
#: '…/v3/<project id>' of a catalog.
_PROJECT_IN_URL = re.compile(r'(/v3)/[^/]+/?$')


class CinderForbidden(exception.PolicyNotAuthorized):
    msg_fmt = 'The Block Storage service does not allow this: %(reason)s'


@contextlib.contextmanager
def errors(missing=None):
    """Turn the client's errors into ours.

    :param missing: the exception of what is not found.
    """
    try:
        yield
    except ks_exceptions.NotFound as exc:
        raise (missing or exception.InvalidVolume(reason=_explanation(exc))) from exc
    except ks_exceptions.Forbidden as exc:
        raise CinderForbidden(reason=_explanation(exc)) from exc
    except ks_exceptions.Unauthorized as exc:
        raise exception.CinderConnectionFailed(reason=f'the credentials are not taken: {_explanation(exc)}') from exc
    except ks_exceptions.HTTPClientError as exc:
        if exc.http_status == _TOO_MUCH:
            raise exception.OverQuota(overs=f'volumes: {_explanation(exc)}') from exc
        raise exception.InvalidVolume(reason=_explanation(exc)) from exc
    except (ks_exceptions.ClientException, OSError) as exc:
        raise exception.CinderConnectionFailed(reason=str(exc)) from exc


def _explanation(exc):
    """What the service said: its messages are {'badRequest': {'code', 'message'}}."""
    try:
        (fault,) = exc.response.json().values()
        return fault['message']
    except (AttributeError, ValueError, KeyError, TypeError):
        return exc.details or exc.message or str(exc)


def _no_volume(volume_id):
    return exception.VolumeNotFound(volume_id=volume_id)


def _no_snapshot(snapshot_id):
    return exception.SnapshotNotFound(snapshot_id=snapshot_id)


def _path(collection, item_id, missing):
    """The path of one thing.  What is no id of the service is not there, and does not become part of a URL."""
    if not uuidutils.is_uuid_like(item_id):
        raise missing(item_id)
    return f'/{collection}/{item_id}'


def _volume(volume_id):
    return _path('volumes', volume_id, _no_volume)


def _snapshot(snapshot_id):
    return _path('snapshots', snapshot_id, _no_snapshot)


class CinderVolumes:
    """A backend of `nova.volume.API`, whose methods say what these do.  Every method waits for the network."""

    def __init__(self, image_api):
        conf.register_late(CONF, _GROUP)
        self._auth = ks_loading.load_auth_from_conf_options(CONF, _GROUP) if CONF.cinder.auth_type else None
        self._session = ks_loading.load_session_from_conf_options(CONF, _GROUP, auth=self._auth,
                                                                  timeout=CONF.cinder.timeout or _SILENCE_S)
        self._kind, self._name, self._interface = CONF.cinder.catalog_info.split(':')

    # Volumes ----------------------------------------------------------------------------------------------------------

    def get(self, context, volume_id):
        with errors(_no_volume(volume_id)):
            return record.volume_of(self._ask(context, 'GET', _volume(volume_id), version=_MULTIATTACH)['volume'])

    def get_all(self, context, all_projects=False):
        found = self._list(context, '/volumes/detail', 'volumes', {'all_tenants': 1} if all_projects else {})
        return [record.volume_of(each) for each in found]

    def create(self, context, size_gb, name=None, description=None, snapshot_id=None, image_id=None, volume_type=None,
               metadata=None, availability_zone=None, multiattach=False):
        if snapshot_id and not size_gb:
            size_gb = self.get_snapshot(context, snapshot_id).size_gb
        wanted = {'size': size_gb, 'name': name, 'description': description, 'snapshot_id': snapshot_id,
                  'imageRef': image_id, 'volume_type': volume_type, 'metadata': metadata or None,
                  'availability_zone': availability_zone, 'multiattach': multiattach or None}
        with errors(_no_snapshot(snapshot_id) if snapshot_id else None):
            return record.volume_of(self._ask(context, 'POST', '/volumes', {
                'volume': {key: value for key, value in wanted.items() if value is not None}})['volume'])

    def wait_for(self, context, volume_id):
        return self._wait(context, volume_id, ('creating', 'downloading'), 'create')

    def _wait(self, context, volume_id, busy, what):
        until = time.monotonic() + CONF.volume.creation_timeout
        while (found := self.get(context, volume_id)).status in busy:
            if time.monotonic() > until:
                raise exception.VolumeNotCreated(
                    volume_id=volume_id, reason=f'it is {found.status} for {CONF.volume.creation_timeout} s')
            concurrency.sleep(_POLL_S)
        if found.status.startswith('error'):
            raise exception.VolumeNotCreated(volume_id=volume_id, reason=f'it is in status {found.status}')
        return found

    def reimage(self, context, volume_id, image_id):
        with errors(_no_volume(volume_id)):
            self._act(context, volume_id, {'os-reimage': {'image_id': image_id, 'reimage_reserved': True}}, _REIMAGE)
        self._wait(context, volume_id, ('downloading',), 'reimage')

    def delete(self, context, volume_id):
        with errors(_no_volume(volume_id)):
            self._ask(context, 'DELETE', _volume(volume_id))

    def has_type(self, context, name):
        return any(name in (kind['id'], kind['name']) for kind in self._list(context, '/types', 'volume_types', {}))

    def zone_for(self, instance_zone):
        return None if CONF.cinder.cross_az_attach else instance_zone

    def require_zone(self, volume, instance_zone):
        if not CONF.cinder.cross_az_attach and instance_zone and volume.availability_zone != instance_zone:
            raise exception.InvalidVolume(reason=f'volume {volume.id} is in the availability zone '
                                                 f'{volume.availability_zone}, the server in {instance_zone}')

    def begin_detaching(self, context, volume_id):
        with errors(_no_volume(volume_id)):
            self._act(context, volume_id, {'os-begin_detaching': {}})

    def roll_detaching(self, context, volume_id):
        with contextlib.suppress(exception.VolumeNotFound, exception.InvalidVolume), errors(_no_volume(volume_id)):
            self._act(context, volume_id, {'os-roll_detaching': {}})

    def swapped(self, context, old, new_volume_id):
        if not old.migration_status:
            return new_volume_id
        with errors(_no_volume(old.id)):
            return self._act(context, old.id, {'os-migrate_volume_completion': {
                'new_volume': new_volume_id, 'error': False}}, as_service=True)['save_volume_id']

    def _act(self, context, volume_id, action, version=_PLAIN, as_service=False):
        return self._ask(context, 'POST', f'{_volume(volume_id)}/action', action, version, as_service=as_service)

    # Attachments ------------------------------------------------------------------------------------------------------

    def attachment_create(self, context, volume_id, instance_uuid, connector=None):
        wanted = {'volume_uuid': volume_id, 'instance_uuid': instance_uuid}
        if connector is not None:
            wanted['connector'] = connector
        with errors(_no_volume(volume_id)):
            return self._ask(context, 'POST', '/attachments', {'attachment': wanted}, _ATTACHMENTS)['attachment']['id']

    def attachments_of(self, context, volume_id, instance_uuid):
        with errors():
            # Who may not see all projects sees his own.
            found = self._list(context, '/attachments/detail', 'attachments', {
                'volume_id': volume_id, 'instance_id': instance_uuid, 'all_tenants': 1}, _ATTACHMENTS)
        return [{'id': each['id'], 'connection_info': connection_info(volume_id, each.get('connection_info'))}
                for each in found if each['instance'] == instance_uuid and each['volume_id'] == volume_id]

    def attachment_update(self, context, volume_id, attachment_id, connector):
        with errors(_no_volume(volume_id)):
            found = self._ask(context, 'PUT', f'/attachments/{attachment_id}', {'attachment': {
                'connector': connector}}, _ATTACHMENTS)['attachment']
        return connection_info(volume_id, found['connection_info'])

    def attachment_complete(self, context, attachment_id, device):
        # The device came with the connector.
        with errors(_no_volume(attachment_id)):
            self._ask(context, 'POST', f'/attachments/{attachment_id}/action', {'os-complete': attachment_id},
                      _COMPLETE)

    def attachment_delete(self, context, attachment_id):
        with contextlib.suppress(exception.VolumeNotFound), errors(_no_volume(attachment_id)):
            self._ask(context, 'DELETE', f'/attachments/{attachment_id}', version=_ATTACHMENTS)

    # Snapshots --------------------------------------------------------------------------------------------------------

    def get_snapshot(self, context, snapshot_id):
        with errors(_no_snapshot(snapshot_id)):
            return record.snapshot_of(self._ask(context, 'GET', _snapshot(snapshot_id))['snapshot'])

    def get_all_snapshots(self, context):
        return [record.snapshot_of(each) for each in self._list(context, '/snapshots/detail', 'snapshots', {})]

    def create_snapshot(self, context, volume_id, name=None, description=None, force=False):
        with errors(_no_volume(volume_id)):
            return record.snapshot_of(self._ask(context, 'POST', '/snapshots', {'snapshot': {
                'volume_id': volume_id, 'name': name, 'description': description, 'force': force}})['snapshot'])

    def update_snapshot_status(self, context, snapshot_id, status):
        with contextlib.suppress(exception.SnapshotNotFound), errors(_no_snapshot(snapshot_id)):
            self._ask(context, 'POST', f'{_snapshot(snapshot_id)}/action', {
                'os-update_snapshot_status': {'status': status, 'progress': '90%'}}, as_service=True)

    def delete_snapshot(self, context, snapshot_id):
        with errors(_no_snapshot(snapshot_id)):
            self._ask(context, 'DELETE', _snapshot(snapshot_id))

    # The wire ---------------------------------------------------------------------------------------------------------

    def _list(self, context, path, key, params, version=_PLAIN):
        """Every item of a list, page by page."""
        found, marker = [], None
        with errors():
            while True:
                page = self._ask(context, 'GET', path, version=version, params={
                    **params, 'limit': _PAGE, **({'marker': marker} if marker else {})})[key]
                found += page
                if len(page) < _PAGE:
                    return found
                marker = page[-1]['id']

    def _ask(self, context, method, path, body=None, version=_PLAIN, params=None, as_service=False):
        """One request as the user, or as the service where there is none; the document that comes back, or None."""
        token = None if as_service else getattr(context, 'auth_token', None)
        try:
            answer = self._send(context, token, method, path, body, version, params)
        except ks_exceptions.Unauthorized:
            if not token or self._auth is None:
                raise
            # It ran out while the order waited.
            answer = self._send(context, None, method, path, body, version, params)
        return answer.json() if answer.content else None

    def _send(self, context, token, method, path, body, version, params):
        if not token and self._auth is None:
            raise exception.CinderConnectionFailed(reason='there is no token in the request, and [cinder] has no user')
        auth = self._auth
        endpoint = self._endpoint(context, token)
        if token:
            auth = token_endpoint.Token(endpoint, token)
            if self._auth is not None:
                auth = service_token.ServiceTokenAuthWrapper(auth, self._auth)
        client = adapter.Adapter(self._session, auth=auth, endpoint_override=endpoint,
                                 global_request_id=getattr(context, 'global_id', None))
        return client.request(path, method, json=body, params=params, connect_retries=CONF.cinder.http_retries,
                              headers={'OpenStack-API-Version': f'volume {version}', 'Accept': 'application/json'})

    def _endpoint(self, context, token):
        """URL of the service for who asks: old services, and catalogs made for them, have the project in it."""
        project = context.project_id if token else self._session.get_project_id(self._auth)
        if CONF.cinder.endpoint_template:
            return CONF.cinder.endpoint_template % {'project_id': project, 'tenant_id': project}
        found = self._of_catalog(context)
        if not found:
            raise exception.CinderConnectionFailed(reason='the catalog has no service of this kind: '
                                                          f'[cinder]catalog_info = {CONF.cinder.catalog_info}')
        return _PROJECT_IN_URL.sub(rf'\1/{project}', found.rstrip('/'))

    def _of_catalog(self, context):
        if self._auth is not None:
            return self._session.get_endpoint(
                self._auth, service_type=self._kind, service_name=self._name or None, interface=self._interface,
                region_name=CONF.cinder.os_region_name)
        url = f'{self._interface.removesuffix("URL")}URL'
        for service in getattr(context, 'service_catalog', None) or ():
            if service.get('type') in (self._kind, 'block-storage', 'volumev3') and service.get('endpoints'):
                endpoints = [each for each in service['endpoints']
                             if CONF.cinder.os_region_name in (None, each.get('region'))]
                return next((each.get(url) or each.get('publicURL') for each in endpoints), None)
        return None


def connection_info(volume_id, flat):
    """What a driver takes: {'driver_volume_type', 'serial', 'data'}; None where there is no connection.

    The service answers the fields of `data` beside the type.
    """
    if not flat:
        return None
    if 'data' in flat:
        return {'serial': volume_id, **flat}
    own = ('driver_volume_type', 'serial', 'attachment_id')
    return {'driver_volume_type': flat.get('driver_volume_type'), 'serial': volume_id,
            'data': {key: value for key, value in flat.items() if key not in own}}
