# SPDX-License-Identifier: Apache-2.0
import uuid

import pytest
from oslo_messaging.notify import _impl_test

from nova import rpc
from nova.conf import CONF
from nova.notifications.outbox import OUTBOX


class Heard(list):
    """What was told until now: [(event type, priority, publisher, payload)]."""

    def listen(self):
        assert OUTBOX.flush()
        self[:] = [(message['event_type'], priority, message['publisher_id'], message['payload'])
                   for _context, message, priority, _retry in _impl_test.NOTIFICATIONS]
        return self

    def types(self):
        return [each[0] for each in self.listen()]

    def whole(self, event_type):
        """The message, as its envelope has it."""
        (found,) = [message for _context, message, _priority, _retry in _impl_test.NOTIFICATIONS
                    if message['event_type'] == event_type]
        return found

    def payload(self, event_type):
        (found,) = [each[3] for each in self.listen() if each[0] == event_type]
        return found.get('nova_object.data', found)


@pytest.fixture
def messages():
    """Messages that go nowhere, and no notifications."""
    rpc.register_options(CONF)
    CONF.set_override('transport_url', f'local:///{uuid.uuid4().hex}')
    rpc.init(CONF)
    yield
    rpc.cleanup()
    CONF.clear_override('transport_url')


@pytest.fixture
def telling(messages):
    """Sets the options of notifications, and hears what is told: `telling(notification_format='versioned')`."""
    rpc.notification_drivers()      # registers the option
    CONF.set_override('driver', ['test'], group='oslo_messaging_notifications')
    OUTBOX._transport = OUTBOX      # looks at the options again
    _impl_test.reset()
    names = []

    def set_options(**options):
        for name, value in options.items():
            CONF.set_override(name, value, group='notifications')
            names.append(name)
        OUTBOX._transport = OUTBOX
        return Heard()
    set_options(notification_format='both')
    yield set_options
    OUTBOX.flush()
    CONF.clear_override('driver', group='oslo_messaging_notifications')
    for name in names:
        CONF.clear_override(name, group='notifications')
    OUTBOX._transport = OUTBOX
    _impl_test.reset()
