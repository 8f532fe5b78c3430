# SPDX-License-Identifier: Apache-2.0
"""Wrong requests, route by route: the documented 4xx with a sentence that names the field, and nothing recorded.

The routes come from the declarations: a new resource is walked without a line here.
"""

import base64
import json

import pytest

from nova.api.openstack import microversions, wsgi
from nova.tests import harness

SERVER = {'name': 'x', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none'}
UNKNOWN = '00000000-0000-0000-0000-00000000dead'


def message(answer):
    (fault,) = answer.json().values()
    assert fault['code'] == answer.status_code
    return fault['message']


def server(**changes):
    return {'server': {key: value for key, value in {**SERVER, **changes}.items() if value is not ...}}


WRONG_SERVERS = [
    ('name', server(name='')), ('name', server(name='x' * 256)), ('name', server(name=5)), ('name', server(name=...)),
    ('name', server(name='tab\there')), ('name', server(name=' edge ')), ('flavorRef', server(flavorRef=...)),
    ('flavorRef', server(flavorRef=None)), ('huge', server(flavorRef='huge-and-missing')),
    ('imageRef', server(imageRef=...)), ('imageRef', server(imageRef=7)), (UNKNOWN, server(imageRef=UNKNOWN)),
    ('networks', server(networks=...)), ('networks', server(networks='some')), ('networks', server(networks=3)),
    ('networks', server(networks=[{'uuid': 'no-uuid'}])), ('networks', server(networks=[{}])),
    ('networks', server(networks=[{'uuid': UNKNOWN, 'fixed_ip': '300.1.1.1'}])),
    (UNKNOWN, server(networks=[{'uuid': UNKNOWN}])), ('metadata', server(metadata='x')),
    ('metadata', server(metadata={'k': 5})), ('metadata', server(metadata={'k' * 256: 'v'})),
    ('metadata', server(metadata={'k': 'v' * 256})), ('user_data', server(user_data='x' * 65536)),
    ('user_data', server(user_data=5)), ('min_count', server(min_count=0)), ('min_count', server(min_count='many')),
    ('min_count', server(min_count=3, max_count=2)), ('max_count', server(max_count=-1)),
    ('config_drive', server(config_drive='perhaps')), ('key_name', server(key_name=5)),
    ('nobody', server(key_name='nobody')), ('availability_zone', server(availability_zone='a:b:c:d')),
    ('accessIPv4', server(accessIPv4='::1')), ('accessIPv6', server(accessIPv6='10.0.0.1')),
    ('diskConfig', server(**{'OS-DCF:diskConfig': 'SOMETIMES'})), ('tags', server(tags=['a,b'])),
    ('tags', server(tags=['t' * 61])), ('tags', server(tags=[str(number) for number in range(51)])),
    ('description', server(description='d' * 256)), ('hostname', server(hostname='under_score!')),
    ('hostname', server(hostname='one', max_count=2)), ('nonsense', server(nonsense=1)),
    ('personality', server(personality=[{'path': '/x', 'contents': base64.b64encode(b'x').decode()}])),
    ('security_groups', server(security_groups=['x'])), ('missing-group', server(security_groups=[{
        'name': 'missing-group'}])),
    ('block_device_mapping_v2', server(block_device_mapping_v2=[{'source_type': 'moon'}])),
    ('block_device_mapping_v2', server(block_device_mapping_v2=[{'boot_index': 'first'}])),
    ('group', {**server(), 'os:scheduler_hints': {'group': 'no-uuid'}}),
    (UNKNOWN, {**server(), 'os:scheduler_hints': {'group': UNKNOWN}}),
    ('same_host', {**server(), 'os:scheduler_hints': {'same_host': [5]}}),
    ('server', {}), ('body', []), ('body', None), ('server', {'server': []}), ('more', {**server(), 'more': 1}),
]


class TestServers:
    @pytest.fixture(autouse=True)
    def nothing_is_recorded(self, cloud):
        def rows():
            return [cloud.sql(f'SELECT COUNT(*) AS n FROM {table}')[0]['n'] for table in (
                'instances', 'instance_mappings', 'request_specs', 'block_device_mapping', 'instance_actions')]
        before = rows()
        yield
        assert rows() == before

    @pytest.mark.parametrize('names, body', WRONG_SERVERS)
    def test_create(self, admin, names, body):
        answer = admin.call('POST', '/servers', body)
        assert answer.status_code == 400, answer.text
        assert names in message(answer)

    @pytest.mark.parametrize('key', ['description', 'tags', 'hostname', 'host', 'trusted_image_certificates'])
    def test_a_key_of_a_later_version(self, admin, key):
        answer = admin.call('POST', '/servers', server(**{key: 'x', 'networks': ...}), version='2.1')
        assert answer.status_code == 400
        assert key in message(answer)

    @pytest.mark.parametrize('query, names', [
        ('limit=-1', 'limit'), ('limit=many', 'limit'), ('marker=nobody', 'nobody'), ('sort_key=secret', 'sort_key'),
        ('sort_dir=up', 'sort_dir'), ('name=(', 'name'), ('status=nonsense', 'status'),
        ('changes-since=now', 'changes'),
        ('all_tenants=perhaps', 'all_tenants'), ('metadata=x', 'metadata'), ('nonsense=1', 'nonsense'),
        ('locked=perhaps', 'locked'), ('changes-since=2030-01-01T00:00:00Z&changes-before=2020-01-01T00:00:00Z',
                                       'changes-since')])
    def test_list(self, admin, query, names):
        for path in ('/servers', '/servers/detail'):
            answer = admin.call('GET', f'{path}?{query}')
            assert answer.status_code == 400, answer.text
            assert names in message(answer)

    def test_a_huge_limit_is_cut(self, admin):
        assert admin.call('GET', '/servers?limit=99999999999').status_code == 200
        assert admin.call('GET', '/servers?limit=0').json()['servers'] == []

    def test_a_member_sees_and_changes_no_other_project(self, admin, member):
        assert member.call('GET', '/servers?all_tenants=1').status_code == 403
        assert member.call('GET', '/servers?sort_key=host').status_code == 403
        assert member.call('POST', '/servers', server(availability_zone='nova:test')).status_code == 403
        assert member.call('POST', '/servers', server(host='test')).status_code == 403


#: Routes that name a project or a class of quotas.
OF_PROJECTS = ('/os-quota-sets', '/os-quota-class-sets', '/os-simple-tenant-usage')


def not_offered(route):
    """The statuses by which a route says that what it is about is not offered here."""
    kinds = {error.kind for error in route.errors}
    return {status for kind, status in (('unsupported', 501), ('unavailable', 503)) if kind in kinds}


class TestEveryRoute:
    """What holds for all routes, read off the declarations."""

    ROUTES = [(route, max(minor for minor in range(microversions.MIN, microversions.MAX + 1) if minor in route.range))
              for route in wsgi.table().routes]
    IDS = [f'{route.method} {route.path} {route.action or ""}' for route, _minor in ROUTES]

    @staticmethod
    def url(route, value=UNKNOWN):
        return '/'.join(value if part.startswith('{') else part for part in route.path.split('/'))

    NAMING = [(name, route, minor) for name, (route, minor) in zip(IDS, ROUTES, strict=True) if '{' in route.path]

    @pytest.mark.parametrize('route, minor', [one[1:] for one in NAMING], ids=[one[0] for one in NAMING])
    def test_things_that_are_not_there(self, admin, route, minor):
        # Projects are known elsewhere: any id may be one's.
        known = (UNKNOWN, '424242') if not route.path.startswith(OF_PROJECTS) else ()
        for value in (*known, 'x' * 300, '%00', '..%2f..%2fetc', '%F0%9F%92%A9'):
            body = {route.action: None} if route.action else {'x': 1} if route.method in ('POST', 'PUT') else None
            answer = admin.call(route.method, self.url(route, value), body, version=microversions.text(minor))
            assert 400 <= answer.status_code < 500 or answer.status_code in not_offered(route), answer.text

    @pytest.mark.parametrize('route, minor', [(route, minor) for route, minor in ROUTES if route.body is not None],
                             ids=[name for name, (route, _minor) in zip(IDS, ROUTES, strict=True)
                                  if route.body is not None])
    def test_bodies_that_are_none(self, admin, cloud, route, minor):
        url, version = cloud.endpoint + self.url(route), microversions.text(minor)
        headers = {'X-Auth-Token': admin.token, 'OpenStack-API-Version': f'compute {version}'}
        for data, kind, status in ((b'{', 'application/json', 400), (b'\xff\xfe', 'application/json', 400),
                                   (b'<a/>', 'application/xml', 415), (b'[' * 5000, 'application/json', 400),
                                   (b'"x"', 'application/json', 400)):
            answer = admin.http.request(route.method, url, data=data, headers={**headers, 'Content-Type': kind})
            assert answer.status_code in {status, 404, *not_offered(route)}, (data[:9], answer.text)
            assert message(answer)
        answer = admin.http.request(route.method, url, data=json.dumps({'x': 'y' * 120000}),
                                    headers={**headers, 'Content-Type': 'application/json'})
        assert answer.status_code == 413

    @pytest.mark.parametrize('route, minor', ROUTES, ids=IDS)
    def test_a_caller_without_rights_gets_nothing(self, cloud, route, minor):
        reader = cloud.client('eve:elsewhere', microversions.text(minor))
        body = {route.action: None} if route.action else {} if route.method in ('POST', 'PUT') else None
        answer = reader.call(route.method, self.url(route), body)
        assert answer.status_code < 500 or answer.status_code in not_offered(route), answer.text
        if route.policy is not None and route.policy.role.what == 'administrators':
            assert answer.status_code in (400, 403, 404), answer.text

    PLAIN = [(route, minor) for route, last in ROUTES if route.method == 'GET' and '{' not in route.path
             for minor in sorted({route.range.first, last, 2, 21, 35, 47, 53, 61, 75, 88, 96})
             if minor in route.range]

    @pytest.mark.parametrize('route, minor', PLAIN, ids=[f'{route.path} 2.{minor}' for route, minor in PLAIN])
    def test_every_list_answers_at_every_version(self, admin, route, minor):
        answer = admin.call('GET', route.path, version=microversions.text(minor))
        assert answer.status_code in {200, *not_offered(route)}, answer.text
        assert answer.headers['OpenStack-API-Version'] == f'compute 2.{minor}'
        assert answer.headers['X-OpenStack-Nova-API-Version'] == f'2.{minor}'

    @pytest.mark.parametrize('version, status', [
        ('2.0', 406), (f'2.{microversions.MAX + 1}', 406), ('3.1', 406), ('x', 400), ('2.', 400), ('2.01', 400),
        ('-2.1', 400), ('LATEST', 400)])
    def test_versions_that_are_none(self, admin, version, status):
        answer = admin.call('GET', '/servers', version=version)
        assert answer.status_code == status
        assert message(answer)

    def test_urls_and_methods_that_are_none(self, admin):
        for method, path in (('GET', '/nothing'), ('PATCH', '/servers'), ('DELETE', '/servers'),
                             ('GET', '/servers/x/y')):
            answer = admin.call(method, path)
            assert answer.status_code in (400, 404), answer.text
            assert message(answer)

    def test_another_projects_url(self, member):
        answer = member.call('GET', '/otherproject/servers')
        assert answer.status_code == 400
        assert 'otherproject' in message(answer)
