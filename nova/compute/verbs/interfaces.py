# SPDX-License-Identifier: Apache-2.0
"""Interfaces of servers: attach and detach, addresses on them."""

from nova import exception
from nova.compute import records, states
from nova.compute.verbs import base
from nova.compute.verbs.base import in_cell
from nova.network import model as network_model
from nova.notifications import servers as notifications


class Verbs(base.Verbs):

    @in_cell
    def add_fixed_ip(self, context, instance, network_id):
        """One more address of a network.  Raises NetworkNotFound, NoMoreFixedIps."""
        states.require(context, instance, 'add_fixed_ip')
        with notifications.span(context, 'create_ip', instance):
            self.network.add_fixed_ip_to_instance(context, instance, network_id)
        self._tell(context, instance)

    @in_cell
    def remove_fixed_ip(self, context, instance, address):
        """Raises FixedIpNotFound for one that the server does not have."""
        states.require(context, instance, 'remove_fixed_ip')
        with notifications.span(context, 'delete_ip', instance):
            self.network.remove_fixed_ip_from_instance(context, instance, address)
        self._tell(context, instance)

    def _tell(self, context, instance):
        if instance.host:
            self.compute_rpcapi.inject_network_info(context, instance)

    @in_cell
    def attach_interface(self, context, instance, network_id=None, address=None, tag=None):
        """A new interface with an address, in the running guest too; returns it (a `VIF`).

        Raises NetworkNotFound, NetworkAmbiguous, NoMoreFixedIps, FixedIpAlreadyInUse, ComputeServiceUnavailable.
        """
        states.require(context, instance, 'attach_interface')
        if network_id is None:
            networks = self.network.get_all(context)
            if len(networks) != 1:
                raise exception.NetworkAmbiguous(f'net_id: {len(networks)} networks are possible; name one')
            network_id = networks[0].uuid
        found = self._noted('attach_interface', context, instance, network_id, address, tag)
        return network_model.NetworkInfo.hydrate([found])[0]

    @in_cell
    def detach_interface(self, context, instance, port_id):
        """Take an interface away, and give its addresses back.  Raises NotFound, ComputeServiceUnavailable."""
        states.require(context, instance, 'detach_interface')
        self._noted('detach_interface', context, instance, port_id)

    def _noted(self, action, context, instance, *args):
        """Ask the host, and leave a record of the action, however it ends."""
        try:
            answer = self._ask(getattr(self.compute_rpcapi, action), context, instance, *args)
        except Exception as exc:
            records.note(context, instance, action, {}, event=f'compute_{action}', error=str(exc))
            raise
        records.note(context, instance, action, {}, event=f'compute_{action}')
        return answer
