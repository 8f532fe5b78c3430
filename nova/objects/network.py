# SPDX-License-Identifier: Apache-2.0
"""Networks of nova-network."""

import netaddr
from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from nova import db, exception
from nova.network import ranges
from nova.objects import base, fields


@base.register
class Network(base.TimestampedObject, base.NovaObject):
    fields = {
        'id': fields.IntegerField(),
        'uuid': fields.UUIDField(),
        'label': fields.optional(),
        **{name: fields.optional() for name in (
            'cidr', 'netmask', 'gateway', 'broadcast', 'dns1', 'dns2', 'cidr_v6', 'gateway_v6', 'netmask_v6', 'bridge',
            'bridge_interface', 'dhcp_start', 'dhcp_server', 'project_id', 'host', 'vpn_public_address',
            'vpn_private_address')},
        **{name: fields.BooleanField(default=False) for name in (
            'enable_dhcp', 'share_address', 'injected', 'multi_host', 'deleted')},
        **{name: fields.optional(fields.IntegerField) for name in ('mtu', 'vlan', 'priority', 'rxtx_base',
                                                                   'vpn_public_port')},
        'deleted_at': fields.optional(fields.DateTimeField),
    }

    @classmethod
    def _one(cls, context, rows, what):
        if not rows:
            raise exception.NetworkNotFound(network_id=what)
        return cls.from_row(context, rows[0])

    @base.remotable_classmethod
    def get_by_uuid(cls, context, uuid):
        """Raises NetworkNotFound also for networks of other projects."""
        c = db.networks.networks.c
        where = [c.uuid == uuid] + ([] if context.is_admin else [db.networks.visible(context.project_id)])
        with db.session.reader(context) as conn:
            return cls._one(context, db.networks.select(conn, *where), uuid)

    @base.remotable
    @base.retried
    def destroy(self):
        """Raises NetworkInUse while servers have addresses of it; then nothing is deleted."""
        with db.session.writer(self._context) as conn:
            if not db.networks.delete(conn, self.id):
                raise exception.NetworkInUse(network_id=self.uuid)

    @base.remotable
    @base.retried
    def associate(self, **values):
        """Set any of `host`, `project_id`, `vpn_public_address`, `vpn_public_port`; None takes them away."""
        with db.session.writer(self._context) as conn:
            db.networks.update(conn, self.id, {name: values[name] for name in (
                'host', 'project_id', 'vpn_public_address', 'vpn_public_port') if name in values})
        for name, value in values.items():
            self.trust(name, value)


@base.register
class NetworkList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('Network')}

    @base.remotable_classmethod
    def get_all(cls, context, project_only=False):
        """Networks that the caller may use; all of them for administrators unless `project_only`."""
        where = [] if context.is_admin and not project_only else [db.networks.visible(context.project_id)]
        with db.session.reader(context) as conn:
            return cls.from_rows(context, db.networks.select(conn, *where))

    @base.remotable_classmethod
    @base.retried
    def create(cls, context, planned):
        """Store networks (see `nova.network.ranges.plan`) and their addresses, all or none.

        Raises Conflict when a range overlaps that of another network.
        """
        made = []
        try:
            with db.session.writer(context) as conn:
                taken = [(row['label'], netaddr.IPNetwork(row[name])) for row in db.networks.select(conn)
                         for name in ('cidr', 'cidr_v6') if row[name]]
                for values in planned:
                    _refuse_overlap(values, taken)
                    made.append(_insert(conn, values))
                rows = db.networks.select(conn, db.networks.networks.c.id.in_(made))
        except db_exc.DBDuplicateEntry as exc:
            raise exception.Conflict('cidr: another network has this range already') from exc
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    @base.retried
    def of_host(cls, context, host):
        """What nova-network of a host has to have: [{every column of the network, server, given, names}].

        Networks that no host has become this host's, and it gets an address of its own in those of all hosts.
        `server` is the host's address in the network; `given` are the addresses of its guests, as
        `nova.db.main.networks.given` has them.  `names` are those that its DHCP server answers for: [[address, name]].
        """
        with db.session.reader(context) as conn:
            found = db.networks.served_by(conn, host)
        if any(_wants_host(network) for network in found):
            with db.session.writer(context) as conn:
                for network in found:
                    if _wants_host(network):
                        _become_host(conn, network, host)
        networks = [{'given': [], **network} for network in found if network['multi_host'] or network['host'] == host]
        with db.session.reader(context) as conn:
            for shared in (True, False):
                by_id = {network['id']: network for network in networks if network['multi_host'] is shared}
                for row in db.networks.given(conn, list(by_id), host if shared else None) if by_id else ():
                    by_id[row['network_id']]['given'].append(dict(row))
            names = [[row['address'], f'{row["name"]}.{row["domain"]}']
                     for row in (db.dns.select_entries(conn) if networks else ())]
        for network in networks:
            network['names'] = names
        return [{name: value for name, value in network.items() if not name.endswith('_at')} for network in networks]

    @base.remotable_classmethod
    def free_counts(cls, context, network_uuids, most):
        """{uuid: free addresses, counted up to `most`} of networks with IPv4."""
        with db.session.reader(context) as conn:
            return db.networks.free_counts(conn, network_uuids, most)

    @base.remotable_classmethod
    def hosts_for(cls, context, project_id, host):
        """Hosts whose nova-network gives addresses to a project's servers on `host`, the nearest first.

        None stands for any; [] means that the project has no network.
        """
        with db.session.reader(context) as conn:
            rows = db.networks.select(conn, db.networks.visible(project_id))
        found = {host if row['multi_host'] else row['host'] for row in rows}
        return sorted(found, key=lambda other: (other != host, other is None, other or ''))


def _wants_host(network):
    """Whether a host that serves a network is still to become its host, or to get an address in it."""
    if network['multi_host']:
        return network['server'] is None and network['cidr'] is not None
    return network['host'] is None


def _become_host(conn, network, host):
    if network['multi_host']:
        network['server'] = db.networks.reserve_for_host(conn, network['id'], host)
    else:
        network['host'] = db.networks.set_host(conn, network['id'], host)


#: Rows that are inserted by one statement.
_BATCH = 5000


def _refuse_overlap(values, taken):
    for name in ('cidr', 'cidr_v6'):
        if not values.get(name):
            continue
        wanted = netaddr.IPNetwork(values[name])
        for label, other in taken:
            if wanted.version == other.version and (wanted in other or other in wanted):
                raise exception.Conflict(f'{name}: {wanted} overlaps {other} of network {label}')
        taken.append((values['label'], wanted))


def _insert(conn, values):
    """A network and its addresses; its id."""
    columns = {name: value for name, value in values.items() if name in db.networks.networks.c}
    network_id = db.networks.insert(conn, {'uuid': uuidutils.generate_uuid(), **columns})
    batch = []
    for address, reserved in ranges.addresses(values) if values.get('cidr') else ():
        batch.append({'network_id': network_id, 'address': address, 'reserved': reserved})
        if len(batch) == _BATCH:
            db.networks.insert_addresses(conn, batch)
            batch = []
    if batch:
        db.networks.insert_addresses(conn, batch)
    return network_id
