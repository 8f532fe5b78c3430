# SPDX-License-Identifier: Apache-2.0
"""The versions documents (spec/api.md section 1)."""

import pytest

from nova.tests import harness

V20 = {'id': 'v2.0', 'status': 'SUPPORTED', 'version': '', 'min_version': '', 'updated': '2011-01-21T11:33:21Z',
       'links': [{'rel': 'self', 'href': 'http://api.example:8774/v2/'}]}
V21 = {'id': 'v2.1', 'status': 'CURRENT', 'version': harness.LATEST, 'min_version': '2.1',
       'updated': '2013-07-23T11:33:21Z', 'links': [{'rel': 'self', 'href': 'http://api.example:8774/v2.1/'}]}


def test_the_list_needs_no_token(api):
    answer = api('GET', '/', token=None)
    assert (answer.status, answer.json) == (200, {'versions': [V20, V21]})


@pytest.mark.parametrize('path, short, media', [('/v2.1', V21, '2.1'), ('/v2.1/', V21, '2.1'), ('/v2/', V20, '2')])
def test_a_versions_own_document_needs_no_token(api, path, short, media):
    answer = api('GET', path, token='')
    assert answer.status == 200
    version = answer.json['version']
    assert {**version, 'links': version['links'][:1], 'media-types': None} == {**short, 'media-types': None}
    assert version['links'][1]['rel'] == 'describedby'
    assert version['media-types'] == [{'base': 'application/json',
                                       'type': f'application/vnd.openstack.compute+json;version={media}'}]


def test_a_path_under_no_version_gives_choices(api):
    answer = api('GET', '/v3/servers', token=None)
    assert answer.status == 300
    choices = answer.json['choices']
    assert [choice['id'] for choice in choices] == ['v2.0', 'v2.1']
    assert choices[1]['links'] == [{'rel': 'self', 'href': 'http://api.example:8774/v2.1/v3/servers'}]


@pytest.mark.parametrize('name, status', [('v2.0', 200), ('v2.1', 200), ('v3', 404)])
def test_documents_inside_a_version(api, name, status):
    answer = api('GET', f'/v2.1/versions/{name}')
    assert answer.status == status
    if status == 200:
        assert answer.json['version']['id'] == name


def test_the_extensions_of_v2_are_one_more(api):
    of_v21 = {item['alias'] for item in api('GET', '/v2.1/extensions').json['extensions']}
    of_v2 = {item['alias'] for item in api('GET', '/v2/extensions').json['extensions']}
    assert of_v2 - of_v21 == {'OS-EXT-VIF-NET'}
    assert not of_v21 - of_v2
    assert api('GET', '/v2/extensions/OS-EXT-VIF-NET').status == 200
    assert api('GET', '/v2.1/extensions/OS-EXT-VIF-NET').status == 404
