# SPDX-License-Identifier: Apache-2.0
"""Actions on a server that stays where it is: states, records, errors, and who may."""

import pytest

from nova.tests import harness

#: action, its body, the status it ends in, and what brings the server back to ACTIVE
THERE_AND_BACK = (
    ('pause', None, 'PAUSED', 'unpause'),
    ('suspend', None, 'SUSPENDED', 'resume'),
    ('os-stop', None, 'SHUTOFF', 'os-start'),
    ('rescue', {'adminPass': 'let me in'}, 'RESCUE', 'unrescue'),
)


@pytest.fixture(scope='module')
def server(cloud):
    admin = cloud.client()
    with admin.booted('acted-upon') as made:
        yield made


@pytest.fixture
def act(cloud, server):
    admin = cloud.client()

    def perform(name, value=None, version=None, client=admin):
        return client.call('POST', f'/servers/{server["id"]}/action', {name: value}, version=version)
    return perform


def last(admin, server):
    """The latest action with its events."""
    path = f'/servers/{server["id"]}/os-instance-actions'
    newest = admin.get(path)['instanceActions'][0]
    return admin.get(f'{path}/{newest["request_id"]}')['instanceAction']


@pytest.mark.parametrize('action, body, status, back', THERE_AND_BACK)
def test_there_and_back(admin, server, act, action, body, status, back):
    assert act(action, body).status_code == (200 if action == 'rescue' else 202)
    admin.wait(server['id'], status)
    refused = act(action, body)
    assert refused.status_code == 409
    assert f"'{action.removeprefix('os-')}'" in refused.text
    assert 'vm_state' in refused.text
    assert act(back).status_code == 202
    admin.wait(server['id'], 'ACTIVE')
    done = last(admin, server)
    assert done['action'] == back.removeprefix('os-')
    assert [event['result'] for event in done['events']] == ['Success']
    assert done['message'] is None


def test_rescue_says_the_password_and_refuses_an_unknown_image(admin, server, act):
    assert act('rescue', {'rescue_image_ref': 'no-uuid'}).status_code == 400
    unknown = act('rescue', {'rescue_image_ref': '22222222-2222-2222-2222-222222222222'})
    assert unknown.status_code == 400
    assert '22222222' in unknown.text
    answer = act('rescue', {'adminPass': 'secret', 'rescue_image_ref': harness.IMAGE_ID})
    assert answer.json() == {'adminPass': 'secret'}
    admin.wait(server['id'], 'RESCUE')
    act('unrescue')
    admin.wait(server['id'], 'ACTIVE')


def test_a_password_is_changed_in_a_running_guest(admin, server, act):
    assert act('changePassword', {'adminPass': 'new'}).status_code == 202
    admin.wait(server['id'], 'ACTIVE')
    assert last(admin, server)['action'] == 'changePassword'
    refused = act('changePassword', {})
    assert refused.status_code == 400
    assert 'adminPass' in refused.text


def test_a_crash_dump_is_triggered(admin, server, act):
    assert act('trigger_crash_dump', version='2.16').status_code in {400, 404}
    assert act('trigger_crash_dump', {'x': 1}).status_code == 400
    assert act('trigger_crash_dump').status_code == 202
    harness.wait_for(lambda: 'NMI' in admin.action(server['id'], 'os-getConsoleOutput')['output'], 'the guest noticed')


def test_locks_keep_users_out_but_not_administrators(cloud, server, act):
    admin, member = cloud.client(), cloud.client('bob:demo')
    assert act('lock', {'locked_reason': 'do not touch'}, client=member).status_code == 202
    shown = member.get(f'/servers/{server["id"]}')['server']
    assert (shown['locked'], shown['locked_reason']) == (True, 'do not touch')
    refused = act('pause', client=member)
    assert refused.status_code == 409
    assert 'locked' in refused.text
    assert act('unlock', client=member).status_code == 202
    other = cloud.client('root:elsewhere')
    assert act('lock', client=other).status_code in {202, 404}
    assert act('unlock').status_code == 202
    assert admin.get(f'/servers/{server["id"]}')['server']['locked'] is False
    assert act('lock', {'locked_reason': 'x' * 256}).status_code == 400
    assert last(admin, server)['action'] == 'unlock'
    assert last(admin, server)['events'][0]['event'] == 'api_unlock'


def test_the_state_is_what_an_administrator_says(admin, server, act):
    assert act('os-resetState', {'state': 'gone'}).status_code == 400
    assert act('os-resetState', {'state': 'error'}).status_code == 202
    assert admin.get(f'/servers/{server["id"]}')['server']['status'] == 'ERROR'
    assert act('os-resetState', {'state': 'active'}).status_code == 202
    assert admin.get(f'/servers/{server["id"]}')['server']['status'] == 'ACTIVE'


def test_the_network_of_a_guest_is_looked_at_again(act):
    assert act('resetNetwork').status_code == 202
    assert act('injectNetworkInfo').status_code == 202


@pytest.mark.parametrize('version, key', [('2.47', 'cpu0_time'), ('2.48', 'cpu_details')])
def test_diagnostics(admin, server, version, key):
    found = admin.get(f'/servers/{server["id"]}/diagnostics', version)
    assert key in found


def test_consoles_open_with_a_token_for_a_while(admin, server, act):
    made = admin.post(f'/servers/{server["id"]}/remote-consoles',
                      {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}})['remote_console']
    assert (made['protocol'], made['type']) == ('vnc', 'novnc')
    token = made['url'].split('token%3D')[1]
    where = admin.get(f'/os-console-auth-tokens/{token}')['console']
    assert where == {'instance_uuid': server['id'], 'host': '127.0.0.1', 'port': 5900,
                     'internal_access_path': where['internal_access_path']}
    assert admin.call('GET', f'/os-console-auth-tokens/{token}', version='2.30').status_code == 401
    assert admin.call('GET', '/os-console-auth-tokens/made-up').status_code == 404
    old = act('os-getVNCConsole', {'type': 'novnc'}, '2.5')
    assert old.json()['console']['type'] == 'novnc'
    assert act('os-getVNCConsole', {'type': 'novnc'}, '2.6').status_code in {400, 404}


@pytest.mark.parametrize('protocol, kind, says', [
    ('vnc', 'serial', 'vnc'), ('serial', 'serial', 'Unavailable'), ('telnet', 'novnc', 'protocol'),
    ('vnc', 'xvpvnc', 'Invalid console type')])
def test_consoles_that_are_not_to_be_had(admin, server, protocol, kind, says):
    answer = admin.call('POST', f'/servers/{server["id"]}/remote-consoles',
                        {'remote_console': {'protocol': protocol, 'type': kind}})
    assert answer.status_code == 400
    assert says in answer.text


#: action, body, what another project's member gets, what a reader of the project gets
WHO = (
    ('pause', None, 404, 403), ('unpause', None, 404, 403), ('suspend', None, 404, 403), ('resume', None, 404, 403),
    ('lock', None, 404, 403), ('unlock', None, 404, 403), ('rescue', None, 404, 403), ('unrescue', None, 404, 403),
    ('changePassword', {'adminPass': 'x'}, 404, 403), ('trigger_crash_dump', None, 404, 403),
    ('os-resetState', {'state': 'error'}, 403, 403), ('resetNetwork', None, 403, 403),
    ('injectNetworkInfo', None, 403, 403), ('restore', None, 404, 403), ('forceDelete', None, 404, 403),
)


@pytest.mark.parametrize('action, body, stranger, reader', WHO)
def test_who_may(cloud, act, action, body, stranger, reader):
    assert act(action, body, client=cloud.client('mallory:elsewhere')).status_code == stranger
    assert act(action, body, client=cloud.client('rita:demo:reader')).status_code == reader


def _is_listed_when_asked_for(member, root):
    for client, query, count in (
            (member, '', 0), (member, 'status=ACTIVE', 0), (member, 'status=SOFT_DELETED', 1), (member, 'name=un', 0),
            (member, 'changes-since=2001-01-01T00:00:00Z', 1), (member, 'soft_deleted=true', 0),
            (root, 'all_tenants=1', 0), (root, 'all_tenants=1&deleted=true', 1),
            (root, 'all_tenants=1&soft_deleted=true', 1), (root, 'all_tenants=1&status=DELETED', 0),
            (root, 'all_tenants=1&vm_state=soft-delete', 1)):
        assert len(client.get(f'/servers?{query}')['servers']) == count, query


def test_a_deletion_can_be_taken_back_until_its_time():
    with harness.Cloud.all_in_one({'DEFAULT': {'reclaim_instance_interval': 600}, 'quota': {'instances': 1}}) as cloud:
        member = cloud.client('alice:project-a')
        server = member.boot('undecided')
        path = f'/servers/{server["id"]}'
        assert member.call('DELETE', path).status_code == 204
        member.wait(server['id'], 'SOFT_DELETED')
        assert member.call('POST', f'{path}/action', {'os-start': None}).status_code == 409
        _is_listed_when_asked_for(member, cloud.client())
        member.action(server['id'], 'restore')
        member.wait(server['id'], 'ACTIVE')
        member.call('DELETE', path)
        member.wait(server['id'], 'SOFT_DELETED')
        # Its room is somebody else's now.
        second = member.boot('second')
        refused = member.call('POST', f'{path}/action', {'restore': None})
        assert refused.status_code == 403
        assert 'instances' in refused.text
        member.action(server['id'], 'forceDelete')
        member.gone(server['id'])
        member.action(second['id'], 'forceDelete')
        member.gone(second['id'])
        assert not cloud.tracebacks()


def test_what_was_put_away_is_deleted_in_time():
    with harness.Cloud.all_in_one({'DEFAULT': {'reclaim_instance_interval': 1}}) as cloud:
        member = cloud.client('alice:project-a')
        server = member.boot('forgotten')
        assert member.call('DELETE', f'/servers/{server["id"]}').status_code == 204
        member.gone(server['id'])
        assert not cloud.tracebacks()


def test_a_guest_that_is_gone_is_no_deleted_server():
    """Without a state file, the guests of the fake hypervisor end with the process."""
    with harness.Cloud.all_in_one() as cloud:
        client = cloud.client()
        server = client.boot('forgotten')
        client.action(server['id'], 'os-stop')
        client.wait(server['id'], 'SHUTOFF')
        cloud.stop('nova-all')
        cloud.start('nova-all')
        cloud.wait_ready()
        client.action(server['id'], 'os-start')
        client.wait(server['id'], 'SHUTOFF')
        action = client.get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions'][0]
        assert (action['action'], action['message']) == ('start', 'Error')
        assert client.call('DELETE', f'/servers/{server["id"]}').status_code == 204
        client.gone(server['id'])
        assert cloud.leaks() == []
