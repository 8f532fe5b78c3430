# SPDX-License-Identifier: Apache-2.0
"""What all verbs are made of."""

import functools

import oslo_messaging
from oslo_log import log

from nova import context as nova_context
from nova import exception, image, objects, servicegroup
from nova.compute import records, states
from nova.compute import rpcapi as compute_rpcapi
from nova.conductor import rpcapi as conductor_rpcapi
from nova.network import api as network_api

LOG = log.getLogger(__name__)


def in_cell(method):
    """Run the verb with a context that targets the cell of its server; again, if the server is in another by then."""
    @functools.wraps(method)
    def run(self, context, instance, *args, **kwargs):
        known = getattr(instance, '_context', None) or context
        try:
            return method(self, known, instance, *args, **kwargs)
        except exception.InstanceNotFound:
            cell = objects.InstanceMapping.cell_of(context, instance.uuid)
            if cell is known.cell:
                raise
        with nova_context.target_cell(known, cell) as found:
            instance._context = found
            instance.refresh()
            return method(self, found, instance, *args, **kwargs)
    return run


class Verbs:
    """Base of the groups of verbs: how an order is given, and how a host is asked."""

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

    def _order(self, context, instance, action, method, args=None):
        """State, record, ring, for what a server's own host does.

        :param action: row of the state table.
        Raises what `states.require` raises.
        """
        row = states.require(context, instance, action)
        action_id = records.order(context, instance, row, 'nova-compute', instance.host, method, args)
        self._ring(self.compute_rpcapi.ring, context, instance.host, method, action_id)

    def _task(self, context, instance, action, method, args=None):
        """State, record, ring, for what a conductor does with a server."""
        row = states.require(context, instance, action)
        action_id = records.order(context, instance, row, 'nova-conductor', None, method, args)
        self._ring(self.conductor_rpcapi.ring, context, method, action_id)

    @staticmethod
    def _ring(bell, *args):
        """Wake the service that does it; when nobody can be told, it finds its order by itself a little later."""
        try:
            bell(*args)
        except (oslo_messaging.MessagingException, OSError) as exc:
            LOG.warning('The message for an order could not be sent (%s); it will be found by looking', exc)

    def _ask(self, method, context, instance, *args):
        """Ask a server's host and wait for the answer.  Raises ComputeServiceUnavailable, and what the host raises."""
        if not self._host_is_up(context, instance.host):
            raise exception.ComputeServiceUnavailable(host=instance.host)
        try:
            return method(context, instance, *args)
        except oslo_messaging.MessagingTimeout as exc:
            raise exception.ComputeServiceUnavailable(host=instance.host) from exc

    def _host_is_up(self, context, host):
        try:
            return self.servicegroup.service_is_up(objects.Service.get_by_args(context, host, 'nova-compute'))
        except exception.ServiceNotFound:
            return False
