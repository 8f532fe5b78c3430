# SPDX-License-Identifier: Apache-2.0
"""Messages between services: transports, clients, servers, notifiers.

`init()` once, then `get_client` and `get_server`.  The context of a call says which cell it goes to; nobody else knows
about transports.  Every server also answers `ping`, by which a starting service finds out that another one works.
"""

import copy
import logging
import time

import oslo_messaging
from oslo_messaging.rpc import server as oslo_rpc_server

from nova import concurrency, context, exception
from nova.monitoring import metrics
from nova.objects import base as objects_base

LOG = logging.getLogger(__name__)

EXCHANGE = 'nova'
TOPICS = ('compute', 'conductor', 'scheduler', 'network')

#: Seconds for which `Client.ring` tries.
RING_TIMEOUT_S = 2

#: Seconds between two tries to deliver a call.
_TRY_AGAIN_S = 0.2

#: Seconds after a message for which its consumer sleeps before it looks whether it shall stop.
_LOOK_UP_S = 0.1

#: Exceptions of these modules are raised at the caller as what they are; others arrive as RemoteError.
ALLOWED_REMOTE_EXMODS = ['nova.exception']

#: Transport of the cell this process is configured for.  None before `init()`.
TRANSPORT = None

_conf = None
_transports = {}
_notification_transport = None

#: Messages sent by this process: COUNTERS.counts[(kind, topic, method)], kind is 'call', 'cast' or 'fanout'.
COUNTERS = metrics.Counter('rpc_messages_total', 'RPC messages sent.', ('kind', 'topic', 'method'))
_CALL_SECONDS = metrics.Histogram('rpc_call_seconds', 'Time until an RPC call was answered.', ('topic', 'method'))
_HANDLED = metrics.Counter('rpc_handled_total', 'RPC messages received and worked on.', ('method', 'result'))
_HANDLED_SECONDS = metrics.Histogram('rpc_handled_seconds', 'Time to work on an RPC message.', ('method',))


class NobodyListens(oslo_messaging.MessagingTimeout):
    """A call was not delivered: its service has never been there, or is not yet.  Nothing was done."""


# Setting up ----------------------------------------------------------------------------------------------------------

def register_options(conf, default_url=None):
    """Register oslo.messaging's options, and what they are unless configured."""
    oslo_messaging.set_transport_defaults(EXCHANGE)
    # The only public function that registers the option.
    oslo_messaging.TransportURL.parse(conf, 'fake://')
    if default_url is not None:
        conf.set_default('transport_url', default_url)


def init(conf):
    """Open the transports of this process (nothing is connected before the first message).  May be called again, as
    after a fork: what was there is closed first.

    Raises ConfigInvalid when the transport URL names no known transport.
    """
    global TRANSPORT, _conf
    if TRANSPORT is not None:
        cleanup()
    register_options(conf)
    _conf = conf
    TRANSPORT = _transport(None)
    # Registers rpc_response_timeout, which would else be unknown until the first message.
    oslo_messaging.get_rpc_client(TRANSPORT, oslo_messaging.Target(topic=EXCHANGE))


def cleanup():
    """Close all transports.  Clients that exist find the new ones after the next `init()`."""
    global TRANSPORT, _notification_transport
    for transport in _transports.values():
        transport.cleanup()
    if _notification_transport is not None:
        _notification_transport.cleanup()
    _transports.clear()
    TRANSPORT = _notification_transport = None


def is_initialised():
    return TRANSPORT is not None


def is_local():
    """Whether messages stay in this process, so that there must be no other."""
    url = oslo_messaging.TransportURL.parse(_conf)
    return url.transport == 'local'


def _transport(url):
    if _conf is None:
        raise RuntimeError('nova.rpc.init() was not called')
    found = _transports.get(url)
    if found is None:
        try:
            found = oslo_messaging.get_rpc_transport(_conf, url=url, allowed_remote_exmods=ALLOWED_REMOTE_EXMODS)
        except (oslo_messaging.DriverLoadFailure, oslo_messaging.InvalidTransportURL) as error:
            raise exception.ConfigInvalid(option='transport_url', reason=str(error)) from error
        _transports[url] = found
        if 'oslo_messaging_rabbit' in _conf:
            # A broker that comes back is found within seconds, not within half a minute.
            _conf.set_default('rabbit_interval_max', 5, 'oslo_messaging_rabbit')
            from oslo_messaging._drivers import amqpdriver  # loaded by now, and not with other transports
            # After each message a consumer wakes up 1, 2, 4, … ms later for acknowledgements that only notifications
            # have: a quarter of the processor time of a busy nova-compute.
            amqpdriver.ACK_REQUEUE_EVERY_SECONDS_MIN = _LOOK_UP_S
    return found


def transport_for(cell):
    """The transport of a cell mapping, opened at first use and kept.  None, or a cell without a URL: our own."""
    url = getattr(cell, 'transport_url', None) or None
    return _transport(None if url in (None, 'none:///') else url)


# What crosses --------------------------------------------------------------------------------------------------------

class RequestContextSerializer(oslo_messaging.Serializer):
    """Sends the request context as its dictionary, and everything else as the inner serializer does."""

    def __init__(self, inner=None):
        self._inner = inner or oslo_messaging.NoOpSerializer()

    def serialize_entity(self, ctxt, entity):
        return self._inner.serialize_entity(ctxt, entity)

    def deserialize_entity(self, ctxt, entity):
        return self._inner.deserialize_entity(ctxt, entity)

    def serialize_context(self, ctxt):
        return ctxt.to_dict()

    def deserialize_context(self, ctxt):
        return context.RequestContext.from_dict(ctxt)


def _serializer(given):
    if isinstance(given, RequestContextSerializer):
        return given
    return RequestContextSerializer(given or objects_base.NovaObjectSerializer())


# Sending -------------------------------------------------------------------------------------------------------------

def _is_undelivered(error):
    """Whether the broker did not take the message.  Without retries, errors of the library below come through."""
    return (isinstance(error, (oslo_messaging.MessageDeliveryFailure, oslo_messaging.MessagingTimeout, OSError))
            or type(error).__module__.split('.', 1)[0] in ('kombu', 'amqp'))


class Client:
    """Sends to one topic.  Immutable: `prepare` returns another client.

    The message goes to the cell of the context it is sent with.
    """

    def __init__(self, target, version_cap=None, serializer=None, call_monitor_timeout=None):
        self.target = target
        self.version_cap = version_cap
        self._settings = {'version_cap': version_cap, 'serializer': _serializer(serializer),
                          'call_monitor_timeout': call_monitor_timeout}
        self._prepared = {}
        # {transport URL: (transport, oslo's client)}, shared by all that were prepared from this one.
        self._by_url = {}

    def prepare(self, **how):
        """The same with another server=, version=, fanout=, timeout= (seconds), call_monitor_timeout=, retry=, ..."""
        other = copy.copy(self)
        other._prepared = {**self._prepared, **how}
        return other

    def can_send_version(self, version=None):
        """Whether the pin of this client allows the method version."""
        wanted = version or self._prepared.get('version') or self.target.version
        if self.version_cap is None:
            return True
        cap, want = (tuple(int(part) for part in text.split('.')) for text in (self.version_cap, wanted))
        return cap[0] == want[0] and cap[1:] >= want[1:]

    def call(self, ctxt, method, **arguments):
        """Send and wait for the result.

        Raises what the other side raised, MessagingTimeout when it did not answer in time (NobodyListens when it was
        not asked), RPCVersionCapError when the pin does not allow the version.
        """
        COUNTERS.inc('call', self.target.topic, method)
        call = self._client(ctxt, oslo_messaging.TransportOptions(at_least_once=True)).call
        begun = time.monotonic()
        try:
            while True:
                try:
                    return call(ctxt, method, **arguments)
                except oslo_messaging.MessageUndeliverable as error:
                    # Nobody has got it: whatever it asks for, it may be sent again.
                    if time.monotonic() - begun > self._patience_s():
                        raise NobodyListens(self._missing()) from error
                concurrency.sleep(_TRY_AGAIN_S)
        finally:
            _CALL_SECONDS.observe(time.monotonic() - begun, self.target.topic, method)

    def _missing(self):
        server = self._prepared.get('server')
        return (f'Nobody listens to messages for {self.target.topic}{f" on {server}" if server else ""}, for '
                f'{self._patience_s()} s: has its service been started?')

    def _patience_s(self):
        """Seconds for which a call waits for somebody to take it: a service that is starting will be there soon."""
        silence_s = self._prepared.get('call_monitor_timeout') or self._settings['call_monitor_timeout']
        answer_s = self._prepared.get('timeout') or _conf.rpc_response_timeout
        return min(_conf.rpc_delivery_timeout, answer_s, silence_s or answer_s)

    def cast(self, ctxt, method, **arguments):
        """Send and forget.  Returns when the transport has the message.

        Raises MessageDeliveryFailure when it does not take it, after [oslo_messaging_*] retries.
        """
        COUNTERS.inc('fanout' if self._prepared.get('fanout') else 'cast', self.target.topic, method)
        self._client(ctxt).cast(ctxt, method, **arguments)

    def ring(self, ctxt, method, **arguments):
        """A cast that is only a doorbell: what is to be done is recorded, and is found there if this gets lost.

        So it neither waits for a broker that is away nor raises; a line in the log says what happened.
        """
        try:
            # The caller (a request, often) has better things to do than to wait for a broker.
            with concurrency.timeout(RING_TIMEOUT_S):
                self.prepare(retry=0).cast(ctxt, method, **arguments)
        except Exception as error:
            if not _is_undelivered(error):
                raise
            LOG.warning('The message %s to %s was not delivered (%s); the recorded work is found without it',
                        method, self.target.topic, str(error).split('\n', 1)[0] or type(error).__name__)

    def _client(self, ctxt, transport_options=None):
        transport = transport_for(getattr(ctxt, 'cell', None))
        url = getattr(getattr(ctxt, 'cell', None), 'transport_url', None)
        known, client = self._by_url.get(url, (None, None))
        if known is not transport:
            client = oslo_messaging.get_rpc_client(transport, self.target, **self._settings)
            self._by_url[url] = transport, client
        return client.prepare(**self._prepared, transport_options=transport_options)


def get_client(target, version_cap=None, serializer=None, call_monitor_timeout=None):
    """A client for the target (`oslo_messaging.Target(topic=, version=)`).

    :param serializer: of arguments and results; objects' serializer unless given.
    :param call_monitor_timeout: seconds after which a call without a sign of life of the other side is given up, so
        that its timeout may be long.
    """
    return Client(target, version_cap, serializer, call_monitor_timeout)


# Receiving -----------------------------------------------------------------------------------------------------------

class _BaseEndpoint:
    """What every server of ours answers."""

    target = oslo_messaging.Target(namespace='base', version='1.0')

    def ping(self, ctxt, word):
        return {'word': word}


def not_remote(method):
    """Mark a public method of an endpoint as no business of other services; its overrides are not either."""
    method.not_remote = True
    return method


class _AccessPolicy(oslo_messaging.DefaultRPCAccessPolicy):
    def is_allowed(self, endpoint, method):
        return super().is_allowed(endpoint, method) and not any(
            getattr(vars(cls).get(method), 'not_remote', False) for cls in type(endpoint).__mro__)


class _Dispatcher(oslo_messaging.RPCDispatcher):
    """Counts what is worked on; and what the domain expects to go wrong is no error of this service."""

    def dispatch(self, incoming):
        method = incoming.message.get('method')
        begun = time.monotonic()
        result = 'error'
        try:
            answer = super().dispatch(incoming)
            result = 'success'
            return answer
        except exception.NovaException as error:
            if error.kind == exception.INTERNAL:
                raise
            result = 'refused'
            raise oslo_messaging.ExpectedException() from error
        except oslo_messaging.ExpectedException:
            result = 'refused'
            raise
        except oslo_messaging.RPCDispatcherError:
            # Named by the caller: counted together, lest anybody make series.
            method = 'unknown'
            raise
        finally:
            _HANDLED.inc(method, result)
            _HANDLED_SECONDS.observe(time.monotonic() - begun, method)


def get_server(target, endpoints, serializer=None):
    """A server (`start()`, `stop()`, `wait()`) for the target (`Target(topic=, server=)`), each message in a thread."""
    dispatcher = _Dispatcher([*endpoints, _BaseEndpoint()], _serializer(serializer), _AccessPolicy)
    executor = concurrency.RPC_EXECUTOR if concurrency.is_patched() else 'threading'
    return oslo_rpc_server.RPCServer(TRANSPORT, target, dispatcher, executor=executor)


def ping(topic, server=None, timeout=5):
    """Whether a service of the topic answers within so many seconds.  Raises MessagingTimeout if none does."""
    client = get_client(oslo_messaging.Target(topic=topic, namespace='base', version='1.0'),
                        serializer=oslo_messaging.NoOpSerializer())
    client.prepare(server=server, timeout=timeout).call(context.get_admin_context(), 'ping', word='nova')


# Notifications -------------------------------------------------------------------------------------------------------

def notification_drivers():
    """The names of [oslo_messaging_notifications]driver; nothing is connected."""
    _notifications()
    return _conf.oslo_messaging_notifications.driver


def _notifications():
    global _notification_transport
    if _notification_transport is None:
        _notification_transport = oslo_messaging.get_notification_transport(
            _conf, allowed_remote_exmods=ALLOWED_REMOTE_EXMODS)
    return _notification_transport


def get_notifier(service=None, host=None, topics=None, driver=None):
    """A notifier that publishes as `service.host`; [oslo_messaging_notifications] says where to and how.

    :param topics, driver: others than those configured.
    """
    return oslo_messaging.Notifier(_notifications(), publisher_id=f'{service}.{host}', serializer=_serializer(None),
                                   topics=topics, driver=driver)
