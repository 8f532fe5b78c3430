# SPDX-License-Identifier: Apache-2.0
"""Security groups and what they let in."""

import netaddr
from oslo_db import exception as db_exc

from nova import db, exception
from nova.network import info
from nova.objects import base, fields

DEFAULT = 'default'


class SecurityGroupExists(exception.Invalid):
    msg_fmt = 'Security group %(name)s already exists in project %(project_id)s.'


class SecurityGroupRuleExists(exception.Invalid):
    msg_fmt = 'This rule already exists in group %(group_id)s.'


class SecurityGroupInUse(exception.Invalid):
    msg_fmt = 'Security group %(group_id)s is in use by servers.'


class SecurityGroupRuleNotFound(exception.NotFound):
    msg_fmt = 'Security group rule %(rule_id)s not found.'


class SecurityGroupLimitExceeded(exception.QuotaError):
    msg_fmt = 'Quota exceeded, too many %(what)s: %(allowed)d are allowed.'


@base.register
class SecurityGroupRule(base.TimestampedObject, base.NovaObject):
    """Who may come in: a protocol (None: all) with ports (icmp: type and code; -1: all) from a network or a group."""

    fields = {
        'id': fields.IntegerField(),
        'parent_group_id': fields.IntegerField(),
        'protocol': fields.optional(),
        'from_port': fields.optional(fields.IntegerField),
        'to_port': fields.optional(fields.IntegerField),
        'cidr': fields.optional(),
        'group_id': fields.optional(fields.IntegerField),
    }

    @base.remotable_classmethod
    def get_by_id(cls, context, rule_id):
        """Raises SecurityGroupRuleNotFound."""
        with db.session.reader(context) as conn:
            row = db.security_groups.rule_by_id(conn, rule_id)
        if row is None:
            raise SecurityGroupRuleNotFound(rule_id=rule_id)
        return cls.from_row(context, row)

    @base.remotable
    @base.retried
    def destroy(self):
        with db.session.writer(self._context) as conn:
            db.security_groups.delete_rule(conn, self.id)


@base.register
class SecurityGroup(base.TimestampedObject, base.NovaObject):
    fields = {
        'id': fields.IntegerField(),
        'name': fields.StringField(),
        'description': fields.optional(),
        'user_id': fields.optional(),
        'project_id': fields.optional(),
        'rules': fields.ListOfObjectsField('SecurityGroupRule', default=[]),
    }

    @base.remotable_classmethod
    def get_by_id(cls, context, group_id):
        """With rules.  Raises SecurityGroupNotFound, also for groups of other projects."""
        with db.session.reader(context) as conn:
            row = db.security_groups.by_id(conn, group_id)
            if row is None or not context.can_see(row['project_id']):
                raise exception.SecurityGroupNotFound(security_group_id=group_id)
            return _with_rules(context, conn, [row])[0]

    @base.remotable_classmethod
    @base.retried
    def create(cls, context, project_id, user_id, name, description, limit=-1):
        """Raises SecurityGroupExists, SecurityGroupLimitExceeded."""
        try:
            with db.session.writer(context) as conn:
                if 0 <= limit <= db.security_groups.count(conn, project_id):
                    raise SecurityGroupLimitExceeded(what='security groups', allowed=limit)
                group_id = db.security_groups.insert(conn, {'name': name, 'description': description,
                                                            'project_id': project_id, 'user_id': user_id})
                row = db.security_groups.by_id(conn, group_id)
        except db_exc.DBDuplicateEntry as exc:
            raise SecurityGroupExists(name=name, project_id=project_id) from exc
        return cls.from_row(context, row, rules=[])

    @base.remotable
    @base.retried
    def rename(self, name, description):
        """Servers know their groups by name, and learn the new one.  Raises SecurityGroupExists."""
        try:
            with db.session.writer(self._context) as conn:
                servers = db.security_groups.named_by(conn, self.project_id, self.name) if name != self.name else {}
                db.security_groups.update(conn, self.id, {'name': name, 'description': description})
                for uuid, names in servers.items():
                    db.instances.update(conn, uuid, {'security_groups': [
                        name if each == self.name else each for each in names]})
        except db_exc.DBDuplicateEntry as exc:
            raise SecurityGroupExists(name=name, project_id=self.project_id) from exc
        self.trust('name', name)
        self.trust('description', description)

    @base.remotable
    @base.retried
    def destroy(self):
        """Raises SecurityGroupInUse while it holds for servers, or will: of those that are on no host now."""
        with db.session.writer(self._context) as conn:
            if db.security_groups.members_of(conn, [self.id]) or db.security_groups.named_by(
                    conn, self.project_id, self.name):
                raise SecurityGroupInUse(group_id=self.id)
            db.security_groups.delete(conn, self.id)

    @base.remotable
    @base.retried
    def add_rules(self, wanted, limit=-1):
        """Add rules ({protocol, from_port, to_port, cidr, group_id}); returns their ids.

        Raises SecurityGroupRuleExists, SecurityGroupLimitExceeded.
        """
        names = db.security_groups.RULE
        with db.session.writer(self._context) as conn:
            known = [{name: row[name] for name in names} for row in db.security_groups.rules_of(conn, [self.id])]
            if 0 <= limit < len(known) + len(wanted):
                raise SecurityGroupLimitExceeded(what='security group rules', allowed=limit)
            ids = []
            for rule in wanted:
                rule = {name: rule.get(name) for name in names}
                if rule in known:
                    raise SecurityGroupRuleExists(group_id=self.id)
                known.append(rule)
                ids.append(db.security_groups.insert_rules(conn, [{**rule, 'parent_group_id': self.id}]))
        return ids

    @base.remotable
    def get_members(self):
        """[(uuid, host)] of the servers on hosts that it holds for."""
        with db.session.reader(self._context) as conn:
            return db.security_groups.members_of(conn, [self.id])


@base.register
class SecurityGroupList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('SecurityGroup')}

    @base.remotable_classmethod
    def get_by_project(cls, context, project_id):
        """Groups of a project (None: of all), with rules."""
        where = [] if project_id is None else [db.security_groups.groups.c.project_id == project_id]
        with db.session.reader(context) as conn:
            return cls.of(context, _with_rules(context, conn, db.security_groups.select(conn, *where)))

    @base.remotable_classmethod
    def get_by_ids(cls, context, group_ids):
        """Those of the groups that there are, of any project, without rules."""
        with db.session.reader(context) as conn:
            rows = db.security_groups.select(conn, db.security_groups.groups.c.id.in_(group_ids))
            return cls.of(context, [SecurityGroup.from_row(context, row, rules=[]) for row in rows])

    @base.remotable_classmethod
    @base.retried
    def get_by_names(cls, context, project_id, names):
        """Without rules; `default` is made at first touch.  Raises SecurityGroupNotFound for a name that is none."""
        names = sorted(set(names))
        with db.session.reader(context) as conn:
            found = db.security_groups.by_names(conn, project_id, names)
        missing = set(names) - {row['name'] for row in found}
        if DEFAULT in missing:
            try:
                with db.session.writer(context) as conn:
                    make_default(context, conn, project_id)
            except db_exc.DBDuplicateEntry:
                pass    # somebody else touched it first
            with db.session.reader(context) as conn:
                found = db.security_groups.by_names(conn, project_id, names)
            missing.remove(DEFAULT)
        if missing:
            raise exception.SecurityGroupNotFound(security_group_id=min(missing))
        return cls.of(context, [SecurityGroup.from_row(context, row, rules=[]) for row in found])

    @base.remotable_classmethod
    def get_by_instance(cls, context, instance_uuid):
        """Groups that hold for a server with interfaces, with rules."""
        with db.session.reader(context) as conn:
            return cls.of(context, _with_rules(context, conn, db.security_groups.of_instance(conn, instance_uuid)))

    @base.remotable_classmethod
    def rules_for(cls, context, instance_uuids):
        """What is let in to servers, groups as the addresses of their members.

        :returns: {instance uuid: [{protocol, from_port, to_port, sources: [network or address]}]}
        """
        with db.session.reader(context) as conn:
            rows = db.security_groups.rules_of_instances(conn, instance_uuids)
            sources = _sources(conn, {row['group_id'] for row in rows if row['group_id']})
        found = {}
        for row in rows:
            rule = {'protocol': row['protocol'], 'from_port': row['from_port'], 'to_port': row['to_port'],
                    'sources': sources.get(row['group_id'], []) if row['group_id'] else [_plain(row['cidr'])]}
            rules = found.setdefault(row['instance_uuid'], [])
            if rule['sources'] and rule not in rules:
                rules.append(rule)
        return found

    @base.remotable_classmethod
    @base.retried
    def change_membership(cls, context, instance_uuid, project_id, name, member):
        """Let a group hold for a server (or no more), if it has interfaces.

        :returns: {'changed': whether it did not before, 'let_in': [(uuid, host)] whose rules name the group}.
        Raises SecurityGroupNotFound.
        """
        with db.session.writer(context) as conn:
            rows = db.security_groups.by_names(conn, project_id, [name])
            if not rows:
                raise exception.SecurityGroupNotFound(security_group_id=name)
            before = db.security_groups.who_let_in(conn, instance_uuid)
            if member:
                changed = bool(db.security_groups.join(conn, instance_uuid, project_id, [name]))
            else:
                changed = bool(db.security_groups.leave(conn, instance_uuid, rows[0]['id']))
            after = db.security_groups.who_let_in(conn, instance_uuid)
        return {'changed': changed, 'let_in': sorted({*before, *after})}


@base.register
class SecurityGroupDefaultRule(base.NovaObject):
    """A rule of every group `default` that is made from now on."""

    fields = {
        'id': fields.IntegerField(),
        'protocol': fields.optional(),
        'from_port': fields.optional(fields.IntegerField),
        'to_port': fields.optional(fields.IntegerField),
        'cidr': fields.optional(),
    }

    @base.remotable_classmethod
    @base.retried
    def create(cls, context, values):
        """Raises Conflict when there is the same already."""
        with db.session.writer(context) as conn:
            if any(all(row[name] == value for name, value in values.items())
                   for row in db.security_groups.select_default_rules(conn)):
                raise exception.Conflict('This default rule already exists.')
            rule_id = db.security_groups.insert_default_rule(conn, values)
            return cls.from_row(context, db.security_groups.select_default_rules(conn, rule_id)[0])

    @base.remotable_classmethod
    def get_by_id(cls, context, rule_id):
        """Raises SecurityGroupRuleNotFound."""
        with db.session.reader(context) as conn:
            rows = db.security_groups.select_default_rules(conn, rule_id)
        if not rows:
            raise SecurityGroupRuleNotFound(rule_id=rule_id)
        return cls.from_row(context, rows[0])

    @base.remotable
    @base.retried
    def destroy(self):
        with db.session.writer(self._context) as conn:
            db.security_groups.delete_default_rule(conn, self.id)


@base.register
class SecurityGroupDefaultRuleList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('SecurityGroupDefaultRule')}

    @base.remotable_classmethod
    def get_all(cls, context):
        with db.session.reader(context) as conn:
            return cls.from_rows(context, db.security_groups.select_default_rules(conn))


def make_default(context, conn, project_id):
    """Make a project's group `default`, with the rules that the site gives it."""
    group_id = db.security_groups.insert(conn, {'name': DEFAULT, 'description': DEFAULT, 'project_id': project_id,
                                                'user_id': context.user_id})
    db.security_groups.insert_rules(conn, [
        {'parent_group_id': group_id, **{name: row[name] for name in ('protocol', 'from_port', 'to_port', 'cidr')}}
        for row in db.security_groups.select_default_rules(conn)])


def _with_rules(context, conn, rows):
    found = [SecurityGroup.from_row(context, row, rules=[]) for row in rows]
    by_id = {group.id: group for group in found}
    if by_id:
        for row in db.security_groups.rules_of(conn, list(by_id)):
            by_id[row['parent_group_id']].rules.append(SecurityGroupRule.from_row(context, row))
    return found


def _sources(conn, group_ids):
    """{group id: [address, …]} of the servers in the groups."""
    found = {}
    for row in db.security_groups.addresses_of(conn, sorted(group_ids)) if group_ids else ():
        addresses = found.setdefault(row['group_id'], [])
        if row['address']:
            addresses.append(row['address'])
        if row['cidr_v6']:
            addresses.append(info.address_v6(row['cidr_v6'], row['mac']))
    return found


def _plain(cidr):
    """A rule's network without the bits beyond its prefix that whoever made it may have given."""
    return str(netaddr.IPNetwork(cidr).cidr) if cidr else '0.0.0.0/0'
