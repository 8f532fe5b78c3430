# SPDX-License-Identifier: Apache-2.0
"""What comes back: tables of fields, compiled per version and per what the caller may see into flat lists of getters.

    VIEW = Table(
        Field('id', 'flavorid'),
        Field('name'),
        Field('ram', 'memory_mb', on=FULL),
        Field('description', since='2.55'),
        Field('extra_specs', on=FULL, since='2.61', policy=SHOW_SPECS),
        Field('links', lambda flavor, request: request.links.item('flavors', flavor.flavorid)),
    )
    ... view=VIEW.one('flavor')                                     {"flavor": {...}}
    ... view=VIEW.many('flavors', links='flavors_links', marker='flavorid')

A getter is an attribute's name (dots allowed; the default is the field's own name), or a function of the item, or of
the item and the request (`request.links`, `request.context`).  It does no I/O.  It may return ABSENT: then the key is
left out.  A later row of a name replaces the earlier one where both apply (version, operation, policy).
"""

import inspect
import operator

from nova.api.openstack import microversions
from nova.conf import CONF

#: A getter's answer when the key shall not be there.
ABSENT = object()

# The usual operations, for `on`.  A route's own name is its `on=`, or else that of its handler.
LIST, DETAIL, SHOW, CREATE, UPDATE = 'index', 'detail', 'show', 'create', 'update'


def schema_of(kind):
    """The JSON Schema that a short form means: 'string', 'string?' (or null), 'string*' (a list of them).

    Several types in a list, and a JSON Schema, are themselves; None is None.
    """
    if not isinstance(kind, str):
        return {'type': kind} if isinstance(kind, list) else kind
    if kind.endswith('*'):
        return {'type': 'array', 'items': schema_of(kind[:-1])}
    return {'type': [kind[:-1], 'null']} if kind.endswith('?') else {'type': kind}


def shape(optional=(), **keys):
    """The JSON Schema of an object with these keys (name=short form or schema); all are required but `optional`."""
    return {'type': 'object', 'properties': {name: schema_of(kind) for name, kind in keys.items()},
            'required': [name for name in keys if name not in optional]}


def many(schema):
    """The JSON Schema of a list."""
    return {'type': 'array', 'items': schema}


#: The links of an item, that of a page to the next one, and the metadata of an item.
LINKS = many(shape(optional=('type',), rel='string', href='string', type='string'))
NEXT = {**many(shape(rel={'const': 'next'}, href='string')), 'minItems': 1, 'maxItems': 1}
MAP = {'type': 'object', 'additionalProperties': {'type': 'string'}}


class Field:
    """One key of an answer.

    :param on: the operations it appears in (one name or several); None: all.
    :param since, until: versions, inclusive; `since` may be {operation: version}, which also says `on`.
    :param needs: what a query has to load for it (a name or several), told to handlers that take `needs`.
    :param policy: a rule (nova.policy.Rule); the field is only there for those whom it allows.
    :param view: a Table for the value; with `many`, for each item of it.
    :param type: of the value, for the documentation and the tests: see `schema_of`.
    :param optional: the getter may return ABSENT.
    """

    def __init__(self, name, getter=None, *, on=None, since=None, until=None, needs=(), policy=None, view=None,
                 many=False, type=None, optional=False, doc=None):
        self.name, self.policy, self.view, self.many, self.doc = name, policy, view, many, doc
        self.type, self.optional = schema_of(type), optional
        self.needs = frozenset([needs] if isinstance(needs, str) else needs)
        self.get, self.wants_request = _getter(name if getter is None else getter)
        if isinstance(since, dict):
            self._ranges = {operation: microversions.Range(version, until) for operation, version in since.items()}
        else:
            span = microversions.Range(since, until)
            names = None if on is None else ([on] if isinstance(on, str) else list(on))
            self._ranges = {None: span} if names is None else dict.fromkeys(names, span)

    def applies(self, minor, operation):
        span = self._ranges.get(operation) or self._ranges.get(None)
        return span is not None and minor in span

    def bounds(self):
        return set().union(*(span.bounds() for span in self._ranges.values()),
                           self.view.bounds() if self.view else ())


def _getter(getter):
    """(function, whether it takes the request too)."""
    if isinstance(getter, str):
        return operator.attrgetter(getter), False
    try:
        parameters = inspect.signature(getter).parameters.values()
    except (ValueError, TypeError):
        return getter, False
    wanted = [one for one in parameters if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY,
                                                                                     one.POSITIONAL_OR_KEYWORD)]
    return getter, len(wanted) == 2


class Table:
    """The fields of one kind of thing."""

    def __init__(self, *fields):
        self.fields = fields
        self._memo = {}
        self._rules = {}

    def bounds(self):
        return set().union(*(field.bounds() for field in self.fields))

    def rules(self, minor, operation):
        """Policy rules that decide about fields here."""
        key = (minor, operation)
        if key not in self._rules:
            found = {}
            for field in self.fields:
                if field.applies(minor, operation):
                    if field.policy is not None:
                        found[field.policy.name] = field.policy
                    if field.view is not None:
                        found.update((rule.name, rule) for rule in field.view.rules(minor, operation))
            self._rules[key] = tuple(found.values())
        return self._rules[key]

    def compile(self, minor, operation, allowed=frozenset()):
        """The `Flat` view at a version, in an operation, for a caller whom these rules (names) allow."""
        key = (minor, operation, allowed)
        if key not in self._memo:
            rows = {}
            for field in self.fields:
                if field.applies(minor, operation) and (field.policy is None or field.policy.name in allowed):
                    rows[field.name] = field
            self._memo[key] = Flat(rows.values(), minor, operation, allowed)
        return self._memo[key]

    def one(self, key=None, otherwise=None, empty=False):
        """The answer {key: item}; without a key, the item itself.

        :param otherwise: the JSON Schema of what the handler may answer instead (`wsgi.Answer(raw=…)`).
        :param empty: the handler may answer None: no body.
        """
        return One(self, key, otherwise, empty)

    def many(self, key, links=None, marker='id', since=None, otherwise=None):
        """The answer {key: [items]}.

        :param links: the key of the link to the next page, which is there when the page is full.
        :param marker: what identifies the last item in that link: an attribute's name or a function.
        :param since: the version from which there is such a link.
        :param otherwise: the JSON Schema of items that the handler gives as they are (`wsgi.Answer(more=…)`).
        """
        return Many(self, key, links, marker, since, otherwise)


class Flat:
    """A view ready to use: `flat(item, request)` -> dict.  `needs` is what all its fields need."""

    __slots__ = ('_rich', '_simple', 'fields', 'needs')

    def __init__(self, fields, minor, operation, allowed):
        self.fields = tuple(fields)
        simple, rich, needs = [], [], set()
        for field in self.fields:
            needs |= field.needs
            nested = field.view.compile(minor, operation, allowed) if field.view else None
            if nested is not None:
                needs |= nested.needs
            if nested is None and not field.wants_request and isinstance(field.get, operator.attrgetter):
                simple.append((field.name, field.get))
            else:
                rich.append((field.name, _with_request(field, nested)))
        self._simple, self._rich, self.needs = tuple(simple), tuple(rich), frozenset(needs)

    def __call__(self, item, request):
        out = {name: get(item) for name, get in self._simple}
        for name, get in self._rich:
            value = get(item, request)
            if value is not ABSENT:
                out[name] = value
        return out


def _with_request(field, nested):
    """A getter of item and request, whatever the field's own takes."""
    get = field.get
    if nested is None:
        return get if field.wants_request else lambda item, request: get(item)
    take = get if field.wants_request else lambda item, request: get(item)

    def render(item, request):
        value = take(item, request)
        if value is ABSENT or value is None:
            return value
        return [nested(member, request) for member in value] if field.many else nested(value, request)
    return render


class One:
    """How a single item is wrapped."""

    def __init__(self, table, key, otherwise=None, empty=False):
        self.table, self.key, self.otherwise, self.empty = table, key, otherwise, empty

    def bounds(self):
        return self.table.bounds()

    def render(self, flat, item, request):
        body = flat(item, request)
        return body if self.key is None else {self.key: body}


class Many:
    """How a list is wrapped, and its link to the next page."""

    def __init__(self, table, key, links, marker, since, otherwise):
        self.table, self.key, self.links, self.otherwise = table, key, links, otherwise
        self.marker = operator.attrgetter(marker) if isinstance(marker, str) else marker
        self.range = microversions.Range(since)

    def bounds(self):
        return self.table.bounds() | self.range.bounds()

    def render(self, flat, items, request):
        items = list(items)
        body = {self.key: [flat(item, request) for item in items]}
        if self.links and items and request.minor in self.range and len(items) == (request.limit or
                                                                                   CONF.api.max_limit):
            href = request.links.next(request.path, request.pairs, self.marker(items[-1]))
            body[self.links] = [{'rel': 'next', 'href': href}]
        return body


class Plain:
    """The handler's own answer, JSON as it is: for maps of the user's keys.  `key` wraps it.

    :param schema: its JSON Schema, for the documentation.
    """

    table = None

    def __init__(self, key=None, schema=None):
        self.key, self.schema = key, schema or {'type': 'object'}

    def bounds(self):
        return set()

    def render(self, flat, value, request):
        return value if self.key is None else {self.key: value}
