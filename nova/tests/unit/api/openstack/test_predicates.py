# SPDX-License-Identifier: Apache-2.0
"""The fast check and the jsonschema library say the same, about every body and query that is declared."""

import pytest

from nova.api.openstack import explanations, microversions, predicates, schema, wsgi

VALUES = [None, True, False, 0, 1, -1, 1.0, 1.5, 2147483647, 2147483648, '', ' ', 'a', ' a', 'a ', 'a\0', 'a\n', 'é',
          '0', '1', '-1', '1.5', 'x' * 255, 'x' * 256, 'true', 'yes', 'SOFT', '10.0.0.1', '::1', '10.0.0.0/24',
          '11111111-1111-1111-1111-111111111111', '2020-01-01T00:00:00Z', 'YWJj', '(', [], ['a'], ['a', 'a'], [1, True],
          [{}], [None], {}, {'a': 'b'}, {'a': None}, {'a': 1}, {'': 'b'}, {'a/b': 'c'}]


def pieces(fragment):
    """The fragment and every fragment inside it."""
    yield fragment
    for part in (*fragment.get('properties', {}).values(), *fragment.get('anyOf', ()),
                 *(fragment[key] for key in ('items', 'propertyNames') if key in fragment),
                 fragment.get('additionalProperties')):
        if isinstance(part, dict):
            yield from pieces(part)


def fragments():
    """{its text: fragment} of all routes, at the ends of their versions and in /v2."""
    found = {}
    for route in wsgi.table().routes:
        for at in (microversions.At(route.range.first), microversions.At(route.range.last), microversions.LEGACY):
            body = route.body.body(at, route.action) if route.body is not None else None
            whole = [body.fragment] if body is not None else []
            whole += [field.schema(at) for field in route.query.select(at)] if route.query is not None else []
            for fragment in whole:
                found.update((repr(piece), piece) for piece in pieces(fragment))
    return found


def test_they_agree_about_everything_that_is_declared():
    declared = fragments()
    assert len(declared) > 50
    for fragment in declared.values():
        check, authority = predicates.compile(fragment), explanations.validator(fragment)
        # Values that fit a piece, or nearly, come from its own keys.
        objects = [dict.fromkeys(fragment.get('properties', ()), value) for value in ('a', None, 1)]
        for value in (*VALUES, *objects):
            assert check(value) == authority.is_valid(value), (fragment, value)


@pytest.mark.parametrize('fragment', [
    {'type': ['string', 'null'], 'minLength': 2}, {'enum': [1, 'a', None]}, {'enum': [True]}, {'const': 1},
    {'type': 'array', 'items': {'type': 'integer'}, 'minItems': 1, 'maxItems': 2},
    {'type': 'array', 'uniqueItems': True},
    {'oneOf': [{'type': 'integer'}, {'type': 'number'}]}, {'allOf': [{'type': 'integer'}, {'minimum': 1}]},
    {'not': {'type': 'string'}}, {'type': 'object', 'minProperties': 1, 'maxProperties': 1},
    {'exclusiveMinimum': 0, 'maximum': 1}, {}])
def test_they_agree_about_each_keyword(fragment):
    check, authority = predicates.compile(fragment), explanations.validator(fragment)
    for value in VALUES:
        assert check(value) == authority.is_valid(value), value


def test_a_keyword_that_is_not_known_is_refused_when_it_is_declared():
    with pytest.raises(ValueError, match='dependentRequired'):
        predicates.compile({'dependentRequired': {}})


BODY = schema.Table(schema.Name('name', required=True), schema.Integer('ram', min=1, to='memory_mb'),
                    schema.Choice('type', ('ssh', 'x509'), since='2.2'), schema.Uuid('image', nullable=True),
                    schema.List('tags', schema.Text(None, to='tag', max=3), max=2), schema.Metadata('metadata'),
                    within='server')


@pytest.mark.parametrize('server, sentence', [
    ({}, 'server.name: is required.'),
    ({'name': ''}, "server.name: '' is too short; at least 1 characters."),
    ({'name': 'x' * 256}, 'at most 255.'),
    ({'name': 5}, 'server.name: 5 is not a name of printable characters without spaces at its ends.'),
    ({'name': 'a', 'ram': 0}, 'server.ram: 0 is not a whole number from 1 to 2147483647.'),
    ({'name': 'a', 'ram': '0'}, "server.ram: '0' is not a whole number from 1 to 2147483647."),
    ({'name': 'a', 'type': 'dsa'}, "server.type: 'dsa' is not one of 'ssh', 'x509'."),
    ({'name': 'a', 'image': 'no'}, "server.image: 'no' is not a UUID or null."),
    ({'name': 'a', 'tags': ['a', 'long']}, "server.tags[1]: 'long' is too long (4 characters); at most 3."),
    ({'name': 'a', 'tags': ['a', 'b', 'c']}, 'server.tags: 3 items are too many; at most 2.'),
    ({'name': 'a', 'metadata': {'a/b': 'c'}}, "server.metadata: 'a/b' is not a key; it must be 1 to 255 letters"),
    ({'name': 'a', 'what': 1}, 'server.what: is not known here. Known are: image, metadata, name, ram, tags, type.'),
])
def test_a_sentence_names_the_field_the_value_and_what_is_allowed(server, sentence):
    with pytest.raises(schema.Refused) as refused:
        BODY.body(microversions.At(2))({'server': server})
    assert sentence in refused.value.message


def test_values_arrive_as_python_and_under_their_names():
    body = BODY.body(microversions.At(1))
    assert body({'server': {'name': 'a', 'ram': '5'}}) == {'name': 'a', 'memory_mb': 5}
    with pytest.raises(schema.Refused, match='server.type'):
        body({'server': {'name': 'a', 'type': 'ssh'}})


def test_v2_forgives():
    body = BODY.body(microversions.LEGACY)
    assert body({'server': {'name': ' a ', 'what': 1}, 'beside': 2}) == {'name': 'a'}
