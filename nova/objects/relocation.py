# SPDX-License-Identifier: Apache-2.0
"""Giving a new server to a cell with a database of its own: its rows move there (design D1).

Three databases are written: the one where it was recorded (cell0's), the cell's, and the global tables.  The order of
the steps makes it safe to be cut off between any two of them: with the server's row locked here, the rows are written
there, then the mapping points there, then they are removed here.  What is asked of the server meanwhile waits for the
lock, and then finds it in the cell.
"""

from oslo_log import log

from nova import context as nova_context
from nova import db, exception
from nova.compute import task_states
from nova.objects import base, claim
from nova.objects import cell as cells
from nova.objects import instance as instance_obj

LOG = log.getLogger(__name__)


def give(context, action, cell, order, values, details):
    """Move a server that this owner places, with the order for it; returns the order's number in the cell.

    :param order: (binary, host, method): who goes on with it there.
    :param values: columns of the server that change with it.
    :param details: what came of this step, for the action's events.
    Raises OrderLost when the order is not this owner's any more, or when nobody knows how far this came: then who takes
    the order again calls `finish`.  Raises UnexpectedDeletingTaskState when the server is being deleted.
    """
    move = _Move(context, action, cell)
    try:
        return base.retried(move.give)(order, values, details)
    except Exception as exc:
        if not move.is_there:
            claim.Claim.release(move.there, action.instance_uuid)
            raise
        LOG.warning('Server %s is on its way to cell %s, and what is left of it here was not removed: %s',
                    action.instance_uuid, cell.name, exc)
        raise exception.OrderLost(action_id=action.id) from exc


def finish(context, action):
    """End a move that was cut off; whether there was one.  For who takes an order that somebody else has begun.

    Raises OrderLost while a cell does not answer that may have the server.
    """
    if context.cell is not None:
        return False        # servers are given away from the configured cell only
    if len(cells.CellMappingList.to_ask(context)) == 1:
        return False
    uuid = action.instance_uuid
    answers, down = cells.ask_each(nova_context.get_admin_context(), lambda in_cell: in_cell.cell and _is_in(
        in_cell, uuid))
    found = next((cell for cell, is_there in answers if is_there), None)
    if found is not None:
        LOG.info('Server %s is in cell %s already; what is left of it here is removed', uuid, found.name)
        base.retried(_Move(context, action, found).clear)()
        return True
    if down:
        LOG.warning('Cell %s does not answer; whether it has server %s is looked at again', down[0].name, uuid)
        raise exception.OrderLost(action_id=action.id)
    return False


def _is_in(context, uuid):
    with db.session.reader(context) as conn:
        # It may have been built and deleted there.
        return db.instances.by_uuid(conn, uuid, read_deleted='yes') is not None


class _Move:
    """:ivar is_there: whether the rows may be in the cell."""

    def __init__(self, context, action, cell):
        self.context, self.action, self.cell = context, action, cell
        with nova_context.target_cell(context, cell) as there:
            self.there = there
        self.is_there = False

    def give(self, order, values, details):
        with db.session.writer(self.context) as here:
            rows = db.relocation.read(here, self.action.instance_uuid)
            self._check(rows)
            self._hand_over(rows, order, values, details)
            number = self._write(rows)
            self._point()
            db.relocation.remove(here, rows)
        return number

    def clear(self):
        with db.session.writer(self.context) as here:
            rows = db.relocation.read(here, self.action.instance_uuid)
            self._point()
            if rows is not None:
                db.relocation.remove(here, rows)

    def _check(self, rows):
        order = rows and rows.action(self.action.id)
        if not order or (order['state'], order['owner_start_id']) != (
                db.actions.RUNNING, self.action.owner_start_id):
            raise exception.OrderLost(action_id=self.action.id)
        if rows.server['task_state'] in task_states.DELETING_STATES:
            raise exception.UnexpectedDeletingTaskState(
                instance_uuid=self.action.instance_uuid, actual=rows.server['task_state'],
                expected=[task_states.SCHEDULING])

    def _hand_over(self, rows, order, values, details):
        """Change what was read into what the cell is to have."""
        now = db.types.utcnow()
        rows.server.update(instance_obj.stored(values), updated_at=now)
        binary, host, method = order
        rows.action(self.action.id).update(
            state=db.actions.PENDING, binary=binary, host=host, method=method, attempts=0, owner=None,
            owner_start_id=None, lease_until=None, updated_at=now)
        for event in rows.events_of(self.action.id):
            if event['finish_time'] is None:
                event.update(finish_time=now, result='Success', details=details)

    def _write(self, rows):
        with db.session.writer(self.there) as conn:
            if db.instances.by_uuid(conn, self.action.instance_uuid, read_deleted='yes') is not None:
                # Our own try, whose end we did not hear of.
                found = db.actions.by_request(conn, self.action.instance_uuid, self.action.request_id)
                return found['id'] if found is not None else None
            if not db.claims.of_instances(conn, [self.action.instance_uuid]):
                # It took so long that the claim was taken for nobody's.
                raise exception.OrderLost(action_id=self.action.id)
            number = db.relocation.write(conn, rows)[self.action.id]
            self.is_there = True
        return number

    def _point(self):
        with db.session.api_writer(self.context) as conn:
            db.mappings.give(conn, self.action.instance_uuid, self.cell.id)
