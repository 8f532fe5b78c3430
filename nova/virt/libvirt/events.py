# SPDX-License-Identifier: Apache-2.0
"""libvirt's event loop, and the way of an event from its native thread to the green side.

libvirt calls back in the thread that runs its loop.  That thread is native and touches nothing green: it only puts a
tuple into a queue, which a green thread empties.
"""

import threading

import libvirt
from oslo_log import log as logging

from nova import concurrency
from nova.virt import event

LOG = logging.getLogger(__name__)

#: libvirt's domain events, as ours.  What is not here says nothing of the power state.
TRANSITIONS = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: event.EVENT_LIFECYCLE_STARTED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: event.EVENT_LIFECYCLE_STOPPED,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: event.EVENT_LIFECYCLE_STOPPED,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: event.EVENT_LIFECYCLE_PAUSED,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: event.EVENT_LIFECYCLE_RESUMED,
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: event.EVENT_LIFECYCLE_SUSPENDED,
}

#: What a detail makes of it; None is no event at all.
DETAILS = {
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED): event.EVENT_LIFECYCLE_SUSPENDED,
    # The guest goes on elsewhere: whoever migrates it says so.
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_MIGRATED): None,
    (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_MIGRATED): None,
    (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED):
        event.EVENT_LIFECYCLE_MIGRATION_COMPLETED,
    (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY):
        event.EVENT_LIFECYCLE_POSTCOPY_STARTED,
}

_END = object()


def transition_of(kind, detail):
    """The EVENT_LIFECYCLE_ constant for one of libvirt's events, or None."""
    return DETAILS[kind, detail] if (kind, detail) in DETAILS else TRANSITIONS.get(kind)


def in_background(function):
    """Run a function beside everything else: in a green thread where there are such."""
    if concurrency.is_patched():
        return concurrency.spawn(function)
    thread = threading.Thread(target=function, name=f'libvirt-{function.__name__}', daemon=True)
    thread.start()
    return thread


class _Loop:
    """libvirt's event loop: one a process, for ever.  Must be there before the first connection is opened."""

    def __init__(self):
        self._started = False

    def ensure(self):
        if self._started:
            return
        self._started = True
        libvirt.virEventRegisterDefaultImpl()
        native = concurrency.native_module('threading') if concurrency.is_patched() else threading
        native.Thread(target=self._run, name='libvirt-events', daemon=True).start()

    @staticmethod
    def _run():
        while True:
            libvirt.virEventRunDefaultImpl()


LOOP = _Loop()


class Stream:
    """Calls from libvirt's thread, handed to functions on the green side, in their order.

    :param handlers: {kind: function}, called with what was `put` after the kind.  An exception is logged, and ends
        nothing.
    """

    def __init__(self, handlers):
        self._handlers = handlers
        self._queue = None
        self._task = None

    def start(self):
        self._queue = concurrency.NativeQueue()
        self._task = in_background(self._deliver)

    def stop(self):
        if self._queue is not None:
            self._queue.put((_END,))
            self._queue = None

    def put(self, kind, *arguments):
        """From any thread; never blocks."""
        queue = self._queue
        if queue is not None:
            queue.put((kind, *arguments))

    def _deliver(self):
        queue = self._queue
        while True:
            kind, *arguments = queue.get()
            if kind is _END:
                return
            try:
                self._handlers[kind](*arguments)
            except Exception:
                LOG.exception('An event of libvirt (%s) was not handled', kind)
