# SPDX-License-Identifier: Apache-2.0
"""Servers that move between three hosts of one process: resize, migrate, live migrate, evacuate, and what fails."""

import pytest

from nova.tests import harness
from nova.tests.functional import sites


def prepare(cloud):
    cloud.manage('flavor', 'create', '--name', 'm1.big', '--id', '2', '--ram', '256', '--vcpus', '2', '--disk', '2')


# What the scheduler knows is never old: tests take hosts away.
site = sites.own({'fake': {'more_hosts': 'second,third'}, 'scheduler': {'refresh_interval': 0}}, computes=3,
                 prepare=prepare)


@pytest.fixture
def root(site):
    return site.client()


@pytest.fixture
def server(site, root):
    made = site.client('alice:project-a').boot('mover')
    yield made
    root.delete(made['id'])
    assert site.leaks() == []
    assert site.sql('SELECT * FROM claims') == []


def act(client, server, name, value=None, version=None):
    return client.call('POST', f'/servers/{server["id"]}/action', {name: value}, version=version)


def host_of(root, server):
    return root.get(f'/servers/{server["id"]}')['server']['OS-EXT-SRV-ATTR:host']


def claims(site):
    return [(row['host'], row['vcpus'], bool(row['migration_uuid'])) for row in site.sql(
        'SELECT * FROM claims ORDER BY migration_uuid')]


def test_a_resize_holds_both_places_until_it_is_confirmed(site, root, server):
    member = site.client('alice:project-a')
    before = host_of(root, server)
    assert act(member, server, 'resize', {'flavorRef': '2'}).status_code == 202
    shown = root.wait(server['id'], 'VERIFY_RESIZE')
    # The source has its disks until it is confirmed.
    (service,) = root.get(f'/os-services?binary=nova-compute&host={before}')['services']
    refused = root.call('DELETE', f'/os-services/{service["id"]}')
    assert (refused.status_code, server['id'] in refused.text) == (409, True)
    assert shown['flavor']['original_name'] == 'm1.big'
    after = shown['OS-EXT-SRV-ATTR:host']
    assert after != before
    assert claims(site) == [(before, 1, False), (after, 2, True)]
    assert member.get('/os-quota-sets/project-a/detail')['quota_set']['cores']['in_use'] == 2
    assert act(member, server, 'os-stop').status_code == 409
    assert act(member, server, 'confirmResize').status_code == 204
    root.wait(server['id'], 'ACTIVE')
    assert claims(site) == [(after, 2, False)]
    assert act(member, server, 'confirmResize').status_code == 409
    (migration,) = root.get(f'/os-migrations?instance_uuid={server["id"]}')['migrations']
    assert (migration['status'], migration['migration_type']) == ('confirmed', 'resize')
    assert (migration['source_compute'], migration['dest_compute']) == (before, after)
    actions = root.get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions']
    assert [each['action'] for each in actions] == ['confirmResize', 'resize', 'create']
    events = root.get(f'/servers/{server["id"]}/os-instance-actions/{actions[1]["request_id"]}')['instanceAction']
    assert {each['event'] for each in events['events']} == {'cold_migrate', 'compute_prep_resize',
                                                            'compute_resize_instance', 'compute_finish_resize'}


def failed(client, server):
    """The last action of a server, with its events, when it failed."""
    (action, *_older) = client.get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions']
    path = f'/servers/{server["id"]}/os-instance-actions/{action["request_id"]}'
    return harness.wait_for(lambda: (found := client.get(path)['instanceAction'])['message'] and found, 'it failed')


@pytest.fixture
def alone(root, server):
    """No other host takes servers."""
    others = [f'/os-services/{each["id"]}' for each in root.get('/os-services?binary=nova-compute')['services']
              if each['host'] != host_of(root, server)]
    for path in others:
        assert root.call('PUT', path, {'status': 'disabled'}).status_code == 200
    yield
    for path in others:
        assert root.call('PUT', path, {'status': 'enabled'}).status_code == 200


@pytest.mark.parametrize('name, value', [
    ('resize', {'flavorRef': '2'}), ('migrate', None), ('os-migrateLive', {'host': None, 'block_migration': 'auto'})])
def test_a_move_that_finds_no_host_says_so_without_naming_one(site, root, server, alone, name, value):
    member = site.client('alice:project-a')
    assert act(member if name == 'resize' else root, server, name, value).status_code == 202
    said = ('No valid host was found. There are not enough hosts available: '
            'the host that the server is on; hosts out of service.')
    theirs = failed(member, server)
    assert theirs['message'] == said
    assert 'details' not in theirs['events'][0]
    (event,) = failed(root, server)['events']
    assert event['result'] == 'Error'
    assert event['details'].startswith(said)
    # An administrator reads who refused how many hosts.
    assert 'No valid host: 0 of' in event['details']
    assert root.get(f'/servers/{server["id"]}')['server']['status'] == 'ACTIVE'


def test_a_resize_that_is_reverted_leaves_everything_as_it_was(site, root, server):
    before = host_of(root, server)
    act(root, server, 'resize', {'flavorRef': '2'})
    root.wait(server['id'], 'VERIFY_RESIZE')
    assert act(root, server, 'revertResize').status_code == 202
    shown = root.wait(server['id'], 'ACTIVE')
    assert shown['flavor']['original_name'] == 'm1.test'
    assert shown['OS-EXT-SRV-ATTR:host'] == before
    assert claims(site) == [(before, 1, False)]
    assert root.get('/os-quota-sets/project-a/detail')['quota_set']['cores']['in_use'] == 1
    assert root.get(f'/os-migrations?instance_uuid={server["id"]}')['migrations'][0]['status'] == 'reverted'


def test_a_server_that_is_off_stays_off(root, server):
    act(root, server, 'os-stop')
    root.wait(server['id'], 'SHUTOFF')
    before = host_of(root, server)
    assert act(root, server, 'migrate').status_code == 202
    root.wait(server['id'], 'VERIFY_RESIZE')
    assert host_of(root, server) != before
    act(root, server, 'confirmResize')
    root.wait(server['id'], 'SHUTOFF')
    assert root.get('/os-migrations')['migrations'][0]['migration_type'] == 'migration'


def test_a_host_that_is_named_is_taken(root, server):
    target = 'second' if host_of(root, server) != 'second' else 'third'
    assert act(root, server, 'migrate', {'host': target}).status_code == 202
    root.wait(server['id'], 'VERIFY_RESIZE')
    assert host_of(root, server) == target
    act(root, server, 'revertResize')
    root.wait(server['id'], 'ACTIVE')
    assert act(root, server, 'os-migrateLive', {'host': target, 'block_migration': 'auto'}).status_code == 202
    root.wait(server['id'], 'ACTIVE')
    assert host_of(root, server) == target


def test_a_live_migration_keeps_the_server_running(site, root, server):
    before = host_of(root, server)
    assert act(root, server, 'os-migrateLive', {'host': None, 'block_migration': 'auto'}).status_code == 202
    shown = root.wait(server['id'], 'ACTIVE')
    assert shown['OS-EXT-SRV-ATTR:host'] != before
    assert shown['OS-EXT-STS:power_state'] == 1
    migration = root.get(f'/os-migrations?instance_uuid={server["id"]}')['migrations'][0]
    assert (migration['status'], migration['migration_type']) == ('completed', 'live-migration')
    assert root.get(f'/servers/{server["id"]}/migrations')['migrations'] == []
    assert root.call('DELETE', f'/servers/{server["id"]}/migrations/{migration["id"]}').status_code in {400, 409}
    assert claims(site) == [(shown['OS-EXT-SRV-ATTR:host'], 1, False)]


def test_a_paused_server_stays_paused_when_it_moves(root, server):
    before = host_of(root, server)
    act(root, server, 'pause')
    root.wait(server['id'], 'PAUSED')
    assert act(root, server, 'os-migrateLive', {'host': None, 'block_migration': 'auto'}).status_code == 202
    shown = root.wait(server['id'], 'PAUSED')
    assert shown['OS-EXT-SRV-ATTR:host'] != before
    assert shown['OS-EXT-STS:power_state'] == 3
    act(root, server, 'unpause')
    root.wait(server['id'], 'ACTIVE')


@pytest.mark.parametrize('action, body, version, status, says', [
    ('resize', {'flavorRef': '1'}, None, 400, 'change flavor'), ('resize', {'flavorRef': 'none'}, None, 400, 'none'),
    ('resize', {'flavorRef': ''}, None, 400, 'flavorRef'),
    ('resize', {}, None, 400, 'flavorRef'), ('confirmResize', None, None, 409, 'vm_state'),
    ('revertResize', None, None, 409, 'vm_state'), ('migrate', {'host': 'nowhere'}, None, 400, 'nowhere'),
    ('os-migrateLive', {'host': 'nowhere', 'block_migration': 'auto'}, None, 400, 'nowhere'),
    ('os-migrateLive', {'host': None}, None, 400, 'block_migration'),
    ('os-migrateLive', {'host': None, 'block_migration': 'auto', 'force': True}, '2.67', 400, 'force'),
    ('os-migrateLive', {'host': None, 'block_migration': 'auto', 'force': True}, '2.68', 400, 'force'),
    ('os-migrateLive', {'host': None, 'block_migration': True}, '2.24', 400, 'disk_over_commit'),
    ('evacuate', {}, None, 400, 'still in use'), ('evacuate', {}, '2.13', 400, 'onSharedStorage'),
    ('evacuate', {'onSharedStorage': True}, '2.14', 400, 'onSharedStorage'),
    ('evacuate', {'force': True}, '2.29', 400, 'force')])
def test_what_is_refused(root, server, action, body, version, status, says):
    answer = act(root, server, action, body, version)
    assert answer.status_code == status
    assert says in answer.text
    assert root.get(f'/servers/{server["id"]}')['server']['status'] == 'ACTIVE'


def test_a_server_of_a_dead_host_is_made_anew_elsewhere(site, root, server):
    dead = host_of(root, server)
    service = next(each for each in root.get('/os-services?binary=nova-compute')['services'] if each['host'] == dead)
    try:
        root.call('PUT', f'/os-services/{service["id"]}', {'forced_down': True})
        answer = act(root, server, 'evacuate', {}, '2.94')
        assert answer.status_code == 200
        assert answer.content == b''
        shown = root.wait(server['id'], 'ACTIVE')
        assert shown['OS-EXT-SRV-ATTR:host'] != dead
        assert root.get('/os-migrations')['migrations'][0]['status'] == 'done'
        assert claims(site) == [(shown['OS-EXT-SRV-ATTR:host'], 1, False)]
    finally:
        root.call('PUT', f'/os-services/{service["id"]}', {'forced_down': False})


def test_lists_of_migrations(root, server):
    for _round in range(2):
        act(root, server, 'os-migrateLive', {'host': None, 'block_migration': 'auto'})
        root.wait(server['id'], 'ACTIVE')
    path = f'/os-migrations?instance_uuid={server["id"]}'
    both = root.get(path)['migrations']
    assert len(both) == 2
    first = root.get(f'{path}&limit=1')
    assert first['migrations'] == both[:1]
    (link,) = first['migrations_links']
    assert root.get(link['href'])['migrations'] == both[1:]
    assert root.call('GET', f'{path}&marker=unknown').status_code == 400
    assert root.call('GET', f'{path}&bananas=1').status_code == 400
    assert 'uuid' not in root.get(path, '2.58')['migrations'][0]
    assert 'migration_type' not in root.get(path, '2.22')['migrations'][0]


@pytest.mark.parametrize('action, body, manager', [
    ('resize', {'flavorRef': '2'}, None), ('migrate', None, 409), ('evacuate', {}, 403),
    ('os-migrateLive', {'host': None, 'block_migration': 'auto'}, 409)])
def test_who_may(site, root, server, action, body, manager):
    expected = 404 if action == 'resize' else 403
    assert act(site.client('mallory:elsewhere'), server, action, body).status_code == expected
    assert act(site.client('rita:project-a:reader'), server, action, body).status_code == 403
    if manager is not None:
        assert act(site.client('alice:project-a'), server, action, body).status_code == 403
        act(root, server, 'os-stop')
        root.wait(server['id'], 'SHUTOFF')
        answer = act(site.client('boss:project-a:manager'), server, action, body)
        assert answer.status_code in {manager, 202}
        if answer.status_code == 202:
            root.wait(server['id'], 'VERIFY_RESIZE')


#: what fails, what is asked, how it ends
FAULTS = (
    ('migrate_disk_and_power_off', 'resize', {'flavorRef': '2'}, 'ERROR'),
    ('finish_migration', 'resize', {'flavorRef': '2'}, 'ERROR'),
    ('pre_live_migration', 'os-migrateLive', {'host': None, 'block_migration': 'auto'}, 'ACTIVE'),
    ('check_can_live_migrate_source', 'os-migrateLive', {'host': None, 'block_migration': 'auto'}, 'ACTIVE'),
    ('live_migration', 'os-migrateLive', {'host': None, 'block_migration': 'auto'}, 'ACTIVE'),
)


@pytest.mark.parametrize('call, action, body, status', FAULTS)
def test_what_fails_on_the_way_ends_well(call, action, body, status):
    settings = {'fake': {'more_hosts': 'second', 'failures': f'{call}:always'}}
    with harness.Cloud.all_in_one(settings) as cloud:
        cloud.wait_ready(2)
        cloud.manage('flavor', 'create', '--name', 'm1.big', '--id', '2', '--ram', '256', '--vcpus', '2', '--disk', '2')
        root = cloud.client()
        server = root.boot('unlucky')
        act(root, server, action, body)
        harness.wait_for(lambda: root.get('/os-migrations')['migrations'][0]['status'] == 'error', 'it failed')
        shown = root.wait(server['id'], status)
        action_id = root.get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions'][0]
        assert action_id['message'] == 'Error'
        if status == 'ACTIVE':
            assert shown['OS-EXT-SRV-ATTR:host'] == server['OS-EXT-SRV-ATTR:host']
            assert len(cloud.sql('SELECT * FROM claims')) == 1
        root.delete(server['id'])
        assert cloud.leaks() == []


# Server groups -------------------------------------------------------------------------------------------------------

def _grouped(client, policy, count, **rules):
    group = client.post('/os-server-groups', {'server_group': {'name': 'g', 'policy': policy, **(
        {'rules': rules} if rules else {})}})['server_group']
    made = client.post('/servers', {'server': {
        'name': 'grouped', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none', 'min_count': count,
        'max_count': count, 'return_reservation_id': True}, 'os:scheduler_hints': {'group': group['id']}})
    path = f'/servers/detail?reservation_id={made["reservation_id"]}'
    harness.wait_for(lambda: all(each['status'] != 'BUILD' for each in client.get(path)['servers']), 'all are built')
    return client.get(path)['servers']


def _hosts(servers):
    return sorted(server['OS-EXT-SRV-ATTR:host'] for server in servers if server['status'] == 'ACTIVE')


@pytest.mark.parametrize('policy, rules, count, hosts', [
    ('anti-affinity', {}, 3, ['second', 'test', 'third']), ('anti-affinity', {'max_server_per_host': 2}, 6,
                                                            ['second'] * 2 + ['test'] * 2 + ['third'] * 2),
    ('affinity', {}, 3, None), ('soft-anti-affinity', {}, 6, ['second'] * 2 + ['test'] * 2 + ['third'] * 2),
    ('soft-affinity', {}, 3, None)])
def test_servers_of_a_group_are_where_its_policy_says(root, policy, rules, count, hosts):
    made = _grouped(root, policy, count, **rules)
    try:
        assert len(_hosts(made)) == count, [server.get('fault') for server in made]
        if hosts is None:
            assert len(set(_hosts(made))) == 1
        else:
            assert _hosts(made) == hosts
    finally:
        for server in made:
            root.delete(server['id'])


def test_one_too_many_is_refused_and_says_why(root):
    made = _grouped(root, 'anti-affinity', 4)
    try:
        assert _hosts(made) == ['second', 'test', 'third']
        (refused,) = [server for server in made if server['status'] == 'ERROR']
        assert 'ServerGroupAntiAffinityFilter' in refused['fault']['details']
        assert act(root, next(server for server in made if server['status'] == 'ACTIVE'),
                   'os-migrateLive', {'host': None, 'block_migration': 'auto'}).status_code == 202
    finally:
        for server in made:
            root.delete(server['id'])
