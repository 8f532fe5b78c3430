# SPDX-License-Identifier: Apache-2.0
"""What a compute host does about itself."""

from oslo_config import cfg

GROUP = cfg.OptGroup('compute', title='Compute host', help='What nova-compute does about the host it runs on.')

OPTS = [
    cfg.IntOpt('consecutive_build_service_disable_threshold', default=10, min=0,
               help='After so many builds that failed in a row the host disables itself, so that it takes no more '
                    'servers until an administrator has looked at it. Errors that would be the same on every host do '
                    'not count. 0: never.'),
]
