# SPDX-License-Identifier: Apache-2.0
"""Interfaces of servers: attach and detach, addresses on them."""

from nova import exception
from nova.compute import records, states
from nova.compute.verbs import base
from nova.compute.verbs.base import in_cell
from nova.network import model as network_model


class Verbs(base.Verbs):

    @in_cell
    def add_fixed_ip(self, context, instance, network_id):
        """One more address of a network.  Raises NetworkNotFound, NoMoreFixedIps."""
        states.require(context, instance, 'add_fixed_ip')
        self.network.add_fixed_ip_to_instance(context, instance, network_id)
        self._tell(context, instance)

    @in_cell
    def remove_fixed_ip(self, context, instance, address):
        """Raises FixedIpNotFound for one that the server does not have."""
        states.require(context, instance, 'remove_fixed_ip')
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
        found = self._ask(self.compute_rpcapi.attach_interface, context, instance, network_id, address, tag)
        records.note(context, instance, 'attach_interface', {}, event='compute_attach_interface')
        return network_model.NetworkInfo.hydrate([found])[0]

    @in_cell
    def detach_interface(self, context, instance, port_id):
        """Take an interface away, and give its addresses back.  Raises NotFound, ComputeServiceUnavailable."""
        states.require(context, instance, 'detach_interface')
        self._ask(self.compute_rpcapi.detach_interface, context, instance, port_id)
        records.note(context, instance, 'detach_interface', {}, event='compute_detach_interface')
