# SPDX-License-Identifier: Apache-2.0
"""What holds for every request, whatever it is about (spec/api.md sections 1 to 6, 9)."""

import pytest

from nova import exception, objects
from nova.api.openstack import errors, microversions, wsgi
from nova.conf import CONF
from nova.tests import harness

FLAVOR = {'flavor': {'name': 'm1', 'ram': 128, 'vcpus': 1, 'disk': 1, 'id': 'f1'}}


@pytest.fixture
def option():
    changed = []

    def override(name, value):
        CONF.set_override(name, value, 'api')
        changed.append(name)
    yield override
    for name in changed:
        CONF.clear_override(name, 'api')


class TestHeaders:
    @pytest.mark.parametrize('method, path, status', [
        ('GET', '/v2.1/flavors', 200), ('GET', '/v2.1/nothing', 404), ('GET', '/v2.1/flavors/x', 404),
        ('GET', '/v2.1', 200), ('POST', '/v2.1/flavors', 400)])
    def test_every_answer_of_v21_says_its_version_twice(self, api, method, path, status):
        answer = api(method, path, version='2.53')
        assert answer.status == status
        assert answer.header('x-openstack-nova-api-version') == '2.53'
        assert answer.header('openstack-api-version') == 'compute 2.53'
        assert sorted(value for name, value in answer.headers if name == 'vary') == [
            'OpenStack-API-Version', 'X-OpenStack-Nova-API-Version']

    @pytest.mark.parametrize('path', ['/', '/v2.1', '/v2/', '/elsewhere', '/v2.1/flavors', '/v2/flavors',
                                      '/v2.1/nothing', '/openapi.json'])
    def test_every_answer_has_its_request_id_under_both_names(self, api, path):
        answer = api('GET', path)
        ids = [value for name, value in answer.headers if name in ('x-openstack-request-id', 'x-compute-request-id')]
        assert len(ids) == 2
        assert len(set(ids)) == 1
        assert ids[0].startswith('req-')

    def test_so_has_one_that_lets_nobody_in(self, api):
        answer = api('GET', '/v2.1/flavors', token='')
        assert answer.status == 401
        assert 'unauthorized' in answer.json
        assert answer.header('x-compute-request-id')
        assert answer.header('openstack-api-version') == 'compute 2.1'

    def test_v2_does_not_speak_of_versions(self, api):
        answer = api('GET', '/v2/flavors', version='2.53')
        assert answer.status == 200
        assert answer.header('openstack-api-version') is None
        assert answer.header('vary') is None

    @pytest.mark.parametrize('headers, version', [
        ({}, '2.1'), ({'HTTP_X_OPENSTACK_NOVA_API_VERSION': '2.8'}, '2.8'),
        ({'HTTP_OPENSTACK_API_VERSION': 'compute latest'}, harness.LATEST),
        ({'HTTP_OPENSTACK_API_VERSION': 'volume 3.0, compute 2.9'}, '2.9'),
        ({'HTTP_OPENSTACK_API_VERSION': 'volume 3.0'}, '2.1'),
        ({'HTTP_OPENSTACK_API_VERSION': 'compute 2.9', 'HTTP_X_OPENSTACK_NOVA_API_VERSION': '2.8'}, '2.9')])
    def test_the_new_header_goes_before_the_old_one(self, api, headers, version):
        assert api('GET', '/v2.1/flavors', **headers).header('x-openstack-nova-api-version') == version

    @pytest.mark.parametrize('version, status, name', [
        (f'2.{microversions.MAX + 1}', 406, 'computeFault'), ('2.0', 406, 'computeFault'), ('3.1', 406, 'computeFault'),
        (f'2.{"9" * 5000}', 406, 'computeFault'), ('2', 400, 'badRequest'), ('2.01', 400, 'badRequest'),
        ('Latest', 400, 'badRequest')])
    def test_versions_that_are_none(self, api, version, status, name):
        answer = api('GET', '/v2.1/flavors', version=version)
        assert answer.status == status
        assert name in answer.json
        assert answer.message
        assert answer.header('vary')


class TestUrls:
    @pytest.mark.parametrize('path', ['/v2.1/flavors', '/v2.1/demo/flavors', '/v2/demo/flavors'])
    def test_with_and_without_a_project(self, api, path):
        assert api('GET', path).status == 200

    @pytest.mark.parametrize('method, path, status', [
        ('GET', '/v2.1/other/flavors', 400), ('GET', '/v2.1/other/nothing', 404), ('GET', '/v2.1/demo', 404),
        ('GET', '/v2.1/other/', 404), ('GET', '/v2.1/nothing', 404), ('GET', '/v2.1//flavors', 404),
        ('GET', '/v2.1/demo/../flavors', 404), ('PATCH', '/v2.1/flavors', 404), ('DELETE', '/v2.1/flavors', 404),
        ('GET', '/v2.1/flavors/', 404), ('GET', '/v2.1/flavors/\xff', 404),
        ('GET', '/v2.1/flavors/a\0', 404), ('GET', '/v2.1/{}', 404),
        ('POST', '/v2.1/flavors/{}/nothing', 404)])
    def test_urls_that_are_none(self, api, method, path, status):
        answer = api(method, path, {'x': 1} if method == 'POST' else None)
        assert answer.status == status
        assert answer.message

    def test_what_a_url_names_may_be_unicode(self, api):
        answer = api('GET', '/v2.1/flavors/' + 'größe'.encode().decode('latin-1'))
        assert answer.status == 404
        assert 'größe' in answer.message

    def test_the_document_of_the_version_below_a_project(self, api):
        answer = api('GET', '/v2.1/demo/')
        assert answer.status == 200
        assert answer.json['version']['id'] == 'v2.1'

    def test_a_fixed_segment_gives_way_where_it_means_nothing(self, api):
        # 'detail' is a list when it is read, and an id when it is deleted.
        answer = api('DELETE', '/v2.1/flavors/detail')
        assert answer.status == 404
        assert 'detail' in answer.message

    def test_links_are_what_the_client_would_write(self, api, option):
        api('POST', '/v2.1/flavors', FLAVOR)

        def hrefs(path, **environ):
            return [link['href'] for link in api('GET', path, **environ).json['flavor']['links']]
        assert hrefs('/v2.1/flavors/f1') == ['http://api.example:8774/v2.1/flavors/f1',
                                             'http://api.example:8774/flavors/f1']
        assert hrefs('/v2.1/demo/flavors/f1')[0] == 'http://api.example:8774/v2.1/demo/flavors/f1'
        assert hrefs('/v2.1/flavors/f1', SCRIPT_NAME='/compute')[0] == (
            'http://api.example:8774/compute/v2.1/flavors/f1')
        forwarded = {'HTTP_X_FORWARDED_PROTO': 'https', 'HTTP_X_FORWARDED_HOST': 'cloud.example, inner',
                     'HTTP_X_FORWARDED_PREFIX': '/nova'}
        assert hrefs('/v2.1/flavors/f1', **forwarded)[0] == 'http://api.example:8774/v2.1/flavors/f1'
        option('enable_proxy_headers_parsing', True)
        assert hrefs('/v2.1/flavors/f1', **forwarded)[0] == 'https://cloud.example/nova/v2.1/flavors/f1'
        assert hrefs('/v2.1/flavors/f1', HTTP_FORWARDED='for=192.0.2.1;proto=https;host="c.example"')[0] == (
            'https://c.example/v2.1/flavors/f1')
        option('compute_link_prefix', 'https://front.example/x/')
        assert hrefs('/v2.1/flavors/f1') == ['https://front.example/x/v2.1/flavors/f1',
                                             'https://front.example/x/flavors/f1']


class TestBodies:
    @pytest.mark.parametrize('data, kind, status', [
        (b'{', None, 400), (b'[]', None, 400), (b'"x"', None, 400), (b'{"a": NaN}', None, 400), (b'\xff', None, 400),
        (b'{}', 'application/xml', 415), (b'{"flavor": {"name": "a\\u0000b"}}', None, 400),
        (b'x' * 114689, None, 413)])
    def test_bodies_that_are_none(self, api, data, kind, status):
        answer = api('POST', '/v2.1/flavors', data=data, kind=kind)
        assert answer.status == status
        assert {400: 'badRequest', 413: 'overLimit', 415: 'badMediaType'}[status] in answer.json

    @pytest.mark.parametrize('length', ['-1', 'x', '1.5', '9' * 30])
    def test_lengths_that_are_none(self, api, length):
        assert api('POST', '/v2.1/flavors', data=b'{}', CONTENT_LENGTH=length).status == 400

    @pytest.mark.parametrize('kind', ['text/plain', '', 'application/json; charset=UTF-8', 'Application/JSON'])
    def test_json_by_other_names(self, api, kind):
        assert api('POST', '/v2.1/flavors', FLAVOR, CONTENT_TYPE=kind).status == 200

    def test_an_escaped_backslash_is_no_nul(self, api):
        body = {'flavor': {**FLAVOR['flavor'], 'description': 'a\\u0000'}}
        assert api('POST', '/v2.1/flavors', body, version='2.55').json['flavor']['description'] == 'a\\u0000'

    @pytest.mark.parametrize('body, version, status', [
        ({}, '2.1', 400), ({'addTenantAccess': {'tenant': 'p'}, 'removeTenantAccess': {'tenant': 'p'}}, '2.1', 400),
        ({'nonsense': None}, '2.1', 400), ([], '2.1', 400), ({'addTenantAccess': {}}, '2.1', 400),
        ({'addTenantAccess': {'tenant': 'p', 'x': 1}}, '2.1', 400)])
    def test_an_action_is_one_known_key(self, api, body, version, status):
        api('POST', '/v2.1/flavors', FLAVOR)
        assert api('POST', '/v2.1/flavors/f1/action', body, version=version).status == status

    def test_v2_drops_what_it_does_not_know(self, api):
        body = {'flavor': {**FLAVOR['flavor'], 'name': '  m1  ', 'colour': 'red'}}
        assert api('POST', '/v2.1/flavors', body).status == 400
        assert api('POST', '/v2/flavors', body).json['flavor']['name'] == 'm1'


class TestQueries:
    @pytest.mark.parametrize('path, version, status', [
        ('/v2.1/flavors?nonsense=1', '2.74', 200), ('/v2.1/flavors?nonsense=1', '2.75', 400),
        ('/v2.1/extensions?nonsense=1', '2.101', 200), ('/v2.1/extensions?nonsense=1', '2.102', 400),
        ('/v2/flavors?nonsense=1', '2.104', 200), ('/v2.1/flavors?limit=-1', '2.1', 400),
        ('/v2.1/flavors?limit=x', '2.1', 400), ('/v2.1/flavors?limit=', '2.1', 400),
        ('/v2.1/flavors?marker=%ff', '2.1', 400), ('/v2.1/flavors?marker=%00', '2.1', 400),
        ('/v2.1/flavors?' + '&'.join(['a=1'] * 1001), '2.1', 400)])
    def test_parameters_that_are_none(self, api, path, version, status):
        assert api('GET', path, version=version).status == status


class TestErrors:
    @pytest.fixture
    def raising(self, monkeypatch):
        def use(error):
            def fail(*_args, **_kwargs):
                raise error
            monkeypatch.setattr(objects.Flavor, 'get_by_flavor_id', fail)
        return use

    def test_what_a_route_declares_has_the_status_of_its_kind(self, api, raising):
        raising(exception.FlavorNotFound(flavor_id='x'))
        answer = api('GET', '/v2.1/flavors/x')
        assert (answer.status, answer.message) == (404, 'Flavor x could not be found.')

    @pytest.mark.parametrize('error', [RuntimeError('the password is 123'), exception.FlavorExists(name='x'),
                                       exception.NovaException('inside')])
    def test_all_else_is_our_fault_and_says_nothing_of_our_inside(self, api, raising, monkeypatch, caplog, error):
        monkeypatch.setattr(wsgi, 'strict', False)
        raising(error)
        answer = api('GET', '/v2.1/flavors/x')
        assert answer.status == 500
        assert 'computeFault' in answer.json
        assert str(error) not in answer.message
        assert answer.header('x-openstack-request-id') in answer.message
        assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [error]

    def test_tests_are_told_of_it(self, api, raising):
        raising(exception.FlavorExists(name='x'))
        with pytest.raises(exception.FlavorExists):
            api('GET', '/v2.1/flavors/x')

    def test_a_status_that_is_not_declared_is_a_bug(self, api, monkeypatch):
        monkeypatch.setattr(objects.Flavor, 'get_by_flavor_id', lambda *_args: wsgi.Answer(None, status=207))
        with pytest.raises(errors.Undeclared, match='207'):
            api('GET', '/v2.1/flavors/x')

    def test_policy_refuses_and_names_the_rule(self, api):
        answer = api('POST', '/v2.1/flavors', FLAVOR, token='bob:demo')
        assert answer.status == 403
        assert 'os_compute_api:os-flavor-manage:create' in answer.message
