# SPDX-License-Identifier: Apache-2.0
"""PCI devices for guests."""

from oslo_config import cfg

GROUP = cfg.OptGroup('pci', title='PCI devices', help='Devices of hosts that guests get to themselves.')

OPTS = [
    cfg.MultiStrOpt('alias', default=[], deprecated_opts=[cfg.DeprecatedOpt('pci_alias', group='DEFAULT')],
                    help='A name under which flavors ask for devices (pci_passthrough:alias=name:count). JSON such as '
                         '{"name": "nic", "vendor_id": "8086", "product_id": "1520", "device_type": "type-PCI", '
                         '"numa_policy": "required"}. May be given several times; several of one name are '
                         'alternatives. The API and the compute hosts need the same.'),
    cfg.MultiStrOpt('device_spec', default=[],
                    deprecated_opts=[cfg.DeprecatedOpt('passthrough_whitelist'),
                                     cfg.DeprecatedOpt('pci_passthrough_whitelist', group='DEFAULT')],
                    help='Devices of this host that guests may have. JSON such as {"vendor_id": "8086", "product_id": '
                         '"1520"} or {"address": "0000:03:00.*"}, or a list of such. Parts of an address may be left '
                         'out; an object has a regular expression for each: {"address": {"bus": "0a", "function": '
                         '"[0-3]"}}. May be given several times.'),
]
