# SPDX-License-Identifier: Apache-2.0
"""Real faults on hosts with real guests, at least one for each server action: how it ends, and that nothing is left.

The table of all steps is `fault_rows`, which runs with the fake driver; here libvirt, disks, daemons and files really
fail.  One server goes through all rows; there is nothing inside its guest, since that does not matter here.
"""

import contextlib
import os
import tempfile
import time
import typing

import pytest

from nova.tests import harness
from nova.tests.functional import fault_rows
from nova.tests.integration import bed as beds
from nova.tests.integration import guest_faults

#: For the order of the groups of tests.
TAKES_S = 175

ONE, TWO = 'compute1', 'compute2'


class Row(typing.NamedTuple):
    """One row.

    :ivar action: key of `fault_rows.ACTIONS`, which says how it is brought about.
    :ivar fault: method of `guest_faults.Faults`.
    :ivar ends: the server's status; '' when it is gone.
    :ivar says: part of the error that the action's event tells; '' when the action ends well.
    :ivar host: where it breaks.
    :ivar domain: state of its domain, as virsh says it, when it has ended; '' where the status says it.
    :ivar then: how one goes on once it is mended: requests as in `fault_rows`; None: as from this status.
    :ivar lost: what the server had is not all there at the end (a disk, its memory); it is when one went on.
    :ivar migration: status of the migration.
    """

    action: str
    fault: str
    ends: str
    says: str
    host: str = ONE
    domain: str = ''
    then: tuple | None = None
    lost: bool = False
    migration: str = ''


_HARD = (('reboot', {'type': 'HARD'}, 'ACTIVE'),)
#: How one goes on, by status.
_THEN = {'ACTIVE': (), 'SHUTOFF': (('os-start', None, 'ACTIVE'),), 'PAUSED': (('unpause', None, 'ACTIVE'),),
         'ERROR': _HARD, 'SHELVED': (('unshelve', None, 'ACTIVE'),),
         'SHELVED_OFFLOADED': (('unshelve', {'host': ONE}, 'ACTIVE'),),
         'VERIFY_RESIZE': (('revertResize', None, 'ACTIVE'),)}
_DOMAIN = {'ACTIVE': 'running', 'SHUTOFF': 'shut', 'PAUSED': 'paused', 'SHELVED': 'shut', 'VERIFY_RESIZE': 'running'}
_NO_LIBVIRT = 'Connection to the hypervisor is broken'
_FULL = 'No space left on device'

ROWS = (
    Row('create', 'disk_full', 'ERROR', _FULL),
    Row('create', 'image_gone', 'ERROR', 'could not be found'),
    Row('create', 'image_corrupt', 'ERROR', ' '),
    Row('stop', 'libvirtd_killed', 'ACTIVE', _NO_LIBVIRT),
    Row('start', 'image_gone', 'SHUTOFF', 'could not be found'),
    # Whoever needs it makes it.
    Row('start', 'bridge_gone', 'ACTIVE', ''),
    Row('reboot soft', 'libvirtd_killed', 'ACTIVE', _NO_LIBVIRT),
    Row('reboot hard', 'image_gone', 'ERROR', 'could not be found', domain='shut', lost=True),
    Row('pause', 'libvirtd_killed', 'ACTIVE', _NO_LIBVIRT),
    # It goes on as what it has become.
    Row('unpause', 'guests_killed', 'PAUSED', _NO_LIBVIRT, domain='shut', then=_HARD, lost=True),
    Row('suspend', 'no_room_for_memory', 'ACTIVE', ' '),
    Row('resume', 'saved_memory_corrupt', 'ERROR', ' '),
    Row('rebuild', 'image_gone', 'ERROR', 'could not be found', then=(('rebuild', {'imageRef': '{image}'}, 'ACTIVE'),),
        lost=True),
    Row('rescue', 'disk_full', 'ERROR', _FULL, domain='shut', lost=True),
    Row('unrescue', 'libvirtd_killed', 'ERROR', _NO_LIBVIRT, domain='running'),
    Row('snapshot', 'disk_full', 'ACTIVE', ' '),
    Row('backup', 'libvirtd_killed', 'ACTIVE', _NO_LIBVIRT),
    Row('resize', 'libvirtd_killed', 'ACTIVE', ' ', TWO, migration='error'),
    Row('resize', 'disk_full', 'ACTIVE', _FULL, TWO, migration='error'),
    # Off, it would not start again: it is left alone.
    Row('resize', 'image_gone', 'ACTIVE', 'could not be found', migration='error'),
    Row('migrate', 'compute_killed', 'ACTIVE', 'is down', TWO, migration='error'),
    Row('confirm', 'disk_read_only', 'VERIFY_RESIZE', 'Read-only', migration='finished'),
    Row('revert', 'libvirtd_killed', 'ERROR', _NO_LIBVIRT, migration='error', lost=True),
    Row('live migrate', 'disk_full', 'ACTIVE', ' ', TWO, migration='error'),
    Row('live migrate', 'libvirtd_killed', 'ACTIVE', ' ', TWO, migration='error'),
    Row('live migrate', 'partition', 'ACTIVE', 'no sign of life', TWO, migration='error'),
    Row('shelve', 'disk_full', 'ACTIVE', ' '),
    Row('offload', 'libvirtd_killed', 'SHELVED', _NO_LIBVIRT),
    Row('unshelve', 'image_gone', 'SHELVED_OFFLOADED', 'could not be found'),
    Row('attach volume', 'volume_gone', 'ACTIVE', ' '),
    Row('detach volume', 'libvirtd_killed', 'ACTIVE', _NO_LIBVIRT),
    Row('swap volume', 'volume_gone', 'ACTIVE', ' '),
    Row('attach interface', 'libvirtd_killed', 'ACTIVE', ' '),
    Row('detach interface', 'libvirtd_killed', 'ACTIVE', ' '),
    Row('evacuate', 'disk_full', 'ERROR', _FULL, TWO, migration='failed'),
    Row('delete', 'libvirtd_killed', 'ERROR', _NO_LIBVIRT),
)


class Site:
    """The bed, what can break on it, and the server that the rows share."""

    def __init__(self, bed, volumes):
        self.bed, self.api = bed, bed.api
        self.faults, self.look = guest_faults.Faults(bed, volumes), guest_faults.Look(bed, volumes)
        self.flavors = [bed.make_flavor(name, ram=64, disk=0) for name in ('nothing', 'nothing-else')]
        self.image = self._make_image()
        self.network = self.api.get('/os-networks', version='2.35')['networks'][0]['id']
        self.volumes = [self.api.post('/os-volumes', {'volume': {'size': 1}}, '2.35')['volume']['id']
                        for _each in range(2)]
        # Both hosts have the image then.
        self.uuid = self.boot(TWO)
        self.api.wait(self.uuid, 'ACTIVE')
        self.bed.delete(self.uuid)
        self.empty = self.look()
        self.uuid = None

    def subject(self):
        """The server that the rows share; another one where the last row did not end well."""
        if self.uuid:
            server = self.api.get(f'/servers/{self.uuid}')['server']
            if (server['status'], server['OS-EXT-SRV-ATTR:host'], server['OS-EXT-STS:task_state']) != (
                    'ACTIVE', ONE, None):
                self.bed.delete(self.uuid)
                self.uuid = None
                self.remains(self.empty, 'nothing of the row that did not end well')
        if not self.uuid:
            self.uuid = self.boot()
            self.api.wait(self.uuid, 'ACTIVE')
        return self.uuid

    def _make_image(self):
        """Of nothing: its guests never boot."""
        from testbed import client  # found since there is a bed
        with tempfile.NamedTemporaryFile() as disk:
            disk.write(os.urandom(65536))
            disk.flush()
            client.Client(self.bed.record).make_image('nothing', disk.name, 'raw')
        return self.api.get('/images?name=nothing', version='2.35')['images'][0]['id']

    def boot(self, host=ONE):
        # After a fault it takes a moment until the scheduler has heard that the host is well.
        harness.wait_for(lambda: self._is_up(host), f'{host} up', 60, 0.5)
        return self.api.boot('subject', wait=None, imageRef=self.image, flavorRef=self.flavors[0], host=host,
                             networks=[{'uuid': self.network}])['id']

    def _is_up(self, host):
        found = self.api.get('/os-hypervisors/detail', version='2.53')['hypervisors']
        return all(one['state'] == 'up' for one in found if one['service']['host'] == host)

    def settled(self, uuid):
        """Wait until no order of the server is left to do."""
        harness.wait_for(lambda: not self.bed.sql(
            f"SELECT id FROM instance_actions WHERE instance_uuid = '{uuid}' AND state <> 'done'"),
            f'the orders of server {uuid} done', 120, 0.3)

    def remains(self, wanted, what):
        """Wait until servers have exactly this: what is left over is removed when a host looks for it."""
        seen = []

        def look():
            found = self.look()
            seen[:] = [*(f'gone: {line}' for line in sorted(wanted - found)),
                       *(f'left: {line}' for line in sorted(found - wanted))]
            return not seen
        try:
            harness.wait_for(look, what, 30, 0.5)
        except AssertionError as error:
            raise AssertionError('\n'.join([str(error), *seen])) from error


class Scene:
    """One row: a server, and what is done with it."""

    def __init__(self, site, row):
        self.site, self.api, self.row = site, site.api, row
        self.action = fault_rows.ACTIONS[row.action]
        self.uuid = None if self.action.record == 'create' else site.subject()

    # Before -----------------------------------------------------------------------------------------------------------

    def prepare(self):
        if self.action.volume:
            self._attach_volume()
            self.site.settled(self.uuid)
        self._ask(self.action.before)

    def _ask(self, requests, tries=1):
        for name, value, status in requests:
            for left in reversed(range(tries)):
                answer = self._act(name, value)
                assert answer.ok, answer.text
                self.site.settled(self.uuid)
                if not left or self.api.get(f'/servers/{self.uuid}')['server']['status'] == status:
                    break
                # Its host was away for the fault; the scheduler may not know yet that it is back.
                time.sleep(3)
            self.api.wait(self.uuid, status)

    def fault(self):
        """What breaks, as a context manager."""
        images = {image['name']: image['id'] for image in self.api.get('/images', version='2.35')['images']}
        image = images['subject-shelved'] if self.row.action == 'unshelve' else self.site.image
        of_what = {'image_gone': [image], 'image_corrupt': [image],
                   'volume_gone': [self.site.volumes[-1 if self.action.volume else 0]]}
        return getattr(self.site.faults, self.row.fault)(self.row.host, *of_what.get(self.row.fault, ()))

    # The action -------------------------------------------------------------------------------------------------------

    def begin(self):
        special = getattr(self, f'_{self.row.action.replace(" ", "_")}', None)
        return special() if special else self._act(*self.action.request)

    def _act(self, name, value, version=harness.LATEST):
        places = {'{image}': self.site.image, '2': self.site.flavors[1]}
        if isinstance(value, dict):
            value = {key: places.get(item, item) for key, item in value.items()}
        return self.api.call('POST', f'/servers/{self.uuid}/action', {name: value}, version)

    def _create(self):
        self.uuid = self.site.boot()

    def _delete(self):
        return self.api.call('DELETE', f'/servers/{self.uuid}')

    def _migrate(self):
        return self._act('migrate', {'host': TWO})

    def _evacuate(self):
        return self._act('evacuate', {'host': TWO}, '2.94')

    @property
    def _attachments(self):
        return f'/servers/{self.uuid}/os-volume_attachments'

    def _attach_volume(self):
        return self.api.call('POST', self._attachments, {'volumeAttachment': {'volumeId': self.site.volumes[0]}})

    def _detach_volume(self):
        return self.api.call('DELETE', f'{self._attachments}/{self.site.volumes[0]}')

    def _swap_volume(self):
        return self.api.call('PUT', f'{self._attachments}/{self.site.volumes[0]}',
                             {'volumeAttachment': {'volumeId': self.site.volumes[1]}}, '2.84')

    def _attach_interface(self):
        return self.api.call('POST', f'/servers/{self.uuid}/os-interface', {'interfaceAttachment': {}})

    def _detach_interface(self):
        (port,) = self.api.get(f'/servers/{self.uuid}/os-interface')['interfaceAttachments']
        return self.api.call('DELETE', f'/servers/{self.uuid}/os-interface/{port["port_id"]}')

    # What it became ---------------------------------------------------------------------------------------------------

    def expect_end(self, answer):
        server = self.api.wait(self.uuid, self.row.ends)
        assert ('fault' in server) == (self.row.ends == 'ERROR')
        if self.row.migration:
            assert self.site.bed.migrations(self.uuid)[0]['status'] == self.row.migration
        if 'interface' in self.row.action:
            assert answer.status_code in (400, 500, 503), answer.text
            return
        failed = self.errors(self.action.record)
        assert any(self.row.says in (text or '') for text in failed) if self.row.says else not failed, failed

    def errors(self, record):
        """What the events of the newest action of that name tell of errors."""
        actions = self.api.get(f'/servers/{self.uuid}/os-instance-actions')['instanceActions']
        action = next(each for each in actions if each['action'] == record)
        told = self.api.get(f'/servers/{self.uuid}/os-instance-actions/{action["request_id"]}')['instanceAction']
        return [event['details'] for event in told['events'] if event['result'] == 'Error']

    def expect_domain(self):
        """Soon: the host says it when it is mended, and what it says is recorded."""
        wanted = self.row.domain or _DOMAIN.get(self.row.ends)
        if wanted is None:
            return
        server = self.api.get(f'/servers/{self.uuid}')['server']
        line = f'{server["OS-EXT-SRV-ATTR:host"]}: domain {server["OS-EXT-SRV-ATTR:instance_name"]} {wanted}'
        harness.wait_for(lambda: any(seen.startswith(line) for seen in self.site.look()), line, 30, 0.5)

    def go_on(self):
        self._ask(_THEN[self.row.ends] if self.row.then is None else self.row.then, tries=3)
        if self.action.volume:
            # It would wait for the guest's word.
            self._ask([('os-stop', None, 'SHUTOFF')])
            assert self._detach_volume().ok
            self.site.settled(self.uuid)
            self._ask([('os-start', None, 'ACTIVE')])


@pytest.fixture(scope='module')
def site():
    reason = beds.missing()
    assert reason is None, reason
    settings = {'DEFAULT.shelved_offload_time': -1, 'DEFAULT.shutdown_timeout': 0,
                'libvirt.wait_soft_reboot_seconds': 2, 'compute.consecutive_build_service_disable_threshold': 0}
    with tempfile.TemporaryDirectory(prefix='nova-test-volumes-') as volumes:
        os.chmod(volumes, 0o755)    # noqa: S103  guests run as an ordinary user
        words = [word for name, value in {**settings, 'volume.store_path': volumes}.items()
                 for word in ('--set', f'{name}={value}')]
        with beds.Bed('guest-faults', '--hosts', '2', *words) as bed:
            yield Site(bed, volumes)


@contextlib.contextmanager
def _as_it_was(site):
    """The server has afterwards what it had before, and nobody else has anything."""
    before = site.look()
    yield before
    site.remains(before, 'everything as before')


@pytest.mark.parametrize('row', [row for row in ROWS if row.action not in ('create', 'evacuate', 'delete')],
                         ids=lambda row: f'{row.action}: {row.fault}'.replace(' ', '-'))
def test_it_ends_as_the_table_says(site, row):
    scene = Scene(site, row)
    with _as_it_was(site):
        scene.prepare()
        before = site.look()
        with scene.fault():
            answer = scene.begin()
            assert answer.ok or 'interface' in row.action, answer.text
            site.settled(scene.uuid)
            scene.expect_end(answer)
        scene.expect_domain()
        if row.says and not row.lost:
            site.remains(before, 'nothing left of the try')
        scene.go_on()


@pytest.mark.parametrize('row', [row for row in ROWS if row.action == 'create'], ids=lambda row: row.fault)
def test_a_server_that_is_not_to_be(site, row):
    scene = Scene(site, row)
    with _as_it_was(site) as before:
        with scene.fault():
            answer = scene.begin()
            site.settled(scene.uuid)
            scene.expect_end(answer)
        # Its host has never heard of it, and it has no address.
        site.remains(before | _disk_of_record(site, scene.uuid), 'nothing of it')
        site.bed.delete(scene.uuid)


def _disk_of_record(site, uuid):
    """What is recorded of a server that never was: that it was to have a disk."""
    return {line for line in site.look() if line.startswith('block_device_mapping: ') and uuid in line}


@contextlib.contextmanager
def _dead(bed, host):
    """Nothing is heard of it, and an administrator knows that it is dead."""
    bed.kill(f'{host}/nova-compute')
    bed.service(host, forced_down=True)
    try:
        yield
    finally:
        bed.service(host, forced_down=False)
        bed.tool('start', f'{host}/nova-compute')


def test_evacuation_to_a_full_disk_and_deletion_without_libvirt(site):
    (evacuate,) = [row for row in ROWS if row.action == 'evacuate']
    scene = Scene(site, evacuate)
    assert scene._attach_volume().ok
    site.settled(scene.uuid)
    with _dead(site.bed, ONE):
        # While the guest has a volume nobody else gets it, whatever is said of its host.
        with site.faults.guests_killed(ONE), site.faults.volumes_not_shared(TWO):
            scene.begin()
            site.settled(scene.uuid)
            assert f'Volume {site.volumes[0]} cannot be used on this host' in scene.errors('evacuate')[0]
        with scene.fault():
            answer = scene.begin()
            assert answer.ok, answer.text
            site.settled(scene.uuid)
            scene.expect_end(answer)
        assert [line for line in site.look() if line.startswith(f'{TWO}: ')] == [], 'nothing is left of the try'
        scene.begin()
        server = site.api.wait(scene.uuid, 'ACTIVE')
        assert server['OS-EXT-SRV-ATTR:host'] == TWO
    harness.wait_for(lambda: not [line for line in site.look() if line.startswith(f'{ONE}: ')],
                     'what moved away is removed', 30, 0.5)
    site.uuid = None

    (delete,) = [row for row in ROWS if row.action == 'delete']
    scene.row, scene.action = delete._replace(host=TWO), fault_rows.ACTIONS['delete']
    with scene.fault():
        answer = scene.begin()
        site.settled(scene.uuid)
        scene.expect_end(answer)
    site.bed.delete(scene.uuid)
    site.remains(site.empty, 'as if nothing had been')


# What goes well ------------------------------------------------------------------------------------------------------

def test_a_volume_is_swapped_under_a_running_guest(site):
    scene = Scene(site, Row('swap volume', '', 'ACTIVE', ''))
    old, new = (site.faults.volumes / f'volume-{volume}' for volume in site.volumes)
    with old.open('r+b') as content:
        content.seek(700 * 2**20)
        content.write(b'something to keep' * 1000)
    with _as_it_was(site):
        scene.prepare()
        server = site.api.get(f'/servers/{scene.uuid}')['server']
        assert scene.begin().ok
        site.settled(scene.uuid)
        (attached,) = site.api.get(scene._attachments)['volumeAttachments']
        assert attached['volumeId'] == site.volumes[1]
        status = [site.api.get(f'/os-volumes/{volume}', '2.35')['volume']['status'] for volume in site.volumes]
        assert status == ['available', 'in-use']
        with new.open('rb') as content:
            content.seek(700 * 2**20)
            assert content.read(17) == b'something to keep'
        assert new.stat().st_blocks * 512 < 2**20, 'holes stay holes'
        name = server['OS-EXT-SRV-ATTR:instance_name']
        for more in ((), ('--inactive',)):
            xml = site.bed.exec(ONE, 'virsh', 'dumpxml', name, *more)
            assert new.name in xml and old.name not in xml
        # It goes on as it was: started again it has the new one, and that is what it lets go of.
        scene._ask([('reboot', {'type': 'HARD'}, 'ACTIVE'), ('os-stop', None, 'SHUTOFF')])
        assert site.api.call('DELETE', f'{scene._attachments}/{site.volumes[1]}').ok
        site.settled(scene.uuid)
        scene._ask([('os-start', None, 'ACTIVE')])


def test_volumes_in_a_directory_that_hosts_share_let_a_server_go(site):
    scene = Scene(site, Row('live migrate', '', 'ACTIVE', ''))
    volume = site.volumes[0]
    with _as_it_was(site):
        assert scene._attach_volume().ok
        site.settled(scene.uuid)
        before = site.look()
        with site.faults.volumes_not_shared(TWO):
            for record, begin in (('live-migration', scene.begin), ('migrate', scene._migrate)):
                assert begin().ok
                site.settled(scene.uuid)
                assert f'Volume {volume} is in' in scene.errors(record)[0]
            assert site.api.wait(scene.uuid, 'ACTIVE')['OS-EXT-SRV-ATTR:host'] == ONE
        site.remains(before, 'nothing left of the tries')
        for begin, host in ((scene.begin, TWO), (lambda: scene._act('migrate', {'host': ONE}), ONE)):
            assert begin().ok
            site.settled(scene.uuid)
            server = site.api.get(f'/servers/{scene.uuid}')['server']
            assert server['OS-EXT-SRV-ATTR:host'] == host, site.bed.migrations(scene.uuid)[0]
            name = server['OS-EXT-SRV-ATTR:instance_name']
            assert f'volume-{volume}' in site.bed.exec(host, 'virsh', 'domblklist', name)
            assert 'running' in site.bed.exec(host, 'virsh', 'domstate', name)
        assert site.api.get(f'/os-volumes/{volume}', '2.35')['volume']['status'] == 'in-use'
        scene._ask([('confirmResize', None, 'ACTIVE'), ('os-stop', None, 'SHUTOFF')])
        assert scene._detach_volume().ok
        site.settled(scene.uuid)
        scene._ask([('os-start', None, 'ACTIVE')])


def test_a_server_that_boots_from_a_volume_is_rescued(site):
    site.remains(site.look(), 'a quiet moment')
    before = site.look()
    uuid = site.api.boot('from-volume', wait=None, imageRef='', flavorRef=site.flavors[0], host=ONE,
                         networks=[{'uuid': site.network}], block_device_mapping_v2=[
                             {'boot_index': 0, 'uuid': site.image, 'source_type': 'image', 'volume_size': 1,
                              'destination_type': 'volume', 'delete_on_termination': True}])['id']
    server = site.api.wait(uuid, 'ACTIVE')
    name = server['OS-EXT-SRV-ATTR:instance_name']
    rescue = {'rescue_image_ref': site.image}
    refused = site.api.call('POST', f'/servers/{uuid}/action', {'rescue': rescue}, '2.86')
    assert refused.status_code == 400 and '2.87' in refused.text
    own = site.bed.exec(ONE, 'virsh', 'domblklist', name)
    site.api.post(f'/servers/{uuid}/action', {'rescue': rescue}, '2.87')
    site.api.wait(uuid, 'RESCUE')
    first, second = [line.split() for line in site.bed.exec(ONE, 'virsh', 'domblklist', name).splitlines()[2:4]]
    assert first[0] == 'vda' and first[1].endswith('/disk.rescue')
    assert second[0] == 'vdb' and second[1] in own
    site.api.action(uuid, 'unrescue')
    server = site.api.wait(uuid, 'ACTIVE')
    assert server['OS-EXT-STS:power_state'] == 1
    assert site.bed.exec(ONE, 'virsh', 'domblklist', name) == own
    site.bed.delete(uuid)
    site.remains(before, 'everything as before')
