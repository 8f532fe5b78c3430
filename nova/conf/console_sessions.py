# SPDX-License-Identifier: Apache-2.0
"""How long a console that was opened stays open."""

from oslo_config import cfg

from nova.conf.consoleauth import GROUP  # noqa: F401  (the group of these options too)

OPTS = [
    cfg.BoolOpt('enforce_session_timeout', default=False,
                help='Close consoles when their token expires. False: a token lets in until it expires, and who is in '
                     'may stay.'),
]
