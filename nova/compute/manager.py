# SPDX-License-Identifier: Apache-2.0
"""What other services may ask of a host.  Nothing is decided here: each method enters a concern beside this module."""

import oslo_messaging
from oslo_log import log

from nova import concurrency, exception, image, manager, objects, share, volume
from nova import context as nova_context
from nova.compute import (
    access,
    assisted_snapshots,
    build,
    consoles,
    delete,
    evacuate,
    external_events,
    interfaces,
    live_migration,
    operations,
    power,
    power_sync,
    rebuild,
    recovery,
    resize,
    resource_tracker,
    shares,
    shelve,
    snapshot,
    usage_audit,
    vm_states,
    volume_usage,
    volumes,
)
from nova.compute import rpcapi as compute_rpcapi
from nova.conductor import rpcapi as conductor_rpcapi
from nova.conf import CONF
from nova.network import api as network_api
from nova.network import linux_net
from nova.notifications import servers as notifications
from nova.virt import driver as virt_driver
from nova.virt import event as virt_event
from nova.virt import virtapi

LOG = log.getLogger(__name__)

#: The modules whose functions carry out orders.
CONCERNS = (access, build, delete, evacuate, live_migration, power, rebuild, resize, shares, shelve, snapshot,
            volumes)


@operations.surface('compute', *CONCERNS)
@notifications.calls
class ComputeManager(manager.Manager):
    """One per host.  Has no database: objects go through the conductor.

    Each order that a concern carries out is a method here, by `operations.surface`.
    """

    target = oslo_messaging.Target(version=compute_rpcapi.VERSION)
    binary = 'nova-compute'

    def __init__(self, host=None, service_name='compute', compute_driver=None):
        super().__init__(host, service_name)
        self.name = self.host
        self.entered, self.busy = set(), set()
        #: Servers with volumes that a swap may have left half done.
        self.unsettled = set()
        self.driver = virt_driver.load_compute_driver(virtapi.VirtAPI(), compute_driver)
        self.network = network_api.API()
        self.image = image.API()
        self.volume = volume.API(self.image)
        self.share = share.API()
        self.firewall = linux_net.Firewall()
        self.additional_endpoints = [linux_net.FirewallEndpoint(self.firewall)]
        self.compute_rpcapi = compute_rpcapi.ComputeAPI()
        self.conductor_rpcapi = conductor_rpcapi.ConductorAPI()
        self.tracker = resource_tracker.ResourceTracker(self.host, self.driver, self.busy)
        self.build_slots = concurrency.Semaphore(CONF.max_concurrent_builds or 1000)
        self.orders = operations.Poller(self, CONF.order_poll_interval)

    # Life of the service ----------------------------------------------------------------------------------------------

    @manager.rpc.not_remote
    def init_host(self):
        context = nova_context.get_admin_context()
        self.driver.register_event_listener(self._on_event)
        self.driver.init_host(self.host)
        recovery.take_up(self, context)
        recovery.repair(self, context)

    @manager.rpc.not_remote
    def pre_start_hook(self):
        self.tracker.report(nova_context.get_admin_context())

    @manager.rpc.not_remote
    def post_start_hook(self):
        concurrency.spawn(self.look_for_orders, nova_context.get_admin_context())
        concurrency.spawn(self.settle_volumes, nova_context.get_admin_context())

    @manager.rpc.not_remote
    def cleanup_host(self):
        while self.entered:
            concurrency.sleep(0.1)
        self.driver.register_event_listener(None)
        self.driver.cleanup_host(self.host)

    # Questions --------------------------------------------------------------------------------------------------------

    def get_console_output(self, context, instance, tail_length=None):
        return consoles.output(self.driver, context, instance, tail_length)

    def get_console(self, context, instance, console_type):
        return consoles.connect(self.driver, context, instance, console_type)

    def get_diagnostics(self, context, instance):
        return self._of_driver('get_diagnostics', instance)

    def get_instance_diagnostics(self, context, instance):
        return self._of_driver('get_instance_diagnostics', instance).serialize()

    def reset_network(self, context, instance):
        self.driver.reset_network(instance)

    def inject_network_info(self, context, instance):
        self.driver.inject_network_info(instance, self.network.get_instance_nw_info(context, instance))

    def get_host_uptime(self, context):
        return self._of_driver('get_host_uptime')

    def host_maintenance_mode(self, context, mode):
        return self._of_driver('host_maintenance_mode', self.host, mode)

    def host_power_action(self, context, action):
        return self._of_driver('host_power_action', action)

    def external_instance_event(self, context, events):
        external_events.happened(self, context, events)

    def cache_images(self, context, image_ids):
        for image_id in image_ids:
            try:
                self.driver.cache_image(context, image_id)
            except Exception:
                LOG.exception('Image %s could not be fetched beforehand', image_id)

    def _of_driver(self, method, *args):
        """What the driver answers.  Raises DriverUnsupported for what it cannot do."""
        try:
            return getattr(self.driver, method)(*args)
        except NotImplementedError as exc:
            raise exception.DriverUnsupported(host=self.host, method=method) from exc

    def refresh_instance_security_rules(self, context, instance):
        self.firewall.apply(instance, instance.get_network_info())

    def volume_snapshot_create(self, context, instance, volume_id, create_info):
        assisted_snapshots.create(self, context, instance, volume_id, create_info)

    def volume_snapshot_delete(self, context, instance, volume_id, snapshot_id, delete_info):
        assisted_snapshots.delete(self, context, instance, volume_id, snapshot_id, delete_info)

    def attach_interface(self, context, instance, network_id, address, tag):
        return interfaces.attach(self, context, instance, network_id, address, tag)

    def detach_interface(self, context, instance, port_id):
        interfaces.detach(self, context, instance, port_id)

    # Live migration ---------------------------------------------------------------------------------------------------

    def check_can_live_migrate_destination(self, context, instance, block_migration, disk_over_commit):
        return live_migration.check_destination(self, context, instance, block_migration, disk_over_commit)

    def check_can_live_migrate_source(self, context, instance, data):
        return live_migration.check_source(self, context, instance, data)

    def pre_live_migration(self, context, instance, disk_info, data):
        return live_migration.prepare(self, context, instance, disk_info, data)

    def rollback_live_migration_at_destination(self, context, instance, data):
        live_migration.roll_back(self, context, instance, data)

    def post_live_migration_at_destination(self, context, instance, block_migration):
        return live_migration.welcome(self, context, instance, block_migration)

    def live_migration_force_complete(self, context, instance, migration_uuid):
        self.driver.live_migration_force_complete(instance)

    def live_migration_abort(self, context, instance, migration_uuid):
        self.driver.live_migration_abort(instance)

    def make_way(self, action):
        """An order waits for what goes on with its server.  A deletion does not wait for a live migration to arrive."""
        if action.method == 'terminate_instance':
            live_migration.stop(self, action.instance)

    def look_again(self, op):
        """An operation failed, and nobody knows how far it came: record what the hypervisor says of the guest."""
        try:
            instance = objects.Instance.get_by_uuid(op.context, op.action.instance_uuid)
            if instance.host == self.host:
                power_sync.sync(instance, power_sync.of_guest(self.driver, instance))
        except exception.InstanceNotFound:
            return
        except Exception:
            LOG.exception('Server %s could not be looked at after its %s failed; that is done periodically',
                          op.action.instance_uuid, op.action.action)

    @manager.rpc.not_remote
    def get_ready(self, op):
        """Before an operation: what an earlier one has left half done is brought to its end."""
        volumes.settle(op)

    @manager.rpc.not_remote
    def give_up(self, context, action):
        """An order came for a server that is gone."""
        volumes.give_up(context, action, self.volume)

    # Events and periodic work -----------------------------------------------------------------------------------------

    def _on_event(self, event):
        if isinstance(event, virt_event.LifecycleEvent):
            concurrency.spawn(self._follow, event)

    def _follow(self, event):
        if event.uuid in self.busy:
            if event.transition != virt_event.EVENT_LIFECYCLE_STOPPED:
                return      # what goes on with it says itself how it ends
            # It may have stopped by itself, and what goes on with it may be no matter of power.
            with concurrency.lock(f'server {event.uuid}'):
                pass
        context = nova_context.get_admin_context()
        try:
            instance = objects.Instance.get_by_uuid(context, event.uuid)
        except exception.InstanceNotFound:
            return
        if instance.host == self.host:
            self._sync_power_state(context, instance)

    @manager.periodic_task(spacing=lambda: CONF.order_poll_interval)
    def look_for_orders(self, context):
        self.orders.look(context, lambda order_context, method, action_id: getattr(self, method)(order_context,
                                                                                               action_id))

    @manager.periodic_task(spacing=lambda: CONF.update_resources_interval)
    def report_resources(self, context):
        self.tracker.report(context)

    @manager.periodic_task(spacing=lambda: CONF.sync_power_state_interval, each='_sync_power_state')
    def sync_power_states(self, context):
        yield from objects.InstanceList.get_by_host(context, self.host)

    def _sync_power_state(self, context, instance):
        if instance.uuid in self.busy:
            return
        power_sync.look(self.host, self.driver, instance)
        if instance.vm_state == vm_states.STOPPED:
            shares.follow(self, context, instance)

    @manager.periodic_task(spacing=lambda: CONF.instance_usage_audit_interval if CONF.instance_usage_audit else 0)
    def audit_usage(self, context):
        usage_audit.run(self.host, context, self._exists)

    def _exists(self, context, instance, begin, end):
        LOG.info('Server %s of project %s existed between %s and %s', instance.uuid, instance.project_id, begin, end)
        notifications.exists(context, instance, period=(begin, end), host=self.host)

    @manager.periodic_task(spacing=lambda: CONF.volume_usage_poll_interval)
    def poll_volume_usage(self, context):
        volume_usage.poll(self, context)

    @manager.periodic_task(spacing=lambda: CONF.image_cache.manager_interval or 60)
    def clean_image_cache(self, context):
        self.driver.manage_image_cache(context, objects.InstanceList.get_by_host(context, self.host))

    @manager.periodic_task(spacing=lambda: CONF.update_resources_interval)
    def settle_volumes(self, context):
        volumes.settle_all(self, context)

    @manager.periodic_task(spacing=lambda: CONF.update_resources_interval)
    def remove_strangers(self, context):
        recovery.remove_strangers(self, context, set(objects.InstanceList.get_uuids_by_host(context, self.host)))
