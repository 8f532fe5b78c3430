# SPDX-License-Identifier: Apache-2.0
"""What users may ask of servers and hosts: the one door for the REST API and others.

The verbs on servers are in `nova.compute.verbs`, a module for each subject.
"""

import functools

import oslo_messaging
from oslo_utils import uuidutils

from nova import context as nova_context
from nova import exception, objects, servicegroup
from nova.compute import create, keypairs, lookup, multi_cell
from nova.compute import rpcapi as compute_rpcapi
from nova.compute.passwords import generate as generate_password  # noqa: F401  (its public name)
from nova.compute.verbs import consoles, delete, images, interfaces, moving, power, state, volumes
from nova.conf import CONF
from nova.notifications import tell


class API(power.PowerVerbs, delete.DeleteVerbs, state.StateVerbs, consoles.ConsoleVerbs, images.ImageVerbs,
          moving.MovingVerbs, volumes.VolumeVerbs, interfaces.Verbs):
    """The face of nova-compute's room to the REST API and other doors."""

    # Reading ----------------------------------------------------------------------------------------------------------

    def get(self, context, instance_uuid, with_=(), deleted_too=False):
        """A server that the caller may see.  Raises InstanceNotFound for others' too: they do not exist for him."""
        if not uuidutils.is_uuid_like(instance_uuid):
            raise exception.InstanceNotFound(instance_id=instance_uuid)
        try:
            instance = self._find(context, instance_uuid, with_)
        except exception.InstanceNotFound:
            if not deleted_too:
                raise
            # In which cell a deleted one was is recorded nowhere else.
            instance = lookup.find(context, lambda in_cell: self._deleted(in_cell, instance_uuid, with_))
        if not context.can_see(instance.project_id):
            raise exception.InstanceNotFound(instance_id=instance_uuid)
        return instance

    @staticmethod
    def _find(context, uuid, with_):
        """In the cell that the mapping names; and again, when the server was given to another since."""
        def get_in(cell):
            with nova_context.target_cell(context, cell) as in_cell:
                return objects.Instance.get_by_uuid(in_cell, uuid, with_=with_)

        cell = objects.InstanceMapping.cell_of(context, uuid)
        try:
            return get_in(cell)
        except exception.InstanceNotFound:
            now = objects.InstanceMapping.cell_of(context, uuid)
            if now is cell:
                raise
            return get_in(now)

    @staticmethod
    def _deleted(in_cell, uuid, with_):
        in_cell.read_deleted = 'yes'
        instance = objects.Instance.get_by_uuid(in_cell, uuid, with_=with_)
        in_cell.read_deleted = 'no'
        return instance

    @staticmethod
    def is_in_other_cell(context, instance_uuid):
        """Whether a server is in another cell than the one that this service is configured for."""
        return objects.InstanceMapping.cell_of(context, instance_uuid) is not None

    def get_all(self, context, filters=None, limit=None, marker=None, sort_keys=None, sort_dirs=None, with_=(),
                columns=None):
        """(servers, cells that did not answer), over all cells; see `nova.db.main.instance_filters` for filters."""
        return multi_cell.list_servers(context, filters or {}, limit, marker, sort_keys, sort_dirs, with_, columns)

    # Creating ---------------------------------------------------------------------------------------------------------

    def create(self, context, request):
        """Ask for servers.

        :param request: `nova.compute.create.Request`.
        Returns the servers, in BUILD.  Raises what `nova.compute.create` lists; nothing is recorded then.
        """
        plan = create.check(self, context, request)
        instances, action_ids = create.record(context, plan)
        self._ring(self.conductor_rpcapi.schedule_and_build_instances, context, action_ids)
        return instances

    # Key pairs --------------------------------------------------------------------------------------------------------

    def create_key_pair(self, context, user_id, name, public_key=None, key_type='ssh'):
        """(key pair, private key or None): imported when `public_key` is given, generated otherwise."""
        return keypairs.create(context, user_id, name, public_key, key_type)

    def delete_key_pair(self, context, user_id, name):
        """Raises KeypairNotFound."""
        keypairs.delete(context, user_id, name)


class HostAPI:
    """What administrators may ask of hosts and services."""

    def __init__(self):
        self.servicegroup = servicegroup.API()

    @functools.cached_property
    def compute_rpcapi(self):
        return compute_rpcapi.ComputeAPI()

    def service_list(self, context, host=None, binary=None):
        """(services of all cells with their availability zones, [cell that did not answer, …])."""
        zones = objects.AggregateList.get_all(context).zones_by_host()
        answers, down = objects.cell.ask_each(
            context, lambda in_cell: objects.ServiceList.get_all(in_cell, host=host, binary=binary).objects)
        found = [service for _cell, services in answers for service in services]
        for service in found:
            service.trust('availability_zone', zones.get(service.host, CONF.default_availability_zone)
                          if service.binary == 'nova-compute' else CONF.internal_service_availability_zone)
        return found, down

    def host_uptime(self, context, host):
        """The text of `uptime` on a host.

        This and the following raise ComputeHostNotFound, ComputeServiceUnavailable, DriverUnsupported.
        """
        return self._ask(context, host, self.compute_rpcapi.get_host_uptime)

    def set_host_enabled(self, context, host, enabled):
        """Let the scheduler use a host, or not."""
        service = self._service(context, host)
        service.disabled = not enabled
        with tell.host_action(context, 'set_enabled', host_name=host, enabled=enabled):
            service.save()
        tell.service(context, 'update', service)

    def set_host_maintenance(self, context, host, mode):
        """Begin or end maintenance of a host; what the driver says it is now."""
        with tell.host_action(context, 'set_maintenance', host_name=host, host_to=host, action='set_maintenance',
                              mode=mode):
            return self._ask(context, host, self.compute_rpcapi.host_maintenance_mode, mode)

    def host_power_action(self, context, host, action):
        """:param action: startup, shutdown or reboot."""
        with tell.host_action(context, 'power_action', host_name=host, action=action):
            return self._ask(context, host, self.compute_rpcapi.host_power_action, action)

    @staticmethod
    def _service(context, host):
        try:
            return lookup.service(context, host)
        except exception.ServiceNotFound as exc:
            raise exception.ComputeHostNotFound(host=host) from exc

    def _ask(self, context, host, method, *args):
        service = self._service(context, host)
        if not self.servicegroup.service_is_up(service):
            raise exception.ComputeServiceUnavailable(host=host)
        try:
            # In the cell of the host, whose messages are that cell's.
            return method(service._context, host, *args)
        except oslo_messaging.MessagingTimeout as exc:
            raise exception.ComputeServiceUnavailable(host=host) from exc
