# SPDX-License-Identifier: Apache-2.0
"""What every notification is made of: a subject, and payloads that are filled from it."""

import types

from nova.objects import base as objects_base
from nova.objects import fields


class About:
    """What a notification tells of.

    :ivar context: who caused it.
    :ivar thing: the server, aggregate, key pair, … as it is at this moment.
    :ivar error: the exception that ended it, or None.
    :ivar bdms: the server's disks where they are at hand, or None.
    :ivar more: names of an event's own, `about.more.volume_id` for example.
    """

    def __init__(self, context, thing, error=None, bdms=None, **more):
        self.context, self.thing, self.error, self.bdms = context, thing, error, bdms
        self.more = types.SimpleNamespace(**more)

    def of(self, thing):
        """The same, about something else that belongs to it."""
        return About(self.context, thing)


class Payload(objects_base.NovaObject):
    """Body of a versioned notification.

    A field is the attribute of that name of `about.thing`, unless GETTERS ({field: function of `about`}) says
    otherwise.  VERSION rises with every field; fields are only added.
    """

    GETTERS = {}

    @classmethod
    def of(cls, about):
        """The payload that tells of this.  Raises ValueError for what does not fit a field: a bug of ours."""
        self = cls()
        for name in cls.fields:
            setattr(self, name, cls._value(about, name))
        self.obj_reset_changes(recursive=True)
        return self

    @classmethod
    def _value(cls, about, name):
        for each in cls.__mro__:
            getter = vars(each).get('GETTERS', {}).get(name)
            if getter is not None:
                return getter(about)
        value = getattr(about.thing, name)
        return list(value) if isinstance(value, tuple) else value

    def body(self):
        """As it is sent."""
        return self.obj_to_primitive()

    @classmethod
    def unversioned(cls, about):
        """The same as a plain dictionary, for the old form."""
        raise NotImplementedError(cls.__name__)


#: Class decorator: known by its name, as every versioned object.
payload = objects_base.register


def text():
    """A text, or null."""
    return fields.StringField(nullable=True)


def number():
    return fields.IntegerField(nullable=True)


def moment():
    return fields.DateTimeField(nullable=True)


def flag(nullable=False):
    return fields.BooleanField(nullable=nullable)


def texts():
    return fields.ListOfStringsField(nullable=True)


def plain():
    """Anything that JSON can say."""
    return fields.JsonField(nullable=True)


def one(name):
    """Another payload, or null."""
    return fields.ObjectField(name, nullable=True)


def many(name):
    """A list of other payloads."""
    return fields.ListOfObjectsField(name, default=[])


def at(name):
    """Getter of one of the event's own names; null where the event does not have it."""
    return lambda about: getattr(about.more, name, None)


def same(*names):
    """{name: text field} for each."""
    return {name: text() for name in names}
