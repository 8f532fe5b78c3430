# SPDX-License-Identifier: Apache-2.0
"""nova-novncproxy: the screens of guests for VNC clients in browsers."""

from nova import concurrency

concurrency.monkey_patch()

from nova.cmd import common  # noqa: E402  (everything below must be imported patched)
from nova.conf import CONF, novnc  # noqa: E402
from nova.console import baseproxy  # noqa: E402

WEB = '/usr/share/novnc'


def services():
    return [baseproxy.ProxyService('nova-novncproxy', ('novnc',), CONF.vnc.novncproxy_host, CONF.vnc.novncproxy_port,
                                   WEB)]


def main():
    baseproxy.register_cli_opts(novnc.GROUP, novnc.CLI_OPTS)
    return common.run('nova-novncproxy', services)
