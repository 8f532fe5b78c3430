# SPDX-License-Identifier: Apache-2.0
"""The states of many hosts as columns, for filters and weighers that can tell their rule over arrays.

Imported only where there are many hosts: the array library costs memory that a small site need not spend.
"""

import time

import numpy

from nova.servicegroup import api as servicegroup

#: Attributes of a host state that are columns of numbers.
NUMBERS = ('vcpus_total', 'vcpus_free', 'total_usable_ram_mb', 'memory_mb_free', 'free_ram_mb',
           'total_usable_disk_gb', 'disk_gb_free', 'num_io_ops', 'free_vcpus', 'free_disk_mb', 'num_instances',
           'failed_builds', 'hypervisor_version')


class Columns:
    """Row i of every column is the host `hosts[i]`.

    Besides NUMBERS: `is_enabled`, `is_up` (arrays of bool), and `is_in_zones(zones)`.
    """

    def __init__(self, hosts):
        self.hosts = list(hosts)
        self._rows = {id(host): row for row, host in enumerate(self.hosts)}
        count = len(self.hosts)
        for name in NUMBERS:
            setattr(self, name, numpy.zeros(count))
        self.is_enabled = numpy.zeros(count, dtype=bool)
        # seconds since 1970; 0: never
        self.seen_at = numpy.zeros(count)
        self._zone_numbers = {}
        self._in_aggregates = set()
        self._zone = numpy.zeros(count, dtype=numpy.int32)
        self.update(self.hosts)

    def update(self, hosts):
        """Write the rows of these hosts again."""
        for host in hosts:
            row = self._rows[id(host)]
            for name in NUMBERS:
                getattr(self, name)[row] = getattr(host, name) or 0
            (self._in_aggregates.add if host.aggregates else self._in_aggregates.discard)(host)
            service = host.service
            self.is_enabled[row] = service is not None and not service.disabled and not service.forced_down
            seen = service.last_seen_up if service is not None else None
            self.seen_at[row] = seen.timestamp() if seen is not None else 0
            self._zone[row] = self._zone_numbers.setdefault(host.availability_zone, len(self._zone_numbers))

    def row_of(self, host):
        return self._rows[id(host)]

    @property
    def is_up(self):
        return numpy.abs(time.time() - self.seen_at) <= servicegroup.down_time_s()

    def is_in_zones(self, zones):
        numbers = [self._zone_numbers[zone] for zone in zones if zone in self._zone_numbers]
        return numpy.isin(self._zone, numbers)

    @property
    def aggregate_keys(self):
        """The metadata keys of all aggregates that the hosts are in."""
        found = {id(aggregate): aggregate for host in self._in_aggregates for aggregate in host.aggregates}
        return {key for aggregate in found.values() for key in aggregate.metadata}

    @staticmethod
    def array(values):
        return numpy.fromiter(values, dtype=float)

    def all_true(self):
        return numpy.ones(len(self.hosts), dtype=bool)

    @staticmethod
    def rows_where(mask):
        """The numbers of the rows that are True."""
        return numpy.flatnonzero(mask)
