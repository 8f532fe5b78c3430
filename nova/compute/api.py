# SPDX-License-Identifier: Apache-2.0
"""What users may ask of servers.

Each verb has the same phases: *state* (the table), *world* (reads only), *record* (one transaction; from here on things
exist), *ring* (a cast that only wakes somebody up: the order is in the database).
"""

import functools
import random
import string

import oslo_messaging
from oslo_log import log
from oslo_utils import uuidutils

from nova import context as nova_context
from nova import exception, image, objects, servicegroup
from nova.compute import create, keypairs, multi_cell, power_state, records, states, task_states, vm_states
from nova.compute import rpcapi as compute_rpcapi
from nova.conductor import rpcapi as conductor_rpcapi
from nova.conf import CONF
from nova.network import api as network_api

LOG = log.getLogger(__name__)


def generate_password(length=None):
    """A random administrator password: letters and digits that are not mistaken for each other."""
    letters = ''.join(c for c in string.ascii_letters + string.digits if c not in 'Il1O0o')
    pick = random.SystemRandom().choice
    return ''.join(pick(letters) for _ in range(CONF.password_length if length is None else length))


def _in_cell(method):
    """Run the verb with a context that targets the cell of its server."""
    @functools.wraps(method)
    def run(self, context, instance, *args, **kwargs):
        return method(self, getattr(instance, '_context', None) or context, instance, *args, **kwargs)
    return run


class API:
    """The face of nova-compute's room to the REST API and other doors."""

    def __init__(self, network=None, image_api=None):
        self.network = network or network_api.API()
        self.image = image_api or image.API()
        self.servicegroup = servicegroup.API()

    # Clients are made at first use: `nova-manage` asks questions without any transport.
    @functools.cached_property
    def compute_rpcapi(self):
        return compute_rpcapi.ComputeAPI()

    @functools.cached_property
    def conductor_rpcapi(self):
        return conductor_rpcapi.ConductorAPI()

    # Reading ----------------------------------------------------------------------------------------------------------

    def get(self, context, instance_uuid, with_=(), read_deleted='no'):
        """A server that the caller may see.  Raises InstanceNotFound for others' too: they do not exist for him."""
        if not uuidutils.is_uuid_like(instance_uuid):
            raise exception.InstanceNotFound(instance_id=instance_uuid)
        with nova_context.target_cell(context, objects.InstanceMapping.cell_of(context, instance_uuid)) as in_cell:
            in_cell.read_deleted = read_deleted
            instance = objects.Instance.get_by_uuid(in_cell, instance_uuid, with_=with_)
            in_cell.read_deleted = 'no'
        if not context.can_see(instance.project_id):
            raise exception.InstanceNotFound(instance_id=instance_uuid)
        return instance

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
        instances, action_ids = create.record(context, request, plan)
        self._ring(self.conductor_rpcapi.schedule_and_build_instances, context, action_ids)
        return instances

    # Power ------------------------------------------------------------------------------------------------------------

    @_in_cell
    def start(self, context, instance):
        self._order(context, instance, 'start', 'start_instance')

    @_in_cell
    def stop(self, context, instance, clean_shutdown=True):
        self._order(context, instance, 'stop', 'stop_instance', {'clean_shutdown': clean_shutdown})

    @_in_cell
    def reboot(self, context, instance, reboot_type):
        """:param reboot_type: 'SOFT' or 'HARD'."""
        row = 'reboot' if reboot_type == 'SOFT' else 'reboot_hard'
        self._order(context, instance, row, 'reboot_instance', {'reboot_type': reboot_type}, record_as='reboot')

    def _order(self, context, instance, action, method, args=None, record_as=None):
        """State, record, ring, for what a server's own host does."""
        row = states.require(context, instance, action)
        action_id = records.order(context, instance, row, record_as or action, 'nova-compute', instance.host, method,
                                  args)
        self._ring(getattr(self.compute_rpcapi, method), context, instance.host, action_id)

    @staticmethod
    def _ring(bell, *args):
        """Wake the service that does it; when nobody can be told, it finds its order by itself a little later."""
        try:
            bell(*args)
        except (oslo_messaging.MessagingException, OSError) as exc:
            LOG.warning('The message for an order could not be sent (%s); it will be found by looking', exc)

    # Deleting ---------------------------------------------------------------------------------------------------------

    @_in_cell
    def delete(self, context, instance):
        """End a server.  One without a host, or whose host is down, ends in the records at once."""
        row = states.require(context, instance, 'delete')
        if instance.task_state == task_states.DELETING and self._is_being_deleted(context, instance):
            return      # already under way
        on_host = bool(instance.host) and self._host_is_up(context, instance.host)
        if on_host:
            action_id = records.order(context, instance, row, 'delete', 'nova-compute', instance.host,
                                      'terminate_instance', queue_delete=True)
            self._ring(self.compute_rpcapi.terminate_instance, context, instance.host, action_id)
        else:
            action_id = records.order(context, instance, row, 'delete', 'nova-conductor', None, 'terminate_instance',
                                      queue_delete=True)
            self._ring(self.conductor_rpcapi.terminate_instance, context, action_id)

    force_delete = delete

    @staticmethod
    def _is_being_deleted(context, instance):
        return any(action.action == 'delete' and action.state != 'done'
                   for action in objects.InstanceActionList.get_by_instance_uuid(context, instance.uuid, limit=5))

    def _host_is_up(self, context, host):
        try:
            return self.servicegroup.service_is_up(objects.Service.get_by_args(context, host, 'nova-compute'))
        except exception.ServiceNotFound:
            return False

    # Changing ---------------------------------------------------------------------------------------------------------

    @_in_cell
    def update(self, context, instance, changes):
        """Change columns of a server that no host has to know: display_name, access addresses, description, …"""
        for name, value in changes.items():
            setattr(instance, name, value)
        instance.save()
        return instance

    @_in_cell
    def update_instance_metadata(self, context, instance, metadata, delete=False):
        """Merge metadata into a server's, or with `delete` replace it.  Returns all of it.

        Raises MetadataLimitExceeded, InstanceInvalidState, InstanceIsLocked.
        """
        states.require(context, instance, 'update_instance_metadata')
        limits = objects.Quotas.limits(context, context.project_id, context.user_id)
        return records.change_metadata(context, instance, metadata, delete, limits['metadata_items'])

    @_in_cell
    def delete_instance_metadata(self, context, instance, key):
        """Raises NotFound when there is no such key."""
        states.require(context, instance, 'delete_instance_metadata')
        records.delete_metadata(context, instance, key)

    @_in_cell
    def reset_state(self, context, instance, error=False):
        """Say what a server's state is, whatever it was (administrators)."""
        instance.vm_state = vm_states.ERROR if error else vm_states.ACTIVE
        instance.task_state = None
        records.note(context, instance, 'resetState', instance.obj_get_changes())

    # Questions to the host --------------------------------------------------------------------------------------------

    @_in_cell
    def get_console_output(self, context, instance, tail_length=None):
        """What the guest wrote to its console.

        Raises InstanceNotReady, ConsoleNotAvailable, ComputeServiceUnavailable.
        """
        states.require(context, instance, 'get_console_output')
        if instance.power_state in (None, power_state.NOSTATE) and instance.vm_state == vm_states.BUILDING:
            raise exception.InstanceNotReady(instance_id=instance.uuid)
        return self._ask(self.compute_rpcapi.get_console_output, context, instance, tail_length)

    def _ask(self, method, context, instance, *args):
        if not self._host_is_up(context, instance.host):
            raise exception.ComputeServiceUnavailable(host=instance.host)
        try:
            return method(context, instance, *args)
        except oslo_messaging.MessagingTimeout as exc:
            raise exception.ComputeServiceUnavailable(host=instance.host) from exc

    # Key pairs --------------------------------------------------------------------------------------------------------

    def create_key_pair(self, context, user_id, name, public_key=None, key_type='ssh'):
        """(key pair, private key or None): imported when `public_key` is given, generated otherwise."""
        return keypairs.create(context, user_id, name, public_key, key_type)


class HostAPI:
    """What administrators may ask of hosts and services."""

    def __init__(self):
        self.servicegroup = servicegroup.API()

    @functools.cached_property
    def compute_rpcapi(self):
        return compute_rpcapi.ComputeAPI()

    def service_list(self, context, host=None, binary=None):
        """Services of all cells with their availability zones."""
        zones = objects.AggregateList.get_all(context).zones_by_host()
        found = []
        for cell in objects.CellMappingList.to_ask(context):
            with nova_context.target_cell(context, cell) as in_cell:
                found.extend(objects.ServiceList.get_all(in_cell, host=host, binary=binary))
        for service in found:
            service.trust('availability_zone', zones.get(service.host, CONF.default_availability_zone)
                          if service.binary == 'nova-compute' else CONF.internal_service_availability_zone)
        return found

    def host_uptime(self, context, host):
        """The text of `uptime` on a host.  Raises ComputeServiceUnavailable, DriverUnsupported."""
        try:
            service = objects.Service.get_by_args(context, host, 'nova-compute')
        except exception.ServiceNotFound as exc:
            raise exception.ComputeHostNotFound(host=host) from exc
        if not self.servicegroup.service_is_up(service):
            raise exception.ComputeServiceUnavailable(host=host)
        try:
            return self.compute_rpcapi.get_host_uptime(context, host)
        except oslo_messaging.MessagingTimeout as exc:
            raise exception.ComputeServiceUnavailable(host=host) from exc
