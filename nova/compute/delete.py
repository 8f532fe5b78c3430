# SPDX-License-Identifier: Apache-2.0
"""Deleting servers.  Every step may be repeated; the records go last, in one transaction with the claims."""

from oslo_utils import timeutils

from nova.compute import block_devices, power_state, vm_states
from nova.compute.operations import carries_out


@carries_out('terminate_instance')
def terminate(op):
    """Remove the guest, its addresses and its records."""
    instance = op.instance
    network_info = instance.get_network_info()
    op.host.driver.destroy(op.context, instance, network_info, block_devices.info_of(instance, op.bdms))
    op.host.firewall.remove(instance)
    if network_info:
        op.host.network.deallocate_for_instance(op.context, instance)
    op.destroys(vm_state=vm_states.DELETED, power_state=power_state.NOSTATE, task_state=None,
                terminated_at=timeutils.utcnow(with_timezone=True))
