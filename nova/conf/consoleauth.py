# SPDX-License-Identifier: Apache-2.0
"""Tokens that open consoles."""

from oslo_config import cfg

GROUP = cfg.OptGroup('consoleauth', title='Console tokens', help='Tokens that open consoles.')

OPTS = [
    cfg.IntOpt('token_ttl', default=600, min=0, help='Seconds for which a token opens its console.'),
]
