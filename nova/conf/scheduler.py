# SPDX-License-Identifier: Apache-2.0
"""How the scheduler looks at the hosts."""

from oslo_config import cfg

GROUP = cfg.OptGroup('scheduler', title='Scheduler',
                     help='nova-scheduler keeps the state of all hosts in memory and reads what changed.')

OPTS = [
    cfg.FloatOpt('refresh_interval', default=1.0, min=0.0,
                 help='Seconds for which the scheduler believes what it knows of the hosts; older, it reads what '
                      'changed since, before it decides. 0: before every decision. A decision on old knowledge is '
                      'never wrong, since claims are checked when they are made; it may be made twice.'),
    cfg.FloatOpt('full_refresh_interval', default=600.0, min=1.0,
                 help='Seconds after which the scheduler reads all hosts anew instead of what changed. Repairs what a '
                      'wrong clock somewhere may have hidden.'),
    cfg.IntOpt('claim_attempts', default=10, min=1,
               help='How often hosts are chosen anew for one request because other schedulers took the resources of '
                    'those chosen first.'),
]
