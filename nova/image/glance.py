# SPDX-License-Identifier: Apache-2.0
"""Images in Glance, or in whatever else speaks its API version 2 (our own front door does).

Requests carry the caller's token while there is one.  Work that outlives it (a build that waited, a host that has no
user) is done as the service user, and then visibility is decided here, by the rules of `nova.image.record`.
"""

import contextlib
import datetime
import hashlib
import itertools
import random

from keystoneauth1 import adapter, token_endpoint
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading as ks_loading
from oslo_log import log as logging
from oslo_utils import timeutils

from nova import concurrency, conf, exception
from nova.image import formats, transfer
from nova.image import record as image_record

CONF = conf.CONF
LOG = logging.getLogger(__name__)

PATCH_TYPE = 'application/openstack-images-v2.1-json-patch'
_PAGE = 200
_RETRY_AFTER_S = 0.5
# Seconds without a byte after which the service counts as gone, unless [glance] timeout says.
_SILENCE_S = 60

# Their names for our fields, where they differ.
_NOT_PROPERTIES = {*image_record.FIELDS, 'self', 'file', 'schema', 'locations', 'direct_url', 'stores', 'is_public'}


class GlanceConnectionFailed(exception.NeighbourUnavailable):
    msg_fmt = 'The Image service does not answer: %(reason)s'


@contextlib.contextmanager
def errors(image_id=None):
    """Turn the client's errors into ours."""
    try:
        yield
    except ks_exceptions.NotFound as exc:
        raise exception.ImageNotFound(image_id=image_id) from exc
    except (ks_exceptions.Unauthorized, ks_exceptions.Forbidden) as exc:
        raise exception.ImageNotAuthorized(image_id=image_id) from exc
    except ks_exceptions.Conflict as exc:
        raise exception.Conflict(reason=_explanation(exc)) from exc
    except ks_exceptions.HTTPClientError as exc:
        raise exception.ImageBadRequest(image_id=image_id, response=_explanation(exc)) from exc
    except (ks_exceptions.ClientException, OSError) as exc:
        raise GlanceConnectionFailed(reason=str(exc)) from exc


def _explanation(exc):
    return exc.details or exc.message or str(exc)


class GlanceStore:
    """The Image service as a backend of `nova.image.API`.  Every method waits for the network."""

    def __init__(self):
        group = 'glance'
        conf.register_late(CONF, group)
        self._auth = ks_loading.load_auth_from_conf_options(CONF, group) if CONF.glance.auth_type else None
        self._session = ks_loading.load_session_from_conf_options(
            CONF, group, auth=self._auth, timeout=CONF.glance.timeout or _SILENCE_S)
        servers = list(CONF.glance.api_servers)
        # Hosts start with different servers, and each goes round.
        random.shuffle(servers)
        self._servers = itertools.cycle(servers) if servers else None

    # Reading

    def show(self, context, image_id):
        """As `LocalStore.show`."""
        return self._show(context, image_id)[0]

    def _show(self, context, image_id):
        """The record, and the credentials that worked."""
        if not image_record.is_id(image_id):
            raise exception.ImageNotFound(image_id=image_id)
        with errors(image_id):
            answer, client = self._get(context, f'/v2/images/{image_id}')
        record = from_glance(answer.json())
        if not client.as_user and not image_record.visible(context, record):
            raise exception.ImageNotFound(image_id=image_id)
        return record, client

    def list(self, context, filters=None, sort_keys=('created_at',), sort_dirs=('desc',), limit=None, marker=None):
        """As `LocalStore.list`.  The service sorts and filters what it can; our own rules see the result again."""
        filters = dict(filters or {})
        simple = ('name', 'status', 'visibility', 'owner', 'size_min', 'size_max', 'member_status', 'tag')
        query = {name: filters[name] for name in simple if filters.get(name) is not None}
        query.update(sort_key=list(sort_keys), sort_dir=list(sort_dirs), limit=_PAGE)
        if marker is not None:
            query['marker'] = marker
        found, path = [], '/v2/images'
        rest = {name: value for name, value in filters.items() if name not in simple or name == 'visibility'}
        with errors():
            while path:
                answer, client = self._get(context, path, params=query)
                body = answer.json()
                page = [from_glance(image) for image in body['images']]
                if client.as_user:
                    # The service has decided who sees what; do not decide again without the members.
                    context = context.elevated()
                found += image_record.select(context, page, dict(rest, member_status='all'), sort_keys, sort_dirs)
                path, query = body.get('next'), None
                if limit is not None and len(found) >= limit:
                    break
        return found if limit is None else found[:limit]

    def download(self, context, image_id):
        """The content as an iterator of bytes.

        :raises ImageUnacceptable: at the end, when the bytes are not those that were recorded.
        """
        record, client = self._show(context, image_id)
        if record['status'] != 'active':
            raise exception.ImageNotActive(image_id=image_id)
        with errors(image_id):
            answer = self._retried(lambda: client.get(f'/v2/images/{image_id}/file', stream=True))
        return self._verified(answer, record)

    @staticmethod
    def _verified(answer, record):
        algorithm, wanted = record['os_hash_algo'], record['os_hash_value']
        if algorithm not in hashlib.algorithms_available or not wanted:
            algorithm, wanted = 'md5', record['checksum']
        digest = hashlib.new(algorithm, usedforsecurity=False)
        with errors(record['id']), contextlib.closing(answer):
            for chunk in answer.iter_content(formats.CHUNK):
                digest.update(chunk)
                yield chunk
        if wanted and digest.hexdigest() != wanted:
            raise exception.ImageUnacceptable(image_id=record['id'],
                                              reason=f'it was damaged on the way: its {algorithm} is not {wanted}')

    def fetch(self, context, image_id, dest_path):
        """As `LocalStore.fetch`."""
        record = self.show(context, image_id)
        if not record['disk_format']:
            raise exception.ImageUnacceptable(image_id=image_id, reason='it has no disk_format')
        try:
            inspector = formats.inspector(image_id, record['disk_format'])
        except exception.InvalidDiskFormat as exc:
            raise exception.ImageUnacceptable(image_id=image_id, reason=exc.message) from exc
        part = f'{dest_path}.part'
        try:
            with open(part, 'wb') as target:
                received = transfer.receive(self.download(context, image_id), target, inspector)
            transfer.rename(part, dest_path)
        finally:
            transfer.remove(part)
        return received.inspection

    def data_path(self, context, image_id):
        """None: the content is elsewhere."""

    # Changing

    def create(self, context, given, data=None):
        """As `LocalStore.create`."""
        body = to_glance(image_record.new(context.elevated(), given))
        if not given.get('id'):
            del body['id']
        with errors():
            answer = self._client(context).post('/v2/images', json=body)
        record = from_glance(answer.json())
        if data is None:
            return record
        try:
            return self.upload(context, record['id'], data)
        except BaseException:
            with contextlib.suppress(exception.NovaException):
                self.delete(context, record['id'])
            raise

    def update(self, context, image_id, given, data=None, purge_properties=False):
        """As `LocalStore.update`."""
        record, client = self._show(context, image_id)
        if not client.as_user and not image_record.changeable(context, record):
            raise exception.ImageNotAuthorized(image_id=image_id)
        old, new = to_glance(record), to_glance(
            image_record.changed(context.elevated(), record, given, purge_properties))
        changes = [{'op': 'replace' if key in old else 'add', 'path': f'/{_pointer(key)}', 'value': value}
                   for key, value in new.items() if key not in old or old[key] != value]
        changes += [{'op': 'remove', 'path': f'/{_pointer(key)}'} for key in old.keys() - new.keys()]
        if changes:
            with errors(image_id):
                answer = client.patch(f'/v2/images/{image_id}', json=changes, headers={'Content-Type': PATCH_TYPE})
            record = from_glance(answer.json())
        return self.upload(context, image_id, data) if data is not None else record

    def upload(self, context, image_id, data):
        """As `LocalStore.upload`.  The content is inspected on the way, and cut off when it is refused."""
        record, client = self._show(context, image_id)
        if not record['disk_format']:
            raise exception.Conflict(reason=f'disk_format of image {image_id} must be set before its content.')
        inspector = formats.inspector(image_id, record['disk_format'])
        with errors(image_id):
            client.put(f'/v2/images/{image_id}/file', data=_inspected(data, inspector),
                       headers={'Content-Type': 'application/octet-stream'})
        return self.show(context, image_id)

    def delete(self, context, image_id):
        """As `LocalStore.delete`."""
        record, client = self._show(context, image_id)
        if record['protected'] or (not client.as_user and not image_record.changeable(context, record)):
            raise exception.ImageNotAuthorized(image_id=image_id)
        with errors(image_id):
            client.delete(f'/v2/images/{image_id}')

    # The wire

    def _client(self, context, as_user=True):
        """Something that makes requests with the caller's token, or as the service when there is none."""
        endpoint = next(self._servers) if self._servers else CONF.glance.endpoint_override
        token = getattr(context, 'auth_token', None) if as_user else None
        auth = self._auth
        if token:
            endpoint = endpoint or self._endpoint(context)
            auth = token_endpoint.Token(endpoint, token)
        elif auth is None:
            raise exception.ImageNotAuthorized('There is no token in the request, and [glance] has no service user.')
        client = adapter.Adapter(
            self._session, auth=auth, service_type=CONF.glance.service_type, service_name=CONF.glance.service_name,
            interface=CONF.glance.valid_interfaces, region_name=CONF.glance.region_name,
            endpoint_override=endpoint.rstrip('/').removesuffix('/v2') if endpoint else None,
            global_request_id=getattr(context, 'global_id', None))
        client.as_user = bool(token)
        return client

    def _endpoint(self, context):
        for service in getattr(context, 'service_catalog', None) or ():
            if service.get('type') == CONF.glance.service_type and service.get('endpoints'):
                endpoint = service['endpoints'][0]
                return endpoint.get('internalURL') or endpoint.get('publicURL') or endpoint.get('url')
        if self._auth is None:
            raise GlanceConnectionFailed(reason='no endpoint is configured, and the catalog has none')
        with errors():
            return self._session.get_endpoint(
                self._auth, service_type=CONF.glance.service_type, interface=CONF.glance.valid_interfaces,
                region_name=CONF.glance.region_name)

    def _get(self, context, path, **kwargs):
        """GET, with the caller's token, or as the service when that has run out; the answer and the client."""
        client = self._client(context)
        try:
            return self._retried(lambda: client.get(path, **kwargs)), client
        except ks_exceptions.Unauthorized:
            if not client.as_user or self._auth is None:
                raise
        client = self._client(context, as_user=False)
        return self._retried(lambda: client.get(path, **kwargs)), client

    @staticmethod
    def _retried(request):
        for attempt in range(CONF.glance.num_retries + 1):
            try:
                return request()
            except (ks_exceptions.ConnectFailure, ks_exceptions.ServiceUnavailable) as exc:
                if attempt == CONF.glance.num_retries:
                    raise
                LOG.warning('The Image service does not answer (attempt %d of %d): %s',
                            attempt + 1, CONF.glance.num_retries + 1, exc)
                concurrency.sleep(_RETRY_AFTER_S * 2 ** attempt)


def _inspected(data, inspector):
    for chunk in transfer.chunks(data):
        inspector.feed(chunk)
        inspector.check()
        yield chunk
    inspector.verdict()


def _pointer(key):
    return key.replace('~', '~0').replace('/', '~1')


def from_glance(image):
    """Our record of an image that the API answered; what is no field of its own is a property."""
    record = {name: image.get(name) for name in image_record.FIELDS}
    for name in ('created_at', 'updated_at'):
        if record[name]:
            record[name] = timeutils.parse_isotime(record[name]).astimezone(datetime.UTC)
    record.update(members={}, tags=list(image.get('tags') or ()), is_public=image.get('visibility') == 'public',
                  min_ram=image.get('min_ram') or 0, min_disk=image.get('min_disk') or 0,
                  protected=bool(image.get('protected')), os_hidden=bool(image.get('os_hidden')),
                  properties={key: '' if value is None else str(value) for key, value in image.items()
                              if key not in _NOT_PROPERTIES})
    return record


def to_glance(record):
    """The settable part of a record as the API takes it."""
    body = {name: record[name] for name in image_record.SETTABLE if record[name] is not None}
    return {**record['properties'], **body, 'id': record['id']}
