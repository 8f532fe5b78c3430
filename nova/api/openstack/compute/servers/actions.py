# SPDX-License-Identifier: Apache-2.0
"""What was done with a server, and what came of it.  (/servers/{id}/os-instance-actions)"""

import hashlib

from nova import exception, objects
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.views import micros
from nova.api.openstack.microversions import Since
from nova.api.openstack.schema import Limit, Query, Text, Timestamp
from nova.api.openstack.view import SHOW, Field, Table
from nova.compute import api as compute_api
from nova.policy import ADMIN, READER, Rule

EVENTS = Rule('os-instance-actions:events', ADMIN)
DETAILS = Rule('os-instance-actions:events:details', ADMIN)
QUERY = Query(
    Limit(since='2.58', single='2.58'), Text('marker', since='2.58', single='2.58'),
    Timestamp('changes-since', since='2.58', single='2.58', to='changes_since'),
    Timestamp('changes-before', since='2.66', single='2.66', to='changes_before'), strict='2.58')


def _host_id(event):
    return hashlib.sha224(f'{event.project_id}{event.host}'.encode()).hexdigest() if event.host else ''


EVENT = Table(
    Field('event', type='string'),
    Field('start_time', lambda event: micros(event.start_time), type='string'),
    Field('finish_time', lambda event: micros(event.finish_time), type='string?'),
    Field('result', type='string?'),
    Field('traceback', policy=EVENTS, type='string?'),
    Field('host', since='2.62', policy=EVENTS, type='string?'),
    Field('hostId', _host_id, since='2.62', type='string'),
    Field('details', since='2.84', policy=DETAILS, type='string?'),
)
VIEW = Table(
    Field('action', type='string'),
    Field('instance_uuid', type='string'),
    Field('request_id', type='string'),
    Field('user_id', type='string?'),
    Field('project_id', type='string?'),
    Field('start_time', lambda action: micros(action.start_time), type='string'),
    Field('message', type='string?'),
    Field('updated_at', lambda action: micros(action.updated_at), since='2.58', type='string?'),
    Field('events', view=EVENT, many=True, on=SHOW, until='2.50', policy=EVENTS),
    Field('events', view=EVENT, many=True, on=SHOW, since='2.51'),
)


class InstanceActions(wsgi.Resource):
    """What was done with a server."""

    path = '/servers/{server_id}/os-instance-actions'

    def __init__(self):
        self.compute = compute_api.API()

    def _server(self, context, server_id, deleted_too):
        return self.compute.get(context, server_id, deleted_too=deleted_too)

    @wsgi.get(query=QUERY, view=VIEW.many('instanceActions', links='links', marker='request_id', since='2.58'),
              policy=Rule('os-instance-actions:list', READER), flags=(Since('2.21', 'deleted_too'),),
              errors=(exception.InstanceNotFound, exception.MarkerNotFound))
    def index(self, context, server_id, deleted_too, limit=None, marker=None, changes_since=None, changes_before=None):
        server = self._server(context, server_id, deleted_too)
        return objects.InstanceActionList.get_by_instance_uuid(
            server._context, server_id, limit=limit, marker=marker, since=changes_since, before=changes_before)

    @wsgi.get('/{request_id}', view=VIEW.one('instanceAction'), policy=Rule('os-instance-actions:show', READER),
              flags=(Since('2.21', 'deleted_too'),), errors=(exception.NotFound,))
    def show(self, context, server_id, request_id, deleted_too):
        server = self._server(context, server_id, deleted_too)
        found = objects.InstanceAction.get_by_request_id(server._context, server_id, request_id)
        if found is None:
            raise exception.NotFound(f'Server {server_id} has no action of request {request_id}')
        for event in found.events:
            event.project_id = found.project_id
        return found
