# SPDX-License-Identifier: Apache-2.0
"""Doing what an order says (design D3).

`run` is the one place that takes an order, records its step, undoes on failure, settles the server's states and
releases the order.  A concern (`build`, `power`, …) is a function of the `Operation`; so is a task of the conductor.
"""

import contextlib
import time
import traceback

import oslo_messaging
from oslo_log import log
from oslo_utils import timeutils

from nova import concurrency, exception, objects, progress
from nova import context as nova_context
from nova.compute import states, task_states
from nova.conf import CONF
from nova.monitoring import metrics
from nova.notifications import servers as notifications

LOG = log.getLogger(__name__)

#: Seconds between two words about how an operation gets on.
_WORD_S = 30


def carries_out(method, event=None):
    """Mark a concern's function as what a service does for orders of that method.

    :param method: the name in the RPC surface, and in the order.
    :param event: the step's name in the action's events; the service's binary and the method if not given.
    """
    def mark(body):
        body.order = (method, event)
        return body
    return mark


def surface(prefix, *concerns):
    """Class decorator of a manager: a method for each order that the concerns carry out."""
    def extend(cls):
        for concern in concerns:
            for body in vars(concern).values():
                if getattr(body, '__module__', None) == concern.__name__ and hasattr(body, 'order'):
                    method, event = body.order
                    setattr(cls, method, _answer_bell(method, event or f'{prefix}_{method}', body))
        return cls
    return extend


def _answer_bell(method, event, body):
    def ring(self, context, action_id):
        if self.answers(context, method, action_id):
            run(self, context, action_id, event, body)
    ring.__name__ = method
    ring.__doc__ = body.__doc__
    return ring


class Operation:
    """One action on one server, while this service does it.

    :ivar host: what this service has: name, binary, start_id, and whatever its concerns use (driver, network, …).
    :ivar instance: the server as it was when the order was taken, and as `save` changed it.
    :ivar args: the arguments of the order.
    :ivar undo: `undo(function, *args)` registers a step that runs, newest first, if the operation fails.
    :ivar told: what it tells those who listen, see `nova.notifications.servers`.
    """

    def __init__(self, host, context, action):
        self.host = host
        self.context = context
        self.instance = action.instance
        self.bdms = action.bdms
        self.args = action.args or {}
        # Without what was just unpacked: it goes over the wire with each step.
        self.action = action.bare()
        self._undo = contextlib.ExitStack()
        self._is_undoable = False
        self._afterwards = []
        self._ends = {}
        self._destroys = False
        self._settled = False
        self._kept = False
        self._expected = None
        self._further, self._next_word_at = False, 0
        self.failure_state = _state_of(action).fails
        self.details = None
        self.told = notifications.of(self, action.method)

    def undo(self, function, *args, **kwargs):
        """Register what takes back the step just done; it must be idempotent.  It never hides the first error."""
        def step():
            try:
                function(*args, **kwargs)
            except Exception:
                LOG.exception('Undoing %s of server %s failed at %s; the janitor will look again', self.action.action,
                              self.action.instance_uuid, function)
        self._undo.callback(step)
        self._is_undoable = True

    def afterwards(self, function, *args, **kwargs):
        """Do this when the operation has ended well; a failure of it is only logged."""
        self._afterwards.append((function, args, kwargs))

    def tidy(self, function, *args, **kwargs):
        """Remove what is not needed any more.  When this fails the operation goes on, since the server is well; the
        step tells of it, and what is left is removed when the host looks for what belongs to nobody.
        """
        try:
            function(*args, **kwargs)
        except Exception as exc:
            LOG.exception('%s of server %s goes on, although %s failed', self.action.action,
                          self.action.instance_uuid, function)
            self.details = '; '.join(filter(None, (self.details, f'Not tidied up: {_message(exc)}')))

    def forget_undo(self):
        """There is no way back any more."""
        self._undo.pop_all()
        self._is_undoable = False

    def save(self, expected_task_state=None, **values):
        """Store columns of the server now.  Raises UnexpectedDeletingTaskState when it is being deleted meanwhile."""
        self.action.update_instance(values, expected_task_state)
        self._trust(values)

    def ends(self, **values):
        """What the server becomes when the operation ends well."""
        self._ends.update(values)

    def expects(self, *task_states):
        """What the task state must still be when the operation ends; a deletion that came meanwhile wins."""
        self._expected = list(task_states)

    def destroys(self, **values):
        """The operation ends with the server's records deleted."""
        self._destroys = True
        self._ends.update(values)

    def hear(self, further):
        """What is being done came further, or stands still: who gets on is not late, and has its time again.

        Raises OrderLost when the order was given up: there is nothing to go on for.
        """
        self._further = self._further or further
        now = time.monotonic()
        if self._settled or now < self._next_word_at:
            return
        self._next_word_at = now + min(_WORD_S, CONF.action_deadline / 4)
        try:
            held = self.action.is_held(self._further)
        except Exception as exc:    # noqa: BLE001  (a word less is no reason to end the work)
            LOG.warning('That %s of server %s gets on could not be recorded: %s', self.action.action,
                        self.action.instance_uuid, _message(exc))
            return
        self._further = False
        if not held:
            raise exception.OrderLost(action_id=self.action.id)

    def keep(self):
        """The body is not the end of it: `complete` goes on with this operation."""
        self._kept = True

    def is_kept(self):
        kept, self._kept = self._kept, False
        return kept

    def hand_over(self, binary, host, method, args=None, values=None, details=None, result='Success'):
        """Give the order to another service; nothing is stored by this one afterwards.  Raises OrderLost.

        :param args: None: as they were.
        """
        self.action.hand_over(binary, host, method, args, values, details, result)
        self._trust(values or {})
        self._settled = True
        self.forget_undo()

    def gave_away(self, cell, values):
        """The server and the order are another cell's now, which goes on with it."""
        self.context = self.context.copy()
        self.context.cell = cell
        self.instance._context = self.context
        self._trust(values)
        self._settled = True
        self.forget_undo()

    def _trust(self, values):
        before = self.told.before()
        self.instance.trust_stored(values)
        self.told.changed(before)

    # Ending -----------------------------------------------------------------------------------------------------------

    def succeed(self):
        if not self._settled:
            values = {**self._no_task(), **self._ends}
            if not insist(self.action.finish, values, destroy=self._destroys, details=self.details,
                          expected_task_state=self._expected):
                raise exception.OrderLost(action_id=self.action.id)
            self._trust({**values, 'deleted': True, 'deleted_at': timeutils.utcnow(with_timezone=True)}
                        if self._destroys else values)
        self._undo.pop_all()
        self.told.end()
        for function, args, kwargs in self._afterwards:
            try:
                function(*args, **kwargs)
            except Exception:
                LOG.exception('%s of server %s ended well; tidying up after it did not', self.action.action,
                              self.action.instance_uuid)

    def abandon(self):
        """Undo, and store nothing: somebody else is at it."""
        self._undo.close()

    def fail(self, exc):
        """Undo, and say on the server and the action what happened."""
        with self.told.undoing() if self._is_undoable else contextlib.nullcontext():
            self._undo.close()
        if self._settled:
            self.told.end()
            return
        if isinstance(exc, exception.UnexpectedDeletingTaskState) or self._is_being_deleted():
            # The deletion that is under way settles the states.
            self.action.finish(None, result='Error', details='The server was deleted meanwhile.')
            self.told.error(exc)
            return
        values = self._no_task()
        if self.failure_state:
            values['vm_state'] = self.failure_state
        text = traceback.format_exc()
        # Of any other error the action only says that there was one; the fault, and the administrator, know more.
        said = {'message': _said(exc)} if isinstance(exc, exception.NoValidHost) else {}
        if self.action.finish(values, fault=fault_of(exc, self.host.name, text), result='Error',
                              details=_message(exc), traceback=text, **said):
            self._trust(values)
            self.told.error(exc)

    def _no_task(self):
        """The end of the server's task; of an action that is none (a volume that is attached), it is another's."""
        row = _state_of(self.action)
        return {'task_state': None} if row.meanwhile or row is states.ACTIONS['update'] else {}

    def _is_being_deleted(self):
        """Whether somebody asked for that meanwhile, or it is gone, whatever this operation has failed of.

        A driver that does not find the guest says InstanceNotFound too: the record tells.
        """
        try:
            self.instance.refresh()
        except exception.InstanceNotFound:
            return True
        return bool(self.instance.deleted) or (self.action.action != 'delete' and
                                               self.instance.task_state in task_states.DELETING_STATES)


def insist(function, *args, **kwargs):
    """What the function, which may be repeated, answers; asked again for as long as no answer comes.

    For what there is no way back from: without an answer nobody knows whether it is recorded.
    """
    while True:
        try:
            return function(*args, **kwargs)
        except oslo_messaging.MessagingTimeout as exc:
            LOG.warning('Nobody confirmed that the end of an operation is recorded (%s); asking again', exc)


def _state_of(action):
    return states.by_record(action.action, action.args)


def _message(exc):
    if isinstance(exc, oslo_messaging.RemoteError):
        # Without the traceback of the other side, which its text has.
        return f'{exc.exc_type}: {exc.value}'
    if isinstance(exc, exception.NoValidHost):
        return f'{_said(exc)} {exc.kwargs.get("reason", "")}'.strip()
    return exc.format_message() if isinstance(exc, exception.NovaException) else f'{type(exc).__name__}: {exc}'


def _said(exc):
    """What a user reads of an error: of what is not ours its kind only, for its text may tell of the host's insides."""
    if isinstance(exc, exception.NoValidHost):
        said = 'No valid host was found.'
        return exc.user_reason if exc.user_reason.startswith(said) else f'{said} {exc.user_reason}'.strip()
    return exc.format_message() if isinstance(exc, exception.NovaException) else type(exc).__name__


def fault_of(exc, host, text=None):
    """The fault that a server shows after an error."""
    message, user = _said(exc), getattr(exc, 'user_reason', '')
    return {'code': 500, 'message': message[:255], 'details': f'{_message(exc)}\n{text or ""}'.strip(),
            'user_details': (user or message)[:255], 'host': host}


def order_key(context, action_id):
    """(the cell's UUID or None, the order's number there): what orders of all cells are told apart by."""
    return context.cell_uuid, action_id


def run(host, context, action_id, event, body):
    """Take an order and do it: `body(op)`.

    Nothing is raised: an error ends in the server's fault and in the log, once.  An order that somebody else has, or
    that is done, is left alone.
    """
    order = order_key(context, action_id)
    if order in host.entered:
        return      # the message and the poll both rang
    host.entered.add(order)
    try:
        action = objects.InstanceAction.take(context, action_id, host.binary, host.name, host.start_id, event)
        if action is not None:
            _do(host, context, action, body)
    finally:
        host.entered.discard(order)


def _do(host, context, action, body):
    if action.instance is None:
        _drop(host, context, action)
        return
    busy = action.instance_uuid in host.busy
    way = concurrency.spawn(host.make_way, action) if busy and hasattr(host, 'make_way') else None
    with concurrency.lock(f'server {action.instance_uuid}'):
        if way is not None:
            way.kill()
        host.busy.add(action.instance_uuid)
        try:
            if busy:
                # Something else was going on with it until now.
                action.instance.refresh()
            if action.instance.deleted:
                _drop(host, context, action)
                return
            complete(Operation(host, context, action), body)
        finally:
            host.busy.discard(action.instance_uuid)


def _drop(host, context, action):
    """An order for a server that is gone."""
    give_up = getattr(host, 'give_up', None)
    if give_up is not None:
        give_up(context, action)
    action.finish(None, result='Error', details='The server is gone.')


def complete(op, body):
    """Run the body of an operation to its end, whatever happens."""
    action, begun, result = op.action, time.monotonic(), 'success'
    try:
        op.told.start()
        get_ready = getattr(op.host, 'get_ready', None)
        if get_ready is not None:
            get_ready(op)
        with progress.heard_by(op.hear):
            body(op)
        if op.is_kept():
            return
        op.succeed()
    except exception.OrderLost:
        result = 'lost'
        LOG.warning('The order %s (%s) for server %s is not ours any more; stopping', action.id, action.action,
                    action.instance_uuid)
        op.abandon()
    except Exception as exc:    # noqa: BLE001  the edge: it ends in the server's fault, and in the log once
        result = 'error'
        _log_failure(action, exc)
        op.fail(exc)
        look_again = getattr(op.host, 'look_again', None)
        if look_again is not None:
            look_again(op)
    metrics.operation(action.action, result, time.monotonic() - begun)


#: Ends that are nobody's fault; a guest or server that is not there is said in one line.
_ORDINARY = (exception.NoValidHost, exception.UnexpectedDeletingTaskState, exception.InstanceNotFound)


def _log_failure(action, exc):
    if isinstance(exc, _ORDINARY):
        LOG.info('%s of server %s ended: %s', action.action, action.instance_uuid, _message(exc))
    else:
        LOG.error('%s of server %s failed', action.action, action.instance_uuid, exc_info=exc)


class Poller:
    """Finds orders whose message got lost, or came while this service was down, or whose end could not be recorded."""

    def __init__(self, host, older_than_s):
        self.host = host
        self.older_than_s = older_than_s
        self.pool = concurrency.GreenPool(20)

    def look(self, context, ring):
        """Do what is pending for this service; `ring(context, method, action id)` is called in a thread of its own."""
        for action_id, method, saved in objects.InstanceActionList.pending(
                context, self.host.binary, self.host.name, self.older_than_s, self.host.start_id, CONF.order_lease):
            if order_key(context, action_id) in self.host.entered or not self.pool.free():
                continue
            LOG.info('Taking up order %s (%s): its message got lost, came while nobody listened, or its end could not '
                     'be recorded', action_id, method)
            order_context = nova_context.RequestContext.from_dict(saved or {})
            order_context.cell = context.cell
            self.pool.spawn_n(ring, order_context, method, action_id)
