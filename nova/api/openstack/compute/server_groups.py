# SPDX-License-Identifier: Apache-2.0
"""Server groups: servers that are placed with regard to each other.  (/os-server-groups)"""

from nova import exception, objects
from nova import policy as nova_policy
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Choice, Flag, Integer, Limit, List, Name, Object, Query, Table
from nova.api.openstack.view import MAP, Field, shape
from nova.api.openstack.view import Table as View
from nova.notifications import tell
from nova.policy import ADMIN, MEMBER, READER, Rule

ALL_PROJECTS = Rule('os-server-groups:index:all_projects', ADMIN)
ANTI = 'anti-affinity'
_HARD = ('affinity', ANTI)
_ALL = (*_HARD, 'soft-affinity', 'soft-anti-affinity')

_RULES = shape(optional=('max_server_per_host',), max_server_per_host='integer')
VIEW = View(
    Field('id', 'uuid', type='string'),
    Field('name', type='string'),
    Field('members', type='string*'),
    Field('policies', lambda group: [group.policy] if group.policy else [], until='2.63', type='string*'),
    Field('metadata', lambda group: {}, until='2.63', type=MAP),
    Field('policy', since='2.64', type='string'),
    Field('rules', lambda group: group.rules or {}, since='2.64', type=_RULES),
    Field('project_id', since='2.13', type='string'),
    Field('user_id', since='2.13', type='string'),
)
QUERY = Query(Flag('all_projects'), Limit(), Integer('offset', min=0), strict='2.75')
OLD = Table(Name('name', required=True),
            List('policies', Choice(None, _HARD), min=1, max=1, until='2.14', required=True),
            List('policies', Choice(None, _ALL), min=1, max=1, since='2.15', required=True), within='server_group')
RULES = Table(Integer('max_server_per_host', min=1))
NEW = Table(Name('name', required=True), Choice('policy', _ALL, required=True),
            Object('rules', RULES), within='server_group')


class ServerGroups(wsgi.Resource):
    """Groups with a policy."""

    path = '/os-server-groups'

    @wsgi.get(query=QUERY, view=VIEW.many('server_groups'), policy=Rule('os-server-groups:index', READER))
    def index(self, context, limit=None, offset=None, all_projects=False):
        project_id = context.project_id
        if all_projects and context.is_admin:
            nova_policy.authorize(context, ALL_PROJECTS)
            project_id = None
        return objects.InstanceGroupList.get_by_project_id(context, project_id, limit, offset)

    @wsgi.get('/{group_id}', view=VIEW.one('server_group'), policy=Rule('os-server-groups:show', READER),
              errors=(exception.InstanceGroupNotFound,))
    def show(self, context, group_id):
        return objects.InstanceGroup.get_by_uuid(context, group_id)

    @wsgi.post(until='2.63', body=OLD, success=200, view=VIEW.one('server_group'),
               policy=Rule('os-server-groups:create', MEMBER), errors={exception.QuotaError: 403})
    def create_with_policies(self, context, name, policies):
        return self._create(context, name, policies[0], {})

    @wsgi.post(since='2.64', body=NEW, success=200, view=VIEW.one('server_group'),
               policy=Rule('os-server-groups:create', MEMBER), errors={exception.QuotaError: 403})
    def create(self, context, name, policy, rules=None):
        if rules and policy != ANTI:
            raise Refused(f'rules: {min(rules)} is only for the policy {ANTI}, not for {policy}.')
        return self._create(context, name, policy, rules or {})

    @staticmethod
    def _create(context, name, policy, rules):
        group = objects.InstanceGroup(context, name=name, policy=policy, rules=rules, members=[],
                                      project_id=context.project_id, user_id=context.user_id)
        group.create()
        tell.server_group(context, 'create', group)
        return group

    @wsgi.delete('/{group_id}', policy=Rule('os-server-groups:delete', MEMBER),
                 errors=(exception.InstanceGroupNotFound,))
    def delete(self, context, group_id):
        """Its servers stay."""
        group = objects.InstanceGroup.get_by_uuid(context, group_id)
        group.destroy()
        tell.server_group(context, 'delete', group)
