# SPDX-License-Identifier: Apache-2.0
"""What may be asked of nova-compute on a host."""

import oslo_messaging

from nova import rpc
from nova.conf import CONF

# Version  what, and why
#   1.0    doorbells (the orders are in the database), one method for each kind of order, see `CONCERNS` in the
#          manager; calls: get_console_output, get_console, get_diagnostics, get_instance_diagnostics,
#          get_host_uptime, reset_network, inject_network_info, refresh_instance_security_rules
VERSION = '1.0'
TOPIC = 'compute'


class ComputeAPI:
    """Client of nova-compute."""

    def __init__(self):
        self.client = rpc.get_client(oslo_messaging.Target(topic=TOPIC, version=VERSION))

    def ring(self, context, host, method, action_id):
        """Wake a host that has an order to carry out; `method` is the order's."""
        self.client.prepare(server=host).ring(context, method, action_id=action_id)

    def get_console_output(self, context, instance, tail_length):
        """The last lines (None or -1: all that is kept) of the guest's console, as text."""
        return self._call(context, instance.host, 'get_console_output', instance=instance, tail_length=tail_length)

    def get_console(self, context, instance, console_type):
        """{'type', 'url'}: see `nova.compute.consoles.connect`."""
        return self._call(context, instance.host, 'get_console', instance=instance, console_type=console_type)

    def get_diagnostics(self, context, instance):
        return self._call(context, instance.host, 'get_diagnostics', instance=instance)

    def get_instance_diagnostics(self, context, instance):
        return self._call(context, instance.host, 'get_instance_diagnostics', instance=instance)

    def reset_network(self, context, instance):
        self.client.prepare(server=instance.host).cast(context, 'reset_network', instance=instance)

    def inject_network_info(self, context, instance):
        self.client.prepare(server=instance.host).cast(context, 'inject_network_info', instance=instance)

    def get_host_uptime(self, context, host):
        return self._call(context, host, 'get_host_uptime')

    def refresh_instance_security_rules(self, context, host, instance):
        self.client.prepare(server=host).cast(context, 'refresh_instance_security_rules', instance=instance)

    def _call(self, context, host, method, **arguments):
        return self.client.prepare(server=host, timeout=CONF.rpc_response_timeout).call(context, method, **arguments)
