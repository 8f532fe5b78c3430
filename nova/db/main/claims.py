# SPDX-License-Identifier: Apache-2.0
"""Claims: which server has been promised how much of which node.

A node's used amounts are at every moment the sum of its claims, since both are written in one transaction and nobody
else writes the first.  Over-commit cannot happen: the amounts are raised by an UPDATE whose WHERE says that they still
fit, and no row means that somebody was faster.

A server has at most one claim for each migration, and one without ('').  Amounts: count, MiB, GiB.  What a node has
besides (its inventory: resource classes of its driver's own) is counted in one column, under the node's generation.
"""

import collections
import dataclasses
import functools

import sqlalchemy as sa
from oslo_db import exception as db_exc
from sqlalchemy import orm

from nova.db.main import base
from nova.db.main.compute_nodes import compute_nodes
from nova.db.types import BIG_ID, MOMENT, Json, insert_new, utcnow


class Claim(base.Base):
    __tablename__ = 'claims'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    instance_uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    # '' and not NULL: NULLs would not be equal to each other in the unique key
    migration_uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36), default='', server_default='')
    compute_node_id: orm.Mapped[int] = orm.mapped_column(BIG_ID)
    host: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    node: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    vcpus: orm.Mapped[int] = orm.mapped_column(default=0)
    memory_mb: orm.Mapped[int] = orm.mapped_column(default=0)
    disk_gb: orm.Mapped[int] = orm.mapped_column(default=0)
    # a claim is for one server; a column of its own keeps it an amount like the others
    servers: orm.Mapped[int] = orm.mapped_column(default=1, server_default='1')
    # {resource class: amount}; NULL: none
    resources = orm.mapped_column(Json)
    created_at = orm.mapped_column(MOMENT, default=utcnow)

    __table_args__ = (
        # the claims of a server, and that there is one of each kind
        sa.UniqueConstraint('instance_uuid', 'migration_uuid', name='uniq_claims0instance0migration'),
        # the claims on a node: check and audit
        sa.Index('claims_compute_node_idx', 'compute_node_id'),
        sa.Index('claims_migration_idx', 'migration_uuid'),
        base.Base.__table_args__,
    )


class GroupLock(base.Base):
    """One row for each server group with the policy affinity: whoever claims for one of its servers holds it."""

    __tablename__ = 'group_locks'

    group_uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36), primary_key=True)


claims, group_locks = Claim.__table__, GroupLock.__table__

# (amount of a claim, used on a node, what may be used at most: total, reserved, ratio; without them no end)
RESOURCES = (
    ('vcpus', 'vcpus_used', 'vcpus', 'reserved_vcpus', 'cpu_allocation_ratio'),
    ('memory_mb', 'memory_mb_used', 'memory_mb', 'reserved_memory_mb', 'ram_allocation_ratio'),
    ('disk_gb', 'local_gb_used', 'local_gb', 'reserved_disk_gb', 'disk_allocation_ratio'),
    ('servers', 'servers_used'),
)
# How often a claim that stands in the way is removed before the transaction is given up.
_TRIES = 5
AMOUNTS = tuple(resource[0] for resource in RESOURCES)


@dataclasses.dataclass(slots=True)
class Wanted:
    """A claim to make."""

    instance_uuid: str
    compute_node_id: int
    host: str
    node: str
    vcpus: int = 0
    memory_mb: int = 0
    disk_gb: int = 0
    migration_uuid: str = ''
    servers: int = 1
    resources: dict | None = None
    #: {amount: how much of it may be used on the node at most, if that is not what the node says}
    limits: dict | None = None

    @property
    def key(self):
        return self.instance_uuid, self.migration_uuid

    def values(self):
        values = dataclasses.asdict(self)
        del values['limits']
        return {**values, 'resources': self.resources or None}


def claim(conn, node_id, instance_uuid, vcpus, memory_mb, disk_gb, host, node, generation=None, migration_uuid=None):
    """Promise a server its resources on a node, if they still fit there.

    Returns False, with nothing written, when they do not (any more), or when `generation` is given and the node has
    changed since.  An older claim of the server for the same purpose is given back.  Two statements.
    """
    wanted = Wanted(instance_uuid, node_id, host, node, vcpus, memory_mb, disk_gb, migration_uuid or '')
    return bool(claim_many(conn, [wanted], {node_id: generation} if generation is not None else None))


def claim_many(conn, wanted, generations=None):
    """Make as many of these claims as fit; returns the keys (instance, migration) of those made.

    One UPDATE for each node and one INSERT for all.  Where not all claims on a node fit, the first that do are made.
    Claims that these servers hold already for the same purpose are replaced.
    :param generations: {node id: generation the node must still have}.
    """
    by_node = collections.defaultdict(list)
    for item in wanted:
        by_node[item.compute_node_id].append(item)
    made = []
    replaced = False
    # In the order of ids everywhere, so that two of us never wait for each other crosswise.
    for node_id in sorted(by_node):
        items = by_node[node_id]
        generation = (generations or {}).get(node_id)
        if _raise(conn, node_id, items, generation):
            made.extend(items)
            continue
        if not replaced:
            # Perhaps it is their own old claims that take the room.
            replaced = True
            if _release(conn, _keys(wanted)) and _raise(conn, node_id, items, generation):
                made.extend(items)
                continue
        if len(items) > 1:
            made.extend(item for item in items if _raise(conn, node_id, [item], None))
    if made:
        _replace(conn, made)
    return {item.key for item in made}


def _raise(conn, node_id, items, generation):
    """Raise what a node has promised by what the items want, if it fits; whether it did."""
    sums = {name: sum(getattr(item, name) for item in items) for name in AMOUNTS}
    # Who wants none of it does not mind that it is full.
    amounts = {name: amount for name, amount in sums.items() if amount}
    limits = {name: min(said) for name in amounts
              if (said := [item.limits[name] for item in items if name in (item.limits or ())])}
    values = {'of_id': node_id, 'of_generation': generation, 'updated_at': utcnow(),
              **{f'more_{name}': amount for name, amount in amounts.items()},
              **{f'limit_{name}': limit for name, limit in limits.items()}}
    resources = _sum_of_resources(item.resources for item in items)
    if resources:
        node = _locked(conn, node_id)
        if node is None or not _fits(node, resources) or generation not in (None, node.generation):
            return False
        values.update(of_generation=node.generation, inventory_used=_added(node.inventory_used, resources, 1))
    statement = _raising(tuple(amounts), tuple(limits), values['of_generation'] is not None)
    return conn.execute(statement, values).rowcount == 1


@functools.cache
def _raising(amounts, limits, of_generation):
    """UPDATE compute_nodes SET used = used + amount WHERE used + amount <= (total - reserved) * ratio, for each.

    Made once for each kind: that takes longer than running it does.  What else is set are the parameters that have the
    names of columns.
    """
    c = compute_nodes.c
    guard = [c.id == sa.bindparam('of_id'), c.deleted == 0]
    if of_generation:
        guard.append(c.generation == sa.bindparam('of_generation'))
    values = {'generation': c.generation + 1}
    for name, used, *capacity in RESOURCES:
        if name not in amounts:
            continue
        values[used] = c[used] + sa.bindparam(f'more_{name}')
        if name in limits:
            guard.append(values[used] <= sa.bindparam(f'limit_{name}'))
        elif capacity:
            total, reserved, ratio = capacity
            guard.append(values[used] <= (c[total] - c[reserved]) * c[ratio])
    return compute_nodes.update().where(*guard).values(values)


def _sum_of_resources(parts):
    total = collections.Counter()
    for part in parts:
        total.update(part or {})
    return dict(total)


def _locked(conn, node_id):
    """What a node has and has promised of its inventory, held until the transaction ends; None without such a node."""
    c = compute_nodes.c
    return conn.execute(sa.select(c.inventory, c.inventory_used, c.generation).where(c.id == node_id)
                        .with_for_update()).first()


def capacity(inventory, name):
    """How much of a resource class may be promised, by an inventory; 0 for what it does not have."""
    has = (inventory or {}).get(name)
    return int((has['total'] - has.get('reserved', 0)) * has.get('allocation_ratio', 1.0)) if has else 0


def _fits(node, resources):
    used = node.inventory_used or {}
    return all(used.get(name, 0) + amount <= capacity(node.inventory, name) for name, amount in resources.items())


def _added(used, resources, sign):
    total = collections.Counter(used or {})
    for name, amount in resources.items():
        total[name] += sign * amount
    return {name: amount for name, amount in total.items() if amount}


def _replace(conn, items):
    """Insert these claims, in the place of others that the servers hold for the same purpose."""
    stamp = utcnow()
    inserted = 0
    for _try in range(_TRIES):
        inserted += _insert(conn, items, stamp)
        if inserted == len(items):
            return
        # Somebody who claims for the same server right now may have a new row there each time we have looked.
        _release(conn, sa.and_(_keys(items), claims.c.created_at != stamp))
    # The caller's whole transaction is to be run again.
    raise db_exc.DBDeadlock(f'claims of {items[0].instance_uuid} are being made elsewhere')


def _insert(conn, items, stamp):
    """Insert what does not collide; returns how many rows that were."""
    return _insert_new(conn, claims, [{**item.values(), 'created_at': stamp} for item in items])


def _insert_new(conn, table, rows):
    """Insert rows whose keys are not there yet; returns how many that were."""
    statement = insert_new(conn, table).inline()
    if len(rows) == 1:
        # Compiled once and for all, unlike one that has the values in it.
        return conn.execute(statement, rows[0]).rowcount
    return conn.execute(statement.values(rows)).rowcount


def _keys(items):
    return sa.or_(*(sa.and_(claims.c.instance_uuid == item.instance_uuid,
                            claims.c.migration_uuid == item.migration_uuid) for item in items))


def keep_apart(conn, made, members, limit):
    """Give back those of the claims just made that put too many servers of a group on one host; returns the others.

    Whoever claims on a node holds its row until his transaction ends, so that nobody else adds a server of the group to
    the host between our claim and this look.
    """
    c = claims.c
    by_host = collections.defaultdict(set)
    for row in conn.execute(sa.select(c.host, c.instance_uuid, c.migration_uuid).where(
            c.instance_uuid.in_(sorted({*members, *(uuid for uuid, _migration in made)})))):
        by_host[row.host].add((row.instance_uuid, row.migration_uuid))
    kept = set(made)
    for keys in by_host.values():
        ours = sorted(keys & kept)
        too_many = len({uuid for uuid, _migration in keys}) - limit
        for key in ours[:max(0, too_many)]:
            release(conn, *key)
            kept.discard(key)
    return kept


def keep_together(conn, made, members, group_uuid):
    """Give back those of the claims just made that are not on the host that has the group; returns the others.

    Nobody else claims for the group from here to the end of the transaction.  Where the group has no host yet, that of
    the first claim is it.
    """
    if not made:
        return made
    _insert_new(conn, group_locks, [{'group_uuid': group_uuid}])
    conn.execute(sa.select(group_locks.c.group_uuid).where(group_locks.c.group_uuid == group_uuid).with_for_update())
    c = claims.c
    hosts = {}
    for row in conn.execute(sa.select(c.host, c.instance_uuid, c.migration_uuid).where(
            c.instance_uuid.in_(sorted({*members, *(uuid for uuid, _migration in made)}))).order_by(c.id)):
        hosts[row.instance_uuid, row.migration_uuid] = row.host
    moving = {uuid for uuid, migration in made if migration}
    others = [host for key, host in hosts.items() if key not in made and key[0] not in moving]
    home = others[0] if others else next(host for key, host in hosts.items() if key in made)
    kept = {key for key in made if hosts[key] == home}
    for key in sorted(made - kept):
        release(conn, *key)
    return kept


def forget_group(conn, group_uuid):
    """The group is gone."""
    conn.execute(group_locks.delete().where(group_locks.c.group_uuid == group_uuid))


def release(conn, instance_uuid, migration_uuid=None):
    """Give back what a server has been promised: all of it, or what one migration holds ('': what no migration does).

    Returns how many claims that were; doing it again changes nothing.  Two statements, and one more for each further
    node.  Every path that ends a server calls this in its own transaction.
    """
    where = claims.c.instance_uuid == instance_uuid
    if migration_uuid is not None:
        where = sa.and_(where, claims.c.migration_uuid == migration_uuid)
    return _release(conn, where)


def release_many(conn, instance_uuids):
    """Give back all that these servers have been promised; returns how many claims that were."""
    return _release(conn, claims.c.instance_uuid.in_(list(instance_uuids)))


def _release(conn, where):
    # The rows go first and say what they held: two releases at once must not lower a node twice, and a subquery in
    # the UPDATE could still see rows that the other one is deleting.
    returned = (claims.c.compute_node_id, claims.c.resources, *(claims.c[name] for name in AMOUNTS))
    if conn.dialect.delete_returning:
        rows = conn.execute(claims.delete().where(where).returning(*returned)).all()
    else:
        rows = conn.execute(sa.select(*returned, claims.c.id).where(where).with_for_update()).all()
        if rows:
            conn.execute(claims.delete().where(claims.c.id.in_([row.id for row in rows])))
    held = collections.defaultdict(list)
    for row in rows:
        held[row.compute_node_id].append(row)
    c = compute_nodes.c
    for node_id in sorted(held):
        sums = {used: sum(getattr(row, name) for row in held[node_id]) for name, used, *_rest in RESOURCES}
        lowered = {used: c[used] - amount for used, amount in sums.items() if amount}
        resources = _sum_of_resources(row.resources for row in held[node_id])
        node = _locked(conn, node_id) if resources else None
        if node is not None:
            lowered['inventory_used'] = _added(node.inventory_used, resources, -1)
        # Deleted nodes too: their amounts must be right if they come back.
        conn.execute(compute_nodes.update().where(c.id == node_id)
                     .values({'generation': c.generation + 1, 'updated_at': utcnow(), **lowered}))
    return len(rows)


def confirm_migration(conn, instance_uuid, migration_uuid):
    """The server is now where the migration took it: give back its old claim, and make the migration's its own.

    Returns whether the migration held a claim.
    """
    c = claims.c
    mine = sa.and_(c.instance_uuid == instance_uuid, c.migration_uuid == migration_uuid)
    if conn.execute(sa.select(c.id).where(mine).with_for_update()).first() is None:
        return False
    release(conn, instance_uuid, '')
    return conn.execute(claims.update().where(mine).values(migration_uuid='')).rowcount == 1


def of_instances(conn, instance_uuids):
    return conn.execute(sa.select(*claims.columns).where(claims.c.instance_uuid.in_(list(instance_uuids)))
                        .order_by(claims.c.id)).mappings().all()


def of_node(conn, node_id):
    return conn.execute(sa.select(*claims.columns).where(claims.c.compute_node_id == node_id)
                        .order_by(claims.c.id)).mappings().all()


def of_host(conn, host):
    return conn.execute(sa.select(*claims.columns).where(claims.c.host == host).order_by(claims.c.id)).mappings().all()


def check(conn):
    """Nodes whose used amounts are not the sum of their claims; empty is right.

    [{'id', 'host', 'node', 'used': {amount: n}, 'claimed': {amount: n}}, …], resource classes among the amounts where
    there are any.  A node id that has claims and no row is reported with host and node of the claims.
    """
    c = claims.c
    sums = (sa.select(c.compute_node_id, sa.func.min(c.host).label('host'), sa.func.min(c.node).label('node'),
                      *(sa.func.sum(c[name]).label(name) for name in AMOUNTS))
            .group_by(c.compute_node_id))
    claimed = {row.compute_node_id: row for row in conn.execute(sums)}
    resources = collections.defaultdict(collections.Counter)
    for node_id, amounts in conn.execute(sa.select(c.compute_node_id, c.resources).where(c.resources.is_not(None))):
        resources[node_id].update(amounts)
    n = compute_nodes.c
    wrong = []
    for row in conn.execute(sa.select(n.id, n.host, n.hypervisor_hostname, n.inventory_used,
                                      *(n[used] for _a, used, *_r in RESOURCES))):
        found = claimed.pop(row.id, None)
        used = {name: getattr(row, used) for name, used, *_rest in RESOURCES} | (row.inventory_used or {})
        promised = {name: int(getattr(found, name)) if found is not None else 0 for name in AMOUNTS}
        promised |= dict(resources[row.id])
        if used != promised:
            wrong.append({'id': row.id, 'host': row.host, 'node': row.hypervisor_hostname, 'used': used,
                          'claimed': promised})
    for node_id, found in claimed.items():
        wrong.append({'id': node_id, 'host': found.host, 'node': found.node, 'used': dict.fromkeys(AMOUNTS, 0),
                      'claimed': {name: int(getattr(found, name)) for name in AMOUNTS}})
    return wrong


def orphans(conn, instances, before):
    """Claims that no server needs: [claim row], empty is right.

    Those of servers that are gone; and those made before a moment for servers that are on no host and not on the way to
    one: the scheduler's answer came when nobody waited for it any more.
    :param instances: the table of servers (`nova.db.main.instances.instances`).
    """
    c, s = claims.c, instances.c
    alive = sa.select(s.uuid).where(s.deleted == 0)
    idle = alive.where(s.host.is_(None), s.task_state.is_(None))
    return conn.execute(sa.select(*claims.columns).where(sa.or_(
        c.instance_uuid.not_in(alive),
        sa.and_(c.migration_uuid == '', c.created_at < before, c.instance_uuid.in_(idle))))).mappings().all()


def release_orphaned(conn, instances, instance_uuid):
    """Give back what a server has been promised, unless it is on a host, or on the way to one; returns how many."""
    s = instances.c
    server = conn.execute(sa.select(s.host, s.task_state).where(s.uuid == instance_uuid, s.deleted == 0)
                          .with_for_update()).first()
    if server is not None and (server.host is not None or server.task_state is not None):
        return 0
    return release(conn, instance_uuid)
