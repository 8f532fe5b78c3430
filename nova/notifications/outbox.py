# SPDX-License-Identifier: Apache-2.0
"""How notifications leave this process: one after the other, by a thread that nobody waits for.

Whoever tells something puts it here and goes on.  A broker that is away keeps the thread, not the work: so many
messages wait, in order; what comes after those is lost, with one line in the log.
"""

import atexit
import logging
import os
import queue
import threading
import time

from oslo_log import log

from nova import concurrency, rpc
from nova.conf import CONF
from nova.monitoring import metrics

LOG = log.getLogger(__name__)

#: Messages that wait for a broker at most.
LIMIT = 10000
#: Drivers that send nothing.
_SILENT = ('', 'noop')
#: Seconds between two tries to deliver, at most.
_MOST_PATIENT_S = 5

_SENT = metrics.Counter('notifications_total', 'Notifications handed to the driver, failed, or lost.', ('result',))


class Outbox:
    """Everything that this process tells."""

    def __init__(self, limit=LIMIT):
        self._limit = limit
        self._transport = None
        self._enabled = False
        self._formats = ()
        self._notifiers = {}
        self._queue = None
        self._pid = None
        self._unsent = 0
        self._is_away = False
        self._losing = False
        self._complained = set()
        self._lock = threading.Lock()

    # What is wanted ---------------------------------------------------------------------------------------------------

    def is_enabled(self):
        """Whether any driver is there to send.  Costs two comparisons where none is."""
        if self._transport is not rpc.TRANSPORT:
            self._look()
        return self._enabled

    def wants(self, versioned):
        """Whether this form is to be sent."""
        return self.is_enabled() and versioned in self._formats

    def _look(self):
        """Read the options: at first use, and after the transports were opened anew."""
        self._transport = rpc.TRANSPORT
        self._notifiers = {}
        try:
            self._enabled = rpc.is_initialised() and any(
                driver not in _SILENT for driver in rpc.notification_drivers())
        except Exception as error:      # noqa: BLE001  said once: what is done goes on
            self._enabled = False
            self.complain('sent', error)
        self._formats = {'versioned': (True,), 'unversioned': (False,), 'both': (True, False)}[
            CONF.notifications.notification_format]

    # Sending ----------------------------------------------------------------------------------------------------------

    def put(self, context, publisher, event_type, payload, level, versioned):
        """Send this, in its turn.  Never waits and never raises."""
        waiting = self._waiting()
        try:
            waiting.put_nowait((_redacted(context), publisher, event_type, payload, level, versioned))
        except queue.Full:
            _SENT.inc('lost')
            if not self._losing:
                LOG.warning('%d notifications wait for the broker; those that come now are lost', self._limit)
            self._losing = True
        else:
            self._losing = False
            with self._lock:
                self._unsent += 1

    def _waiting(self):
        """The queue, with a thread that empties it.  A fork has neither."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._unsent = os.getpid(), 0
                self._queue = concurrency.Queue(self._limit)
                # Green where the process is.  Not our pool of tasks: it also runs under servers of others.
                if not concurrency.is_patched():
                    # Under somebody else's server: nobody of ours is asked when it ends.
                    atexit.register(self.flush)
                threading.Thread(target=self._send_all, args=(self._queue,), name='notifications', daemon=True).start()
            return self._queue

    def _send_all(self, waiting):
        while True:
            message = waiting.get()
            try:
                self._send(*message)
                _SENT.inc('sent')
            except Exception as error:      # noqa: BLE001  said once; the next one is sent
                _SENT.inc('failed')
                self.complain('sent', error)
            finally:
                with self._lock:
                    self._unsent -= 1

    def _send(self, context, publisher, event_type, payload, level, versioned):
        if versioned not in self._notifiers:
            self._notifiers[versioned] = list(_notifiers(versioned))
        for notifier in self._notifiers[versioned]:
            self._deliver(getattr(notifier.prepare(publisher_id=publisher), level), context, event_type, payload)

    def _deliver(self, tell, *message):
        """Hand one message to one driver; again, until the broker takes it, unless [oslo_messaging_notifications]retry
        limits that.
        """
        delay_s = 1
        while True:
            _UNDELIVERED.error = None
            tell(*message)
            error = _UNDELIVERED.error
            if error is None:
                if self._is_away:
                    self._is_away = False
                    LOG.info('Notifications are delivered again')
                return
            if CONF.oslo_messaging_notifications.retry >= 0:
                raise error
            if not self._is_away:
                self._is_away = True
                LOG.warning('Notifications wait, since they cannot be delivered: %s', str(error).split('\n', 1)[0])
            time.sleep(delay_s)
            delay_s = min(2 * delay_s, _MOST_PATIENT_S)

    def complain(self, what, error):
        """Say once for each kind of error that a notification could not be made or sent."""
        kind = what, type(error)
        if kind not in self._complained:
            self._complained.add(kind)
            LOG.error('A notification could not be %s; more of this kind are not logged', what, exc_info=error)

    def flush(self, timeout_s=5):
        """Wait until everything has left, for so many seconds; whether it has."""
        until = time.monotonic() + timeout_s
        while self._pid == os.getpid() and self._unsent:
            if time.monotonic() > until:
                LOG.warning('%d notifications could not be delivered in %s s', self._unsent, timeout_s)
                return False
            time.sleep(0.01)
        return True


def _notifiers(versioned):
    """One for each driver and topic, so that one of them is tried again without the others."""
    topics = CONF.notifications.versioned_notifications_topics if versioned else \
        CONF.oslo_messaging_notifications.topics
    for driver in rpc.notification_drivers():
        if driver in _SILENT:
            continue
        for some in [[topic] for topic in topics] if driver.startswith('messaging') else [topics]:
            yield rpc.get_notifier(topics=some, driver=driver)


class _Undelivered(logging.Filter):
    """Takes note of what the library could not deliver: it says so nowhere but in its log, each time with a traceback.

    :ivar error: the last exception.
    """

    def __init__(self):
        super().__init__()
        self.error = None
        logging.getLogger('oslo_messaging.notify.messaging').addFilter(self)

    def filter(self, record):
        if record.exc_info:
            self.error = record.exc_info[1]
        return not record.exc_info


def _redacted(context):
    """Who caused it, without what would let others act as him.

    Ours, since the library's copy becomes the current context of whatever runs beside.
    """
    context = context.copy()
    context.auth_token = context.service_catalog = None
    context.redacted_copy = lambda: context
    return context


_UNDELIVERED = _Undelivered()
OUTBOX = Outbox()
