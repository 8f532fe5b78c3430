# SPDX-License-Identifier: Apache-2.0
"""What users do with security groups.  Runs where the database is; hosts are told to look at their filters again."""

from nova import exception, objects
from nova.network.security_group import rules
from nova.objects.security_group import DEFAULT

#: Characters of names and descriptions at most.
_LONGEST = 255


class SecurityGroupAPI:
    """Security groups of nova-network.

    :param refresh: called with (context, [(server uuid, host), …]) when what may reach these servers has changed.
    """

    def __init__(self, refresh):
        self._refresh = refresh

    # Groups -----------------------------------------------------------------------------------------------------------

    def list(self, context, all_projects=False):
        """Groups with rules, by project and name; the caller's `default` is made at first touch."""
        objects.SecurityGroupList.get_by_names(context, context.project_id, [DEFAULT])
        return objects.SecurityGroupList.get_by_project(context, None if all_projects else context.project_id).objects

    def get(self, context, group_id):
        """Raises SecurityGroupNotFound."""
        return objects.SecurityGroup.get_by_id(context, group_id)

    def create(self, context, name, description=None):
        """Raises InvalidInput, SecurityGroupExists, SecurityGroupLimitExceeded."""
        objects.SecurityGroupList.get_by_names(context, context.project_id, [DEFAULT])
        return objects.SecurityGroup.create(
            context, context.project_id, context.user_id, _text('name', name), _text('description', description),
            self._limit(context, 'security_groups'))

    def update(self, context, group_id, name, description):
        """Raises SecurityGroupNotFound, InvalidInput, SecurityGroupExists."""
        group = self._changeable(context, group_id, 'renamed')
        group.rename(_text('name', name), _text('description', description))
        return group

    def delete(self, context, group_id):
        """Raises SecurityGroupNotFound, InvalidInput for `default`, SecurityGroupInUse."""
        self._changeable(context, group_id, 'deleted').destroy()

    def _changeable(self, context, group_id, verb):
        group = self.get(context, group_id)
        if group.name == DEFAULT:
            raise exception.InvalidInput(reason=f'security_group: {DEFAULT} cannot be {verb}')
        return group

    @staticmethod
    def _limit(context, resource):
        return objects.Quotas.limits(context, context.project_id, context.user_id)[resource]

    # Rules ------------------------------------------------------------------------------------------------------------

    def add_rule(self, context, parent_group_id, protocol=None, from_port=None, to_port=None, cidr=None, group_id=None):
        """Let somebody in; returns the `SecurityGroupRule`.

        Raises SecurityGroupNotFound (of either group), InvalidInput, SecurityGroupRuleExists,
        SecurityGroupLimitExceeded.
        """
        group = self.get(context, parent_group_id)
        if group_id is not None:
            self.get(context, group_id)
        rule = rules.parse(protocol, from_port, to_port, cidr, group_id)
        rule_id = group.add_rules([rule], self._limit(context, 'security_group_rules'))[0]
        self._refresh(context, group.get_members())
        return objects.SecurityGroupRule.get_by_id(context, rule_id)

    def remove_rule(self, context, rule_id):
        """Raises SecurityGroupRuleNotFound, also for rules of other projects' groups."""
        rule = objects.SecurityGroupRule.get_by_id(context, rule_id)
        group = self.get(context, rule.parent_group_id)
        rule.destroy()
        self._refresh(context, group.get_members())

    # Servers ----------------------------------------------------------------------------------------------------------

    def of_server(self, context, instance):
        """Groups that hold for a server, with rules."""
        by_name = {group.name: group for group in
                   objects.SecurityGroupList.get_by_project(context, instance.project_id)}
        return [by_name[name] for name in instance.security_groups or (DEFAULT,) if name in by_name]

    def add_to_server(self, context, instance, name):
        """Raises SecurityGroupNotFound, InvalidInput when it holds for the server already."""
        if name in (instance.security_groups or ()):
            raise exception.InvalidInput(reason=f'name: security group {name} holds for this server already')
        self._change(context, instance, name, member=True)

    def remove_from_server(self, context, instance, name):
        """Raises SecurityGroupNotFound, InvalidInput when it does not hold for the server."""
        if name not in (instance.security_groups or ()):
            raise exception.InvalidInput(reason=f'name: security group {name} does not hold for this server')
        self._change(context, instance, name, member=False)

    def _change(self, context, instance, name, member):
        objects.SecurityGroupList.get_by_names(context, instance.project_id, [name])
        names = [known for known in instance.security_groups or () if known != name] + ([name] if member else [])
        found = {'let_in': []}
        if instance.get_network_info():
            found = objects.SecurityGroupList.change_membership(context, instance.uuid, instance.project_id, name,
                                                                member)
        instance.security_groups = names
        instance.save()
        self._refresh(context, [(instance.uuid, instance.host), *found['let_in']])


def _text(name, value):
    """A name or description: not blank, not too long."""
    if not (value or '').strip() or len(value) > _LONGEST:
        raise exception.InvalidInput(reason=f'{name}: must have 1 to {_LONGEST} characters that are not all blank')
    return value
