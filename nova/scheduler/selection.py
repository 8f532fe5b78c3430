# SPDX-License-Identifier: Apache-2.0
"""Choosing hosts out of those in memory: filter, weigh, take the best, promise it; again for each server.

Nothing here does I/O, so nothing happens between filtering and promising.
"""

import random

from nova.conf import CONF
from nova.scheduler import filters, placement, weights
from nova.scheduler.diagnosis import NO_REASON, Diagnosis, Refusal

IGNORED = Refusal('source', word='to be ignored', may_change=False)
NOT_FORCED = Refusal('destination', word='not the one asked for', may_change=False)
OTHER_CELL = Refusal('cell', word='in another cell than the server', may_change=False)
LOST = Refusal('claim', word='taken by other servers meanwhile')


#: What a host must be even if chance decides.
CHANCE_FILTERS = ['ComputeFilter', 'RetryFilter', 'CoreFilter', 'RamFilter', 'DiskFilter']


class Chance(weights.BaseHostWeigher):
    """Any host is as good as another."""

    def _weigh_object(self, host_state, weight_properties):
        return random.random()


class Choice:
    """A host for one server, and hosts that would do as well (of the same cell, nothing is promised there)."""

    __slots__ = ('alternates', 'amounts', 'host', 'placement')

    def __init__(self, host, request):
        self.host = host
        # Without filters (a host that an administrator forced) nobody has asked yet.
        self.placement = placement.place(request, host)[0] or placement.Placement()
        self.amounts = request.amounts
        if self.placement.resources:
            self.amounts = self.amounts._replace(resources=self.amounts.resources | self.placement.resources)
        self.alternates = []


class Refused(Exception):
    """No host for one of the servers.  Carries the `Diagnosis`; nothing is promised."""

    def __init__(self, diagnosis):
        super().__init__()
        self.diagnosis = diagnosis


class Selector:
    """The enabled filters and weighers over the states of a host manager."""

    def __init__(self, host_manager):
        self.host_manager = host_manager
        settings = CONF.filter_scheduler
        by_chance = CONF.scheduler.driver == 'chance_scheduler'
        self.filters = filters.load(settings.available_filters, CHANCE_FILTERS if by_chance else
                                    settings.enabled_filters)
        self.weighers = [Chance()] if by_chance else weights.load(settings.weight_classes)
        self._limiting = [filter_ for filter_ in self.filters if hasattr(filter_, 'claim_limits')]

    def claim_limits(self, host):
        """{amount: how much of it may be used on the host}, where filters say other than the node does; the least."""
        limits = {}
        for filter_ in self._limiting:
            for name, limit in filter_.claim_limits(host).items():
                limits[name] = min(limit, limits.get(name, limit))
        return limits

    def choose(self, request, count, alternates=0, lost=()):
        """[Choice] for so many servers of the request, promised in memory.  Raises Refused.

        :param lost: hosts whose claims this request has lost already.
        """
        candidates = self.filter(request, lost)
        choices = []
        request.placed.clear()
        for index in range(count):
            if index:
                # What the last server changed is its host, and nothing else.
                candidates.ask_again(choices[-1].host, index)
            if candidates.is_empty():
                for choice in choices:
                    choice.host.release(choice.amounts)
                raise Refused(candidates.diagnosis)
            choice = Choice(candidates.best(), request)
            choice.host.consume(choice.amounts)
            request.placed[choice.host.host] += 1
            choices.append(choice)
        if alternates:
            if count > 1:       # one server does not want its own host for an alternate
                candidates.ask_again(choices[-1].host, count)
            self._add_alternates(candidates, choices, alternates)
        return choices

    @staticmethod
    def _add_alternates(candidates, choices, count):
        ordered = candidates.ordered(count + len({id(choice.host) for choice in choices}))
        for choice in choices:
            choice.alternates = [host for host in ordered
                                 if host is not choice.host and host.cell is choice.host.cell][:count]

    def filter(self, request, lost=()):
        """The `Candidates` for a request."""
        columns = self.host_manager.columns()
        hosts = columns.hosts if columns is not None else self.host_manager.get_all_host_states()
        diagnosis = Diagnosis(len(hosts))
        active = [] if request.is_forced else [
            filter_ for filter_ in self.filters
            if filter_.applies(request) and (not request.is_rebuild or getattr(filter_, 'RUN_ON_REBUILD', False))]
        weighers = [weigher for weigher in self.weighers if weigher.applies(request)]
        remaining = restrict(hosts, request, diagnosis)
        if columns is not None and len(remaining) >= len(hosts) // 2:
            found = ColumnCandidates(request, active, weighers, diagnosis, columns, self.host_manager)
        else:
            found = Candidates(request, active, weighers, diagnosis)
        found.filter(remaining)
        # Last, so that a host that is full by now says so.
        found.exclude(lost)
        return found


def restrict(hosts, request, diagnosis):
    """The hosts that the request names, without those it excludes."""
    tests = [
        ('ignore_hosts', request.ignore_hosts, IGNORED, lambda host: host.host not in request.ignore_hosts),
        ('force_hosts', request.force_hosts, NOT_FORCED, lambda host: host.host in request.force_hosts),
        ('force_nodes', request.force_nodes, NOT_FORCED, lambda host: host.nodename in request.force_nodes),
        ('requested_destination', request.destination_host, NOT_FORCED,
         lambda host: host.host == request.destination_host),
        ('requested_destination', request.destination_node, NOT_FORCED,
         lambda host: host.nodename == request.destination_node),
        ('cell', request.source, OTHER_CELL,
         lambda host: host.cell_uuid == request.source['cell']),
    ]
    for name, is_given, refusal, passes in tests:
        if is_given:
            kept = [host for host in hosts if passes(host)]
            for _refused in range(len(hosts) - len(kept)):
                diagnosis.add(name, refusal)
            hosts = kept
    return hosts


class Candidates:
    """The hosts that passed (`hosts`), and why the others did not (`diagnosis`)."""

    def __init__(self, request, active, weighers, diagnosis):
        self.request = request
        self.filters = active
        self.weighers = weighers
        self.diagnosis = diagnosis
        self.hosts = []
        # of the hosts in their order, until one of them changes
        self._weights = None

    def filter(self, hosts):
        """Show the hosts to the filters."""
        for filter_ in self.filters:
            if not hosts:
                break
            hosts = self._ask(filter_, hosts)
        self.hosts = hosts

    def exclude(self, hosts):
        """These are out of the question, though all filters let them pass."""
        for host in self.hosts if hosts else ():
            if any(host is other for other in hosts):
                self.diagnosis.add('claim', LOST)
                self._drop(host)

    def is_empty(self):
        return not self.hosts

    def _ask(self, filter_, hosts):
        """The hosts that the filter lets pass; it is noted why others are not."""
        passed = []
        for host, refusal in zip(hosts, filters.ask(filter_, hosts, self.request), strict=True):
            if refusal is None:
                passed.append(host)
            else:
                self.diagnosis.add(filter_.name, refusal)
        return passed

    def ask_again(self, host, index):
        """A server was placed on the host: may the server number `index` go there too?"""
        if self.request.is_forced:
            return
        self._weights = None
        for filter_ in self.filters:
            if getattr(filter_, 'asks_all_again', False):
                self._keep(self._ask(filter_, self.hosts))
            elif filter_.run_filter_for_index(index) and not self._ask(filter_, [host]):
                self._drop(host)
                return

    def _keep(self, hosts):
        self.hosts = hosts

    def _drop(self, host):
        self.hosts = [other for other in self.hosts if other is not host]

    def weigh(self):
        """Weights of the hosts, in their order."""
        return weights.weigh(self.weighers, self.hosts, self.request)

    def best(self):
        """The host of the greatest weight; at random among the best few if the options say so."""
        subset = CONF.filter_scheduler.host_subset_size
        if subset > 1:
            return random.choice(self.ordered(subset))
        values = self._weights = self.weigh()
        greatest = max(values)
        if CONF.filter_scheduler.shuffle_best_same_weighed_hosts:
            return random.choice([host for host, value in zip(self.hosts, values, strict=True) if value == greatest])
        return self.hosts[values.index(greatest)]

    def ordered(self, count):
        """The best so many hosts, best first; as they were weighed last, if nothing but the weights changed since."""
        values = self._weights or self.weigh()
        order = sorted(range(len(self.hosts)), key=lambda index: -values[index])
        return [self.hosts[index] for index in order[:count]]


class ColumnCandidates(Candidates):
    """The same over columns: the hosts that passed are rows (`rows`, an array)."""

    def __init__(self, request, active, weighers, diagnosis, columns, host_manager):
        self._columns = columns
        super().__init__(request, active, weighers, diagnosis)
        self._host_manager = host_manager

    @property
    def hosts(self):
        return [self._columns.hosts[row] for row in self.rows]

    @hosts.setter
    def hosts(self, hosts):
        self.rows = self._columns.rows_of(hosts)

    def filter(self, hosts):
        columns = self._columns
        alive = columns.all_true()
        if len(hosts) < len(columns.hosts):
            alive = ~alive
            alive[columns.rows_of(hosts)] = True
        for filter_ in self.filters:
            if getattr(filter_, 'mask', None) is not None:
                passes = filters.ask_columns(filter_, columns, self.request)
                refused = columns.rows_where(alive & ~passes)
                alive &= passes
                if len(refused):
                    self._refuse_later(filter_, [columns.hosts[row] for row in refused])
            else:
                seen = [columns.hosts[row] for row in columns.rows_where(alive)]
                if seen:
                    alive[:] = False
                    alive[columns.rows_of(self._ask(filter_, seen))] = True
        self.rows = columns.rows_where(alive)

    def _refuse_later(self, filter_, hosts):
        """The filter's mask refused these; why is asked for only if somebody reads it."""
        def reasons():
            return [refusal or NO_REASON for refusal in filters.ask(filter_, hosts, self.request)]
        self.diagnosis.add_later(filter_.name, len(hosts), reasons)

    def is_empty(self):
        return not len(self.rows)

    def _drop(self, host):
        self.rows = self.rows[self.rows != self._columns.row_of(host)]

    def weigh(self):
        if not weights.can_use_columns(self.weighers):
            return self._columns.array(super().weigh())
        self._host_manager.columns()        # what was promised meanwhile
        return weights.weigh_columns(self.weighers, self._columns, self.rows, self.request)

    def best(self):
        options = CONF.filter_scheduler
        if options.host_subset_size > 1:
            return random.choice(self.ordered(options.host_subset_size))
        values = self._weights = self.weigh()
        index = int(values.argmax())
        if options.shuffle_best_same_weighed_hosts:
            index = random.choice(self._columns.rows_where(values == values[index]))
        return self._columns.hosts[self.rows[index]]

    def ordered(self, count):
        if self.is_empty():
            return []
        values = self.weigh() if self._weights is None or len(self._weights) != len(self.rows) else self._weights
        return [self._columns.hosts[self.rows[index]] for index in self._columns.greatest(values, count)]
