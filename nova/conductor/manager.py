# SPDX-License-Identifier: Apache-2.0
"""The conductor's RPC surface and periodic work.  Nothing is decided here."""

import functools

import oslo_messaging
from oslo_log import log

from nova import concurrency, manager, objects, volume
from nova import context as nova_context
from nova.compute import operations
from nova.compute import rpcapi as compute_rpcapi
from nova.conductor import due, janitor
from nova.conductor import rpcapi as conductor_rpcapi
from nova.conductor.tasks import build, cold_migrate, evacuate, live_migrate, rebuild, terminate, unshelve
from nova.conf import CONF
from nova.network import api as network_api
from nova.objects import base
from nova.scheduler import rpcapi as scheduler_rpcapi

LOG = log.getLogger(__name__)


#: The modules whose functions carry out orders.
TASKS = (cold_migrate, evacuate, live_migrate, rebuild, terminate, unshelve)


@operations.surface('conductor', *TASKS)
class ConductorManager(manager.Manager):
    """What hosts and the API may ask of the conductor."""

    target = oslo_messaging.Target(version=conductor_rpcapi.VERSION)
    binary = 'nova-conductor'

    def __init__(self, host=None, service_name='conductor'):
        super().__init__(host, service_name)
        self.name = self.host
        self.entered, self.busy = set(), set()
        self.compute_rpcapi = compute_rpcapi.ComputeAPI()
        self.conductor_rpcapi = conductor_rpcapi.ConductorAPI()
        self.scheduler_rpcapi = scheduler_rpcapi.SchedulerAPI()
        self.network = network_api.API()
        self.volume = volume.API()
        self.orders = operations.Poller(self, CONF.order_poll_interval)

    @manager.rpc.not_remote
    def init_host(self):
        context = nova_context.get_admin_context()
        if objects.CellMappingList.top(context) is None:
            return
        cell = objects.CellMappingList.configured(context)
        if cell is not None:
            LOG.info('This conductor serves cell %s; those that see the database of cell0 carry out orders', cell.name)
        else:
            LOG.warning('[database]connection is not that of any cell (see "nova-manage cell_v2 list_cells"): this '
                        'conductor serves hosts, and carries out no orders')

    # Objects ----------------------------------------------------------------------------------------------------------

    def object_class_action_versions(self, context, objname, objmethod, object_versions, args, kwargs):
        cls = base.NovaObject.obj_class_from_name(objname, object_versions[objname])
        result = self._perform(cls, objmethod, context, args, kwargs)
        if isinstance(result, base.NovaObject):
            return result.obj_to_primitive(target_version=object_versions[objname], version_manifest=object_versions)
        return result

    def object_action(self, context, objinst, objmethod, args, kwargs):
        """Run a method of an object that came; returns (what changed in it, the method's result)."""
        before = objinst.obj_clone()
        result = self._perform(objinst, objmethod, context, args, kwargs)
        updates = {}
        for name, field in objinst.fields.items():
            if objinst.obj_attr_is_set(name) and (
                    not before.obj_attr_is_set(name) or getattr(before, name) != getattr(objinst, name)):
                updates[name] = field.to_primitive(objinst, name, getattr(objinst, name))
        updates['obj_what_changed'] = objinst.obj_what_changed()
        return updates, result

    def object_backport_versions(self, context, objinst, object_versions):
        return objinst.obj_to_primitive(target_version=object_versions[objinst.obj_name()],
                                        version_manifest=object_versions)

    @staticmethod
    def _perform(target, objmethod, context, args, kwargs):
        method = getattr(target, objmethod)
        if not getattr(method, 'remotable', False):
            raise AttributeError(f'{objmethod} of {target.obj_name()} may not be called from afar')
        return method(context, *args, **kwargs) if isinstance(target, type) else method(*args, **kwargs)

    # Orders -----------------------------------------------------------------------------------------------------------

    @manager.rpc.not_remote
    def answers(self, context, method, *action_ids):
        """Whether this conductor carries out orders, as those at the top do for all cells.

        One that belongs to a cell tells them of the order; where it does not know how, they find it by looking.
        """
        top, cell = objects.CellMappingList.top(context), objects.CellMappingList.configured(context)
        if top is not None and top.transport_url and cell is not None:
            with nova_context.target_cell(context, top) as at_top:
                for action_id in action_ids:
                    self.conductor_rpcapi.ring_in_cell(at_top, cell.uuid, method, action_id)
        return top is None

    def ring_in_cell(self, context, cell_uuid, doorbell, action_id):
        """The doorbell of an order that is in a cell's database."""
        with nova_context.target_cell(context, objects.CellMapping.get_by_uuid(context, cell_uuid)) as in_cell:
            self._ring(in_cell, doorbell, action_id)

    def schedule_and_build_instances(self, context, action_ids):
        if self.answers(context, 'schedule_and_build_instances', *action_ids):
            build.schedule_and_build(self, context, action_ids)

    def _ring(self, context, method, action_id):
        if method == 'schedule_and_build_instances':
            self.schedule_and_build_instances(context, [action_id])
        else:
            getattr(self, method)(context, action_id)

    # What follows is done at the top, for all cells; `_at_top` of a conductor that belongs to one is nothing.

    @staticmethod
    def _at_top(context, do):
        if objects.CellMappingList.top(context) is None:
            yield from objects.cell.in_each(context, do)

    @manager.periodic_task(spacing=lambda: CONF.order_poll_interval)
    def look_for_orders(self, context):
        yield from self._at_top(context, lambda in_cell: self.orders.look(in_cell, self._ring))

    @manager.periodic_task(spacing=lambda: CONF.report_interval)
    def hold_orders(self, context):
        """Renew the leases of what is being done in other cells; signs of life renew those of the configured one."""
        at_work = {cell_uuid for cell_uuid, _action_id in self.entered}

        def renew(in_cell):
            if in_cell.cell is not None and in_cell.cell.uuid in at_work:
                objects.InstanceActionList.renew(in_cell, self.start_id, CONF.order_lease)
        yield from objects.cell.in_each(context, renew)

    @manager.periodic_task(spacing=lambda: CONF.janitor_interval)
    def tidy(self, context):
        yield from self._at_top(context, lambda in_cell: janitor.look_round(self, in_cell))

    @manager.periodic_task(spacing=lambda: CONF.janitor_interval)
    def do_what_is_due(self, context):
        for look in (due.reclaim, due.confirm, due.offload):
            yield from self._at_top(context, functools.partial(look, self))

    @manager.periodic_task(spacing=lambda: 6 * CONF.janitor_interval)
    def sweep(self, context):
        yield from self._at_top(context, lambda in_cell: janitor.sweep(self, in_cell))

    @manager.rpc.not_remote
    def cleanup_host(self):
        while self.entered:
            concurrency.sleep(0.1)
