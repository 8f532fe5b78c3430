# SPDX-License-Identifier: Apache-2.0
"""What a hypervisor tells without being asked."""

import time

# What happened to a guest.
EVENT_LIFECYCLE_STARTED = 0
EVENT_LIFECYCLE_STOPPED = 1
EVENT_LIFECYCLE_PAUSED = 2
EVENT_LIFECYCLE_RESUMED = 3
EVENT_LIFECYCLE_SUSPENDED = 4
EVENT_LIFECYCLE_POSTCOPY_STARTED = 5
EVENT_LIFECYCLE_MIGRATION_COMPLETED = 6

NAMES = {
    EVENT_LIFECYCLE_STARTED: 'Started',
    EVENT_LIFECYCLE_STOPPED: 'Stopped',
    EVENT_LIFECYCLE_PAUSED: 'Paused',
    EVENT_LIFECYCLE_RESUMED: 'Resumed',
    EVENT_LIFECYCLE_SUSPENDED: 'Suspended',
    EVENT_LIFECYCLE_POSTCOPY_STARTED: 'Postcopy started',
    EVENT_LIFECYCLE_MIGRATION_COMPLETED: 'Migration completed',
}


class Event:
    """Something happened at `timestamp` (seconds since 1970, with fraction; default: now)."""

    def __init__(self, timestamp=None):
        self.timestamp = time.time() if timestamp is None else timestamp

    def get_timestamp(self):
        return self.timestamp

    def __repr__(self):
        return f'<{type(self).__name__}: {self.timestamp}>'


class InstanceEvent(Event):
    """Something happened to the guest of the server `uuid`."""

    def __init__(self, uuid, timestamp=None):
        super().__init__(timestamp)
        self.uuid = uuid

    def get_instance_uuid(self):
        return self.uuid

    def __repr__(self):
        return f'<{type(self).__name__}: {self.timestamp}, {self.uuid}>'


class LifecycleEvent(InstanceEvent):
    """A guest started, stopped, …: `transition` is one of the EVENT_LIFECYCLE_ constants."""

    def __init__(self, uuid, transition, timestamp=None):
        super().__init__(uuid, timestamp)
        self.transition = transition

    def get_transition(self):
        return self.transition

    def get_name(self):
        return NAMES.get(self.transition, 'Unknown')

    def __repr__(self):
        return f'<{type(self).__name__}: {self.timestamp}, {self.uuid} => {self.get_name()}>'
