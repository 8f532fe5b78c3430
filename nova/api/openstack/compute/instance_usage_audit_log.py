# SPDX-License-Identifier: Apache-2.0
"""Whether all hosts audited their servers of a period.  (/os-instance_usage_audit_log)"""

import datetime

from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.view import Plain
from nova.compute import usage_audit
from nova.policy import ADMIN, Rule

_INTEGER, _TEXT = {'type': 'integer', 'minimum': 0}, {'type': 'string'}
_HOST = {'type': 'object', 'required': ['state', 'instances', 'errors', 'message'],
         'properties': {'state': {'enum': ['RUNNING', 'DONE']}, 'instances': _INTEGER, 'errors': _INTEGER,
                        'message': _TEXT}}
_KEYS = {
    **dict.fromkeys(('period_beginning', 'period_ending', 'overall_status'), _TEXT),
    **dict.fromkeys(('num_hosts', 'num_hosts_done', 'num_hosts_running', 'num_hosts_not_run', 'total_instances',
                     'total_errors'), _INTEGER),
    'hosts_not_run': {'type': 'array', 'items': _TEXT},
    'log': {'type': 'object', 'additionalProperties': _HOST},
}
_LOG = {'type': 'object', 'required': list(_KEYS), 'properties': _KEYS}
_FORMS = ('%Y-%m-%d %H:%M:%S', '%Y-%m-%d %H:%M:%S.%f')


def _rule(name):
    return Rule(f'os-instance-usage-audit-log:{name}', ADMIN, formerly='os-instance-usage-audit-log')


def _moment(text):
    for form in _FORMS:
        try:
            found = datetime.datetime.strptime(text, form)     # noqa: DTZ007  (UTC by definition)
        except ValueError:
            continue
        # Before that there is no period that a calendar could name.
        if found.year > 2:
            return found
    raise Refused(f'before: {text[:50]!r} is not a moment like 2026-01-02 03:04:05.')


class InstanceUsageAuditLog(wsgi.Resource):
    """Audits of servers."""

    path = '/os-instance_usage_audit_log'

    @wsgi.get(view=Plain('instance_usage_audit_logs', _LOG), policy=_rule('list'))
    def index(self, context):
        """The audit of the last period that has ended."""
        return usage_audit.summary(context)

    @wsgi.get('/{before}', view=Plain('instance_usage_audit_log', _LOG), policy=_rule('show'))
    def show(self, context, before):
        """The audit of the last period that had ended at a moment (UTC)."""
        return usage_audit.summary(context, _moment(before))
