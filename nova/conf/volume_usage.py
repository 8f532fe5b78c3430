# SPDX-License-Identifier: Apache-2.0
"""How much volumes are used."""

from oslo_config import cfg

GROUP = None
OPTS = [
    cfg.IntOpt('volume_usage_poll_interval', default=0, min=0,
               help='Seconds between two looks of a compute host at how much its servers read from and write to their '
                    'volumes; what it finds is recorded, and told by the notification volume.usage. 0: nobody looks, '
                    'and nothing is recorded.'),
]
