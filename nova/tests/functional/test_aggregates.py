# SPDX-License-Identifier: Apache-2.0
"""/os-aggregates, and the availability zones made of them."""

import pytest

PATH = '/os-aggregates'


@pytest.fixture
def aggregate(admin):
    made = admin.post(PATH, {'aggregate': {'name': 'fast', 'availability_zone': 'zone-1'}})['aggregate']
    yield made
    admin.call('POST', f'{PATH}/{made["id"]}/action', {'remove_host': {'host': 'test'}})
    admin.call('DELETE', f'{PATH}/{made["id"]}')


def act(client, aggregate, name, value):
    return client.call('POST', f'{PATH}/{aggregate["id"]}/action', {name: value})


def test_a_life(admin, aggregate):
    assert 'hosts' not in aggregate
    assert aggregate['availability_zone'] == 'zone-1'
    whole = admin.get(f'{PATH}/{aggregate["id"]}')['aggregate']
    assert whole['metadata'] == {'availability_zone': 'zone-1'}
    assert whole['hosts'] == []
    assert 'uuid' not in admin.get(f'{PATH}/{aggregate["id"]}', '2.40')['aggregate']
    assert whole in admin.get(PATH)['aggregates']
    changed = act(admin, aggregate, 'set_metadata', {'metadata': {'ssd': 'true', 'nothing': None}}).json()['aggregate']
    assert changed['metadata'] == {'availability_zone': 'zone-1', 'ssd': 'true'}
    changed = act(admin, aggregate, 'set_metadata', {'metadata': {'ssd': None}}).json()['aggregate']
    assert changed['metadata'] == {'availability_zone': 'zone-1'}
    renamed = admin.call('PUT', f'{PATH}/{aggregate["id"]}', {'aggregate': {'name': 'faster',
                                                                            'availability_zone': None}})
    assert renamed.json()['aggregate']['name'] == 'faster'
    assert renamed.json()['aggregate']['availability_zone'] is None


def test_a_host_brings_its_zone_to_servers_at_once(admin, aggregate):
    added = act(admin, aggregate, 'add_host', {'host': 'test'})
    assert added.json()['aggregate']['hosts'] == ['test']
    assert act(admin, aggregate, 'add_host', {'host': 'test'}).status_code == 409
    zones = {zone['zoneName'] for zone in admin.get('/os-availability-zone')['availabilityZoneInfo']}
    assert zones == {'zone-1'}
    server = admin.boot('in-zone-1', availability_zone='zone-1')
    assert server['OS-EXT-AZ:availability_zone'] == 'zone-1'
    assert act(admin, aggregate, 'remove_host', {'host': 'test'}).status_code == 409
    assert admin.call('PUT', f'{PATH}/{aggregate["id"]}',
                      {'aggregate': {'availability_zone': 'zone-2'}}).status_code == 409
    assert admin.call('DELETE', f'{PATH}/{aggregate["id"]}').status_code == 400
    admin.delete(server['id'])
    assert act(admin, aggregate, 'remove_host', {'host': 'test'}).json()['aggregate']['hosts'] == []


def test_a_host_is_in_one_zone_only(admin, aggregate):
    act(admin, aggregate, 'add_host', {'host': 'test'})
    other = admin.post(PATH, {'aggregate': {'name': 'other', 'availability_zone': 'zone-2'}})['aggregate']
    refused = act(admin, other, 'add_host', {'host': 'test'})
    assert refused.status_code == 409
    assert 'zone-1' in refused.text
    assert admin.call('DELETE', f'{PATH}/{other["id"]}').status_code == 200


@pytest.mark.parametrize('body, status, says', [
    ({'name': 'a', 'availability_zone': 'has:colon'}, 400, 'availability_zone'), ({'name': ''}, 400, 'name'),
    ({}, 400, 'name'), ({'name': 'x', 'metadata': {}}, 400, 'metadata'), ({'name': 'fast'}, 409, 'fast')])
def test_what_is_refused(admin, aggregate, body, status, says):
    answer = admin.call('POST', PATH, {'aggregate': body})
    assert answer.status_code == status
    assert says in answer.text


def test_what_is_not_there(admin, aggregate):
    assert admin.call('GET', f'{PATH}/99999').status_code == 404
    assert admin.call('GET', f'{PATH}/many').status_code == 400
    assert act(admin, aggregate, 'add_host', {'host': 'nowhere'}).status_code == 404
    assert act(admin, aggregate, 'remove_host', {'host': 'nowhere'}).status_code == 404


def test_only_administrators(member, aggregate):
    assert member.call('GET', PATH).status_code == 403
    assert member.call('GET', f'{PATH}/{aggregate["id"]}').status_code == 403
    assert member.call('POST', PATH, {'aggregate': {'name': 'mine'}}).status_code == 403
    assert act(member, aggregate, 'add_host', {'host': 'test'}).status_code == 403
    assert member.call('DELETE', f'{PATH}/{aggregate["id"]}').status_code == 403
