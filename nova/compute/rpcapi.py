# SPDX-License-Identifier: Apache-2.0
"""What may be asked of nova-compute on a host."""

import oslo_messaging

from nova import rpc, servicegroup
from nova.conf import CONF

# Version  what, and why
#   1.0    doorbells (the orders are in the database), one method for each kind of order, see `CONCERNS` in the
#          manager; calls: get_console_output, get_console, get_diagnostics, get_instance_diagnostics,
#          get_host_uptime, reset_network, inject_network_info, refresh_instance_security_rules; casts:
#          volume_snapshot_create, volume_snapshot_delete
VERSION = '1.0'
TOPIC = 'compute'


class ComputeAPI:
    """Client of nova-compute."""

    def __init__(self):
        self.client = rpc.get_client(oslo_messaging.Target(topic=TOPIC, version=VERSION))

    def ring(self, context, host, method, action_id):
        """Wake a host that has an order to carry out; `method` is the order's."""
        self.client.prepare(server=host).ring(context, method, action_id=action_id)

    def get_console_output(self, context, instance, tail_length):
        """The last lines (None or -1: all that is kept) of the guest's console, as text."""
        return self._call(context, instance.host, 'get_console_output', instance=instance, tail_length=tail_length)

    def get_console(self, context, instance, console_type):
        """{'type', 'url'}: see `nova.compute.consoles.connect`."""
        return self._call(context, instance.host, 'get_console', instance=instance, console_type=console_type)

    def get_diagnostics(self, context, instance):
        return self._call(context, instance.host, 'get_diagnostics', instance=instance)

    def get_instance_diagnostics(self, context, instance):
        return self._call(context, instance.host, 'get_instance_diagnostics', instance=instance)

    def attach_interface(self, context, instance, network_id, address, tag):
        """The new interface, plain: see `nova.compute.interfaces`."""
        return self._call(context, instance.host, 'attach_interface', instance=instance, network_id=network_id,
                          address=address, tag=tag)

    def detach_interface(self, context, instance, port_id):
        self._call(context, instance.host, 'detach_interface', instance=instance, port_id=port_id)

    # Live migration.  `data` is what the drivers of both sides tell each other, plain.

    def check_can_live_migrate_destination(self, context, instance, dest, block_migration, disk_over_commit):
        """Raises MigrationPreCheckError and what the drivers raise."""
        return self._call_long(context, dest, 'check_can_live_migrate_destination', instance=instance,
                               block_migration=block_migration, disk_over_commit=disk_over_commit)

    def check_can_live_migrate_source(self, context, instance, data):
        return self._call_long(context, instance.host, 'check_can_live_migrate_source', instance=instance, data=data)

    def pre_live_migration(self, context, instance, dest, disk_info, data):
        return self._call_long(context, dest, 'pre_live_migration', instance=instance, disk_info=disk_info, data=data)

    def rollback_live_migration_at_destination(self, context, instance, dest, data):
        self.client.prepare(server=dest).cast(context, 'rollback_live_migration_at_destination', instance=instance,
                                              data=data)

    def post_live_migration_at_destination(self, context, instance, dest, block_migration):
        """The guest's power state there."""
        return self._call_long(context, dest, 'post_live_migration_at_destination', instance=instance,
                               block_migration=block_migration)

    def live_migration_force_complete(self, context, instance, migration_uuid):
        self.client.prepare(server=instance.host).cast(context, 'live_migration_force_complete', instance=instance,
                                                       migration_uuid=migration_uuid)

    def live_migration_abort(self, context, instance, migration_uuid):
        self.client.prepare(server=instance.host).cast(context, 'live_migration_abort', instance=instance,
                                                       migration_uuid=migration_uuid)

    def reset_network(self, context, instance):
        self.client.prepare(server=instance.host).cast(context, 'reset_network', instance=instance)

    def inject_network_info(self, context, instance):
        self.client.prepare(server=instance.host).cast(context, 'inject_network_info', instance=instance)

    def get_host_uptime(self, context, host):
        return self._call(context, host, 'get_host_uptime')

    def host_maintenance_mode(self, context, host, mode):
        return self._call(context, host, 'host_maintenance_mode', mode=mode)

    def host_power_action(self, context, host, action):
        return self._call(context, host, 'host_power_action', action=action)

    def external_instance_event(self, context, host, events):
        """Neighbours say that something happened to servers of a host; see `nova.compute.external_events`."""
        self.client.prepare(server=host).cast(context, 'external_instance_event', events=events)

    def cache_images(self, context, host, image_ids):
        """Fetch images before somebody needs them."""
        self.client.prepare(server=host).cast(context, 'cache_images', image_ids=image_ids)

    def volume_snapshot_create(self, context, instance, volume_id, create_info):
        """Snapshot a volume through the hypervisor; see `nova.compute.assisted_snapshots`."""
        self.client.prepare(server=instance.host).cast(context, 'volume_snapshot_create', instance=instance,
                                                       volume_id=volume_id, create_info=create_info)

    def volume_snapshot_delete(self, context, instance, volume_id, snapshot_id, delete_info):
        self.client.prepare(server=instance.host).cast(
            context, 'volume_snapshot_delete', instance=instance, volume_id=volume_id, snapshot_id=snapshot_id,
            delete_info=delete_info)

    def refresh_instance_security_rules(self, context, host, instance):
        self.client.prepare(server=host).cast(context, 'refresh_instance_security_rules', instance=instance)

    def _call(self, context, host, method, **arguments):
        return self.client.prepare(server=host, timeout=CONF.rpc_response_timeout).call(context, method, **arguments)

    def _call_long(self, context, host, method, **arguments):
        """For what may take its time: given up only when the host gives no sign of life, after it counts as down."""
        patience_s = min(CONF.rpc_response_timeout, servicegroup.down_time_s())
        return self.client.prepare(server=host, timeout=CONF.long_rpc_timeout, call_monitor_timeout=patience_s).call(
            context, method, **arguments)
