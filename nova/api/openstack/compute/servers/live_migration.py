# SPDX-License-Identifier: Apache-2.0
"""Servers that move while they run, or off a dead host.  (/servers/{id}/action)"""

from nova import exception
from nova import policy as nova_policy
from nova.api.openstack import microversions, wsgi
from nova.api.openstack.compute.servers.power import ERRORS
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Boolean, HostName, Raw, Table, Text
from nova.api.openstack.view import Plain, shape
from nova.compute import api as compute_api
from nova.compute import passwords
from nova.conf import CONF
from nova.policy import ADMIN, MANAGER, Rule

LIVE = Rule('os-migrate-server:migrate_live', MANAGER)
LIVE_HOST = Rule('os-migrate-server:migrate_live:host', ADMIN)
_AUTO = Raw('block_migration', {'enum': [*Boolean('x').fragment(None)['enum'], 'auto']}, since='2.25', required=True,
            convert=lambda value: None if value == 'auto' else Boolean.convert(value), says="true, false or 'auto'")
LIVE_BODY = Table(
    HostName('host', nullable=True, required=True),
    Boolean('block_migration', until='2.24', required=True),
    _AUTO,
    Boolean('disk_over_commit', until='2.24', required=True),
    Boolean('force', since='2.30', until='2.67'))
EVACUATE_BODY = Table(
    HostName('host'),
    Boolean('onSharedStorage', until='2.13', required=True, to='shared'),
    Text('adminPass', to='password'),
    Boolean('force', since='2.29', until='2.67'))
MOVING = {**dict.fromkeys(ERRORS), exception.ComputeServiceUnavailable: 409, exception.ComputeHostNotFound: 400,
          exception.CannotMigrateToSameHost: 400, exception.MigrationPreCheckError: 400}
EVACUATE = Rule('os-evacuate', ADMIN)
_PASSWORD = shape(optional=('adminPass',), adminPass='string?')
EVACUATING = {**MOVING, exception.ComputeServiceInUse: 400, exception.ComputeHostNotFound: 404}


class LiveMigration(wsgi.Resource):
    """What moves a server without its user."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('os-migrateLive', body=LIVE_BODY, policy=LIVE, errors=MOVING)
    def migrate(self, context, server_id, minor, host=None, block_migration=None, disk_over_commit=False, force=False):
        if host is not None:
            nova_policy.authorize(context, LIVE_HOST)
        if force and host is None:
            raise Refused('force: is only for a host that is named.')
        # Before 2.30 a host that was named was not looked at by the scheduler.
        named = host is not None and minor < microversions.minor('2.30')
        self.compute.live_migrate(context, self.compute.get(context, server_id), block_migration, disk_over_commit,
                                  host, force or named)

    @wsgi.action('evacuate', until='2.13', body=EVACUATE_BODY, success=200, view=Plain(None, _PASSWORD),
                 policy=EVACUATE, errors=EVACUATING)
    def evacuate_with_password(self, context, server_id, minor, host=None, shared=None, password=None):
        password = self._evacuate(context, server_id, minor, host, shared, password, False)
        return {'adminPass': password} if CONF.api.enable_instance_password else {}

    @wsgi.action('evacuate', since='2.14', body=EVACUATE_BODY, success=200, policy=EVACUATE, errors=EVACUATING)
    def evacuate(self, context, server_id, minor, host=None, password=None, force=False):
        self._evacuate(context, server_id, minor, host, None, password, force)

    def _evacuate(self, context, server_id, minor, host, shared, password, force):
        if force and host is None:
            raise Refused('force: is only for a host that is named.')
        if shared and password:
            raise Refused('adminPass: cannot be set on shared storage.')
        if password is None and not shared:
            password = passwords.generate()
        named = host is not None and minor < microversions.minor('2.29')
        self.compute.evacuate(context, self.compute.get(context, server_id), host, shared, password, force or named,
                              stopped=minor >= microversions.minor('2.95'))
        return password
