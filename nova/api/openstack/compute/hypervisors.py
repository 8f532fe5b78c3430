# SPDX-License-Identifier: Apache-2.0
"""Hypervisors: what each has and how much of it is promised.  (/os-hypervisors)"""

import orjson
from oslo_utils import uuidutils

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused, number
from nova.api.openstack.schema import Boolean, Limit, Query, Text
from nova.api.openstack.view import ABSENT, DETAIL, SHOW, Field, Plain, Table, many, shape
from nova.compute import api as compute_api
from nova.compute import hypervisors
from nova.policy import ADMIN, Rule

_DETAIL = (DETAIL, SHOW)


def _service(node, request):
    service = node.service
    return {'id': service.uuid if request.minor >= 53 else service.id, 'host': service.host,
            'disabled_reason': service.disabled_reason}


def _servers(node):
    """Shown from 2.53 where asked for; from 2.75 also when there are none."""
    servers = getattr(node, 'servers', None)
    return [{'name': server.name, 'uuid': server.uuid} for server in servers] if servers else ABSENT


def _servers_always(node):
    servers = getattr(node, 'servers', None)
    return ABSENT if servers is None else [{'name': server.name, 'uuid': server.uuid} for server in servers]


def _cpu_info(node):
    try:
        return orjson.loads(node.cpu_info) if node.cpu_info else {}
    except orjson.JSONDecodeError:
        return {}


_SERVERS = many(shape(name='string', uuid='string'))
_SERVICE = shape(id=['integer', 'string'], host='string', disabled_reason='string?')
VIEW = Table(
    Field('id', 'id', until='2.52', type='integer'),
    Field('id', 'uuid', since='2.53', type='string'),
    Field('hypervisor_hostname', type='string'),
    Field('state', type='string'),
    Field('status', lambda node: 'disabled' if node.service.disabled else 'enabled', type='string'),
    Field('servers', _servers, on='servers', until='2.52', type=_SERVERS, optional=True),
    Field('servers', _servers, since='2.53', until='2.74', type=_SERVERS, optional=True),
    Field('servers', _servers_always, since='2.75', type=_SERVERS, optional=True),
    Field('hypervisor_type', on=_DETAIL, type='string'),
    Field('hypervisor_version', lambda node: node.hypervisor_version or 0, on=_DETAIL, type='integer'),
    Field('host_ip', on=_DETAIL, type='string?'),
    Field('service', _service, on=_DETAIL, type=_SERVICE),
    *(Field(name, on=_DETAIL, until='2.87', type='integer') for name in (
        'vcpus', 'memory_mb', 'local_gb', 'vcpus_used', 'memory_mb_used', 'local_gb_used')),
    *(Field(name, on=_DETAIL, until='2.87', type='integer?') for name in (
        'free_ram_mb', 'free_disk_gb', 'running_vms', 'disk_available_least')),
    Field('current_workload', lambda node: node.current_workload or 0, on=_DETAIL, until='2.87', type='integer?'),
    Field('cpu_info', lambda node: node.cpu_info or '', on=_DETAIL, until='2.27', type='string'),
    Field('cpu_info', _cpu_info, on=_DETAIL, since='2.28', until='2.87', type='object'),
    Field('uptime', 'uptime', on='uptime', until='2.87', type='string?'),
    Field('uptime', 'uptime', on=_DETAIL, since='2.88', type='string?'),
)
QUERY = Query(
    Limit(since='2.33', single='2.53'), Text('marker', since='2.33', single='2.53'),
    Text('hypervisor_hostname_pattern', since='2.53', single='2.53', to='pattern'),
    Boolean('with_servers', since='2.53', single='2.53'), strict='2.53')
ONE = Query(Boolean('with_servers', since='2.53', single='2.53'), strict='2.53')
_STATISTICS = {'type': 'object', 'additionalProperties': {'type': 'integer'}}


def _rule(name):
    return Rule(f'os-hypervisors:{name}', ADMIN, formerly='os-hypervisors')


class Hypervisors(wsgi.Resource):
    """Compute nodes, as administrators see them."""

    path = '/os-hypervisors'

    def __init__(self):
        self.hosts = compute_api.HostAPI()

    # Lists ------------------------------------------------------------------------------------------------------------

    _MANY = VIEW.many('hypervisors', links='hypervisors_links', marker=lambda node: node.marker, since='2.33')

    @wsgi.get(query=QUERY, view=_MANY, policy=_rule('list'), errors=(exception.ComputeHostNotFound,
                                                                     exception.MarkerNotFound))
    def index(self, context, minor, limit=None, marker=None, pattern=None, with_servers=False):
        return self._list(context, minor, limit, marker, pattern, with_servers)

    @wsgi.get('/detail', query=QUERY, view=_MANY, policy=_rule('list-detail'),
              errors=(exception.ComputeHostNotFound, exception.MarkerNotFound))
    def detail(self, context, minor, limit=None, marker=None, pattern=None, with_servers=False):
        return self._list(context, minor, limit, marker, pattern, with_servers)

    def _list(self, context, minor, limit, marker, pattern, with_servers):
        if pattern is None:
            by_uuid = minor >= 53
            after = _node_id(marker, by_uuid, exception.MarkerNotFound(marker=marker)) if marker else None
            nodes = hypervisors.page(context, limit if minor >= 33 else None, after, by_uuid, with_servers)
        elif marker is not None:
            raise Refused('hypervisor_hostname_pattern: cannot be combined with limit and marker.')
        else:
            nodes = hypervisors.matching(context, pattern, with_servers)
        return [self._shown(node, minor) for node in nodes]

    def _shown(self, node, minor):
        """Add what the view wants and no record has."""
        node.state = 'up' if self.hosts.servicegroup.service_is_up(node.service) else 'down'
        node.marker = node.uuid if minor >= 53 else node.id
        return node

    # One --------------------------------------------------------------------------------------------------------------

    def _show(self, context, hypervisor_id, minor, with_servers=False):
        if minor >= 53 and not uuidutils.is_uuid_like(hypervisor_id):
            raise Refused(f'hypervisor_id: {hypervisor_id!r} is not a UUID.')
        missing = exception.NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")
        try:
            found = hypervisors.find(context, _node_id(hypervisor_id, minor >= 53, missing), minor >= 53, with_servers)
        except exception.ComputeHostNotFound as error:
            raise missing from error
        return self._shown(found, minor)

    @wsgi.get('/statistics', until='2.87', view=Plain('hypervisor_statistics', _STATISTICS),
              policy=_rule('statistics'))
    def statistics(self, context):
        found = hypervisors.statistics(context)
        return {**found, 'free_ram_mb': found['memory_mb'] - found['memory_mb_used'],
                'free_disk_gb': found['local_gb'] - found['local_gb_used']}

    @wsgi.get('/{hypervisor_id}', query=ONE, view=VIEW.one('hypervisor'), policy=_rule('show'),
              errors=(exception.NotFound,))
    def show(self, context, hypervisor_id, minor, with_servers=False):
        return self._show(context, hypervisor_id, minor, with_servers)

    @wsgi.get('/{hypervisor_id}/uptime', until='2.87', view=VIEW.one('hypervisor'), policy=_rule('uptime'),
              errors={exception.NotFound: 404, exception.ComputeServiceUnavailable: 400, exception.Unsupported: 501})
    def uptime(self, context, hypervisor_id, minor):
        node = self._show(context, hypervisor_id, minor)
        node.uptime = self.hosts.host_uptime(context, node.host)
        return node

    @wsgi.get('/{pattern}/search', until='2.52', view=VIEW.many('hypervisors'), policy=_rule('search'),
              errors=(exception.ComputeHostNotFound,))
    def search(self, context, pattern, minor):
        return self._matching(context, pattern, minor)

    @wsgi.get('/{pattern}/servers', until='2.52', view=VIEW.many('hypervisors'), policy=_rule('servers'),
              errors=(exception.ComputeHostNotFound,))
    def servers(self, context, pattern, minor):
        return self._matching(context, pattern, minor, with_servers=True)

    def _matching(self, context, pattern, minor, with_servers=False):
        return [self._shown(node, minor) for node in hypervisors.matching(context, pattern, with_servers)]


def _node_id(text, by_uuid, missing):
    """A public id: a number until 2.52, a UUID from 2.53."""
    try:
        return text if by_uuid else number('hypervisor_id', text)
    except Refused as error:
        raise missing from error
