# SPDX-License-Identifier: Apache-2.0
"""Choosing hosts out of those in memory: filter, weigh, take the best, promise it; again for each server.

Nothing here does I/O, so nothing happens between filtering and promising.
"""

import random

from nova.conf import CONF
from nova.scheduler import filters, weights
from nova.scheduler.diagnosis import NO_REASON, Diagnosis, Refusal

IGNORED = Refusal('destination', word='to be ignored', may_change=False)
NOT_FORCED = Refusal('destination', word='not the one asked for', may_change=False)
OTHER_CELL = Refusal('cell', word='in another cell than the server', may_change=False)
LOST = Refusal('claim', word='taken by other servers meanwhile')


class Choice:
    """A host for one server, and hosts that would do as well (of the same cell, nothing is promised there)."""

    __slots__ = ('alternates', 'host')

    def __init__(self, host):
        self.host = host
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
        self.filters = filters.load(settings.available_filters, settings.enabled_filters)
        self.weighers = weights.load(settings.weight_classes)
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
        amounts = request.amounts
        choices = []
        request.placed.clear()
        for index in range(count):
            if index:
                # What the last server changed is its host, and nothing else.
                candidates.ask_again(choices[-1].host, index)
            if not candidates.hosts:
                for choice in choices:
                    choice.host.release(amounts)
                raise Refused(candidates.diagnosis)
            host = candidates.best()
            host.consume(amounts)
            request.placed[host.host] += 1
            choices.append(Choice(host))
        if alternates:
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
        candidates = Candidates(self, request, Diagnosis(len(hosts)), columns)
        remaining = candidates.restrict(hosts, lost)
        active = [] if request.is_forced else [
            filter_ for filter_ in self.filters
            if filter_.applies(request) and (not request.is_rebuild or getattr(filter_, 'RUN_ON_REBUILD', False))]
        candidates.filters = active
        if columns is not None and len(remaining) >= len(hosts) // 2:
            candidates.hosts = self._filter_columns(candidates, active, columns, remaining)
        else:
            candidates.hosts = self._filter_each(candidates, active, remaining)
        return candidates

    @staticmethod
    def _filter_each(candidates, active, hosts):
        for filter_ in active:
            if not hosts:
                break
            hosts = candidates.ask(filter_, hosts)
        return hosts

    def _filter_columns(self, candidates, active, columns, remaining):
        if len(remaining) == len(columns.hosts):
            alive = columns.all_true()
        else:
            alive = ~columns.all_true()
            alive[[columns.row_of(host) for host in remaining]] = True
        for filter_ in active:
            if getattr(filter_, 'mask', None) is not None:
                passes = filters.ask_columns(filter_, columns, candidates.request)
                refused = columns.rows_where(alive & ~passes)
                alive &= passes
                if len(refused):
                    candidates.refuse_later(filter_, [columns.hosts[row] for row in refused])
            else:
                hosts = [columns.hosts[row] for row in columns.rows_where(alive)]
                if hosts:
                    alive[:] = False
                    alive[[columns.row_of(host) for host in candidates.ask(filter_, hosts)]] = True
        return [columns.hosts[row] for row in columns.rows_where(alive)]

    def weigh(self, request, hosts, columns=None):
        """Weights of the hosts, in their order: a list, or an array where there are columns."""
        active = [weigher for weigher in self.weighers if weigher.applies(request)]
        if columns is not None and weights.can_use_columns(active):
            return weights.weigh_columns(active, columns, [columns.row_of(host) for host in hosts])
        return weights.weigh(active, hosts, request)


class Candidates:
    """The hosts that passed (`hosts`), and why the others did not (`diagnosis`)."""

    def __init__(self, selector, request, diagnosis, columns=None):
        self._selector = selector
        self.request = request
        self.diagnosis = diagnosis
        self._columns = columns
        self.filters = []
        self.hosts = []

    def restrict(self, hosts, lost):
        """The hosts that the request names, without those it excludes."""
        request = self.request
        lost = {id(host) for host in lost}
        tests = [
            ('ignore_hosts', request.ignore_hosts, IGNORED, lambda host: host.host not in request.ignore_hosts),
            ('force_hosts', request.force_hosts, NOT_FORCED, lambda host: host.host in request.force_hosts),
            ('force_nodes', request.force_nodes, NOT_FORCED, lambda host: host.nodename in request.force_nodes),
            ('requested_destination', request.destination_host, NOT_FORCED,
             lambda host: host.host == request.destination_host),
            ('requested_destination', request.destination_node, NOT_FORCED,
             lambda host: host.nodename == request.destination_node),
            ('cell', request.source, OTHER_CELL,
             lambda host: (host.cell.uuid if host.cell is not None else None) == request.source['cell']),
            ('claim', lost, LOST, lambda host: id(host) not in lost),
        ]
        for name, is_given, refusal, passes in tests:
            if is_given:
                kept = [host for host in hosts if passes(host)]
                for _refused in range(len(hosts) - len(kept)):
                    self.diagnosis.add(name, refusal)
                hosts = kept
        return hosts

    def ask(self, filter_, hosts):
        """The hosts that the filter lets pass; it is noted why others are not."""
        passed = []
        for host, refusal in zip(hosts, filters.ask(filter_, hosts, self.request), strict=True):
            if refusal is None:
                passed.append(host)
            else:
                self.diagnosis.add(filter_.name, refusal)
        return passed

    def refuse_later(self, filter_, hosts):
        """The filter's mask refused these; why is asked for only if somebody reads it."""
        def reasons():
            return [refusal or NO_REASON for refusal in filters.ask(filter_, hosts, self.request)]
        self.diagnosis.add_later(filter_.name, len(hosts), reasons)

    def ask_again(self, host, index):
        """A server was placed on the host: may the server number `index` go there too?"""
        if self.request.is_forced:
            return
        for filter_ in self.filters:
            if getattr(filter_, 'asks_all_again', False):
                self.hosts = self.ask(filter_, self.hosts)
            elif filter_.run_filter_for_index(index) and not self.ask(filter_, [host]):
                self.hosts = [other for other in self.hosts if other is not host]
                return

    def _columns_now(self):
        return self._selector.host_manager.columns() if self._columns is not None else None

    def weights(self):
        return self._selector.weigh(self.request, self.hosts, self._columns_now())

    def best(self):
        """The host of the greatest weight; at random among the best few if the options say so."""
        values = self.weights()
        subset = CONF.filter_scheduler.host_subset_size
        if subset > 1:
            return random.choice(self._ordered(values, subset))
        if CONF.filter_scheduler.shuffle_best_same_weighed_hosts:
            greatest = max(values)
            return random.choice([host for host, value in zip(self.hosts, values, strict=True) if value == greatest])
        # the first of the greatest, of a list or an array
        return self.hosts[values.index(max(values)) if isinstance(values, list) else int(values.argmax())]

    def ordered(self, count):
        """The best so many hosts, best first."""
        return self._ordered(self.weights(), count) if self.hosts else []

    def _ordered(self, values, count):
        order = sorted(range(len(self.hosts)), key=lambda index: -values[index])
        return [self.hosts[index] for index in order[:count]]
