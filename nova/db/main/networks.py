# SPDX-License-Identifier: Apache-2.0
"""Networks of nova-network, their addresses, and who has them.

An address is given by an UPDATE whose WHERE says that it is still free: of two that choose the same one, one gets it.
"""

import datetime
import random

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.main import base
from nova.db.main.instances import instances
from nova.db.types import BIG_ID, MOMENT, utcnow

Text = orm.Mapped[str | None]

NEVER = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  (databases keep UTC without saying so)


def _string(length=255, **kwargs):
    return orm.mapped_column(sa.String(length), **kwargs)


class Network(base.Timestamps, base.SoftDelete, base.Base):
    __tablename__ = 'networks'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    uuid: orm.Mapped[str] = _string(36)
    label: orm.Mapped[str] = _string()
    cidr: Text = _string(43)
    netmask: Text = _string(39)
    gateway: Text = _string(39)
    broadcast: Text = _string(39)
    dns1: Text = _string(39)
    dns2: Text = _string(39)
    cidr_v6: Text = _string(43)
    gateway_v6: Text = _string(39)
    netmask_v6: Text = _string(39)
    bridge: Text = _string(15)
    bridge_interface: Text = _string(15)
    dhcp_start: Text = _string(39)
    dhcp_server: Text = _string(39)
    enable_dhcp: orm.Mapped[bool] = orm.mapped_column(default=True)
    share_address: orm.Mapped[bool] = orm.mapped_column(default=False)
    injected: orm.Mapped[bool] = orm.mapped_column(default=False)
    multi_host: orm.Mapped[bool] = orm.mapped_column(default=False)
    mtu: orm.Mapped[int | None]
    vlan: orm.Mapped[int | None]
    project_id: Text = _string()
    host: Text = _string()
    priority: orm.Mapped[int | None]
    rxtx_base: orm.Mapped[int | None]
    vpn_public_address: Text = _string(39)
    vpn_public_port: orm.Mapped[int | None]
    vpn_private_address: Text = _string(39)

    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_networks0uuid'),
        sa.UniqueConstraint('cidr', 'deleted', name='uniq_networks0cidr0deleted'),
        sa.Index('networks_project_idx', 'project_id', 'deleted'),
        base.Base.__table_args__,
    )


class VirtualInterface(base.Timestamps, base.Base):
    __tablename__ = 'virtual_interfaces'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    uuid: orm.Mapped[str] = _string(36)
    address: orm.Mapped[str] = _string(17)
    network_id: orm.Mapped[int | None] = orm.mapped_column(BIG_ID)
    instance_uuid: orm.Mapped[str | None] = _string(36)
    tag: Text = _string()

    __table_args__ = (
        sa.UniqueConstraint('address', name='uniq_virtual_interfaces0address'),
        sa.UniqueConstraint('uuid', name='uniq_virtual_interfaces0uuid'),
        sa.Index('virtual_interfaces_instance_idx', 'instance_uuid'),
        base.Base.__table_args__,
    )


class FixedIP(base.Timestamps, base.Base):
    __tablename__ = 'fixed_ips'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    address: orm.Mapped[str] = _string(39)
    network_id: orm.Mapped[int] = orm.mapped_column(BIG_ID)
    instance_uuid: orm.Mapped[str | None] = _string(36)
    virtual_interface_id: orm.Mapped[int | None] = orm.mapped_column(BIG_ID)
    allocated: orm.Mapped[bool] = orm.mapped_column(default=False)
    leased: orm.Mapped[bool] = orm.mapped_column(default=False)
    reserved: orm.Mapped[bool] = orm.mapped_column(default=False)
    # of the server; of the host itself, if the address is that of a gateway (reserved, no server)
    host: Text = _string()
    # the server's route to everywhere goes by this one
    default_route: orm.Mapped[bool] = orm.mapped_column(default=False)
    # when it was last given back; NEVER and not NULL, so that the index gives the order
    released_at: orm.Mapped[datetime.datetime] = orm.mapped_column(MOMENT, default=NEVER)

    __table_args__ = (
        sa.UniqueConstraint('network_id', 'address', name='uniq_fixed_ips0network0address'),
        sa.Index('fixed_ips_address_idx', 'address'),
        sa.Index('fixed_ips_instance_idx', 'instance_uuid'),
        # the free ones of a network
        sa.Index('fixed_ips_free_idx', 'network_id', 'allocated', 'reserved', 'released_at', 'id'),
        # what a host serves by DHCP
        sa.Index('fixed_ips_host_idx', 'network_id', 'host'),
        base.Base.__table_args__,
    )


class FloatingIP(base.Timestamps, base.Base):
    __tablename__ = 'floating_ips'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    address: orm.Mapped[str] = _string(39)
    fixed_ip_id: orm.Mapped[int | None] = orm.mapped_column(BIG_ID)
    project_id: Text = _string()
    host: Text = _string()
    pool: Text = _string()
    interface: Text = _string(15)
    auto_assigned: orm.Mapped[bool] = orm.mapped_column(default=False)

    __table_args__ = (
        sa.UniqueConstraint('address', name='uniq_floating_ips0address'),
        sa.Index('floating_ips_project_idx', 'project_id', 'pool'),
        sa.Index('floating_ips_fixed_idx', 'fixed_ip_id'),
        base.Base.__table_args__,
    )


networks, vifs, fixed_ips, floating_ips = (Network.__table__, VirtualInterface.__table__, FixedIP.__table__,
                                           FloatingIP.__table__)


# Networks ------------------------------------------------------------------------------------------------------------

def insert(conn, values):
    return conn.execute(networks.insert(), values).inserted_primary_key[0]


def select(conn, *where):
    """Networks that meet the conditions, by priority and age."""
    return conn.execute(sa.select(*networks.columns).where(networks.c.deleted == 0, *where)
                        .order_by(networks.c.id)).mappings().all()


def visible(project_id):
    """The condition that a network is a project's, or anybody's."""
    return sa.or_(networks.c.project_id == project_id, networks.c.project_id.is_(None))


def served_by(conn, host):
    """Networks that nova-network of a host serves or may take up: mappings of the columns, and `server`, the address
    that the host has in it.
    """
    c, own = networks.c, fixed_ips.alias()
    server = (sa.select(sa.func.min(own.c.address)).where(own.c.network_id == c.id, own.c.host == host,
                                                          own.c.instance_uuid.is_(None)).scalar_subquery())
    rows = conn.execute(
        sa.select(*networks.columns, server.label('own')).where(
            c.deleted == 0, sa.or_(c.multi_host.is_(True), c.host == host, c.host.is_(None)))
        .order_by(c.id)).mappings()
    return [{**row, 'server': row['own'] if row['multi_host'] and not row['share_address'] else row['dhcp_server']}
            for row in rows]


def update(conn, network_id, values):
    return conn.execute(networks.update().where(networks.c.id == network_id).values(values)).rowcount


def set_host(conn, network_id, host):
    """Make a host the network's, if it has none yet; whose it is now."""
    conn.execute(networks.update().where(networks.c.id == network_id, networks.c.host.is_(None)).values(host=host))
    return conn.execute(sa.select(networks.c.host).where(networks.c.id == network_id)).scalar_one()


def delete(conn, network_id):
    """Delete a network and its addresses; whether that was possible.  If not, the caller's transaction must end.

    An address that is given at this moment is either seen by the count, or its row is gone when it is to be given.
    """
    now = utcnow()
    c = fixed_ips.c
    conn.execute(fixed_ips.delete().where(c.network_id == network_id, c.allocated.is_(False)))
    if conn.execute(sa.select(sa.func.count()).where(c.network_id == network_id)).scalar():
        return False
    if conn.execute(sa.select(sa.func.count()).where(vifs.c.network_id == network_id)).scalar():
        return False
    conn.execute(networks.update().where(networks.c.id == network_id)
                 .values(deleted=networks.c.id, deleted_at=now, updated_at=now))
    return True


def free_counts(conn, network_uuids, most):
    """{uuid: free addresses, at most `most`} of networks; those without IPv4 addresses are missing."""
    found = {}
    for uuid in sorted(set(network_uuids)):
        some = (sa.select(fixed_ips.c.id).join(networks, networks.c.id == fixed_ips.c.network_id)
                .where(networks.c.uuid == uuid, networks.c.deleted == 0, _is_free()).limit(most).subquery())
        found[uuid] = conn.execute(sa.select(sa.func.count()).select_from(some)).scalar()
    return found


# Addresses -----------------------------------------------------------------------------------------------------------

def insert_addresses(conn, rows):
    conn.execute(fixed_ips.insert(), rows)


def _is_free(table=fixed_ips):
    return sa.and_(table.c.allocated.is_(False), table.c.reserved.is_(False))


#: How many addresses those who are faster than each other choose among.
_SPREAD = 16


def offers(conn, where, instance_uuid, host):
    """Networks that meet the conditions, each with what giving an address of it needs to know, in one statement.

    Besides the network's columns: `candidate` (a free address, the longest unused ones first), `server` (the address
    that `host` itself has in it), `has_vifs` (how many interfaces the server has, in whatever network).
    """
    f, own = fixed_ips.alias(), fixed_ips.alias()
    # Where writers wait for each other, the next in line is free for certain; elsewhere they go for different ones.
    skip = 0 if conn.dialect.name == 'sqlite' else random.randrange(_SPREAD)
    candidate = (sa.select(f.c.address).where(f.c.network_id == networks.c.id, _is_free(f))
                 .order_by(f.c.released_at, f.c.id).limit(1).offset(skip).scalar_subquery())
    server = (sa.select(sa.func.min(own.c.address)).where(own.c.network_id == networks.c.id, own.c.host == host,
                                                          own.c.instance_uuid.is_(None)).scalar_subquery())
    has = sa.select(sa.func.count()).where(vifs.c.instance_uuid == instance_uuid).scalar_subquery()
    return conn.execute(
        sa.select(*networks.columns, candidate.label('candidate'), server.label('server'), has.label('has_vifs'))
        .where(networks.c.deleted == 0, *where).order_by(networks.c.id)).mappings().all()


def give(conn, network_id, address, values):
    """Give an address if it is free; whether it was."""
    return conn.execute(fixed_ips.update().where(
        fixed_ips.c.network_id == network_id, fixed_ips.c.address == address, _is_free())
        .values({**values, 'allocated': True, 'leased': False, 'updated_at': utcnow()})).rowcount == 1


def candidate(conn, network_id):
    """A free address of a network that nobody can take before this transaction ends; None if there is none.

    Those that others are about to take are waited for only if there is no other.
    """
    c = fixed_ips.c
    statement = (sa.select(c.address).where(c.network_id == network_id, _is_free())
                 .order_by(c.released_at, c.id).limit(1))
    if conn.dialect.name == 'sqlite':
        return conn.execute(statement).scalar()
    found = conn.execute(statement.with_for_update(skip_locked=True)).scalar()
    return found if found is not None else conn.execute(statement.with_for_update()).scalar()


def reserve_for_host(conn, network_id, host):
    """The address that a host itself has in a network; a free one becomes it.  None if there is none left."""
    c = fixed_ips.c
    while True:
        known = conn.execute(sa.select(sa.func.min(c.address)).where(
            c.network_id == network_id, c.host == host, c.instance_uuid.is_(None))).scalar()
        if known is not None:
            return known
        address = candidate(conn, network_id)
        if address is None:
            return None
        conn.execute(fixed_ips.update().where(c.network_id == network_id, c.address == address, _is_free())
                     .values(host=host, reserved=True, updated_at=utcnow()))


def held_by(conn, instance_uuid, address=None):
    """A server's addresses (or one), each with its network's uuid and hosts and its interface's MAC."""
    c = fixed_ips.c
    where = [c.instance_uuid == instance_uuid] + ([c.address == address] if address is not None else [])
    return conn.execute(
        sa.select(c.id, c.address, c.network_id, c.host, c.virtual_interface_id, c.default_route,
                  vifs.c.address.label('mac'), vifs.c.uuid.label('vif'), networks.c.uuid.label('network_uuid'),
                  networks.c.host.label('network_host'), networks.c.multi_host, networks.c.share_address)
        .join(networks, networks.c.id == c.network_id).outerjoin(vifs, vifs.c.id == c.virtual_interface_id)
        .where(*where).order_by(c.id)).mappings().all()


def set_host_of(conn, instance_uuid, host):
    """The host that serves a server's addresses; returns how many changed."""
    c = fixed_ips.c
    return conn.execute(fixed_ips.update().where(c.instance_uuid == instance_uuid, c.host != host)
                        .values(host=host, updated_at=utcnow())).rowcount


def give_back(conn, ids):
    """Addresses are free again, and floating ones are not bound to them any more."""
    now = utcnow()
    conn.execute(fixed_ips.update().where(fixed_ips.c.id.in_(ids)).values(
        instance_uuid=None, virtual_interface_id=None, allocated=False, leased=False, host=None, default_route=False,
        released_at=now, updated_at=now))
    conn.execute(floating_ips.update().where(floating_ips.c.fixed_ip_id.in_(ids)).values(fixed_ip_id=None, host=None))


def by_address(conn, address):
    """Rows of an address, those that servers have first."""
    c = fixed_ips.c
    return conn.execute(sa.select(*fixed_ips.columns).where(c.address == address)
                        .order_by(c.allocated.desc(), c.id)).mappings().all()


def set_reserved(conn, address, reserved):
    """Keep an address from being given, or let it be given again; how many rows were in the other state."""
    c = fixed_ips.c
    return conn.execute(fixed_ips.update().where(c.address == address, c.allocated.is_(False),
                                                 c.reserved.is_(not reserved))
                        .values(reserved=reserved, updated_at=utcnow())).rowcount


def given(conn, network_ids, host=None):
    """What DHCP serves: given addresses of networks (on one host) with interface and server's host name."""
    c = fixed_ips.c
    statement = (sa.select(c.network_id, c.address, c.leased, c.default_route, c.host, c.instance_uuid,
                           vifs.c.address.label('mac'), vifs.c.uuid.label('vif'), instances.c.hostname,
                           floating_ips.c.address.label('floating'), floating_ips.c.interface)
                 .join(vifs, vifs.c.id == c.virtual_interface_id)
                 .join(instances, instances.c.uuid == c.instance_uuid)
                 .outerjoin(floating_ips, floating_ips.c.fixed_ip_id == c.id)
                 .where(c.network_id.in_(network_ids), c.allocated.is_(True), instances.c.deleted == 0))
    if host is not None:
        statement = statement.where(c.host == host)
    return conn.execute(statement.order_by(c.id)).mappings().all()


def set_leased(conn, addresses, leased):
    """Note of given addresses what DHCP said; how many rows changed."""
    c = fixed_ips.c
    return conn.execute(fixed_ips.update().where(
        c.address.in_(addresses), c.allocated.is_(True), c.leased.is_(not leased))
        .values(leased=leased, updated_at=utcnow())).rowcount


def orphans(conn):
    """Servers that have addresses and are not there any more."""
    alive = sa.select(instances.c.uuid).where(instances.c.deleted == 0)
    return list(conn.execute(sa.select(fixed_ips.c.instance_uuid).distinct().where(
        fixed_ips.c.instance_uuid.is_not(None), fixed_ips.c.instance_uuid.not_in(alive))).scalars())


# Interfaces ----------------------------------------------------------------------------------------------------------

def insert_vif(conn, values):
    return conn.execute(vifs.insert(), values).inserted_primary_key[0]


def vifs_of(conn, instance_uuid):
    return conn.execute(sa.select(*vifs.columns).where(vifs.c.instance_uuid == instance_uuid)
                        .order_by(vifs.c.id)).mappings().all()


def interfaces(conn, instance_uuid):
    """A server's interfaces: its network's columns, `vif`, `mac`, `tag`, `server` (the address of the server's host in
    a network of all hosts), `addresses`: [(fixed, [floating, …])].
    """
    own = fixed_ips.alias()
    c = fixed_ips.c
    server = (sa.select(sa.func.min(own.c.address)).where(
        own.c.network_id == networks.c.id, own.c.host == c.host, own.c.instance_uuid.is_(None),
        networks.c.multi_host.is_(True)).scalar_subquery())
    found = {}
    for row in conn.execute(
            sa.select(*networks.columns, vifs.c.uuid.label('vif'), vifs.c.address.label('mac'), vifs.c.tag,
                      server.label('server'), c.address.label('fixed'), floating_ips.c.address.label('floating'))
            .join(networks, networks.c.id == vifs.c.network_id)
            .outerjoin(fixed_ips, c.virtual_interface_id == vifs.c.id)
            .outerjoin(floating_ips, floating_ips.c.fixed_ip_id == c.id)
            .where(vifs.c.instance_uuid == instance_uuid).order_by(vifs.c.id, c.id, floating_ips.c.id)
            .select_from(vifs)).mappings():
        vif = found.setdefault(row['vif'], {**row, 'addresses': {}})
        if row['fixed'] is not None:
            vif['addresses'].setdefault(row['fixed'], []).extend([row['floating']] if row['floating'] else [])
    return [{**vif, 'addresses': list(vif['addresses'].items())} for vif in found.values()]


def vif_by_address(conn, mac):
    return conn.execute(sa.select(*vifs.columns).where(vifs.c.address == mac)).mappings().one_or_none()


def delete_vifs_of(conn, instance_uuid, ids=None):
    """Delete all interfaces of a server, or those; how many there were."""
    where = [vifs.c.instance_uuid == instance_uuid] + ([vifs.c.id.in_(ids)] if ids is not None else [])
    return conn.execute(vifs.delete().where(*where)).rowcount


# Floating addresses --------------------------------------------------------------------------------------------------

def insert_floating(conn, rows):
    conn.execute(floating_ips.insert(), rows)


def select_floating(conn, *where):
    return conn.execute(sa.select(*floating_ips.columns).where(*where).order_by(floating_ips.c.id)).mappings().all()


def floating_with_fixed(conn, *where):
    """Floating addresses with the fixed ones they are bound to (`fixed_address`) and whose these are."""
    return conn.execute(
        sa.select(*floating_ips.columns, fixed_ips.c.address.label('fixed_address'), fixed_ips.c.instance_uuid)
        .outerjoin(fixed_ips, fixed_ips.c.id == floating_ips.c.fixed_ip_id)
        .where(*where).order_by(floating_ips.c.id)).mappings().all()


def take_floating(conn, pool, project_id):
    """Make a free floating address of a pool the project's, and return it; None if there is none."""
    c = floating_ips.c
    free = sa.and_(c.pool == pool, c.project_id.is_(None))
    while True:
        address = conn.execute(sa.select(c.address).where(free).order_by(c.id).limit(1)).scalar()
        if address is None:
            return None
        if conn.execute(floating_ips.update().where(c.address == address, free).values(
                project_id=project_id, updated_at=utcnow())).rowcount:
            return address


def update_floating(conn, address, values, *where):
    return conn.execute(floating_ips.update().where(floating_ips.c.address == address, *where)
                        .values({**values, 'updated_at': utcnow()})).rowcount


def count_floating(conn, project_id):
    return conn.execute(sa.select(sa.func.count()).where(floating_ips.c.project_id == project_id)).scalar()


def pools(conn):
    return list(conn.execute(sa.select(floating_ips.c.pool).distinct().order_by(floating_ips.c.pool)).scalars())


def delete_floating(conn, address):
    return conn.execute(floating_ips.delete().where(floating_ips.c.address == address)).rowcount
