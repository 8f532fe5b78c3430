# SPDX-License-Identifier: Apache-2.0
"""The audit of servers: once in a period, every host goes through the servers that existed on it."""

import datetime

from oslo_log import log
from oslo_utils import timeutils

from nova import objects
from nova.conf import CONF
from nova.objects import task_log

LOG = log.getLogger(__name__)
TASK = 'instance_usage_audit'


def last_completed_period(before=None, unit=None):
    """(begin, end), naive UTC, of the newest period that ended at `before` (None: now) or earlier.

    :param unit: as the option instance_usage_audit_period has it: 'month', 'day@3', …
    """
    before = before or timeutils.utcnow()
    name, _at, offset = (unit or CONF.instance_usage_audit_period).partition('@')
    end = _begin_of(name, before, int(offset or 0))
    return _begin_of(name, end - datetime.timedelta(microseconds=1), int(offset or 0)), end


def _begin_of(name, moment, offset):
    """The newest begin of a period that is not after `moment`."""
    if name == 'hour':
        begin = moment.replace(minute=offset % 60, second=0, microsecond=0)
        return begin if begin <= moment else begin - datetime.timedelta(hours=1)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if name == 'day':
        begin = midnight.replace(hour=offset % 24)
        return begin if begin <= moment else begin - datetime.timedelta(days=1)
    if name == 'month':
        # The 28th is the last day that every month has.
        day = min(max(offset, 1), 28)
        begin = midnight.replace(day=day)
        return begin if begin <= moment else (midnight.replace(day=1) - datetime.timedelta(days=1)).replace(day=day)
    month = min(max(offset, 1), 12)
    begin = midnight.replace(month=month, day=1)
    return begin if begin <= moment else begin.replace(year=begin.year - 1)


def run(host, context, exists):
    """Audit the last period on this host, if that was not done yet.

    :param exists: `exists(context, instance, begin, end)`, called for every server that existed; one that fails counts
        as an error and does not keep the others.
    """
    begin, end = last_completed_period()
    if not objects.TaskLog.begin(context, TASK, host, begin, end):
        return
    servers = objects.InstanceList.get_active_by_window(context, begin, end, host=host).objects
    objects.TaskLog.note(context, TASK, host, begin, end, {'task_items': len(servers)})
    LOG.info('Auditing %d servers that existed here between %s and %s', len(servers), begin, end)
    failed = 0
    for server in servers:
        try:
            exists(context, server, begin, end)
        except Exception:
            failed += 1
            LOG.exception('Server %s could not be audited', server.uuid)
    objects.TaskLog.note(context, TASK, host, begin, end, {
        'state': task_log.DONE, 'errors': failed,
        'message': f'Audited {len(servers)} servers, {failed} of them with errors'})


def summary(context, before=None):
    """What the API shows of the last period: see the API specification, "Audit log"."""
    begin, end = last_completed_period(before)
    answers, _down = objects.cell.ask_each(context, lambda in_cell: (
        objects.TaskLogList.get_all(in_cell, TASK, begin, end).objects,
        objects.ServiceList.get_all(in_cell, binary='nova-compute').objects))
    rows = [row for _cell, (found, _services) in answers for row in found]
    services = [service for _cell, (_rows, found) in answers for service in found]
    missing = sorted({service.host for service in services} - {row.host for row in rows})
    done = [row for row in rows if row.state == task_log.DONE]
    errors = sum(row.errors for row in rows)
    hosts = len(rows) + len(missing)
    return {
        'period_beginning': str(begin), 'period_ending': str(end), 'num_hosts': hosts, 'num_hosts_done': len(done),
        'num_hosts_running': len(rows) - len(done), 'num_hosts_not_run': len(missing), 'hosts_not_run': missing,
        'total_instances': sum(row.task_items for row in rows), 'total_errors': errors,
        'overall_status': f'{"ALL" if len(done) == hosts else f"{len(done)} of {hosts}"} hosts done. {errors} errors.',
        'log': {row.host: {'state': row.state, 'instances': row.task_items, 'errors': row.errors,
                           'message': row.message} for row in rows},
    }
