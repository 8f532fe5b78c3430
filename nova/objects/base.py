# SPDX-License-Identifier: Apache-2.0
"""What all versioned objects have in common.

An object knows its fields, their history, how they map to columns (`from_row`) and a few remotable verbs.  A remotable
method runs where the database is: in a process without one (`NovaObject.indirection_api` is set) the call goes to the
conductor.
"""

import datetime
import functools

from oslo_utils import timeutils, versionutils
from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import exception as ovo_exception

from nova import db
from nova.objects import fields

remotable = ovo_base.remotable
_version = versionutils.convert_version_to_tuple


def register(cls):
    """Make an object known on the wire.  Its fields are then read without a detour: lists read a great many."""
    cls = ovo_base.VersionedObjectRegistry.register(cls)
    for name in cls.fields:
        known = getattr(cls, name)
        setattr(cls, name, property(_getter(name, ovo_base._get_attrname(name)), known.fset, known.fdel))
    return cls


def _getter(name, attribute):
    def get(self):
        try:
            return self.__dict__[attribute]
        except KeyError:
            self.obj_load_attr(name)
            return self.__dict__[attribute]
    return get


def remotable_classmethod(function):
    """A class method that runs where the database is."""
    return classmethod(ovo_base.remotable(function))


def aware(value):
    """A database moment (naive, UTC) as the objects hold it."""
    return value.replace(tzinfo=datetime.UTC) if value is not None else None


def naive(value):
    """An object's moment as the databases hold it."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value


def moment(value):
    """An argument of a remotable method as `naive` has it: on the wire a moment becomes text."""
    return naive(timeutils.parse_isotime(value) if isinstance(value, str) else value)


def retried(function):
    """Run a unit of work again after a deadlock or a lost connection (see `nova.db.session.retried`)."""
    @functools.wraps(function)
    def run(*args, **kwargs):
        return db.session.retried(function)(*args, **kwargs)
    return run


def reading_globals(context):
    """A transaction for several reads of the global tables: one for each would be round trips more."""
    return db.session.api_reader(context)


class NovaObject(ovo_base.VersionedObject):
    """Base of all objects.

    HISTORY maps a version to the fields it added; the older wire forms are computed from it.
    COLUMNS maps a field to the column it is read from, where the names differ.
    """

    OBJ_SERIAL_NAMESPACE = 'nova_object'
    OBJ_PROJECT_NAMESPACE = 'nova'
    VERSION = '1.0'
    HISTORY = {}
    COLUMNS = {}

    def obj_make_compatible(self, primitive, target_version):
        wanted = _version(target_version)
        for version, added in self.HISTORY.items():
            if _version(version) > wanted:
                for name in added:
                    primitive.pop(name, None)

    @classmethod
    def _plan(cls, keys):
        """(attribute, column, convert or None) for each field that the row has, computed once per kind of row."""
        plans = cls.__dict__.get('_plans')
        if plans is None:
            plans = {}
            cls._plans = plans
        plan = plans.get(keys)
        if plan is None:
            present = set(keys)
            plan = []
            for name, field in cls.fields.items():
                column = cls.COLUMNS.get(name, name)
                if column not in present:
                    continue
                if isinstance(field, fields.DateTimeField):
                    convert = aware
                elif isinstance(field, fields.BooleanField):
                    convert = bool
                else:
                    convert = None
                plan.append((ovo_base._get_attrname(name), column, convert))
            plans[keys] = plan
        return plan

    @classmethod
    def from_row(cls, context, row, **more):
        """Make an object of a database row (a mapping).  Values are trusted: nothing is coerced."""
        self = cls(context)
        state = self.__dict__
        for attribute, column, convert in cls._plan(tuple(row.keys())):
            value = row[column]
            state[attribute] = convert(value) if convert is not None else value
        for name, value in more.items():
            state[ovo_base._get_attrname(name)] = value
        return self

    # The wire form is the library's.  Most fields' values are the same on the wire, so that only the others are asked.

    @classmethod
    def _wire_plan(cls):
        """(name, attribute, field or None where the value is the same on the wire) of each field, computed once."""
        found = cls.__dict__.get('_wire_fields')
        if found is None:
            found = cls._wire_fields = tuple(
                (name, ovo_base._get_attrname(name), None if isinstance(field, fields.PLAIN) else field)
                for name, field in cls.fields.items())
        return found

    def obj_to_primitive(self, target_version=None, version_manifest=None):
        target_version = target_version or self.VERSION
        other = target_version != self.VERSION
        if other and _version(target_version) > _version(self.VERSION):
            raise ovo_exception.InvalidTargetVersion(version=target_version)
        state = self.__dict__
        data = {name: state[attribute] if field is None else field.to_primitive(self, name, state[attribute])
                for name, attribute, field in self._wire_plan() if attribute in state}
        if other or version_manifest:
            self.obj_make_compatible_from_manifest(data, target_version, version_manifest)
        packed = {self._obj_primitive_key('name'): self.obj_name(),
                  self._obj_primitive_key('namespace'): self.OBJ_PROJECT_NAMESPACE,
                  self._obj_primitive_key('version'): target_version, self._obj_primitive_key('data'): data}
        changes = [name for name in self.obj_what_changed() if name in data]
        if changes:
            packed[self._obj_primitive_key('changes')] = changes
        return packed

    @classmethod
    def _obj_from_primitive(cls, context, objver, primitive):
        """What came is trusted: the sender coerced it when it set it."""
        self = cls()
        self._context, self.VERSION = context, objver
        data, state = cls._obj_primitive_field(primitive, 'data'), self.__dict__
        for name, attribute, field in cls._wire_plan():
            if name in data:
                value = data[name]
                if value is None:
                    value = cls.fields[name].coerce(self, name, None)
                elif field is not None:
                    value = field.from_primitive(self, name, value)
                state[attribute] = value
        self._changed_fields = {name for name in cls._obj_primitive_field(primitive, 'changes', [])
                                if name in cls.fields}
        return self

    def obj_attr_is_set(self, attrname):
        """As the library's, which makes a list of all fields' names each time: packing asks of each."""
        if attrname in self.fields:
            return ovo_base._get_attrname(attrname) in self.__dict__
        return super().obj_attr_is_set(attrname)

    def obj_what_changed(self):
        """As the library's, which looks whether a value is an object at the value of each field."""
        changes = self._changed_fields.intersection(self.fields)
        for name in self._object_fields():
            value = self.__dict__.get(ovo_base._get_attrname(name))
            if value is not None and value.obj_what_changed():
                changes.add(name)
        return changes

    @classmethod
    def _object_fields(cls):
        """Names of the fields that are objects."""
        found = cls.__dict__.get('_object_field_names')
        if found is None:
            found = cls._object_field_names = tuple(
                name for name, field in cls.fields.items() if isinstance(field, fields.ObjectField))
        return found

    def trust(self, name, value):
        """Set a field without coercion and without marking it changed."""
        self.__dict__[ovo_base._get_attrname(name)] = value

    def column_changes(self):
        """Changed fields as column values; `obj_reset_changes` is the caller's."""
        return {self.COLUMNS.get(name, name): naive(value) for name, value in self.obj_get_changes().items()}

    def obj_load_attr(self, attrname):
        """A field nobody loaded: null if it may be, an error otherwise (no hidden queries)."""
        if self.fields[attrname].nullable:
            self.trust(attrname, None)
            return
        raise ovo_exception.ObjectActionError(action=f'load {attrname} of {self.obj_name()}',
                                              reason='it was not asked for when the object was loaded')


class NovaObjectList(ovo_base.ObjectListBase, NovaObject):
    """A list of objects; `fields['objects']` says of what kind."""

    @classmethod
    def of(cls, context, items):
        self = cls(context)
        self.trust('objects', items)
        return self

    @classmethod
    def from_rows(cls, context, rows):
        """Make a list of database rows: each as `from_row` of the kind of item makes it."""
        item = ovo_base.VersionedObjectRegistry.obj_classes()[cls.fields['objects'].objname][0]
        return cls.of(context, [item.from_row(context, row) for row in rows])


class TimestampedObject:
    """Mixin: when the row was made and last changed."""

    fields = {'created_at': fields.optional(fields.DateTimeField), 'updated_at': fields.optional(fields.DateTimeField)}


class NovaObjectSerializer(ovo_base.VersionedObjectSerializer):
    """Turns objects into their wire form and back; an object that is too new is asked back older from the conductor."""

    OBJ_BASE_CLASS = NovaObject
