# SPDX-License-Identifier: Apache-2.0
"""nova-spicehtml5proxy: the screens of guests for SPICE clients in browsers."""

from nova import concurrency

concurrency.monkey_patch()

from nova.cmd import common  # noqa: E402  (everything below must be imported patched)
from nova.conf import CONF, spicehtml5proxy  # noqa: E402
from nova.console import baseproxy  # noqa: E402

WEB = '/usr/share/spice-html5'


def services():
    return [baseproxy.ProxyService('nova-spicehtml5proxy', ('spice-html5',), CONF.spice.html5proxy_host,
                                   CONF.spice.html5proxy_port, WEB)]


def main():
    baseproxy.register_cli_opts(spicehtml5proxy.GROUP, spicehtml5proxy.CLI_OPTS)
    return common.run('nova-spicehtml5proxy', services)
