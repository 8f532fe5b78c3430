# SPDX-License-Identifier: Apache-2.0
"""What may be asked of the conductor."""

import oslo_messaging

from nova import context as nova_context
from nova import rpc

# Version  what, and why
#   1.0    object_action, object_class_action_versions, object_backport_versions;
#          doorbells: schedule_and_build_instances, and one method for each kind of order, see `TASKS` in the manager
#   1.1    ring_in_cell: the doorbell of an order that is in a cell's database
VERSION = '1.1'
TOPIC = 'conductor'


class ConductorAPI:
    """Client of nova-conductor.  Also the indirection API of the objects in processes without a database."""

    def __init__(self):
        self.client = rpc.get_client(oslo_messaging.Target(topic=TOPIC, version=VERSION))

    # The objects' indirection (names and arguments are oslo.versionedobjects').

    def object_class_action_versions(self, context, objname, objmethod, object_versions, args, kwargs):
        return self.client.call(context, 'object_class_action_versions', objname=objname, objmethod=objmethod,
                                object_versions=object_versions, args=args, kwargs=kwargs)

    def object_action(self, context, objinst, objmethod, args, kwargs):
        return self.client.call(context, 'object_action', objinst=objinst, objmethod=objmethod, args=args,
                                kwargs=kwargs)

    def object_backport_versions(self, context, objinst, object_versions):
        return self.client.call(context, 'object_backport_versions', objinst=objinst, object_versions=object_versions)

    # Doorbells: the orders are in the database.

    def schedule_and_build_instances(self, context, action_ids):
        """Place and build the servers of one request."""
        self.client.ring(context, 'schedule_and_build_instances', action_ids=action_ids)

    def ring(self, context, method, action_id):
        """Wake a conductor for an order; `method` is the order's.

        Those that carry out orders are at the top, whichever cell the order and the context are in.
        """
        with nova_context.target_cell(context, None) as at_top:
            if context.cell is None:
                self.client.ring(at_top, method, action_id=action_id)
            else:
                self.ring_in_cell(at_top, context.cell.uuid, method, action_id)

    def ring_in_cell(self, context, cell_uuid, method, action_id):
        """Wake a conductor for an order that is in a cell's database; the context's cell says only whom to tell."""
        self.client.ring(context, 'ring_in_cell', cell_uuid=cell_uuid, doorbell=method, action_id=action_id)
