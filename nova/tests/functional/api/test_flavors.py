# SPDX-License-Identifier: Apache-2.0
"""Flavors, their extra specs and who may use them (spec/api-routes.md section 5)."""

import pytest

BODY = {'name': 'm1', 'ram': 128, 'vcpus': 1, 'disk': 1, 'id': 'f1'}
MEMBER = 'bob:other'
SPECS = '/v2.1/flavors/f1/os-extra_specs'


def create(api, version='2.1', **more):
    return api('POST', '/v2.1/flavors', {'flavor': {**BODY, **more}}, version=version)


@pytest.fixture
def flavor(api):
    assert create(api).status == 200
    return '/v2.1/flavors/f1'


class TestCreate:
    @pytest.mark.parametrize('change, field', [
        ({'name': ''}, 'flavor.name'), ({'name': ' m1'}, 'flavor.name'), ({'name': 'x' * 256}, 'flavor.name'),
        ({'name': None}, 'flavor.name'), ({'ram': 0}, 'flavor.ram'), ({'ram': 2147483648}, 'flavor.ram'),
        ({'ram': '2147483648'}, 'flavor.ram'), ({'ram': '1.5'}, 'flavor.ram'), ({'ram': True}, 'flavor.ram'),
        ({'vcpus': 0}, 'flavor.vcpus'), ({'disk': -1}, 'flavor.disk'), ({'swap': -1}, 'flavor.swap'),
        ({'rxtx_factor': 0}, 'flavor.rxtx_factor'), ({'rxtx_factor': '1e39'}, 'flavor.rxtx_factor'),
        ({'id': ' a'}, 'flavor.id'), ({'id': ''}, 'flavor.id'), ({'id': 'a/b'}, 'flavor.id'),
        ({'os-flavor-access:is_public': 'perhaps'}, 'flavor.os-flavor-access:is_public'),
        ({'description': 'x'}, 'flavor.description'), ({'colour': 'red'}, 'flavor.colour')])
    def test_refusals_name_the_field(self, api, change, field):
        answer = create(api, **change)
        assert answer.status == 400
        assert answer.message.startswith(field + ':')
        assert api('GET', '/v2.1/flavors').json == {'flavors': []}

    def test_numbers_may_be_text_and_ids_may_be_numbers(self, api):
        made = create(api, ram='256', vcpus='2', id=7, rxtx_factor='2.5').json['flavor']
        assert (made['ram'], made['vcpus'], made['id'], made['rxtx_factor']) == (256, 2, '7', 2.5)

    @pytest.mark.parametrize('given', [{'id': None}, {}])
    def test_an_id_is_made_when_there_is_none(self, api, given):
        body = {key: value for key, value in {**BODY, **given}.items() if key != 'id' or 'id' in given}
        made = api('POST', '/v2.1/flavors', {'flavor': body}).json['flavor']
        assert len(made['id']) == 36

    def test_names_and_ids_are_there_once(self, api, flavor):
        assert create(api, id='f2').status == 409
        assert create(api, name='m2').status == 409

    def test_only_administrators(self, api):
        assert api('POST', '/v2.1/flavors', {'flavor': BODY}, token=MEMBER).status == 403


class TestShow:
    FIRST = {'id', 'name', 'links', 'ram', 'vcpus', 'disk', 'OS-FLV-EXT-DATA:ephemeral', 'swap', 'rxtx_factor',
             'OS-FLV-DISABLED:disabled', 'os-flavor-access:is_public'}

    @pytest.mark.parametrize('version, keys', [
        ('2.1', FIRST), ('2.54', FIRST), ('2.55', FIRST | {'description'}), ('2.60', FIRST | {'description'}),
        ('2.61', FIRST | {'description', 'extra_specs'}), ('2.101', FIRST | {'description', 'extra_specs'}),
        ('2.102', (FIRST | {'description', 'extra_specs'}) - {'rxtx_factor', 'OS-FLV-DISABLED:disabled'})])
    def test_fields_by_version(self, api, flavor, version, keys):
        assert set(api('GET', flavor, version=version).json['flavor']) == keys
        assert set(api('GET', '/v2.1/flavors/detail', version=version).json['flavors'][0]) == keys
        made = create(api, version=version, id='f2', name='m2').json['flavor']
        assert set(made) == keys
        listed = api('GET', '/v2.1/flavors', version=version).json['flavors'][0]
        assert set(listed) == {'id', 'name', 'links'} | ({'description'} & keys)

    def test_no_swap_is_nothing_and_later_zero(self, api, flavor):
        assert api('GET', flavor, version='2.74').json['flavor']['swap'] == ''
        assert api('GET', flavor, version='2.75').json['flavor']['swap'] == 0

    def test_readers_see_extra_specs(self, api, flavor):
        api('POST', SPECS, {'extra_specs': {'a': 'b'}})
        assert api('GET', flavor, version='2.61', token=MEMBER).json['flavor']['extra_specs'] == {'a': 'b'}

    @pytest.mark.parametrize('version, status', [('2.54', 404), ('2.55', 200)])
    def test_a_description_can_be_changed(self, api, flavor, version, status):
        answer = api('PUT', flavor, {'flavor': {'description': 'small'}}, version=version)
        assert answer.status == status
        if status == 200:
            assert api('GET', flavor, version=version).json['flavor']['description'] == 'small'
            assert api('PUT', flavor, {'flavor': {}}, version=version).status == 400
            assert api('PUT', flavor, {'flavor': {'description': None}}, version=version).status == 200

    def test_deleted(self, api, flavor):
        assert api('DELETE', flavor).status == 202
        assert api('GET', flavor).status == 404
        assert api('DELETE', flavor).status == 404


class TestList:
    @pytest.fixture(autouse=True)
    def flavors(self, api):
        for number in range(1, 6):
            create(api, id=f'f{number}', name=f'm{6 - number}', ram=128 * number, disk=number)

    @staticmethod
    def ids(answer):
        assert answer.status == 200, answer.json
        return [item['id'] for item in answer.json['flavors']]

    @pytest.mark.parametrize('query, ids', [
        ('', '12345'), ('minRam=384', '345'), ('minDisk=4', '45'), ('sort_key=name', '54321'),
        ('sort_key=memory_mb&sort_dir=desc', '54321'), ('limit=0', ''), ('limit=2', '12'), ('limit=2&marker=f2', '34'),
        ('is_public=false', ''), ('is_public=None', '12345')])
    def test_queries(self, api, query, ids):
        assert self.ids(api('GET', f'/v2.1/flavors?{query}')) == [f'f{number}' for number in ids]

    @pytest.mark.parametrize('query', ['minRam=x', 'minDisk=x', 'sort_key=secret', 'sort_dir=up', 'marker=f9',
                                       'is_public=perhaps', 'limit=-1'])
    def test_queries_that_are_none(self, api, query):
        answer = api('GET', f'/v2.1/flavors?{query}')
        assert answer.status == 400
        assert query.partition('=')[0] in answer.message

    @pytest.mark.parametrize('version, ids', [('2.74', '12345'), ('2.102', '4')])
    def test_by_name_in_the_newest(self, api, version, ids):
        assert self.ids(api('GET', '/v2.1/flavors?name=m2', version=version)) == [f'f{number}' for number in ids]

    @pytest.mark.parametrize('path', ['/v2.1/flavors', '/v2.1/demo/flavors/detail'])
    def test_pages_lead_from_one_to_the_next(self, api, path):
        seen, answer = [], api('GET', f'{path}?sort_dir=asc&limit=2')
        for _page in range(5):
            seen += self.ids(answer)
            (following,) = answer.json.get('flavors_links') or (None,)
            if following is None:
                break
            assert following['rel'] == 'next'
            assert following['href'] == (f'http://api.example:8774{path}?limit=2&marker={seen[-1]}&sort_dir=asc')
            answer = api('GET', following['href'].removeprefix('http://api.example:8774'))
        assert seen == ['f1', 'f2', 'f3', 'f4', 'f5']

    def test_one_statement_however_many(self, api, statements):
        counts = []
        for limit in (1, 5):
            with statements() as ran:
                api('GET', f'/v2.1/flavors/detail?limit={limit}', version='2.104')
            counts.append(len(ran))
        assert counts == [1, 1]


class TestExtraSpecs:
    def test_they_are_merged_read_changed_and_deleted(self, api, flavor):
        assert api('POST', SPECS, {'extra_specs': {'a': 'b', 'n': 5}}).json == {'extra_specs': {'a': 'b', 'n': '5'}}
        assert api('POST', SPECS, {'extra_specs': {'c': 'd'}}).json == {'extra_specs': {'c': 'd'}}
        assert api('GET', SPECS).json == {'extra_specs': {'a': 'b', 'n': '5', 'c': 'd'}}
        assert api('PUT', f'{SPECS}/a', {'a': 'x'}).json == {'a': 'x'}
        assert api('GET', f'{SPECS}/a').json == {'a': 'x'}
        assert api('DELETE', f'{SPECS}/a').status == 200
        assert api('GET', f'{SPECS}/a').status == 404
        assert api('DELETE', f'{SPECS}/a').status == 404

    @pytest.mark.parametrize('method, path, body', [
        ('POST', SPECS, {}), ('POST', SPECS, {'extra_specs': {'a/b': 'c'}}),
        ('POST', SPECS, {'extra_specs': {'a': {}}}),
        ('POST', SPECS, {'extra_specs': {'a': 'x' * 256}}), ('POST', SPECS, {'extra_specs': {'k' * 256: 'x'}}),
        ('PUT', f'{SPECS}/a', {'b': 'c'}), ('PUT', f'{SPECS}/a', {'a': 'b', 'c': 'd'}), ('PUT', f'{SPECS}/a', {})])
    def test_refusals(self, api, flavor, method, path, body):
        assert api(method, path, body).status == 400
        assert api('GET', SPECS).json == {'extra_specs': {}}

    @pytest.mark.parametrize('version, status', [('2.85', 200), ('2.86', 400)])
    def test_known_namespaces_are_checked_in_newer_versions(self, api, flavor, version, status):
        for key, value in (('hw:cpu_policy', 'sometimes'), ('hw:nonsense', 'x')):
            assert api('POST', SPECS, {'extra_specs': {key: value}}, version=version).status == status
            answer = api('PUT', f'{SPECS}/{key}', {key: value}, version=version)
            assert answer.status == status
            assert status == 200 or answer.message.startswith(f'extra_specs.{key}:')

    def test_members_change_nothing(self, api, flavor):
        assert api('POST', SPECS, {'extra_specs': {'a': 'b'}}, token=MEMBER).status == 403
        assert api('DELETE', f'{SPECS}/a', token=MEMBER).status == 403


class TestAccess:
    ACTION = '/v2.1/flavors/p1/action'

    @pytest.fixture(autouse=True)
    def private(self, api):
        made = create(api, id='p1', name='private', **{'os-flavor-access:is_public': False})
        assert made.json['flavor']['os-flavor-access:is_public'] is False

    def add(self, api, tenant='other', version='2.1'):
        return api('POST', self.ACTION, {'addTenantAccess': {'tenant': tenant}}, version=version)

    def test_a_private_flavor_is_nobodys_until_it_is_given(self, api):
        assert api('GET', '/v2.1/flavors/p1', token=MEMBER).status == 404
        answer = self.add(api)
        assert (answer.status, answer.json) == (200, {'flavor_access': [{'flavor_id': 'p1', 'tenant_id': 'other'}]})
        assert api('GET', '/v2.1/flavors/p1', token=MEMBER).status == 200
        assert [item['id'] for item in api('GET', '/v2.1/flavors', token=MEMBER).json['flavors']] == ['p1']
        assert self.add(api).status == 409
        answer = api('POST', self.ACTION, {'removeTenantAccess': {'tenant': 'other'}})
        assert (answer.status, answer.json) == (200, {'flavor_access': []})
        assert api('POST', self.ACTION, {'removeTenantAccess': {'tenant': 'other'}}).status == 404
        assert api('GET', '/v2.1/flavors/p1', token=MEMBER).status == 404

    @pytest.mark.parametrize('version, status', [('2.6', 200), ('2.7', 409)])
    def test_a_public_flavor(self, api, flavor, version, status):
        body = {'addTenantAccess': {'tenant': 'other'}}
        assert api('POST', '/v2.1/flavors/f1/action', body, version=version).status == status
        assert api('GET', '/v2.1/flavors/f1/os-flavor-access').status == 404
