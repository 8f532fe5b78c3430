# SPDX-License-Identifier: Apache-2.0
"""The state of every host, in memory.

All hosts are read once; from then on only what changed: the database is asked for rows younger than the youngest seen,
and a little (`OVERLAP`), since clocks differ and a transaction may end later than a younger one.  What was promised to
servers a moment ago and is not in a row that was read yet is kept beside, so that it is not promised again.

Nothing here can over-commit a host: a decision counts only when its claim is in the database.
"""

import collections
import datetime
import importlib
import time

from oslo_db import exception as db_exc
from oslo_log import log as logging
from oslo_utils import timeutils

from nova import concurrency, objects
from nova import context as nova_context
from nova.conf import CONF
from nova.pci import devices as pci
from nova.servicegroup import api as servicegroup

LOG = logging.getLogger(__name__)

#: How far clocks of services may be apart, and how long a transaction may take, without hiding a change.
OVERLAP = datetime.timedelta(seconds=10)
#: From so many hosts on, filters and weighers work over columns.
COLUMNS_FROM = 200
#: Seconds for which the caching scheduler believes what it knows.
CACHED_S = 60
#: Seconds for which aggregates are believed, unless somebody tells us of a change.
AGGREGATES_S = 30


class HostState:
    """What is known of one node.  Data, and no I/O.

    Sizes carry their unit in the name; `*_free` is after over-commit, `free_*` without.  The amounts used include what
    was promised to servers whose claim is not confirmed yet.
    """

    def __init__(self, host, node, compute=None, cell=None):
        self.host = host
        self.nodename = node
        self.cell = cell
        #: None: the configured cell.
        self.cell_uuid = cell.uuid if cell is not None else None
        self.service = None
        self.aggregates = []
        self.availability_zone = CONF.default_availability_zone
        self.limits = {}
        self.instances = {}
        self.updated = self.generation = None
        # promised, and not in the row yet
        self._promised = [0, 0, 0]
        self._promised_resources = collections.Counter()
        self._promises = 0
        #: Called with this state when it changed.
        self.on_change = None
        self.vcpus_total = self.vcpus_used = 0
        self.total_usable_ram_mb = self.memory_mb_used = 0
        self.total_usable_disk_gb = self.disk_gb_used = 0
        self.num_instances = 0
        self.pci_devices = []
        self.inventory, self.inventory_used, self.stats, self.traits = {}, collections.Counter(), {}, ()
        self.cpu_allocation_ratio = self.ram_allocation_ratio = self.disk_allocation_ratio = 1.0
        if compute is not None:
            self.update_from_compute_node(compute)

    def update_from_compute_node(self, compute):
        """Take over what a row says, unless it is older than what is known."""
        self.uuid = compute.uuid
        self.compute_node_id = compute.id
        self.reports = compute.reports
        self.vcpus_total = compute.vcpus - compute.reserved_vcpus
        self.total_usable_ram_mb = compute.memory_mb - compute.reserved_memory_mb
        self.total_usable_disk_gb = compute.local_gb - compute.reserved_disk_gb
        self.cpu_allocation_ratio = compute.cpu_allocation_ratio
        self.ram_allocation_ratio = compute.ram_allocation_ratio
        self.disk_allocation_ratio = compute.disk_allocation_ratio
        self.hypervisor_type = compute.hypervisor_type
        self.hypervisor_version = compute.hypervisor_version
        self.hypervisor_hostname = compute.hypervisor_hostname
        self.host_ip = compute.host_ip
        self.cpu_info = compute.cpu_info
        self.supported_instances = compute.supported_hv_specs or []
        self.stats = compute.stats or {}
        self.metrics = compute.metrics or []
        self.pci_stats = compute.pci_stats
        self.numa_topology = compute.numa_topology
        self.pci_devices = compute.pci_stats or []
        self.traits = compute.traits or []
        self.inventory = compute.inventory or {}
        #: What filters judge alike: hosts of one kind are asked about once.
        self.image_kind = (repr(self.supported_instances), self.hypervisor_version)
        self.traits_kind = tuple(self.traits)
        self.update_used(compute)

    def update_used(self, row):
        """Take over the amounts used, of a `ComputeNode` or a row of `marks_since`."""
        self.updated = row.updated_at
        self.generation = row.generation
        self.vcpus_used = row.vcpus_used + self._promised[0]
        self.memory_mb_used = row.memory_mb_used + self._promised[1]
        self.disk_gb_used = row.local_gb_used + self._promised[2]
        self.inventory_used = self._promised_resources + collections.Counter(row.inventory_used or {})
        self.num_instances = row.servers_used + self._promises
        self._changed()

    def update_service(self, service):
        """Take over the record of the host's nova-compute; None: there is none."""
        if service is not self.service:
            self.service = service
            self._changed()

    def update_aggregates(self, aggregates):
        """Take over the aggregates the host is in; the last that names a zone says which the host is in."""
        zone = CONF.default_availability_zone
        for aggregate in aggregates:
            zone = aggregate.availability_zone or zone
        if aggregates != self.aggregates or zone != self.availability_zone:
            self.aggregates, self.availability_zone = aggregates, zone
            self._changed()

    def _changed(self):
        if self.on_change is not None:
            self.on_change(self)

    # What is left ....................................................................................................

    @property
    def vcpus_free(self):
        return int(self.vcpus_total * self.cpu_allocation_ratio) - self.vcpus_used

    @property
    def memory_mb_free(self):
        return int(self.total_usable_ram_mb * self.ram_allocation_ratio) - self.memory_mb_used

    @property
    def disk_gb_free(self):
        return int(self.total_usable_disk_gb * self.disk_allocation_ratio) - self.disk_gb_used

    @property
    def free_ram_mb(self):
        return self.total_usable_ram_mb - self.memory_mb_used

    @property
    def free_disk_mb(self):
        return (self.total_usable_disk_gb - self.disk_gb_used) * 1024

    @property
    def disk_mb_used(self):
        return self.disk_gb_used * 1024

    @property
    def free_vcpus(self):
        return self.vcpus_total - self.vcpus_used

    @property
    def pci_left(self):
        """How many PCI devices no server has."""
        return len(self.pci_devices) and sum(
            not self.inventory_used[pci.resource_class(device)] for device in self.pci_devices)

    @property
    def failed_builds(self):
        """Builds that failed on the host since one succeeded."""
        return int(self.stats.get('failed_builds') or 0)

    def capacity_of(self, resource_class):
        """How much of a resource class there is, after reserves and over-commit."""
        return _capacity(self.inventory, resource_class)

    def left_of(self, resource_class):
        """How much of a resource class may still be promised."""
        return self.capacity_of(resource_class) - self.inventory_used[resource_class]

    @property
    def num_io_ops(self):
        """Servers that are being built, resized, … on the host."""
        return int(self.stats.get('io_workload') or 0) + self._promises

    # Promising .......................................................................................................

    def consume(self, amounts, servers=1):
        """Promise these `nova.scheduler.request.Amounts`; `settle` or `release` follows."""
        self._promise(amounts, 1, servers)
        self._use(amounts, 1, servers)

    def release(self, amounts, servers=1):
        """The promise came to nothing."""
        self._promise(amounts, -1, -servers)
        self._use(amounts, -1, servers)

    def settle(self, amounts, servers=1):
        """The promise is in the database: from now on the row says so."""
        self._promise(amounts, -1, -servers)
        self._changed()

    def give_back(self, amounts):
        """Think away what a server holds here, for a question about that server."""
        self._use(amounts, -1, 1)

    def consume_from_request(self, request):
        """The documented name of `consume`."""
        self.consume(request.amounts)

    consume_from_instance = consume_from_request

    def _promise(self, amounts, sign, servers):
        for index, amount in enumerate(amounts[:3]):
            self._promised[index] += sign * amount
        _add(self._promised_resources, amounts, sign)
        self._promises += servers
        # A row that was read meanwhile may or may not have had it: the next one read counts, even if it is the same.
        self.generation = None

    def _use(self, amounts, sign, servers):
        self.vcpus_used += sign * amounts[0]
        self.memory_mb_used += sign * amounts[1]
        self.disk_gb_used += sign * amounts[2]
        self.num_instances += sign * servers
        _add(self.inventory_used, amounts, sign)
        self._changed()

    def __repr__(self):
        return (f'<HostState {self.host}:{self.nodename} free: {self.vcpus_free} CPUs, {self.memory_mb_free} MiB, '
                f'{self.disk_gb_free} GiB>')


def _add(counter, amounts, sign):
    for name, amount in amounts.resources.items():
        counter[name] += sign * amount


def _capacity(inventory, resource_class):
    has = inventory.get(resource_class)
    return int((has['total'] - has.get('reserved', 0)) * has.get('allocation_ratio', 1.0)) if has else 0


class _Marker:
    """Up to which moment (of the writers' clocks) the rows of a table have been seen."""

    def __init__(self):
        self.moment = None
        self._advanced_at = None
        self._is_sure = False

    def see(self, *moments):
        """A row carries these."""
        for moment in moments:
            if moment is not None and moment.tzinfo is not None:
                moment = moment.replace(tzinfo=None)        # UTC, as in the database
            if moment is not None:
                # One of a clock that is ahead would hide what others write until then.
                moment = min(moment, timeutils.utcnow())
            if moment is not None and (self.moment is None or moment > self.moment):
                self.moment, self._advanced_at, self._is_sure = moment, time.monotonic(), False

    def look(self):
        """Where to read from, now.

        Once a look has been made `OVERLAP` after the youngest row was seen, nothing older can come any more, and rows
        that were written together are not read again and again.
        """
        if self._is_sure:
            return self.moment
        self._is_sure = _is_older(self._advanced_at, OVERLAP.total_seconds())
        return self.moment - OVERLAP


class _CellView:
    """What was seen of one cell.  `cell` None: the configured database."""

    def __init__(self, cell):
        self.cell = cell
        self.hosts = {}
        self.services = {}
        # numbers of the services whose signs of life are read next, and all of them in order
        self.beats_at = 0
        self.service_numbers = []
        self.nodes_seen = _Marker()
        self.services_seen = _Marker()
        self.loaded_at = None
        self.services_at = None


class HostManager:
    """Keeps the states; see the module."""

    def __init__(self):
        self._views = {}
        self._columns = None
        self._dirty = set()
        self._aggregates = []
        self._aggregates_at = None
        self._refreshed_at = None

    # Asking ..........................................................................................................

    def get_all_host_states(self, context=None):
        """All states, in the order in which their nodes were first seen by their database."""
        if context is not None:
            self.refresh(context)
        return [host for view in self._views.values() for host in view.hosts.values()]

    def columns(self):
        """The states as columns, or None where there are too few hosts for that to pay."""
        if self._columns is None:
            hosts = self.get_all_host_states()
            if len(hosts) < COLUMNS_FROM:
                self._dirty.clear()
                return None
            self._columns = importlib.import_module('nova.scheduler.columns').Columns(hosts)
        else:
            self._columns.update(self._dirty)
        self._dirty.clear()
        return self._columns

    # Keeping up to date ..............................................................................................

    def refresh(self, context, newer_than=None):
        """Read what changed, unless what is known is young enough.

        :param newer_than: a moment of `time.monotonic`: what is known must be younger than that.  Without it,
            [scheduler]refresh_interval says how old it may be.
        """
        if newer_than is None:
            newer_than = time.monotonic() - _believed_s()
        if self._refreshed_at is not None and self._refreshed_at >= newer_than:
            return
        with concurrency.lock('scheduler: host states'):
            if self._refreshed_at is not None and self._refreshed_at >= newer_than:
                return  # somebody else has, while this one waited
            begun = time.monotonic()
            # A context of its own: the caller's may be in a transaction, and is some user's.
            context = nova_context.get_admin_context()
            # By all that matters here, so that a cell whose URLs were changed is another one.
            cells = {(cell.uuid, cell.database_connection, cell.transport_url) if cell is not None else None: cell
                     for cell in objects.CellMappingList.to_ask(context, placing=True)}
            for gone in set(self._views) - set(cells):
                self._drop_all(self._views.pop(gone))
            for key, cell in cells.items():
                self._refresh_cell(context, self._views.setdefault(key, _CellView(cell)))
            self._refresh_aggregates(context)
            self._refreshed_at = begun

    def _refresh_cell(self, context, view):
        try:
            with nova_context.target_cell(context, view.cell) as cell_context:
                if view.loaded_at is None or _is_older(view.loaded_at, CONF.scheduler.full_refresh_interval):
                    self._read_all(cell_context, view)
                else:
                    self._read_changes(cell_context, view)
        except db_exc.DBError as exc:
            # The marks may be past rows that were not read.
            view.loaded_at = None
            if view.cell is None:
                raise
            # The other cells go on; the hosts of this one come back with it.
            LOG.warning('Cell %s does not answer; its hosts take no servers: %s', view.cell.name, exc)
            self._drop_all(view)

    def _read_all(self, context, view):
        begun = time.monotonic()
        self._take_services(view, objects.ServiceList.get_all(context, binary='nova-compute'), is_all=True)
        view.beats_at = 0
        nodes = objects.ComputeNodeList.get_all(context)
        for gone in set(view.hosts) - {node.id for node in nodes}:
            self._drop(view, gone)
        self._take_nodes(view, nodes)
        view.loaded_at = view.services_at = begun

    def _read_changes(self, context, view):
        begun = time.monotonic()
        if view.services_seen.moment is None:
            self._take_services(view, objects.ServiceList.get_all(context, binary='nova-compute'), is_all=True)
        else:
            self._take_services(view, objects.ServiceList.get_changed_since(
                context, 'nova-compute', view.services_seen.look(), beats=False))
        self._read_beats(context, view, begun)
        if view.nodes_seen.moment is None:
            self._take_nodes(view, objects.ComputeNodeList.get_all(context))
        else:
            self._take_marks(context, view, objects.ComputeNodeList.marks_since(context, view.nodes_seen.look()))

    def _read_beats(self, context, view, now):
        """Read some of the signs of life: all of them once in a quarter of service_down_time, by turns.

        Every host gives one all the time, so that they are no changes like others.
        """
        numbers = view.service_numbers
        turn_s = servicegroup.down_time_s() / 4 / max(1, len(numbers))
        turns = int((now - view.services_at) / turn_s)
        if turns >= len(numbers):
            asked, view.beats_at, view.services_at = numbers, 0, now
        else:
            asked = numbers[view.beats_at:view.beats_at + turns]
            view.beats_at = (view.beats_at + len(asked)) % len(numbers)
            # What is left of a turn counts for the next, or the round would take up to twice as long.
            view.services_at += len(asked) * turn_s
        if not asked:
            return
        seen = objects.ServiceList.beats(context, 'nova-compute', asked[0], asked[-1])
        asked = set(asked)
        services = {service.host: service for service in view.services.values() if service.id in asked}
        for host in view.hosts.values():
            service = services.get(host.host)
            if service is None:
                continue
            if service.id not in seen:
                view.services.pop(host.host, None)      # it was deleted
                host.update_service(None)
            else:
                service.trust('last_seen_up', seen[service.id])
                self._dirty.add(host)

    def _take_marks(self, context, view, marks):
        """Take over what changed; rows of which more than the amounts changed are read whole."""
        anew = []
        for mark in marks:
            view.nodes_seen.see(mark.updated_at)
            known = view.hosts.get(mark.id)
            if mark.deleted:
                if known is not None:
                    self._drop(view, mark.id)
            elif known is None or known.reports != mark.reports:
                anew.append(mark.id)
            elif known.generation != mark.generation:
                known.update_used(mark)
        if anew:
            self._take_nodes(view, objects.ComputeNodeList.get_by_ids(context, anew))

    def _take_services(self, view, services, is_all=False):
        if is_all:
            view.services = {}
        for service in services:
            view.services[service.host] = service
            view.services_seen.see(service.updated_at, service.created_at)
        if services:
            view.service_numbers = sorted(service.id for service in view.services.values())
            for host in view.hosts.values():
                host.update_service(view.services.get(host.host))

    def _take_nodes(self, view, nodes):
        for node in nodes:
            view.nodes_seen.see(node.updated_at)
            known = view.hosts.get(node.id)
            if node.deleted:
                if known is not None:
                    self._drop(view, node.id)
            elif known is None:
                self._add(view, node)
            elif known.generation != node.generation or known.updated != node.updated_at:
                known.update_from_compute_node(node)

    def _add(self, view, node):
        state = HostState(node.host, node.hypervisor_hostname, node, cell=view.cell)
        state.update_service(view.services.get(node.host))
        state.update_aggregates(self._aggregates_of(node.host))
        state.on_change = self._dirty.add
        view.hosts[node.id] = state
        self._columns = None

    def _drop(self, view, node_id):
        host = view.hosts.pop(node_id)
        # A request that is under way may hold it yet, and what that changes is in no column.
        host.on_change = None
        self._dirty.discard(host)
        self._columns = None

    def _drop_all(self, view):
        for node_id in list(view.hosts):
            self._drop(view, node_id)

    # Aggregates ......................................................................................................

    def _refresh_aggregates(self, context):
        if self._aggregates_at is None or _is_older(self._aggregates_at, AGGREGATES_S):
            begun = time.monotonic()
            self._take_aggregates(list(objects.AggregateList.get_all(context)))
            self._aggregates_at = begun

    def _take_aggregates(self, aggregates):
        self._aggregates = aggregates
        for host in self.get_all_host_states():
            host.update_aggregates(self._aggregates_of(host.host))

    def _aggregates_of(self, host):
        return [aggregate for aggregate in self._aggregates if host in aggregate.hosts]

    def update_aggregates(self, aggregates):
        """Somebody changed these aggregates."""
        new = {aggregate.id: aggregate for aggregate in aggregates}
        kept = [aggregate for aggregate in self._aggregates if aggregate.id not in new]
        self._take_aggregates(sorted([*kept, *new.values()], key=lambda aggregate: aggregate.id))

    def delete_aggregate(self, aggregate):
        self._take_aggregates([known for known in self._aggregates if known.id != aggregate.id])


def _believed_s():
    """For how many seconds what is known of the hosts is believed."""
    interval = CONF.scheduler.refresh_interval
    return max(interval, CACHED_S) if CONF.scheduler.driver == 'caching_scheduler' else interval


def _is_older(moment, seconds):
    return time.monotonic() - moment >= seconds
