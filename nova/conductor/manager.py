# SPDX-License-Identifier: Apache-2.0
"""The conductor's RPC surface and periodic work.  Nothing is decided here."""

import functools

import oslo_messaging
from oslo_log import log

from nova import concurrency, manager, objects, volume
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
        self.scheduler_rpcapi = scheduler_rpcapi.SchedulerAPI()
        self.network = network_api.API()
        self.volume = volume.API()
        self.orders = operations.Poller(self, CONF.order_poll_interval)

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

    def schedule_and_build_instances(self, context, action_ids):
        build.schedule_and_build(self, context, action_ids)

    def _ring(self, context, method, action_id):
        if method == 'schedule_and_build_instances':
            self.schedule_and_build_instances(context, [action_id])
        else:
            getattr(self, method)(context, action_id)

    @manager.periodic_task(spacing=lambda: CONF.order_poll_interval)
    def look_for_orders(self, context):
        objects.cell.ask_each(context, lambda in_cell: self.orders.look(in_cell, self._ring))

    @manager.periodic_task(spacing=lambda: CONF.janitor_interval)
    def tidy(self, context):
        yield from objects.cell.in_each(context, lambda in_cell: janitor.look_round(self, in_cell))

    @manager.periodic_task(spacing=lambda: CONF.janitor_interval)
    def do_what_is_due(self, context):
        for look in (due.reclaim, due.confirm, due.offload):
            yield from objects.cell.in_each(context, functools.partial(look, self))

    @manager.periodic_task(spacing=lambda: 6 * CONF.janitor_interval)
    def sweep(self, context):
        yield from objects.cell.in_each(context, lambda in_cell: janitor.sweep(self, in_cell))

    @manager.rpc.not_remote
    def cleanup_host(self):
        while self.entered:
            concurrency.sleep(0.1)
