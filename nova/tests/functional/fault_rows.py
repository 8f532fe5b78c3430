# SPDX-License-Identifier: Apache-2.0
"""What fails on the way, and how it ends: action, step, fault, end.

The tests run every row (`test_fault_table`), and the page `reference/faults` is made of them, so this module imports
nothing.  A step is `object.method`: `driver` is the virt driver, `network`, `image`, `volume` and `firewall` are the
services beside it, `scheduler`, `compute` and `conductor` are messages to them.  Faults are those of `faulty_driver`;
`once` means that only the first try fails.
"""

import typing


class Row(typing.NamedTuple):
    """One row.

    :ivar action: key of `ACTIONS`.
    :ivar step: what fails.
    :ivar fault: how.
    :ivar ends: the server's status; '' when it is gone.
    :ivar says: part of the error that the action's event tells; '' when the action ends well.
    :ivar migration: status of the migration, for moves.
    :ivar power: of the guest, where the status does not say it: a key of `POWER`.
    """

    action: str
    step: str
    fault: str
    ends: str
    says: str = ''
    migration: str = ''
    power: str = ''


class Action(typing.NamedTuple):
    """How an action is brought about.

    :ivar record: its name in the server's actions.
    :ivar request: key and value of the request; None: it has a way of its own in the test.
    :ivar before: [(key, value, status then)] of requests that bring the server where the action is allowed.
    :ivar volume: the server has a volume.
    """

    record: str
    request: tuple | None
    before: tuple = ()
    volume: bool = False


_LIVE = ('os-migrateLive', {'host': None, 'block_migration': 'auto'})
_RESIZE = ('resize', {'flavorRef': '2'})
_STOPPED = (('os-stop', None, 'SHUTOFF'),)
_RESIZED = ((*_RESIZE, 'VERIFY_RESIZE'),)
_SHELVED = (('shelve', None, 'SHELVED'),)

#: By what the rows call them.
ACTIONS = {
    'create': Action('create', None),
    'create with volume': Action('create', None, volume=True),
    'delete': Action('delete', None),
    'delete with volume': Action('delete', None, volume=True),
    'start': Action('start', ('os-start', None), _STOPPED),
    'stop': Action('stop', ('os-stop', None)),
    'reboot soft': Action('reboot', ('reboot', {'type': 'SOFT'})),
    'reboot hard': Action('reboot', ('reboot', {'type': 'HARD'})),
    'pause': Action('pause', ('pause', None)),
    'unpause': Action('unpause', ('unpause', None), (('pause', None, 'PAUSED'),)),
    'suspend': Action('suspend', ('suspend', None)),
    'resume': Action('resume', ('resume', None), (('suspend', None, 'SUSPENDED'),)),
    'rebuild': Action('rebuild', ('rebuild', {'imageRef': '{image}'})),
    'rebuild with another image': Action('rebuild', ('rebuild', {'imageRef': '{other image}'})),
    'rebuild of a stopped server': Action('rebuild', ('rebuild', {'imageRef': '{image}'}), _STOPPED),
    'resize': Action('resize', _RESIZE),
    'resize of a stopped server': Action('resize', _RESIZE, _STOPPED),
    'migrate': Action('migrate', ('migrate', None)),
    'confirm': Action('confirmResize', ('confirmResize', None), _RESIZED),
    'revert': Action('revertResize', ('revertResize', None), _RESIZED),
    'live migrate': Action('live-migration', _LIVE),
    'live migrate with volume': Action('live-migration', _LIVE, volume=True),
    'evacuate': Action('evacuate', None),
    'shelve': Action('shelve', ('shelve', None)),
    'offload': Action('shelveOffload', ('shelveOffload', None), _SHELVED),
    'unshelve': Action('unshelve', ('unshelve', None),
                       (*_SHELVED, ('shelveOffload', None, 'SHELVED_OFFLOADED'))),
    'unshelve here': Action('unshelve', ('unshelve', None), _SHELVED),
    'rescue': Action('rescue', ('rescue', {})),
    'rescue with another image': Action('rescue', ('rescue', {'rescue_image_ref': '{other image}'})),
    'unrescue': Action('unrescue', ('unrescue', None), (('rescue', {}, 'RESCUE'),)),
    'snapshot': Action('createImage', ('createImage', {'name': 'copy'})),
    'backup': Action('createBackup', ('createBackup', {'name': 'copy', 'backup_type': 'daily', 'rotation': 1})),
    'attach volume': Action('attach_volume', None),
    'detach volume': Action('detach_volume', None, volume=True),
    'swap volume': Action('swap_volume', None, volume=True),
    'attach interface': Action('attach_interface', None),
    'detach interface': Action('detach_interface', None),
    'set password': Action('changePassword', ('changePassword', {'adminPass': 'new'})),
}

#: Power of the guest by status; where it is not told, the row says it or the guest is not looked at.
POWER = {'ACTIVE': 'RUNNING', 'SHUTOFF': 'SHUTDOWN', 'PAUSED': 'PAUSED', 'SUSPENDED': 'SUSPENDED',
         'RESCUE': 'RUNNING', 'SHELVED': 'SHUTDOWN', 'SHELVED_OFFLOADED': 'none', 'VERIFY_RESIZE': 'RUNNING'}

_FAKE = 'told to fail'
_GONE = 'does not answer'
_IMAGES_GONE = 'nobody answers'
_FULL = 'no space for a disk'
_ENOSPC = 'No space left on device'
_BROKER = 'the broker is gone'


def _same(action, ends, *steps, migration='', power=''):
    """Rows of one action whose steps all end the same way: (step, fault, says)."""
    return tuple(Row(action, step, fault, ends, says, migration, power) for step, fault, says in steps)


ROWS = (
    # Another host is tried while that may help.
    *_same('create', 'ACTIVE',
           ('driver.spawn', 'error once', ''), ('driver.spawn', 'disk full once', ''),
           ('driver.spawn', 'no space once', ''), ('driver.get_info', 'error once', ''),
           ('driver.cache_image', 'image service gone once', ''), ('driver.cache_image', 'no space once', ''),
           ('network.allocate_for_instance', 'service gone once', ''), ('firewall.apply', 'error once', ''),
           ('conductor.schedule_and_build_instances', 'lost once', ''), ('compute.ring', 'lost', ''),
           ('compute.ring', 'broker gone once', '')),
    *_same('create', 'ERROR',
           ('driver.spawn', 'error', _FAKE), ('driver.spawn', 'disk full', _FULL),
           ('driver.spawn', 'no space', _ENOSPC), ('driver.get_info', 'error', _FAKE),
           ('driver.cache_image', 'image service gone', _IMAGES_GONE),
           ('driver.cache_image', 'no image', 'could not be found'),
           ('network.allocate_for_instance', 'service gone', _GONE),
           ('network.allocate_for_instance', 'no address', 'private'),
           ('firewall.apply', 'error', _FAKE), ('scheduler.select_destinations', 'broker gone', _BROKER),
           ('scheduler.select_destinations', 'no answer', 'nobody answered'), power='none'),
    *_same('create with volume', 'ACTIVE',
           ('driver.spawn', 'error once', ''), ('driver.get_volume_connector', 'error once', ''),
           ('volume.attachment_update', 'service gone once', ''),
           ('volume.attachment_complete', 'service gone once', '')),
    *_same('create with volume', 'ERROR',
           ('driver.spawn', 'error', _FAKE), ('driver.get_volume_connector', 'error', _FAKE),
           ('volume.attachment_update', 'service gone', _GONE),
           ('volume.attachment_complete', 'service gone', _GONE), power='none'),

    *_same('delete', 'ERROR',
           ('driver.destroy', 'error', _FAKE), ('firewall.remove', 'error', _FAKE),
           ('network.deallocate_for_instance', 'service gone', _GONE),
           ('network.deallocate_for_instance', 'broker gone', _BROKER)),
    *_same('delete', '', ('compute.ring', 'lost', ''), ('compute.ring', 'broker gone', '')),
    *_same('delete with volume', 'ERROR', ('volume.attachment_delete', 'service gone', _GONE)),

    *_same('start', 'SHUTOFF',
           ('driver.power_on', 'error', _FAKE), ('driver.power_on', 'no space', _ENOSPC),
           ('firewall.apply', 'error', _FAKE)),
    # The guest runs, and is found running.
    *_same('start', 'ACTIVE', ('driver.get_info', 'error once', _FAKE), ('compute.ring', 'lost', '')),
    *_same('stop', 'ACTIVE', ('driver.power_off', 'error', _FAKE)),
    *_same('stop', 'SHUTOFF', ('driver.get_info', 'error once', _FAKE), ('compute.ring', 'lost', '')),

    # The guest was asked, and goes on as it was.
    *_same('reboot soft', 'ACTIVE',
           ('driver.reboot', 'error', _FAKE), ('firewall.apply', 'error', _FAKE),
           ('driver.get_info', 'error once', _FAKE)),
    *_same('reboot hard', 'ERROR',
           ('driver.reboot', 'error', _FAKE), ('driver.reboot', 'disk full', _FULL),
           ('firewall.apply', 'error', _FAKE)),

    *_same('pause', 'ACTIVE', ('driver.pause', 'error', _FAKE)),
    *_same('pause', 'PAUSED', ('driver.get_info', 'error once', _FAKE)),
    *_same('unpause', 'PAUSED', ('driver.unpause', 'error', _FAKE)),
    *_same('unpause', 'ACTIVE', ('driver.get_info', 'error once', _FAKE)),
    *_same('suspend', 'ACTIVE', ('driver.suspend', 'error', _FAKE), ('driver.suspend', 'no space', _ENOSPC)),
    *_same('suspend', 'SUSPENDED', ('driver.get_info', 'error once', _FAKE)),
    *_same('resume', 'ERROR', ('driver.resume', 'error', _FAKE), ('firewall.apply', 'error', _FAKE)),
    *_same('set password', 'ACTIVE', ('driver.set_admin_password', 'error', _FAKE)),

    # The old disk is gone.
    *_same('rebuild', 'ERROR',
           ('driver.spawn', 'error', _FAKE), ('driver.spawn', 'disk full', _FULL),
           ('driver.spawn', 'no image', 'could not be found'), ('driver.destroy', 'error', _FAKE),
           ('driver.power_off', 'error', _FAKE), ('firewall.apply', 'error', _FAKE)),
    # Nothing was touched yet.
    *_same('rebuild with another image', 'ACTIVE',
           ('scheduler.select_destinations', 'broker gone', _BROKER),
           ('scheduler.select_destinations', 'no answer', 'nobody answered')),
    *_same('rebuild with another image', 'ERROR', ('driver.spawn', 'image service gone', _IMAGES_GONE)),
    *_same('rebuild of a stopped server', 'ERROR', ('driver.spawn', 'error', _FAKE)),

    *_same('resize', 'ACTIVE',
           ('scheduler.select_destinations', 'broker gone', _BROKER),
           ('scheduler.select_destinations', 'no answer', 'nobody answered'), migration='error'),
    *_same('resize', 'VERIFY_RESIZE', ('compute.ring', 'lost', ''), ('firewall.remove', 'error', ''),
           migration='finished'),
    *_same('resize', 'ERROR',
           ('driver.migrate_disk_and_power_off', 'error', _FAKE),
           ('driver.migrate_disk_and_power_off', 'no space', _ENOSPC),
           ('network.migrate_instance_finish', 'service gone', _GONE), ('firewall.apply', 'error', _FAKE),
           ('driver.finish_migration', 'error', _FAKE), ('driver.finish_migration', 'disk full', _FULL),
           ('driver.get_info', 'error', _FAKE), migration='error'),
    *_same('resize of a stopped server', 'SHUTOFF', ('scheduler.select_destinations', 'broker gone', _BROKER),
           migration='error'),
    *_same('resize of a stopped server', 'ERROR', ('driver.finish_migration', 'error', _FAKE), migration='error'),
    *_same('migrate', 'ACTIVE', ('scheduler.select_destinations', 'no answer', 'nobody answered'), migration='error'),
    *_same('migrate', 'ERROR',
           ('driver.migrate_disk_and_power_off', 'error', _FAKE), ('driver.finish_migration', 'error', _FAKE),
           migration='error'),
    # It may be confirmed again.
    *_same('confirm', 'VERIFY_RESIZE', ('driver.confirm_migration', 'error', _FAKE), migration='finished'),
    *_same('revert', 'ERROR',
           ('driver.destroy', 'error', _FAKE),
           ('network.migrate_instance_finish', 'service gone', _GONE), ('firewall.apply', 'error', _FAKE),
           ('driver.finish_revert_migration', 'error', _FAKE), ('driver.get_info', 'error', _FAKE),
           migration='error'),

    *_same('revert', 'ACTIVE', ('firewall.remove', 'error', ''), migration='reverted'),

    # It runs where it was.
    *_same('live migrate', 'ACTIVE',
           ('scheduler.select_destinations', 'broker gone', _BROKER),
           ('compute.check_can_live_migrate_destination', 'broker gone', _BROKER),
           ('compute.check_can_live_migrate_destination', 'no answer', 'no sign of life'),
           ('driver.check_can_live_migrate_destination', 'error', _FAKE),
           ('driver.check_can_live_migrate_source', 'error', _FAKE),
           ('driver.get_instance_disk_info', 'error', _FAKE),
           ('compute.pre_live_migration', 'no answer', 'nobody answered'),
           ('network.setup_networks_on_host', 'service gone', _GONE),
           ('firewall.apply', 'error', _FAKE), ('driver.pre_live_migration', 'error', _FAKE),
           ('driver.pre_live_migration', 'disk full', _FULL), ('driver.live_migration', 'error', _FAKE),
           migration='error'),
    # It has arrived; what is left to do is done as far as it can be.
    *_same('live migrate', 'ACTIVE',
           ('driver.post_live_migration', 'error', ''), ('driver.post_live_migration_at_source', 'error', ''),
           ('firewall.remove', 'error', ''), ('driver.cleanup', 'error', ''),
           ('network.migrate_instance_finish', 'service gone', ''),
           ('compute.post_live_migration_at_destination', 'no answer', ''), migration='completed'),
    *_same('live migrate with volume', 'ACTIVE',
           ('driver.pre_live_migration', 'error', _FAKE), ('driver.live_migration', 'error', _FAKE),
           migration='error'),

    *_same('evacuate', 'ACTIVE',
           ('scheduler.select_destinations', 'broker gone', _BROKER), migration='failed'),
    *_same('evacuate', 'ERROR',
           ('network.migrate_instance_finish', 'service gone', _GONE), ('firewall.apply', 'error', _FAKE),
           ('driver.spawn', 'error', _FAKE), ('driver.spawn', 'disk full', _FULL),
           ('driver.spawn', 'no image', 'could not be found'), ('driver.get_info', 'error', _FAKE),
           migration='failed'),

    *_same('shelve', 'ACTIVE',
           ('driver.power_off', 'error', _FAKE), ('driver.snapshot', 'error', _FAKE),
           ('driver.snapshot', 'no space', _ENOSPC), ('image.update', 'image service gone', _IMAGES_GONE),
           ('image.update', 'no image', 'could not be found')),
    *_same('offload', 'SHELVED', ('driver.destroy', 'error', _FAKE)),
    *_same('offload', 'SHELVED_OFFLOADED', ('firewall.remove', 'error', '')),
    *_same('unshelve', 'SHELVED_OFFLOADED',
           ('scheduler.select_destinations', 'broker gone', _BROKER), ('image.get', 'no image', 'could not be found'),
           ('image.get', 'image service gone', _IMAGES_GONE),
           ('network.migrate_instance_finish', 'service gone', _GONE), ('firewall.apply', 'error', _FAKE),
           ('driver.spawn', 'error', _FAKE), ('driver.spawn', 'disk full', _FULL),
           ('driver.get_info', 'error', _FAKE)),
    *_same('unshelve', 'ACTIVE', ('compute.ring', 'lost', ''), ('image.delete', 'image service gone', '')),
    *_same('unshelve here', 'SHELVED', ('driver.power_on', 'error', _FAKE), ('firewall.apply', 'error', _FAKE)),

    *_same('rescue', 'ERROR',
           ('driver.rescue', 'error', _FAKE), ('driver.rescue', 'no space', _ENOSPC),
           ('driver.get_info', 'error', _FAKE)),
    # Nothing was touched yet.
    *_same('rescue', 'ACTIVE', ('driver.power_off', 'error', _FAKE)),
    *_same('rescue with another image', 'ERROR', ('driver.rescue', 'image service gone', _IMAGES_GONE)),
    *_same('unrescue', 'ERROR', ('driver.unrescue', 'error', _FAKE)),

    *(row for action in ('snapshot', 'backup') for row in _same(
        action, 'ACTIVE',
        ('driver.snapshot', 'error', _FAKE), ('driver.snapshot', 'no space', _ENOSPC),
        ('image.update', 'image service gone', _IMAGES_GONE), ('image.update', 'no image', 'could not be found'),
        ('image.update', 'no space', _ENOSPC))),

    *_same('attach volume', 'ACTIVE',
           ('driver.get_volume_connector', 'error', _FAKE), ('volume.attachment_update', 'service gone', _GONE),
           ('driver.attach_volume', 'error', _FAKE), ('volume.attachment_complete', 'service gone', _GONE)),
    *_same('detach volume', 'ACTIVE',
           ('driver.detach_volume', 'error', _FAKE), ('volume.attachment_delete', 'service gone', _GONE)),
    *_same('swap volume', 'ACTIVE',
           ('driver.get_volume_connector', 'error', _FAKE), ('volume.attachment_update', 'service gone', _GONE),
           ('driver.swap_volume', 'error', _FAKE), ('driver.swap_volume', 'no space', _ENOSPC)),
    # The guest has the new one; what is left to say of it is said later.
    *_same('swap volume', 'ACTIVE',
           ('volume.attachment_complete', 'service gone once', ''), ('volume.attachment_complete', 'service gone', ''),
           ('volume.attachment_delete', 'service gone once', ''), ('volume.swapped', 'service gone', '')),
    *_same('attach interface', 'ACTIVE',
           ('network.add_fixed_ip_to_instance', 'no address', 'private'),
           ('network.add_fixed_ip_to_instance', 'service gone', _GONE),
           ('firewall.apply', 'error once', _FAKE), ('driver.attach_interface', 'error', _FAKE),
           ('compute.attach_interface', 'no answer', 'is unavailable')),
    *_same('detach interface', 'ACTIVE',
           ('driver.detach_interface', 'error', _FAKE),
           ('compute.detach_interface', 'no answer', 'is unavailable')),
)
