# SPDX-License-Identifier: Apache-2.0
"""What DHCP servers report of leases: from nova-dhcpbridge to nova-network, by a local socket.

dnsmasq starts the command for each lease that begins, changes or ends.  It must be quick and need no broker, so it
sends one datagram and goes.  Reports are written to the records some at a time.
"""

import contextlib
import os
import socket

from oslo_log import log

from nova import concurrency

LOG = log.getLogger(__name__)

#: What dnsmasq calls a lease's beginning or change (`old` also for each one when it reads its files again).
LEASED = {'add': True, 'old': True, 'del': False}
#: Seconds in which reports are gathered before they are written.
_GATHER_S = 0.5
_LARGEST = 4096


def parse(datagram):
    """(address, leased) of a report; None for one that says nothing of an IPv4 lease."""
    parts = datagram.decode(errors='replace').split()
    if len(parts) < 3 or parts[0] not in LEASED or ':' in parts[2]:
        return None
    return parts[2], LEASED[parts[0]]


class Listener:
    """Takes reports, and hands them on as {address: leased}.

    :param path: of the socket; what is there is replaced.
    :param record: called with each batch; what it raises is logged, and the batch is tried again with the next.
    """

    def __init__(self, path, record):
        self._path, self._record = path, record
        self._pending = {}
        self._socket = self._thread = None

    def start(self):
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._path)
        os.chmod(self._path, 0o600)
        self._thread = concurrency.spawn(self._loop)

    def stop(self):
        if self._thread is not None:
            self._thread.kill()
            self._thread = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def note(self, address, leased):
        """A report that came another way."""
        self._pending[address] = leased

    def _loop(self):
        while True:
            self._take(self._socket.recv(_LARGEST))
            concurrency.sleep(_GATHER_S)
            self._socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    self._take(self._socket.recv(_LARGEST))
            self._socket.setblocking(True)
            self.flush()

    def _take(self, datagram):
        report = parse(datagram)
        if report is not None:
            self._pending[report[0]] = report[1]

    def flush(self):
        """Hand on what came."""
        batch, self._pending = self._pending, {}
        if not batch:
            return
        try:
            self._record(batch)
        except Exception:
            LOG.exception('%d leases could not be recorded; trying again with the next', len(batch))
            self._pending = {**batch, **self._pending}
