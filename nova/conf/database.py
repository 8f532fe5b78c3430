# SPDX-License-Identifier: Apache-2.0
"""The two databases; the options themselves are oslo.db's."""

import copy

from oslo_config import cfg
from oslo_db import options

GROUP = cfg.OptGroup('api_database', title='API database',
                     help='Where the global tables live. Unset: in the same database as the tables of the cell '
                          '([database]connection), which is right for every site of one cell.')

# Opening a connection takes longer than most transactions (a TLS context, the greeting, session settings), and those
# above max_pool_size are closed when they come back.
cfg.set_defaults(options.database_opts, max_pool_size=20, max_overflow=10)

# The same options, so that both databases are tuned in the same words.
OPTS = copy.deepcopy(options.database_opts)
