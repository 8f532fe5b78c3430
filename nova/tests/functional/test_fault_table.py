# SPDX-License-Identifier: Apache-2.0
"""Every row of `fault_rows`: something fails on the way, and the server ends as the table says.

After each row nothing is held that is not used, the guest is where it is recorded, the action tells the error, and
the user can go on: the server is taken back to work, or deleted.
"""

import json
import os
import sqlite3

import pytest

from nova.tests import harness
from nova.tests.functional import fault_rows, faulty_driver
from nova.virt import power_state

#: For the order of the groups of tests.
TAKES_S = 100

OLD = '2.1'
OTHER_IMAGE = '33333333-3333-3333-3333-333333333333'
#: What a user does next, by status: request, and what the server becomes.
NEXT = {
    'ACTIVE': ('os-stop', None, 'SHUTOFF'), 'SHUTOFF': ('os-start', None, 'ACTIVE'),
    'PAUSED': ('unpause', None, 'ACTIVE'), 'SUSPENDED': ('resume', None, 'ACTIVE'),
    'SHELVED': ('unshelve', None, 'ACTIVE'), 'SHELVED_OFFLOADED': ('unshelve', None, 'ACTIVE'),
    'RESCUE': ('unrescue', None, 'ACTIVE'), 'VERIFY_RESIZE': ('revertResize', None, 'ACTIVE'),
    'ERROR': ('rebuild', {'imageRef': harness.IMAGE_ID}, 'ACTIVE'),
}


class Site:
    """A site of two hosts, in which steps fail as a test says."""

    def __init__(self, cloud):
        self.cloud, self.root = cloud, cloud.client()
        self.plan = cloud.directory / 'faults.json'
        self.number = 0

    def fail(self, faults):
        """From now on these steps fail: {step: kind}."""
        self.number += 1
        new = self.plan.with_suffix('.new')
        new.write_text(json.dumps({'number': self.number, 'faults': faults}))
        new.rename(self.plan)

    def rows(self, statement, *values):
        """Rows of the site's database, as dicts."""
        with sqlite3.connect(self.cloud.directory / 'nova.sqlite', timeout=20) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, values)]

    def guests(self, uuid):
        """{host: guest} of what the hypervisors have of a server."""
        return {host: content['guests'][uuid] for host, content in self.hypervisors().items()
                if uuid in content['guests']}

    def hypervisors(self):
        """{host: what its hypervisor has}."""
        return {path.stem.removeprefix('guests-'): json.loads(path.read_text())
                for path in self.cloud.directory.glob('guests-*.json')}

    def has_met_fault(self):
        """Whether the step that is to fail was come by."""
        return faulty_driver.sign_of_fault(self.plan, self.number).exists()

    def settle(self, uuid):
        """Wait until no order of the server is left to do."""
        harness.wait_for(lambda: not self.rows(
            "SELECT id FROM instance_actions WHERE instance_uuid = ? AND state <> 'done'", uuid),
            f'the orders of server {uuid} done', every_s=0.03)

    def images(self):
        return {image['id'] for image in self.root.get('/images', OLD)['images']}


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp('faults')
    os.environ[faulty_driver.PLAN] = str(directory / 'faults.json')
    settings = {'DEFAULT': {'compute_driver': 'nova.tests.functional.faulty_driver.FaultyDriver',
                            'shelved_offload_time': -1, 'update_resources_interval': 5,
                            'fake_network': True},
                'compute': {'consecutive_build_service_disable_threshold': 0},
                'fake': {'more_hosts': 'second', 'state_file': directory / 'guests-%(host)s.json'}}
    try:
        with harness.Cloud.all_in_one(settings, directory=directory) as cloud:
            cloud.wait_ready(2)
            disk = directory / 'state' / 'images' / harness.IMAGE_ID
            cloud.manage_all('flavor create --name m1.big --id 2 --ram 256 --vcpus 2 --disk 2',
                             'network create --label private --cidr 10.0.0.0/24',
                             f'image register {disk} --name other --disk-format raw --id {OTHER_IMAGE} --public')
            yield Site(cloud)
    finally:
        del os.environ[faulty_driver.PLAN]


class Scene:
    """One server that an action is done with, and what it has."""

    def __init__(self, site, row):
        self.site, self.root, self.row = site, site.root, row
        self.action = fault_rows.ACTIONS[row.action]
        self.uuid, self.volumes, self.down = None, [], None
        self.images, self.leaks = site.images(), site.cloud.leaks()

    # Before .........................................................................................................

    def prepare(self):
        if self.action.volume or 'volume' in self.row.action:
            self.volumes = [self.root.post('/os-volumes', {'volume': {'size': 1}}, OLD)['volume']['id']
                            for _each in range(2)]
        if self.action.record == 'create':
            return
        self.uuid = self._boot()
        self.root.wait(self.uuid, 'ACTIVE')
        for name, value, status in self.action.before:
            self._act(name, value)
            self.root.wait(self.uuid, status)

    def _boot(self):
        more = {}
        if self.action.volume:
            more['block_device_mapping_v2'] = [
                {'source_type': 'image', 'destination_type': 'local', 'uuid': harness.IMAGE_ID, 'boot_index': 0},
                {'source_type': 'volume', 'destination_type': 'volume', 'uuid': self.volumes[0]}]
        return self.root.boot('unlucky', wait=None, networks='auto', **more)['id']

    # The action ....................................................................................................

    def begin(self):
        special = getattr(self, f'_{self.row.action.replace(" ", "_")}', None)
        if special is not None:
            special()
        else:
            self._act(*self.action.request)

    def _act(self, name, value):
        if isinstance(value, dict):
            places = {'{image}': harness.IMAGE_ID, '{other image}': OTHER_IMAGE}
            value = {key: places.get(item, item) for key, item in value.items()}
        answer = self.root.call('POST', f'/servers/{self.uuid}/action', {name: value})
        assert answer.ok, answer.text

    def _create(self):
        self.uuid = self._boot()

    _create_with_volume = _create

    def _delete(self):
        assert self.root.call('DELETE', f'/servers/{self.uuid}').status_code == 204

    _delete_with_volume = _delete

    def _evacuate(self):
        host = self.shown()['OS-EXT-SRV-ATTR:host']
        self.down = next(service for service in self.root.get('/os-services?binary=nova-compute')['services']
                         if service['host'] == host)
        self._force_down(True)
        answer = self.root.call('POST', f'/servers/{self.uuid}/action', {'evacuate': {}}, '2.94')
        assert answer.ok, answer.text

    def host_returns(self):
        if self.down is not None:
            self._force_down(False)

    def _force_down(self, down):
        assert self.root.call('PUT', f'/os-services/{self.down["id"]}', {'forced_down': down}).ok

    @property
    def _attachments(self):
        return f'/servers/{self.uuid}/os-volume_attachments'

    def _attach_volume(self):
        self.root.post(self._attachments, {'volumeAttachment': {'volumeId': self.volumes[0]}})

    def _detach_volume(self):
        assert self.root.call('DELETE', f'{self._attachments}/{self.volumes[0]}').ok

    def _swap_volume(self):
        assert self.root.call('PUT', f'{self._attachments}/{self.volumes[0]}',
                              {'volumeAttachment': {'volumeId': self.volumes[1]}}, '2.84').ok

    def _attach_interface(self):
        self._refused(self.root.call('POST', f'/servers/{self.uuid}/os-interface', {'interfaceAttachment': {}}))

    def _detach_interface(self):
        (port,) = self.root.get(f'/servers/{self.uuid}/os-interface')['interfaceAttachments']
        self._refused(self.root.call('DELETE', f'/servers/{self.uuid}/os-interface/{port["port_id"]}'))

    @staticmethod
    def _refused(answer):
        assert answer.status_code >= 400

    # What it became ................................................................................................

    def shown(self):
        answer = self.root.call('GET', f'/servers/{self.uuid}')
        return answer.json()['server'] if answer.status_code == 200 else None

    def expect_end(self):
        """The server's status, and what goes with it."""
        if not self.row.ends:
            self.root.gone(self.uuid)
            return
        server = harness.wait_for(self._has_ended, f'an end as {self.row.ends}, not {self._seen()}')
        assert ('fault' in server) == (self.row.ends == 'ERROR')
        if self.row.ends == 'ERROR':
            assert server['fault']['message']
            assert self.row.says in server['fault']['details']
        self._expect_power(server)
        self._expect_claims(server)
        self._expect_record()
        if self.row.migration:
            (migration,) = self.site.rows('SELECT * FROM migrations WHERE instance_uuid = ? ORDER BY id DESC LIMIT 1',
                                          self.uuid)
            assert migration['status'] == self.row.migration

    def _has_ended(self):
        server = self.shown()
        return server if (server['status'], server['OS-EXT-STS:task_state']) == (self.row.ends, None) else None

    def _seen(self):
        server = self.shown()
        return {key: server.get(key) for key in ('status', 'OS-EXT-STS:task_state', 'fault')}

    def _expect_power(self, server):
        wanted = self.row.power or fault_rows.POWER.get(server['status'])
        if wanted is None:
            return
        guests, host = self.site.guests(self.uuid), server['OS-EXT-SRV-ATTR:host']
        if wanted == 'none':
            assert guests == {}
            return
        assert list(guests) == [host]
        assert power_state.STATE_MAP[guests[host]['state']].upper() == wanted
        assert server['OS-EXT-STS:power_state'] == guests[host]['state']

    def _expect_claims(self, server):
        """One where it is; two while a resize waits for its user's word; none for what no host has."""
        claims = self.site.rows('SELECT * FROM claims WHERE instance_uuid = ?', self.uuid)
        if server['status'] == 'VERIFY_RESIZE':
            assert len(claims) == 2
        elif server['status'] == 'SHELVED_OFFLOADED' or (self.action.record == 'create' and self.row.ends == 'ERROR'):
            assert claims == []
        else:
            (claim,) = claims
            assert (claim['host'], claim['migration_uuid']) == (server['OS-EXT-SRV-ATTR:host'], '')

    def _expect_record(self):
        """The newest action of the kind says what went wrong, to whom may read it."""
        actions = self.root.get(f'/servers/{self.uuid}/os-instance-actions')['instanceActions']
        action = next(each for each in actions if each['action'] == self.action.record)
        # That no host was found is for users too.
        said = (action['message'] or '').partition('.')[0]
        assert said in (('Error', 'No valid host was found') if self.row.says else ('',))
        told = self.root.get(f'/servers/{self.uuid}/os-instance-actions/{action["request_id"]}')['instanceAction']
        assert told['events']
        if self.row.says:
            failed = [event for event in told['events'] if event['result'] == 'Error']
            assert any(self.row.says in (event['details'] or '') for event in failed), told['events']

    def expect_the_same(self, before):
        """What the server has besides its claims is what it had: addresses, volumes."""
        if self.row.says and before is not None and self.action.record != 'delete':
            assert self.belongings() == before

    def belongings(self):
        """Addresses and volumes of the server, and how all its volumes are."""
        return {
            'addresses': sorted(row['address'] for row in self.site.rows(
                'SELECT address FROM fixed_ips WHERE instance_uuid = ?', self.uuid)),
            'attachments': sorted((row['volume_id'], row['device']) for row in self.site.rows(
                'SELECT * FROM volume_attachments WHERE instance_uuid = ?', self.uuid)),
            'disks': sorted(str(row['volume_id']) for row in self.site.rows(
                'SELECT * FROM block_device_mapping WHERE instance_uuid = ? AND deleted = 0', self.uuid)),
            'volumes': [self.root.get(f'/os-volumes/{volume}', OLD)['volume']['status'] for volume in self.volumes],
            'in guests': [sorted(guest['volumes']) + sorted(guest['vifs']) for guest in self.site.guests(
                self.uuid).values()]
            if self.row.ends != 'ERROR' and self.row.step != 'volume.attachment_delete' else [],
        }

    # After .........................................................................................................

    def go_on(self):
        """A server that was made can be used again."""
        if not self.row.ends or self.action.record == 'delete' or (
                self.action.record == 'create' and self.row.ends == 'ERROR'):
            return
        name, value, status = NEXT[self.row.ends]
        self._act(name, value)
        self.root.wait(self.uuid, status)
        assert len(self.site.guests(self.uuid)) == 1

    def end(self):
        """The server goes, and with it everything that it had."""
        if self.row.ends:
            assert self.root.call('DELETE', f'/servers/{self.uuid}').status_code == 204
        self.root.gone(self.uuid)
        harness.wait_for(lambda: not self.site.guests(self.uuid), 'no guest left')
        assert self.site.cloud.leaks() == self.leaks
        assert self.site.rows('SELECT * FROM volume_attachments WHERE instance_uuid = ?', self.uuid) == []
        for volume in self.volumes:
            assert self.root.get(f'/os-volumes/{volume}', OLD)['volume']['status'] == 'available'
            assert self.root.call('DELETE', f'/os-volumes/{volume}', version=OLD).status_code == 202
        left = self.site.images() - self.images
        if self.row.step == 'image.delete':
            # Nobody could be asked to remove it.
            assert len(left) == 1
            assert self.root.call('DELETE', f'/images/{left.pop()}', version=OLD).status_code == 204
        assert not left


@pytest.mark.parametrize('row', fault_rows.ROWS, ids=lambda row: f'{row.action}: {row.step} {row.fault}'.replace(
    ' ', '-'))
def test_it_ends_as_the_table_says(site, row):
    scene = Scene(site, row)
    scene.prepare()
    before = scene.belongings() if scene.uuid else None
    site.fail({row.step: row.fault})
    try:
        scene.begin()
        site.settle(scene.uuid)
        # What an order does afterwards may come yet.
        harness.wait_for(site.has_met_fault, f'{row.step} called')
    finally:
        site.fail({})
        scene.host_returns()
    scene.expect_end()
    scene.expect_the_same(before)
    scene.go_on()
    scene.end()


def test_after_all_of_it_no_host_keeps_anything(site):
    def kept():
        return {host: content for host, content in site.hypervisors().items() if any(content.values())}
    harness.wait_for(lambda: not kept(), f'nothing on any host, but {kept()}', 15, 0.3)
    assert site.cloud.leaks() == []
