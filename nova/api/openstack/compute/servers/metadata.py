# SPDX-License-Identifier: Apache-2.0
"""Metadata and addresses of a server.  (/servers/{id}/metadata, /servers/{id}/ips)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers import views
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Metadata, Table
from nova.api.openstack.view import Plain
from nova.compute import api as compute_api
from nova.policy import MEMBER, READER, Rule

BODY = Table(Metadata('metadata', required=True))
ITEM = Table(Metadata('meta', required=True, min=1, max=1))
_MAP = {'type': 'object', 'additionalProperties': {'type': 'string'}}
_CHANGE = (exception.InstanceNotFound, exception.MetadataLimitExceeded, exception.InstanceInvalidState,
           exception.InstanceIsLocked)


class ServerMetadata(wsgi.Resource):
    """Keys and values of a server's user."""

    path = '/servers/{server_id}/metadata'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(view=Plain('metadata', _MAP), policy=Rule('server-metadata:index', READER),
              errors=(exception.InstanceNotFound,))
    def index(self, context, server_id):
        return self.compute.get(context, server_id).metadata

    @wsgi.post(body=BODY, view=Plain('metadata', _MAP), policy=Rule('server-metadata:create', MEMBER), errors=_CHANGE)
    def create(self, context, server_id, metadata):
        return self.compute.update_instance_metadata(context, self.compute.get(context, server_id), metadata)

    @wsgi.put(body=BODY, view=Plain('metadata', _MAP), policy=Rule('server-metadata:update_all', MEMBER),
              errors=_CHANGE)
    def update_all(self, context, server_id, metadata):
        return self.compute.update_instance_metadata(context, self.compute.get(context, server_id), metadata,
                                                     delete=True)

    @wsgi.get('/{key}', view=Plain('meta', _MAP), policy=Rule('server-metadata:show', READER),
              errors=(exception.NotFound,))
    def show(self, context, server_id, key):
        metadata = self.compute.get(context, server_id).metadata
        if key not in metadata:
            raise exception.NotFound(f'Metadata item {key} was not found')
        return {key: metadata[key]}

    @wsgi.put('/{key}', body=ITEM, view=Plain('meta', _MAP), policy=Rule('server-metadata:update', MEMBER),
              errors=_CHANGE)
    def update(self, context, server_id, key, meta):
        if key not in meta:
            raise Refused(f'meta: its key must be the one of the URL, {key!r}.')
        self.compute.update_instance_metadata(context, self.compute.get(context, server_id), meta)
        return meta

    @wsgi.delete('/{key}', policy=Rule('server-metadata:delete', MEMBER), errors=(exception.NotFound, *_CHANGE))
    def delete(self, context, server_id, key):
        self.compute.delete_instance_metadata(context, self.compute.get(context, server_id), key)


class Addresses(wsgi.Resource):
    """Addresses of a server by network."""

    path = '/servers/{server_id}/ips'

    def __init__(self):
        self.compute = compute_api.API()

    def _of(self, context, server_id):
        return views.addresses(self.compute.get(context, server_id), with_macs=False)

    @wsgi.get(view=Plain('addresses', views.SHORT_ADDRESSES),
              policy=Rule('ips:index', READER), errors=(exception.InstanceNotFound,))
    def index(self, context, server_id):
        return self._of(context, server_id)

    @wsgi.get('/{label}', view=Plain(None, views.SHORT_ADDRESSES),
              policy=Rule('ips:show', READER), errors=(exception.NotFound,))
    def show(self, context, server_id, label):
        found = self._of(context, server_id)
        if label not in found:
            raise exception.NotFound(f'Server {server_id} has no network {label}')
        return {label: found[label]}
