# SPDX-License-Identifier: Apache-2.0
"""What may be sent: tables of fields, compiled per version into a check and a conversion to Python values.

    BODY = Table(
        Name('name', required=True),
        Integer('ram', min=1, to='memory_mb', required=True),
        Description('description', since='2.55'),
        within='flavor',
    )
    QUERY = Query(*PAGING, Integer('minRam', to='min_memory_mb'), strict='2.75')

A field has the key's `name`, the versions it exists in (`since`, `until`, inclusive), whether it is `required` (True,
or the version since which it is), `nullable`, a `default`, and `to`: the name of the handler's argument (else `name`).
A later row of the same name replaces the earlier one in its versions.  A key that is absent and has no default is not
passed at all, so that the handler's own default holds.
"""

import base64
import binascii
import functools
import ipaddress
import re
import urllib.parse
from typing import NamedTuple

from oslo_utils import timeutils

from nova.api.openstack import explanations, microversions, predicates
from nova.api.openstack.errors import Refused
from nova.conf import CONF

ABSENT = object()

#: The largest integer of the API.
MAX_INT = 2147483647


class ValueRefused(ValueError):
    """A conversion found a value that its schema let through; the text continues "<field>: <value> ..."."""


class Field:
    """One key.  Subclasses say `fragment` (JSON Schema) and `converter` (to Python), both for a version."""

    #: Python functions str/JSON -> value; None when the value is passed as it is.
    convert = None

    def __init__(self, name, *, since=None, until=None, required=False, nullable=False, default=ABSENT, to=None,
                 says=None, single=None, many=False, doc=None, in_v2=None):
        """
        :param says: what is allowed, in words: ends the sentence "<field>: <value> is not ...".
        :param single: in a query: since which version giving it twice is an error ('2.1': always); else the last wins.
        :param many: in a query: the handler gets the list of all values.
        :param in_v2: the field that takes its place in /v2.
        """
        self.name, self.range = name, microversions.Range(since, until)
        self.required = microversions.Range(required) if isinstance(required, str) else required
        self.nullable, self.default, self.to = nullable, default, to or name
        self.says, self.many, self.doc, self.in_v2 = says, many, doc, in_v2
        self.single = microversions.Range(single) if single else ()
        if name is not None and not self.to.isidentifier():
            raise ValueError(f'{name!r} is no name for an argument: give it one with to=')

    def fragment(self, at):
        raise NotImplementedError

    def converter(self, at):
        return self.convert

    def bounds(self):
        """Versions at which this field changes."""
        return {bound for part in (self.range, self.required, self.single) if isinstance(part, microversions.Range)
                for bound in part.bounds()}

    def is_required(self, at):
        return at.minor in self.required if isinstance(self.required, microversions.Range) else self.required

    def schema(self, at):
        """The whole fragment: with null, and what is allowed in words."""
        fragment = dict(self.fragment(at))
        if self.nullable:
            fragment = _or_null(fragment)
        if self.says:
            fragment['description'] = self.says + (' or null' if self.nullable else '')
        return fragment

    def conversion(self, at):
        """Value -> Python value, or None if it is the same."""
        convert = self.converter(at)
        if convert is None or not self.nullable:
            return convert
        return lambda value: None if value is None else convert(value)


def _or_null(fragment):
    if 'anyOf' in fragment:
        return {**fragment, 'anyOf': [*fragment['anyOf'], {'type': 'null'}]}
    if 'type' in fragment and 'enum' not in fragment:
        words = fragment['type']
        return {**fragment, 'type': [*([words] if isinstance(words, str) else words), 'null']}
    return {'anyOf': [fragment, {'type': 'null'}]}


# Kinds of field ------------------------------------------------------------------------------------------------------

class Any(Field):
    """Whatever it is."""

    def fragment(self, at):
        return {}


class Null(Field):
    """Null, which is there for its key only."""

    def fragment(self, at):
        return {'type': 'null'}


class Raw(Field):
    """A JSON Schema of one's own, for what no kind of field fits.  `convert` takes the valid value."""

    def __init__(self, name, fragment, *, convert=None, **kwargs):
        super().__init__(name, **kwargs)
        self._fragment = fragment
        self.convert = convert

    def fragment(self, at):
        return self._fragment


class Text(Field):
    """A string of `min` to `max` characters without control characters; `pattern` is searched in it."""

    format = 'printable'

    def __init__(self, name, *, min=0, max=None, pattern=None, format=ABSENT, **kwargs):
        super().__init__(name, **kwargs)
        self._fragment = {'type': 'string'}
        kind = self.format if format is ABSENT else format
        for key, value in (('minLength', min or None), ('maxLength', max), ('pattern', pattern), ('format', kind)):
            if value is not None:
                self._fragment[key] = value

    def fragment(self, at):
        return self._fragment


class Name(Text):
    """1 to 255 printable characters without spaces at the ends; /v2 takes such spaces and drops them."""

    format = 'name'

    def __init__(self, name, *, min=1, max=255, says='a name of printable characters without spaces at its ends',
                 **kwargs):
        super().__init__(name, min=min, max=max, says=says, **kwargs)

    def fragment(self, at):
        if at.legacy and self._fragment.get('format') == 'name':
            return {**self._fragment, 'format': 'legacy-name'}
        return self._fragment

    def converter(self, at):
        return str.strip if at.legacy else None


class ZoneName(Name):
    """The name of an availability zone: no colon."""

    def __init__(self, name, **kwargs):
        super().__init__(name, pattern=r'^[^:]*$', says='a name without a colon', **kwargs)


class HostName(Text):
    """The name of a host or hypervisor."""

    def __init__(self, name, *, min=1, max=255, **kwargs):
        super().__init__(name, min=min, max=max, pattern=r'^[a-zA-Z0-9-._]*$',
                         says='a host name: letters, digits, - . _', **kwargs)


class Description(Text):
    """0 to 255 printable characters, or null."""

    def __init__(self, name, *, max=255, nullable=True, **kwargs):
        super().__init__(name, max=max, nullable=nullable, says='printable text', **kwargs)


class ProjectId(Text):
    """The id of a project or user: 1 to 255 letters, digits and hyphens."""

    def __init__(self, name, **kwargs):
        super().__init__(name, min=1, max=255, pattern=r'^[a-zA-Z0-9-]*$', says='an id: letters, digits, -', **kwargs)


UserId = ProjectId


class Uuid(Text):
    """A UUID."""

    def __init__(self, name, **kwargs):
        super().__init__(name, format='uuid', says=kwargs.pop('says', 'a UUID'), **kwargs)


class Ip(Text):
    """An IP address; `version` 4 or 6 takes only these."""

    def __init__(self, name, *, version='', **kwargs):
        super().__init__(name, format=f'ipv{version}' if version else 'ip', says=f'an IPv{version} address' if version
                         else 'an IP address', **kwargs)

    @staticmethod
    def convert(value):
        """As RFC 5952 writes it."""
        return str(ipaddress.ip_address(value)) if value else value


class Cidr(Text):
    """A network as address/prefix."""

    def __init__(self, name, **kwargs):
        super().__init__(name, format='cidr', says='a network in CIDR form, like 10.0.0.0/24', **kwargs)


class Mac(Text):
    """An Ethernet address."""

    def __init__(self, name, **kwargs):
        super().__init__(name, pattern=r'^([0-9a-fA-F]{2})(:[0-9a-fA-F]{2}){5}$', says='a MAC address', **kwargs)


class Timestamp(Text):
    """An ISO 8601 moment; the handler gets an aware datetime in UTC."""

    def __init__(self, name, **kwargs):
        super().__init__(name, format='timestamp', says='a time in ISO 8601 form', **kwargs)

    @staticmethod
    def convert(value):
        moment = timeutils.normalize_time(timeutils.parse_isotime(value))
        return moment.replace(tzinfo=timeutils.utcnow(with_timezone=True).tzinfo)


class Regex(Text):
    """A regular expression; the handler gets its text."""

    def __init__(self, name, **kwargs):
        super().__init__(name, format='regex', says='a regular expression', **kwargs)


class Base64(Text):
    """Base64; the handler gets the text as it was sent.  Characters that are none of base64 are skipped."""

    def __init__(self, name, **kwargs):
        super().__init__(name, format='base64', says='base64', **kwargs)


class Choice(Field):
    """One of these values."""

    def __init__(self, name, values, **kwargs):
        super().__init__(name, **kwargs)
        self.values = list(values)

    def fragment(self, at):
        return {'enum': [*self.values, None] if self.nullable else self.values}

    def schema(self, at):
        return {**self.fragment(at), **({'description': self.says} if self.says else {})}


_TRUE = (True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes')
_FALSE = (False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no')


class Boolean(Field):
    """true, false, or one of their usual spellings; the handler gets a bool."""

    def __init__(self, name, *, says='true or false', **kwargs):
        super().__init__(name, says=says, **kwargs)

    def fragment(self, at):
        return {'enum': [*_TRUE, *_FALSE] + ([None] if self.nullable else [])}

    def schema(self, at):
        return {**self.fragment(at), 'description': self.says}

    @staticmethod
    def convert(value):
        return value in _TRUE


class Flag(Field):
    """Of a query: any text; the handler gets whether it says true ('1', 'yes', ... in any case)."""

    def fragment(self, at):
        return {'type': 'string'}

    @staticmethod
    def convert(value):
        return value.strip().lower() in ('1', 't', 'true', 'on', 'y', 'yes')


class Integer(Field):
    """A whole number, or its digits; the handler gets an int."""

    def __init__(self, name, *, min=0, max=MAX_INT, says=None, **kwargs):
        says = says or (f'a whole number from {min} to {max}' if max is not None else f'a whole number from {min}')
        super().__init__(name, says=says, **kwargs)
        self.min, self.max = min, max

    def fragment(self, at):
        number = {'type': 'integer', 'minimum': self.min}
        if self.max is not None:
            number['maximum'] = self.max
        return {'anyOf': [number, {'type': 'string', 'pattern': r'^-?[0-9]{1,19}\Z' if self.min < 0
                                   else r'^[0-9]{1,19}\Z'}]}

    def convert(self, value):
        number = int(value)
        if number < self.min or (self.max is not None and number > self.max):
            raise ValueRefused(f'is not {self.says}')
        return number


class Number(Field):
    """A number above `above` and up to `max`, or its text; the handler gets a float."""

    def __init__(self, name, *, above=0.0, max=3.40282e38, **kwargs):
        super().__init__(name, says=f'a number above {above:g} and up to {max:g}', **kwargs)
        self.above, self.max = above, max

    def fragment(self, at):
        return {'anyOf': [{'type': 'number', 'exclusiveMinimum': self.above, 'maximum': self.max},
                          {'type': 'string', 'pattern': r'^[0-9]{1,40}(\.[0-9]{1,40})?\Z'}]}

    def convert(self, value):
        number = float(value)
        if not self.above < number <= self.max:
            raise ValueRefused(f'is not {self.says}')
        return number


class Limit(Integer):
    """How many items at most; never more than [api]max_limit, which is also the default."""

    def __init__(self, name='limit', **kwargs):
        super().__init__(name, max=None, says='a non-negative whole number', default=lambda: CONF.api.max_limit,
                         **kwargs)

    def convert(self, value):
        return min(int(value), CONF.api.max_limit)


class Object(Field):
    """An object with the keys of a table; the handler gets a dict with the fields' `to` names."""

    def __init__(self, name, table, **kwargs):
        super().__init__(name, **kwargs)
        self.table = table

    def fragment(self, at):
        return self.table.compile(at).fragment

    def converter(self, at):
        return self.table.compile(at).convert

    def bounds(self):
        return super().bounds() | self.table.bounds()


class List(Field):
    """A list of `min` to `max` items, each as the field `item` (or a table) says."""

    def __init__(self, name, item, *, min=0, max=None, unique=False, **kwargs):
        super().__init__(name, **kwargs)
        self.item = Object(None, item, to='item') if isinstance(item, Table) else item
        self.min, self.max, self.unique = min, max, unique

    def fragment(self, at):
        bounds = {'minItems': self.min or None, 'maxItems': self.max, 'uniqueItems': self.unique or None}
        return {'type': 'array', 'items': self.item.schema(at),
                **{key: value for key, value in bounds.items() if value is not None}}

    def converter(self, at):
        convert = self.item.conversion(at)
        if convert is None:
            return None
        return lambda items: [_at(index, convert, item) for index, item in enumerate(items)]

    def bounds(self):
        return super().bounds() | self.item.bounds()


#: What a key of metadata may be, and how it is said.
KEY = {'type': 'string', 'minLength': 1, 'maxLength': 255, 'pattern': r'^[a-zA-Z0-9-_:. ]{1,255}\Z',
       'description': '1 to 255 letters, digits, - _ : . or spaces'}


class Map(Field):
    """An object whose keys are the user's own (the JSON Schema `keys` says which), each value as the field `value`."""

    def __init__(self, name, value, *, keys=KEY, min=0, max=None, **kwargs):
        super().__init__(name, **kwargs)
        self.value, self.keys, self.min, self.max = value, keys, min, max

    def fragment(self, at):
        out = {'type': 'object', 'propertyNames': self.keys, 'additionalProperties': self.value.schema(at)}
        if self.min:
            out['minProperties'] = self.min
        if self.max is not None:
            out['maxProperties'] = self.max
        return out

    def converter(self, at):
        convert = self.value.conversion(at)
        if convert is None:
            return None
        return lambda items: {key: _at(key, convert, item) for key, item in items.items()}

    def bounds(self):
        return super().bounds() | self.value.bounds()


class Metadata(Map):
    """Keys and values of up to 255 characters."""

    def __init__(self, name, *, nullable_values=False, **kwargs):
        super().__init__(name, Text(None, to='value', max=255, nullable=nullable_values), **kwargs)


class OneOf(Field):
    """As one of the alternatives says, the first that fits."""

    def __init__(self, name, *alternatives, says=None, **kwargs):
        super().__init__(name, says=says, **kwargs)
        self.alternatives = alternatives

    def fragment(self, at):
        return {'anyOf': [field.schema(at) for field in self.alternatives if at.minor in field.range]}

    def converter(self, at):
        plans = [(predicates.compile(field.schema(at)), field.conversion(at)) for field in self.alternatives
                 if at.minor in field.range]

        def convert(value):
            for fits, conversion in plans:
                if fits(value):
                    return conversion(value) if conversion else value
            return value
        return convert

    def bounds(self):
        return super().bounds().union(*(field.bounds() for field in self.alternatives))


class Prefix(Field):
    """Of a query: all parameters whose name starts so; the handler gets {name: value}."""

    def fragment(self, at):
        return {'type': 'string'}


def _at(step, convert, value):
    """Convert; what is refused knows where it stood."""
    try:
        return convert(value)
    except Refused:
        raise
    except (ValueRefused, _Misplaced) as error:
        raise _Misplaced(error, step, value) from error


class _Misplaced(ValueError):
    """A refused value and the way to it."""

    def __init__(self, error, step, value):
        inner = isinstance(error, _Misplaced)
        self.path = [step, *error.path] if inner else [step]
        self.value = error.value if inner else value
        super().__init__(str(error))

    def refused(self, prefix=()):
        return Refused(f'{explanations.where([*prefix, *self.path])}: {explanations.shown(self.value)} {self}.')


# Tables --------------------------------------------------------------------------------------------------------------

class Compiled(NamedTuple):
    """A table at a version."""

    fragment: dict      # JSON Schema
    convert: object     # valid JSON -> {argument: value}


class Table:
    """The keys of an object.

    :param within: the whole body is {within: {these keys}}.  An action's body is within its key without saying so.
    :param beside: fields that stand next to `within`.
    :param nullable: null is taken for an object without keys.
    :param at_least: how many of the keys must be there.
    :param either: groups of names; of each group exactly one must be there.
    :param open: unknown keys are ignored instead of refused, as /v2 always does.
    """

    def __init__(self, *fields, within=None, beside=(), nullable=False, at_least=0, either=(), open=False):
        self.fields, self.within, self.beside = fields, within, beside
        self.nullable, self.at_least, self.either, self.open = nullable, at_least, either, open
        self._memo = {}

    def bounds(self):
        return set().union(*(field.bounds() for field in (*self.fields, *self.beside)))

    def arguments(self):
        """Every name that `convert` may give, in any version."""
        return {field.to for field in (*self.fields, *self.beside)}

    def select(self, fields, at):
        """The rows that hold at a version: of several with one name, the last."""
        return {field.name: field.in_v2 if at.legacy and field.in_v2 else field for field in fields
                if at.minor in field.range}

    def compile(self, at):
        """The keys themselves, without `within`."""
        if at not in self._memo:
            fields = self.select(self.fields, at)
            fragment = self._object(fields, at, self.nullable, self.at_least)
            if self.either:
                fragment['allOf'] = [_exactly_one(group) for group in self.either]
            self._memo[at] = Compiled(fragment, _Conversion(fields.values(), at))
        return self._memo[at]

    def _object(self, fields, at, nullable=False, at_least=0):
        out = {'type': ['object', 'null'] if nullable else 'object',
               'properties': {name: field.schema(at) for name, field in fields.items()}}
        if required := [name for name, field in fields.items() if field.is_required(at)]:
            out['required'] = required
        if at_least:
            out['minProperties'] = at_least
        if not self.open and not at.legacy:
            out['additionalProperties'] = False
        return out

    def body(self, at, within=None):
        """The check of a whole request body; `within` is the key of the action it is for."""
        inner = self.compile(at)
        key = within or self.within
        if key is None:
            return Body(inner.fragment, inner.convert, ())
        beside = {} if within else self.select(self.beside, at)
        fragment = self._object(beside, at)
        fragment['properties'][key] = inner.fragment
        fragment['required'] = [key, *fragment.get('required', ())]
        others = _Conversion(beside.values(), at) if beside else None

        def convert(value):
            values = _at(key, inner.convert, value[key])
            return {**others(value), **values} if others else values
        return Body(fragment, convert, ())


def _exactly_one(names):
    return {'oneOf': [{'required': [name]} for name in names],
            'description': f'valid: exactly one of {", ".join(names)} must be there'}


class _Conversion:
    """{key: JSON} -> {argument: Python value}, with defaults; what is not declared is dropped."""

    __slots__ = ('_plan',)

    def __init__(self, fields, at):
        self._plan = tuple((field.name, field.to, field.conversion(at), field.default) for field in fields)

    def __call__(self, value):
        out = {}
        if value is None:
            value = {}
        for name, to, convert, default in self._plan:
            if name in value:
                out[to] = value[name] if convert is None else _at(name, convert, value[name])
            elif default is not ABSENT:
                out[to] = default() if callable(default) else default
        return out


class Value:
    """A body (or an action's value) that is not an object of keys: one field; the argument has its `to` name."""

    within = None

    def __init__(self, field):
        self.field = field

    def bounds(self):
        return self.field.bounds()

    def arguments(self):
        return {self.field.to}

    def body(self, at, within=None):
        fragment, convert, to = self.field.schema(at), self.field.conversion(at), self.field.to
        if within is None:
            return Body(fragment, lambda value: {to: convert(value) if convert else value}, ())
        whole = {'type': 'object', 'properties': {within: fragment}, 'required': [within]}
        return Body(whole, lambda value: {to: _at(within, convert, value[within]) if convert else value[within]}, ())


class _Nothing:
    """A body that is not looked at."""

    within = None

    def bounds(self):
        return set()

    def arguments(self):
        return set()

    def body(self, at, within=None):
        return None


#: Whatever is sent is taken.
ANY = _Nothing()


class Body:
    """A request body at a version: `body(json)` gives {argument: value}, or raises Refused with the reason."""

    __slots__ = ('_check', 'convert', 'fragment', 'path')

    def __init__(self, fragment, convert, path):
        self.fragment, self.convert, self.path = fragment, convert, path
        self._check = predicates.compile(fragment)

    def __call__(self, value):
        if not self._check(value):
            reason = explanations.explain(self.fragment, value, self.path)
            if reason is not None:
                raise Refused(reason)
        try:
            return self.convert(value)
        except _Misplaced as error:
            raise error.refused(self.path) from error
        except ValueRefused as error:
            raise Refused(f'body: {error}.') from error


class Query:
    """What may stand after the question mark.

    :param strict: since which version an unknown parameter is refused; before, it is ignored.
    :param gather: the handler gets all values as one dict argument of this name.
    """

    def __init__(self, *fields, strict='2.102', gather=None):
        self.fields, self.gather = fields, gather
        self.strict = microversions.Range(since=strict)

    def bounds(self):
        return set().union(self.strict.bounds(), *(field.bounds() for field in self.fields))

    def arguments(self):
        return {self.gather} if self.gather else {field.to for field in self.fields}

    def select(self, at):
        return [*{field.name: field for field in self.fields if at.minor in field.range}.values()]

    def compile(self, at):
        return Parameters(self.select(at), at, at.minor in self.strict and not at.legacy, self.gather)


#: Query of a list that is paged.
PAGING = (Limit(), Text('marker', min=1))


class Parameters:
    """A query at a version: `parameters(pairs)` gives {argument: value}, or raises Refused."""

    def __init__(self, fields, at, strict, gather):
        self._strict, self._gather = strict, gather
        self._plan = {field.name: _Parameter(field, at) for field in fields if not isinstance(field, Prefix)}
        self._prefixes = [(field.name, field.to) for field in fields if isinstance(field, Prefix)]
        self._defaults = [(field.to, field.default) for field in fields if field.default is not ABSENT]
        self.fields = fields

    def __call__(self, pairs):
        values = {to: default() if callable(default) else default for to, default in self._defaults}
        if pairs:
            self._fill(values, pairs)
        return {self._gather: values} if self._gather else values

    def _fill(self, values, pairs):
        given = {}
        for name, value in pairs:
            given.setdefault(name, []).append(value)
        for name, texts in given.items():
            parameter = self._plan.get(name)
            if parameter is not None:
                values[parameter.to] = parameter.value(texts)
                continue
            for prefix, to in self._prefixes:
                if name.startswith(prefix) and len(name) > len(prefix):
                    values.setdefault(to, {})[name[len(prefix):]] = texts[-1]
                    break
            else:
                if self._strict:
                    known = ', '.join(sorted(self._plan)) or 'none'
                    raise Refused(f'{explanations.shown(name)} is not a parameter of this query. Known are: {known}.')


class _Parameter:
    __slots__ = ('check', 'convert', 'fragment', 'many', 'name', 'single', 'to')

    def __init__(self, field, at):
        self.name, self.to, self.many = field.name, field.to, field.many
        self.single = at.minor in field.single
        self.fragment, self.convert = field.schema(at), field.conversion(at)
        self.check = predicates.compile(self.fragment)

    def value(self, texts):
        if self.single and len(texts) > 1:
            raise Refused(f'{self.name}: was given {len(texts)} times; once is allowed.')
        if self.many:
            return [self._one(text) for text in texts]
        # All are looked at, so that a wrong one is not hidden by a right one after it.
        return [self._one(text) for text in texts][-1]

    def _one(self, text):
        if not self.check(text):
            reason = explanations.explain(self.fragment, text, (self.name,))
            if reason is not None:
                raise Refused(reason)
        try:
            return text if self.convert is None else self.convert(text)
        except (ValueRefused, _Misplaced) as error:
            raise Refused(f'{self.name}: {explanations.shown(text)} {error}.') from error


#: More parameters than any client sends.
_MAX_PARAMETERS = 1000


@functools.lru_cache(maxsize=256)
def parse_query(text):
    """'a=1&b=2' -> (('a', '1'), ('b', '2')).  Raises Refused for what is no text."""
    try:
        pairs = tuple(urllib.parse.parse_qsl(text, keep_blank_values=True, errors='strict',
                                             max_num_fields=_MAX_PARAMETERS))
    except (ValueError, UnicodeError) as error:
        raise Refused('The query of the URL is not valid: it must be UTF-8, of at most '
                      f'{_MAX_PARAMETERS} parameters.') from error
    if '%00' in text and any('\0' in part for pair in pairs for part in pair):
        raise Refused('The query of the URL has a NUL character.')
    return pairs


def decode_base64(text):
    """Bytes of a Base64 field's text.  Raises Refused when there is no way to read it."""
    try:
        return base64.b64decode(text)
    except (ValueError, binascii.Error) as error:
        raise Refused(f'{explanations.shown(text)} is not base64.') from error


def last_segment(reference):
    """A reference that may be a URL: its last part."""
    return re.split('/', str(reference).rstrip('/'))[-1]
