# SPDX-License-Identifier: Apache-2.0
"""Questions about a guest that only its host can answer: what it prints, its screen, its counters."""

from nova import exception
from nova.compute import power_state, states, vm_states
from nova.compute.verbs.base import Verbs, in_cell


class ConsoleVerbs(Verbs):

    @in_cell
    def get_console_output(self, context, instance, tail_length=None):
        """What the guest wrote to its console.

        Raises InstanceNotReady, ConsoleNotAvailable, ComputeServiceUnavailable.
        """
        states.require(context, instance, 'get_console_output')
        if instance.power_state in (None, power_state.NOSTATE) and instance.vm_state == vm_states.BUILDING:
            raise exception.InstanceNotReady(instance_id=instance.uuid)
        return self._ask(self.compute_rpcapi.get_console_output, context, instance, tail_length)

    @in_cell
    def get_console(self, context, instance, console_type):
        """A URL with a token by which the guest's screen or port is reached: {'type', 'url'}.

        :param console_type: 'novnc', 'xvpvnc', 'spice-html5', 'spice-direct', 'rdp-html5', 'serial' or 'webmks'.
        Raises ConsoleTypeUnavailable, ConsoleTypeInvalid, InstanceNotReady, ComputeServiceUnavailable.
        """
        states.require(context, instance, 'get_console')
        if instance.vm_state == vm_states.BUILDING:
            raise exception.InstanceNotReady(instance_id=instance.uuid)
        return self._ask(self.compute_rpcapi.get_console, context, instance, console_type)

    @in_cell
    def get_diagnostics(self, context, instance):
        """The counters of a guest in its hypervisor's own words."""
        states.require(context, instance, 'get_diagnostics')
        return self._ask(self.compute_rpcapi.get_diagnostics, context, instance)

    @in_cell
    def get_instance_diagnostics(self, context, instance):
        """The counters of a guest in the form that is the same everywhere (`nova.virt.diagnostics`), as plain data."""
        states.require(context, instance, 'get_diagnostics')
        return self._ask(self.compute_rpcapi.get_instance_diagnostics, context, instance)
