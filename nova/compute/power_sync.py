# SPDX-License-Identifier: Apache-2.0
"""Keeping what is recorded of a server's power the same as what the hypervisor says."""

from oslo_log import log

from nova import exception
from nova.compute import consoles, power_state, vm_states
from nova.notifications import servers as notifications

LOG = log.getLogger(__name__)

#: (recorded vm_state, what the hypervisor says) -> vm_state to record; the guest is left as it is.
FOLLOWED = {
    (vm_states.ACTIVE, power_state.SHUTDOWN): vm_states.STOPPED,
    (vm_states.ACTIVE, power_state.CRASHED): vm_states.STOPPED,
    (vm_states.ACTIVE, power_state.SUSPENDED): vm_states.SUSPENDED,
    (vm_states.ACTIVE, power_state.PAUSED): vm_states.PAUSED,
    (vm_states.STOPPED, power_state.RUNNING): vm_states.ACTIVE,
    (vm_states.PAUSED, power_state.RUNNING): vm_states.ACTIVE,
    (vm_states.PAUSED, power_state.SHUTDOWN): vm_states.STOPPED,
    (vm_states.SUSPENDED, power_state.SHUTDOWN): vm_states.STOPPED,
    (vm_states.SUSPENDED, power_state.RUNNING): vm_states.ACTIVE,
}


#: States in which a guest has let go of its consoles.
_WITHOUT_CONSOLE = (vm_states.STOPPED, vm_states.SUSPENDED)


def of_guest(driver, instance):
    """What the hypervisor says now; NOSTATE when it knows no such guest."""
    try:
        return driver.get_info(instance).state
    except exception.InstanceNotFound:
        return power_state.NOSTATE


def look(host, driver, instance):
    """Record what the hypervisor says of a server of this host, if it is another thing than what is recorded.

    :param instance: as recorded some time ago: what was done with it since is not undone.
    """
    if not _differs(instance, of_guest(driver, instance)):
        return
    try:
        instance.refresh()
    except exception.InstanceNotFound:
        return
    if instance.host == host and not instance.deleted:
        sync(instance, of_guest(driver, instance))


def _differs(instance, seen):
    return (instance.vm_state, seen) in FOLLOWED or instance.power_state != seen


def sync(instance, seen):
    """Record what the hypervisor says of a server that nothing is going on with; whether anything changed.

    :param instance: as recorded.
    :param seen: power state, see `of_guest`.
    """
    if instance.task_state is not None or instance.vm_state in (vm_states.BUILDING, vm_states.ERROR):
        return False
    if not _differs(instance, seen):
        return False
    before, vm_state = notifications.state_of(instance), instance.vm_state
    followed = FOLLOWED.get((vm_state, seen))
    if followed is not None:
        LOG.info('Server %s: the guest is %s by itself, it was recorded as %s', instance.uuid, followed,
                 instance.vm_state)
        if followed in _WITHOUT_CONSOLE:
            consoles.close(instance._context, instance)
        instance.vm_state = followed
    instance.power_state = seen
    try:
        instance.save(expected_task_state=[None], expected_vm_state=vm_state)
    except (exception.UnexpectedTaskState, exception.UnexpectedVMState, exception.InstanceNotFound):
        LOG.debug('Server %s is being worked on; its power state is looked at later', instance.uuid)
        return False
    notifications.changed(instance._context, instance, before, binary='nova-compute', host=instance.host)
    return True
