# SPDX-License-Identifier: Apache-2.0
"""Limits of projects and of users in them, and of the class that all are in.  (/os-quota-sets, /os-quota-class-sets)"""

import re

from nova import exception, objects
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Boolean, Integer, Query, Table, Text
from nova.api.openstack.view import SHOW, UPDATE, Field, shape
from nova.api.openstack.view import Table as View
from nova.objects import quotas
from nova.policy import ADMIN, ANYBODY, READER, Rule

_NETWORK = ('fixed_ips', 'floating_ips', 'security_groups', 'security_group_rules')
_FILES = ('injected_files', 'injected_file_content_bytes', 'injected_file_path_bytes')
_ALWAYS = ('instances', 'cores', 'ram', 'metadata_items', 'key_pairs')
_GROUPS = ('server_groups', 'server_group_members')
#: resource -> the last version in which quota sets have it
QUOTA_SET = {**dict.fromkeys((*_ALWAYS, *_GROUPS)), **dict.fromkeys(_NETWORK, '2.35'), **dict.fromkeys(_FILES, '2.56')}
QUOTA_CLASS = {**dict.fromkeys((*_ALWAYS, *_GROUPS)), **dict.fromkeys(_NETWORK, '2.49'),
               **dict.fromkeys(_FILES, '2.56')}
_MOST = 2147483647
_ID = re.compile('[a-zA-Z0-9-]{1,255}', re.ASCII)
_DETAIL = shape(limit='integer', in_use='integer', reserved='integer')
_READ = (SHOW, 'defaults', 'detail')


def _fields(table, since=None):
    """A number for each resource; in detail, what is in use of it too."""
    return [Field(name, lambda found, name=name: found.values[name], until=until, since=(since or {}).get(name),
                  on=on, type=kind)
            for name, until in table.items()
            for on, kind in (((SHOW, 'defaults', UPDATE), 'integer'), ('detail', _DETAIL))]


VIEW = View(Field('id', 'name', on=_READ, type='string'), *_fields(QUOTA_SET))
CLASS_VIEW = View(Field('id', 'name', on=SHOW, type='string'), *_fields(QUOTA_CLASS, dict.fromkeys(_GROUPS, '2.50')))
BODY = Table(*(Integer(name, min=-1, max=_MOST, until=until) for name, until in QUOTA_SET.items()),
             Boolean('force'), within='quota_set')
CLASS_BODY = Table(*(Integer(name, min=-1, max=_MOST, until=until) for name, until in QUOTA_CLASS.items()),
                   within='quota_class_set')
USER = Query(Text('user_id'), strict='2.75')


class _Set:
    def __init__(self, name, values):
        self.name, self.values = name, values


def target(context, values):
    """What the policy is asked about: the project in the URL.  Raises Refused."""
    return {'project_id': _checked('project_id', values['project_id'])}


def _checked(name, value):
    """An id that may be one.  Raises Refused."""
    if not _ID.fullmatch(value):
        raise Refused(f'{name}: {value[:50]!r} is not 1 to 255 letters, digits and hyphens.')
    return value


class QuotaSets(wsgi.Resource):
    """Limits of a project."""

    path = '/os-quota-sets'

    @wsgi.get('/{project_id}', query=USER, view=VIEW.one('quota_set'), policy=Rule('os-quota-sets:show', READER),
              target=target)
    def show(self, context, project_id, user_id=None):
        return _Set(project_id, objects.Quotas.limits(context, project_id, user_id))

    @wsgi.get('/{project_id}/detail', query=USER, view=VIEW.one('quota_set'),
              policy=Rule('os-quota-sets:detail', READER), target=target)
    def detail(self, context, project_id, user_id=None):
        limits = objects.Quotas.limits(context, project_id, user_id)
        used = objects.Quotas.usage(context, project_id, user_id)
        return _Set(project_id, {name: {'limit': limit, 'in_use': used.get(name, 0), 'reserved': 0}
                                 for name, limit in limits.items()})

    @wsgi.get('/{project_id}/defaults', view=VIEW.one('quota_set'), policy=Rule('os-quota-sets:defaults', ANYBODY),
              target=target)
    def defaults(self, context, project_id):
        return _Set(project_id, objects.Quotas.defaults(context))

    @wsgi.put('/{project_id}', query=USER, body=BODY, view=VIEW.one('quota_set'),
              policy=Rule('os-quota-sets:update', ADMIN), target=target)
    def update(self, context, project_id, user_id=None, force=False, **limits):
        whole = objects.Quotas.limits(context, project_id)
        used = {} if force else objects.Quotas.usage(context, project_id, user_id)
        for name, limit in limits.items():
            if limit != quotas.UNLIMITED and limit < used.get(name, 0):
                raise Refused(f'{name}: {limit} is less than the {used[name]} in use. Use force to set it all the '
                              'same.')
            if user_id and not force and whole[name] != quotas.UNLIMITED and not 0 <= limit <= whole[name]:
                raise Refused(f"{name}: {limit} is more than the project's {whole[name]}.")
        per_project = {name: limit for name, limit in limits.items() if name in ('fixed_ips', 'floating_ips')}
        objects.Quotas.set_limits(context, per_project, project_id=project_id)
        objects.Quotas.set_limits(context, {name: limit for name, limit in limits.items() if name not in per_project},
                                  project_id=project_id, user_id=user_id)
        return _Set(project_id, objects.Quotas.limits(context, project_id, user_id))

    @wsgi.delete('/{project_id}', query=USER, success=202, policy=Rule('os-quota-sets:delete', ADMIN), target=target)
    def delete(self, context, project_id, user_id=None):
        """Back to the defaults."""
        objects.Quotas.delete(context, project_id, user_id)


class QuotaClassSets(wsgi.Resource):
    """Limits of all projects that have none of their own: the class `default`."""

    path = '/os-quota-class-sets'

    @wsgi.get('/{name}', view=CLASS_VIEW.one('quota_class_set'), policy=Rule('os-quota-class-sets:show', ADMIN))
    def show(self, context, name):
        return _Set(name, objects.Quotas.of_class(context, _checked('quota_class', name)))

    @wsgi.put('/{name}', body=CLASS_BODY, view=CLASS_VIEW.one('quota_class_set'), errors=(exception.Invalid,),
              policy=Rule('os-quota-class-sets:update', ADMIN), on=UPDATE)
    def update(self, context, name, **limits):
        objects.Quotas.set_limits(context, limits, class_name=_checked('quota_class', name))
        return _Set(name, objects.Quotas.of_class(context, name))
