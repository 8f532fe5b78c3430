# SPDX-License-Identifier: Apache-2.0
"""nova-compute is killed in the middle of a swap of volumes: separate daemons, and no database where guests are."""

import json

import pytest

from nova.tests import harness

#: For the order of the groups of tests.
TAKES_S = 60

OLD = '2.1'
SWAP_S = 3


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    state = tmp_path_factory.mktemp('hypervisor') / 'guests.json'
    with harness.Cloud.daemons({'fake': {'delays': f'swap_volume:{SWAP_S}', 'state_file': state},
                                'DEFAULT': {'update_resources_interval': 5}}) as cloud:
        cloud.state = state
        yield cloud


@pytest.fixture
def swapping(site):
    """A server whose volume is being swapped: its id, and the two volumes."""
    client = site.client()
    old, new = (client.post('/os-volumes', {'volume': {'size': 1}}, OLD)['volume']['id'] for _each in range(2))
    server = client.boot('swapping')['id']
    path = f'/servers/{server}/os-volume_attachments'
    client.post(path, {'volumeAttachment': {'volumeId': old}})
    harness.wait_for(lambda: statuses(client)[old] == 'in-use', 'it is attached')
    assert client.call('PUT', f'{path}/{old}', {'volumeAttachment': {'volumeId': new}}, '2.84').ok
    harness.wait_for(lambda: site.sql("SELECT id FROM block_device_mapping WHERE connection_info LIKE '%swapping_to%'"),
                     'the swap is on its way')
    yield server, old, new
    client.delete(server)
    harness.wait_for(lambda: set(statuses(client).values()) == {'available'}, 'volumes free')
    for volume in (old, new):
        assert client.call('DELETE', f'/os-volumes/{volume}', version=OLD).status_code == 202


def statuses(client):
    return {each['id']: each['status'] for each in client.get('/os-volumes', OLD)['volumes']}


def settled(site, server):
    """The volume that the server has, once the guest, the records and the volume service say the same."""
    def there():
        client = site.client()
        (attached,) = client.get(f'/servers/{server}/os-volume_attachments')['volumeAttachments']
        (in_guest,) = json.loads(site.state.read_text())['guests'][server]['volumes'].values()
        used = [volume for volume, status in statuses(client).items() if status == 'in-use']
        left = site.sql("SELECT id FROM block_device_mapping WHERE deleted = 0 AND (connection_info LIKE "
                        "'%swapping_to%' OR connection_info LIKE '%swapped_from%')")
        is_same = [attached['volumeId']] == [in_guest['serial']] == used and not left
        return attached['volumeId'] if is_same and 'available' in statuses(client).values() else None
    return harness.wait_for(there, 'all say the same', timeout_s=60, every_s=0.3)


def test_it_is_finished_after_the_next_start(site, swapping):
    server, _old, new = swapping
    site.kill('nova-compute')
    site.start('nova-compute')
    assert settled(site, server) == new
    actions = site.client().get(f'/servers/{server}/os-instance-actions')['instanceActions']
    assert (actions[0]['action'], actions[0]['message']) == ('swap_volume', None)


def test_one_that_was_given_up_leaves_what_the_guest_has(site, swapping):
    server, old, _new = swapping
    client = site.client()
    site.kill('nova-compute')
    harness.wait_for(lambda: client.get(f'/servers/{server}/os-instance-actions')['instanceActions'][0]['message'],
                     'it was given up', timeout_s=60)
    site.start('nova-compute')
    assert settled(site, server) == old
