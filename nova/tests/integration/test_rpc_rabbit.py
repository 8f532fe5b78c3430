# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ keeps the same promises: what the suite says of `local://` is true of a real broker.

The broker is NOVA_TEST_RABBIT, by default 127.0.0.1:5672; there a virtual host of our own takes all queues with it.
"""

from nova.tests import rpc_contract  # first: it patches

import socket  # isort: skip
import subprocess  # isort: skip
import time  # isort: skip
import urllib.parse  # isort: skip
import uuid  # isort: skip
from unittest import mock  # isort: skip

from oslo_messaging._drivers import impl_rabbit  # isort: skip

from nova import rpc  # isort: skip
from nova.conf import CONF  # isort: skip
from nova.tests import harness  # isort: skip


def _rabbitmqctl(*words):
    subprocess.run(['rabbitmqctl', '-q', *words], check=True, capture_output=True)


class RabbitTestCase(rpc_contract.TransportTestCase):
    __test__ = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        name = f'nova-test-rpc-{uuid.uuid4().hex[:8]}'
        _rabbitmqctl('add_vhost', name)
        cls.addClassCleanup(_rabbitmqctl, 'delete_vhost', name)
        user = urllib.parse.urlsplit(harness.RABBIT).username
        _rabbitmqctl('set_permissions', '-p', name, user, '.*', '.*', '.*')
        cls.url = f'{harness.RABBIT}/{name}'

    def transport_url(self):
        return self.url

    def test_who_waits_for_messages_sleeps(self):
        self.serve()
        self.client().call(self.ctxt, 'echo', value=1)
        consume = impl_rabbit.Connection.consume
        with mock.patch.object(impl_rabbit.Connection, 'consume', autospec=True, side_effect=consume) as looked:
            time.sleep(0.4)
        self.assertLess(looked.call_count, 8)

    def test_a_doorbell_does_not_wait_for_a_broker_that_is_away(self):
        with socket.socket() as nobody:
            nobody.bind(('127.0.0.1', 0))
            CONF.set_override('transport_url', f'rabbit://guest:guest@127.0.0.1:{nobody.getsockname()[1]}/')
            rpc.init(CONF)
            begun = time.monotonic()
            with self.assertLogs('nova.rpc', 'WARNING') as logs:
                self.client().ring(self.ctxt, 'echo', value=1)
            self.assertLess(time.monotonic() - begun, 2 * rpc.RING_TIMEOUT_S)
        self.assertIn('was not delivered', logs.output[0])
