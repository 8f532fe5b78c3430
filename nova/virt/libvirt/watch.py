# SPDX-License-Identifier: Apache-2.0
"""Watching a live migration: how far it is, and what is done when it does not come to an end."""

import contextlib
import time

import libvirt
from oslo_log import log as logging

from nova import concurrency, conf, exception
from nova.virt.libvirt import errors

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_LOOK_S = 0.25
# How often the record of the migration is written.
_REPORT_S = 2
_FIGURES = tuple(f'{what}_{which}' for what in ('memory', 'disk') for which in ('total', 'processed', 'remaining'))
#: A pass over the memory that leaves more than this of what was left before will not come to an end.
_PROGRESS = 0.9

_watchers = {}


@contextlib.contextmanager
def registered(*args):
    """A `Watcher` that `of` finds meanwhile."""
    watcher = Watcher(*args)
    _watchers[watcher.guest.uuid] = watcher
    try:
        yield watcher
    finally:
        del _watchers[watcher.guest.uuid]


def of(instance):
    """The `Watcher` of a server that is on its way.  Raises Conflict when it is not."""
    try:
        return _watchers[instance.uuid]
    except KeyError:
        raise exception.Conflict(f'Server {instance.uuid} is not being live migrated by {CONF.host}.') from None


class Watcher:
    """Of one live migration.

    :param migration: the record, or None.
    :param gigabytes: how much has to be moved: what takes longer may take longer.
    """

    def __init__(self, guest, migration, gigabytes, data):
        self.guest, self.migration, self.gigabytes, self.data = guest, migration, gigabytes, data
        #: Exception in place of what libvirt says when it was stopped from here.
        self.reason_to_stop = None
        self._began = time.monotonic()
        self._reported = 0
        self._downtimes = self._plan_downtimes()
        self._passes, self._left = 0, None
        self._post_copy = self._forced = False

    # From outside ----------------------------------------------------------------------------------------------------

    def abort(self):
        """Have it stopped as soon as that can be done.  Raises Conflict when it is too late."""
        if self._post_copy:
            raise exception.Conflict('The guest runs at the destination already (post-copy).')
        self.reason_to_stop = self.reason_to_stop or exception.MigrationCancelled()

    def force(self):
        """Bring it to an end: post-copy where that is permitted, else a pause."""
        self._forced = True
        self.guest.unlimit_migration()
        if CONF.libvirt.live_migration_permit_post_copy and self._begin_post_copy():
            return
        self.guest.pause()

    # Watching --------------------------------------------------------------------------------------------------------

    def follow(self, task):
        """Look after it until the task has ended."""
        while not task.is_done():
            concurrency.sleep(_LOOK_S)
            try:
                self._look(self.guest.job())
            except (errors.LibvirtError, exception.InstanceNotFound, exception.HypervisorUnavailable) as exc:
                # It has arrived, or the task will say what is wrong.
                LOG.debug('Live migration of %s: %s', self.guest.uuid, exc)

    def _look(self, job):
        if job.get('type') not in (libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED):
            return
        self._report(job)
        if self.reason_to_stop:
            self.guest.abort_job()
            return
        elapsed = time.monotonic() - self._began
        while self._downtimes and elapsed >= self._downtimes[0][0]:
            self.guest.allow_downtime(self._downtimes.pop(0)[1])
        self._look_at_passes(job)
        limit = CONF.libvirt.live_migration_completion_timeout * self.gigabytes
        if limit and elapsed > limit and not (self._forced or self._post_copy):
            self._time_is_up(limit)

    def _report(self, job):
        now = time.monotonic()
        if self.migration is None or now - self._reported < _REPORT_S:
            return
        self._reported = now
        figures = {name: int(job[name]) for name in _FIGURES if name in job}
        try:
            self.migration.report(figures)
        except Exception as exc:  # noqa: BLE001  an edge: the guest goes on its way, whoever takes that down
            LOG.warning('How far the live migration of %s is cannot be recorded now: %s', self.guest.uuid, exc)
            return
        LOG.debug('Live migration of %s: %s', self.guest.uuid, figures)

    def _time_is_up(self, limit):
        action = CONF.libvirt.live_migration_timeout_action
        LOG.warning('The live migration of %s has taken more than %d s: %s', self.guest.uuid, limit, action)
        if action == 'force_complete':
            self.force()
        else:
            self.reason_to_stop = exception.MigrationCancelled(
                f'The live migration was given up after {limit} s ([libvirt]live_migration_completion_timeout).')

    def _plan_downtimes(self):
        """[(seconds from the beginning, milliseconds)]: a guest that does not get through may stand still longer."""
        steps, most = CONF.libvirt.live_migration_downtime_steps, CONF.libvirt.live_migration_downtime
        delay_s = CONF.libvirt.live_migration_downtime_delay * self.gigabytes
        return [(number * delay_s, max(1, most * (number + 1) // steps)) for number in range(steps)]

    def _look_at_passes(self, job):
        passes, left = job.get('memory_iteration', 0), job.get('memory_remaining', 0)
        if passes <= self._passes:
            return
        stuck = self._left is not None and left > self._left * _PROGRESS
        self._passes, self._left = passes, left
        if stuck and CONF.libvirt.live_migration_permit_post_copy and not self._post_copy:
            self._begin_post_copy()

    def _begin_post_copy(self):
        try:
            self.guest.start_post_copy()
        except errors.LibvirtError as exc:
            LOG.warning('Guest %s cannot go on at the destination yet: %s', self.guest.uuid, exc)
            return False
        self._post_copy = True
        return True
