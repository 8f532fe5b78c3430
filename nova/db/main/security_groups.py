# SPDX-License-Identifier: Apache-2.0
"""Security groups of nova-network: named sets of rules for what may come in, and the servers they hold for."""

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.main import base
from nova.db.main.instances import instances
from nova.db.main.networks import fixed_ips, networks, vifs
from nova.db.types import BIG_ID, utcnow

Text = orm.Mapped[str | None]


class SecurityGroup(base.Timestamps, base.SoftDelete, base.Base):
    __tablename__ = 'security_groups'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    description: Text = orm.mapped_column(sa.String(255))
    user_id: Text = orm.mapped_column(sa.String(255))
    project_id: orm.Mapped[str] = orm.mapped_column(sa.String(255))

    __table_args__ = (
        sa.UniqueConstraint('project_id', 'name', 'deleted', name='uniq_security_groups0project0name0deleted'),
        base.Base.__table_args__,
    )


class SecurityGroupRule(base.Timestamps, base.Base):
    __tablename__ = 'security_group_rules'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    parent_group_id: orm.Mapped[int] = orm.mapped_column(BIG_ID)
    protocol: Text = orm.mapped_column(sa.String(8))
    from_port: orm.Mapped[int | None]
    to_port: orm.Mapped[int | None]
    cidr: Text = orm.mapped_column(sa.String(43))
    # the servers of another group may come in
    group_id: orm.Mapped[int | None] = orm.mapped_column(BIG_ID)

    __table_args__ = (
        sa.Index('security_group_rules_parent_idx', 'parent_group_id'),
        # whom a new member of a group is let in by
        sa.Index('security_group_rules_group_idx', 'group_id'),
        base.Base.__table_args__,
    )


class SecurityGroupDefaultRule(base.Timestamps, base.Base):
    __tablename__ = 'security_group_default_rules'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    protocol: Text = orm.mapped_column(sa.String(8))
    from_port: orm.Mapped[int | None]
    to_port: orm.Mapped[int | None]
    cidr: Text = orm.mapped_column(sa.String(43))

    __table_args__ = (base.Base.__table_args__,)


class Membership(base.Base):
    __tablename__ = 'security_group_instance_association'

    security_group_id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True, autoincrement=False)
    instance_uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36), primary_key=True)

    __table_args__ = (
        # the groups of a server
        sa.Index('security_group_instance_instance_idx', 'instance_uuid', 'security_group_id'),
        base.Base.__table_args__,
    )


groups, rules, default_rules, members = (SecurityGroup.__table__, SecurityGroupRule.__table__,
                                         SecurityGroupDefaultRule.__table__, Membership.__table__)

#: What makes two rules the same.
RULE = ('protocol', 'from_port', 'to_port', 'cidr', 'group_id')


# Groups --------------------------------------------------------------------------------------------------------------

def select(conn, *where):
    return conn.execute(sa.select(*groups.columns).where(groups.c.deleted == 0, *where)
                        .order_by(groups.c.project_id, groups.c.name)).mappings().all()


def by_names(conn, project_id, names):
    return select(conn, groups.c.project_id == project_id, groups.c.name.in_(names))


def by_id(conn, group_id):
    return next(iter(select(conn, groups.c.id == group_id)), None)


def count(conn, project_id):
    return conn.execute(sa.select(sa.func.count()).where(groups.c.project_id == project_id,
                                                         groups.c.deleted == 0)).scalar()


def insert(conn, values):
    return conn.execute(groups.insert(), values).inserted_primary_key[0]


def update(conn, group_id, values):
    return conn.execute(groups.update().where(groups.c.id == group_id, groups.c.deleted == 0)
                        .values({**values, 'updated_at': utcnow()})).rowcount


def delete(conn, group_id):
    """Delete a group, its rules and those that let its members in."""
    now = utcnow()
    conn.execute(rules.delete().where(sa.or_(rules.c.parent_group_id == group_id, rules.c.group_id == group_id)))
    conn.execute(members.delete().where(members.c.security_group_id == group_id))
    return conn.execute(groups.update().where(groups.c.id == group_id, groups.c.deleted == 0)
                        .values(deleted=groups.c.id, deleted_at=now, updated_at=now)).rowcount


# Rules ---------------------------------------------------------------------------------------------------------------

def rules_of(conn, group_ids):
    return conn.execute(sa.select(*rules.columns).where(rules.c.parent_group_id.in_(group_ids)).order_by(rules.c.id)
                        ).mappings().all()


def rule_by_id(conn, rule_id):
    return conn.execute(sa.select(*rules.columns).where(rules.c.id == rule_id)).mappings().one_or_none()


def insert_rules(conn, rows):
    """Insert rules, and return the id of the (last) one."""
    found = None
    for row in rows:
        found = conn.execute(rules.insert(), row).inserted_primary_key[0]
    return found


def delete_rule(conn, rule_id):
    return conn.execute(rules.delete().where(rules.c.id == rule_id)).rowcount


def select_default_rules(conn, rule_id=None):
    where = [] if rule_id is None else [default_rules.c.id == rule_id]
    return conn.execute(sa.select(*default_rules.columns).where(*where).order_by(default_rules.c.id)).mappings().all()


def insert_default_rule(conn, values):
    return conn.execute(default_rules.insert(), values).inserted_primary_key[0]


def delete_default_rule(conn, rule_id):
    return conn.execute(default_rules.delete().where(default_rules.c.id == rule_id)).rowcount


# Servers -------------------------------------------------------------------------------------------------------------

def join(conn, instance_uuid, project_id, names):
    """Make a server a member of the groups, as far as it is not; how many of the groups it has joined."""
    already = sa.select(members.c.security_group_id).where(members.c.instance_uuid == instance_uuid)
    return conn.execute(members.insert().from_select(
        ['security_group_id', 'instance_uuid'],
        sa.select(groups.c.id, sa.literal(instance_uuid)).where(
            groups.c.project_id == project_id, groups.c.name.in_(names), groups.c.deleted == 0,
            groups.c.id.not_in(already)))).rowcount


def leave(conn, instance_uuid, group_id=None):
    """The server is a member of the group (None: of all) no more; whether it was."""
    where = [members.c.instance_uuid == instance_uuid]
    if group_id is not None:
        where.append(members.c.security_group_id == group_id)
    return conn.execute(members.delete().where(*where)).rowcount


def of_instance(conn, instance_uuid):
    return conn.execute(sa.select(*groups.columns).join(members, members.c.security_group_id == groups.c.id)
                        .where(members.c.instance_uuid == instance_uuid, groups.c.deleted == 0)
                        .order_by(groups.c.name)).mappings().all()


def rules_of_instances(conn, instance_uuids):
    """Rows of what holds for servers: `instance_uuid` and the rule."""
    return conn.execute(
        sa.select(members.c.instance_uuid, *(rules.c[name] for name in RULE))
        .join(rules, rules.c.parent_group_id == members.c.security_group_id)
        .where(members.c.instance_uuid.in_(instance_uuids)).order_by(rules.c.id)).mappings().all()


def addresses_of(conn, group_ids):
    """Rows of the members' addresses: `group_id`, `address`, `mac`, `cidr_v6` of the network."""
    return conn.execute(
        sa.select(members.c.security_group_id.label('group_id'), fixed_ips.c.address, vifs.c.address.label('mac'),
                  networks.c.cidr_v6)
        .join(vifs, vifs.c.instance_uuid == members.c.instance_uuid)
        .join(networks, networks.c.id == vifs.c.network_id)
        .outerjoin(fixed_ips, fixed_ips.c.virtual_interface_id == vifs.c.id)
        .where(members.c.security_group_id.in_(group_ids))
        .order_by(members.c.security_group_id, vifs.c.id)).mappings().all()


def members_of(conn, group_ids):
    """(uuid, host) of the servers on hosts that the groups hold for."""
    return _placed(conn, members.c.security_group_id.in_(group_ids))


def named_by(conn, project_id, name):
    """{uuid: names of its groups} of the servers that are to have a group, wherever they are."""
    c = instances.c
    rows = conn.execute(sa.select(c.uuid, c.security_groups).where(c.project_id == project_id, c.deleted == 0))
    return {uuid: names for uuid, names in rows if name in (names or ())}


def who_let_in(conn, instance_uuid):
    """(uuid, host) of the other servers on hosts whose rules name a group of this server."""
    own = sa.select(members.c.security_group_id).where(members.c.instance_uuid == instance_uuid)
    parents = sa.select(rules.c.parent_group_id).where(rules.c.group_id.in_(own))
    return _placed(conn, members.c.security_group_id.in_(parents), members.c.instance_uuid != instance_uuid)


def _placed(conn, *where):
    return [tuple(row) for row in conn.execute(
        sa.select(members.c.instance_uuid, instances.c.host).distinct()
        .join(instances, instances.c.uuid == members.c.instance_uuid)
        .where(instances.c.deleted == 0, instances.c.host.is_not(None), *where))]


def forget_deleted(conn):
    """Memberships of servers that are gone; how many there were."""
    alive = sa.select(instances.c.uuid).where(instances.c.deleted == 0)
    return conn.execute(members.delete().where(members.c.instance_uuid.not_in(alive))).rowcount
