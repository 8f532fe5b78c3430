# SPDX-License-Identifier: Apache-2.0
"""Why a value is not valid: one sentence with the field, the value, and what is allowed.

Asked only after `predicates` said no, so it may take its time: the jsonschema library finds the errors.
"""

import jsonschema

from nova.api.openstack import predicates

_MOST = 80

FORMAT_CHECKER = jsonschema.FormatChecker(formats=())
for _name, _check in predicates.FORMATS.items():
    # Formats are for strings; `type` says whether another type is allowed.
    FORMAT_CHECKER.checks(_name)(lambda value, check=_check: not isinstance(value, str) or check(value))

_TYPE_WORDS = {'string': 'a string', 'integer': 'a whole number', 'number': 'a number', 'boolean': 'true or false',
               'object': 'an object', 'array': 'a list', 'null': 'null'}


def validator(schema):
    """The schema's authority: a jsonschema Draft 2020-12 validator with our formats."""
    return jsonschema.Draft202012Validator(schema, format_checker=FORMAT_CHECKER)


def explain(schema, value, path=()):
    """The sentence, or None if the library finds nothing wrong."""
    errors = list(validator(schema).iter_errors(value))
    if not errors:
        return None
    # The outermost first: what is wrong deeper may follow from it.
    error = min(errors, key=lambda found: len(found.absolute_path))
    return _sentence(error, [*path, *error.absolute_path])


def where(path):
    """['server', 'networks', 0, 'uuid'] -> 'server.networks[0].uuid'."""
    out = ''
    for step in path:
        out += f'[{step}]' if isinstance(step, int) else f'.{step}' if out else str(step)
    return out or 'body'


def shown(value):
    """A value as a person would recognise it, not longer than a line."""
    text = repr(value) if not isinstance(value, (dict, list)) else {dict: 'an object', list: 'a list'}[type(value)]
    if value is None or isinstance(value, bool):
        text = {None: 'null', True: 'true', False: 'false'}[value]
    return text if len(text) <= _MOST else f'{text[:_MOST - 4]}...{text[-1]}'


def _says(schema):
    """What a schema allows, in words."""
    if 'description' in schema:
        return schema['description']
    if 'enum' in schema:
        return 'one of ' + ', '.join(shown(value) for value in schema['enum'])
    words = schema.get('type')
    if words:
        return ' or '.join(_TYPE_WORDS[word] for word in ([words] if isinstance(words, str) else words))
    if 'anyOf' in schema:
        return ' or '.join(_says(part) for part in schema['anyOf'])
    return 'allowed'


def _missing(error, path):
    names = [name for name in error.validator_value if name not in error.instance]
    return f'{where([*path, names[0]])}: is required.'


def _extra(error, path):
    known = sorted(error.schema.get('properties', {}))
    name = next(name for name in error.instance if name not in known)
    if isinstance(error.validator_value, dict):
        return f'{where([*path, name])}: is not allowed.'
    return f'{where([*path, str(name)[:_MOST]])}: is not known here. Known are: {", ".join(known) or "none"}.'


_SENTENCES = {
    'required': _missing,
    'additionalProperties': _extra,
    'propertyNames': lambda error, path: (
        f'{where(path)}: {shown(error.instance)} is not a key; it must be {_says(error.schema)}.'),
    'minLength': lambda error, path: (
        f'{where(path)}: {shown(error.instance)} is too short; at least {error.validator_value} characters.'),
    'maxLength': lambda error, path: (
        f'{where(path)}: {shown(error.instance)} is too long ({len(error.instance)} characters); '
        f'at most {error.validator_value}.'),
    'minItems': lambda error, path: (
        f'{where(path)}: {len(error.instance)} items are too few; at least {error.validator_value}.'),
    'maxItems': lambda error, path: (
        f'{where(path)}: {len(error.instance)} items are too many; at most {error.validator_value}.'),
    'uniqueItems': lambda error, path: f'{where(path)}: an item is there twice.',
    'minProperties': lambda error, path: (
        f'{where(path)}: needs at least {error.validator_value} of: '
        f'{", ".join(sorted(error.schema.get("properties", {}))) or "any keys"}.'),
    'maxProperties': lambda error, path: f'{where(path)}: at most {error.validator_value} keys are allowed.',
}


def _sentence(error, path):
    # Errors of a key arrive as errors of `propertyNames`' schema, at the path of the object.
    if 'propertyNames' in error.absolute_schema_path:
        return _SENTENCES['propertyNames'](error, path)
    special = _SENTENCES.get(error.validator)
    if special is not None:
        return special(error, path)
    return f'{where(path)}: {shown(error.instance)} is not {_says(error.schema)}.'
