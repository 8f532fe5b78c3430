# SPDX-License-Identifier: Apache-2.0
"""Which hosts pass, and which of them is best."""

from oslo_config import cfg

GROUP = cfg.OptGroup('filter_scheduler', title='Filters and weighers', help='How a host is chosen for a server.')

#: In the order in which they are asked: what rules out most, and costs least, comes first.
ENABLED_FILTERS = ['ComputeFilter', 'AvailabilityZoneFilter', 'ComputeCapabilitiesFilter', 'ImagePropertiesFilter',
                   'TraitsFilter', 'RetryFilter', 'CoreFilter', 'RamFilter', 'DiskFilter', 'ResourcesFilter',
                   'NUMATopologyFilter', 'PciPassthroughFilter', 'SameHostFilter', 'DifferentHostFilter',
                   'ServerGroupAntiAffinityFilter', 'ServerGroupAffinityFilter', 'TenantAggregateFilter',
                   'IsolatedAggregateFilter']


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
    cfg.FloatOpt('cpu_weight_multiplier', default=1.0,
                 help='How much free CPUs count. Positive spreads servers over the hosts, negative fills one host '
                      'after the other.'),
    cfg.FloatOpt('disk_weight_multiplier', default=1.0, deprecated_opts=_old('disk_weight_multiplier'),
                 help='How much free disk counts. Positive spreads, negative stacks.'),
    cfg.FloatOpt('num_instances_weight_multiplier', default=0.0,
                 help='How much the number of servers on a host counts. Positive stacks, negative spreads.'),
    cfg.FloatOpt('hypervisor_version_weight_multiplier', default=1.0,
                 help='How much the version of the hypervisor counts. Positive prefers newer ones.'),
    cfg.FloatOpt('build_failure_weight_multiplier', default=1000000.0,
                 help='How much it counts against a host that builds failed there since one succeeded.'),
    cfg.FloatOpt('pci_weight_multiplier', default=1.0, min=0.0,
                 help='How much free PCI devices count: servers that ask for some prefer hosts with many, those that '
                      'do not prefer hosts with few.'),
    cfg.IntOpt('max_io_ops_per_host', default=8, min=0, deprecated_opts=_old('max_io_ops_per_host'),
               help='IoOpsFilter: with how many servers a host may be busy (building, resizing, snapshotting, …) '
                    'before it takes no more.'),
    cfg.IntOpt('max_instances_per_host', default=50, min=1, deprecated_opts=_old('max_instances_per_host'),
               help='NumInstancesFilter: how many servers a host may have.'),
    cfg.ListOpt('isolated_images', default=[], deprecated_opts=_old('isolated_images'),
                help='IsolatedHostsFilter: ids of the images that run on isolated_hosts only.'),
    cfg.ListOpt('isolated_hosts', default=[], deprecated_opts=_old('isolated_hosts'),
                help='IsolatedHostsFilter: hosts kept for isolated_images.'),
    cfg.BoolOpt('restrict_isolated_hosts_to_isolated_images', default=True,
                deprecated_opts=_old('restrict_isolated_hosts_to_isolated_images'),
                help='IsolatedHostsFilter: isolated hosts do not run other images.'),
    cfg.StrOpt('aggregate_image_properties_isolation_namespace',
               deprecated_opts=_old('aggregate_image_properties_isolation_namespace'),
               help='AggregateImagePropertiesIsolation: only keys of aggregates that begin with this (and the '
                    'separator) speak of images. Unset: all do.'),
    cfg.StrOpt('aggregate_image_properties_isolation_separator', default='.',
               deprecated_opts=_old('aggregate_image_properties_isolation_separator'),
               help='What stands between that namespace and the name.'),
]
