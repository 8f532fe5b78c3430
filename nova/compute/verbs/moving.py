# SPDX-License-Identifier: Apache-2.0
"""Servers on other hosts, or of another size: resize, migrate, live migrate, evacuate."""

import contextlib

from nova import exception, objects
from nova.compute import create, lookup, records, states, vm_states
from nova.compute.verbs.base import Verbs, in_cell
from nova.objects import migration as migration_obj


class MovingVerbs(Verbs):

    # Resize and cold migration ----------------------------------------------------------------------------------------

    @in_cell
    def resize(self, context, instance, flavor_id=None, host=None, auto_disk_config=None, clean_shutdown=True):
        """Give a server another flavor, or (without `flavor_id`) only another host.

        :param host: where to; None: the scheduler chooses.
        Raises CannotResizeToSameFlavor, CannotResizeDisk, FlavorNotFound, ComputeHostNotFound,
        CannotMigrateToSameHost, TooManyInstances, ComputeServiceUnavailable.
        """
        action = 'migrate' if flavor_id is None else 'resize'
        row = states.require(context, instance, action)
        flavor = instance.flavor if flavor_id is None else self._new_flavor(context, instance, flavor_id)
        if host is not None:
            self._require_other_host(context, instance, host)
        if not self._host_is_up(context, instance.host):
            raise exception.ComputeServiceUnavailable(host=instance.host)
        old = {'cores': instance.vcpus, 'ram': instance.memory_mb}
        most = {'cores': max(flavor.vcpus, old['cores']), 'ram': max(flavor.memory_mb, old['ram'])}
        objects.Quotas.resize(context, instance.uuid, instance.project_id, most)
        values = migration_obj.new_values(
            context, instance, migration_obj.COLD if flavor_id is None else migration_obj.RESIZE, 'pre-migrating',
            old_flavor=instance.flavor.snapshot(), new_flavor=flavor.snapshot(), new_instance_type_id=flavor.id)
        try:
            action_id = records.order(context, instance, row, 'nova-conductor', None, 'cold_migrate', {
                'migration_uuid': values['uuid'], 'host': host, 'clean_shutdown': clean_shutdown}, migration=values)
        except exception.NovaException:
            objects.Quotas.resize(context, instance.uuid, instance.project_id, old, check=False)
            raise
        if auto_disk_config is not None:
            instance.auto_disk_config = auto_disk_config
            instance.save()
        self._ring(self.conductor_rpcapi.ring, context, 'cold_migrate', action_id)

    @staticmethod
    def _new_flavor(context, instance, flavor_id):
        flavor = objects.Flavor.get_by_flavor_id(context, flavor_id)
        if flavor.disabled:
            raise exception.FlavorNotFound(flavor_id=flavor_id)
        if flavor.flavorid == instance.flavor.flavorid:
            raise exception.CannotResizeToSameFlavor()
        create.check_hardware(flavor, instance.image_meta)
        if instance.image_ref and flavor.root_gb < instance.root_gb:
            raise exception.CannotResizeDisk(
                reason=f'flavorRef: the root disk of {flavor.root_gb} GB is smaller than the {instance.root_gb} GB '
                       'that the server has')
        return flavor

    def _require_other_host(self, context, instance, host):
        """The service of a host of the server's cell, where the server stays.

        Raises ComputeHostNotFound, CannotMigrateToSameHost.
        """
        if host == instance.host:
            raise exception.CannotMigrateToSameHost()
        try:
            return objects.Service.get_by_args(context, host, 'nova-compute')
        except exception.ServiceNotFound as exc:
            raise _no_host(context, host) from exc

    @in_cell
    def confirm_resize(self, context, instance):
        """Keep the new size or host; what is left on the old one is removed.  Raises MigrationNotFoundByStatus."""
        row = states.require(context, instance, 'confirm_resize')
        found = objects.Migration.get_by_instance_and_status(context, instance.uuid, 'finished')
        action_id = records.order(context, instance, row, 'nova-compute', found.source_compute, 'confirm_resize',
                                  {'migration_uuid': found.uuid},
                                  migration_step=(found.uuid, 'finished', 'confirming'))
        self._ring(self.compute_rpcapi.ring, context, found.source_compute, 'confirm_resize', action_id)

    @in_cell
    def revert_resize(self, context, instance):
        """Back to the old size and host.  Raises MigrationNotFoundByStatus."""
        row = states.require(context, instance, 'revert_resize')
        found = objects.Migration.get_by_instance_and_status(context, instance.uuid, 'finished')
        action_id = records.order(context, instance, row, 'nova-compute', found.dest_compute, 'revert_resize',
                                  {'migration_uuid': found.uuid},
                                  migration_step=(found.uuid, 'finished', 'reverting'))
        self._ring(self.compute_rpcapi.ring, context, found.dest_compute, 'revert_resize', action_id)

    # Live migration ---------------------------------------------------------------------------------------------------

    @in_cell
    def live_migrate(self, context, instance, block_migration, disk_over_commit=False, host=None, force=False):
        """Move a running server.

        :param block_migration: True, False, or None: as the storage needs.
        :param force: do not ask the scheduler's filters about `host`.
        Raises ComputeHostNotFound, CannotMigrateToSameHost, ComputeServiceUnavailable.
        """
        row = states.require(context, instance, 'live_migrate')
        if host is not None:
            service = self._require_other_host(context, instance, host)
            if not self.servicegroup.service_is_up(service):
                raise exception.MigrationPreCheckError(reason=f'compute service of {host} is unavailable at this time')
        if not self._host_is_up(context, instance.host):
            raise exception.ComputeServiceUnavailable(host=instance.host)
        values = migration_obj.new_values(context, instance, migration_obj.LIVE, 'accepted', dest_compute=host)
        action_id = records.order(context, instance, row, 'nova-conductor', None, 'live_migrate_instance', {
            'migration_uuid': values['uuid'], 'host': host, 'force': force, 'block_migration': block_migration,
            'disk_over_commit': disk_over_commit}, migration=values)
        self._ring(self.conductor_rpcapi.ring, context, 'live_migrate_instance', action_id)

    @in_cell
    def live_migrate_force_complete(self, context, instance, migration_id):
        """Have a live migration finish, at the cost of a pause.  Raises MigrationNotFoundForInstance,
        InvalidMigrationState.
        """
        states.require(context, instance, 'live_migrate_force_complete')
        found = self._live_migration(context, instance, migration_id, ('running',), 'force complete')
        records.note(context, instance, 'live_migration_force_complete', {})
        self.compute_rpcapi.live_migration_force_complete(context, instance, found.uuid)

    @in_cell
    def live_migrate_abort(self, context, instance, migration_id, support_abort_in_queue=False):
        """Stop a live migration; the server stays where it is.  Raises as `live_migrate_force_complete`."""
        states.require(context, instance, 'live_migrate_abort')
        allowed = ('queued', 'preparing', 'running') if support_abort_in_queue else ('running',)
        found = self._live_migration(context, instance, migration_id, allowed, 'abort live migration')
        records.note(context, instance, 'live_migration_cancel', {})
        if found.change({'status': 'cancelled'}, ['queued', 'preparing']):
            return
        self.compute_rpcapi.live_migration_abort(context, instance, found.uuid)

    @staticmethod
    def _live_migration(context, instance, migration_id, statuses, method):
        found = objects.Migration.get_by_id_and_instance(context, migration_id, instance.uuid)
        if found.migration_type != migration_obj.LIVE or found.status not in statuses:
            raise exception.InvalidMigrationState(migration_id=migration_id, instance_uuid=instance.uuid,
                                                  state=found.status, method=method)
        return found

    # Evacuation -------------------------------------------------------------------------------------------------------

    @in_cell
    def evacuate(self, context, instance, host=None, on_shared_storage=None, admin_password=None, force=False,
                 stopped=False):
        """Make a server of a host that is down anew on another one.

        :param on_shared_storage: None: the destination looks whether the disk is there.
        :param stopped: leave it stopped there.
        Raises ComputeServiceInUse, ComputeHostNotFound, CannotMigrateToSameHost.
        """
        row = states.require(context, instance, 'evacuate')
        if not instance.host:
            raise exception.InstanceNotReady(instance_id=instance.uuid)
        if self._host_is_up(context, instance.host):
            raise exception.ComputeServiceInUse(host=instance.host)
        if host is not None:
            self._require_other_host(context, instance, host)
        values = migration_obj.new_values(context, instance, migration_obj.EVACUATION, 'accepted', dest_compute=host)
        action_id = records.order(context, instance, row, 'nova-conductor', None, 'evacuate_instance', {
            'migration_uuid': values['uuid'], 'host': host, 'force': force, 'admin_password': admin_password,
            'on_shared_storage': on_shared_storage,
            'stopped': stopped or instance.vm_state == vm_states.STOPPED}, migration=values)
        self._ring(self.conductor_rpcapi.ring, context, 'evacuate_instance', action_id)

    # Looking ----------------------------------------------------------------------------------------------------------

    def get_migrations(self, context, filters, limit=None, marker=None):
        """Migrations of all cells, newest first; see `MigrationList.get_by_filters`.  Raises MarkerNotFound."""
        last = None
        if marker is not None:
            try:
                last = lookup.find(context, lambda in_cell: objects.Migration.get_by_uuid(in_cell, marker)).position
            except exception.MigrationNotFound as exc:
                raise exception.MarkerNotFound(marker=marker) from exc
        answers, _down = objects.cell.ask_each(context, lambda in_cell: objects.MigrationList.get_by_filters(
            in_cell, filters, limit, last).objects)
        found = [migration for _cell, migrations in answers for migration in migrations]
        found.sort(key=lambda each: tuple(each.position.values()), reverse=True)
        return found[:limit]

    @in_cell
    def get_migrations_in_progress_by_instance(self, context, instance):
        """Live migrations of a server that are under way."""
        return objects.MigrationList.get_by_filters(context, {
            'instance_uuid': instance.uuid, 'migration_type': migration_obj.LIVE,
            'status': list(migration_obj.LIVE_IN_PROGRESS)})

    @in_cell
    def get_migration_in_progress(self, context, instance, migration_id):
        """Raises MigrationNotFoundForInstance for one that is no live migration under way."""
        found = objects.Migration.get_by_id_and_instance(context, migration_id, instance.uuid)
        if found.migration_type != migration_obj.LIVE or found.status not in migration_obj.LIVE_IN_PROGRESS:
            raise exception.MigrationNotFoundForInstance(migration_id=migration_id, instance_id=instance.uuid)
        return found


def _no_host(context, host):
    """Why a host that the server's cell does not have is none for it."""
    with contextlib.suppress(exception.ServiceNotFound, *objects.cell.AWAY):
        lookup.service(context, host)
        return exception.ComputeHostNotFound(f'Compute host {host} is in another cell than the server, which stays in '
                                             'its own.')
    return exception.ComputeHostNotFound(host=host)
