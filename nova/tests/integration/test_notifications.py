# SPDX-License-Identifier: Apache-2.0
"""Notifications over a real broker, from daemons of their own, as a listener of others hears them."""

import contextlib
import json
import secrets
import socket
import threading
import time

import kombu
import pytest

from nova.tests import harness

SETTINGS = {
    'oslo_messaging_notifications': {'driver': 'messagingv2'},
    'notifications': {'notification_format': 'both', 'notify_on_state_change': 'vm_state'},
}


class Listener:
    """Takes what is in the queues of a topic, as a listener without oslo.messaging would."""

    def __init__(self, url, topic, priorities=('info', 'error')):
        self.connection = kombu.Connection(url)
        exchange = kombu.Exchange('nova', type='topic', durable=False)
        self.queues = []
        for priority in priorities:
            name = f'{topic}.{priority}'
            queue = kombu.Queue(name, exchange, routing_key=name, durable=False, auto_delete=False)
            self.queues.append(self.connection.SimpleQueue(queue))
        self.heard = []

    def listen(self):
        """[notification], everything until now; the envelope of oslo.messaging 2.0 is taken off."""
        for queue in self.queues:
            while True:
                try:
                    message = queue.get(block=False)
                except queue.Empty:
                    break
                message.ack()
                body = message.payload if isinstance(message.payload, dict) else json.loads(message.body)
                assert body['oslo.version'] == '2.0'
                self.heard.append(json.loads(body['oslo.message']))
        return self.heard

    def types(self):
        return [note['event_type'] for note in self.listen()]

    def close(self):
        for queue in self.queues:
            queue.close()
        self.connection.close()


@pytest.fixture(scope='module')
def site():
    with harness.Cloud.daemons(SETTINGS) as cloud:
        yield cloud
        assert not cloud.tracebacks()


@pytest.fixture(scope='module')
def listeners(site):
    url = site.transport.replace('rabbit://', 'amqp://')
    found = {topic: Listener(url, topic) for topic in ('versioned_notifications', 'notifications')}
    yield found
    for listener in found.values():
        listener.close()


def until(condition, what):
    return harness.wait_for(condition, what, 30, 0.2)


def test_a_life_is_heard_on_both_topics(site, listeners):
    client = site.client()
    server = client.boot('heard')
    client.action(server['id'], 'pause')
    client.wait(server['id'], 'PAUSED')
    client.call('DELETE', f'/servers/{server["id"]}')
    client.gone(server['id'])
    new, old = listeners['versioned_notifications'], listeners['notifications']
    until(lambda: 'instance.delete.end' in new.types(), 'the end')
    until(lambda: 'compute.instance.delete.end' in old.types(), 'the end, in the old form')
    for listener, prefix in ((new, 'instance.'), (old, 'compute.instance.')):
        told = [name.removeprefix(prefix) for name in listener.types() if name.startswith(prefix)]
        assert [name for name in told if name != 'update'] == [
            'create.start', 'create.end', 'pause.start', 'pause.end', 'exists', 'delete.start', 'shutdown.start',
            'shutdown.end', 'delete.end']
    ended = next(note for note in new.heard if note['event_type'] == 'instance.create.end')
    assert (ended['publisher_id'], ended['priority']) == ('nova-compute:test', 'INFO')
    assert ended['payload']['nova_object.name'] == 'InstanceCreatePayload'
    assert ended['payload']['nova_object.data']['uuid'] == server['id']
    same = next(note for note in old.heard if note['event_type'] == 'compute.instance.create.end')
    assert (same['publisher_id'], same['payload']['instance_id']) == ('compute.test', server['id'])
    assert {note['event_type'] for note in new.heard} >= {
        'service.create', 'scheduler.select_destinations.start', 'scheduler.select_destinations.end'}
    assert {note['publisher_id'].split(':')[0] for note in new.heard} >= {
        'nova-conductor', 'nova-scheduler', 'nova-compute', 'nova-network', 'nova-api'}


def test_errors_have_a_queue_of_their_own(site, listeners):
    client, new = site.client(), listeners['versioned_notifications']
    site.manage('flavor', 'create', '--name', 'm1.huge', '--id', 'huge', '--ram', '9999999', '--vcpus', '1',
                '--disk', '1')
    new.listen()
    client.boot('too large', 'ERROR', flavorRef='huge')
    found = until(lambda: [note for note in new.listen() if note['event_type'] == 'compute_task.build_instances.error'],
                  'the error')
    assert [note['priority'] for note in found] == ['ERROR']
    reason = found[0]['payload']['nova_object.data']['reason']['nova_object.data']
    assert reason['exception'] == 'NoValidHost'


class Relay:
    """Lets through to the broker those who connect to a port of ours, while it is open."""

    def __init__(self, port):
        self.listener = socket.create_server(('127.0.0.1', port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _address = self.listener.accept()
                far = socket.create_connection(('127.0.0.1', 5672))
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    @staticmethod
    def _pump(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            end.close()


def test_a_broker_that_comes_late_delays_no_action_and_hears_everything():
    """Notifications have a broker of their own, which is not there at first."""
    port, topic = harness.free_port(), f'late_{secrets.token_hex(4)}'
    settings = {'oslo_messaging_notifications': {'driver': 'messagingv2', 'topics': topic,
                                                 'transport_url': f'rabbit://guest:guest@127.0.0.1:{port}/'}}
    with harness.Cloud.all_in_one(settings) as cloud:
        client = cloud.client()
        begun = time.monotonic()
        server = client.boot('unheard')
        client.action(server['id'], 'pause')
        client.wait(server['id'], 'PAUSED')
        assert time.monotonic() - begun < 20
        relay = Relay(port)
        listener = Listener('amqp://guest:guest@127.0.0.1:5672//', topic)
        try:
            until(lambda: 'compute.instance.pause.end' in listener.types(), 'what waited')
            assert [name for name in listener.types() if name.startswith('compute.instance.')] == [
                f'compute.instance.{name}' for name in ('create.start', 'create.end', 'pause.start', 'pause.end')]
        finally:
            for queue in listener.queues:
                queue.queue.delete()
            listener.close()
            relay.listener.close()
