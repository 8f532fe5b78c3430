# SPDX-License-Identifier: Apache-2.0
"""Which hosts pass, and which of them is best."""

from oslo_config import cfg

GROUP = cfg.OptGroup('filter_scheduler', title='Filters and weighers', help='How a host is chosen for a server.')

#: In the order in which they are asked: what rules out most, and costs least, comes first.
ENABLED_FILTERS = ['ComputeFilter', 'AvailabilityZoneFilter', 'ImagePropertiesFilter', 'RetryFilter', 'CoreFilter',
                   'RamFilter', 'DiskFilter', 'SameHostFilter', 'DifferentHostFilter',
                   'ServerGroupAntiAffinityFilter', 'ServerGroupAffinityFilter']


def _old(name):
    return [cfg.DeprecatedOpt(name, group='DEFAULT')]


OPTS = [
    cfg.MultiStrOpt('available_filters', default=['nova.scheduler.filters.all_filters'],
                    deprecated_opts=_old('scheduler_available_filters'),
                    help='Filters that may be enabled: dotted paths of filter classes, or of functions that return '
                         'a list of them. May be given several times. nova.scheduler.filters.all_filters stands for '
                         "all of the project's own."),
    cfg.ListOpt('enabled_filters', default=ENABLED_FILTERS, deprecated_opts=_old('scheduler_default_filters'),
                help='Names of the filters that every request goes through, in this order. A host that one has refused '
                     'is not shown to the next.'),
    cfg.ListOpt('weight_classes', default=['nova.scheduler.weights.all_weighers'],
                deprecated_opts=_old('scheduler_weight_classes'),
                help='Weighers that order the hosts that passed: dotted paths of classes, or of functions that return '
                     'a list of them.'),
    cfg.IntOpt('host_subset_size', default=1, min=1, deprecated_opts=_old('scheduler_host_subset_size'),
               help='Choose at random among this many of the best hosts. More than 1 spreads requests that several '
                    'schedulers answer at the same time.'),
    cfg.BoolOpt('shuffle_best_same_weighed_hosts', default=False,
                help='Choose at random among hosts of the same, best weight instead of taking the first.'),
    cfg.FloatOpt('ram_weight_multiplier', default=1.0, deprecated_opts=_old('ram_weight_multiplier'),
                 help='How much free memory counts. Positive spreads servers over the hosts, negative fills one host '
                      'after the other.'),
    cfg.FloatOpt('io_ops_weight_multiplier', default=-1.0, deprecated_opts=_old('io_ops_weight_multiplier'),
                 help='How much it counts that a host is busy building, resizing, snapshotting. Negative prefers hosts '
                      'that are not.'),
    cfg.FloatOpt('soft_affinity_weight_multiplier', default=2.0, min=0.0,
                 help='How much it counts that a host has servers of the same group with the policy soft-affinity. '
                      'More than free memory, which would else pull the group apart.'),
    cfg.FloatOpt('soft_anti_affinity_weight_multiplier', default=2.0, min=0.0,
                 help='How much it counts that a host has few servers of the same group with the policy '
                      'soft-anti-affinity.'),
]
