# SPDX-License-Identifier: Apache-2.0
"""Work that takes long says whether it comes further, and whoever has it done hears it.

Who moves bytes (an upload, a copy of a disk) need not know for whom: it calls `came_further`, or lets a `Gauge` or
`watching` find out.  Who must know whether work gets on or stands still has it done within `heard_by`.
"""

import contextlib
import contextvars

from nova import concurrency

#: Seconds between two looks at work that cannot tell by itself.
_LOOK_S = 5

# Each green thread has its own, and one that is started has none.
_listener = contextvars.ContextVar('progress', default=None)


@contextlib.contextmanager
def heard_by(listener):
    """Call `listener(further)` whenever what the body does came further (True) or was seen to stand still (False).

    What it raises ends the work.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def came_further(further=True):
    """Say that the work that is being done got on.  Costs nothing where nobody listens; raises to end the work."""
    listener = _listener.get()
    if listener is not None:
        listener(further)


class Gauge:
    """Says that work came further when it reads more than ever before; the first reading is where it begins."""

    def __init__(self):
        self._most = None

    def reads(self, figure):
        further = self._most is not None and figure > self._most
        if further or self._most is None:
            self._most = figure
        came_further(further)


@contextlib.contextmanager
def watching(measure):
    """Look from beside at work that the body waits for, and that cannot tell by itself.

    :param measure: returns a figure that grows while the work gets on.  OSError: there is nothing to see yet.
    Does nothing where nobody listens.  What the listener raises is raised when the body is over.
    """
    listener, over = _listener.get(), concurrency.Event()
    if listener is None:
        yield
        return

    def look():
        gauge = Gauge()
        with heard_by(listener):
            while not over.is_set():
                with contextlib.suppress(OSError):
                    gauge.reads(measure())
                over.wait(_LOOK_S)
    task = concurrency.spawn(look)
    try:
        yield
    finally:
        over.set()
    task.wait()


@contextlib.contextmanager
def of_process():
    """Watch a program that the body runs by what it reads and writes.

    Yields what `processutils.execute` takes as `on_execute`.
    """
    started = []

    def moved():
        if not started:
            return 0
        with open(f'/proc/{started[-1].pid}/io') as counters:
            return sum(int(line.split()[1]) for line in counters if not line.startswith(('sys', 'cancelled')))
    with watching(moved):
        yield started.append
