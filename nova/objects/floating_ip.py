# SPDX-License-Identifier: Apache-2.0
"""Floating addresses: public ones, which a project has for a while and binds to addresses of its servers."""

import contextlib

import netaddr
from oslo_db import exception as db_exc

from nova import db, exception
from nova.objects import base, fields, virtual_interface

#: Addresses that are added by one request.
_MOST = 65536


class FloatingIpNotFound(exception.NotFound):
    msg_fmt = 'Floating IP %(address)s could not be found.'


class FloatingIpPoolEmpty(exception.NotFound):
    msg_fmt = 'No floating IP addresses are left in pool %(pool)s.'


class FloatingIpLimitExceeded(exception.QuotaError):
    msg_fmt = 'Quota exceeded, too many floating IPs: %(allowed)d are allowed.'


class FloatingIpAssociated(exception.Conflict):
    msg_fmt = 'Floating IP %(address)s is associated already.'


@base.register
class FloatingIP(base.TimestampedObject, base.NovaObject):
    """`fixed_address` and `instance_uuid` say what it is bound to."""

    fields = {
        'id': fields.IntegerField(),
        'address': fields.StringField(),
        'fixed_ip_id': fields.optional(fields.IntegerField),
        'project_id': fields.optional(),
        'host': fields.optional(),
        'pool': fields.optional(),
        'interface': fields.optional(),
        'auto_assigned': fields.BooleanField(default=False),
        'fixed_address': fields.optional(),
        'instance_uuid': fields.optional(),
    }

    @classmethod
    def _one(cls, context, condition, what):
        with db.session.reader(context) as conn:
            rows = db.networks.floating_with_fixed(conn, condition)
        if not rows:
            raise FloatingIpNotFound(address=what)
        return cls.from_row(context, rows[0])

    @base.remotable_classmethod
    def get_by_id(cls, context, floating_ip_id):
        """Raises FloatingIpNotFound."""
        return cls._one(context, db.networks.floating_ips.c.id == floating_ip_id, floating_ip_id)

    @base.remotable_classmethod
    def get_by_address(cls, context, address):
        """Raises FloatingIpNotFound."""
        return cls._one(context, db.networks.floating_ips.c.address == address, address)

    @base.remotable_classmethod
    @base.retried
    def allocate(cls, context, project_id, pool, limit=-1):
        """Make a free address of the pool the project's.  Raises FloatingIpPoolEmpty, FloatingIpLimitExceeded."""
        with db.session.writer(context) as conn:
            if 0 <= limit <= db.networks.count_floating(conn, project_id):
                raise FloatingIpLimitExceeded(allowed=limit)
            address = db.networks.take_floating(conn, pool, project_id)
        if address is None:
            raise FloatingIpPoolEmpty(pool=pool)
        return cls.get_by_address(context, address)

    @base.remotable
    @base.retried
    def deallocate(self):
        """It is nobody's again.  Raises FloatingIpAssociated while it is bound.

        Raises FloatingIpNotFound when it is not this project's any more: somebody gave it back meanwhile.
        """
        c = db.networks.floating_ips.c
        with db.session.writer(self._context) as conn:
            if db.networks.update_floating(conn, self.address, {'project_id': None, 'auto_assigned': False},
                                           c.fixed_ip_id.is_(None), c.project_id == self.project_id):
                return
            rows = db.networks.floating_with_fixed(conn, c.address == self.address)
        if not rows or rows[0]['project_id'] != self.project_id:
            raise FloatingIpNotFound(address=self.address)
        raise FloatingIpAssociated(address=self.address)

    @base.remotable
    @base.retried
    def associate(self, fixed_address, host):
        """Bind it to a fixed address of a server; the server's own copy changes with it.

        :param host: whose nova-network translates.
        Raises FloatingIpAssociated, FixedIpNotFound.
        """
        c = db.networks.floating_ips.c
        with db.session.writer(self._context) as conn:
            fixed = next((row for row in db.networks.by_address(conn, fixed_address) if row['instance_uuid']), None)
            if fixed is None:
                raise exception.FixedIpNotFound(address=fixed_address)
            if not db.networks.update_floating(conn, self.address, {'fixed_ip_id': fixed['id'], 'host': host},
                                               c.fixed_ip_id.is_(None), c.project_id == self.project_id):
                raise FloatingIpAssociated(address=self.address)
            virtual_interface.store_network_info(conn, fixed['instance_uuid'])

    @base.remotable
    @base.retried
    def disassociate(self):
        """Bind it to nothing; again changes nothing."""
        with db.session.writer(self._context) as conn:
            db.networks.update_floating(conn, self.address, {'fixed_ip_id': None, 'host': None},
                                        db.networks.floating_ips.c.project_id == self.project_id)
            if self.instance_uuid:
                virtual_interface.store_network_info(conn, self.instance_uuid)

    @base.remotable_classmethod
    @base.retried
    def destroy_by_address(cls, context, address):
        """Remove it; a server that it is bound to does not have it any more.  Whether there was one.

        Raises FloatingIpNotFound.
        """
        with db.session.writer(context) as conn:
            rows = db.networks.floating_with_fixed(conn, db.networks.floating_ips.c.address == address)
            if not db.networks.delete_floating(conn, address):
                raise FloatingIpNotFound(address=address)
            bound = [row['instance_uuid'] for row in rows if row['instance_uuid']]
            for uuid in bound:
                with contextlib.suppress(exception.InstanceNotFound):
                    virtual_interface.store_network_info(conn, uuid)
        return bool(bound)


@base.register
class FloatingIPList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('FloatingIP')}

    @base.remotable_classmethod
    def get_all(cls, context, host=None):
        where = [] if host is None else [db.networks.floating_ips.c.host == host]
        with db.session.reader(context) as conn:
            return cls.from_rows(context, db.networks.floating_with_fixed(conn, *where))

    @base.remotable_classmethod
    def get_by_project(cls, context, project_id):
        with db.session.reader(context) as conn:
            rows = db.networks.floating_with_fixed(conn, db.networks.floating_ips.c.project_id == project_id)
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    def pools(cls, context):
        """Names of the pools that have addresses."""
        with db.session.reader(context) as conn:
            return db.networks.pools(conn)

    @base.remotable_classmethod
    @base.retried
    def create_range(cls, context, ip_range, pool, interface):
        """Add the addresses of a range (its hosts only); how many.  Raises InvalidInput, Conflict."""
        addresses = range_of(ip_range)
        try:
            with db.session.writer(context) as conn:
                db.networks.insert_floating(conn, [{'address': address, 'pool': pool, 'interface': interface}
                                                   for address in addresses])
        except db_exc.DBDuplicateEntry as exc:
            raise exception.Conflict(f'ip_range: addresses of {ip_range} are there already') from exc
        return len(addresses)


def range_of(ip_range):
    """Addresses of a range as text: an address itself, of a network its hosts.  Raises InvalidInput."""
    try:
        found = netaddr.IPNetwork(ip_range)
    except (netaddr.AddrFormatError, ValueError, TypeError) as exc:
        raise exception.InvalidInput(reason=f'ip_range: {ip_range!r} is no network') from exc
    if found.version != 4:
        raise exception.InvalidInput(reason=f'ip_range: {ip_range} is not of IPv4; no other addresses are translated')
    if found.size > _MOST or found.size == 2:
        raise exception.InvalidInput(reason=f'ip_range: {ip_range} must be an address, or a network of 4 to {_MOST}')
    return [str(address) for address in (found.iter_hosts() if found.size > 1 else [found.ip])]

