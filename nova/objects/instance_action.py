# SPDX-License-Identifier: Apache-2.0
"""The journal of operations: what was asked for, who is doing it, and what came of it (design D3)."""

import orjson
from oslo_utils import timeutils

from nova import db, exception
from nova.conf import CONF
from nova.objects import base, block_device, fields, instance

#: What `instance_actions.message` says of an action that failed.
FAILED = 'Error'


@base.register
class InstanceActionEvent(base.NovaObject):
    fields = {
        'id': fields.IntegerField(),
        'action_id': fields.IntegerField(),
        'event': fields.StringField(),
        'start_time': fields.optional(fields.DateTimeField),
        'finish_time': fields.optional(fields.DateTimeField),
        'result': fields.optional(),
        'traceback': fields.optional(),
        'host': fields.optional(),
        'details': fields.optional(),
    }

    @base.remotable_classmethod
    @base.retried
    def event_start(cls, context, instance_uuid, event_name, host=None):
        """Note a step of the action that the context's request is; its number, or None when that is no action."""
        with db.session.writer(context) as conn:
            action = db.actions.by_request(conn, instance_uuid, context.request_id)
            return action and db.actions.start_event(conn, {'action_id': action['id'], 'event': event_name,
                                                            'host': host})

    @base.remotable_classmethod
    @base.retried
    def event_finish(cls, context, event_id, result='Success', traceback=None):
        """Note the end of a step."""
        with db.session.writer(context) as conn:
            db.actions.finish_event(conn, event_id, {'finish_time': db.types.utcnow(), 'result': result,
                                                     'traceback': traceback})


def record(conn, context, action, instance_uuid, message=None, **order):
    """Write an action in the transaction that it belongs to; returns its id.

    :param message: FAILED for what was done at once, and failed.
    :param order: binary, host, method and args make it a work order; without them it is done at once.
    """
    now = db.types.utcnow()
    values = {'action': action, 'instance_uuid': instance_uuid, 'request_id': context.request_id,
              'user_id': context.user_id, 'project_id': context.project_id, 'start_time': now, 'created_at': now,
              'updated_at': now}
    if order:
        values.update(state=db.actions.PENDING, deadline=db.leases.until(CONF.action_deadline),
                      context=context.to_dict(), **order)
        values['context'].pop('auth_token', None)
    else:
        values.update(state=db.actions.DONE, finish_time=now, message=message)
    return db.actions.insert(conn, values)


@base.register
class InstanceAction(base.NovaObject):
    """An action; while it is being done also the work order.  `instance` and `bdms` are there once it is taken."""

    fields = {
        'id': fields.IntegerField(),
        'action': fields.optional(),
        'instance_uuid': fields.optional(),
        'request_id': fields.optional(),
        'user_id': fields.optional(),
        'project_id': fields.optional(),
        'message': fields.optional(),
        'start_time': fields.optional(fields.DateTimeField),
        'finish_time': fields.optional(fields.DateTimeField),
        'created_at': fields.optional(fields.DateTimeField),
        'updated_at': fields.optional(fields.DateTimeField),
        'state': fields.optional(),
        'binary': fields.optional(),
        'host': fields.optional(),
        'method': fields.optional(),
        'args': fields.JsonField(nullable=True),
        'context': fields.JsonField(nullable=True),
        'owner': fields.optional(),
        'owner_start_id': fields.optional(),
        'lease_until': fields.optional(fields.DateTimeField),
        'deadline': fields.optional(fields.DateTimeField),
        'attempts': fields.IntegerField(default=0),
        'instance': fields.ObjectField('Instance', nullable=True),
        'bdms': fields.ListOfObjectsField('BlockDeviceMapping', nullable=True),
        'events': fields.ListOfObjectsField('InstanceActionEvent', nullable=True),
    }

    def bare(self):
        """The action without its server and arguments."""
        other = InstanceAction(self._context)
        for name in ('id', 'action', 'instance_uuid', 'request_id', 'binary', 'host', 'method', 'owner',
                     'owner_start_id', 'attempts'):
            other.trust(name, getattr(self, name))
        return other

    # Taking and doing -------------------------------------------------------------------------------------------------

    @base.remotable_classmethod
    @base.retried
    def take(cls, context, action_id, binary, host, start_id, event):
        """Make a pending order one's own, and note that its step `event` begins.

        Returns the action with its server, or None when somebody else has it, or it is done.  The server may be None:
        it is gone.
        """
        with db.session.writer(context) as conn:
            if not db.actions.take(conn, action_id, binary, host, start_id, db.leases.until(CONF.order_lease),
                                   db.leases.since(CONF.order_lease)):
                return None
            row, server = db.actions.with_server(conn, action_id)
            db.actions.start_event(conn, {'action_id': action_id, 'event': event, 'host': host})
            disks = db.block_devices.of_instances(conn, [row['instance_uuid']]).get(row['instance_uuid'], ())
        return cls.from_row(
            context, row, instance=instance.Instance.from_row(context, server) if server is not None else None,
            bdms=[block_device.BlockDeviceMapping.from_row(context, disk) for disk in disks])

    @base.remotable
    @base.retried
    def update_instance(self, values, expected_task_state=None):
        """Store states and other columns of the server while working on it; see `Instance.save` for what it raises."""
        with db.session.writer(self._context) as conn:
            instance.guarded_update(conn, self.instance_uuid, values, expected_task_state)

    @base.remotable
    @base.retried
    def finish(self, values=None, fault=None, result='Success', details=None, traceback=None, destroy=False,
               expected_task_state=None, message=FAILED):
        """The work is done: store what the server became, close the event and the action, all in one transaction.

        :param values: columns of the server to change; None: none.
        :param fault: {code, message, details, user_details, host} to show on the server, or None.
        :param result: 'Success' or 'Error'.
        :param message: what users read of an action that failed.
        :param destroy: delete the server's records instead.
        Returns False when the order was not this owner's any more (it was taken over); nothing is stored then.  A
        success may be told again: it is stored once.
        """
        failed = result != 'Success'
        with db.session.writer(self._context) as conn:
            now = db.types.utcnow()
            if db.actions.change(conn, self.id, {
                    'state': db.actions.DONE, 'finish_time': now, 'message': message[:255] if failed else None,
                    'args': None, 'context': None}, self.owner_start_id):
                self._note_end(conn, {'finish_time': now, 'result': result, 'details': details,
                                      'traceback': traceback}, failed)
                self._store_end(conn, values, fault, destroy, expected_task_state)
            elif failed or not self._has_succeeded(conn):
                return False
        if destroy:
            instance.forget_globally(self._context, self.instance_uuid)
        return True

    def _note_end(self, conn, step, failed):
        if not db.actions.finish_events(conn, self.id, step) and failed:
            # Nobody had taken it up; the reason is told all the same.
            db.actions.start_event(conn, {**step, 'action_id': self.id, 'host': self.host, 'event':
                                          f'{(self.binary or "").removeprefix("nova-")}_{self.method}'})

    def _store_end(self, conn, values, fault, destroy, expected_task_state):
        try:
            if destroy:
                instance.delete_rows(conn, self.instance_uuid, instance.stored(values or {}))
            elif values:
                instance.guarded_update(conn, self.instance_uuid, values, expected_task_state)
        except exception.InstanceNotFound:
            pass    # deleted meanwhile: there is nothing left to store it on
        if fault is not None:
            db.instances.add_fault(conn, {'instance_uuid': self.instance_uuid, **fault})

    def _has_succeeded(self, conn):
        """Whether this owner's success is recorded already, and who asks has not heard of it."""
        row, _server = db.actions.with_server(conn, self.id)
        return (row['state'], row['message'], row['owner_start_id']) == (db.actions.DONE, None, self.owner_start_id)

    def hand_over(self, binary, host, method, args=None, values=None, details=None, result='Success'):
        """Give the order to another service: this step is done, the action is not.

        :param args: None: as they were.
        :param values: columns of the server stored in the same transaction (its host, …).
        :param result: 'Success', or 'Error' when the order goes back because this step failed.
        Raises OrderLost when the order is not this owner's any more, or the server is gone; nothing is stored then.
        """
        # As text: what the arguments have of packed objects would be unpacked on the way to the conductor.
        packed = orjson.dumps(args).decode() if args is not None else None
        self.hand_over_packed(binary, host, method, packed, values, details, result)

    @base.remotable
    @base.retried
    def hand_over_packed(self, binary, host, method, args, values=None, details=None, result='Success'):
        """As `hand_over`; the arguments are JSON, or None."""
        new_args = {'args': orjson.loads(args)} if args is not None else {}
        with db.session.writer(self._context) as conn:
            now = db.types.utcnow()
            if values and not db.instances.update(conn, self.instance_uuid,
                                                  {**instance.stored(values), 'updated_at': now}):
                raise exception.OrderLost(action_id=self.id)
            if not db.actions.change(conn, self.id, {
                    'state': db.actions.PENDING, 'binary': binary, 'host': host, 'method': method, **new_args,
                    'attempts': 0, 'owner': None, 'owner_start_id': None, 'lease_until': None}, self.owner_start_id):
                raise exception.OrderLost(action_id=self.id)
            db.actions.finish_events(conn, self.id, {'finish_time': now, 'result': result, 'details': details})

    @base.remotable
    @base.retried
    def put_back(self, why):
        """Make the order pending again for the same kind of service: its owner is gone."""
        with db.session.writer(self._context) as conn:
            done = db.actions.change(conn, self.id, {'state': db.actions.PENDING, 'owner': None, 'owner_start_id': None,
                                                     'lease_until': None}, self.owner_start_id)
            if done:
                db.actions.finish_events(conn, self.id, {'finish_time': db.types.utcnow(), 'result': 'Error',
                                                         'details': why})
        return done

    @base.remotable
    @base.retried
    def reassign(self, binary, method):
        """Give the order to another kind of service, any of them; whether it was still to be done."""
        with db.session.writer(self._context) as conn:
            return db.actions.change(conn, self.id, {
                'state': db.actions.PENDING, 'binary': binary, 'host': None, 'method': method, 'owner': None,
                'owner_start_id': None, 'lease_until': None, 'deadline': db.leases.until(CONF.action_deadline)},
                self.owner_start_id)

    @property
    def is_overdue(self):
        return self.deadline is not None and self.deadline < timeutils.utcnow(with_timezone=True)

    # Reading ----------------------------------------------------------------------------------------------------------

    @base.remotable_classmethod
    def get_by_request_id(cls, context, instance_uuid, request_id):
        """The action of a request with its events, or None."""
        with db.session.reader(context) as conn:
            row = db.actions.by_request(conn, instance_uuid, request_id)
            if row is None:
                return None
            events = db.actions.events_of(conn, [row['id']]).get(row['id'], ())
        return cls.from_row(context, row, events=[InstanceActionEvent.from_row(context, event) for event in events])

    @base.remotable
    @base.retried
    def is_held(self, came_further):
        """Whether the order is still this owner's.  When what is being done came further it gets its time again."""
        if came_further:
            with db.session.writer(self._context) as conn:
                return db.actions.put_off(conn, db.leases.until(CONF.action_deadline), id=self.id,
                                          owner_start_id=self.owner_start_id)
        with db.session.reader(self._context) as conn:
            row, _server = db.actions.with_server(conn, self.id)
        return (row['state'], row['owner_start_id']) == (db.actions.RUNNING, self.owner_start_id)


@base.register
class InstanceActionList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('InstanceAction')}

    @base.remotable_classmethod
    def get_by_instance_uuid(cls, context, instance_uuid, limit=None, marker=None, since=None, before=None):
        """Actions of a server, newest first.  Raises MarkerNotFound for an unknown request id."""
        with db.session.reader(context) as conn:
            rows = db.actions.of_instance(conn, instance_uuid, limit, marker, base.naive(since), base.naive(before))
        if rows is None:
            raise exception.MarkerNotFound(marker=marker)
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    def pending(cls, context, binary, host, older_than_s, start_id, held_s):
        """[(id, method, context)] of orders for this service that nobody took for some seconds.

        And of those that this start of it holds for `held_s` seconds: unless it works on them, it took one and did not
        hear of it, or could not record how it ended.
        """
        with db.session.reader(context) as conn:
            rows = db.actions.pending(conn, binary, host, db.leases.since(older_than_s), start_id,
                                      db.leases.since(held_s))
        return [[row['id'], row['method'], row['context']] for row in rows]

    @classmethod
    @base.retried
    def renew(cls, context, start_id, lease_s):
        """Renew the leases of what this start of a service holds in the context's cell."""
        with db.session.writer(context) as conn:
            db.actions.renew(conn, start_id, db.leases.until(lease_s))

    @base.remotable_classmethod
    def held_by_host(cls, context, host, binary, except_start_id):
        """Orders that an earlier start of the service on this host left behind."""
        with db.session.reader(context) as conn:
            rows = [row for row in db.actions.running(conn, host, except_start_id) if row['binary'] == binary]
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    def waiting(cls, context, seconds):
        """Orders for hosts that nobody took for so many seconds."""
        with db.session.reader(context) as conn:
            rows = db.actions.waiting(conn, db.leases.since(seconds))
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    def expired(cls, context):
        """Orders whose owner gave no sign of life, or whose deadline passed."""
        with db.session.reader(context) as conn:
            rows = db.actions.expired(conn, db.types.utcnow())
        return cls.from_rows(context, rows)
