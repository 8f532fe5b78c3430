# SPDX-License-Identifier: Apache-2.0
"""What is told of, as data: the events, and which operation tells which of them.

Emission, the reference page and the tests are read off `EVENTS` and `OPERATIONS`; nothing else names an event but to
tell it.
"""

import dataclasses

from nova.notifications import common, server, site

START, END, ERROR = 'start', 'end', 'error'
ALL = (START, END, ERROR)
#: An event that is not a span of time.
ONCE = (None,)


@dataclasses.dataclass(frozen=True)
class Event:
    """One kind of event.

    :param name: without its phase; of the versioned form.
    :param phases: those there are; None: the name stands alone.
    :param payload: class of its payload.
    :param old: its name in the unversioned form; None: not told there; with a dot at its end: without the phase.
    :param versioned: whether it is told in the versioned form.
    :param says: one sentence for the reference page.
    """

    name: str
    phases: tuple
    payload: type
    old: str | None
    says: str
    versioned: bool = True

    def type(self, phase):
        """The event type of the versioned form, or None."""
        return _typed(self.name, phase) if self.versioned else None

    def old_type(self, phase):
        """The event type of the unversioned form, or None."""
        return _typed(self.old, phase) if self.old else None

    def types(self):
        """All event types of the versioned form."""
        return [self.type(phase) for phase in self.phases] if self.versioned else []


def _typed(name, phase):
    return name.removesuffix('.') if name.endswith('.') or not phase else f'{name}.{phase}'


_ACTION = server.InstanceActionPayload


def _server(name, says, payload=_ACTION, phases=ALL, old=None):
    return Event(f'instance.{name}', phases, payload, f'compute.instance.{old or name}', says)


def _site(name, says, payload, phases=(START, END), old=None):
    return Event(name, phases, payload, old, says)


_EVENTS = (
    _server('create', 'A host makes a server; the end says whether it did.', server.InstanceCreatePayload),
    _server('delete', 'A server is deleted for good.'),
    _server('shutdown', 'The guest of a server that is being deleted is taken off its host.', phases=(START, END)),
    _server('soft_delete', 'A server is put away, to be deleted later.'),
    _server('restore', 'A deletion is taken back.'),
    _server('power_off', 'The guest is stopped.'),
    _server('power_on', 'The guest is started.'),
    _server('reboot', 'The guest is started again.'),
    _server('pause', 'The guest is halted; its memory stays.'),
    _server('unpause', 'The guest goes on.'),
    _server('suspend', "The guest's memory is put on disk."),
    _server('resume', 'The guest goes on where it was suspended.'),
    _server('rebuild', 'A server is made anew out of an image.', server.InstanceActionRebuildPayload),
    _server('rebuild_scheduled', 'A host was found for a rebuild or an evacuation.',
            server.InstanceActionRebuildPayload, ONCE, 'rebuild.scheduled'),
    _server('evacuate', 'A server of a dead host is made anew on this one.', server.InstanceActionRebuildPayload),
    _server('resize_prep', 'The host that a resize or migration goes to agrees to it; an error is that of resize.',
            server.InstanceActionResizePrepPayload, (START, END), 'resize.prep'),
    _server('resize', 'The host that a server leaves stops it and sends its disks.'),
    _server('resize_finish', 'The host that a server comes to makes it from the disks.', old='finish_resize'),
    _server('resize_confirm', 'What the old host kept is removed.', old='resize.confirm'),
    _server('resize_revert', 'The new host removes what it made; the old one starts what it kept.',
            old='resize.revert'),
    _server('live_migration_pre', 'The host that a running guest goes to prepares for it.',
            old='live_migration.pre'),
    _server('live_migration_post', 'The guest runs elsewhere; the host that it left cleans up.',
            old='live_migration._post'),
    _server('live_migration_post_dest', 'The host that the guest came to takes care of it.',
            old='live_migration.post.dest'),
    _server('live_migration_rollback', 'A live migration failed; it is undone.', phases=(START, END),
            old='live_migration._rollback'),
    _server('live_migration_rollback_dest', 'The host that the guest did not come to cleans up.',
            old='live_migration.rollback.dest'),
    _server('live_migration_abort', 'A live migration is stopped at a user\'s word.', old='live.migration.abort'),
    _server('live_migration_force_complete', 'A live migration is made to finish.',
            old='live.migration.force.complete'),
    _server('shelve', 'A server is stopped and kept as an image.'),
    _server('shelve_offload', 'A shelved server is taken off its host.'),
    _server('unshelve', 'A shelved server is started.'),
    _server('snapshot', 'An image of a server is made: createImage and createBackup.',
            server.InstanceActionSnapshotPayload),
    _server('rescue', 'The guest is started from a rescue image.', server.InstanceActionRescuePayload),
    _server('unrescue', 'The guest is started from its own disk again.'),
    _server('change_password', "The administrator's password is set in the guest."),
    _server('trigger_crash_dump', 'The guest is told to dump its memory.'),
    _server('interface_attach', 'The guest gets an interface.', old='interface.attach'),
    _server('interface_detach', 'An interface is taken out of the guest.', old='interface.detach'),
    _server('volume_attach', 'The guest gets a volume.', server.InstanceActionVolumePayload, old='volume.attach'),
    _server('volume_detach', 'A volume is taken out of the guest.', server.InstanceActionVolumePayload,
            old='volume.detach'),
    _server('volume_swap', 'A volume is exchanged for another.', server.InstanceActionVolumeSwapPayload,
            old='volume.swap'),
    _server('share_attach', 'A share is let to the host of a server.', server.InstanceActionSharePayload,
            old='share.attach'),
    _server('share_detach', 'A share is taken from a server.', server.InstanceActionSharePayload, old='share.detach'),
    _server('lock', 'A server is locked.', phases=ONCE),
    _server('unlock', 'A server is unlocked.', phases=ONCE),
    _server('update', 'State, task, name, metadata or tags of a server changed, if notify_on_state_change wants that.',
            server.InstanceUpdatePayload, ONCE),
    _server('exists', 'A server existed in a period: at the end of each (instance_usage_audit), and of the current '
            'one before what bills change with.', server.InstanceExistsPayload, ONCE),
    _site('compute.exception', 'Work on a host failed with an exception.', common.ExceptionPayload, ONCE,
          'compute.exception'),
    _site('compute_task.build_instances', 'No host could be found for a new server.', site.ComputeTaskPayload,
          (ERROR,), 'compute_task.build_instances.'),
    _site('compute_task.migrate_server', 'No host could be found for a move.', site.ComputeTaskPayload, (ERROR,),
          'compute_task.migrate_server.'),
    _site('compute_task.rebuild_server', 'No host could be found for a rebuild or an evacuation.',
          site.ComputeTaskPayload, (ERROR,), 'compute_task.rebuild_server.'),
    _site('scheduler.select_destinations', 'The scheduler is asked for hosts; the end comes if it found some.',
          site.RequestSpecPayload, old='scheduler.select_destinations'),
    _site('aggregate.create', 'An aggregate is made.', site.AggregatePayload, old='aggregate.create'),
    _site('aggregate.delete', 'An aggregate is deleted.', site.AggregatePayload, old='aggregate.delete'),
    _site('aggregate.add_host', 'A host is put into an aggregate.', site.AggregatePayload, old='aggregate.addhost'),
    _site('aggregate.remove_host', 'A host is taken out of an aggregate.', site.AggregatePayload,
          old='aggregate.removehost'),
    _site('aggregate.update_prop', 'Name or zone of an aggregate change.', site.AggregatePayload,
          old='aggregate.updateprop'),
    _site('aggregate.update_metadata', 'Metadata of an aggregate change.', site.AggregatePayload,
          old='aggregate.updatemetadata'),
    _site('aggregate.cache_images', 'The hosts of an aggregate are asked to fetch images.', site.AggregatePayload),
    _site('aggregate.cache_images.progress', 'One more host of an aggregate was asked to fetch images.',
          site.AggregateCachePayload, ONCE),
    _site('flavor.create', 'A flavor is made.', common.FlavorPayload, ONCE),
    _site('flavor.update', 'A flavor, its extra specs or its projects change.', common.FlavorPayload, ONCE),
    _site('flavor.delete', 'A flavor is deleted.', common.FlavorPayload, ONCE),
    _site('keypair.create', 'A key pair is generated.', common.KeypairPayload, old='keypair.create'),
    _site('keypair.import', 'A public key is imported.', common.KeypairPayload, old='keypair.import'),
    _site('keypair.delete', 'A key pair is deleted.', common.KeypairPayload, old='keypair.delete'),
    _site('server_group.create', 'A server group is made.', site.ServerGroupPayload, ONCE, 'servergroup.create'),
    _site('server_group.delete', 'A server group is deleted.', site.ServerGroupPayload, ONCE, 'servergroup.delete'),
    _site('server_group.add_member', 'New servers are in a group.', site.ServerGroupPayload, ONCE,
          'servergroup.addmember'),
    _site('service.create', 'A service registers for the first time.', site.ServiceStatusPayload, ONCE),
    _site('service.update', 'A service is enabled, disabled or forced down.', site.ServiceStatusPayload, ONCE),
    _site('service.delete', 'The record of a service is deleted.', site.ServiceStatusPayload, ONCE),
    _site('metrics.update', 'A host measured itself (compute_monitors).', site.MetricsPayload, ONCE,
          'compute.metrics.update'),
    _site('volume.usage', 'A host looked at how much a volume is used (volume_usage_poll_interval), or the volume or '
          'the guest that has it goes.', site.VolumeUsagePayload, ONCE, 'volume.usage'),
    _site('libvirt.connect', 'A host cannot reach its hypervisor.', site.LibvirtErrorPayload, (ERROR,),
          'compute.libvirt'),
    *(Event(f'instance.{name}', ALL, _ACTION, f'compute.instance.{name}', says, versioned=False)
      for name, says in (('create_ip', 'A server gets one more address.'),
                         ('delete_ip', 'An address is taken from a server.'))),
    *(Event(f'HostAPI.{name}', (START, END), site.HostPayload, f'HostAPI.{name}', says, versioned=False)
      for name, says in (('set_enabled', 'A host is enabled or disabled.'),
                         ('set_maintenance', 'Maintenance of a host begins or ends.'),
                         ('power_action', 'A host is started, stopped or rebooted.'))),
)

#: Event by name.
EVENTS = {event.name: event for event in _EVENTS}


@dataclasses.dataclass(frozen=True)
class Told:
    """What one step of an action tells.

    :param event: what it tells of with the phases that it has; None: nothing.
    :param error: the event that tells of its failure; `event` unless given, '' for none.
    :param end: likewise of its end.
    :param undo: the event that spans its being undone.
    :param exists: whether the use until now is told first, since what is billed changes or ends.
    :param begins, closes: whether this is the first, and the last, step of what is told of.
    """

    event: str | None = None
    error: str | None = None
    end: str | None = None
    undo: str | None = None
    exists: bool = False
    begins: bool = True
    closes: bool = True


def _of(name, **how):
    return Told(f'instance.{name}', **how)


_COMPUTE = {
    'build_and_run_instance': _of('create'),
    'terminate_instance': _of('delete', exists=True),
    'soft_delete_instance': _of('soft_delete'),
    'restore_instance': _of('restore'),
    'stop_instance': _of('power_off'),
    'start_instance': _of('power_on'),
    'reboot_instance': _of('reboot'),
    'pause_instance': _of('pause'),
    'unpause_instance': _of('unpause'),
    'suspend_instance': _of('suspend'),
    'resume_instance': _of('resume'),
    'trigger_crash_dump': _of('trigger_crash_dump'),
    'rebuild_instance': _of('rebuild', exists=True),
    'rebuild_on_other_host': _of('evacuate'),
    'prep_resize': _of('resize_prep', error='instance.resize', exists=True),
    'resize_instance': _of('resize'),
    'finish_resize': _of('resize_finish'),
    'confirm_resize': _of('resize_confirm'),
    'revert_resize': _of('resize_revert', closes=False),
    'finish_revert_resize': _of('resize_revert', begins=False),
    'live_migration': Told(undo='instance.live_migration_rollback'),
    'shelve_instance': _of('shelve'),
    'shelve_offload_instance': _of('shelve_offload'),
    'unshelve_instance': _of('unshelve'),
    'snapshot_instance': _of('snapshot'),
    'rescue_instance': _of('rescue', exists=True),
    'unrescue_instance': _of('unrescue'),
    'set_admin_password': _of('change_password'),
    'attach_volume': _of('volume_attach'),
    'detach_volume': _of('volume_detach'),
    'swap_volume': _of('volume_swap'),
    'allow_share': _of('share_attach'),
    'deny_share': _of('share_detach'),
}
_CONDUCTOR = {
    'schedule_and_build_instances': Told(error='compute_task.build_instances'),
    'cold_migrate': Told(error='compute_task.migrate_server'),
    'live_migrate_instance': Told(error='compute_task.migrate_server'),
    'rebuild_instance': Told(error='compute_task.rebuild_server', end='instance.rebuild_scheduled'),
    'evacuate_instance': Told(error='compute_task.rebuild_server', end='instance.rebuild_scheduled'),
    'terminate_instance': _of('delete', exists=True),
}
#: What the steps of actions tell, by (binary, method of the order).  A step that is not here tells nothing.
OPERATIONS = {**{('nova-compute', method): told for method, told in _COMPUTE.items()},
              **{('nova-conductor', method): told for method, told in _CONDUCTOR.items()}}

#: What calls of a host tell that are no orders, by method of its RPC surface.
CALLS = {
    'attach_interface': 'instance.interface_attach',
    'detach_interface': 'instance.interface_detach',
    'pre_live_migration': 'instance.live_migration_pre',
    'post_live_migration_at_destination': 'instance.live_migration_post_dest',
    'rollback_live_migration_at_destination': 'instance.live_migration_rollback_dest',
    'live_migration_abort': 'instance.live_migration_abort',
    'live_migration_force_complete': 'instance.live_migration_force_complete',
}
