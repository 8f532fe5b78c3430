# SPDX-License-Identifier: Apache-2.0
"""The fake hypervisor: what it has, how slow it is, and what it fails at."""

from oslo_config import cfg

GROUP = cfg.OptGroup('fake', title='Fake hypervisor',
                     help='Used with compute_driver = fake.FakeDriver: guests that are only remembered, for tests and '
                          'for trying the service out on a machine without virtualisation.')

OPTS = [
    cfg.IntOpt('vcpus', min=0, help='CPUs of each node. Unset: what the driver class says, 1000 for FakeDriver.'),
    cfg.IntOpt('memory_mb', min=0,
               help='Memory (MiB) of each node. Unset: what the driver class says, 800000 for FakeDriver.'),
    cfg.IntOpt('local_gb', min=0,
               help='Disk (GiB) of each node. Unset: what the driver class says, 600000 for FakeDriver.'),
    cfg.ListOpt('traits', default=[], help='Traits that each node has besides those of the driver.'),
    cfg.DictOpt('inventory', default={},
                help='What each node has besides CPUs, memory and disk, as class:amount, for example '
                     'CUSTOM_BAREMETAL_GOLD:1.'),
    cfg.IntOpt('numa_cells', default=0, min=0,
               help='Into how many NUMA cells the CPUs (at most 64) and the memory of each node are split. 0: none are '
                    'told of.'),
    cfg.IntOpt('pci_devices', default=0, min=0,
               help='How many PCI devices (vendor 8086, product 1520, by turns near to each cell) each node has.'),
    cfg.ListOpt('nodes', default=[], help='Names of the nodes of this host. Empty: one, named like the host.'),
    cfg.DictOpt('delays', default={},
                help='Seconds that calls of the driver take, as method:seconds, for example spawn:0.5,destroy:0.2.'),
    cfg.DictOpt('failures', default={},
                help='Calls of the driver that fail before they change anything, as method:when. When is always, once, '
                     'a number (of first calls), or a share such as 30%. Example: spawn:once,reboot:always.'),
    cfg.ListOpt('more_hosts', default=[],
                help='Names of further hosts that nova-all or nova-compute pretends to be, each with a service and '
                     'a fake hypervisor of its own: enough to move servers about on a laptop.'),
    cfg.StrOpt('state_file',
               help='File in which the fake hypervisor keeps its guests, so that they outlive nova-compute; %(host)s '
                    'in it stands for the name of the host. Unset: guests end with the process.'),
]
