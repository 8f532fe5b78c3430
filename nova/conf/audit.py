# SPDX-License-Identifier: Apache-2.0
"""The audit of servers: what existed in a period."""

from oslo_config import cfg, types

GROUP = None
OPTS = [
    cfg.BoolOpt('instance_usage_audit', default=False,
                help='Once in each period, let every compute host go through the servers that existed on it. What came '
                     'of it is shown by GET /os-instance_usage_audit_log.'),
    cfg.Opt('instance_usage_audit_period', default='month',
            type=types.String(regex=r'^(hour|day|month|year)(@[0-9]{1,2})?$'),
            help='How long a period of the audit is: hour, day, month or year. It may begin later by a number after @: '
                 'minutes of an hour, hours of a day, days of a month (month@15 begins on the 15th), months of a '
                 'year.'),
    cfg.IntOpt('instance_usage_audit_interval', default=60, min=1,
               help='Seconds between two looks whether a period has ended that this host has not audited.'),
]
