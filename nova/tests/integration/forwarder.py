# SPDX-License-Identifier: Apache-2.0
"""Lets a host in namespaces reach a server on this machine's loopback, and nothing else.

Runs as a process of its own (`python forwarder.py PID PORT`): it makes its listening socket inside the network
namespace of a process, and connects from the namespace it came from.  In the process of the tests that could go wrong:
where threads are green, the whole process would change namespaces.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import threading

_CLONE_NEWNET = 0x40000000


class Forwarder:
    """Forwards 127.0.0.1:port of a namespace to 127.0.0.1:port of this one, until it is closed.

    :param pid: a process in the namespace.
    """

    def __init__(self, pid, port):
        self._process = subprocess.Popen([sys.executable, __file__, str(pid), str(port)], stdout=subprocess.PIPE,
                                         text=True)
        if self._process.stdout.readline().strip() != 'ready':
            raise RuntimeError(f'port {port} of the namespace of process {pid} cannot be forwarded')

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()


def _enter(path):
    with open(path) as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _pump(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def main(pid, port):
    with open('/proc/self/ns/net') as home:
        _enter(f'/proc/{pid}/ns/net')
        listener = socket.create_server(('127.0.0.1', port))
        if ctypes.CDLL(None).setns(home.fileno(), _CLONE_NEWNET):
            sys.exit('there is no way back')
    print('ready', flush=True)      # noqa: T201  what the other side waits for
    while True:
        inside, _address = listener.accept()
        try:
            outside = socket.create_connection(('127.0.0.1', port))
        except OSError:
            inside.close()
            continue
        for source, target in ((inside, outside), (outside, inside)):
            threading.Thread(target=_pump, args=(source, target), daemon=True).start()


if __name__ == '__main__':
    main(int(sys.argv[1]), int(sys.argv[2]))
