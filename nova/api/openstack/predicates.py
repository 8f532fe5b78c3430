# SPDX-License-Identifier: Apache-2.0
"""JSON Schema as Python functions: the fast answer to "is this valid?".

`compile(schema)` gives `check(value) -> bool`, some fifty times faster than interpreting the schema.  It knows the
keywords that our declarations use and refuses others at import.  *Why* a value is invalid is asked of the jsonschema
library (`explanations`), which is the authority: a test holds the two equal.
"""

import base64
import binascii
import ipaddress
import re
import unicodedata

from oslo_utils import timeutils, uuidutils

_ANNOTATIONS = {'description', 'title', 'default', 'examples', 'deprecated'}


def _is_integer(value):
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


_TYPES = {
    'string': lambda value: isinstance(value, str),
    'integer': _is_integer,
    'number': lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    'boolean': lambda value: isinstance(value, bool),
    'object': lambda value: isinstance(value, dict),
    'array': lambda value: isinstance(value, list),
    'null': lambda value: value is None,
}


# Formats: each takes a string -----------------------------------------------------------------------------------------

def is_printable(text):
    """No control characters, no halves of characters; spaces of all kinds are fine."""
    if text.isascii():
        return text.isprintable()
    return not any(unicodedata.category(char).startswith('C') for char in text)


def _is_name(text):
    return text == text.strip() and is_printable(text)


def _is_legacy_name(text):
    return bool(text.strip()) and is_printable(text)


def _quiet(function):
    def check(text):
        try:
            return bool(function(text))
        except (ValueError, TypeError, OverflowError, re.error, binascii.Error, RecursionError):
            return False
    return check


def _network(text):
    return '/' in text and ipaddress.ip_network(text, strict=False)


def _parse_time(text):
    return timeutils.parse_isotime(text)


FORMATS = {
    'uuid': uuidutils.is_uuid_like,
    'ip': _quiet(ipaddress.ip_address),
    'ipv4': _quiet(ipaddress.IPv4Address),
    'ipv6': _quiet(ipaddress.IPv6Address),
    'cidr': _quiet(_network),
    'timestamp': _quiet(_parse_time),
    'regex': _quiet(lambda text: re.compile(text) is not None),
    'base64': _quiet(lambda text: base64.b64decode(text) is not None),
    'printable': is_printable,
    'name': _is_name,
    'legacy-name': _is_legacy_name,
}


# Keywords: each gives a check, or None if there is nothing to check --------------------------------------------------

def _typed(words):
    checks = [_TYPES[word] for word in ([words] if isinstance(words, str) else words)]
    if len(checks) == 1:
        return checks[0]
    return lambda value: any(check(value) for check in checks)


def _plain(value):
    """A key under which True and 1 are different, and 1 and 1.0 are not, as in JSON."""
    return (isinstance(value, bool), value)


def _enum(values):
    allowed = {_plain(value) for value in values}

    def check(value):
        return not isinstance(value, (dict, list)) and _plain(value) in allowed
    return check


def _string(schema):
    least, most = schema.get('minLength', 0), schema.get('maxLength')
    search = re.compile(schema['pattern']).search if 'pattern' in schema else None
    formatted = FORMATS[schema['format']] if 'format' in schema else None

    def check(value):
        if not isinstance(value, str):
            return True
        size = len(value)
        return (size >= least and (most is None or size <= most) and (search is None or search(value) is not None)
                and (formatted is None or formatted(value)))
    return check


def _number(schema):
    least, most, above = schema.get('minimum'), schema.get('maximum'), schema.get('exclusiveMinimum')

    def check(value):
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return True
        return ((least is None or value >= least) and (most is None or value <= most)
                and (above is None or value > above))
    return check


def _unique(items):
    seen = []
    for item in items:
        key = _plain(item)
        if key in seen:
            return False
        seen.append(key)
    return True


def _array(schema):
    least, most, unique = schema.get('minItems', 0), schema.get('maxItems'), schema.get('uniqueItems', False)
    item = compile(schema['items']) if 'items' in schema else None

    def check(value):
        if not isinstance(value, list):
            return True
        return (len(value) >= least and (most is None or len(value) <= most)
                and (item is None or all(item(member) for member in value)) and (not unique or _unique(value)))
    return check


def _object(schema):
    properties = {name: compile(part) for name, part in schema.get('properties', {}).items()}
    required = tuple(schema.get('required', ()))
    additional = schema.get('additionalProperties', True)
    other = compile(additional) if isinstance(additional, dict) else None
    naming = compile(schema['propertyNames']) if 'propertyNames' in schema else None
    least, most = schema.get('minProperties', 0), schema.get('maxProperties')

    def check(value):
        if not isinstance(value, dict):
            return True
        if not least <= len(value) or (most is not None and len(value) > most):
            return False
        for name in required:
            if name not in value:
                return False
        for name, part in value.items():
            test = properties.get(name, other)
            if test is None:
                if name not in properties and additional is False:
                    return False
            elif not test(part):
                return False
            if naming is not None and not naming(name):
                return False
        return True
    return check


def _some(schemas, wanted):
    checks = [compile(schema) for schema in schemas]
    return lambda value: wanted(sum(1 for check in checks if check(value)), len(checks))


_GROUPS = (
    ({'minLength', 'maxLength', 'pattern', 'format'}, _string),
    ({'minimum', 'maximum', 'exclusiveMinimum'}, _number),
    ({'items', 'minItems', 'maxItems', 'uniqueItems'}, _array),
    ({'properties', 'required', 'additionalProperties', 'propertyNames', 'minProperties', 'maxProperties'}, _object),
)
_SINGLE = {
    'type': _typed,
    'enum': _enum,
    'const': lambda value: _enum([value]),
    'anyOf': lambda schemas: _some(schemas, lambda good, of: good > 0),
    'oneOf': lambda schemas: _some(schemas, lambda good, of: good == 1),
    'allOf': lambda schemas: _some(schemas, lambda good, of: good == of),
    'not': lambda schema: _some([schema], lambda good, of: good == 0),
}
_KNOWN = set(_SINGLE) | _ANNOTATIONS | set().union(*(keywords for keywords, make in _GROUPS))


def compile(schema):    # noqa: A001  predicates.compile, as in re.compile
    """A function value -> bool.  Raises ValueError for a keyword that is not known here."""
    if unknown := set(schema) - _KNOWN:
        raise ValueError(f'JSON Schema keywords that we do not know: {sorted(unknown)}')
    checks = [make(schema[keyword]) for keyword, make in _SINGLE.items() if keyword in schema]
    checks += [make(schema) for keywords, make in _GROUPS if not keywords.isdisjoint(schema)]
    if not checks:
        return lambda value: True
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) and second(value)
    return lambda value: all(check(value) for check in checks)
