# SPDX-License-Identifier: Apache-2.0
"""Servers of another size or on another host.  (/servers/{id}/action)"""

from nova import exception
from nova import policy as nova_policy
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.power import ERRORS
from nova.api.openstack.schema import ANY, Choice, HostName, Raw, Table, last_segment
from nova.compute import api as compute_api
from nova.policy import ADMIN, MANAGER, MEMBER, Rule

MIGRATE = Rule('os-migrate-server:migrate', MANAGER)
MIGRATE_HOST = Rule('os-migrate-server:migrate:host', ADMIN)
RESIZE = Table(
    Raw('flavorRef', {'type': ['string', 'integer'], 'minLength': 1}, required=True, to='flavor',
        convert=lambda value: last_segment(str(value)), says='the id of a flavor, or its URL'),
    Choice('OS-DCF:diskConfig', ('AUTO', 'MANUAL'), to='disk_config'))
HOST = Table(HostName('host', nullable=True), nullable=True)
MOVING = {**dict.fromkeys(ERRORS), exception.ComputeServiceUnavailable: 409, exception.QuotaError: 403,
          exception.FlavorNotFound: 400, exception.CannotResizeToSameFlavor: 400, exception.CannotResizeDisk: 400,
          exception.CannotMigrateToSameHost: 400, exception.ComputeHostNotFound: 400}
PENDING = {**dict.fromkeys(ERRORS), exception.MigrationNotFoundByStatus: 400}


class Resize(wsgi.Resource):
    """What moves a server while it is off."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('resize', body=RESIZE, policy=Rule('servers:resize', MEMBER), errors=MOVING)
    def resize(self, context, server_id, flavor, disk_config=None):
        self.compute.resize(context, self.compute.get(context, server_id), flavor,
                            auto_disk_config=disk_config and disk_config == 'AUTO')

    @wsgi.action('confirmResize', body=ANY, success=204, policy=Rule('servers:confirm_resize', MEMBER),
                 errors=PENDING)
    def confirm(self, context, server_id):
        self.compute.confirm_resize(context, self.compute.get(context, server_id))

    @wsgi.action('revertResize', body=ANY, policy=Rule('servers:revert_resize', MEMBER), errors=PENDING)
    def revert(self, context, server_id):
        self.compute.revert_resize(context, self.compute.get(context, server_id))

    @wsgi.action('migrate', until='2.55', body=ANY, policy=MIGRATE, errors=MOVING)
    def migrate(self, context, server_id):
        self.compute.resize(context, self.compute.get(context, server_id))

    @wsgi.action('migrate', since='2.56', body=HOST, policy=MIGRATE, errors=MOVING)
    def migrate_to(self, context, server_id, host=None):
        if host is not None:
            nova_policy.authorize(context, MIGRATE_HOST)
        self.compute.resize(context, self.compute.get(context, server_id), host=host)
