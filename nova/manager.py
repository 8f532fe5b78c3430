# SPDX-License-Identifier: Apache-2.0
"""What a daemon does: its RPC surface and its periodic work.  `nova.service` runs it.

A periodic task is a method under `@periodic_task`.  Loop, jitter, errors, metrics and the watch over tasks that hang
are here; the method does one round and returns.  Where a round is many things, it yields them, and `each` names the
method that looks at one, so that a failure with one does not keep the others from their turn:

    @periodic_task(spacing=lambda: CONF.sync_power_state_interval, each='_sync_power_state')
    def sync_power_states(self, context):
        yield from objects.InstanceList.get_by_host(context, self.host)

A task that yields without `each` does the work itself; each yield tells the watch that it came further.
"""

import logging
import random
import time

from nova import concurrency, context, rpc
from nova.conf import CONF
from nova.monitoring import metrics

LOG = logging.getLogger(__name__)

_RUNS = metrics.Counter('periodic_runs_total', 'Rounds of periodic tasks.', ('task', 'result'))
_SECONDS = metrics.Histogram('periodic_seconds', 'Time of one round of a periodic task.', ('task',), metrics.LONG)


def periodic_task(spacing, run_immediately=False, each=None, limit=None):
    """Run the method (`self, context`) again and again.

    :param spacing: seconds from the end of one round to the begin of the next, or a function that returns them when
        the service starts; 0 or less turns the task off.
    :param run_immediately: first round at once instead of after a random part of the spacing.
    :param each: name of the method (`self, context, item`) that looks at one of the things the task yields.
    :param limit: seconds without progress (an item done, the round ended) after which the task counts as hanging;
        [DEFAULT]periodic_task_limit unless given.
    """
    def mark(method):
        method.periodic = {'spacing': spacing, 'run_immediately': run_immediately, 'each': each, 'limit': limit}
        return rpc.not_remote(method)
    return mark


class _Periodic:
    """One periodic task of one manager, in its own thread."""

    def __init__(self, manager, name, *, spacing, run_immediately, each, limit):
        self.name = name
        self.spacing = spacing() if callable(spacing) else spacing
        self.limit_s = limit or CONF.periodic_task_limit
        self._method = getattr(manager, name)
        self._each = getattr(manager, each) if each else None
        self._run_immediately = run_immediately
        self._progress_at = None
        self._reported = False
        self._stopping = False
        self._thread = None

    def start(self):
        self._thread = concurrency.spawn(self._loop)

    def stop(self):
        """End it: at once while it pauses, after the item it is at otherwise.  `wait` waits for that."""
        self._stopping = True
        if self._progress_at is None:
            self._thread.kill()

    def wait(self):
        self._thread.wait()

    def hangs_for(self):
        """Seconds since a round that is under way came any further; 0 while it is within its limit, or pauses."""
        if self._progress_at is None:
            return 0
        silent = time.monotonic() - self._progress_at
        return silent if silent > self.limit_s else 0

    def _loop(self):
        if not self._run_immediately:
            concurrency.sleep(random.uniform(0, min(self.spacing, CONF.periodic_fuzzy_delay)))
        while not self._stopping:
            self.run_once()
            if self._stopping:
                break
            # A little unevenly, so that services do not fall into step.
            concurrency.sleep(self.spacing * random.uniform(0.95, 1.05))

    def run_once(self):
        """One round.  Errors are logged here and go no further."""
        begun = self._progress_at = time.monotonic()
        result = 'success'
        try:
            ctxt = context.get_admin_context()
            ctxt.update_store()
            items = self._method(ctxt)
            if items is not None:
                result = self._look_at(ctxt, items)
        except Exception:
            result = 'error'
            LOG.exception('Periodic task %s failed', self.name)
        finally:
            self._progress_at = None
            self._reported = False
        _RUNS.inc(self.name, result)
        _SECONDS.observe(time.monotonic() - begun, self.name)

    def _look_at(self, ctxt, items):
        result = 'success'
        for item in items:
            try:
                if self._each is not None:
                    self._each(ctxt, item)
            except Exception:
                result = 'error'
                LOG.exception('Periodic task %s failed for %s', self.name, item)
            self._progress_at = time.monotonic()
            if self._stopping:
                break
        return result

    def report_once(self, seconds):
        if not self._reported:
            self._reported = True
            LOG.error('Periodic task %s has made no progress for %.0f s; until it does, this service gives no sign of '
                      'life', self.name, seconds)


class Manager:
    """Base of the managers.  Public methods can be called by other services, except those of this class.

    :param host: name of this host in service records and messages.
    :param service_name: the topic, for example 'compute'.
    """

    #: `oslo_messaging.Target(version=...)` of the RPC interface.
    target = None

    def __init__(self, host=None, service_name='undefined'):
        self.host = host or CONF.host
        self.service_name = service_name
        #: More objects whose methods can be called on the same topic.
        self.additional_endpoints = []
        #: Identity of this start of the service, told to everything it takes on.  Set before `init_host`.
        self.start_id = None
        #: The `objects.Service` record.  Set before `init_host`.
        self.service_ref = None
        self.notifier = None
        self._periodic = []

    @rpc.not_remote
    def answers(self, context, method, *action_ids):
        """Whether this service carries out orders that ring; where it does not, it tells who does."""
        return True

    @rpc.not_remote
    def init_host(self):
        """Prepare before any message is taken: repair what an earlier start left behind.

        Run again when the database or the messages failed it, so it must bear that.
        """

    @rpc.not_remote
    def pre_start_hook(self):
        """After `init_host`, before the first message: for example report what the host has."""

    @rpc.not_remote
    def post_start_hook(self):
        """When messages are taken."""

    @rpc.not_remote
    def cleanup_host(self):
        """When the service stops and all messages are done."""

    @rpc.not_remote
    def reset(self):
        """On SIGHUP: forget what was derived from options and versions that may have changed."""

    @rpc.not_remote
    def periodic_tasks(self):
        """The tasks there are, started or not: {name: settings}."""
        found = {}
        for name in dir(type(self)):
            settings = getattr(getattr(type(self), name), 'periodic', None)
            if settings is not None:
                found[name] = settings
        return found

    @rpc.not_remote
    def start_periodic_tasks(self):
        """Start all tasks that are not turned off."""
        for name, settings in self.periodic_tasks().items():
            task = _Periodic(self, name, **settings)
            if task.spacing and task.spacing > 0:
                task.start()
                self._periodic.append(task)

    @rpc.not_remote
    def stop_periodic_tasks(self):
        """End all tasks, and wait for those in the middle of something."""
        for task in self._periodic:
            task.stop()
        for task in self._periodic:
            task.wait()
        self._periodic.clear()

    @rpc.not_remote
    def run_periodic_tasks(self, only=None):
        """One round of all tasks (or the one named), now and in this thread.  For tests and tools."""
        for name, settings in self.periodic_tasks().items():
            if only in (None, name):
                _Periodic(self, name, **settings).run_once()

    @rpc.not_remote
    def hanging_tasks(self):
        """{name: seconds without progress} of the tasks that hang."""
        hanging = {}
        for task in self._periodic:
            seconds = task.hangs_for()
            if seconds:
                task.report_once(seconds)
                hanging[task.name] = seconds
        return hanging
