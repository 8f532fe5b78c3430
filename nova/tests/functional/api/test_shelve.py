# SPDX-License-Identifier: Apache-2.0
"""Shelving, offloading and coming back: where it ends when something goes wrong, and what is held meanwhile."""

import pytest

from nova.tests import harness
from nova.tests.functional import sites

HOSTS = {'fake': {'more_hosts': 'second'}}


def prepare(cloud):
    sites.make_private_network(cloud)
    root = cloud.client()
    made = root.post('/os-aggregates', {'aggregate': {'name': 'far', 'availability_zone': 'far'}})['aggregate']
    root.post(f'/os-aggregates/{made["id"]}/action', {'add_host': {'host': 'second'}})


site = sites.own(HOSTS, computes=2, prepare=prepare)


@pytest.fixture
def server(site, member):
    with member.booted('subject', networks='auto') as made:
        yield made
    assert site.leaks() == []
    harness.wait_for(lambda: images(member) == ['guest'], 'its image went with it')


def images(client):
    return [image['name'] for image in client.get('/images', '2.1')['images']]


def act(client, server, name, value=None, version=None):
    return client.call('POST', f'/servers/{server["id"]}/action', {name: value}, version=version)


def shown(site, server):
    return site.client().get(f'/servers/{server["id"]}')['server']


def last_action(site, server):
    return site.client().get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions'][0]


def wait_for_error(site, server, action):
    """The last action is this one, failed, and the server is idle again."""
    def failed():
        last = last_action(site, server)
        return last['action'] == action and last['message'] and \
            shown(site, server)['OS-EXT-STS:task_state'] is None
    harness.wait_for(failed, f'{action} failed')


def shelve(client, server):
    assert act(client, server, 'shelve').status_code == 202
    return client.wait(server['id'], 'SHELVED_OFFLOADED')


# What is kept --------------------------------------------------------------------------------------------------------

def test_addresses_and_quota_stay_and_the_hosts_resources_go(site, member, server):
    before = member.get(f'/servers/{server["id"]}/ips')['addresses']
    used = member.get('/limits')['limits']['absolute']['totalRAMUsed']
    assert before['private']
    shelve(member, server)
    assert member.get(f'/servers/{server["id"]}/ips')['addresses'] == before
    assert member.get('/limits')['limits']['absolute']['totalRAMUsed'] == used
    assert site.sql('SELECT * FROM claims') == []
    there = shown(site, server)
    assert (there['OS-EXT-SRV-ATTR:host'], there['OS-EXT-SRV-ATTR:hypervisor_hostname']) == (None, None)
    assert there['OS-EXT-STS:power_state'] == 4
    assert act(member, server, 'unshelve').status_code == 202
    member.wait(server['id'], 'ACTIVE')
    assert member.get(f'/servers/{server["id"]}/ips')['addresses'] == before
    assert [row['host'] for row in site.sql('SELECT host FROM claims')] == [shown(site, server)['OS-EXT-SRV-ATTR:host']]


def test_the_actions_and_their_steps(site, member, server):
    shelve(member, server)
    act(member, server, 'unshelve')
    member.wait(server['id'], 'ACTIVE')
    root = site.client()
    found = root.get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions']
    assert [(one['action'], one['message']) for one in found] == [('unshelve', None), ('shelve', None),
                                                                  ('create', None)]
    steps = root.get(f'/servers/{server["id"]}/os-instance-actions/{found[0]["request_id"]}')['instanceAction']
    assert sorted((step['event'], step['result']) for step in steps['events']) == [
        ('compute_unshelve_instance', 'Success'), ('conductor_unshelve_instance', 'Success')]


@pytest.mark.parametrize('before, status', [('pause', 'PAUSED'), ('suspend', 'SUSPENDED'), ('os-stop', 'SHUTOFF')])
def test_from_any_state_and_back_to_active(member, server, before, status):
    act(member, server, before)
    member.wait(server['id'], status)
    shelve(member, server)
    assert act(member, server, 'unshelve').status_code == 202
    member.wait(server['id'], 'ACTIVE')


def test_only_administrators_offload_and_only_what_is_shelved(site, member, server):
    assert act(member, server, 'shelveOffload').status_code == 403
    assert act(site.client(), server, 'shelveOffload').status_code == 409
    shelve(member, server)
    assert act(site.client(), server, 'shelveOffload').status_code == 409


def test_a_locked_server_is_neither_shelved_nor_unshelved(site, member, server):
    act(site.client(), server, 'lock')
    assert act(member, server, 'shelve').status_code == 409
    shelve(site.client(), server)
    assert act(member, server, 'unshelve').status_code == 409
    act(site.client(), server, 'unlock')


# Where to ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('version, value, status', [
    ('2.76', {'anything': 1}, 409), ('2.77', {'anything': 1}, 400), ('2.77', {'availability_zone': None}, 400),
    ('2.77', {'availability_zone': 'far'}, 409), ('2.77', {'availability_zone': 'far', 'host': 'second'}, 400),
    ('2.90', {'host': 'second'}, 400), ('2.91', {'host': ''}, 400), ('2.91', {'availability_zone': 5}, 400),
    ('2.91', {'availability_zone': None}, 409), ('2.91', {'hosts': 'x'}, 400)])
def test_bodies_by_version(site, server, version, value, status):
    answer = act(site.client(), server, 'unshelve', value, version)
    assert answer.status_code == status, answer.text


def test_zones_and_hosts_must_agree(site, member, server):
    root = site.client()
    shelve(member, server)
    for value, status, says in (
            ({'availability_zone': 'nowhere'}, 400, 'nowhere'), ({'host': 'nobody'}, 400, 'nobody'),
            ({'availability_zone': 'far', 'host': 'test'}, 409, 'far')):
        answer = act(root, server, 'unshelve', value)
        assert answer.status_code == status
        assert says in answer.json().popitem()[1]['message']
    assert shown(site, server)['status'] == 'SHELVED_OFFLOADED'
    assert act(root, server, 'unshelve', {'availability_zone': 'far', 'host': 'second'}).status_code == 202
    there = root.wait(server['id'], 'ACTIVE')
    assert (there['OS-EXT-SRV-ATTR:host'], there['OS-EXT-AZ:availability_zone'],
            there['pinned_availability_zone']) == ('second', 'far', 'far')
    # It is pinned there now, until somebody says otherwise.
    shelve(member, server)
    assert act(root, server, 'unshelve', {'host': 'test'}).status_code == 409
    assert act(root, server, 'unshelve', {'host': 'test', 'availability_zone': None}).status_code == 202
    there = root.wait(server['id'], 'ACTIVE')
    assert (there['OS-EXT-SRV-ATTR:host'], there['pinned_availability_zone']) == ('test', None)


def test_a_member_names_a_zone(site, member, server):
    shelve(member, server)
    assert act(member, server, 'unshelve', {'availability_zone': 'far'}, '2.77').status_code == 202
    member.wait(server['id'], 'ACTIVE')
    assert shown(site, server)['OS-EXT-SRV-ATTR:host'] == 'second'


# What goes wrong -----------------------------------------------------------------------------------------------------

def test_without_room_it_stays_on_the_shelf_and_may_be_asked_again():
    with harness.Cloud.all_in_one({'fake': {'memory_mb': 128}}) as cloud:
        member = cloud.client()
        server = member.boot('subject')
        shelve(member, server)
        other = member.boot('takes-its-place')
        assert act(member, server, 'unshelve').status_code == 202
        wait_for_error(cloud, server, 'unshelve')
        assert shown(cloud, server)['status'] == 'SHELVED_OFFLOADED'
        assert [row['instance_uuid'] for row in cloud.sql('SELECT instance_uuid FROM claims')] == [other['id']]
        assert 'subject-shelved' in images(member)
        member.delete(other['id'])
        act(member, server, 'unshelve')
        member.wait(server['id'], 'ACTIVE')
        assert cloud.leaks() == []


def restarted(cloud, **fake):
    """Stop everything and start it with other options of the fake driver."""
    cloud.stop('nova-all')
    cloud.write_config(cloud.config, fake=fake)
    cloud.start('nova-all')
    cloud.wait_ready()


def test_a_host_that_cannot_start_it_gives_it_back():
    with harness.Cloud.all_in_one() as cloud:
        member = cloud.client()
        server = member.boot('subject')
        shelve(member, server)
        restarted(cloud, failures='spawn:once')
        assert act(member, server, 'unshelve').status_code == 202
        wait_for_error(cloud, server, 'unshelve')
        there = shown(cloud, server)
        assert (there['status'], there['OS-EXT-SRV-ATTR:host']) == ('SHELVED_OFFLOADED', None)
        assert cloud.sql('SELECT * FROM claims') == []
        assert 'subject-shelved' in images(member)
        act(member, server, 'unshelve')
        member.wait(server['id'], 'ACTIVE')
        assert cloud.leaks() == []
        harness.wait_for(lambda: images(member) == ['guest'], 'the image went')


@pytest.mark.parametrize('slow, task', [('snapshot', 'shelving'), ('destroy', 'shelving_offloading')])
def test_shelving_goes_on_where_it_was_cut_off(tmp_path, slow, task):
    """Above all the image is still there: it may be all that is left."""
    settings = {'fake': {'delays': f'{slow}:4', 'state_file': tmp_path / 'guests'}}
    with harness.Cloud.all_in_one(settings) as cloud:
        member = cloud.client()
        server = member.boot('subject')
        act(member, server, 'shelve')
        harness.wait_for(lambda: shown(cloud, server)['OS-EXT-STS:task_state'] == task, task)
        cloud.kill('nova-all')
        cloud.start('nova-all')
        cloud.wait_ready()
        member.wait(server['id'], 'SHELVED_OFFLOADED')
        assert cloud.sql('SELECT * FROM claims') == []
        assert images(member) == ['subject-shelved', 'guest']
        act(member, server, 'unshelve')
        assert member.wait(server['id'], 'ACTIVE')['image']['id'] == harness.IMAGE_ID
        assert cloud.leaks() == []


def test_offloading_that_fails_keeps_the_image_and_may_be_asked_again():
    with harness.Cloud.all_in_one({'fake': {'failures': 'destroy:once'}}) as cloud:
        member = cloud.client()
        server = member.boot('subject')
        act(member, server, 'shelve')
        wait_for_error(cloud, server, 'shelve')
        assert shown(cloud, server)['status'] == 'SHELVED'
        assert 'subject-shelved' in images(member)
        assert len(cloud.sql('SELECT * FROM claims')) == 1
        assert act(member, server, 'shelveOffload').status_code == 202
        member.wait(server['id'], 'SHELVED_OFFLOADED')
        assert cloud.leaks() == []
        assert cloud.sql('SELECT * FROM claims') == []


def test_a_paused_server_whose_copy_fails_is_paused_again():
    with harness.Cloud.all_in_one({'fake': {'failures': 'snapshot:always'}}) as cloud:
        member = cloud.client()
        server = member.boot('subject')
        act(member, server, 'pause')
        member.wait(server['id'], 'PAUSED')
        act(member, server, 'shelve')
        wait_for_error(cloud, server, 'shelve')
        there = shown(cloud, server)
        assert (there['status'], there['OS-EXT-STS:power_state']) == ('PAUSED', 3)
        assert images(member) == ['guest']


def test_a_server_that_waits_on_its_host_goes_with_its_image():
    with harness.Cloud.all_in_one({'DEFAULT': {'shelved_offload_time': -1}}) as cloud:
        member = cloud.client()
        server = member.boot('subject')
        act(member, server, 'shelve')
        member.wait(server['id'], 'SHELVED')
        assert act(member, server, 'unshelve', {'availability_zone': 'nova'}).status_code == 409
        assert len(cloud.sql('SELECT * FROM claims')) == 1
        member.delete(server['id'])
        assert cloud.leaks() == []
        harness.wait_for(lambda: images(member) == ['guest'], 'the image went')
