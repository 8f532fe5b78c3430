# SPDX-License-Identifier: Apache-2.0
"""What `nova.rpc` promises over any transport.  One suite: `local://` and a broker must both pass it.

A subclass says `transport_url()`.
"""

from nova import concurrency

concurrency.monkey_patch()

import collections  # noqa: E402
import time  # noqa: E402
import unittest  # noqa: E402
import uuid  # noqa: E402

import oslo_messaging  # noqa: E402

from nova import context, exception, objects, rpc  # noqa: E402
from nova.conf import CONF  # noqa: E402

#: Seconds in which a message that can arrive has arrived, on a busy machine.
SOON_S = 15


class Refused(Exception):
    """An exception of a module that callers do not rebuild."""


class Endpoint:
    """Does what the tests need, and remembers who was asked."""

    target = oslo_messaging.Target(version='1.3')

    def __init__(self, name='one'):
        self.name = name
        self.calls = []
        self.contexts = []
        self.release = concurrency.Event()

    def echo(self, ctxt, value):
        self.calls.append(value)
        self.contexts.append(ctxt)
        return value

    def name_of(self, ctxt):
        return self.name

    def fail(self, ctxt, kind):
        if kind == 'ours':
            raise exception.InstanceNotFound(instance_id='abc')
        if kind == 'builtin':
            raise ValueError('wrong value')
        raise Refused('not known to the caller')

    def wait(self, ctxt, seconds):
        concurrency.sleep(seconds)
        return 'slept'

    def hold(self, ctxt):
        self.calls.append('holding')
        self.release.wait(SOON_S)
        self.calls.append('let go')

    def change(self, ctxt, values):
        values['changed'] = True
        return values

    @rpc.not_remote
    def ours_alone(self, ctxt):
        return 'never'


class Override(Endpoint):
    def ours_alone(self, ctxt):
        return 'nor this'


class RPCContract:
    """The suite.  Mixed into a TestCase that knows a transport."""

    def setUp(self):
        super().setUp()
        objects.register_all()
        CONF([], default_config_files=[])
        rpc.register_options(CONF)
        CONF.set_override('transport_url', self.transport_url())
        self.addCleanup(CONF.clear_override, 'transport_url')
        rpc.init(CONF)
        self.addCleanup(rpc.cleanup)
        CONF.set_override('rpc_response_timeout', SOON_S)
        self.addCleanup(CONF.clear_override, 'rpc_response_timeout')
        # Its own, because a broker outlives the test.
        self.topic = f'test-{uuid.uuid4().hex[:8]}'
        self.ctxt = context.RequestContext(user_id='u', project_id='p', roles=['member'], request_id='req-' +
                                           str(uuid.uuid4()))

    def serve(self, server='one', endpoint=None, topic=None):
        endpoint = endpoint or Endpoint(server)
        rpc_server = rpc.get_server(oslo_messaging.Target(topic=topic or self.topic, server=server), [endpoint])
        rpc_server.start()

        def end():
            rpc_server.stop()
            rpc_server.wait()

        self.addCleanup(end)
        endpoint.end = end
        return endpoint

    def client(self, version='1.0', **how):
        return rpc.get_client(oslo_messaging.Target(topic=self.topic, version=version), **how)

    def eventually(self, condition):
        deadline = time.monotonic() + SOON_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'it did not happen')
            concurrency.sleep(0.01)

    def test_a_call_returns_the_result(self):
        endpoint = self.serve()
        self.assertEqual({'a': [1, 'two', None]}, self.client().call(self.ctxt, 'echo', value={'a': [1, 'two', None]}))
        self.assertEqual(1, len(endpoint.calls))

    def test_the_context_arrives(self):
        endpoint = self.serve()
        self.client().call(self.ctxt, 'echo', value=1)
        arrived = endpoint.contexts[0]
        self.assertIsInstance(arrived, context.RequestContext)
        self.assertEqual(('u', 'p', ['member'], self.ctxt.request_id, False),
                         (arrived.user_id, arrived.project_id, arrived.roles, arrived.request_id, arrived.is_admin))

    def test_an_object_arrives_as_an_object_of_its_own(self):
        endpoint = self.serve()
        sent = objects.KeyPair(name='k', user_id='u', public_key='ssh-rsa AAAA', type='ssh')
        received = self.client().call(self.ctxt, 'echo', value=sent)
        self.assertIsInstance(received, objects.KeyPair)
        self.assertEqual('k', received.name)
        self.assertIsNot(sent, endpoint.calls[0])

    def test_nothing_is_shared_by_reference(self):
        self.serve()
        sent = {'inner': {'n': 1}}
        received = self.client().call(self.ctxt, 'change', values=sent)
        self.assertEqual({'inner': {'n': 1}}, sent)
        self.assertEqual({'inner': {'n': 1}, 'changed': True}, received)

    def test_keys_and_tuples_become_what_json_makes_of_them(self):
        self.serve()
        self.assertEqual({'1': [1, 2]}, self.client().call(self.ctxt, 'echo', value={1: (1, 2)}))

    def test_our_exceptions_arrive_as_what_they_are_with_the_remote_traceback(self):
        self.serve()
        with self.assertRaises(exception.InstanceNotFound) as raised:
            self.client().call(self.ctxt, 'fail', kind='ours')
        self.assertEqual('abc', raised.exception.kwargs['instance_id'])
        self.assertIn('Instance abc could not be found', str(raised.exception))
        self.assertIn('in fail', str(raised.exception))

    def test_builtin_exceptions_arrive_as_what_they_are(self):
        self.serve()
        with self.assertRaises(ValueError), self.assertLogs('oslo_messaging.rpc.server', 'ERROR'):
            self.client().call(self.ctxt, 'fail', kind='builtin')

    def test_exceptions_of_other_modules_arrive_as_remote_errors(self):
        self.serve()
        with self.assertRaises(oslo_messaging.RemoteError) as raised, \
                self.assertLogs('oslo_messaging.rpc.server', 'ERROR'):
            self.client().call(self.ctxt, 'fail', kind='unknown')
        self.assertEqual('Refused', raised.exception.exc_type)
        self.assertEqual('not known to the caller', raised.exception.value)

    def test_what_the_domain_expects_to_go_wrong_is_no_error_in_the_log(self):
        self.serve()
        with self.assertNoLogs('oslo_messaging.rpc.server', 'ERROR'), self.assertRaises(exception.NotFound):
            self.client().call(self.ctxt, 'fail', kind='ours')

    def test_a_cast_returns_at_once_and_arrives(self):
        endpoint = self.serve()
        self.assertIsNone(self.client().cast(self.ctxt, 'echo', value='thrown'))
        self.eventually(lambda: endpoint.calls == ['thrown'])

    def test_a_doorbell_is_a_cast(self):
        endpoint = self.serve()
        self.client().ring(self.ctxt, 'echo', value='rung')
        self.eventually(lambda: endpoint.calls == ['rung'])

    def test_a_call_nobody_answers_times_out(self):
        self.serve()
        begun = time.monotonic()
        with self.assertRaises(oslo_messaging.MessagingTimeout):
            self.client().prepare(timeout=1).call(self.ctxt, 'wait', seconds=1.5)
        self.assertLess(time.monotonic() - begun, 1.5)

    def test_a_call_to_a_server_that_is_not_there_times_out(self):
        self.serve('one')
        with self.assertRaises(oslo_messaging.MessagingTimeout):
            self.client().prepare(server='two', timeout=1).call(self.ctxt, 'name_of')

    def test_a_call_to_a_server_that_is_starting_waits_for_it(self):
        self.serve('one')
        endpoint = Endpoint('two')
        concurrency.spawn_after(1, self.serve, 'two', endpoint)
        self.assertEqual('early', self.client().prepare(server='two', timeout=SOON_S).call(
            self.ctxt, 'echo', value='early'))
        self.assertEqual(['early'], endpoint.calls)

    def test_a_call_to_a_service_that_is_starting_waits_for_it(self):
        concurrency.spawn_after(1, self.serve)
        self.assertEqual('early', self.client().call(self.ctxt, 'echo', value='early'))

    def test_a_call_waits_for_a_server_that_comes_back(self):
        self.serve('one').end()
        endpoint = Endpoint('one')
        concurrency.spawn_after(1, self.serve, 'one', endpoint)
        self.assertEqual('again', self.client().prepare(server='one').call(self.ctxt, 'echo', value='again'))
        self.assertEqual(['again'], endpoint.calls)

    def test_that_nobody_is_there_is_found_out_long_before_an_answer_would_be_late(self):
        CONF.set_override('rpc_delivery_timeout', 1)
        self.addCleanup(CONF.clear_override, 'rpc_delivery_timeout')
        self.serve('one')
        begun = time.monotonic()
        with self.assertRaisesRegex(rpc.NobodyListens, f'{self.topic} on two.* 1 s'):
            self.client().prepare(server='two', timeout=60).call(self.ctxt, 'name_of')
        self.assertLess(time.monotonic() - begun, SOON_S)

    def test_messages_that_come_back_do_no_harm_to_others(self):
        CONF.set_override('rpc_delivery_timeout', 1)
        self.addCleanup(CONF.clear_override, 'rpc_delivery_timeout')
        endpoint, client = self.serve('one'), self.client()
        calls = [concurrency.spawn(client.prepare(server=f'nobody {number}').call, self.ctxt, 'name_of')
                 for number in range(3)]
        for number in range(100):
            client.prepare(server='one').call(self.ctxt, 'echo', value=number)
        for call in calls:
            with self.assertRaises(rpc.NobodyListens):
                call.wait()
        self.assertEqual(list(range(100)), endpoint.calls)

    def test_a_long_call_lives_as_long_as_the_other_side_gives_signs_of_life(self):
        self.serve()
        client = self.client(call_monitor_timeout=2).prepare(timeout=30)
        self.assertEqual('slept', client.call(self.ctxt, 'wait', seconds=3.2))

    def test_a_monitored_call_is_given_up_when_no_sign_of_life_comes(self):
        self.serve()
        begun = time.monotonic()
        with self.assertRaises(oslo_messaging.MessagingTimeout):
            # No server of this name, so nobody who could give a sign.
            self.client(call_monitor_timeout=1).prepare(server='gone', timeout=30).call(self.ctxt, 'name_of')
        self.assertLess(time.monotonic() - begun, SOON_S)

    def test_a_server_is_addressed_by_name(self):
        self.serve('one')
        self.serve('two')
        for name in ('one', 'two', 'two', 'one'):
            self.assertEqual(name, self.client().prepare(server=name).call(self.ctxt, 'name_of'))

    def test_servers_of_a_topic_take_turns(self):
        self.serve('one')
        self.serve('two')
        asked = collections.Counter(self.client().call(self.ctxt, 'name_of') for _ in range(10))
        self.assertEqual({'one': 5, 'two': 5}, asked)

    def test_a_fanout_reaches_every_server(self):
        endpoints = [self.serve(name) for name in ('one', 'two', 'three')]
        self.client().prepare(fanout=True).cast(self.ctxt, 'echo', value='all')
        self.eventually(lambda: [e.calls for e in endpoints] == [['all']] * 3)

    def test_a_message_waits_while_its_server_is_away(self):
        first = self.serve()
        self.client().call(self.ctxt, 'echo', value='here')
        first.end()
        self.client().prepare(server='one').cast(self.ctxt, 'echo', value='to the server')
        self.client().cast(self.ctxt, 'echo', value='to the topic')
        second = self.serve()
        self.eventually(lambda: sorted(second.calls) == ['to the server', 'to the topic'])
        self.assertEqual(['here'], first.calls)

    def test_a_call_that_was_given_up_is_not_carried_out_later(self):
        self.serve().end()
        with self.assertRaises(oslo_messaging.MessagingTimeout):
            self.client().prepare(timeout=1).call(self.ctxt, 'echo', value='too late')
        concurrency.sleep(0.3)
        endpoint = self.serve()
        self.client().call(self.ctxt, 'echo', value='in time')
        self.assertEqual(['in time'], endpoint.calls)

    def test_stopping_waits_for_what_is_being_worked_on(self):
        endpoint = self.serve()
        self.client().cast(self.ctxt, 'hold')
        self.eventually(lambda: endpoint.calls == ['holding'])
        concurrency.spawn_after(0.3, endpoint.release.set)
        endpoint.end()
        self.assertEqual(['holding', 'let go'], endpoint.calls)

    def test_messages_are_worked_on_side_by_side(self):
        self.serve()
        begun = time.monotonic()
        concurrency.GreenPool(10).map(
            lambda _: self.client().call(self.ctxt, 'wait', seconds=0.5), range(10))
        self.assertLess(time.monotonic() - begun, 2.5)

    def test_an_unknown_method_is_refused(self):
        self.serve()
        with self.assertRaises(oslo_messaging.RemoteError) as raised, \
                self.assertLogs('oslo_messaging.rpc.server', 'ERROR'):
            self.client().call(self.ctxt, 'nothing_of_that_name')
        self.assertEqual('NoSuchMethod', raised.exception.exc_type)

    def test_a_version_the_server_does_not_know_is_refused(self):
        self.serve()
        with self.assertRaises(oslo_messaging.RemoteError) as raised, \
                self.assertLogs('oslo_messaging.rpc.server', 'ERROR'):
            self.client('1.4').call(self.ctxt, 'name_of')
        self.assertEqual('UnsupportedVersion', raised.exception.exc_type)

    def test_a_pin_forbids_newer_methods(self):
        client = self.client('1.3', version_cap='1.1')
        self.assertFalse(client.can_send_version('1.2'))
        self.assertTrue(client.can_send_version('1.1'))
        self.assertFalse(client.can_send_version('2.0'))
        with self.assertRaises(oslo_messaging.RPCVersionCapError):
            client.prepare(version='1.2').cast(self.ctxt, 'echo', value=1)

    def test_private_and_local_methods_cannot_be_called(self):
        self.serve(endpoint=Override())
        for method in ('ours_alone', '__init__'):
            with self.assertRaises(oslo_messaging.RemoteError) as raised, \
                    self.assertLogs('oslo_messaging.rpc.server', 'ERROR'):
                self.client().call(self.ctxt, method)
            self.assertEqual('NoSuchMethod', raised.exception.exc_type)

    def test_every_server_answers_a_ping(self):
        self.serve('one')
        rpc.ping(self.topic, timeout=SOON_S)
        rpc.ping(self.topic, server='one', timeout=SOON_S)
        with self.assertRaises(oslo_messaging.MessagingTimeout):
            rpc.ping(self.topic, server='two', timeout=1)

    def test_messages_are_counted(self):
        self.serve()
        self.client().call(self.ctxt, 'echo', value=1)
        self.client().cast(self.ctxt, 'echo', value=1)
        self.client().prepare(fanout=True).cast(self.ctxt, 'echo', value=1)
        for kind in ('call', 'cast', 'fanout'):
            self.assertEqual(1, rpc.COUNTERS.counts[kind, self.topic, 'echo'])

    def test_a_client_survives_a_new_start_of_the_transport(self):
        client = self.client()
        self.serve('one').end()
        rpc.init(CONF)
        self.serve('one')
        self.assertEqual('one', client.call(self.ctxt, 'name_of'))


class TransportTestCase(RPCContract, unittest.TestCase):
    """Base of the suites.  Holds no tests of its own: pytest is told so."""

    __test__ = False
