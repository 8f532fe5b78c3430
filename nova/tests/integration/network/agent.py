# SPDX-License-Identifier: Apache-2.0
"""Runs inside a test's network namespace: nova-network, the packet filter of nova-compute, and a database for both.

    python -m nova.tests.integration.network.agent <fd of a socket> <directory> <host name> [option=value ...]

What comes by the socket is Python, one JSON string a line; it runs with the names in `scope`, and the value of its last
expression goes back as JSON.
"""

import ast
import json
import os
import socket
import sys
import traceback

from nova import concurrency

concurrency.monkey_patch()

import oslo_messaging  # noqa: E402  (everything below must be imported patched)

from nova import context, objects, privsep, rpc, service  # noqa: E402
from nova.conf import CONF  # noqa: E402
from nova.network import api, linux_net  # noqa: E402
from nova.tests import database  # noqa: E402


def run(code, scope):
    """Execute statements; the value of the last one if it is an expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, 'test', 'exec'), scope)  # noqa: S102  (the test's own code)
    return eval(compile(ast.Expression(last.value), 'test', 'eval'), scope) if last is not None else None  # noqa: S307


def serve(connection, scope):
    for line in connection.makefile('r'):
        try:
            answer = {'value': run(json.loads(line), scope)}
        except Exception:  # noqa: BLE001  (it is the test's)
            answer = {'error': traceback.format_exc()}
        connection.sendall(json.dumps(answer, default=str).encode() + b'\n')


def main(descriptor, directory, host, *options):
    rpc.register_options(CONF, 'local://')
    CONF([], project='nova', default_config_files=[])
    CONF.set_override('host', host)
    for option in options:
        name, value = option.split('=', 1)
        if name == 'privsep_helper':
            # As a service that is not root asks for it: in a process that has only the capabilities it needs.
            CONF.set_override('helper_command', value, group='nova_sys_admin')
            privsep.sys_admin_pctxt.set_client_mode(True)
            continue
        CONF.set_override(name, value if name not in ('multi_host', 'allow_same_net_traffic') else value == 'True')
    with database.database(directory):
        CONF.set_override('state_path', os.path.join(directory, host))
        CONF.set_override('connection', f'sqlite:///{directory}/nova.sqlite', group='database')
        rpc.init(CONF)
        network = service.Service.create('nova-network')
        network.start()
        networks, firewall = api.API(), linux_net.Firewall()
        target = oslo_messaging.Target(topic='compute', server=host)
        rpc.get_server(target, [linux_net.FirewallEndpoint(firewall)]).start()
        connection = socket.socket(fileno=int(descriptor))
        serve(connection, {'api': networks, 'firewall': firewall, 'objects': objects, 'service': network,
                           'manager': network.manager, 'context': database.admin(), 'database': database,
                           'nova_context': context, 'CONF': CONF, 'concurrency': concurrency,
                           'requested': api.requested})


if __name__ == '__main__':
    main(*sys.argv[1:])
