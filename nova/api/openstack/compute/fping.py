# SPDX-License-Identifier: Apache-2.0
"""Which servers answer to ping.  (/os-fping, until 2.35)"""

import shutil

from oslo_concurrency import processutils

from nova import exception
from nova import policy as nova_policy
from nova.api.openstack import wsgi
from nova.api.openstack.schema import Flag, Query, Text
from nova.api.openstack.view import Plain, many, shape
from nova.compute import api as compute_api
from nova.policy import ADMIN, ANYBODY, Rule

ALL = Rule('os-fping:all_tenants', ADMIN)
RULE = Rule('os-fping', ANYBODY)
_ONE = shape(id='string', project_id='string', alive='boolean')


class FpingMissing(exception.Unavailable):
    msg_fmt = 'fping utility is not found.'


class Fping(wsgi.Resource):
    """Servers that live, as the network sees it."""

    path = '/os-fping'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(until='2.35', query=Query(Flag('all_tenants'), Text('include'), Text('exclude')),
              view=Plain('servers', many(_ONE)), policy=RULE, errors=(FpingMissing,))
    def index(self, context, all_tenants=False, include=None, exclude=None):
        filters = {'deleted': False, 'project_id': context.project_id}
        if all_tenants:
            nova_policy.authorize(context, ALL)
            del filters['project_id']
        servers, _down = self.compute.get_all(context, filters)
        wanted = set(include.split(',')) if include else None
        without = set(exclude.split(',')) if exclude and not include else set()
        return _ping([server for server in servers if server.uuid not in without
                      and (wanted is None or server.uuid in wanted)])

    @wsgi.get('/{server_id}', until='2.35', view=Plain('server', _ONE), policy=RULE,
              errors=(exception.InstanceNotFound, FpingMissing))
    def show(self, context, server_id):
        return _ping([self.compute.get(context, server_id)])[0]


def _ping(servers):
    path = shutil.which('fping') or shutil.which('fping', path='/usr/sbin:/usr/bin')
    if path is None:
        raise FpingMissing()
    addresses = {server.uuid: [ip['address'] for ip in server.get_network_info().fixed_ips()] for server in servers}
    alive = set()
    every = sorted({address for found in addresses.values() for address in found})
    if every:
        out, _err = processutils.execute(path, '-a', *every, check_exit_code=[0, 1, 2])
        alive = {line.strip() for line in out.splitlines()}
    return [{'id': server.uuid, 'project_id': server.project_id, 'alive': bool(alive & set(addresses[server.uuid]))}
            for server in servers]
