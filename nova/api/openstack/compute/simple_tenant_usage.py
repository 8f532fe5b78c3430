# SPDX-License-Identifier: Apache-2.0
"""What projects used in a time.  (/os-simple-tenant-usage)"""

import datetime

from oslo_utils import timeutils

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.compute.quota_sets import target
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Limit, Query, Text
from nova.api.openstack.view import NEXT, Plain, many, shape
from nova.compute import tenant_usage
from nova.conf import CONF
from nova.policy import ADMIN, READER, Rule

_FORMS = ('%Y-%m-%dT%H:%M:%S', '%Y-%m-%dT%H:%M:%S.%f', '%Y-%m-%d %H:%M:%S.%f', '%Y-%m-%d %H:%M:%S', '%Y-%m-%d')
QUERY = Query(Text('start'), Text('end'), Text('detailed'), Limit(since='2.40'), Text('marker', since='2.40'),
              strict='2.75')

_SERVER = shape(instance_id='string', name='string', tenant_id='string', flavor='string', vcpus='integer',
                memory_mb='integer', local_gb='integer', hours='number', started_at='string?', ended_at='string?',
                uptime='integer', state='string')
_KEYS = {'tenant_id': 'string', 'start': 'string', 'stop': 'string', 'total_hours': 'number',
         'total_vcpus_usage': 'number', 'total_memory_mb_usage': 'number', 'total_local_gb_usage': 'number',
         'server_usages': many(_SERVER)}
_LIST = shape(optional=('tenant_usages_links',), tenant_usages_links=NEXT,
              tenant_usages=many(shape(optional=('server_usages',), **_KEYS)))
#: Nothing where nothing was used.
_ITEM = shape(optional=('tenant_usage_links',), tenant_usage_links=NEXT, tenant_usage=shape(optional=_KEYS, **_KEYS))


def _moment(name, text, default):
    if not text:
        return default
    for form in _FORMS:
        try:
            return datetime.datetime.strptime(text.removesuffix('Z'), form)     # noqa: DTZ007  (UTC by definition)
        except ValueError:
            continue
    raise Refused(f'{name}: {text!r} is not a moment like 2026-01-02T03:04:05.')


def _window(start, end):
    now = timeutils.utcnow()
    start, end = _moment('start', start, now), min(_moment('end', end, now), now)
    if (start, end) != (end, start) and start > end:
        raise Refused('start: must be before end.')
    return start, end


def _links(links, key, path, pairs, found, limit):
    if not found or len(found) < limit:
        return {}
    return {key: [{'rel': 'next', 'href': links.next(path, pairs, found[-1]['instance_id'])}]}


class SimpleTenantUsage(wsgi.Resource):
    """Hours of servers, and what they had meanwhile."""

    path = '/os-simple-tenant-usage'

    @wsgi.get(query=QUERY, view=Plain(None, _LIST), policy=Rule('os-simple-tenant-usage:list', ADMIN),
              errors=(exception.MarkerNotFound,))
    def index(self, context, minor, links, start=None, end=None, detailed=None, limit=None, marker=None):
        start, end = _window(start, end)
        limit = limit or CONF.api.max_limit
        rows = tenant_usage.rows(context, start, end, None, limit, marker)
        body = {'tenant_usages': [_shown(usage, detailed == '1')
                                  for usage in tenant_usage.by_project(rows, start, end).values()]}
        if minor >= 40:
            body.update(_next('tenant_usages_links', self.path, rows, limit, links,
                              {'start': start.isoformat(), 'end': end.isoformat(), 'detailed': detailed}))
        return body

    @wsgi.get('/{project_id}', query=QUERY, view=Plain(None, _ITEM), policy=Rule('os-simple-tenant-usage:show', READER),
              target=target,
              errors=(exception.MarkerNotFound,))
    def show(self, context, project_id, minor, links, start=None, end=None, limit=None, marker=None):
        start, end = _window(start, end)
        limit = limit or CONF.api.max_limit
        rows = tenant_usage.rows(context, start, end, project_id, limit, marker)
        found = tenant_usage.by_project(rows, start, end).get(project_id)
        body = {'tenant_usage': _shown(found, True) if found else {}}
        if minor >= 40:
            body.update(_next('tenant_usage_links', f'{self.path}/{project_id}', rows, limit, links,
                              {'start': start.isoformat(), 'end': end.isoformat()}))
        return body


def _shown(usage, detailed):
    return usage if detailed else {name: value for name, value in usage.items() if name != 'server_usages'}


def _next(key, path, rows, limit, links, pairs):
    if len(rows) < limit or not rows:
        return {}
    pairs = [(name, str(value)) for name, value in {**pairs, 'limit': limit}.items() if value is not None]
    return {key: [{'rel': 'next', 'href': links.next(path, pairs, rows[-1].uuid)}]}
