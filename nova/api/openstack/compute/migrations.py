# SPDX-License-Identifier: Apache-2.0
"""All moves of servers.  (/os-migrations)"""

from nova import exception
from nova import policy as nova_policy
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.views import micros
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Flag, Limit, Query, Text, Timestamp
from nova.api.openstack.view import ABSENT, LINKS, Field, Table
from nova.compute import api as compute_api
from nova.objects import migration as migration_obj
from nova.policy import ADMIN, MANAGER, Rule

ALL_PROJECTS = Rule('os-migrations:index:all_projects', ADMIN)
HOSTS = Rule('os-migrations:index:host', ADMIN)
_PLACES = ('source_compute', 'source_node', 'dest_compute', 'dest_node', 'dest_host')


def _links(found, request):
    if found.migration_type != migration_obj.LIVE or found.status not in migration_obj.LIVE_IN_PROGRESS:
        return ABSENT
    return request.links.item(f'servers/{found.instance_uuid}/migrations', found.id)


VIEW = Table(
    Field('id', type='integer'),
    Field('uuid', since='2.59', type='string'),
    Field('instance_uuid', type='string'),
    Field('status', type='string'),
    Field('migration_type', since='2.23', type='string'),
    *(Field(name, lambda found: None, type='null') for name in _PLACES),
    *(Field(name, policy=HOSTS, type='string?') for name in _PLACES),
    Field('old_instance_type_id', type='integer?'),
    Field('new_instance_type_id', type='integer?'),
    Field('created_at', lambda found: micros(found.created_at), type='string'),
    Field('updated_at', lambda found: micros(found.updated_at), type='string?'),
    Field('links', _links, since='2.23', type=LINKS, optional=True),
    Field('user_id', since='2.80', type='string?'),
    Field('project_id', since='2.80', type='string?'),
)
_FILTERS = ('host', 'source_compute', 'status', 'instance_uuid', 'migration_type')
QUERY = Query(
    *(Text(name) for name in _FILTERS), Flag('hidden'), Limit(since='2.59', single='2.59'),
    Text('marker', since='2.59', single='2.59'), Timestamp('changes-since', since='2.59', to='changes_since'),
    Timestamp('changes-before', since='2.66', to='changes_before'), Text('user_id', since='2.80'),
    Text('project_id', since='2.80'), strict='2.59')


class Migrations(wsgi.Resource):
    """Moves of servers, newest first."""

    path = '/os-migrations'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(query=QUERY, view=VIEW.many('migrations', links='migrations_links', marker='uuid', since='2.59'),
              policy=Rule('os-migrations:index', MANAGER), errors=(exception.MarkerNotFound,))
    def index(self, context, hidden=None, limit=None, marker=None, changes_since=None, changes_before=None, **filters):
        if changes_since and changes_before and changes_since > changes_before:
            raise Refused('The value of changes-since must be less than or equal to changes-before.')
        filters = {name: value for name, value in filters.items() if value is not None}
        if not nova_policy.check(context, ALL_PROJECTS):
            if filters.get('project_id', context.project_id) != context.project_id:
                nova_policy.authorize(context, ALL_PROJECTS)
            filters['project_id'] = context.project_id
        if hidden is not None:
            filters['hidden'] = hidden
        for name, moment in (('changes-since', changes_since), ('changes-before', changes_before)):
            if moment:
                filters[name] = moment
        return self.compute.get_migrations(context, filters, limit, marker)
