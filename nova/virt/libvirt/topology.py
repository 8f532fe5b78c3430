# SPDX-License-Identifier: Apache-2.0
"""The CPUs, memory cells and PCI devices of this host, as libvirt knows them."""

import os

from oslo_log import log as logging

from nova import conf
from nova.virt import hardware

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_SYSFS = '/sys/bus/pci/devices'


def numa_topology(capabilities):
    """The host's cells (see `nova.numa`), of libvirt's capabilities; None where it tells of none.

    [compute]cpu_dedicated_set and cpu_shared_set say which CPUs are for which use; without either, all are for both.
    """
    dedicated = hardware.parse_cpu_spec(CONF.compute.cpu_dedicated_set or '')
    shared = hardware.parse_cpu_spec(CONF.compute.cpu_shared_set or '')
    cells = []
    for cell in capabilities.iterfind('host/topology/cells/cell'):
        cpus = [(int(cpu.get('id')), cpu.get('siblings')) for cpu in cell.iterfind('cpus/cpu')]
        ids = {cpu for cpu, _siblings in cpus}
        usable = ids if not (dedicated or shared) else set()
        pcpus, common = (ids & dedicated) | usable, (ids & shared) | usable
        groups = {frozenset(hardware.parse_cpu_spec(siblings)) & pcpus for _cpu, siblings in cpus if siblings}
        memory = cell.find('memory')
        cells.append({
            'id': int(cell.get('id')), 'cpus': sorted(common), 'pcpus': sorted(pcpus),
            'memory_mb': int(memory.text) // 1024 if memory is not None else 0,
            'siblings': sorted(sorted(group) for group in groups if len(group) > 1),
            'pages': [{'size_kb': int(pages.get('size')), 'total': int(pages.text)}
                      for pages in cell.iterfind('pages')]})
    return {'cells': cells} if cells else None


def common_cpus(capabilities):
    """CPUs of the host for guests that pin none, a set; None: all."""
    dedicated, shared = (hardware.parse_cpu_spec(said or '') for said in (CONF.compute.cpu_dedicated_set,
                                                                          CONF.compute.cpu_shared_set))
    online = {int(cpu.get('id')) for cpu in capabilities.iterfind('host/topology/cells/cell/cpus/cpu')}
    if shared:
        return shared & online if online else shared
    return online - dedicated if dedicated and online else None


def machine_types(capabilities, arch):
    """Names of the machines that guests of an architecture can be, a set; empty where libvirt tells of none."""
    return {machine.text for guest in capabilities.iterfind('guest/arch') if guest.get('name') == arch
            for machine in guest.iter('machine')}


def pci_devices():
    """All PCI devices of this host, from sysfs; see `nova.pci.devices`."""
    found = []
    for address in sorted(os.listdir(_SYSFS)) if os.path.isdir(_SYSFS) else ():
        directory = os.path.join(_SYSFS, address)
        node = _read(directory, 'numa_node')
        found.append({
            'address': address, 'vendor_id': _read(directory, 'vendor').removeprefix('0x'),
            'product_id': _read(directory, 'device').removeprefix('0x'), 'dev_type': _type(directory),
            'numa_node': int(node) if node.isdigit() else None,
            'parent_addr': os.path.basename(os.path.realpath(os.path.join(directory, 'physfn')))
            if os.path.islink(os.path.join(directory, 'physfn')) else None})
    return found


def _type(directory):
    if os.path.islink(os.path.join(directory, 'physfn')):
        return 'type-VF'
    return 'type-PF' if _read(directory, 'sriov_totalvfs') not in ('', '0') else 'type-PCI'


def _read(directory, name):
    try:
        with open(os.path.join(directory, name)) as source:
            return source.read().strip()
    except OSError:
        return ''
