# SPDX-License-Identifier: Apache-2.0
"""nova-serialproxy: the serial ports of guests over WebSockets."""

from nova import concurrency

concurrency.monkey_patch()

from nova.cmd import common  # noqa: E402  (everything below must be imported patched)
from nova.conf import CONF, serialproxy  # noqa: E402
from nova.console import baseproxy  # noqa: E402


def services():
    return [baseproxy.ProxyService('nova-serialproxy', ('serial',), CONF.serial_console.serialproxy_host,
                                   CONF.serial_console.serialproxy_port)]


def main():
    baseproxy.register_cli_opts(serialproxy.GROUP, serialproxy.CLI_OPTS)
    return common.run('nova-serialproxy', services)
