# SPDX-License-Identifier: Apache-2.0
"""The state table (design D4): what may be done with a server when, what it becomes meanwhile, where it ends.

The API's 409s, the documentation page and the tests are read off `ACTIONS`; no other module compares states to decide
whether something is allowed.  Source: the API specification, "Server states", section 2.
"""

import dataclasses

from nova import exception
from nova.compute import task_states as task
from nova.compute import vm_states as vm
from nova.objects import share_mapping
from nova.virt import shapes

ANY = None          #: not looked at
IDLE = (None,)      #: nothing may be going on

_HARD_REBOOT_TASKS = (None, task.REBOOTING, task.REBOOT_PENDING, task.REBOOT_STARTED, task.RESUMING,
                      task.REBOOTING_HARD, task.UNPAUSING, task.PAUSING, task.SUSPENDING)
_CHANGEABLE = (vm.ACTIVE, vm.PAUSED, vm.SUSPENDED, vm.STOPPED)
_LEAVING = (*task.DELETING_STATES, task.MIGRATING)
_NOT_LEAVING = (None, *(value for name, value in vars(task).items()
                        if name.isupper() and isinstance(value, str) and value not in _LEAVING))


@dataclasses.dataclass(frozen=True)
class Action:
    """One row: what must hold before an action, and what it does to the states.

    :param name: as in the action record and in the 409's text.
    :param vm: allowed vm_states; ANY: all.
    :param tasks: allowed task_states; ANY: all, IDLE: none may be going on.
    :param meanwhile: the task_states it passes through, the first is set by the API.
    :param ends: the vm_state it ends in; None: unchanged.
    :param launched: the server must have been launched once.
    :param lock: a locked server refuses it to non-admins.
    :param host: 'needed': the server must have a host; 'up': whose service is up.
    :param fails: the vm_state when it fails; None: unchanged, since nothing was lost and the user may try again.
    :param record: its name in the server's actions.
    :param shares: NO_SHARES: refused for servers that have shares, since it would take a guest's memory, or the guest,
        to where its shares are not; SOUND_SHARES: none may be in error.
    :param tpm: False: refused for servers that have a trusted platform module, whose state would be lost.
    """

    name: str
    vm: tuple | None
    tasks: tuple | None
    meanwhile: tuple = ()
    ends: str | None = None
    launched: bool = False
    lock: bool = False
    host: str = ''
    fails: str | None = None
    record: str = ''
    shares: str = ''
    tpm: bool = True


NO_SHARES, SOUND_SHARES = 'none', 'sound'


class InstanceHasShares(exception.InstanceInvalidState):
    msg_fmt = "Cannot '%(method)s' instance %(instance_uuid)s while it has shares: detach them first."


class ShareInError(exception.InstanceInvalidState):
    msg_fmt = ("Cannot '%(method)s' instance %(instance_uuid)s while its share %(share_id)s is in error: detach it, or "
               'reboot the instance (HARD), which tries again.')


class InstanceHasTpm(exception.InstanceInvalidState):
    msg_fmt = ("Operation '%(method)s' not supported for vTPM-enabled instance (%(instance_uuid)s): the state of its "
               'trusted platform module would be lost.')


#: What users read in a server's actions, where it is another name.  Source: "Server states", section 3.
_RECORDED = {
    'soft_delete': 'delete', 'force_delete': 'delete', 'reboot_hard': 'reboot', 'confirm_resize': 'confirmResize',
    'revert_resize': 'revertResize', 'set_admin_password': 'changePassword', 'snapshot': 'createImage',
    'backup': 'createBackup', 'shelve_offload': 'shelveOffload', 'live_migrate': 'live-migration',
    'live_migrate_abort': 'live_migration_cancel', 'live_migrate_force_complete': 'live_migration_force_complete',
    'attach_volume_shelved': 'attach_volume', 'reset_state': 'resetState',
}

#: Actions after whose failure nobody knows what is left of the server.
_BREAKING = ('create', 'delete', 'soft_delete', 'force_delete', 'restore', 'reboot_hard', 'rebuild', 'resize',
             'migrate', 'revert_resize', 'rescue', 'unrescue', 'resume', 'evacuate')


def _row(name, vm_states, tasks, meanwhile=(), ends=None, flags=''):
    words = flags.split()
    return Action(name, vm_states, tasks, tuple(meanwhile), ends, 'launched' in words, 'lock' in words,
                  'up' if 'up' in words else 'needed' if 'host' in words else '',
                  vm.ERROR if name in _BREAKING else None, _RECORDED.get(name, name),
                  NO_SHARES if 'unshared' in words else SOUND_SHARES if 'sound' in words else '',
                  'stateless' not in words)


_ROWS = (
    _row('create', (vm.BUILDING,), (task.SCHEDULING,),
         (task.SCHEDULING, task.NETWORKING, task.BLOCK_DEVICE_MAPPING, task.SPAWNING), vm.ACTIVE),
    _row('delete', ANY, ANY, (task.DELETING,), vm.DELETED, 'lock'),
    _row('soft_delete', ANY, ANY, (task.SOFT_DELETING,), vm.SOFT_DELETED, 'lock'),
    _row('force_delete', ANY, ANY, (task.DELETING,), vm.DELETED, 'lock'),
    _row('restore', (vm.SOFT_DELETED,), IDLE, (task.RESTORING,), vm.ACTIVE, 'launched lock'),
    _row('start', (vm.STOPPED,), IDLE, (task.POWERING_ON,), vm.ACTIVE, 'launched lock host sound'),
    _row('stop', (vm.ACTIVE, vm.ERROR), IDLE, (task.POWERING_OFF,), vm.STOPPED, 'launched lock host'),
    _row('reboot', (vm.ACTIVE,), IDLE, (task.REBOOTING, task.REBOOT_PENDING, task.REBOOT_STARTED), vm.ACTIVE,
         'launched lock'),
    _row('reboot_hard', (vm.ACTIVE, vm.STOPPED, vm.PAUSED, vm.SUSPENDED, vm.ERROR), _HARD_REBOOT_TASKS,
         (task.REBOOTING_HARD, task.REBOOT_PENDING_HARD, task.REBOOT_STARTED_HARD), vm.ACTIVE, 'launched lock'),
    _row('rebuild', (vm.ACTIVE, vm.STOPPED, vm.ERROR), IDLE,
         (task.REBUILDING, task.REBUILD_BLOCK_DEVICE_MAPPING, task.REBUILD_SPAWNING), vm.ACTIVE, 'launched lock'),
    _row('resize', (vm.ACTIVE, vm.STOPPED), IDLE,
         (task.RESIZE_PREP, task.RESIZE_MIGRATING, task.RESIZE_MIGRATED, task.RESIZE_FINISH), vm.RESIZED,
         'launched lock up unshared'),
    _row('migrate', (vm.ACTIVE, vm.STOPPED), IDLE,
         (task.RESIZE_PREP, task.RESIZE_MIGRATING, task.RESIZE_MIGRATED, task.RESIZE_FINISH), vm.RESIZED,
         'launched lock up unshared'),
    _row('confirm_resize', (vm.RESIZED,), IDLE, (), vm.ACTIVE, 'launched lock'),
    _row('revert_resize', (vm.RESIZED,), IDLE, (task.RESIZE_REVERTING,), vm.ACTIVE, 'launched lock'),
    _row('pause', (vm.ACTIVE,), IDLE, (task.PAUSING,), vm.PAUSED, 'launched lock'),
    _row('unpause', (vm.PAUSED,), IDLE, (task.UNPAUSING,), vm.ACTIVE, 'launched lock'),
    _row('suspend', (vm.ACTIVE,), IDLE, (task.SUSPENDING,), vm.SUSPENDED, 'launched lock unshared'),
    _row('resume', (vm.SUSPENDED,), IDLE, (task.RESUMING,), vm.ACTIVE, 'launched lock'),
    _row('rescue', (vm.ACTIVE, vm.STOPPED, vm.ERROR), IDLE, (task.RESCUING,), vm.RESCUED, 'launched lock'),
    _row('unrescue', (vm.RESCUED,), IDLE, (task.UNRESCUING,), vm.ACTIVE, 'launched lock'),
    _row('set_admin_password', (vm.ACTIVE,), IDLE, (task.UPDATING_PASSWORD,), vm.ACTIVE, 'launched lock'),
    _row('snapshot', _CHANGEABLE, IDLE,
         (task.IMAGE_SNAPSHOT_PENDING, task.IMAGE_SNAPSHOT, task.IMAGE_PENDING_UPLOAD, task.IMAGE_UPLOADING), None,
         'launched'),
    _row('backup', _CHANGEABLE, IDLE, (task.IMAGE_BACKUP, task.IMAGE_PENDING_UPLOAD, task.IMAGE_UPLOADING), None,
         'launched'),
    _row('shelve', _CHANGEABLE, IDLE,
         (task.SHELVING, task.SHELVING_IMAGE_PENDING_UPLOAD, task.SHELVING_IMAGE_UPLOADING), vm.SHELVED,
         'launched lock unshared stateless'),
    _row('shelve_offload', (vm.SHELVED,), IDLE, (task.SHELVING_OFFLOADING,), vm.SHELVED_OFFLOADED, 'launched lock'),
    _row('unshelve', (vm.SHELVED, vm.SHELVED_OFFLOADED), IDLE, (task.UNSHELVING, task.SPAWNING), vm.ACTIVE,
         'launched lock'),
    _row('trigger_crash_dump', (vm.ACTIVE, vm.PAUSED, vm.RESCUED, vm.RESIZED, vm.ERROR), IDLE, (), None,
         'launched lock host'),
    _row('live_migrate', (vm.ACTIVE, vm.PAUSED), IDLE, (task.MIGRATING,), None, 'launched lock unshared'),
    _row('live_migrate_force_complete', (vm.ACTIVE,), (task.MIGRATING,), (), None, 'launched lock'),
    _row('live_migrate_abort', ANY, (task.MIGRATING,), (), None, 'launched lock'),
    _row('evacuate', (vm.ACTIVE, vm.STOPPED, vm.ERROR), ANY, (task.REBUILDING,), vm.ACTIVE,
         'launched unshared stateless'),
    _row('attach_volume', (vm.ACTIVE, vm.PAUSED, vm.STOPPED, vm.RESIZED, vm.SOFT_DELETED), IDLE, (), None,
         'launched lock'),
    _row('attach_volume_shelved', (vm.SHELVED, vm.SHELVED_OFFLOADED), IDLE, (), None, 'launched lock'),
    _row('detach_volume', (vm.ACTIVE, vm.PAUSED, vm.STOPPED, vm.RESIZED, vm.SOFT_DELETED), IDLE, (), None,
         'launched lock up'),
    _row('swap_volume', (vm.ACTIVE, vm.PAUSED, vm.RESIZED), IDLE, (), None, 'launched lock'),
    _row('attach_interface', (vm.ACTIVE, vm.PAUSED, vm.STOPPED), IDLE, (), None, 'launched lock'),
    _row('detach_interface', (vm.ACTIVE, vm.PAUSED, vm.STOPPED), IDLE, (), None, 'launched lock'),
    _row('update_instance_metadata', _CHANGEABLE, ANY, (), None, 'launched lock'),
    _row('delete_instance_metadata', _CHANGEABLE, ANY, (), None, 'launched lock'),
    _row('tags', _CHANGEABLE, ANY),
    _row('add_fixed_ip', ANY, ANY, (), None, 'lock'),
    _row('remove_fixed_ip', ANY, ANY, (), None, 'lock'),
    _row('add_security_group', ANY, ANY),
    _row('remove_security_group', ANY, ANY),
    _row('get_console_output', ANY, ANY, (), None, 'host'),
    _row('get_diagnostics', ANY, ANY, (), None, 'host'),
    _row('get_console', ANY, _NOT_LEAVING, (), None, 'host'),
    _row('reset_state', ANY, ANY),
    _row('lock', ANY, ANY),
    _row('unlock', ANY, ANY),
    _row('inject_network_info', ANY, ANY, (), None, 'lock'),
    _row('reset_network', ANY, ANY, (), None, 'lock'),
    _row('update', ANY, ANY),
    _row('attach_share', (vm.STOPPED,), IDLE, (), None, 'lock'),
    _row('detach_share', (vm.STOPPED, vm.ERROR), IDLE, (), None, 'lock'),
)

#: Action by name.
ACTIONS = {action.name: action for action in _ROWS}
#: The last of those with one name in the records is the one that may break most.
_BY_RECORD = {action.record: action for action in _ROWS}


def by_record(name, args=None):
    """The row of an action that was recorded under a name; that of `update` for one which the table does not have.

    :param args: of its order: they tell which of several kinds it is.
    """
    if name == 'reboot' and (args or {}).get('reboot_type') == 'SOFT':
        return ACTIONS['reboot']
    return _BY_RECORD.get(name, ACTIONS['update'])


def require(context, instance, name):
    """Raise unless the action may be done with this server now; returns the action's row.

    Raises InstanceIsLocked, InstanceInvalidState (naming attribute and value, or InstanceHasShares, ShareInError,
    InstanceHasTpm) or InstanceNotReady.
    """
    action = ACTIONS[name]
    if action.lock and instance.locked and not context.is_admin:
        raise exception.InstanceIsLocked(instance_uuid=instance.uuid)

    def refuse(attr, state):
        raise exception.InstanceInvalidState(attr=attr, instance_uuid=instance.uuid, state=state, method=name)

    if action.vm is not None and instance.vm_state not in action.vm:
        refuse('vm_state', instance.vm_state)
    if action.tasks is not None and instance.task_state not in action.tasks:
        refuse('task_state', instance.task_state)
    if action.launched and not instance.launched_at:
        refuse('launched_at', instance.launched_at)
    if action.host and not instance.host:
        raise exception.InstanceNotReady(instance_id=instance.uuid)
    if action.shares:
        _require_shares(context, instance, action)
    if not action.tpm and _has_tpm(instance):
        raise InstanceHasTpm(instance_uuid=instance.uuid, method=name)
    return action


def _has_tpm(instance):
    return shapes.value('tpm_version', instance.flavor.extra_specs or {}, instance.image_meta.properties) is not None


def _require_shares(context, instance, action):
    for mapping in share_mapping.of_server(context, instance):
        if action.shares == NO_SHARES:
            raise InstanceHasShares(instance_uuid=instance.uuid, method=action.name)
        if mapping.status == share_mapping.ERROR:
            raise ShareInError(instance_uuid=instance.uuid, method=action.name, share_id=mapping.share_id)


# Status: what the API shows of vm_state and task_state ---------------------------------------------------------------

_REBUILD_TASKS = (task.REBUILDING, task.REBUILD_BLOCK_DEVICE_MAPPING, task.REBUILD_SPAWNING)
_RESIZE_TASKS = (task.RESIZE_PREP, task.RESIZE_MIGRATING, task.RESIZE_MIGRATED, task.RESIZE_FINISH)

#: (vm_state, {task_state: status}, status with any other task)
STATUSES = {
    vm.ACTIVE: ({
        **dict.fromkeys((task.REBOOTING, task.REBOOT_PENDING, task.REBOOT_STARTED), 'REBOOT'),
        **dict.fromkeys((task.REBOOTING_HARD, task.REBOOT_PENDING_HARD, task.REBOOT_STARTED_HARD), 'HARD_REBOOT'),
        task.UPDATING_PASSWORD: 'PASSWORD',
        **dict.fromkeys(_REBUILD_TASKS, 'REBUILD'),
        task.MIGRATING: 'MIGRATING',
        **dict.fromkeys(_RESIZE_TASKS, 'RESIZE'),
    }, 'ACTIVE'),
    vm.BUILDING: ({}, 'BUILD'),
    vm.STOPPED: ({**dict.fromkeys(_REBUILD_TASKS, 'REBUILD'), **dict.fromkeys(_RESIZE_TASKS, 'RESIZE')}, 'SHUTOFF'),
    vm.RESIZED: ({task.RESIZE_REVERTING: 'REVERT_RESIZE'}, 'VERIFY_RESIZE'),
    vm.PAUSED: ({task.MIGRATING: 'MIGRATING'}, 'PAUSED'),
    vm.SUSPENDED: ({}, 'SUSPENDED'),
    vm.RESCUED: ({}, 'RESCUE'),
    vm.ERROR: (dict.fromkeys(_REBUILD_TASKS, 'REBUILD'), 'ERROR'),
    vm.DELETED: ({}, 'DELETED'),
    vm.SOFT_DELETED: ({}, 'SOFT_DELETED'),
    vm.SHELVED: ({}, 'SHELVED'),
    vm.SHELVED_OFFLOADED: ({}, 'SHELVED_OFFLOADED'),
}


def status(vm_state, task_state=None):
    """The server status that the API shows."""
    by_task, default = STATUSES.get(vm_state, ({}, 'UNKNOWN'))
    return by_task.get(task_state, default)


def from_status(*statuses):
    """(vm_states, task_states) that show as one of the statuses, in any case of letters.

    task_states is empty when they are no restriction: a matching line was a default one.  Both empty: no such status.
    """
    wanted = {text.upper() for text in statuses}
    vms, tasks, by_default = [], [], False
    for vm_state, (by_task, default) in STATUSES.items():
        lines = [name for name, shown in by_task.items() if shown in wanted]
        if default in wanted:
            by_default = True
        if lines or default in wanted:
            vms.append(vm_state)
            tasks.extend(lines)
    return vms, [] if by_default else sorted(set(tasks))
