# SPDX-License-Identifier: Apache-2.0
"""Placing new servers: the scheduler chooses and claims, the order goes on to the host (design section 5, 3 to 5)."""

from oslo_log import log

from nova import exception, objects
from nova.compute import build, operations, vm_states
from nova.conf import CONF
from nova.objects import relocation

LOG = log.getLogger(__name__)
EVENT = 'conductor_schedule_and_build_instances'


def schedule_and_build(host, context, action_ids):
    """Place the servers of one request, all in one question to the scheduler."""
    batch = Batch(host, context)
    for action_id in action_ids:
        operations.run(host, context, action_id, EVENT, batch.place if len(action_ids) > 1 else place)
    batch.decide()


def place(op):
    """Find a host for one server and give it the order."""
    if _was_placed(op):
        return
    spec = _spec(op)
    _check_attempts(op, spec)
    try:
        chosen = op.host.scheduler_rpcapi.select_destinations(op.context, spec, [op.instance.uuid])[0]
    except exception.NoValidHost as exc:
        tried = _failures(op)
        if not tried:
            raise
        # Why the hosts that would take it could not build it, the scheduler does not know.
        raise exception.NoValidHost(reason=f'{exc.kwargs.get("reason", "")} Tried before: {tried}'.strip(),
                                    user_reason=exc.user_reason) from exc
    _hand_over(op, spec, chosen)


class Batch:
    """Servers of one request: each is taken by itself, they are placed together."""

    def __init__(self, host, context):
        self.host, self.context = host, context
        self.taken = []

    def place(self, op):
        if not _was_placed(op):
            op.keep()
            self.taken.append(op)

    def decide(self):
        if not self.taken:
            return
        try:
            spec = _spec(self.taken[0])
            spec.num_instances = len(self.taken)
            answers = self.host.scheduler_rpcapi.select_destinations(
                self.context, spec, [op.instance.uuid for op in self.taken])
        except exception.NoValidHost as exc:
            # Not all fit.  Each by itself may, and those that do not say so.
            LOG.debug('The %d servers do not fit together (%s); placing them one by one', len(self.taken),
                      exc.format_message().partition('\n')[0])
            answers = [None] * len(self.taken)
        except Exception as exc:
            LOG.exception('Placing %d servers failed', len(self.taken))
            for op in self.taken:
                op.fail(exc)
            return
        for op, chosen in zip(self.taken, answers, strict=True):
            operations.complete(op, place if chosen is None else _Chosen(chosen))


class _Chosen:
    def __init__(self, selections):
        self.selections = selections

    def __call__(self, op):
        _hand_over(op, _spec(op), self.selections)


def _was_placed(op):
    """Whether who had the order before has given the server to a cell, and was cut off then."""
    if op.action.attempts < 2 or not relocation.finish(op.context, op.action):
        return False
    op.gave_away(None, {})
    return True


def _spec(op):
    spec = objects.RequestSpec.obj_from_primitive(op.args['request_spec'], context=op.context)
    spec.instance_uuid = op.instance.uuid
    if op.context.cell is not None:
        # It was given to the cell, and stays there.
        spec.requested_destination = {**(spec.requested_destination or {}), 'cell': op.context.cell.uuid}
    return spec


def _failures(op):
    """Where the server has been tried, and what went wrong there; '' if nowhere."""
    return '; '.join(f'{host}: {why}' for host, _node, why in op.args.get('tried') or [])


def _check_attempts(op, spec):
    """Raise NoValidHost when the server has been tried often enough.  Says where and why it failed."""
    tried = op.args.get('tried') or []
    if len(tried) >= CONF.max_schedule_attempts:
        raise exception.NoValidHost(
            reason=f'Exceeded the maximum of {CONF.max_schedule_attempts} tries: {_failures(op)}',
            user_reason=f'The server could not be built on {len(tried)} hosts.')
    if tried:
        spec.retry = {'num_attempts': len(tried) + 1, 'hosts': [[host, node] for host, node, _why in tried]}


def _hand_over(op, spec, selections):
    chosen = selections[0]
    values = {'host': chosen.host, 'node': chosen.node, 'launched_on': chosen.host,
              'compute_id': chosen.compute_node_id, 'availability_zone': chosen.availability_zone,
              'placement': chosen.placement,
              'vm_state': vm_states.BUILDING, 'task_state': build.first_state(op)}
    order, details = ('nova-compute', chosen.host, 'build_and_run_instance'), f'Chose {chosen.host}'
    action_id = op.action.id
    if chosen.cell_uuid == op.context.cell_uuid:
        op.hand_over(*order, values=values, details=details)
    else:
        cell = objects.CellMapping.get_by_uuid(op.context, chosen.cell_uuid)
        action_id = relocation.give(op.context, op.action, cell, order, values, details)
        op.gave_away(cell, values)
    op.host.compute_rpcapi.ring(op.context, chosen.host, 'build_and_run_instance', action_id)
