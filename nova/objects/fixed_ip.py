# SPDX-License-Identifier: Apache-2.0
"""Addresses of servers: given and taken back together with their interfaces, each in one transaction."""

import random

from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from nova import db, exception
from nova.network import info, model
from nova.objects import base, fields, security_group, virtual_interface


@base.register
class FixedIP(base.TimestampedObject, base.NovaObject):
    fields = {
        'id': fields.IntegerField(),
        'address': fields.StringField(),
        'network_id': fields.IntegerField(),
        'instance_uuid': fields.optional(),
        'virtual_interface_id': fields.optional(fields.IntegerField),
        **{name: fields.BooleanField(default=False) for name in ('allocated', 'leased', 'reserved', 'default_route')},
        'host': fields.optional(),
    }

    @base.remotable_classmethod
    def get_by_address(cls, context, address):
        """Raises FixedIpNotFound."""
        with db.session.reader(context) as conn:
            rows = db.networks.by_address(conn, address)
        if not rows:
            raise exception.FixedIpNotFound(address=address)
        return cls.from_row(context, rows[0])

    @base.remotable
    @base.retried
    def reserve(self, reserved=True):
        """Keep the address from being given (or let it be given again).  Raises FixedIpAlreadyInUse."""
        with db.session.writer(self._context) as conn:
            if not db.networks.set_reserved(conn, self.address, reserved) and self.reserved is not reserved:
                raise exception.FixedIpAlreadyInUse(address=self.address)
        self.trust('reserved', reserved)


@base.register
class FixedIPList(base.NovaObjectList):
    """What concerns all addresses of a server.

    What was given or taken back is described to nova-network by a *served* list: [{network_id, address, mac, vif, host
    (of the server), server (host whose nova-network serves it, or None), instance_uuid, hostname, default_route}].
    """

    fields = {'objects': fields.ListOfObjectsField('FixedIP')}

    @base.remotable_classmethod
    @base.retried
    def allocate_for_instance(cls, context, instance_uuid, project_id, host, requests, security_groups, hostname=None,
                              macs=None):
        """Interfaces, addresses and security groups for a server that has none yet, in one transaction.

        Done again for a server that has interfaces already, it answers what is there.

        :param requests: [{'network_id': uuid, 'address': or None, 'tag': or None}], one for each interface; None: all
            networks of the project.
        :param macs: MAC addresses to use, where the hypervisor says which.
        :returns: {'network_info': plain data, 'served': see above, 'let_in': [[uuid, host]] of servers that let this
            one in, because of its security groups}.
        Raises NetworkNotFound, NoMoreFixedIps, FixedIpAlreadyInUse, FixedIpNotFound, SecurityGroupNotFound,
        InstanceNotFound; nothing is given then.
        """
        for _ in range(5):
            try:
                with db.session.writer(context) as conn:
                    return _allocate(context, conn, instance_uuid, project_id, host, requests, security_groups,
                                     hostname, list(macs or ()))
            except db_exc.DBDuplicateEntry as exc:
                clash = exc     # the MAC was somebody else's, or `default` was made meanwhile: once more
        raise exception.NovaException(f'Server {instance_uuid} got no interface: {clash}')

    @base.remotable_classmethod
    @base.retried
    def deallocate_for_instance(cls, context, instance_uuid):
        """Take everything back; again changes nothing.  Returns {'served', 'let_in'} as `allocate_for_instance`."""
        with db.session.writer(context) as conn:
            rows = db.networks.held_by(conn, instance_uuid)
            let_in = db.security_groups.who_let_in(conn, instance_uuid)
            if rows:
                db.networks.give_back(conn, [row['id'] for row in rows])
            if db.networks.delete_vifs_of(conn, instance_uuid) or rows:
                db.instances.update(conn, instance_uuid, {'network_info': None})
            db.security_groups.leave(conn, instance_uuid)
        return {'served': [_served(row, instance_uuid) for row in rows], 'let_in': let_in}

    @base.remotable_classmethod
    @base.retried
    def add_to_instance(cls, context, instance_uuid, project_id, host, network_uuid, hostname=None, address=None,
                        tag=None):
        """One more address (None: any) on a new interface; returns as `allocate_for_instance`, with all of the server's
        network info.  Raises NetworkNotFound, NoMoreFixedIps, FixedIpAlreadyInUse, FixedIpNotFound.
        """
        request = {'network_id': network_uuid, 'address': address, 'tag': tag}
        with db.session.writer(context) as conn:
            offers = _offers(conn, instance_uuid, project_id, host, [request])
            served = _interface(conn, instance_uuid, host, offers[network_uuid], request, hostname, None,
                                default=not offers[network_uuid]['has_vifs'])[1]
            return {'network_info': virtual_interface.store_network_info(conn, instance_uuid), 'served': served,
                    'let_in': db.security_groups.who_let_in(conn, instance_uuid)}

    @base.remotable_classmethod
    @base.retried
    def remove_from_instance(cls, context, instance_uuid, address):
        """Take one address back, and its interface if that was its only one; returns as `add_to_instance`.

        An IPv6 address is made of its interface's MAC, and goes when that goes: by itself where there is no other.
        Raises FixedIpNotFound when the server does not have it.
        """
        with db.session.writer(context) as conn:
            rows = db.networks.held_by(conn, instance_uuid)
            found = [row for row in rows if row['address'] == address]
            vifs = [row['virtual_interface_id'] for row in found] or _of_ipv6_alone(conn, instance_uuid, address)
            if not vifs:
                raise exception.FixedIpNotFound(address=address)
            let_in = db.security_groups.who_let_in(conn, instance_uuid)
            db.networks.give_back(conn, [row['id'] for row in found])
            if sum(row['virtual_interface_id'] in vifs for row in rows) == len(found):
                db.networks.delete_vifs_of(conn, instance_uuid, vifs)
            return {'network_info': virtual_interface.store_network_info(conn, instance_uuid),
                    'served': [_served(row, instance_uuid) for row in found], 'let_in': let_in}

    @base.remotable_classmethod
    @base.retried
    def move_to_host(cls, context, instance_uuid, host):
        """The server is on that host now; its addresses go with it.  Returns how many they are.

        In networks of all hosts that one is its gateway and DHCP server from now on, and its network info says so.
        """
        with db.session.writer(context) as conn:
            moved = db.networks.set_host_of(conn, instance_uuid, host)
            own = {row['network_id'] for row in db.networks.held_by(conn, instance_uuid)
                   if row['multi_host'] and not row['share_address']} if moved else ()
            for network_id in sorted(own):
                db.networks.reserve_for_host(conn, network_id, host)
            if own:
                virtual_interface.store_network_info(conn, instance_uuid)
            return moved

    @base.remotable_classmethod
    @base.retried
    def set_leased(cls, context, leased):
        """Note what DHCP said.

        :param leased: {address: True, or False when the lease ended}.
        """
        with db.session.writer(context) as conn:
            for state in (True, False):
                addresses = sorted(address for address, value in leased.items() if value is state)
                if addresses:
                    db.networks.set_leased(conn, addresses, state)

    @base.remotable_classmethod
    def get_orphans(cls, context):
        """UUIDs of servers that are gone and still have addresses."""
        with db.session.reader(context) as conn:
            return db.networks.orphans(conn)


def _offers(conn, instance_uuid, project_id, host, requests):
    """{network uuid: what `db.networks.offers` says of it}.  Raises NetworkNotFound."""
    where = [db.networks.visible(project_id)]
    if requests is not None:
        where.append(db.networks.networks.c.uuid.in_([request['network_id'] for request in requests]))
    offers = {row['uuid']: row for row in db.networks.offers(conn, where, instance_uuid, host)}
    for request in requests or ():
        if request['network_id'] not in offers:
            raise exception.NetworkNotFound(network_id=request['network_id'])
    return offers


def _allocate(context, conn, instance_uuid, project_id, host, requests, groups, hostname, macs):
    offers = _offers(conn, instance_uuid, project_id, host, requests)
    if any(offer['has_vifs'] for offer in offers.values()):
        return _as_it_is(conn, instance_uuid, hostname)
    if requests is None:
        requests = [{'network_id': uuid, 'address': None, 'tag': None} for uuid in offers]
    if not requests:
        return {'network_info': [], 'served': [], 'let_in': []}
    _join_groups(context, conn, instance_uuid, project_id, groups)
    found, served = model.NetworkInfo(), []
    for index, request in enumerate(requests):
        vif, more = _interface(conn, instance_uuid, host, offers[request['network_id']], request, hostname,
                               macs[index] if index < len(macs) else None, default=index == 0)
        found.append(vif)
        served += more
    plain = found.plain()
    if not db.instances.update(conn, instance_uuid, {'network_info': plain}):
        raise exception.InstanceNotFound(instance_id=instance_uuid)
    return {'network_info': plain, 'served': served, 'let_in': db.security_groups.who_let_in(conn, instance_uuid)}


def _as_it_is(conn, instance_uuid, hostname):
    row = db.instances.by_uuid(conn, instance_uuid, columns=[db.instances.instances.c.network_info])
    if row is None:
        raise exception.InstanceNotFound(instance_id=instance_uuid)
    return {'network_info': row['network_info'] or [],
            'served': [{**_served(held, instance_uuid), 'hostname': hostname}
                       for held in db.networks.held_by(conn, instance_uuid)], 'let_in': []}


def _join_groups(context, conn, instance_uuid, project_id, names):
    names = set(names or (security_group.DEFAULT,))
    joined = db.security_groups.join(conn, instance_uuid, project_id, sorted(names))
    if joined == len(names):
        return
    missing = names - {row['name'] for row in db.security_groups.by_names(conn, project_id, sorted(names))}
    if security_group.DEFAULT in missing:
        security_group.make_default(context, conn, project_id)
        db.security_groups.join(conn, instance_uuid, project_id, [security_group.DEFAULT])
        missing.remove(security_group.DEFAULT)
    if missing:
        raise exception.SecurityGroupNotFound(security_group_id=min(missing))


def _interface(conn, instance_uuid, host, network, request, hostname, mac, default):
    """A new interface with an address: (its model, served list)."""
    vif_uuid, mac = uuidutils.generate_uuid(), mac or generate_mac()
    vif_id = db.networks.insert_vif(conn, {'uuid': vif_uuid, 'address': mac, 'network_id': network['id'],
                                           'instance_uuid': instance_uuid, 'tag': request.get('tag')})
    if not network['cidr']:
        return info.vif(network, vif_uuid, mac, [], tag=request.get('tag')), []
    values = {'instance_uuid': instance_uuid, 'virtual_interface_id': vif_id, 'host': host, 'default_route': default}
    address = _give(conn, network, request.get('address'), values)
    server = None
    if network['multi_host'] and not network['share_address']:
        server = network['server'] or db.networks.reserve_for_host(conn, network['id'], host)
    served = {'network_id': network['id'], 'address': address, 'mac': mac, 'vif': vif_uuid, 'host': host,
              'server': host if network['multi_host'] else network['host'], 'instance_uuid': instance_uuid,
              'hostname': hostname, 'default_route': default}
    return info.vif(network, vif_uuid, mac, [address], server, request.get('tag')), [served]


def _give(conn, network, wanted, values):
    """Give the address wanted, or a free one."""
    if wanted:
        if db.networks.give(conn, network['id'], wanted, values):
            return wanted
        if any(row['network_id'] == network['id'] for row in db.networks.by_address(conn, wanted)):
            raise exception.FixedIpAlreadyInUse(address=wanted)
        raise exception.FixedIpNotFound(address=wanted)
    candidate = network['candidate']
    # The one offered may have been given meanwhile, perhaps to another interface of this server.
    if candidate is not None and db.networks.give(conn, network['id'], candidate, values):
        return candidate
    while (candidate := db.networks.candidate(conn, network['id'])) is not None:
        if db.networks.give(conn, network['id'], candidate, values):
            return candidate
    raise exception.NoMoreFixedIps(net=network['label'])


def _of_ipv6_alone(conn, instance_uuid, address):
    """Ids of interfaces that have this address and no fixed one."""
    uuids = {row['vif'] for row in db.networks.interfaces(conn, instance_uuid)
             if row['cidr_v6'] and not row['addresses'] and info.address_v6(row['cidr_v6'], row['mac']) == address}
    return [row['id'] for row in db.networks.vifs_of(conn, instance_uuid) if row['uuid'] in uuids]


def _served(row, instance_uuid):
    return {'network_id': row['network_id'], 'address': row['address'], 'mac': row['mac'], 'vif': row['vif'],
            'host': row['host'], 'server': row['host'] if row['multi_host'] else row['network_host'],
            'instance_uuid': instance_uuid, 'hostname': None, 'default_route': bool(row['default_route'])}


def generate_mac():
    """A MAC address of the range that is used for guests."""
    return 'fa:16:3e:' + ':'.join(f'{random.randrange(256):02x}' for _ in range(3))
