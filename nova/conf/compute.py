# SPDX-License-Identifier: Apache-2.0
"""nova-compute and what the API lets users ask of it."""

from oslo_config import cfg

GROUP = None
OPTS = [
    cfg.StrOpt('compute_driver', default='libvirt.LibvirtDriver',
               help='Hypervisor driver: a class below nova.virt (libvirt.LibvirtDriver, fake.FakeDriver), or a full '
                    'dotted path.'),
    cfg.IntOpt('max_concurrent_builds', default=10, min=0,
               help='How many servers one host builds at the same time. 0 means no limit.'),
    cfg.IntOpt('reserved_host_memory_mb', default=512, min=0, help='Memory (MiB) kept for the host itself.'),
    cfg.IntOpt('reserved_host_disk_mb', default=0, min=0, help='Disk (MiB) kept for the host itself.'),
    cfg.IntOpt('reserved_host_cpus', default=0, min=0, help='Number of CPUs kept for the host itself.'),
    cfg.FloatOpt('cpu_allocation_ratio', default=16.0, min=0.0,
                 help='Virtual CPUs that may be promised per physical one.'),
    cfg.FloatOpt('ram_allocation_ratio', default=1.5, min=0.0,
                 help='Memory that may be promised per MiB there is.'),
    cfg.FloatOpt('disk_allocation_ratio', default=1.0, min=0.0,
                 help='Disk that may be promised per GiB there is.'),
    cfg.IntOpt('update_resources_interval', default=60, min=5,
               help='Seconds between reports of what this host has.'),
    cfg.IntOpt('sync_power_state_interval', default=600, min=-1,
               help='Seconds between comparisons of power states with the hypervisor. -1 turns them off; events from '
                    'the hypervisor are followed in any case.'),
    cfg.BoolOpt('resume_guests_state_on_host_boot', default=False,
                help='Start, when nova-compute starts, the servers that ran before the host went down.'),
    cfg.IntOpt('shutdown_timeout', default=60, min=0,
               help='Seconds a guest gets to shut down by itself before it is powered off. An image may override it '
                    'with the property os_shutdown_timeout.'),
    cfg.IntOpt('shutdown_retry_interval', default=10, min=1,
               help='Seconds between two shutdown signals to a guest.'),
    cfg.IntOpt('shelved_offload_time', default=0, min=-1,
               help='Seconds for which a shelved server stays on its host; then its resources there are freed. 0: at '
                    'once, -1: never.'),
    cfg.ListOpt('non_inheritable_image_properties', default=['cache_in_nova', 'bittorrent'],
                help="Properties that an image of a server does not take over from the server's image."),
    cfg.BoolOpt('allow_resize_to_same_host', default=False,
                help='Let the scheduler choose, for a resize, the host that the server is on.'),
    cfg.IntOpt('resize_confirm_window', default=0, min=0,
               help='Seconds after which a resize that nobody confirmed is confirmed. 0: never.'),
    cfg.StrOpt('rescue_image_id',
               help='Image that servers are rescued from when their user names none. Unset: their own; a server '
                    'that boots from a volume has none, and is refused. The API and the hosts must agree on it.'),
    cfg.ListOpt('compute_monitors', default=[],
                help='What the host measures of itself for MetricsWeigher: cpu.virt_driver, or nothing.'),
    cfg.IntOpt('password_length', default=12, min=0, help='Length of generated administrator passwords.'),
    cfg.StrOpt('multi_instance_display_name_template', default='%(name)s-%(count)d',
               help='Names of servers that are created several at once; knows name, count and uuid.'),
    cfg.IntOpt('reclaim_instance_interval', default=0, min=0,
               help='Seconds after which a soft-deleted server is really deleted. 0: deletion is immediate.'),
    cfg.IntOpt('order_poll_interval', default=5, min=1,
               help='Seconds between two looks for work whose message got lost. Such work starts at most this late.'),
    cfg.IntOpt('order_lease', default=40, min=10,
               help='Seconds after which work whose owner gave no sign of life is taken over. Must be well above '
                    'report_interval.'),
    cfg.IntOpt('janitor_interval', default=10, min=1,
               help="Seconds between two rounds of the conductor's janitor, which finishes or fails interrupted work."),
    cfg.IntOpt('action_deadline', default=1800, min=10,
               help='Seconds after which an action on a server that is still not finished is failed. They begin anew '
                    'whenever an image or a disk that is being moved for it has come further.'),
    cfg.IntOpt('max_schedule_attempts', default=3, min=1,
               help='On how many hosts a build is tried before the server is put into ERROR.'),
]
