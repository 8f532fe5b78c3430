# SPDX-License-Identifier: Apache-2.0
"""Images seen through the Compute API: lists, filters, pages, properties, and until which version."""

import io

import pytest

from nova import context, image
from nova.api.openstack import wsgi
from nova.conf import CONF
from nova.tests import harness

OLD = '2.35'
SERVER = '99999999-9999-9999-9999-999999999999'


@pytest.fixture
def store(tmp_path, monkeypatch):
    # Resources are made once, and keep the store that they found.
    monkeypatch.setattr(wsgi, '_instances', {})
    CONF.set_override('store_path', str(tmp_path / 'images'), 'image')
    yield image.API()
    CONF.clear_override('store_path', 'image')


@pytest.fixture
def make(store):
    """Makes an image of a project; returns its id."""
    def run(name, project='project-a', content=b'\0' * 1024, **values):
        owner = context.RequestContext(project, project, is_admin=project == 'demo')
        record = {'name': name, 'disk_format': 'raw', 'container_format': 'bare', 'visibility': 'private', **values}
        return store.create(owner, record, io.BytesIO(content) if content else None)['id']
    return run


@pytest.fixture
def call(api, store):
    def run(method, path, body=None, version=OLD, token='alice:project-a'):
        return api(method, f'/v2.1{path}', body, version=version, token=token)
    return run


def names(answer):
    assert answer.status == 200, answer.body
    return sorted(one['name'] for one in answer.json['images'])


def test_who_sees_what(make, call):
    mine, public = make('mine'), make('for-all', 'demo', visibility='public')
    hidden = make('hidden', 'elsewhere')
    assert names(call('GET', '/images')) == ['for-all', 'mine']
    assert call('GET', f'/images/{hidden}').status == 404
    assert call('DELETE', f'/images/{hidden}').status == 404
    assert call('DELETE', f'/images/{public}').status == 403
    assert call('DELETE', f'/images/{mine}').status == 204
    assert call('GET', f'/images/{mine}').status == 404
    assert call('GET', '/images/none').status == 404


def test_what_an_image_looks_like(make, call):
    image_id = make('mine', min_ram=64, min_disk=2, properties={'instance_uuid': SERVER, 'auto_disk_config': 'True'})
    found = call('GET', f'/images/{image_id}').json['image']
    assert {name: found[name] for name in ('id', 'name', 'status', 'progress', 'minRam', 'minDisk',
                                           'OS-EXT-IMG-SIZE:size', 'OS-DCF:diskConfig')} == {
        'id': image_id, 'name': 'mine', 'status': 'ACTIVE', 'progress': 100, 'minRam': 64, 'minDisk': 2,
        'OS-EXT-IMG-SIZE:size': 1024, 'OS-DCF:diskConfig': 'AUTO'}
    assert found['server']['id'] == SERVER
    assert [link['rel'] for link in found['links']] == ['self', 'bookmark', 'alternate']
    assert found['links'][2]['type'] == 'application/vnd.openstack.image'
    assert found['created'].endswith('Z')
    brief = call('GET', '/images').json['images'][0]
    assert set(brief) == {'id', 'name', 'links'}
    assert call('GET', '/images/detail').json['images'] == [found]


def test_one_without_content_is_being_saved(make, call):
    found = call('GET', f'/images/{make("new", content=None)}').json['image']
    assert (found['status'], found['progress']) == ('SAVING', 25)


def test_filters(make, call):
    make('small', min_ram=64, properties={'image_type': 'snapshot', 'instance_uuid': SERVER, 'colour': 'red'})
    make('large', min_disk=5, properties={'colour': 'blue'})
    make('new', content=None)
    for query, wanted in (
            ('name=small', ['small']), ('status=ACTIVE', ['large', 'small']), ('status=queued', ['new']),
            (f'server={SERVER}', ['small']), (f'server=http://compute/v2.1/servers/{SERVER}', ['small']),
            ('type=snapshot', ['small']), ('minRam=64', ['small']), ('minDisk=5', ['large']), ('minDisk=6', []),
            ('property-colour=blue', ['large']), ('property-colour=green', []), ('name=none', []),
            ('changes-since=2001-01-01T00:00:00Z', ['large', 'new', 'small']),
            ('changes-since=2101-01-01T00:00:00Z', [])):
        assert names(call('GET', f'/images?{query}')) == wanted, query
        assert names(call('GET', f'/images/detail?{query}')) == wanted, query
    for query in ('limit=-1', 'limit=x', 'marker=none', 'minRam=x', 'changes-since=yesterday'):
        assert call('GET', f'/images?{query}').status == 400, query


def test_pages_are_full_also_with_filters(make, call):
    for number in range(6):
        make(f'image-{number}', min_ram=64 * (number % 2), properties={'colour': ('red', 'blue')[number % 2]})
    for query in ('property-colour=blue', 'minRam=1'):
        seen, path = [], f'/images?limit=2&{query}'
        while path:
            page = call('GET', path).json
            seen += [one['name'] for one in page['images']]
            links = page.get('images_links')
            path = links and '/images?' + links[0]['href'].partition('?')[2]
        assert sorted(seen) == ['image-1', 'image-3', 'image-5'], query


def test_properties(make, call):
    path = f'/images/{make("mine", properties={"a": "1", "b": "2"})}/metadata'
    assert call('GET', path).json == {'metadata': {'a': '1', 'b': '2'}}
    assert call('POST', path, {'metadata': {'b': '3', 'c': '4'}}).json == {'metadata': {'a': '1', 'b': '3', 'c': '4'}}
    assert call('PUT', path, {'metadata': {'d': '5'}}).json == {'metadata': {'d': '5'}}
    assert call('PUT', f'{path}/e', {'meta': {'e': '6'}}).json == {'meta': {'e': '6'}}
    assert call('GET', f'{path}/e').json == {'meta': {'e': '6'}}
    assert call('DELETE', f'{path}/d').status == 204
    assert call('GET', path).json == {'metadata': {'e': '6'}}
    for method in ('GET', 'DELETE'):
        assert call(method, f'{path}/d').status == 404


@pytest.mark.parametrize('method, key, body, says', [
    ('POST', '', {}, 'metadata'), ('POST', '', {'metadata': 'x'}, 'metadata'),
    ('POST', '', {'metadata': {'a': 1}}, 'a'), ('PUT', '', {'metadata': {'a/b': 'x'}}, 'a/b'),
    ('PUT', '', {'metadata': {'a': 'x' * 256}}, 'a'), ('PUT', '/a', {'meta': {'b': 'x'}}, 'a'),
    ('PUT', '/a', {'meta': {'a': 'x', 'b': 'y'}}, 'meta'), ('PUT', '/a', {'meta': {}}, 'meta'),
    ('PUT', '/a', {'metadata': {'a': 'x'}}, 'meta')])
def test_bad_properties(make, call, method, key, body, says):
    path = f'/images/{make("mine", properties={"a": "1"})}/metadata'
    answer = call(method, path + key, body)
    assert answer.status == 400
    assert says in answer.message
    assert call('GET', path).json == {'metadata': {'a': '1'}}


def test_properties_of_others(make, call):
    public, hidden = make('for-all', 'demo', visibility='public'), make('hidden', 'elsewhere')
    for image_id, status in ((public, 403), (hidden, 404)):
        path = f'/images/{image_id}/metadata'
        assert call('POST', path, {'metadata': {'a': 'b'}}).status == status
        assert call('PUT', path, {'metadata': {'a': 'b'}}).status == status
        assert call('PUT', f'{path}/a', {'meta': {'a': 'b'}}).status == status
    assert call('GET', f'/images/{public}/metadata').status == 200
    assert call('GET', f'/images/{hidden}/metadata').status == 404


def test_the_quota_of_properties(make, call):
    full = {'metadata': {f'key-{number}': 'x' for number in range(129)}}
    path = f'/images/{make("mine", properties=full["metadata"])}/metadata'
    for method, more, body in (('POST', '', {'metadata': {'more': 'x'}}), ('PUT', '', full),
                               ('PUT', '/more', {'meta': {'more': 'x'}})):
        assert call(method, path + more, body).status == 403, method
    assert call('DELETE', f'{path}/key-0').status == 204


def test_until_which_version(make, call):
    image_id = make('mine', properties={'a': '1'})
    for method, path in (('GET', '/images'), ('GET', '/images/detail'), ('GET', f'/images/{image_id}'),
                         ('DELETE', f'/images/{image_id}')):
        assert call(method, path, version='2.36').status == 404, path
    path = f'/images/{image_id}/metadata'
    assert call('GET', path, version='2.38').status == 200
    for method, more, body in (('GET', '', None), ('POST', '', {'metadata': {}}), ('PUT', '', {'metadata': {}}),
                               ('GET', '/a', None), ('PUT', '/a', {'meta': {'a': 'b'}}), ('DELETE', '/a', None)):
        assert call(method, path + more, body, version='2.39').status == 404, (method, more)
        assert call(method, path + more, body, version=harness.LATEST).status == 404
