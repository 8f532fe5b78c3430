# SPDX-License-Identifier: Apache-2.0
"""What the scheduler would say, host by host, of a server that exists or does not exist yet.  Nothing is claimed."""

import dataclasses

from nova import context as nova_context
from nova import exception, objects
from nova.scheduler import host_manager, manager, selection, weights
from nova.scheduler.request import Amounts, Request

#: Heads of the table: see `Verdict.row`.
COLUMNS = ('Host', 'Node', 'Zone', 'Result', 'Why', 'Weight', 'Shares')


@dataclasses.dataclass(slots=True)
class Verdict:
    """What is to be said of one host: who refused it and why, or how good it is."""

    host: host_manager.HostState
    filter: str | None = None
    reason: str = ''
    weight: float | None = None
    shares: dict = dataclasses.field(default_factory=dict)

    @property
    def passes(self):
        return self.filter is None

    def row(self):
        """A row of the table: texts."""
        shares = ', '.join(f'{name} {share:+.3f}' for name, share in self.shares.items() if round(share, 3))
        return (self.host.host, self.host.nodename, self.host.availability_zone, self.filter or 'passes', self.reason,
                '' if self.weight is None else f'{self.weight:.3f}', shares)


@dataclasses.dataclass(slots=True)
class Explanation:
    """verdicts: the best host first, those refused last; summary: one sentence for an administrator; user_text: what
    a user would read, '' where there is a host."""

    verdicts: list
    summary: str
    user_text: str = ''

    def rows(self):
        return [verdict.row() for verdict in self.verdicts]


def explain(context, spec, hosts=None):
    """The `Explanation` for a request spec.

    :param hosts: a `HostManager` to look at; by default one that reads all hosts now.
    """
    hosts = hosts or host_manager.HostManager()
    hosts.refresh(context)
    return _explain(context, spec, hosts)


def explain_server(context, instance_uuid, hosts=None):
    """The same for a server that exists, as if it were not there yet.

    Raises NotFound if there is no such server, or it kept no request spec.
    """
    hosts = hosts or host_manager.HostManager()
    hosts.refresh(context)
    spec = objects.RequestSpec.get_by_instance_uuid(context, instance_uuid)
    cell = objects.InstanceMapping.cell_of(context, instance_uuid)
    with nova_context.target_cell(context, cell) as cell_context:
        held = objects.ClaimList.get_by_instances(cell_context, [instance_uuid])
    by_id = {host.compute_node_id: host for host in hosts.get_all_host_states()
             if host.cell_uuid == cell_context.cell_uuid}
    for claim in held:
        if claim.compute_node_id in by_id:
            by_id[claim.compute_node_id].give_back(
                Amounts(claim.vcpus, claim.memory_mb, claim.disk_gb, claim.resources or {}))
    return _explain(context, spec, hosts)


def make_spec(context, flavor, image=None, availability_zone=None, hints=None, project_id=None, host=None):
    """The request spec of a server that does not exist yet.

    :param flavor: id or name of a flavor.  Raises FlavorNotFound.
    :param image: `objects.ImageMeta` or None: an image without conditions.
    :param hints: {name: value or list}.
    :param host: the only host to look at.
    """
    try:
        found = objects.Flavor.get_by_flavor_id(context, flavor)
    except exception.FlavorNotFound:
        found = objects.Flavor.get_by_name(context, flavor)
    return objects.RequestSpec(
        context, flavor=found, image=image, num_instances=1, project_id=project_id or context.project_id,
        availability_zone=availability_zone, is_bfv=False,
        scheduler_hints={name: value if isinstance(value, list) else [value] for name, value in (hints or {}).items()},
        requested_destination={'host': host, 'node': None} if host else None)


def _explain(context, spec, hosts):
    selector = selection.Selector(hosts)
    request = Request(context, spec)
    manager.prepare(context, request, selector.filters)
    candidates = selector.filter(request)
    passed = {id(host) for host in candidates.hosts}
    verdicts = [Verdict(host, *_refused_by(selector, request, host))
                for host in hosts.get_all_host_states() if id(host) not in passed]
    weighers = [weigher for weigher in selector.weighers if weigher.applies(request)]
    shares = weights.shares(weighers, candidates.hosts, request) if candidates.hosts else {}
    best = []
    for index, host in enumerate(candidates.hosts):
        parts = {name: values[index] for name, values in shares.items()}
        best.append(Verdict(host, weight=sum(parts.values()), shares=parts))
    best.sort(key=lambda verdict: -verdict.weight)
    if best:
        summary = f'{len(best):,} of {candidates.diagnosis.total:,} hosts pass; {best[0].host.host} is the best.'
        return Explanation(best + verdicts, summary)
    return Explanation(verdicts, candidates.diagnosis.admin_text(), candidates.diagnosis.user_text())


def _refused_by(selector, request, host):
    """(who refused this host, why), asked alone."""
    diagnosis = selection.Diagnosis(1)
    if selection.restrict([host], request, diagnosis):
        for filter_ in selector.filters:
            if filter_.applies(request):
                refusal = filter_.refusals([host], request)[0]
                if refusal is not None:
                    return filter_.name, str(refusal)
    return next(iter(diagnosis.counts()), 'changed meanwhile'), 'excluded by the request'
