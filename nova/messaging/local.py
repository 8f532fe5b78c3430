# SPDX-License-Identifier: Apache-2.0
"""`local://`: an oslo.messaging driver for services that share one process.

A message is handed to its consumer by the sender's own thread, so nothing polls and nothing waits for its turn.  What a
broker guarantees stays true: bodies cross as JSON, so nothing is shared by reference and what could not travel fails
here too; consumers of one address take turns; a message without a consumer waits for one, and a call's message is
dropped when its caller has given up; what must be delivered comes back where nobody has ever listened; a remote
exception is rebuilt only from allowed modules.

The part of the URL after the slashes names a bus of its own (`local:///cell1`), which nothing crosses.
"""

import collections
import logging
import queue
import threading
import time
import uuid

import oslo_messaging
from oslo_messaging import exceptions
from oslo_messaging._drivers import base, common
from oslo_serialization import jsonutils

from nova import concurrency

LOG = logging.getLogger(__name__)

#: Messages kept for an address nobody listens to.  A broker's memory is its own; this one is the service's.
BACKLOG_LIMIT = 10000


class _Message:
    """What is on the wire: a JSON text, its address (None: a copy of a fanout), and where an answer would go."""

    __slots__ = ('body', 'client_timeout', 'expires_at', 'key', 'msg_id', 'replies')

    def __init__(self, body, key=None, replies=None, timeout=None, client_timeout=None):
        self.body = body
        self.key = key
        self.replies = replies
        self.client_timeout = client_timeout
        self.msg_id = uuid.uuid4().hex
        self.expires_at = None if timeout is None or replies is None else time.monotonic() + timeout

    def is_expired(self):
        return self.expires_at is not None and time.monotonic() >= self.expires_at


class _Address:
    """One queue: those who listen, in turn, and what waits for a listener."""

    def __init__(self, name):
        self.name = name
        self.consumers = collections.deque()
        self.backlog = collections.deque()

    def next_consumer(self):
        if not self.consumers:
            return None
        self.consumers.rotate(-1)
        return self.consumers[-1]

    def keep(self, message):
        if len(self.backlog) >= BACKLOG_LIMIT:
            self.backlog.popleft()
            LOG.warning('Nobody listens to %s: %d messages wait, the oldest was dropped', self.name, BACKLOG_LIMIT)
        self.backlog.append(message)


class _Bus:
    """All addresses of one URL.  Its lock is held while looking, never while handing over."""

    def __init__(self):
        self.lock = threading.RLock()
        self.addresses = {}
        #: Keys of addresses that somebody has listened to: a broker has a queue from then on.
        self.known = set()

    def address(self, *key):
        found = self.addresses.get(key)
        if found is None:
            found = self.addresses[key] = _Address('/'.join(str(part) for part in key if part))
        return found

    def deliver(self, message):
        with self.lock:
            address = self.address(*message.key)
            consumer = address.next_consumer()
            if consumer is None:
                address.keep(message)
        if consumer is not None:
            consumer.accept(message)

    def subscribe(self, consumer, keys):
        """Give the consumer everything that waits, oldest first, then what comes."""
        with self.lock:
            waiting = []
            self.known.update(keys)
            for key in keys:
                address = self.address(*key)
                address.consumers.append(consumer)
                waiting.extend(address.backlog)
                address.backlog.clear()
        for message in waiting:
            consumer.accept(message)

    def unsubscribe(self, consumer, keys):
        with self.lock:
            for key in keys:
                address = self.address(*key)
                if consumer in address.consumers:
                    address.consumers.remove(consumer)
                if not address.consumers and not address.backlog:
                    self.addresses.pop(key, None)


_buses = {}
_buses_lock = threading.Lock()


def _bus(name):
    with _buses_lock:
        return _buses.setdefault(name or '', _Bus())


class Incoming(base.RpcIncomingMessage):
    """A message at its consumer, unpacked from its JSON for this consumer alone."""

    def __init__(self, bus, message):
        content = jsonutils.loads(message.body)
        super().__init__(content['context'], content['message'], message.msg_id)
        self.client_timeout = message.client_timeout
        self._message = message
        self._bus = bus

    def reply(self, reply=None, failure=None):
        if self._message.replies is None:
            return
        if failure:
            failure = common.serialize_remote_exception(failure)
        self._message.replies.put(jsonutils.dumps({'result': reply, 'failure': failure, 'ending': True}))

    def heartbeat(self):
        if self._message.replies is not None:
            self._message.replies.put(jsonutils.dumps({'result': None, 'failure': None, 'ending': False}))

    def requeue(self):
        if self._message.key is not None:
            self._bus.deliver(self._message)


class DirectListener(base.Listener):
    """Runs the server's callback in the sender's thread; the callback only starts a worker."""

    def __init__(self, bus, keys):
        super().__init__(batch_size=1, batch_timeout=None)
        self.bus, self.keys = bus, keys

    def start(self, on_incoming_callback):
        super().start(on_incoming_callback)
        self.bus.subscribe(self, self.keys)

    def accept(self, message):
        if message.is_expired():
            return
        callback = self.on_incoming_callback
        if callback is not None:
            callback([Incoming(self.bus, message)])
        elif message.key is not None:
            # Stopped between being chosen and being handed the message: somebody else shall have it.
            self.bus.deliver(message)

    def stop(self):
        self.bus.unsubscribe(self, self.keys)
        super().stop()

    def cleanup(self):
        self.bus.unsubscribe(self, self.keys)


class BatchListener(base.PollStyleListener):
    """Collects messages until a batch is full or its time is up.  Waits on a queue, so it too does not poll."""

    def __init__(self, bus, keys):
        super().__init__()
        self.bus, self.keys = bus, keys
        self._received = concurrency.Queue()
        self._stopped = False
        bus.subscribe(self, keys)

    def accept(self, message):
        self._received.put(message)

    @base.batch_poll_helper
    def poll(self, timeout=None):
        if self._stopped and self._received.empty():
            return None
        try:
            message = self._received.get(timeout=timeout)
        except queue.Empty:
            return None
        return None if message is None else Incoming(self.bus, message)

    def stop(self):
        self.bus.unsubscribe(self, self.keys)
        self._stopped = True
        self._received.put(None)

    def cleanup(self):
        self.bus.unsubscribe(self, self.keys)


class LocalDriver(base.BaseDriver):
    """The face towards oslo.messaging; see the module for what it promises."""

    def __init__(self, conf, url, default_exchange=None, allowed_remote_exmods=None):
        super().__init__(conf, url, default_exchange, allowed_remote_exmods)
        self._bus = _bus(url.virtual_host)

    def require_features(self, requeue=True):
        """Everything there is, is there."""

    def _keys(self, target):
        """The addresses a server listens to: its topic's, its own, and those of the topic's fanout."""
        exchange = target.exchange or self._default_exchange
        keys = [(exchange, target.topic, None)]
        if target.server:
            keys.append((exchange, target.topic, target.server))
        return keys

    def send(self, target, ctxt, message, wait_for_reply=None, timeout=None, call_monitor_timeout=None, retry=None,
             transport_options=None):
        """Deliver; with `wait_for_reply`, also wait for the answer and return it or raise what it holds.

        Raises MessagingTimeout when no answer came in `timeout` seconds, or neither answer nor sign of life in
        `call_monitor_timeout` seconds; MessageUndeliverable when `at_least_once` was asked for and nobody has ever
        listened.
        """
        body = jsonutils.dumps({'context': ctxt, 'message': message})
        replies = concurrency.Queue() if wait_for_reply else None
        exchange = target.exchange or self._default_exchange
        if target.fanout:
            self._fanout(exchange, target.topic, body)
            return None
        key = (exchange, target.topic, target.server or None)
        if transport_options is not None and transport_options.at_least_once:
            self._require_known(key, message)
        self._bus.deliver(_Message(body, key, replies, timeout, call_monitor_timeout))
        if replies is None:
            return None
        return self._wait(replies, target, timeout, call_monitor_timeout)

    def _fanout(self, exchange, topic, body):
        with self._bus.lock:
            consumers = list(self._bus.address(exchange, topic, None).consumers)
        for consumer in consumers:
            consumer.accept(_Message(body))

    def _require_known(self, key, message):
        if key not in self._bus.known:
            raise exceptions.MessageUndeliverable(
                'nobody has ever listened', key[0], '.'.join(part for part in key[1:] if part), message)

    def _wait(self, replies, target, timeout, silence):
        """The first answer that ends the call.  Each sign of life restarts the clock of `silence` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            patience = None if deadline is None else deadline - time.monotonic()
            if silence:
                patience = silence if patience is None else min(patience, silence)
            try:
                reply = replies.get(timeout=None if patience is None else max(patience, 0))
            except queue.Empty:
                raise oslo_messaging.MessagingTimeout(
                    f'Timed out waiting for a reply from topic {target.topic}, server {target.server}') from None
            reply = jsonutils.loads(reply)
            if not reply['ending']:
                continue
            if reply['failure']:
                raise common.deserialize_remote_exception(reply['failure'], self._allowed_remote_exmods)
            return reply['result']

    def send_notification(self, target, ctxt, message, version, retry=None):
        """Give every pool of listeners one copy; keep it where there is none yet."""
        body = jsonutils.dumps({'context': ctxt, 'message': message})
        exchange = target.exchange or self._default_exchange
        with self._bus.lock:
            keys = [key for key in self._bus.addresses if key[:3] == (exchange, target.topic, 'notification')]
        for key in keys or [(exchange, target.topic, 'notification', None)]:
            self._bus.deliver(_Message(body, key))

    def listen(self, target, batch_size, batch_timeout):
        keys = self._keys(target)
        if batch_size and batch_size > 1:
            return base.PollStyleListenerAdapter(BatchListener(self._bus, keys), batch_size, batch_timeout)
        return DirectListener(self._bus, keys)

    def listen_for_notifications(self, targets_and_priorities, pool, batch_size, batch_timeout):
        keys = [(target.exchange or self._default_exchange, f'{target.topic}.{priority}', 'notification', pool)
                for target, priority in targets_and_priorities]
        if batch_size and batch_size > 1:
            return base.PollStyleListenerAdapter(BatchListener(self._bus, keys), batch_size, batch_timeout)
        return DirectListener(self._bus, keys)

    def cleanup(self):
        """Nothing is held: listeners give back their subscriptions when they are stopped."""
