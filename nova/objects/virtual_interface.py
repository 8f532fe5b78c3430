# SPDX-License-Identifier: Apache-2.0
"""Interfaces of servers."""

from nova import db, exception
from nova.network import info, model
from nova.objects import base, fields


@base.register
class VirtualInterface(base.TimestampedObject, base.NovaObject):
    fields = {
        'id': fields.IntegerField(),
        'uuid': fields.UUIDField(),
        'address': fields.StringField(),
        'network_id': fields.optional(fields.IntegerField),
        'instance_uuid': fields.optional(),
        'tag': fields.optional(),
    }

    @base.remotable_classmethod
    def get_by_address(cls, context, mac):
        """Raises NotFound."""
        with db.session.reader(context) as conn:
            row = db.networks.vif_by_address(conn, mac)
        if row is None:
            raise exception.NotFound(f'No interface has the address {mac}.')
        return cls.from_row(context, row)


@base.register
class VirtualInterfaceList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('VirtualInterface')}

    @base.remotable_classmethod
    def get_by_instance_uuid(cls, context, instance_uuid):
        with db.session.reader(context) as conn:
            return cls.from_rows(context, db.networks.vifs_of(conn, instance_uuid))


def store_network_info(conn, instance_uuid):
    """Write a server's network info as the records have it, and return it as plain data.  Raises InstanceNotFound."""
    plain = model.NetworkInfo(
        info.vif(row, row['vif'], row['mac'], row['addresses'], row['server'], row['tag'])
        for row in db.networks.interfaces(conn, instance_uuid)).plain()
    if not db.instances.update(conn, instance_uuid, {'network_info': plain}):
        raise exception.InstanceNotFound(instance_id=instance_uuid)
    return plain
