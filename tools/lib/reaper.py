# SPDX-License-Identifier: Apache-2.0
"""Run a daemon, and be to its descendants what the first process of a machine is: take note of their end.

    reaper.py COMMAND [ARGUMENT ...]

The guests that libvirtd starts have no parent.  Until somebody takes note of their end, libvirt waits for it; and the
first process of a container may do that late, or never.  Ends when all have ended, the guests that outlive the daemon
too; SIGTERM goes on to the daemon.
"""

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_CHILD_SUBREAPER = 36


def main(command):
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    daemon = os.posix_spawnp(command[0], command, os.environ)

    def pass_on(number, _frame):
        with contextlib.suppress(ProcessLookupError):
            os.kill(daemon, number)
    signal.signal(signal.SIGTERM, pass_on)
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.wait()[0] == daemon:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)


if __name__ == '__main__':
    main(sys.argv[1:])
