# SPDX-License-Identifier: Apache-2.0
"""What hosts did of tasks that are due once in a period."""

from oslo_db import exception as db_exc

from nova import db
from nova.objects import base, fields

RUNNING, DONE = 'RUNNING', 'DONE'


@base.register
class TaskLog(base.TimestampedObject, base.NovaObject):
    """`task_items`: how many things the task is about on this host; `errors`: how many of them failed."""

    fields = {
        'id': fields.IntegerField(),
        **{name: fields.StringField() for name in ('task_name', 'host', 'state', 'message')},
        **{name: fields.DateTimeField() for name in ('period_beginning', 'period_ending')},
        **{name: fields.IntegerField(default=0) for name in ('task_items', 'errors')},
    }

    @base.remotable_classmethod
    def begin(cls, context, name, host, begin, end):
        """Note that a host begins; False when it has done this already.

        Of one that is running nobody knows more: what began it is gone, and it begins again.
        """
        try:
            with db.session.writer(context) as conn:
                db.task_log.insert(conn, {'task_name': name, 'host': host, 'period_beginning': base.moment(begin),
                                          'period_ending': base.moment(end), 'state': RUNNING, 'message': ''})
            return True
        except db_exc.DBDuplicateEntry:
            with db.session.reader(context) as conn:
                return any(row['host'] == host and row['state'] == RUNNING for row in db.task_log.select(
                    conn, name, base.moment(begin), base.moment(end)))

    @base.remotable_classmethod
    @base.retried
    def note(cls, context, name, host, begin, end, values):
        """Store how far a host came: any of `state`, `task_items`, `errors`, `message`."""
        with db.session.writer(context) as conn:
            db.task_log.update(conn, name, host, base.moment(begin), base.moment(end), values)


@base.register
class TaskLogList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('TaskLog')}

    @base.remotable_classmethod
    def get_all(cls, context, name, begin, end):
        """Of all hosts, for one period."""
        with db.session.reader(context) as conn:
            return cls.from_rows(context, db.task_log.select(conn, name, base.moment(begin), base.moment(end)))
