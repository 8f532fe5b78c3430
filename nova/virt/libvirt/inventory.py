# SPDX-License-Identifier: Apache-2.0
"""What this host has, and what its guests take."""

import os

from oslo_concurrency import processutils
from oslo_serialization import jsonutils
from oslo_utils import units

from nova import conf, exception
from nova.privsep import lvm
from nova.virt import power_state
from nova.virt.libvirt import console, container, diskinfo, disks, imagebackend, topology

CONF = conf.CONF

_RUNNING = (power_state.RUNNING, power_state.PAUSED)
# libvirt's names of what a guest is, as the API has them.
_VM_MODES = {'hvm': 'hvm', 'xen': 'xen', 'exe': 'exe'}


def available_resource(host):
    """See `ComputeDriver.get_available_resource`."""
    os.makedirs(CONF.instances_path, exist_ok=True)
    console.record_terminals(host)
    stats = host.list_stats()
    group = imagebackend.backend().group
    size, used_bytes, free_bytes = _space(group)
    memory_mb, memory_mb_used = host.memory_mb()
    return {
        'vcpus': host.cpu_count(),
        'memory_mb': memory_mb,
        'local_gb': size // units.Gi,
        'vcpus_used': sum(cpus for state, _max, _mem, cpus, _time, _id in stats.values() if state in _RUNNING),
        'memory_mb_used': memory_mb_used,
        'local_gb_used': used_bytes // units.Gi,
        'hypervisor_type': host.hypervisor_type(),
        'hypervisor_version': host.hypervisor_version(),
        'hypervisor_hostname': host.hostname,
        'cpu_info': jsonutils.dumps(cpu_info(host)),
        'disk_available_least': (free_bytes - _promised_bytes(group)) // units.Gi,
        'supported_instances': supported_instances(host),
        'numa_topology': topology.numa_topology(host.capabilities),
        'pci_passthrough_devices': jsonutils.dumps(topology.pci_devices() if CONF.pci.device_spec else []),
    }


def _space(group):
    """(bytes, used bytes, free bytes) of where disks are made: a volume group, or the file system of servers."""
    if group is not None:
        size, free = lvm.space(group)
        return size, size - free, free
    space = os.statvfs(CONF.instances_path)
    return tuple(blocks * space.f_frsize for blocks in (space.f_blocks, space.f_blocks - space.f_bfree, space.f_bavail))


def _promised_bytes(group):
    """What the disks there may still grow by."""
    volumes = {} if group is None else {group: lvm.volumes(group)}
    return sum(disk['over_committed_disk_size'] for uuid, known in diskinfo.all_servers(CONF.instances_path).items()
               for disk in disks.usage(uuid, {name: info for name, info in known.items() if info.group == group},
                                       volumes))


def cpu_info(host):
    """{'arch', 'model', 'vendor', 'topology': {'cells', 'sockets', 'cores', 'threads'}, 'features': [name]}."""
    root = host.capabilities
    cpu = root.find('host/cpu')
    topology = cpu.find('topology')
    cells = root.findall('host/topology/cells/cell')
    return {
        'arch': cpu.findtext('arch'),
        'model': cpu.findtext('model'),
        'vendor': cpu.findtext('vendor'),
        'topology': {'cells': len(cells) or 1,
                     **({name: int(topology.get(name)) for name in ('sockets', 'cores', 'threads')}
                        if topology is not None else {})},
        'features': sorted({feature.get('name') for feature in cpu.iterfind('feature')}),
    }


def supported_instances(host):
    """[(architecture, hypervisor type, vm mode)] that guests of this host can be, of the configured type."""
    found = []
    for guest in host.capabilities.iterfind('guest'):
        arch = guest.find('arch')
        kinds = {kind.get('type') for kind in arch.iterfind('domain')}
        if CONF.libvirt.virt_type in kinds:
            found.append((arch.get('name'), CONF.libvirt.virt_type, _VM_MODES.get(guest.findtext('os_type'), 'hvm')))
    return found


def require_virt_type(host):
    """Raises ConfigInvalid when libvirt of this host has no guests of the configured type, or not with such disks."""
    if CONF.libvirt.virt_type == 'lxc':
        if imagebackend.backend().format != 'raw' or imagebackend.backend().group:
            raise exception.ConfigInvalid(option='[libvirt]images_type',
                                          reason='containers (virt_type lxc) have raw disks in files.')
        container.require_room()
    if supported_instances(host):
        return
    known = sorted({kind.get('type') for kind in host.capabilities.iterfind('guest/arch/domain')})
    raise exception.ConfigInvalid(option='[libvirt]virt_type',
                                  reason=f'libvirt of this host can run {", ".join(known) or "nothing"}, and not '
                                         f'{CONF.libvirt.virt_type}.')


def uptime():
    """What `uptime` prints."""
    out, _err = processutils.execute('uptime', env_variables=dict(os.environ, LANG='C', LC_ALL='C'))
    return out
