# SPDX-License-Identifier: Apache-2.0
"""What the neighbours of this service tell it.  (/os-server-external-events)"""

import collections

from nova import exception
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
        by_host, answers = collections.defaultdict(list), []
        for event in events:
            event = {'status': 'completed', **event}
            code, host = self._look(context, event)
            if host:
                by_host[host].append({'tag': None, **event})
            answers.append({**event, 'code': code, **({} if code == 200 else {'status': 'failed'})})
        for host, found in by_host.items():
            self.compute.compute_rpcapi.external_instance_event(context, host, found)
        return wsgi.Answer(answers, status=200 if all(each['code'] == 200 for each in answers) else 207)

    def _look(self, context, event):
        """(code, host to tell or None)"""
        tag = event.get('tag')
        if (event['name'] in _TAGGED and not tag) or (event['name'] == 'power-update' and tag not in _POWER):
            return 400, None
        try:
            server = self.compute.get(context.elevated(), event['server_uuid'])
        except exception.InstanceNotFound:
            return 404, None
        return (200, server.host) if server.host else (422, None)
