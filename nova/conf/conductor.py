# SPDX-License-Identifier: Apache-2.0
"""nova-conductor."""

from oslo_config import cfg

GROUP = cfg.OptGroup('conductor', title='Conductor', help='The service that orchestrates and serves objects to hosts.')

OPTS = [
    cfg.IntOpt('workers', default=1, min=1,
               help='Processes of nova-conductor. With 1 there is no parent process. More than 1 needs a message '
                    'transport between processes (not local://).'),
]
