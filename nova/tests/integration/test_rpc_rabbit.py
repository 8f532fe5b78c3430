# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ keeps the same promises: what the suite says of `local://` is true of a real broker.

The broker: NOVA_TEST_RABBIT, amqp://guest:guest@127.0.0.1:5672/ unless set.
"""

from nova.tests import rpc_contract  # first: it patches

import os  # isort: skip
import socket  # isort: skip
import time  # isort: skip

from nova import rpc  # isort: skip
from nova.conf import CONF  # isort: skip


class RabbitTestCase(rpc_contract.TransportTestCase):
    __test__ = True

    def transport_url(self):
        return os.environ.get('NOVA_TEST_RABBIT', 'rabbit://guest:guest@127.0.0.1:5672/')

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
