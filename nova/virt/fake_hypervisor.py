# SPDX-License-Identifier: Apache-2.0
"""A hypervisor that only remembers its guests.

It stands where libvirt stands for the libvirt driver: it outlives the driver (in this process by the name of its host,
between processes in a file), has states with rules, and tells what happens to its guests.
"""

import dataclasses
import json
import os

from nova import exception
from nova.virt import event, power_state


class FakeStateError(exception.NovaException):
    """The guest's state does not allow this."""

    msg_fmt = 'The fake hypervisor cannot %(verb)s guest %(name)s: it is %(state)s.'


@dataclasses.dataclass
class Guest:
    """One guest.

    `vifs`: {id: MAC address}; `volumes`: {mount point: connection info}; `snapshots`: {id: volume id}, those of volumes
    that the hypervisor took; `shares`: {tag: export location}; `counting_since`: {mount point: when counters of the
    disk began, in seconds of the epoch}.
    """

    name: str
    uuid: str
    node: str
    vcpus: int = 0
    memory_mb: int = 0
    disk_gb: int = 0
    state: int = power_state.RUNNING
    image: str | None = None
    vifs: dict = dataclasses.field(default_factory=dict)
    volumes: dict = dataclasses.field(default_factory=dict)
    snapshots: dict = dataclasses.field(default_factory=dict)
    shares: dict = dataclasses.field(default_factory=dict)
    counting_since: dict = dataclasses.field(default_factory=dict)
    console: list = dataclasses.field(default_factory=list)
    files: dict = dataclasses.field(default_factory=dict)
    metadata: dict = dataclasses.field(default_factory=dict)
    admin_password: str | None = None
    rescue_image: str | None = None
    bootable: bool = True
    quiesced: bool = False
    put_away: bool = False
    config_drive: bool = False

    @property
    def state_name(self):
        return power_state.STATE_MAP[self.state]


class Hypervisor:
    """The machine `host`: its guests by uuid, and those it keeps aside for a resize that may be taken back.

    :param path: file to keep them in, or None.
    """

    def __init__(self, host, path=None):
        self.host = host
        self.path = path
        self.guests = {}
        self.kept = {}
        self.filters = set()
        #: `f(event)`, told what happens.
        self.listener = None
        self._load()

    # Keeping .......................................................................................................

    def _load(self):
        if self.path is None:
            return
        try:
            with open(self.path, encoding='utf-8') as file:
                content = json.load(file)
        except FileNotFoundError:
            return
        self.guests = {uuid: Guest(**values) for uuid, values in content['guests'].items()}
        self.kept = {uuid: Guest(**values) for uuid, values in content['kept'].items()}
        self.filters = set(content['filters'])

    def save(self):
        """Write the file, whole or not at all."""
        if self.path is None:
            return
        content = {'guests': {uuid: dataclasses.asdict(guest) for uuid, guest in self.guests.items()},
                   'kept': {uuid: dataclasses.asdict(guest) for uuid, guest in self.kept.items()},
                   'filters': sorted(self.filters)}
        temporary = f'{self.path}.{os.getpid()}'
        with open(temporary, 'w', encoding='utf-8') as file:
            json.dump(content, file)
        os.replace(temporary, self.path)

    # Guests ........................................................................................................

    def find(self, uuid):
        """The guest.  Raises InstanceNotFound."""
        guest = self.guests.get(uuid)
        if guest is None or guest.put_away:
            raise exception.InstanceNotFound(instance_id=uuid)
        return guest

    def define(self, guest):
        """Add a guest.  Raises InstanceExists."""
        if guest.uuid in self.guests or any(other.name == guest.name for other in self.guests.values()):
            raise exception.InstanceExists(name=guest.name)
        self.guests[guest.uuid] = guest
        if guest.state == power_state.RUNNING:
            self._boots(guest)
            self._tell(guest, event.EVENT_LIFECYCLE_STARTED)
        self.save()

    def undefine(self, uuid):
        """Remove a guest, running or not.  Returns it, or None if it is not there."""
        guest = self.guests.pop(uuid, None)
        if guest is not None:
            self.save()
            if guest.state in (power_state.RUNNING, power_state.PAUSED):
                self._tell(guest, event.EVENT_LIFECYCLE_STOPPED)
        return guest

    def change(self, uuid, verb, allowed, state):
        """Take a guest to `state`, from one of `allowed`; there already, nothing happens.

        Raises InstanceNotFound, FakeStateError.
        """
        guest = self.find(uuid)
        if guest.state == state:
            return guest
        if guest.state not in allowed or (state == power_state.RUNNING and not guest.bootable):
            raise FakeStateError(verb=verb, name=guest.name, state=guest.state_name)
        before, guest.state = guest.state, state
        if state not in (power_state.RUNNING, power_state.PAUSED):
            guest.counting_since.clear()
        if state == power_state.RUNNING and before in (power_state.SHUTDOWN, power_state.CRASHED):
            self._boots(guest)
        self.save()
        self._tell(guest, _TRANSITIONS.get((before, state), _ARRIVALS[state]))
        return guest

    def restart(self, uuid):
        """Stop and start a guest, whatever its state."""
        guest = self.find(uuid)
        if guest.state != power_state.SHUTDOWN:
            self.change(uuid, 'reboot', ANY, power_state.SHUTDOWN)
        return self.change(uuid, 'reboot', ANY, power_state.RUNNING)

    @staticmethod
    def _boots(guest):
        guest.console += [f'[    0.000000] fake guest {guest.name}: {guest.vcpus} CPUs, {guest.memory_mb} MiB',
                          f'[    0.100000] booting from {guest.rescue_image or guest.image or "volume"}',
                          f'{guest.name} login:']
        del guest.console[:-1000]

    def _tell(self, guest, transition):
        if self.listener is not None:
            self.listener(event.LifecycleEvent(guest.uuid, transition))

    # What guests do by themselves, for tests ........................................................................

    def guest_shuts_down(self, uuid):
        """The guest's own system powers it off."""
        self.change(uuid, 'shut down', ANY, power_state.SHUTDOWN)

    def guest_crashes(self, uuid):
        self.change(uuid, 'crash', ANY, power_state.CRASHED)

    def guest_vanishes(self, uuid):
        """Somebody removed the guest behind our back; nobody is told."""
        self.guests.pop(uuid)
        self.save()


ANY = frozenset(power_state.STATE_MAP)

_ARRIVALS = {
    power_state.RUNNING: event.EVENT_LIFECYCLE_STARTED,
    power_state.SHUTDOWN: event.EVENT_LIFECYCLE_STOPPED,
    power_state.CRASHED: event.EVENT_LIFECYCLE_STOPPED,
    power_state.PAUSED: event.EVENT_LIFECYCLE_PAUSED,
    power_state.SUSPENDED: event.EVENT_LIFECYCLE_SUSPENDED,
}
_TRANSITIONS = {
    (power_state.PAUSED, power_state.RUNNING): event.EVENT_LIFECYCLE_RESUMED,
    (power_state.SUSPENDED, power_state.RUNNING): event.EVENT_LIFECYCLE_RESUMED,
}

# {(host, file or None): machine}: they go on when a driver is stopped and another one started.
_machines = {}


def machine(host, path=None):
    """The machine of this name; it is made at first sight, out of its file if it has one."""
    key = (host, path)
    if key not in _machines:
        _machines[key] = Hypervisor(host, path)
    return _machines[key]


def find_machine(host):
    """The machine of this name in this process, or None."""
    return next((found for (name, _path), found in _machines.items() if name == host), None)


def forget_machines():
    """Begin anew, as after a test."""
    _machines.clear()
