# SPDX-License-Identifier: Apache-2.0
"""`local://` keeps the promises of a broker, and some more."""

from nova import concurrency

concurrency.monkey_patch()

import unittest  # noqa: E402  (everything below must be imported patched)
import uuid  # noqa: E402

import oslo_messaging  # noqa: E402

from nova import rpc  # noqa: E402
from nova.conf import CONF  # noqa: E402
from nova.messaging import local  # noqa: E402
from nova.tests import rpc_contract  # noqa: E402


class LocalTestCase(rpc_contract.TransportTestCase):
    __test__ = True

    def transport_url(self):
        self.bus = uuid.uuid4().hex
        return f'local:///{self.bus}'

    def test_a_message_waits_for_a_server_that_was_never_there(self):
        self.client().cast(self.ctxt, 'echo', value='early')
        self.client().prepare(server='one').cast(self.ctxt, 'echo', value='also early')
        endpoint = self.serve('one')
        self.eventually(lambda: endpoint.calls == ['early', 'also early'])

    def test_nothing_waits_for_ever_in_memory(self):
        for number in range(local.BACKLOG_LIMIT + 2):
            local._bus(self.bus).deliver(local._Message('{}', ('nova', self.topic, None)))
            if number == local.BACKLOG_LIMIT - 1:
                logs = self.enterContext(self.assertLogs('nova.messaging.local', 'WARNING'))
        self.assertEqual(local.BACKLOG_LIMIT, len(local._bus(self.bus).address('nova', self.topic, None).backlog))
        self.assertEqual(2, len(logs.output))

    def test_cells_are_apart(self):
        endpoint = self.serve('here')
        other = uuid.uuid4().hex

        class Cell:
            transport_url = f'local:///{other}'

        there = rpc_contract.Endpoint('there')
        transport = rpc.transport_for(Cell)
        server = oslo_messaging.get_rpc_server(
            transport, oslo_messaging.Target(topic=self.topic, server='there'), [there],
            serializer=rpc.RequestContextSerializer(), executor=concurrency.RPC_EXECUTOR)
        server.start()
        self.addCleanup(lambda: (server.stop(), server.wait()))
        client = self.client()
        self.assertEqual('here', client.call(self.ctxt, 'name_of'))
        self.ctxt.cell = Cell
        self.assertEqual('there', client.call(self.ctxt, 'name_of'))
        self.assertEqual('there', client.call(self.ctxt, 'name_of'))
        self.ctxt.cell = None
        self.assertEqual('here', client.call(self.ctxt, 'name_of'))
        self.assertEqual([], endpoint.calls)
        self.assertIs(transport, rpc.transport_for(Cell))

    def test_at_least_once_says_so_when_nobody_listens(self):
        client = oslo_messaging.get_rpc_client(
            rpc.TRANSPORT, oslo_messaging.Target(topic=self.topic, version='1.0'),
            serializer=rpc.RequestContextSerializer(),
            transport_options=oslo_messaging.TransportOptions(at_least_once=True))
        with self.assertRaises(oslo_messaging.MessageUndeliverable):
            client.call(self.ctxt, 'name_of')

    def test_a_call_is_handed_over_without_waiting(self):
        self.serve()
        client = self.client()
        client.call(self.ctxt, 'name_of')
        with concurrency.timeout(rpc_contract.SOON_S):
            # A transport that polls every 50 ms would need ten seconds for these.
            for _ in range(200):
                client.call(self.ctxt, 'name_of')


class NotificationTestCase(unittest.TestCase):
    """Notifications over `local://`: kept until somebody listens, one copy for each pool."""

    def setUp(self):
        CONF([], default_config_files=[])
        self.transport = oslo_messaging.get_notification_transport(CONF, f'local:///{uuid.uuid4().hex}')
        self.notifier = oslo_messaging.Notifier(self.transport, 'compute.one', driver='messaging', topics=['versioned'])

    def listen(self, pool=None):
        received = []

        class Listener:
            def info(self, ctxt, publisher_id, event_type, payload, metadata):
                received.append((publisher_id, event_type, payload))

        listener = oslo_messaging.get_notification_listener(
            self.transport, [oslo_messaging.Target(topic='versioned')], [Listener()],
            executor=concurrency.RPC_EXECUTOR, pool=pool)
        listener.start()
        self.addCleanup(lambda: (listener.stop(), listener.wait()))
        return received

    def eventually(self, expected, received):
        with concurrency.timeout(rpc_contract.SOON_S):
            while received != expected:
                concurrency.sleep(0.01)

    def test_a_notification_waits_for_a_listener(self):
        self.notifier.info({}, 'instance.create.end', {'uuid': 'abc'})
        self.eventually([('compute.one', 'instance.create.end', {'uuid': 'abc'})], self.listen())

    def test_every_pool_gets_a_copy(self):
        pools = [self.listen('billing'), self.listen('search')]
        self.notifier.info({}, 'instance.create.end', 1)
        for received in pools:
            self.eventually([('compute.one', 'instance.create.end', 1)], received)

    def test_one_of_a_pool_gets_it(self):
        members = [self.listen('billing'), self.listen('billing')]
        for number in range(4):
            self.notifier.info({}, 'instance.create.end', number)
        with concurrency.timeout(rpc_contract.SOON_S):
            while sum(map(len, members)) < 4:
                concurrency.sleep(0.01)
        self.assertEqual([2, 2], [len(received) for received in members])

    def test_a_batch_is_filled_or_its_time_is_up(self):
        batches = []

        class Listener:
            def info(self, messages):
                batches.append([message['payload'] for message in messages])

        listener = oslo_messaging.get_batch_notification_listener(
            self.transport, [oslo_messaging.Target(topic='versioned')], [Listener()],
            executor=concurrency.RPC_EXECUTOR, batch_size=3, batch_timeout=0.2)
        listener.start()
        for number in range(4):
            self.notifier.info({}, 'instance.create.end', number)
        with concurrency.timeout(rpc_contract.SOON_S):
            while len(batches) < 2:
                concurrency.sleep(0.01)
        with concurrency.timeout(rpc_contract.SOON_S):
            listener.stop()
            listener.wait()
        self.assertEqual([[0, 1, 2], [3]], batches)
