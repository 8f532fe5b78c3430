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
           'failed_builds', 'hypervisor_version', 'pci_left')


class _Kinds:
    """Which kind each host is of, as numbers from 0."""

    def __init__(self, count):
        self.numbers = numpy.zeros(count, dtype=numpy.int32)
        self._known = {}

    def set(self, row, key):
        self.numbers[row] = self._known.setdefault(key, len(self._known))

    def first_rows(self):
        """A row of each kind; row 0 for a kind that no host is of any more."""
        rows = [0] * len(self._known)
        found, first = numpy.unique(self.numbers, return_index=True)
        for number, row in zip(found, first, strict=True):
            rows[number] = int(row)
        return rows


class Columns:
    """Row i of every column is the host `hosts[i]`.

    Besides NUMBERS: `is_enabled`, `is_up` (arrays of bool), and `judge_kinds`.
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
        self._kinds = {}
        self._in_aggregates = set()
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
            for name, kinds in self._kinds.items():
                kinds.set(row, getattr(host, name))

    def row_of(self, host):
        return self._rows[id(host)]

    def rows_of(self, hosts):
        return numpy.fromiter((self._rows[id(host)] for host in hosts), dtype=numpy.intp)

    @staticmethod
    def greatest(values, count):
        """Where the so many greatest values are, the greatest first; of equal ones the first."""
        if len(values) > 4 * count:
            least = numpy.partition(values, -count)[-count]
            places = numpy.flatnonzero(values >= least)
        else:
            places = numpy.arange(len(values))
        return places[numpy.argsort(-values[places], kind='stable')][:count]

    @property
    def is_up(self):
        return numpy.abs(time.time() - self.seen_at) <= servicegroup.down_time_s()

    def judge_kinds(self, name, judge):
        """An array: what `judge(host)` says, asked for one host of each kind, which the attribute `name` tells."""
        kinds = self._kinds.get(name)
        if kinds is None:
            kinds = self._kinds[name] = _Kinds(len(self.hosts))
            for row, host in enumerate(self.hosts):
                kinds.set(row, getattr(host, name))
        verdicts = [judge(self.hosts[row]) for row in kinds.first_rows()]
        return numpy.asarray(verdicts, dtype=bool)[kinds.numbers] if verdicts else self.all_true()

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
