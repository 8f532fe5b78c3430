# SPDX-License-Identifier: Apache-2.0
"""Lets the hosts of a bed reach servers on this machine's loopback, at the address that this machine has among them.

    python relay.py ADDRESS PORT=HOST:PORT ...

Servers see a connection from this machine: they may go on to refuse all others.
"""

import asyncio
import contextlib
import sys


async def _pump(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.close()


def _connect(host, port):
    async def relay(reader, writer):
        try:
            there, back = await asyncio.open_connection(host, port)
        except OSError as error:
            print(f'{host}:{port}: {error}', file=sys.stderr, flush=True)
            writer.close()
            return
        await asyncio.gather(_pump(reader, back), _pump(there, writer))
    return relay


async def main(address, *ways):
    """Relay until the process ends.

    :param ways: each as '<port here>=<host>:<port>'.
    """
    servers = []
    for way in ways:
        port, _equals, target = way.partition('=')
        host, _colon, target_port = target.rpartition(':')
        servers.append(await asyncio.start_server(_connect(host, int(target_port)), address, int(port)))
    print('ready', flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == '__main__':
    asyncio.run(main(*sys.argv[1:]))
