# SPDX-License-Identifier: Apache-2.0
"""Limits of the caller's project and how much of them is used.  (/limits)"""

from nova import objects
from nova import policy as nova_policy
from nova.api.openstack import wsgi
from nova.api.openstack.schema import ProjectId, Query, Text
from nova.api.openstack.view import Field, Table
from nova.policy import ADMIN, ANYBODY, Rule

OTHER_PROJECT = Rule('limits:other_project', ADMIN, formerly='os-used-limits')


def _limit(resource):
    return lambda found: found.limits[resource]


def _used(resource):
    return lambda found: found.used.get(resource, 0)


ABSOLUTE = Table(
    Field('maxServerMeta', _limit('metadata_items'), type='integer'),
    Field('maxTotalCores', _limit('cores'), type='integer'),
    Field('maxTotalInstances', _limit('instances'), type='integer'),
    Field('maxTotalKeypairs', _limit('key_pairs'), type='integer'),
    Field('maxTotalRAMSize', _limit('ram'), type='integer'),
    Field('maxServerGroups', _limit('server_groups'), type='integer'),
    Field('maxServerGroupMembers', _limit('server_group_members'), type='integer'),
    Field('totalCoresUsed', _used('cores'), type='integer'),
    Field('totalInstancesUsed', _used('instances'), type='integer'),
    Field('totalRAMUsed', _used('ram'), type='integer'),
    Field('totalServerGroupsUsed', _used('server_groups'), type='integer'),
    Field('maxSecurityGroups', _limit('security_groups'), until='2.35', type='integer'),
    Field('maxSecurityGroupRules', _limit('security_group_rules'), until='2.35', type='integer'),
    Field('maxTotalFloatingIps', _limit('floating_ips'), until='2.35', type='integer'),
    Field('totalFloatingIpsUsed', _used('floating_ips'), until='2.35', type='integer'),
    Field('totalSecurityGroupsUsed', _used('security_groups'), until='2.35', type='integer'),
    Field('maxImageMeta', _limit('metadata_items'), until='2.38', type='integer'),
    Field('maxPersonality', _limit('injected_files'), until='2.56', type='integer'),
    Field('maxPersonalitySize', _limit('injected_file_content_bytes'), until='2.56', type='integer'),
)
VIEW = Table(
    Field('rate', lambda found: [], type={'type': 'array', 'maxItems': 0}),
    Field('absolute', lambda found: found, view=ABSOLUTE),
)


class _Found:
    def __init__(self, limits, used):
        self.limits, self.used = limits, used


class Limits(wsgi.Resource):
    """What a project may have, and what it has."""

    path = '/limits'

    @wsgi.get(query=Query(ProjectId('tenant_id'), Text('reserved'), strict='2.75'), view=VIEW.one('limits'),
              policy=Rule('limits', ANYBODY))
    def index(self, context, minor, tenant_id=None):
        project = context.project_id
        if tenant_id and tenant_id != project:
            nova_policy.authorize(context, OTHER_PROJECT)
            project = tenant_id
        used = objects.Quotas.server_usage(context, project)
        if minor <= 35:
            used.update(objects.Quotas.network_usage(context, project))
        return _Found(objects.Quotas.limits(context, project, context.user_id), used)
