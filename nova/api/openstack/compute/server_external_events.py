# SPDX-License-Identifier: Apache-2.0
"""What the neighbours of this service tell it.  (/os-server-external-events)"""

import collections

from nova import exception, objects
from nova.api.openstack import wsgi
from nova.api.openstack.schema import Choice, List, Table, Text, Uuid
from nova.api.openstack.view import Plain, many, shape
from nova.compute import api as compute_api
from nova.policy import SERVICE, Rule

_NAMES = ('network-changed', 'network-vif-plugged', 'network-vif-unplugged', 'network-vif-deleted')
#: version -> names that it added
_ADDED = (('2.51', ('volume-extended',)), ('2.76', ('power-update',)), ('2.82', ('accelerator-request-bound',)),
          ('2.93', ('volume-reimaged',)))
#: Whose tag says what it is about.
_TAGGED = ('volume-extended', 'accelerator-request-bound', 'volume-reimaged')
_POWER = ('POWER_ON', 'POWER_OFF')


def _names():
    """`name` by version."""
    known, since, fields = _NAMES, None, []
    for version, more in (*_ADDED, (None, ())):
        until = None if version is None else f'2.{int(version[2:]) - 1}'
        fields.append(Choice('name', known, since=since, until=until, required=True))
        known, since = (*known, *more), version
    return fields


EVENT = Table(*_names(), Uuid('server_uuid', required=True), Choice('status', ('completed', 'failed', 'in-progress')),
              Text('tag', max=255))
BODY = Table(List('events', EVENT, min=1, required=True))


_TOLD = many(shape(optional=('tag',), name='string', server_uuid='string', status='string', tag='string',
                   code='integer'))


class ServerExternalEvents(wsgi.Resource):
    """Events of servers."""

    path = '/os-server-external-events'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.post(body=BODY, success=200, may=(207,), view=Plain('events', _TOLD),
               policy=Rule('os-server-external-events:create', SERVICE), errors=(exception.NotFound,))
    def create(self, context, events):
        servers = self._servers(context, {event['server_uuid'] for event in events})
        by_host, in_cells, answers = collections.defaultdict(list), {}, []
        for event in events:
            event = {'status': 'completed', **event}
            server = servers.get(event['server_uuid'])
            code = _code(event, server)
            if code == 200:
                by_host[server.host].append({'tag': None, **event})
                in_cells[server.host] = server._context
            answers.append({**event, 'code': code, **({} if code == 200 else {'status': 'failed'})})
        for host, found in by_host.items():
            self.compute.compute_rpcapi.external_instance_event(in_cells[host], host, found)
        return wsgi.Answer(answers, status=200 if all(each['code'] == 200 for each in answers) else 207)

    @staticmethod
    def _servers(context, uuids):
        """{uuid: server}, of all cells; one query in each."""
        answers, _down = objects.cell.ask_each(
            context, lambda in_cell: objects.InstanceList.get_by_uuids(in_cell, list(uuids)).objects)
        return {server.uuid: server for _cell, found in answers for server in found}


def _code(event, server):
    """Of a server that is not there (None) too."""
    tag = event.get('tag')
    if (event['name'] in _TAGGED and not tag) or (event['name'] == 'power-update' and tag not in _POWER):
        return 400
    if server is None:
        return 404
    return 200 if server.host else 422
