# SPDX-License-Identifier: Apache-2.0
"""Extra specs that mean something to us: what they are called and what they may say.  (From 2.86 on.)

A key in one of the namespaces below must be in the table, and its value must fit; other namespaces are free.
"""

import re

from nova.api.openstack.errors import Refused

_TEXT = (r'.*', 'a text')
_WHOLE = (r'\d{1,18}', 'a whole number')
_SIGNED = (r'-?\d{1,18}', 'a whole number')
_COUNT = (r'0*[1-9]\d{0,17}', 'a whole number from 1')
_DECIMAL = (r'\d{1,18}(\.\d{1,18})?', 'a number')
_BOOLEAN = (r'(?i)(1|t|true|on|y|yes|0|f|false|off|n|no)', 'true or false')
_CPUS = (r'\^?\d+(-\d+)?(,\s*\^?\d+(-\d+)?)*', 'a list of CPUs like 0-3,^1')


def _one_of(*words):
    return '|'.join(map(re.escape, words)), 'one of ' + ', '.join(words)


_LEVELS = _one_of('low', 'normal', 'high', 'custom')

#: (pattern of the key, (pattern of the value, what it is in words)), per namespace.
_TABLE = {
    'accel': ((r'device_profile', _TEXT),),
    'aggregate_instance_extra_specs': ((r'.+', _TEXT),),
    'capabilities': ((r'.+', _TEXT),),
    'hw': (
        (r'boot_menu|cpu_realtime|ephemeral_encryption|hide_hypervisor_id|locked_memory|mem_encryption|pmu', _BOOLEAN),
        (r'vif_multiqueue_enabled|virtio_packed_ring', _BOOLEAN),
        (r'cpu_(max_)?(cores|sockets|threads)|numa_nodes', _COUNT),
        (r'cpu_policy', _one_of('dedicated', 'mixed', 'shared')),
        (r'cpu_thread_policy', _one_of('prefer', 'isolate', 'require')),
        (r'cpu_dedicated_mask|numa_cpus\.\d+', _CPUS),
        (r'cpu_realtime_mask', (r'(\^)?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*', 'a list of CPUs like ^0-1')),
        (r'emulator_threads_policy', _one_of('isolate', 'share')),
        (r'ephemeral_encryption_format', _one_of('luks')),
        (r'maxphysaddr_mode', _one_of('passthrough', 'emulate')),
        (r'maxphysaddr_bits|numa_mem\.\d+|serial_port_count', _WHOLE),
        (r'mem_encryption_model', _one_of('amd-sev', 'amd-sev-es')),
        (r'mem_page_size', (r'large|small|any|\d{1,18}([kKMGT]i?)?(b|bit|B)?',
                            'large, small, any, or a size like 2MB')),
        (r'pci_numa_affinity_policy', _one_of('required', 'preferred', 'legacy', 'socket')),
        (r'pmem', (r'\w+(,\w+)*', 'a list of names')),
        (r'redirected_usb_ports', (r'\d|1[0-5]', 'a whole number from 0 to 15')),
        (r'sound_model', _one_of('sb16', 'es1370', 'pcspk', 'ac97', 'ich6', 'ich9', 'usb', 'virtio')),
        (r'tpm_model', _one_of('tpm-tis', 'tpm-crb')),
        (r'tpm_secret_security', _one_of('user', 'host', 'deployment')),
        (r'tpm_version', _one_of('1.2', '2.0')),
        (r'usb_model', _one_of('piix3-uhci', 'piix4-uhci', 'ehci', 'ich9-ehci1', 'vt82c686b-uhci', 'pci-ohci',
                               'nec-xhci', 'qemu-xhci')),
        (r'viommu_model', _one_of('intel', 'smmuv3', 'virtio', 'auto')),
        (r'watchdog_action', _one_of('none', 'pause', 'poweroff', 'reset', 'disabled')),
    ),
    'hw_rng': ((r'allowed', _BOOLEAN), (r'rate_bytes|rate_period', _WHOLE)),
    'hw_video': ((r'ram_max_mb', _WHOLE),),
    'os': ((r'secure_boot', _one_of('disabled', 'optional', 'required')),),
    'pci_passthrough': ((r'alias', (r'[^:]+:\d+(\s*,\s*[^:]+:\d+)*', 'aliases with counts, like gpu:1,nic:2')),),
    'powervm': (
        (r'(min|max)_(mem|vcpu)', _WHOLE),
        (r'(min_|max_)?proc_units|ame_expansion_factor', _DECIMAL),
        (r'dedicated_proc|uncapped|srr_capability', _BOOLEAN),
        (r'shared_weight|availability_priority', (r'\d|\d\d|1\d\d|2[0-4]\d|25[0-5]', 'a whole number from 0 to 255')),
        (r'dedicated_sharing_mode', _one_of('share_idle_procs', 'keep_idle_procs', 'share_idle_procs_active',
                                            'share_idle_procs_always')),
        (r'processor_compatibility|shared_proc_pool_name|storage_connectivity_group', _TEXT),
    ),
    'quota': (
        (r'cpu_(shares|period)', _WHOLE),
        (r'cpu_quota', _SIGNED),
        (r'(cpu|memory|disk_io|vif)_(limit|reservation|shares_share)', _SIGNED),
        (r'(cpu|memory|disk_io|vif)_shares_level', _LEVELS),
        (r'disk_(read|write|total)_(bytes|iops)_sec(_max|_max_length)?', _WHOLE),
        (r'vif_(inbound|outbound)_(average|peak|burst)', _WHOLE),
    ),
    'resources': ((r'[A-Z][A-Z0-9_]*', _WHOLE),),
    'trait': ((r'[A-Z][A-Z0-9_]*', _one_of('required', 'forbidden')),),
    'vmware': ((r'hw_version|storage_policy|resource_pool', _TEXT),),
}
_RULES = {namespace: tuple((re.compile(key, re.ASCII), re.compile(value, re.ASCII | re.DOTALL), words)
                           for key, (value, words) in rows) for namespace, rows in _TABLE.items()}
#: These may have a group behind their name: resources1:VGPU, trait_net:CUSTOM_FAST.
_GROUPED = re.compile(r'(resources|trait)[a-zA-Z0-9_-]{0,64}', re.ASCII)


def check(specs):
    """Raises Refused, with the key and what is allowed, when one of {key: value} means nothing."""
    for key, value in specs.items():
        _check(key, value)


def _check(key, value):
    namespace, colon, rest = key.partition(':')
    if not colon:
        return
    grouped = _GROUPED.fullmatch(namespace)
    rows = _RULES.get(grouped[1] if grouped else namespace)
    if rows is None:
        return
    for names, values, words in rows:
        if names.fullmatch(rest):
            if not values.fullmatch(value):
                raise Refused(f'extra_specs.{key}: {value!r} is not {words}.')
            return
    raise Refused(f'extra_specs.{key}: is not known in the namespace {namespace!r}.')
