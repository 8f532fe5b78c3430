# SPDX-License-Identifier: Apache-2.0
"""What a guest uses, in one form for all hypervisors (API 2.48 and later).

Counters run from the guest's start; None is "this hypervisor does not say".
"""

import dataclasses


@dataclasses.dataclass(slots=True)
class CpuDiagnostics:
    """id: number of the virtual CPU; time: ns used; utilisation: percent now."""

    id: int | None = None
    time: int | None = None
    utilisation: int | None = None


@dataclasses.dataclass(slots=True)
class NicDiagnostics:
    """octets are bytes; rates are bit/s."""

    mac_address: str | None = None
    rx_octets: int | None = None
    rx_errors: int | None = None
    rx_drop: int | None = None
    rx_packets: int | None = None
    rx_rate: int | None = None
    tx_octets: int | None = None
    tx_errors: int | None = None
    tx_drop: int | None = None
    tx_packets: int | None = None
    tx_rate: int | None = None


@dataclasses.dataclass(slots=True)
class DiskDiagnostics:
    read_bytes: int | None = None
    read_requests: int | None = None
    write_bytes: int | None = None
    write_requests: int | None = None
    errors_count: int | None = None


@dataclasses.dataclass(slots=True)
class MemoryDiagnostics:
    """MiB."""

    maximum: int | None = None
    used: int | None = None


class Diagnostics:
    """state: a value of `nova.virt.power_state.STATE_MAP`; uptime: seconds."""

    version = '1.0'

    def __init__(self, state=None, driver=None, hypervisor=None, hypervisor_os=None, uptime=None, cpu_details=None,
                 nic_details=None, disk_details=None, config_drive=False):
        self.state = state
        self.driver = driver
        self.hypervisor = hypervisor
        self.hypervisor_os = hypervisor_os
        self.uptime = uptime
        self.config_drive = config_drive
        self.cpu_details = list(cpu_details or ())
        self.nic_details = list(nic_details or ())
        self.disk_details = list(disk_details or ())
        self.memory_details = MemoryDiagnostics()

    def add_cpu(self, **values):
        self.cpu_details.append(CpuDiagnostics(**values))

    def add_nic(self, **values):
        self.nic_details.append(NicDiagnostics(**values))

    def add_disk(self, **values):
        self.disk_details.append(DiskDiagnostics(**values))

    def serialize(self):
        """Plain values, as the API shows them."""
        return {
            'state': self.state,
            'driver': self.driver,
            'hypervisor': self.hypervisor,
            'hypervisor_os': self.hypervisor_os,
            'uptime': self.uptime,
            'config_drive': self.config_drive,
            'num_cpus': len(self.cpu_details),
            'num_nics': len(self.nic_details),
            'num_disks': len(self.disk_details),
            'cpu_details': [dataclasses.asdict(item) for item in self.cpu_details],
            'memory_details': dataclasses.asdict(self.memory_details),
            'nic_details': [dataclasses.asdict(item) for item in self.nic_details],
            'disk_details': [dataclasses.asdict(item) for item in self.disk_details],
        }
