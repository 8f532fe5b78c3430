# SPDX-License-Identifier: Apache-2.0
"""What one guest uses, in the words of the API before 2.48 and after."""

import libvirt
from oslo_utils import timeutils, units

from nova import conf
from nova.virt import diagnostics, power_state
from nova.virt.libvirt import blockinfo
from nova.virt.libvirt import errors as libvirt_errors

CONF = conf.CONF

_NIC = ('rx', 'rx_packets', 'rx_errors', 'rx_drop', 'tx', 'tx_packets', 'tx_errors', 'tx_drop')
_DISK = ('read_req', 'read', 'write_req', 'write', 'errors')


def flat(guest):
    """A flat dict: 'cpu0_time' (ns), 'vda_read_req', 'vda_read' (bytes), …, 'memory' (KiB), 'tap…_rx' (bytes), ….

    libvirt counts packets before errors; the names say what is what.
    """
    info, used = guest.info(), guest.usage()
    found = {f'cpu{number}_time': time_ns for number, time_ns in enumerate(used['cpu'])}
    for name, stats in used['disks'].items():
        found.update({f'{name}_{key}': value for key, value in zip(_DISK, stats, strict=True)})
    for device, (_mac, *stats) in used['nics'].items():
        found.update({f'{device}_{key}': value for key, value in zip(_NIC, stats, strict=True)})
    found['memory'] = info.max_mem_kb
    found.update({f'memory-{key}': value for key, value in used['memory'].items()})
    return found


def of_disk(guest, name):
    """[reads, bytes read, writes, bytes written, errors] of the disk of that name ('vda'), or of '/dev/vda'."""
    return list(guest.usage()['disks'].get(name.rpartition('/')[2], ()))


def of_volumes(host, bdms_by_server):
    """[{'volume', 'instance', 'rd_req', 'rd_bytes', 'wr_req', 'wr_bytes'}] of those that run; a guest that is gone, or
    that something holds up just now, is left out.

    :param bdms_by_server: as `get_all_volume_usage` has it.
    One question to libvirt, however many guests there are.
    """
    try:
        counted = host.call(_all_disks)
    except libvirt_errors.UnsupportedByHypervisor as exc:
        raise NotImplementedError() from exc    # containers
    found = []
    for each in bdms_by_server:
        disks = counted.get(each['instance'].uuid, {})
        for bdm in each['instance_bdms']:
            counters = disks.get(blockinfo.bare(bdm.device_name))
            if counters:
                found.append({'volume': bdm.volume_id, 'instance': each['instance'], **counters})
    return found


#: libvirt's names of what is counted of a disk.
_COUNTED = {'rd_req': 'rd.reqs', 'rd_bytes': 'rd.bytes', 'wr_req': 'wr.reqs', 'wr_bytes': 'wr.bytes'}


def _all_disks(connection):
    """{uuid: {name: counters}} of all guests that run.  Runs in a native thread."""
    found = {}
    for domain, stats in connection.getAllDomainStats(
            libvirt.VIR_DOMAIN_STATS_BLOCK, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE |
            libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT):
        disks = found.setdefault(domain.UUIDString(), {})
        for number in range(stats.get('block.count', 0)):
            if f'block.{number}.rd.reqs' in stats:
                disks[stats[f'block.{number}.name']] = {
                    ours: stats.get(f'block.{number}.{theirs}', 0) for ours, theirs in _COUNTED.items()}
    return found


def full(guest, launched_at, has_config_drive):
    """`diagnostics.Diagnostics`.  `launched_at`: when the server was started first, or None."""
    info, used = guest.info(), guest.usage()
    uptime_s = int((timeutils.utcnow(with_timezone=True) - launched_at).total_seconds()) if launched_at else None
    found = diagnostics.Diagnostics(state=power_state.STATE_MAP.get(info.state), driver='libvirt',
                                    hypervisor=CONF.libvirt.virt_type, hypervisor_os='linux', uptime=uptime_s,
                                    config_drive=has_config_drive)
    for number, time_ns in enumerate(used['cpu']):
        found.add_cpu(id=number, time=time_ns)
    for mac, rx, rx_packets, rx_errors, rx_drop, tx, tx_packets, tx_errors, tx_drop in used['nics'].values():
        found.add_nic(mac_address=mac, rx_octets=rx, rx_packets=rx_packets, rx_errors=rx_errors, rx_drop=rx_drop,
                      tx_octets=tx, tx_packets=tx_packets, tx_errors=tx_errors, tx_drop=tx_drop)
    for reads, read_bytes, writes, write_bytes, errors in used['disks'].values():
        found.add_disk(read_requests=reads, read_bytes=read_bytes, write_requests=writes, write_bytes=write_bytes,
                       errors_count=errors if errors >= 0 else None)
    memory = used['memory']
    # What the guest says of itself, as soon as it has a driver that says it.
    used_kb = memory['actual'] - memory['unused'] if {'actual', 'unused'} <= set(memory) else info.mem_kb
    found.memory_details = diagnostics.MemoryDiagnostics(maximum=info.max_mem_kb // units.Ki, used=used_kb // units.Ki)
    return found
