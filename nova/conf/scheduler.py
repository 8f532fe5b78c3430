# SPDX-License-Identifier: Apache-2.0
"""How the scheduler looks at the hosts."""

from oslo_config import cfg

GROUP = cfg.OptGroup('scheduler', title='Scheduler',
                     help='nova-scheduler keeps the state of all hosts in memory and reads what changed.')

OPTS = [
    cfg.StrOpt('driver', default='filter_scheduler',
               choices=[('filter_scheduler', 'filters, then weighers'),
                        ('caching_scheduler', 'the same, on knowledge that may be a minute old'),
                        ('chance_scheduler', 'any host that is enabled, alive, and has room')],
               deprecated_opts=[cfg.DeprecatedOpt('scheduler_driver', group='DEFAULT')],
               help='How hosts are chosen. Whichever it is, claims keep hosts from being given more than they have.'),
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
    cfg.BoolOpt('limit_tenants_to_placement_aggregate', default=False,
                help='Place the servers of a project that aggregates list in filter_tenant_id in these only.'),
    cfg.BoolOpt('placement_aggregate_required_for_tenants', default=False,
                help='With limit_tenants_to_placement_aggregate: projects that no aggregate lists have no host.'),
    cfg.BoolOpt('query_placement_for_image_type_support', default=False,
                help='Send servers only to hosts that say they can use the disk format of the image (traits '
                     'COMPUTE_IMAGE_TYPE_*).'),
    cfg.BoolOpt('image_metadata_prefilter', default=False,
                help='Send servers only to hosts that say they can make what the image asks for of firmware, buses of '
                     'disks, graphics adapter and network card (traits COMPUTE_FIRMWARE_*, COMPUTE_STORAGE_BUS_*, '
                     'COMPUTE_GRAPHICS_MODEL_*, COMPUTE_NET_VIF_MODEL_*). Drivers that tell of none of them get no '
                     'such servers.'),
    cfg.BoolOpt('enable_isolated_aggregate_filtering', default=False,
                help='Hosts in aggregates with metadata such as trait:NAME=required take only servers whose flavor or '
                     'image requires that trait.'),
]
