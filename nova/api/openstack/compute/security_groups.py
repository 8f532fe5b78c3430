# SPDX-License-Identifier: Apache-2.0
"""Security groups and their rules.  (/os-security-groups, -rules, -default-rules, until 2.35)"""

from nova import exception, objects
from nova.api.openstack import wsgi
from nova.api.openstack.errors import number
from nova.api.openstack.schema import Flag, Integer, Limit, Query, Raw, Table, Text
from nova.api.openstack.view import Field, shape
from nova.api.openstack.view import Table as View
from nova.network import api as network_api
from nova.network.security_group import rules
from nova.objects import security_group
from nova.policy import ADMIN, MEMBER, READER, Rule


def _source(rule, request):
    group = getattr(rule, 'source', None)
    return {'name': group.name, 'tenant_id': group.project_id} if group is not None else {}


_SOURCE_TYPE = shape(optional=('name', 'tenant_id'), name='string', tenant_id='string')
_RANGE = shape(optional=('cidr',), cidr='string')
RULE = View(
    Field('id', type='integer'),
    Field('parent_group_id', type='integer'),
    Field('ip_protocol', 'protocol', type='string?'),
    Field('from_port', type='integer?'),
    Field('to_port', type='integer?'),
    Field('group', _source, type=_SOURCE_TYPE),
    Field('ip_range', lambda rule: {'cidr': rule.cidr} if rule.cidr else {}, type=_RANGE),
)
VIEW = View(
    Field('id', type='integer'),
    Field('name', type='string'),
    Field('description', type='string'),
    Field('tenant_id', 'project_id', type='string'),
    Field('rules', view=RULE, many=True),
)
DEFAULT = View(
    Field('id', type='integer'),
    Field('ip_protocol', 'protocol', type='string'),
    Field('from_port', type='integer'),
    Field('to_port', type='integer'),
    Field('ip_range', lambda rule: {'cidr': rule.cidr}, type=_RANGE),
)
GROUP_BODY = Table(Text('name', required=True), Text('description', required=True), within='security_group')
_PORT = {'type': ['integer', 'string', 'null']}
_WHAT = (Text('ip_protocol', nullable=True, to='protocol'), Raw('from_port', _PORT), Raw('to_port', _PORT),
         Text('cidr', nullable=True))
RULE_BODY = Table(Raw('parent_group_id', {'type': ['integer', 'string']}, required=True), *_WHAT,
                  Raw('group_id', {'type': ['integer', 'string', 'null']}), within='security_group_rule')
DEFAULT_BODY = Table(*_WHAT, within='security_group_default_rule')
_ADMIN = Rule('os-security-group-default-rules', ADMIN)
_GROUP = (exception.SecurityGroupNotFound, exception.Invalid)


def with_sources(context, groups):
    """Name the groups that rules let in; one query for all that are not among these."""
    known = {group.id: group for group in groups}
    rules = [rule for group in groups for rule in group.rules if rule.group_id is not None]
    others = {rule.group_id for rule in rules} - set(known)
    if others:
        found = objects.SecurityGroupList.get_by_ids(context, sorted(others))
        known.update((group.id, group) for group in found)
    for rule in rules:
        if rule.group_id in known:
            rule.source = known[rule.group_id]
    return groups


class SecurityGroups(wsgi.Resource):
    """Who may reach servers."""

    path = '/os-security-groups'

    def __init__(self):
        self.groups = network_api.API().security_groups

    @wsgi.get(until='2.35', query=Query(Flag('all_tenants'), Limit(), Integer('offset', min=0)),
              view=VIEW.many('security_groups'), policy=Rule('os-security-groups:get', READER,
                                                             formerly='os-security-groups'))
    def index(self, context, all_tenants=False, limit=None, offset=0):
        found = self.groups.list(context, all_projects=all_tenants and context.is_admin)
        return with_sources(context, found)[offset:][:limit]

    @wsgi.get('/{group_id}', until='2.35', view=VIEW.one('security_group'), errors=_GROUP,
              policy=Rule('os-security-groups:show', READER, formerly='os-security-groups'))
    def show(self, context, group_id):
        return with_sources(context, [self.groups.get(context, number('security_group_id', group_id))])[0]

    @wsgi.post(until='2.35', body=GROUP_BODY, success=200, view=VIEW.one('security_group'),
               errors=(exception.Invalid, exception.QuotaError),
               policy=Rule('os-security-groups:create', MEMBER, formerly='os-security-groups'))
    def create(self, context, name, description):
        return self.groups.create(context, name, description)

    @wsgi.put('/{group_id}', until='2.35', body=GROUP_BODY, view=VIEW.one('security_group'), errors=_GROUP,
              policy=Rule('os-security-groups:update', MEMBER, formerly='os-security-groups'))
    def update(self, context, group_id, name, description):
        group = self.groups.update(context, number('security_group_id', group_id), name, description)
        return with_sources(context, [group])[0]

    @wsgi.delete('/{group_id}', until='2.35', success=202, errors=_GROUP,
                 policy=Rule('os-security-groups:delete', MEMBER, formerly='os-security-groups'))
    def delete(self, context, group_id):
        self.groups.delete(context, number('security_group_id', group_id))


class SecurityGroupRules(wsgi.Resource):
    """What a group lets in."""

    path = '/os-security-group-rules'

    def __init__(self):
        self.groups = network_api.API().security_groups

    @wsgi.post(until='2.35', body=RULE_BODY, success=200, view=RULE.one('security_group_rule'),
               errors=(*_GROUP, exception.QuotaError), policy=Rule('os-security-groups:rule:create', MEMBER,
                                                                   formerly='os-security-groups'))
    def create(self, context, parent_group_id, group_id=None, **rule):
        source = number('group_id', group_id) if group_id is not None else None
        made = self.groups.add_rule(context, number('parent_group_id', parent_group_id), group_id=source, **rule)
        if source is not None:
            made.source = self.groups.get(context, source)
        return made

    @wsgi.delete('/{rule_id}', until='2.35', success=202,
                 errors=(security_group.SecurityGroupRuleNotFound, exception.SecurityGroupNotFound),
                 policy=Rule('os-security-groups:rule:delete', MEMBER, formerly='os-security-groups'))
    def delete(self, context, rule_id):
        self.groups.remove_rule(context, number('security_group_rule_id', rule_id))


class DefaultRules(wsgi.Resource):
    """What the group `default` of a new project lets in."""

    path = '/os-security-group-default-rules'

    @wsgi.get(until='2.35', view=DEFAULT.many('security_group_default_rules'), policy=_ADMIN)
    def index(self, context):
        return objects.SecurityGroupDefaultRuleList.get_all(context)

    @wsgi.get('/{rule_id}', until='2.35', view=DEFAULT.one('security_group_default_rule'), policy=_ADMIN,
              errors=(security_group.SecurityGroupRuleNotFound,))
    def show(self, context, rule_id):
        return objects.SecurityGroupDefaultRule.get_by_id(context, number('rule_id', rule_id))

    @wsgi.post(until='2.35', body=DEFAULT_BODY, success=200, view=DEFAULT.one('security_group_default_rule'),
               policy=_ADMIN, errors=(exception.Invalid, exception.Conflict))
    def create(self, context, **rule):
        values = rules.parse(**rule)
        values.pop('group_id')
        return objects.SecurityGroupDefaultRule.create(context, values)

    @wsgi.delete('/{rule_id}', until='2.35', policy=_ADMIN, errors=(security_group.SecurityGroupRuleNotFound,))
    def delete(self, context, rule_id):
        objects.SecurityGroupDefaultRule.get_by_id(context, number('rule_id', rule_id)).destroy()
