# SPDX-License-Identifier: Apache-2.0
"""Hosts.  (/os-hosts, until 2.42)"""

from nova import exception, objects
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Choice, Query, Table, Text
from nova.api.openstack.view import Plain, many, shape
from nova.compute import api as compute_api
from nova.policy import ADMIN, Rule

_ON = ('enable', 'Enable', 'ENABLE')
_OFF = ('disable', 'Disable', 'DISABLE')
BODY = Table(Choice('status', (*_ON, *_OFF)), Choice('maintenance_mode', (*_ON, *_OFF)), at_least=1)
FAILS = {exception.ComputeHostNotFound: 404, exception.ComputeServiceUnavailable: 400, exception.Unsupported: 501}
_HOSTS = many(shape(host_name='string', service='string', zone='string'))
_ROWS = many(shape(resource=shape(host='string', project='string', cpu='integer', memory_mb='integer',
                                  disk_gb='integer')))
_CHANGED = shape(optional=('status', 'maintenance_mode'), host='string', status={'enum': ['enabled', 'disabled']},
                 maintenance_mode={'enum': ['on_maintenance', 'off_maintenance']})
_POWER = shape(host='string', power_action={'enum': ['startup', 'shutdown', 'reboot']})


def _rule(name):
    return Rule(f'os-hosts:{name}', ADMIN, formerly='os-hosts')


class Hosts(wsgi.Resource):
    """What each host is, and how it is switched."""

    path = '/os-hosts'

    def __init__(self):
        self.hosts = compute_api.HostAPI()

    @wsgi.get(until='2.42', query=Query(Text('zone')), view=Plain('hosts', _HOSTS), policy=_rule('list'))
    def index(self, context, zone=None):
        services, _down = self.hosts.service_list(context)
        return [{'host_name': service.host, 'service': service.topic or service.binary.removeprefix('nova-'),
                 'zone': service.availability_zone} for service in services
                if (not zone or zone == service.availability_zone) and not service.binary.endswith(('api', 'metadata'))
                and service.binary not in ('nova-osapi_compute', 'nova-metadata')]

    @wsgi.get('/{host}', until='2.42', view=Plain('host', _ROWS), policy=_rule('show'), errors=FAILS)
    def show(self, context, host):
        with objects.cell.of_host(context, host) as in_cell:
            nodes = objects.ComputeNodeList.get_by_host(in_cell, host)
            if not nodes:
                raise exception.ComputeHostNotFound(host=host)
            servers = objects.InstanceList.get_by_host(in_cell, host)
        rows = [
            _resource(host, '(total)', *(sum(getattr(node, name) or 0 for node in nodes)
                                         for name in ('vcpus', 'memory_mb', 'local_gb'))),
            _resource(host, '(used_now)', *(sum(getattr(node, name) or 0 for node in nodes)
                                            for name in ('vcpus_used', 'memory_mb_used', 'local_gb_used'))),
            _resource(host, '(used_max)', *_sums(servers))]
        rows += [_resource(host, project, *_sums([server for server in servers if server.project_id == project]))
                 for project in sorted({server.project_id for server in servers})]
        return rows

    @wsgi.put('/{host}', until='2.42', body=BODY, view=Plain(None, _CHANGED), policy=_rule('update'), errors=FAILS)
    def update(self, context, host, status=None, maintenance_mode=None):
        answer = {'host': host}
        if status is not None:
            self.hosts.set_host_enabled(context, host, status in _ON)
            answer['status'] = 'enabled' if status in _ON else 'disabled'
        if maintenance_mode is not None:
            answer['maintenance_mode'] = self.hosts.set_host_maintenance(context, host, maintenance_mode in _ON)
        return answer

    @wsgi.get('/{host}/{action}', until='2.42', view=Plain(None, _POWER), policy=_rule('reboot'), errors=FAILS)
    def power(self, context, host, action):
        if action not in ('startup', 'shutdown', 'reboot'):
            raise Refused(f'{action}: is neither startup, shutdown nor reboot.', 404)
        return {'host': host, 'power_action': self.hosts.host_power_action(context, host, action)}


def _sums(servers):
    return (sum(server.vcpus for server in servers), sum(server.memory_mb for server in servers),
            sum(server.root_gb + server.ephemeral_gb for server in servers))


def _resource(host, project, cpu, memory_mb, disk_gb):
    return {'resource': {'host': host, 'project': project, 'cpu': cpu, 'memory_mb': memory_mb, 'disk_gb': disk_gb}}
