# SPDX-License-Identifier: Apache-2.0
"""The scheduler's RPC surface, and one decision: choose in memory, claim in the database, or say why not."""

import time

import oslo_messaging
from oslo_log import log as logging

from nova import context as nova_context
from nova import exception, manager, objects, rpc
from nova.conf import CONF
from nova.monitoring import metrics
from nova.notifications import tell
from nova.scheduler import claims, groups, host_manager, rpcapi, selection
from nova.scheduler.request import Request

LOG = logging.getLogger(__name__)


class SchedulerManager(manager.Manager):
    """Chooses hosts for servers, and claims their resources."""

    target = oslo_messaging.Target(version=rpcapi.VERSION)

    def __init__(self, host=None, service_name='scheduler'):
        super().__init__(host, service_name)
        self.host_manager = host_manager.HostManager()
        self.selector = selection.Selector(self.host_manager)

    @rpc.not_remote
    def init_host(self):
        """Read all hosts, so that the first request does not wait for it."""
        self.host_manager.refresh(nova_context.get_admin_context())

    @rpc.not_remote
    def reset(self):
        """Take over changed options (SIGHUP), and read all hosts anew."""
        self.host_manager = host_manager.HostManager()
        self.selector = selection.Selector(self.host_manager)

    def select_destinations(self, context, request_spec, instance_uuids, alternates=2, migration_uuid=''):
        """Hosts for the servers of one request, claimed.

        :param request_spec: what each of them needs.
        :param instance_uuids: the servers; all of them get a host, or none does.
        :param migration_uuid: the migration that the claims are for, beside the servers' own ('': their own).
        :param alternates: how many more hosts to name that would do as well.
        :returns: for each server a list of `objects.Selection`: the host it has, then the alternates.
        Raises NoValidHost: its `reason` is for administrators, its `user_reason` for users; `may_change` is False
        when neither waiting nor another try can help.
        """
        begun = time.monotonic()
        decision = Decision(self, context, request_spec, list(instance_uuids), migration_uuid)
        result = 'error'
        try:
            with tell.span('scheduler.select_destinations', tell.about(context, request_spec), 'nova-scheduler',
                           self.host):
                selections = decision.decide(alternates)
            result = 'placed'
            return selections
        except exception.NoValidHost:
            result = 'no_host'
            raise
        finally:
            metrics.scheduling(result, time.monotonic() - begun, len(decision.uuids), decision.refusals)

    def update_aggregates(self, context, aggregates):
        """Aggregates were made or changed."""
        self.host_manager.update_aggregates(aggregates)

    def delete_aggregate(self, context, aggregate):
        """An aggregate is gone."""
        self.host_manager.delete_aggregate(aggregate)


class Decision:
    """Hosts for the servers of one request."""

    def __init__(self, manager, context, spec, uuids, migration_uuid=''):
        self.hosts = manager.host_manager
        self.selector = manager.selector
        self.context = context
        self.uuids = uuids
        self.migration_uuid = migration_uuid
        self.request = Request(context, spec)
        #: {filter: hosts refused}, of the last look.
        self.refusals = {}
        self._lost = []
        self._looked_at = None

    def decide(self, alternates):
        """[[Selection, …]] in the order of the servers.  Raises NoValidHost."""
        self.hosts.refresh(self.context)
        prepare(self.context, self.request, self.selector.filters)
        groups.load(self.request, set(self.uuids))
        placed = {}
        for _attempt in range(CONF.scheduler.claim_attempts):
            missing = [uuid for uuid in self.uuids if uuid not in placed]
            try:
                choices = self._choose(missing, alternates)
            except selection.Refused as refused:
                self._give_up(placed, refused.diagnosis)
            chosen = dict(zip(missing, choices, strict=True))
            placed |= self._claim(chosen)
            if len(placed) == len(self.uuids):
                return [[self._selection(placed[uuid].host, True, placed[uuid].placement),
                         *(self._selection(host, False) for host in placed[uuid].alternates)] for uuid in self.uuids]
            self.hosts.refresh(self.context, newer_than=time.monotonic())
            groups.load(self.request, set(self.uuids) - set(placed))
        self._give_up(placed, self.selector.filter(self.request, self._lost).diagnosis)

    def _choose(self, uuids, alternates):
        """Choices for these servers.  What is known is made new before they are refused."""
        try:
            return self.selector.choose(self.request, len(uuids), alternates, self._lost)
        except selection.Refused:
            if self._looked_at is not None:
                raise
            self._looked_at = time.monotonic()
            # Perhaps something became free, or it is their own claims of a try that was cut off that take the room.
            claims.release_unplaced(nova_context.get_admin_context(), uuids)
            self.hosts.refresh(self.context, newer_than=self._looked_at)
            return self.selector.choose(self.request, len(uuids), alternates, self._lost)

    def _claim(self, chosen):
        """{uuid: Choice} of those whose claims could be made; the hosts of the others are out for this request."""
        try:
            made = claims.make(
                nova_context.get_admin_context(), chosen, self.migration_uuid, groups.guard(self.request),
                self.selector.claim_limits)
        except BaseException:
            for choice in chosen.values():
                choice.host.release(choice.amounts)
            raise
        for uuid, choice in chosen.items():
            if uuid in made:
                choice.host.settle(choice.amounts)
            else:
                choice.host.release(choice.amounts)
                if choice.host not in self._lost:
                    self._lost.append(choice.host)
        return {uuid: chosen[uuid] for uuid in made}

    def _give_up(self, placed, found):
        """Give back what some of them have already, and say why the rest has nothing.  Raises NoValidHost."""
        claims.release(nova_context.get_admin_context(), {uuid: choice.host for uuid, choice in placed.items()},
                       self.migration_uuid)
        self.refusals = found.counts()
        self._explain_forced(found)
        text = found.admin_text()
        LOG.info('%s (%d servers, flavor %s, project %s)', text, len(self.uuids), self.request.flavor.name,
                 self.request.project_id)
        raise exception.NoValidHost(text, reason=text, user_reason=found.user_text(), may_change=found.may_change)

    def _explain_forced(self, found):
        """A host that an administrator named was not filtered; if the claim did not fit, say what is missing."""
        if self.request.is_forced:
            for filter_ in self.selector.filters:
                if filter_.applies(self.request):
                    for refusal in filter_.refusals(self._lost, self.request):
                        if refusal is not None and refusal.needs is not None:
                            found.add(filter_.name, refusal)

    @staticmethod
    def _selection(host, is_claimed, placement=None):
        return objects.Selection(host=host.host, node=host.nodename, compute_node_id=host.compute_node_id,
                                 compute_node_uuid=host.uuid, availability_zone=host.availability_zone,
                                 cell_uuid=host.cell_uuid, claimed=is_claimed,
                                 limits=dict(host.limits),
                                 placement=placement.to_dict() if placement is not None else None)


def prepare(context, request, active):
    """Look up in the databases what the filters will ask for.

    :param active: the enabled filters.
    """
    find_named_instances(context, request)
    if not request.is_forced:
        for filter_ in active:
            look = getattr(filter_, 'prepare', None)
            if look is not None and filter_.applies(request):
                look(nova_context.get_admin_context(), request)


def find_named_instances(context, request):
    """Look up the hosts of the servers that hints name; one query in each cell, none without such hints."""
    uuids = request.named_instances()
    if not uuids:
        return
    admin = nova_context.get_admin_context()
    answers, _down = objects.cell.ask_each(
        admin, lambda in_cell: objects.InstanceList.get_by_uuids(in_cell, list(uuids)).objects)
    for instance in (instance for _cell, instances in answers for instance in instances):
        # Another project's servers are nobody's business, and not told by who is kept away from them.
        if context.can_see(instance.project_id):
            request.instance_hosts[instance.uuid] = instance.host


