# SPDX-License-Identifier: Apache-2.0
"""Hypervisors: what each has and how much of it is promised.  (/os-hypervisors)"""


import orjson
from oslo_utils import uuidutils

from nova import exception, objects
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused, number
from nova.api.openstack.schema import Boolean, Limit, Query, Text
from nova.api.openstack.view import ABSENT, DETAIL, SHOW, Field, Plain, Table, many, shape
from nova.compute import api as compute_api
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
        return self._list(context, minor, limit, marker, pattern, with_servers, uptime=minor >= 88)

    def _list(self, context, minor, limit, marker, pattern, with_servers, uptime=False):
        if pattern is not None:
            if marker is not None:
                raise Refused('hypervisor_hostname_pattern: cannot be combined with limit and marker.')
            nodes = objects.ComputeNodeList.get_by_hypervisor(context, pattern).objects
            if not nodes:
                raise exception.ComputeHostNotFound(host=pattern)
        else:
            after = self._find(context, marker, minor, exception.MarkerNotFound(marker=marker)).id if marker else None
            nodes = objects.ComputeNodeList.get_by_pagination(context, limit if minor >= 33 else None, after).objects
        return self._complete(context, nodes, minor, with_servers, uptime)

    def _complete(self, context, nodes, minor, with_servers=False, uptime=False):
        """Add what the view wants: the service of each, its servers; nodes without a service are not shown."""
        hosts = list({node.host for node in nodes})
        services = {service.host: service for service in objects.ServiceList.get_by_hosts(context, hosts)}
        nodes = [node for node in nodes if node.host in services]
        servers = {}
        if with_servers and nodes:
            for server in objects.InstanceList.get_by_filters(context, {'host': hosts}, columns=['id', 'uuid', 'host',
                                                                                                 'node']):
                servers.setdefault((server.host, server.node), []).append(server)
        for node in nodes:
            node.service = services[node.host]
            node.state = 'up' if self.hosts.servicegroup.service_is_up(node.service) else 'down'
            node.marker = node.uuid if minor >= 53 else node.id
            if with_servers:
                node.servers = servers.get((node.host, node.hypervisor_hostname), [])
        return nodes

    # One --------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _find(context, node_id, minor, missing):
        """The node of a public id: a number until 2.52, a UUID from 2.53."""
        try:
            if minor >= 53:
                return objects.ComputeNode.get_by_uuid(context, node_id)
            return objects.ComputeNode.get_by_id(context, number('hypervisor_id', node_id))
        except (exception.ComputeHostNotFound, Refused) as error:
            raise missing from error

    def _show(self, context, hypervisor_id, minor, with_servers=False):
        if minor >= 53 and not uuidutils.is_uuid_like(hypervisor_id):
            raise Refused(f'hypervisor_id: {hypervisor_id!r} is not a UUID.')
        missing = exception.NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")
        found = self._complete(context, [self._find(context, hypervisor_id, minor, missing)], minor, with_servers)
        if not found:
            raise missing
        return found[0]

    @wsgi.get('/statistics', until='2.87', view=Plain('hypervisor_statistics', _STATISTICS),
              policy=_rule('statistics'))
    def statistics(self, context):
        found = objects.ComputeNodeList.statistics(context)
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
        nodes = objects.ComputeNodeList.get_by_hypervisor(context, pattern).objects
        if not nodes:
            raise exception.ComputeHostNotFound(host=pattern)
        return self._complete(context, nodes, minor, with_servers)
