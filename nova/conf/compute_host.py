# SPDX-License-Identifier: Apache-2.0
"""What a compute host does about itself."""

from oslo_config import cfg

GROUP = cfg.OptGroup('compute', title='Compute host', help='What nova-compute does about the host it runs on.')

OPTS = [
    cfg.StrOpt('cpu_dedicated_set',
               deprecated_opts=[cfg.DeprecatedOpt('vcpu_pin_set', group='DEFAULT')],
               help='CPUs of the host to which CPUs of guests may be pinned, such as 4-12,^8,15. Unset, with '
                    'cpu_shared_set unset too: all.'),
    cfg.StrOpt('cpu_shared_set',
               help='CPUs of the host on which guests whose CPUs are not pinned run. Unset: all that are not in '
                    'cpu_dedicated_set are left to the hypervisor.'),
    cfg.IntOpt('consecutive_build_service_disable_threshold', default=10, min=0,
               help='After so many builds that failed in a row the host disables itself, so that it takes no more '
                    'servers until an administrator has looked at it. Errors that would be the same on every host do '
                    'not count. 0: never.'),
]
