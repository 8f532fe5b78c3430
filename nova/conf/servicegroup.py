# SPDX-License-Identifier: Apache-2.0
"""Signs of life, and when their absence counts."""

from oslo_config import cfg

GROUP = None
OPTS = [
    cfg.IntOpt('report_interval', default=10, min=1,
               help='Seconds between two signs of life of a service. A service gives none while one of its periodic '
                    'tasks hangs, so a service that does not work looks down.'),
    cfg.IntOpt('service_down_time', default=60, min=2,
               help='Seconds without a sign of life after which a service counts as down. Must be well above '
                    'report_interval: below twice of it, the service starts with a warning and uses twice.'),
    cfg.StrOpt('servicegroup_driver', default='db', choices=[('db', 'in the database of the cell')],
               help='Where signs of life are kept.'),
]
