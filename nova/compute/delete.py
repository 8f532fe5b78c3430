# SPDX-License-Identifier: Apache-2.0
"""Deleting servers, for good or to be taken back.  Every step may be repeated.

The records go last, in one transaction with the claims.
"""

from oslo_utils import timeutils

from nova.compute import block_devices, consoles, power_state, shares, shelve, vm_states, volume_usage, volumes
from nova.compute.operations import carries_out


@carries_out('terminate_instance')
def terminate(op):
    """Remove the guest, its addresses and its records."""
    instance = op.instance
    if instance.host not in (None, op.host.name):
        # It arrived there while this order waited.
        op.hand_over('nova-compute', instance.host, 'terminate_instance')
        op.host.compute_rpcapi.ring(op.context, instance.host, 'terminate_instance', op.action.id)
        return
    network_info = instance.get_network_info()
    with op.told.span('shutdown'), volume_usage.ending(op, op.bdms):
        op.host.driver.destroy(op.context, instance, network_info, block_devices.info_of(instance, op.bdms))
        op.host.firewall.remove(instance)
    if network_info:
        op.host.network.deallocate_for_instance(op.context, instance)
    volumes.give_back_all(op.host, op.context, op.bdms)
    shares.give_back_all(op.host, op.context, instance)
    shelve.forget(op)
    op.destroys(vm_state=vm_states.DELETED, power_state=power_state.NOSTATE, task_state=None,
                terminated_at=timeutils.utcnow(with_timezone=True))


@carries_out('soft_delete_instance')
@consoles.closes
def soft_delete(op):
    """Put the guest away; the records stay until `reclaim_instance_interval` has passed, or for good if restored."""
    with volume_usage.ending(op, op.bdms):
        try:
            op.host.driver.soft_delete(op.instance)
        except NotImplementedError:
            op.host.driver.power_off(op.instance)
    op.tidy(shares.umount_all, op.host, op.context, op.instance)
    op.ends(vm_state=vm_states.SOFT_DELETED, power_state=power_state.SHUTDOWN,
            terminated_at=timeutils.utcnow(with_timezone=True))


@carries_out('restore_instance')
def restore(op):
    """Bring back what was put away."""
    instance, network_info = op.instance, op.instance.get_network_info()
    op.host.firewall.apply(instance, network_info)
    shares.mount_all(op, mend=True)
    try:
        op.host.driver.restore(instance)
    except NotImplementedError:
        op.host.driver.power_on(op.context, instance, network_info, block_devices.info_of(instance, op.bdms))
    op.ends(vm_state=vm_states.ACTIVE, power_state=op.host.driver.get_info(instance).state, terminated_at=None)
