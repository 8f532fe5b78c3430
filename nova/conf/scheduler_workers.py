# SPDX-License-Identifier: Apache-2.0
"""The processes of nova-scheduler."""

from oslo_config import cfg

GROUP = cfg.OptGroup('scheduler', title='Scheduler')

OPTS = [
    cfg.IntOpt('workers', default=1, min=1,
               help='Processes of nova-scheduler, each with the state of all hosts in its memory. With 1 there is no '
                    'parent process. More than 1 needs a message transport between processes (not local://).'),
]
