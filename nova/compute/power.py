# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping, rebooting, pausing and suspending servers.  Every step may be repeated."""

from nova.compute import block_devices, consoles, shares, task_states, vm_states, volume_usage
from nova.compute.operations import carries_out
from nova.conf import CONF


@carries_out('stop_instance')
@consoles.closes
def stop(op):
    """Shut the guest down: it gets time to do so by itself unless `clean_shutdown` is false."""
    with volume_usage.ending(op, op.bdms):
        op.host.driver.power_off(op.instance, *patience(op))
    op.tidy(shares.umount_all, op.host, op.context, op.instance)
    op.ends(vm_state=vm_states.STOPPED, power_state=_power_state(op))
    op.expects(task_states.POWERING_OFF)


@carries_out('start_instance')
def start(op):
    instance = op.instance
    network_info = _network_info(op)
    op.host.firewall.apply(instance, network_info)
    shares.mount_all(op)
    op.host.driver.power_on(op.context, instance, network_info, block_devices.info_of(instance, op.bdms))
    op.ends(vm_state=vm_states.ACTIVE, power_state=_power_state(op))
    op.expects(task_states.POWERING_ON)


#: (waiting, doing) by kind of reboot
_REBOOT_TASKS = {'SOFT': (task_states.REBOOT_PENDING, task_states.REBOOT_STARTED),
                 'HARD': (task_states.REBOOT_PENDING_HARD, task_states.REBOOT_STARTED_HARD)}


@carries_out('reboot_instance')
@consoles.closes
def reboot(op):
    """Start the guest again: SOFT asks it, HARD pulls the plug and makes the guest anew from the records."""
    instance, kind = op.instance, op.args.get('reboot_type', 'SOFT')
    _pending, started = _REBOOT_TASKS[kind]
    network_info = _network_info(op)
    op.save(task_state=started)
    op.host.firewall.apply(instance, network_info)
    if kind == 'HARD':
        shares.mount_all(op, mend=True)
    with volume_usage.ending(op, op.bdms if kind == 'HARD' else None):
        op.host.driver.reboot(op.context, instance, network_info, kind, block_devices.info_of(instance, op.bdms))
    op.ends(vm_state=vm_states.ACTIVE, power_state=_power_state(op))
    op.expects(started)


@carries_out('pause_instance')
def pause(op):
    op.host.driver.pause(op.instance)
    op.ends(vm_state=vm_states.PAUSED, power_state=_power_state(op))
    op.expects(task_states.PAUSING)


@carries_out('unpause_instance')
def unpause(op):
    op.host.driver.unpause(op.instance)
    op.ends(vm_state=vm_states.ACTIVE, power_state=_power_state(op))
    op.expects(task_states.UNPAUSING)


@carries_out('suspend_instance')
@consoles.closes
def suspend(op):
    """Put the guest's memory on disk."""
    with volume_usage.ending(op, op.bdms):
        op.host.driver.suspend(op.context, op.instance)
    op.ends(vm_state=vm_states.SUSPENDED, power_state=_power_state(op))
    op.expects(task_states.SUSPENDING)


@carries_out('resume_instance')
def resume(op):
    """Let a suspended guest go on where it was."""
    network_info = _network_info(op)
    op.host.firewall.apply(op.instance, network_info)
    op.host.driver.resume(op.context, op.instance, network_info, block_devices.info_of(op.instance, op.bdms))
    op.ends(vm_state=vm_states.ACTIVE, power_state=_power_state(op))
    op.expects(task_states.RESUMING)


@carries_out('trigger_crash_dump')
def trigger_crash_dump(op):
    op.host.driver.trigger_crash_dump(op.instance)


def _network_info(op):
    return op.instance.get_network_info()


def _power_state(op):
    return op.host.driver.get_info(op.instance).state


def patience(op):
    """(timeout, retry interval) in seconds of a graceful shutdown."""
    if not op.args.get('clean_shutdown', True):
        return 0, 0
    timeout = op.instance.image_meta.properties.get('os_shutdown_timeout', CONF.shutdown_timeout)
    return int(timeout), CONF.shutdown_retry_interval
