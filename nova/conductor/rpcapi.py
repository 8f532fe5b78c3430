# SPDX-License-Identifier: Apache-2.0
"""What may be asked of the conductor."""

import oslo_messaging

from nova import rpc

# Version  what, and why
#   1.0    object_action, object_class_action_versions, object_backport_versions;
#          doorbells: schedule_and_build_instances, and one method for each kind of order, see `TASKS` in the manager
VERSION = '1.0'
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
        """Wake a conductor for an order; `method` is the order's."""
        self.client.ring(context, method, action_id=action_id)
