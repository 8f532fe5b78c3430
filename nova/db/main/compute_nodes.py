# SPDX-License-Identifier: Apache-2.0
"""Compute nodes: what each has, and how much of it is promised.

The used amounts are written by `claims` alone, so that they are the sum of the claims at every moment.  What the host
reports (totals, reserved, ratios, statistics) never touches them.
"""

import functools

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.main import base
from nova.db.types import BIG_ID, LONG_TEXT, Json, utcnow


def _string(length=255, **kwargs):
    return orm.mapped_column(sa.String(length), **kwargs)


def _amount():
    return orm.mapped_column(default=0, server_default='0')


def _ratio():
    return orm.mapped_column(sa.Float(53), default=1.0, server_default='1')


class ComputeNode(base.Timestamps, base.SoftDelete, base.Base):
    __tablename__ = 'compute_nodes'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    uuid: orm.Mapped[str] = _string(36)
    service_id: orm.Mapped[int | None] = orm.mapped_column(BIG_ID)
    host: orm.Mapped[str] = _string()
    hypervisor_hostname: orm.Mapped[str] = _string()
    hypervisor_type: orm.Mapped[str | None] = _string()
    hypervisor_version: orm.Mapped[int | None]
    host_ip: orm.Mapped[str | None] = _string(39)
    cpu_info: orm.Mapped[str | None] = orm.mapped_column(LONG_TEXT)
    # what there is (count, MiB, GiB), what is kept for the host itself, and how often it may be promised
    vcpus: orm.Mapped[int] = _amount()
    memory_mb: orm.Mapped[int] = _amount()
    local_gb: orm.Mapped[int] = _amount()
    reserved_vcpus: orm.Mapped[int] = _amount()
    reserved_memory_mb: orm.Mapped[int] = _amount()
    reserved_disk_gb: orm.Mapped[int] = _amount()
    cpu_allocation_ratio: orm.Mapped[float] = _ratio()
    ram_allocation_ratio: orm.Mapped[float] = _ratio()
    disk_allocation_ratio: orm.Mapped[float] = _ratio()
    # what is promised: written by `claims` only
    vcpus_used: orm.Mapped[int] = _amount()
    memory_mb_used: orm.Mapped[int] = _amount()
    local_gb_used: orm.Mapped[int] = _amount()
    servers_used: orm.Mapped[int] = _amount()
    # {resource class: amount}, of the classes in `inventory`
    inventory_used = orm.mapped_column(Json)
    # counts every change of the amounts; a writer that has read them may put it into its WHERE
    generation: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, default=0, server_default='0')
    # counts what the host reported anew: while it stands still, only amounts have changed
    reports: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, default=0, server_default='0')
    # what the host says of itself, for people and for filters
    current_workload: orm.Mapped[int | None]
    running_vms: orm.Mapped[int | None]
    disk_available_least: orm.Mapped[int | None]
    uptime: orm.Mapped[str | None] = _string()
    mapped: orm.Mapped[int] = _amount()
    supported_hv_specs = orm.mapped_column(Json)
    stats = orm.mapped_column(Json)
    metrics = orm.mapped_column(Json)
    pci_stats = orm.mapped_column(Json)
    numa_topology = orm.mapped_column(Json)
    traits = orm.mapped_column(Json)
    # {resource class: {'total', 'reserved', 'allocation_ratio'}}: what there is besides CPUs, memory and disk
    inventory = orm.mapped_column(Json)

    __table_args__ = (
        sa.UniqueConstraint('host', 'hypervisor_hostname', 'deleted', name='uniq_compute_nodes0host0node0deleted'),
        sa.UniqueConstraint('uuid', name='uniq_compute_nodes0uuid'),
        # what changed since the scheduler last looked
        sa.Index('compute_nodes_updated_at_idx', 'updated_at'),
        base.Base.__table_args__,
    )


compute_nodes = ComputeNode.__table__

#: Written by `claims`, and by nobody else.
CLAIMED = frozenset(('vcpus_used', 'memory_mb_used', 'local_gb_used', 'servers_used', 'inventory_used', 'generation',
                     'reports'))


def insert(conn, values):
    """Insert a node and return its number.  Its used amounts begin at 0."""
    values = {name: value for name, value in values.items() if name not in CLAIMED}
    # A new row counts as changed, so that "changed since" is one column and one index.
    return conn.execute(compute_nodes.insert(), {'updated_at': utcnow(), **values}).inserted_primary_key[0]


def select(conn, *where, columns=None, limit=None):
    """Nodes that are not deleted and meet the conditions, oldest first."""
    return conn.execute(sa.select(*(columns or compute_nodes.columns)).where(compute_nodes.c.deleted == 0, *where)
                        .order_by(compute_nodes.c.id).limit(limit)).mappings().all()


def by_id(conn, node_id):
    return next(iter(select(conn, compute_nodes.c.id == node_id)), None)


def by_ids(conn, node_ids):
    return select(conn, compute_nodes.c.id.in_(list(node_ids)))


def by_uuid(conn, uuid):
    return next(iter(select(conn, compute_nodes.c.uuid == uuid)), None)


def by_host_and_node(conn, host, node):
    return next(iter(select(conn, compute_nodes.c.host == host, compute_nodes.c.hypervisor_hostname == node)), None)


def of_host(conn, host):
    return select(conn, compute_nodes.c.host == host)


def changed_since(conn, when):
    """Nodes that were inserted, changed, claimed or deleted at `when` (UTC, naive) or later: deleted ones too."""
    return conn.execute(sa.select(*compute_nodes.columns).where(compute_nodes.c.updated_at >= when)
                        .order_by(compute_nodes.c.id)).mappings().all()


def marks_since(conn, when):
    """The same nodes, but only what tells whether and how they changed: their numbers, counters and used amounts."""
    return conn.execute(_marks_since(), {'since': when}).all()


@functools.cache
def _marks_since():
    c = compute_nodes.c
    return sa.select(
        c.id, c.deleted, c.updated_at, c.generation, c.reports, c.vcpus_used, c.memory_mb_used, c.local_gb_used,
        c.servers_used, c.inventory_used).where(c.updated_at >= sa.bindparam('since'))


def update(conn, node_id, values):
    """Change what a host reports; the used amounts stay (see `claims`).  Returns whether the node is there."""
    values = {name: value for name, value in values.items() if name not in CLAIMED}
    return conn.execute(
        compute_nodes.update().where(compute_nodes.c.id == node_id, compute_nodes.c.deleted == 0)
        .values({'updated_at': utcnow(), **values, 'generation': compute_nodes.c.generation + 1,
                 'reports': compute_nodes.c.reports + 1})).rowcount > 0


def soft_delete(conn, node_id, if_unused=False):
    """Mark a node deleted; nothing can be claimed on it any more.  Returns whether that was done.

    :param if_unused: only if nothing is claimed on it.
    """
    now, c = utcnow(), compute_nodes.c
    return conn.execute(
        compute_nodes.update().where(c.id == node_id, c.deleted == 0, *([c.servers_used == 0] if if_unused else []))
        .values(deleted=compute_nodes.c.id, deleted_at=now, updated_at=now)).rowcount > 0


def delete_of_host(conn, host):
    """Mark all nodes of a host deleted; returns how many there were."""
    now = utcnow()
    return conn.execute(
        compute_nodes.update().where(compute_nodes.c.host == host, compute_nodes.c.deleted == 0)
        .values(deleted=compute_nodes.c.id, deleted_at=now, updated_at=now)).rowcount


def totals(conn, *where):
    """The sums over all nodes, as /os-hypervisors/statistics shows them."""
    c = compute_nodes.c
    sums = [sa.func.coalesce(sa.func.sum(c[name]), 0).label(name) for name in (
        'vcpus', 'vcpus_used', 'memory_mb', 'memory_mb_used', 'local_gb', 'local_gb_used', 'current_workload',
        'running_vms', 'disk_available_least')]
    row = conn.execute(sa.select(sa.func.count().label('count'), *sums).where(c.deleted == 0, *where)).mappings().one()
    return {name: int(value) for name, value in row.items()}
