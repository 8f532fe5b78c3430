# SPDX-License-Identifier: Apache-2.0
"""Live migrations of a server that are under way.  (/servers/{id}/migrations)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.power import ERRORS
from nova.api.openstack.compute.servers.views import micros
from nova.api.openstack.errors import Refused, number
from nova.api.openstack.schema import Null, Value
from nova.api.openstack.view import Field, Table
from nova.compute import api as compute_api
from nova.policy import ADMIN, MANAGER, Rule

HOSTS = Rule('servers:migrations:index:host', ADMIN)
_PLACES = ('source_compute', 'source_node', 'dest_compute', 'dest_node', 'dest_host')
VIEW = Table(
    Field('id', type='integer'),
    Field('uuid', since='2.59', type='string'),
    Field('server_uuid', 'instance_uuid', type='string'),
    Field('status', type='string'),
    *(Field(name, lambda found: None, type='null') for name in _PLACES),
    *(Field(name, policy=HOSTS, type='string?') for name in _PLACES),
    *(Field(f'{what}_{state}_bytes', f'{what}_{state}', type='integer?') for what in ('memory', 'disk')
      for state in ('total', 'processed', 'remaining')),
    Field('created_at', lambda found: micros(found.created_at), type='string'),
    Field('updated_at', lambda found: micros(found.updated_at), type='string?'),
    Field('user_id', since='2.80', type='string?'),
    Field('project_id', since='2.80', type='string?'),
)
CHANGE = {**dict.fromkeys(ERRORS), exception.MigrationNotFound: 404, exception.InvalidMigrationState: 400}


class ServerMigrations(wsgi.Resource):
    """What is moving a server now."""

    path = '/servers/{server_id}/migrations'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(since='2.23', view=VIEW.many('migrations'), policy=Rule('servers:migrations:index', MANAGER),
              errors=(exception.InstanceNotFound,))
    def index(self, context, server_id):
        return self.compute.get_migrations_in_progress_by_instance(context, self.compute.get(context, server_id))

    @wsgi.get('/{migration_id}', since='2.23', view=VIEW.one('migration'),
              policy=Rule('servers:migrations:show', ADMIN), errors=(exception.InstanceNotFound,
                                                                     exception.MigrationNotFound))
    def show(self, context, server_id, migration_id):
        return self.compute.get_migration_in_progress(context, self.compute.get(context, server_id),
                                                      _number(migration_id, server_id))

    @wsgi.delete('/{migration_id}', since='2.24', success=202, policy=Rule('servers:migrations:delete', MANAGER),
                 errors=CHANGE)
    def delete(self, context, server_id, migration_id, minor):
        """Stop it."""
        self.compute.live_migrate_abort(context, self.compute.get(context, server_id),
                                        _number(migration_id, server_id), support_abort_in_queue=minor >= 65)


class ServerMigrationActions(wsgi.Resource):
    """What may be done with a live migration under way."""

    path = '/servers/{server_id}/migrations/{migration_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('force_complete', since='2.22', body=Value(Null('force_complete')),
                 policy=Rule('servers:migrations:force_complete', MANAGER), errors=CHANGE)
    def force_complete(self, context, server_id, migration_id):
        self.compute.live_migrate_force_complete(context, self.compute.get(context, server_id),
                                                 _number(migration_id, server_id))


def _number(migration_id, server_id):
    try:
        return number('migration_id', migration_id)
    except Refused as error:
        raise exception.MigrationNotFoundForInstance(migration_id=migration_id, instance_id=server_id) from error
