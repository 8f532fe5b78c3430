# SPDX-License-Identifier: Apache-2.0
"""How much volumes are used, as it is told while servers live; the guests of the fake driver use them all the time."""

import time

import pytest

from nova.tests import harness
from nova.tests.functional import test_notifications

OLD = '2.1'
NAMES = ('reads', 'read_bytes', 'writes', 'write_bytes')


class Site:
    """A site whose hosts look every second, and a server with a volume."""

    def __init__(self, cloud):
        self.cloud, self.api, self.ear = cloud, cloud.client(), test_notifications.Ear(cloud)
        self.volume = self.api.post('/os-volumes', {'volume': {'size': 1}}, OLD)['volume']['id']
        self.server = self.api.boot('busy')

    def attach(self, server=None):
        path = f'/servers/{(server or self.server)["id"]}/os-volume_attachments'
        self.api.post(path, {'volumeAttachment': {'volumeId': self.volume}})
        self.settled('in-use')

    def detach(self):
        self.api.call('DELETE', f'/servers/{self.server["id"]}/os-volume_attachments/{self.volume}')
        self.settled('available')

    def settled(self, status):
        harness.wait_for(lambda: self.api.get(f'/os-volumes/{self.volume}', OLD)['volume']['status'] == status, status)

    def act(self, name, ends, value=None):
        self.api.action(self.server['id'], name, value)
        self.api.wait(self.server['id'], ends)

    def told(self, volume=None):
        """All that was told of a volume: payloads of both forms."""
        notes = [note for note in self.ear.all() if note['event_type'] == 'volume.usage']
        new = [test_notifications.body(note) for note in notes if test_notifications.is_versioned(note)]
        old = [note['payload'] for note in notes if not test_notifications.is_versioned(note)]
        return tuple([each for each in some if each['volume_id'] == (volume or self.volume)] for some in (new, old))

    def looks(self, more=2):
        """Wait until it was looked so many times more, and something was done; the last that was told."""
        before = self.told()[0]
        known = before[-1]['reads'] if before else 0
        return harness.wait_for(lambda: len(told := self.told()[0]) >= len(before) + more and
                                told[-1]['reads'] > known and told[-1], 'looks')

    def rows(self):
        return self.cloud.sql('SELECT * FROM volume_usage_cache WHERE deleted = 0')


@pytest.fixture
def site():
    settings = {**test_notifications.TELLING, 'fake': {'more_hosts': 'second'},
                'DEFAULT': {'volume_usage_poll_interval': 1}}
    with harness.Cloud.all_in_one(settings) as cloud:
        cloud.wait_ready(2)
        yield Site(cloud)
        assert not cloud.tracebacks()


def amounts(told):
    return [told[name] for name in NAMES]


def test_totals_outlive_detaching_stopping_and_moving(site):
    begun_at = time.monotonic()
    site.attach()
    site.looks()
    for again in (lambda: (site.detach(), site.attach()), lambda: (site.act('os-stop', 'SHUTOFF'), site.act(
            'os-start', 'ACTIVE')), lambda: site.act('reboot', 'ACTIVE', {'type': 'HARD'}), lambda: site.act(
            'os-migrateLive', 'ACTIVE', {'host': None, 'block_migration': 'auto'})):
        again()
        site.looks()
    other = site.api.boot('next')
    site.detach()
    site.attach(other)
    last = site.looks()
    assert last['instance_uuid'] == other['id']
    new, old = site.told()
    assert [amounts(told) for told in new] == sorted(amounts(told) for told in new), 'it never becomes less'
    assert amounts(new[-1])[1] == 4096 * amounts(new[-1])[0]
    # A hundred reads in each second that a guest ran: nothing was counted twice.
    assert last['reads'] <= 100 * (time.monotonic() - begun_at)
    assert [amounts(told) for told in old][:len(new)] == [amounts(told) for told in new][:len(old)]
    first = old[0]
    assert (first['instance_id'], first['tenant_id']) == (site.server['id'], new[0]['project_id'])
    assert set(first) == {'volume_id', 'tenant_id', 'user_id', 'instance_id', 'availability_zone', 'last_refreshed',
                          *NAMES}


def test_a_guest_that_is_gone_does_not_keep_the_others(site):
    site.attach()
    gone = site.api.boot('gone')
    volume = site.api.post('/os-volumes', {'volume': {'size': 1}}, OLD)['volume']['id']
    site.api.post(f'/servers/{gone["id"]}/os-volume_attachments', {'volumeAttachment': {'volumeId': volume}})
    harness.wait_for(lambda: site.told(volume)[0], 'a look at the second')
    site.api.action(gone['id'], 'os-stop')
    site.api.wait(gone['id'], 'SHUTOFF')
    known = len(site.told(volume)[0])
    site.looks(4)
    assert len(site.told(volume)[0]) <= known + 1


def test_a_volume_that_goes_with_its_server_is_forgotten(site):
    """What another server did to it is kept."""
    site.attach()
    site.looks()
    site.api.call('DELETE', f'/servers/{site.server["id"]}')
    site.api.gone(site.server['id'])
    (row,) = site.rows()
    assert row.curr_reads == 0
    assert row.tot_reads > 0
    harness.wait_for(lambda: site.told()[0][-1]['reads'] == row.tot_reads, 'the last word')
    both = {'boot_index': 0, 'source_type': 'image', 'uuid': harness.IMAGE_ID, 'destination_type': 'volume',
            'volume_size': 1, 'delete_on_termination': True}
    server = site.api.boot('from-volume', imageRef='', block_device_mapping_v2=[both])
    harness.wait_for(lambda: len(site.rows()) == 2, 'a look')
    site.api.call('DELETE', f'/servers/{server["id"]}')
    site.api.gone(server['id'])
    assert [row.volume_id for row in site.rows()] == [site.volume]
