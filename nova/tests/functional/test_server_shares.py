# SPDX-License-Identifier: Apache-2.0
"""Shared file systems of servers: attached while stopped, mounted while running, and gone with the server."""

import json
import os

import pytest
import yaml

from nova.compute import states
from nova.tests import harness
from nova.tests.functional import faulty_driver

PROJECT = 'project-a'
NFS, CEPH, BUSY, SMB, BARE, THEIRS, NONE = (f'{number}0000000-0000-4000-8000-000000000000' for number in range(1, 8))
SHARES = {
    NFS: {'project_id': PROJECT, 'protocol': 'NFS', 'export_location': '192.0.2.1:/data'},
    CEPH: {'project_id': PROJECT, 'protocol': 'cephfs', 'export_location': '192.0.2.2:6789:/volumes/x'},
    BUSY: {'project_id': PROJECT, 'status': 'creating', 'export_location': '192.0.2.1:/busy'},
    SMB: {'project_id': PROJECT, 'protocol': 'CIFS', 'export_location': r'\\192.0.2.1\x'},
    BARE: {'project_id': PROJECT},
    THEIRS: {'project_id': 'elsewhere', 'export_location': '192.0.2.1:/theirs'},
}


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp('shares')
    (directory / 'shares.yaml').write_text(yaml.safe_dump(SHARES))
    os.environ[faulty_driver.PLAN] = str(directory / 'faults.json')
    settings = {'DEFAULT': {'compute_driver': 'nova.tests.functional.faulty_driver.FaultyDriver', 'fake_network': True},
                'manila': {'backend': 'file', 'shares_file': directory / 'shares.yaml'},
                'fake': {'state_file': directory / 'guests-%(host)s.json'}}
    with harness.Cloud.all_in_one(settings) as cloud:
        cloud.guests = directory / 'guests-test.json'
        yield cloud
        del os.environ[faulty_driver.PLAN]


@pytest.fixture
def member(site):
    return site.client(f'alice:{PROJECT}')


@pytest.fixture
def stopped(member):
    """The path of a server that is stopped."""
    server = member.boot('sharer')['id']
    member.action(server, 'os-stop')
    member.wait(server, 'SHUTOFF')
    yield f'/servers/{server}'
    if member.call('GET', f'/servers/{server}').status_code == 200:
        member.delete(server)


def attach(client, path, share=NFS, version=harness.LATEST, **more):
    return client.call('POST', f'{path}/shares', {'share': {'share_id': share, **more}}, version)


def becomes(client, path, status, share=NFS):
    harness.wait_for(lambda: client.get(f'{path}/shares/{share}')['share']['status'] == status, f'share {status}')


def mounted(site, path):
    """{tag: export location} of what the guest has."""
    guests = yaml.safe_load(site.guests.read_text())['guests']
    return guests[path.rpartition('/')[2]]['shares']


def test_a_share_lives_with_its_server(site, admin, member, stopped):
    made = attach(member, stopped, version='2.97', tag='data')
    assert (made.status_code, made.json()) == (201, {'share': {'share_id': NFS, 'status': 'attaching', 'tag': 'data'}})
    becomes(member, stopped, 'inactive')
    assert mounted(site, stopped) == {}
    uuid = stopped.rpartition('/')[2]
    member.action(uuid, 'os-start')
    member.wait(uuid, 'ACTIVE')
    assert member.get(f'{stopped}/shares', '2.97') == {'shares': [{'share_id': NFS, 'status': 'active', 'tag': 'data'}]}
    assert mounted(site, stopped) == {'data': '192.0.2.1:/data'}
    shown = admin.get(f'{stopped}/shares/{NFS}', '2.97')['share']
    assert shown.pop('uuid')
    assert shown == {'share_id': NFS, 'status': 'active', 'tag': 'data', 'export_location': '192.0.2.1:/data'}
    member.action(uuid, 'reboot', {'type': 'HARD'})
    member.wait(uuid, 'ACTIVE')
    refused = attach(member, stopped, CEPH), member.call('DELETE', f'{stopped}/shares/{NFS}')
    assert [answer.status_code for answer in refused] == [409, 409]
    member.action(uuid, 'os-stop')
    member.wait(uuid, 'SHUTOFF')
    becomes(member, stopped, 'inactive')
    assert mounted(site, stopped) == {}
    gone = member.call('DELETE', f'{stopped}/shares/{NFS}', version='2.97')
    assert (gone.status_code, gone.content) == (200, b'')
    harness.wait_for(lambda: member.get(f'{stopped}/shares')['shares'] == [], 'share gone')
    assert member.get(f'{stopped}/os-instance-actions')['instanceActions'][0]['action'] == 'detach_share'


def test_deleting_a_server_gives_its_shares_back(site, member, stopped):
    for share in (NFS, CEPH):
        assert attach(member, stopped, share).status_code == 201
        becomes(member, stopped, 'inactive', share)
    assert {each['tag'] for each in member.get(f'{stopped}/shares')['shares']} == {NFS, CEPH}
    uuid = stopped.rpartition('/')[2]
    member.action(uuid, 'os-start')
    member.wait(uuid, 'ACTIVE')
    member.call('DELETE', stopped)
    member.gone(uuid)
    assert site.sql('SELECT * FROM share_mapping') == []


@pytest.mark.parametrize('share, status, words', [
    (NONE, 404, 'could not be found'), (THEIRS, 404, 'could not be found'), (BUSY, 409, 'creating'),
    (SMB, 409, 'CIFS'), (BARE, 409, 'export location'), ('x', 400, 'share_id')])
def test_shares_that_cannot_be_had(site, member, stopped, share, status, words):
    refused = attach(member, stopped, share)
    assert refused.status_code == status
    assert words in refused.text
    assert site.sql('SELECT * FROM share_mapping') == []


def test_a_share_and_a_tag_only_once(member, stopped):
    assert attach(member, stopped, tag='one').status_code == 201
    becomes(member, stopped, 'inactive')
    assert attach(member, stopped, tag='two').status_code == 409
    assert attach(member, stopped, CEPH, tag='one').status_code == 409
    assert attach(member, stopped, CEPH, tag='no spaces').status_code == 400
    assert attach(member, stopped, CEPH, nonsense=1).status_code == 400
    assert member.call('GET', f'{stopped}/shares/{CEPH}').status_code == 404
    assert member.call('DELETE', f'{stopped}/shares/{CEPH}').status_code == 404


def test_others_and_older_versions(site, member, stopped):
    stranger, reader = site.client('mallory:elsewhere'), site.client(f'rita:{PROJECT}:reader')
    assert attach(member, stopped).status_code == 201
    becomes(member, stopped, 'inactive')
    for method, suffix, body in (('GET', '', None), ('POST', '', {'share': {'share_id': CEPH}}),
                                 ('GET', f'/{NFS}', None), ('DELETE', f'/{NFS}', None)):
        assert stranger.call(method, f'{stopped}/shares{suffix}', body).status_code == 404
        assert reader.call(method, f'{stopped}/shares{suffix}', body).status_code == (200 if method == 'GET' else 403)
        assert member.call(method, f'{stopped}/shares{suffix}', body, '2.96').status_code == 404
    assert member.get(f'{stopped}/shares/{NFS}')['share']['status'] == 'inactive'


def test_a_locked_server(admin, member, stopped):
    admin.action(stopped.rpartition('/')[2], 'lock')
    assert attach(member, stopped).status_code == 409
    admin.action(stopped.rpartition('/')[2], 'unlock')


# What servers with shares refuse -------------------------------------------------------------------------------------

#: Each action of the state table that needs a server without shares, as users ask for it: (row, action, body).
REFUSED = [
    ('suspend', 'suspend', None),
    ('shelve', 'shelve', None),
    ('resize', 'resize', {'flavorRef': '2'}),
    ('migrate', 'migrate', None),
    ('live_migrate', 'os-migrateLive', {'host': None, 'block_migration': 'auto'}),
    ('evacuate', 'evacuate', {}),
]
#: What goes on as ever, and the status in which the server is then.
ALLOWED = [
    ('pause', None, 'PAUSED'), ('unpause', None, 'ACTIVE'), ('reboot', {'type': 'SOFT'}, 'ACTIVE'),
    ('createImage', {'name': 'of-a-sharer'}, 'ACTIVE'), ('rebuild', {'imageRef': None}, 'ACTIVE'),
    ('rescue', None, 'RESCUE'), ('unrescue', None, 'ACTIVE'), ('reboot', {'type': 'HARD'}, 'ACTIVE'),
]


@pytest.fixture
def sharer(member, stopped):
    """The uuid of a server that runs and has a share."""
    assert attach(member, stopped, tag='data').status_code == 201
    becomes(member, stopped, 'inactive')
    return started(member, stopped)


def started(member, path):
    uuid = path.rpartition('/')[2]
    member.action(uuid, 'os-start')
    member.wait(uuid, 'ACTIVE')
    return uuid


def test_the_table_of_what_is_refused():
    assert {row for row, *_ in REFUSED} == {
        row.name for row in states.ACTIONS.values() if row.shares == states.NO_SHARES}


def test_what_servers_with_shares_refuse(site, admin, member, sharer, stopped):
    for row, action, body in REFUSED:
        answer = admin.call('POST', f'{stopped}/action', {action: body})
        assert (answer.status_code, 'has shares' in answer.text) == (409, True), (row, answer.text)
    assert member.get(f'/servers/{sharer}')['server']['status'] == 'ACTIVE'
    # Without the share they are taken again.
    member.action(sharer, 'os-stop')
    member.wait(sharer, 'SHUTOFF')
    becomes(member, stopped, 'inactive')
    assert member.call('DELETE', f'{stopped}/shares/{NFS}').status_code == 200
    harness.wait_for(lambda: member.get(f'{stopped}/shares')['shares'] == [], 'share gone')
    started(member, stopped)
    member.action(sharer, 'suspend')
    member.wait(sharer, 'SUSPENDED')


def test_what_servers_with_shares_allow(site, member, sharer, stopped):
    image = member.get(f'/servers/{sharer}')['server']['image']['id']
    for action, body, status in ALLOWED:
        body = {'imageRef': image} if action == 'rebuild' else body
        member.action(sharer, action, body)
        harness.wait_for(lambda status=status: (found := member.get(f'/servers/{sharer}')['server'])['status'] == status
                         and found['OS-EXT-STS:task_state'] is None, f'{action} to end in {status}')
        assert mounted(site, stopped) == {'data': '192.0.2.1:/data'}, action
        becomes(member, stopped, 'active')


# A share that is gone -------------------------------------------------------------------------------------------------

class Faults:
    def __init__(self, path):
        self.path, self.number = path, 0

    def __call__(self, **faults):
        self.number += 1
        self.path.write_text(json.dumps({'number': self.number, 'faults': {
            name.replace('__', '.'): kind for name, kind in faults.items()}}))


@pytest.fixture
def faults(site):
    made = Faults(site.guests.parent / 'faults.json')
    yield made
    made()


def test_a_server_does_not_start_without_its_share(site, member, stopped, faults):
    uuid = stopped.rpartition('/')[2]
    for share in (CEPH, NFS):
        assert attach(member, stopped, share).status_code == 201
        becomes(member, stopped, 'inactive', share)
    faults(driver__mount_share='error')
    member.action(uuid, 'os-start')
    member.wait(uuid, 'ERROR')
    shown = member.get(f'/servers/{uuid}')['server']
    assert f'Share {CEPH} could not be mounted' in shown['fault']['message']
    assert '192.0.2' not in str(shown['fault'])
    assert {each['share_id']: each['status'] for each in member.get(f'{stopped}/shares')['shares']} == {
        CEPH: 'error', NFS: 'inactive'}
    assert mounted(site, stopped) == {}
    # Until that is mended it stays so; each of the two ways mends it.
    member.action(uuid, 'reboot', {'type': 'HARD'})
    harness.wait_for(lambda: member.get(f'{stopped}/os-instance-actions')['instanceActions'][0]['message'] == 'Error',
                     'the reboot to fail')
    assert member.get(f'/servers/{uuid}')['server']['status'] == 'ERROR'
    faults()
    member.action(uuid, 'reboot', {'type': 'HARD'})
    member.wait(uuid, 'ACTIVE')
    assert mounted(site, stopped) == {CEPH: '192.0.2.2:6789:/volumes/x', NFS: '192.0.2.1:/data'}
    assert {each['status'] for each in member.get(f'{stopped}/shares')['shares']} == {'active'}


def test_a_share_in_error_is_detached_or_mended(site, member, stopped, faults):
    uuid = stopped.rpartition('/')[2]
    faults(share__allow='service gone')
    assert attach(member, stopped).status_code == 201
    becomes(member, stopped, 'error')
    assert member.get(f'/servers/{uuid}')['server']['status'] == 'SHUTOFF'
    refused = member.call('POST', f'{stopped}/action', {'os-start': None})
    assert (refused.status_code, f'share {NFS} is in error' in refused.text) == (409, True), refused.text
    assert member.call('DELETE', f'{stopped}/shares/{NFS}').status_code == 200
    harness.wait_for(lambda: member.get(f'{stopped}/shares')['shares'] == [], 'share gone')
    started(member, stopped)


def test_a_start_that_fails_leaves_nothing_mounted(site, member, stopped, faults):
    uuid = stopped.rpartition('/')[2]
    assert attach(member, stopped).status_code == 201
    becomes(member, stopped, 'inactive')
    faults(driver__power_on='error')
    member.action(uuid, 'os-start')
    harness.wait_for(lambda: member.get(f'{stopped}/os-instance-actions')['instanceActions'][0]['message'] == 'Error',
                     'the start to fail')
    assert mounted(site, stopped) == {}
    becomes(member, stopped, 'inactive')
    faults()
    started(member, stopped)


def test_a_site_without_shares(cloud):
    owner = cloud.client(f'alice:{PROJECT}')
    server = owner.boot('unshared')['id']
    owner.action(server, 'os-stop')
    owner.wait(server, 'SHUTOFF')
    refused = attach(owner, f'/servers/{server}')
    assert refused.status_code == 403
    assert 'configured' in refused.text
    owner.call('DELETE', f'/servers/{server}')
