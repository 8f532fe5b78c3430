# SPDX-License-Identifier: Apache-2.0
"""How long a call may take.  The transport itself is oslo.messaging's: transport_url, rpc_response_timeout, ..."""

from oslo_config import cfg

GROUP = None
OPTS = [
    cfg.IntOpt('long_rpc_timeout', default=1800, min=1,
               help='Seconds for a call whose work may take long on the other side (getting ready for a live '
                    'migration). Meanwhile the other side gives signs of life; one that gives none for '
                    'rpc_response_timeout or service_down_time, the shorter of the two, is given up.'),
    cfg.IntOpt('rpc_delivery_timeout', default=30, min=1,
               help='Seconds for which a call that nobody is there to take is sent again: its service is starting, for '
                    'the first time or since the broker started. After that, or after rpc_response_timeout if that is '
                    'shorter, the call fails. A service that was there before is waited for as long as for its '
                    'answer.'),
    cfg.IntOpt('rpc_start_timeout', default=5, min=1,
               help='Seconds a service waits, when it starts, for an answer of the conductor before it asks again. It '
                    'asks until there is one.'),
]
