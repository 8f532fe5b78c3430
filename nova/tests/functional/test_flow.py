# SPDX-License-Identifier: Apache-2.0
"""The life of a server over HTTP, with the fake driver: the flow of the integration tests' real guests."""

from nova.tests import harness


def test_a_server_is_born_lives_and_leaves_nothing(cloud, admin):
    server = admin.boot('life', metadata={'a': 'b'}, tags=['one'], description='text')
    uuid = server['id']
    assert server['OS-EXT-STS:vm_state'] == 'active'
    assert server['OS-EXT-STS:power_state'] == 1
    assert server['metadata'] == {'a': 'b'}
    assert server['tags'] == ['one']
    assert server['flavor']['original_name'] == 'm1.test'
    assert [found['id'] for found in admin.get('/servers?name=^life$')['servers']] == [uuid]

    admin.action(uuid, 'os-stop')
    admin.wait(uuid, 'SHUTOFF')
    answer = admin.call('POST', f'/servers/{uuid}/action', {'os-stop': None})
    assert answer.status_code == 409
    assert 'vm_state stopped' in answer.json()['conflictingRequest']['message']
    admin.action(uuid, 'os-start')
    admin.wait(uuid, 'ACTIVE')
    for kind in ('SOFT', 'HARD'):
        admin.action(uuid, 'reboot', {'type': kind})
        admin.wait(uuid, 'ACTIVE')
    assert 'instance-' in admin.action(uuid, 'os-getConsoleOutput', {'length': 50})['output']

    actions = admin.get(f'/servers/{uuid}/os-instance-actions')['instanceActions']
    assert [action['action'] for action in actions] == ['reboot', 'reboot', 'start', 'stop', 'create']
    assert all(action['message'] is None for action in actions)
    create = admin.get(f'/servers/{uuid}/os-instance-actions/{actions[-1]["request_id"]}')['instanceAction']
    assert [event['event'] for event in create['events']] == ['conductor_schedule_and_build_instances',
                                                              'compute__do_build_and_run_instance']

    assert admin.call('DELETE', f'/servers/{uuid}').status_code == 204
    admin.gone(uuid)
    harness.wait_for(lambda: not cloud.leaks(), 'nothing left')


def test_many_servers_at_once(admin):
    before = {server['id'] for server in admin.get('/servers')['servers']}
    admin.boot('many', wait=None, min_count=10, max_count=10)
    ids = {server['id'] for server in admin.get('/servers')['servers']} - before
    assert len(ids) == 10
    servers = [admin.wait(uuid, 'ACTIVE') for uuid in ids]
    assert {server['name'] for server in servers} == {f'many-{number}' for number in range(1, 11)}
    for uuid in ids:
        assert admin.call('DELETE', f'/servers/{uuid}').status_code == 204
    for uuid in ids:
        admin.gone(uuid)


def test_a_server_that_fits_nowhere_says_why(cloud, admin):
    cloud.manage('flavor', 'create', '--name', 'm1.huge', '--id', 'huge', '--ram', '999999999', '--vcpus', '1',
                 '--disk', '1')
    server = admin.boot('huge', wait='ERROR', flavorRef='huge')
    assert 'No valid host was found' in server['fault']['message']
    assert 'RamFilter' in server['fault']['details']
    member = cloud.client('bob:project-b')
    theirs = member.boot('huge', wait=None, flavorRef='huge')
    harness.wait_for(lambda: member.get(f'/servers/{theirs["id"]}')['server']['status'] == 'ERROR', 'refusal')
    fault = member.get(f'/servers/{theirs["id"]}')['server']['fault']
    assert 'No valid host was found' in fault['message']
    assert 'details' not in fault
    for uuid in (server['id'], theirs['id']):
        assert admin.call('DELETE', f'/servers/{uuid}').status_code == 204
        admin.gone(uuid)


def test_deleting_while_it_is_built(cloud, admin):
    for _ in range(5):
        made = admin.boot('short', wait=None)
        assert admin.call('DELETE', f'/servers/{made["id"]}').status_code == 204
        admin.gone(made['id'])
    harness.wait_for(lambda: not cloud.leaks(), 'nothing left')


def test_the_number_of_statements_of_a_list_does_not_grow(cloud, admin):
    def statements(path):
        def count():
            text = admin.call('GET', f'http://127.0.0.1:{cloud.port}/metrics').text
            return next(float(line.split()[-1]) for line in text.splitlines()
                        if line.startswith(('nova_db_queries_total', 'db_queries_total')))
        found = []
        for _ in range(5):      # the other services of the process ask too: the least is the request's own
            before = count()
            admin.get(path)
            found.append(count() - before)
        return min(found)
    ids = [admin.boot('count-one')['id']]
    few = statements('/servers/detail')
    admin.boot('count', wait=None, min_count=20, max_count=20)
    ids += [server['id'] for server in admin.get('/servers?name=^count-[0-9]')['servers']]
    for uuid in ids:
        admin.wait(uuid, 'ACTIVE')
    assert statements('/servers/detail') <= few
    assert few <= 8
    for uuid in ids:
        admin.call('DELETE', f'/servers/{uuid}')
    for uuid in ids:
        admin.gone(uuid)
