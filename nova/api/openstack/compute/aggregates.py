# SPDX-License-Identifier: Apache-2.0
"""Groups of hosts, and the availability zones made of them.  (/os-aggregates)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.views import micros
from nova.api.openstack.errors import number
from nova.api.openstack.schema import KEY, HostName, List, Map, Name, Table, Text, Uuid, ZoneName
from nova.api.openstack.view import MAP, Field
from nova.api.openstack.view import Table as View
from nova.compute import aggregates
from nova.policy import ADMIN, Rule

ALL_BUT_CREATE = ('index', 'show', 'update', 'add_host', 'remove_host', 'set_metadata')
VIEW = View(
    Field('id', type='integer'),
    Field('uuid', since='2.41', type='string'),
    Field('name', type='string'),
    Field('availability_zone', type='string?'),
    Field('hosts', on=ALL_BUT_CREATE, type='string*'),
    Field('metadata', on=ALL_BUT_CREATE, type=MAP),
    Field('created_at', lambda found: micros(found.created_at), type='string'),
    Field('updated_at', lambda found: micros(found.updated_at), type='string?'),
    Field('deleted', lambda found: False, type='boolean'),
    Field('deleted_at', lambda found: None, type='string?'),
)
CREATE = Table(Name('name', required=True), ZoneName('availability_zone', nullable=True), within='aggregate')
UPDATE = Table(Name('name'), ZoneName('availability_zone', nullable=True), within='aggregate', at_least=1)
HOST = Table(HostName('host', required=True))
METADATA = Table(Map('metadata', Text(None, max=255, nullable=True, to='value'), keys=KEY, required=True))
_MISSING = {exception.AggregateNotFound: 404}
_CONFLICT = {**_MISSING, exception.Conflict: 409, exception.ComputeHostNotFound: 404}


CACHE = Table(List('cache', Table(Uuid('id', required=True)), min=1, unique=True, required=True))


def _number(aggregate_id):
    return number('aggregate_id', aggregate_id)


class Aggregates(wsgi.Resource):
    """Hosts that have something in common."""

    path = '/os-aggregates'

    def __init__(self):
        self.api = aggregates.AggregateAPI()

    @wsgi.get(view=VIEW.many('aggregates'), policy=Rule('os-aggregates:index', ADMIN))
    def index(self, context):
        return self.api.get_all(context)

    @wsgi.post(body=CREATE, success=200, view=VIEW.one('aggregate'), policy=Rule('os-aggregates:create', ADMIN),
               errors={exception.Conflict: 409})
    def create(self, context, name, availability_zone=None):
        return self.api.create(context, name, availability_zone)

    @wsgi.get('/{aggregate_id}', view=VIEW.one('aggregate'), policy=Rule('os-aggregates:show', ADMIN),
              errors=_MISSING)
    def show(self, context, aggregate_id):
        return self.api.get(context, _number(aggregate_id))

    @wsgi.put('/{aggregate_id}', body=UPDATE, view=VIEW.one('aggregate'), policy=Rule('os-aggregates:update', ADMIN),
              errors=_CONFLICT)
    def update(self, context, aggregate_id, **values):
        return self.api.update(context, _number(aggregate_id), values)

    @wsgi.post('/{aggregate_id}/images', since='2.81', body=CACHE, success=202,
               policy=Rule('compute:aggregates:images', ADMIN), errors={**_MISSING, exception.ImageNotFound: 400})
    def cache_images(self, context, aggregate_id, cache):
        """Have the hosts fetch images before somebody needs them."""
        self.api.cache_images(context, _number(aggregate_id), [each['id'] for each in cache])

    @wsgi.delete('/{aggregate_id}', success=200, policy=Rule('os-aggregates:delete', ADMIN),
                 errors={**_MISSING, exception.InvalidInput: 400})
    def delete(self, context, aggregate_id):
        self.api.delete(context, _number(aggregate_id))


class AggregateActions(wsgi.Resource):
    """What changes an aggregate."""

    path = '/os-aggregates/{aggregate_id}'

    def __init__(self):
        self.api = aggregates.AggregateAPI()

    @wsgi.action('add_host', body=HOST, success=200, view=VIEW.one('aggregate'),
                 policy=Rule('os-aggregates:add_host', ADMIN), errors=_CONFLICT)
    def add_host(self, context, aggregate_id, host):
        return self.api.add_host(context, _number(aggregate_id), host)

    @wsgi.action('remove_host', body=HOST, success=200, view=VIEW.one('aggregate'),
                 policy=Rule('os-aggregates:remove_host', ADMIN), errors=_CONFLICT)
    def remove_host(self, context, aggregate_id, host):
        return self.api.remove_host(context, _number(aggregate_id), host)

    @wsgi.action('set_metadata', body=METADATA, success=200, view=VIEW.one('aggregate'),
                 policy=Rule('os-aggregates:set_metadata', ADMIN), errors=_CONFLICT)
    def set_metadata(self, context, aggregate_id, metadata):
        return self.api.update_metadata(context, _number(aggregate_id), metadata)
