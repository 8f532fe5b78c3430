# SPDX-License-Identifier: Apache-2.0
"""Real guests move between hosts: resize, cold and live migration, evacuation, shelving.

A guest counts on its console (`tick N`), counts its boots on its root disk, and pings its gateway: what a move loses is
seen there.  Where a server has left nothing of it stays: there is but one at a time, so whatever is found is its.
"""

import contextlib
import os
import re
import time

import pytest

from nova.tests import harness
from nova.tests.integration import bed as beds

#: For the order of the groups of tests.
TAKES_S = 345

ONE, TWO = 'compute1', 'compute2'
#: Keeps a list of its boots on the ephemeral disk, and pings the gateway for ever.
SCRIPT = '''#!/bin/sh
if mkdir -p /tmp/e && mount /dev/vdb /tmp/e; then
    echo boot >>/tmp/e/boots
    echo "ephemeral knows $(wc -l </tmp/e/boots) boots"
    umount /tmp/e
fi
{
    n=0
    while sleep 2; do
        n=$((n + 1))
        ping -c 1 -w 5 "$(ip route | awk '/^default/ {print $3; exit}')" >/dev/null &&
            echo "GUEST: gateway answers $n" >"$(cat /run/console)"
    done
} >/dev/null 2>&1 &
'''


@pytest.fixture(scope='module')
def bed():
    reason = beds.missing()
    assert reason is None, reason
    with beds.Bed('moving-guests', '--hosts', '2', '--set', 'DEFAULT.allow_resize_to_same_host=True',
                   '--set', 'libvirt.swtpm_enabled=True') as made:
        made.make_flavor('small', ram=128, disk=1, **{'OS-FLV-EXT-DATA:ephemeral': 1}, swap=16)
        made.make_flavor('large', ram=192, disk=2, **{'OS-FLV-EXT-DATA:ephemeral': 2}, swap=32)
        made.make_flavor('less', ram=192, disk=2, **{'OS-FLV-EXT-DATA:ephemeral': 0})
        yield made


@contextlib.contextmanager
def only(bed, host):
    """The scheduler has no other host than this for the body."""
    bed.service(other(host), status='disabled')
    try:
        yield
    finally:
        bed.service(other(host), status='enabled')


def other(host):
    return TWO if host == ONE else ONE


def settled(bed, uuid, status, host):
    server = bed.api.wait(uuid, status, timeout_s=90)
    assert server['OS-EXT-SRV-ATTR:host'] == host
    return server


def fails(bed, uuid, status='error'):
    """The newest migration of a server comes to nothing."""
    harness.wait_for(lambda: bed.migrations(uuid)[0]['status'] == status, f'migration {status}', 60, every_s=0.5)


def clean(bed, host):
    """Nothing of servers is on a host, at the latest when it has looked after leftovers."""
    seen = []

    def look():
        seen[:] = bed.traces(host)
        return not seen
    try:
        harness.wait_for(look, 'clean', 30, every_s=0.5)
    except AssertionError as error:
        raise AssertionError(f'{host} has {seen}') from error


def pings(bed, uuid):
    """From now on the gateway answers the guest."""
    def answers():
        return bed.console(uuid).count('gateway answers')

    seen = answers()
    harness.wait_for(lambda: answers() > seen, 'the gateway answers', 90, every_s=0.5)


def ticks(text):
    return [int(number) for number in re.findall(r'GUEST: tick (\d+)', text)]


def boots(text):
    """How often the guest has started, as far as its console tells."""
    return len(re.findall('GUEST: kernel', text))


def live(bed, uuid, **more):
    bed.api.action(uuid, 'os-migrateLive', {'host': None, 'block_migration': 'auto', **more})


def slowly(bed, host):
    """Guests leave a host with 1 MiB/s at most."""
    for name in bed.domains(host):
        bed.exec(host, 'virsh', 'migrate-setspeed', name, '1')


def in_progress(bed, uuid):
    """The record of the live migration under way, with its figures."""
    def there():
        found = bed.api.get(f'/servers/{uuid}/migrations')['migrations']
        return found and found[0]['status'] == 'running' and found[0]['memory_total_bytes'] and found[0]
    return harness.wait_for(there, 'figures of the live migration', 120, every_s=0.2)


@pytest.fixture
def shared(bed):
    """Both hosts see the same directory of servers."""
    own = str(bed.directory / 'state' / 'instances')
    bed.exec(TWO, 'mount', '--bind', str(bed.directory / ONE / 'instances'), own)
    yield
    bed.clear()
    bed.exec(TWO, 'umount', own)


# One guest -----------------------------------------------------------------------------------------------------------

class TestTraveller:
    """One guest that goes to and fro, with every kind of disk."""

    @pytest.fixture(scope='class')
    def guest(self, bed):
        uuid = bed.boot('traveller', ONE, 'small', SCRIPT, config_drive=True)
        bed.says(uuid, 'ephemeral knows 1 boots')
        yield uuid
        bed.clear()

    def test_another_size_and_host(self, bed, guest):
        with only(bed, TWO):
            bed.api.action(guest, 'resize', {'flavorRef': bed.flavor('large')})
            settled(bed, guest, 'VERIFY_RESIZE', TWO)
        assert bed.files(ONE) == [f'{guest}_resize']
        assert bed.traces(ONE) == [f'disk {guest}_resize']
        bed.says(guest, r'boot 2\n(?s:.*)ephemeral knows 2 boots')
        text = bed.console(guest)
        for line in ('disk vda 2147483648', 'disk vdb 2147483648 fs=ext', 'disk vdc 33554432 fs=swap'):
            assert f'GUEST: {line}' in text
        assert re.search(f'configdrive .*uuid={guest}', text)
        pings(bed, guest)
        # As if nothing had been.
        bed.api.action(guest, 'revertResize')
        server = settled(bed, guest, 'ACTIVE', ONE)
        assert server['flavor']['original_name'] == 'small'
        clean(bed, TWO)
        bed.says(guest, r'boot 2\n(?s:.*)ephemeral knows 2 boots')

    def test_another_size_in_place(self, bed, guest):
        for verdict, flavor in (('revertResize', 'small'), ('confirmResize', 'large')):
            with only(bed, ONE):
                bed.api.action(guest, 'resize', {'flavorRef': bed.flavor('large')})
                settled(bed, guest, 'VERIFY_RESIZE', ONE)
            assert bed.files(ONE) == [guest, f'{guest}_resize']
            bed.api.action(guest, verdict)
            server = settled(bed, guest, 'ACTIVE', ONE)
            assert server['flavor']['original_name'] == flavor
            assert bed.files(ONE) == [guest]
        # Smaller: refused, and it goes on.
        bed.api.action(guest, 'resize', {'flavorRef': bed.flavor('less')})
        fails(bed, guest)
        assert settled(bed, guest, 'ACTIVE', ONE)['flavor']['original_name'] == 'large'

    def test_off_and_away(self, bed, guest):
        bed.api.action(guest, 'os-stop')
        bed.api.wait(guest, 'SHUTOFF')
        bed.api.action(guest, 'migrate', {'host': TWO})
        settled(bed, guest, 'VERIFY_RESIZE', TWO)
        bed.api.action(guest, 'confirmResize')
        settled(bed, guest, 'SHUTOFF', TWO)
        clean(bed, ONE)
        bed.api.action(guest, 'os-start')
        settled(bed, guest, 'ACTIVE', TWO)
        bed.says(guest, r'GUEST: boot [2-9]\n(?s:.*)ephemeral knows [2-9] boots')

    def test_it_moves_while_it_runs(self, bed, guest):
        here = bed.host_of(guest)
        there = other(here)
        bed.says(guest, 'tick 1')
        before = boots(bed.console(guest))
        live(bed, guest)
        settled(bed, guest, 'ACTIVE', there)
        assert bed.migrations(guest)[0]['status'] == 'completed'
        clean(bed, here)
        pings(bed, guest)
        bed.says(guest, f'tick {max(ticks(bed.console(guest))) + 2}')
        text = bed.console(guest)
        assert boots(text) == before
        found = ticks(text[text.rindex('GUEST: kernel'):])
        # What was said at the source in the last moment may be missing: a line, not more.
        assert found == sorted(set(found)) and max(found) - len(found) <= 1, found

    def test_it_is_told_to_stay_or_to_hurry(self, bed, guest):
        here = bed.host_of(guest)
        there = other(here)
        before = boots(bed.console(guest))
        slowly(bed, here)
        live(bed, guest)
        record = in_progress(bed, guest)
        assert 0 < record['memory_remaining_bytes'] <= record['memory_total_bytes']
        assert bed.api.call('DELETE', f'/servers/{guest}/migrations/{record["id"]}').status_code == 202
        settled(bed, guest, 'ACTIVE', here)
        fails(bed, guest, 'cancelled')
        clean(bed, there)
        pings(bed, guest)

        slowly(bed, here)
        live(bed, guest)
        record = in_progress(bed, guest)
        assert record['memory_remaining_bytes'] > 30 * 2**20, 'at this pace it would take half a minute'
        began = time.monotonic()
        bed.api.post(f'/servers/{guest}/migrations/{record["id"]}/action', {'force_complete': None})
        settled(bed, guest, 'ACTIVE', there)
        assert time.monotonic() - began < 20
        assert bed.migrations(guest)[0]['status'] == 'completed'
        clean(bed, here)
        pings(bed, guest)
        assert boots(bed.console(guest)) == before

    def test_a_live_migration_that_fails_leaves_it_running(self, bed, guest):
        here = bed.host_of(guest)
        there = other(here)
        before = boots(bed.console(guest))
        live(bed, guest, block_migration=False)
        fails(bed, guest)
        settled(bed, guest, 'ACTIVE', here)
        assert 'do not share the disks of servers: only block migration' in self._last_event(bed, guest)

        # The destination fails in the middle.
        slowly(bed, here)
        live(bed, guest)
        in_progress(bed, guest)
        bed.tool('kill', f'{there}/libvirtd')
        bed.tool('start', f'{there}/libvirtd')
        settled(bed, guest, 'ACTIVE', here)
        fails(bed, guest)
        clean(bed, there)
        pings(bed, guest)
        assert boots(bed.console(guest)) == before

    def test_disks_that_do_not_arrive_leave_it_as_it_was(self, bed, guest):
        here = bed.host_of(guest)
        there = other(here)
        bed.tool('kill', f'{there}/libvirtd')
        try:
            bed.api.action(guest, 'migrate', {'host': there})
            fails(bed, guest)
            settled(bed, guest, 'ACTIVE', here)
        finally:
            bed.tool('start', f'{there}/libvirtd')
        # Either the source finds nobody there, or the host had said before that it is out of order.
        event = self._last_event(bed, guest)
        assert re.search('cannot be reached|[Nn]o valid host', event), event[:2000]
        clean(bed, there)
        # It did not even stop; and after all that its disks are whole.
        pings(bed, guest)
        bed.api.action(guest, 'reboot', {'type': 'HARD'})
        settled(bed, guest, 'ACTIVE', here)
        bed.says(guest, r'GUEST: kernel(?s:.*)GUEST: boot [2-9]\n(?s:.*)ephemeral knows [2-9] boots')

    @staticmethod
    def _last_event(bed, guest):
        actions = bed.api.get(f'/servers/{guest}/os-instance-actions')['instanceActions']
        return str(bed.api.get(f'/servers/{guest}/os-instance-actions/{actions[0]["request_id"]}'))

    @pytest.fixture
    def impatient(self, bed):
        """Hosts give a live migration but so many seconds for each GiB of a guest; other options come with it."""
        changed = []

        def configure(host, **options):
            changed.append(host)
            bed.configure(host, 'libvirt', live_migration_completion_timeout=4, **options)
        yield configure
        for host in set(changed):
            bed.configure(host, 'libvirt', live_migration_completion_timeout=800, live_migration_timeout_action='abort')

    def test_what_takes_too_long_is_stopped_or_hurried(self, bed, guest, impatient):
        here = bed.host_of(guest)
        there = other(here)
        pings(bed, guest)       # the test before may have left it booting
        before = boots(bed.console(guest))
        impatient(here)
        slowly(bed, here)
        live(bed, guest)
        fails(bed, guest, 'cancelled')
        settled(bed, guest, 'ACTIVE', here)
        assert 'live_migration_completion_timeout' in self._last_event(bed, guest)
        clean(bed, there)
        pings(bed, guest)

        # Post-copy is not asked for: kernels by default do not let guests' ordinary user have it.
        impatient(here, live_migration_timeout_action='force_complete', live_migration_permit_auto_converge=True)
        slowly(bed, here)
        live(bed, guest)
        in_progress(bed, guest)
        (domain,) = bed.domains(here)
        can = bed.exec(here, 'virsh', 'qemu-monitor-command', domain, '--hmp', 'info migrate_capabilities')
        assert 'auto-converge: on' in can.replace('\r', '').splitlines()
        settled(bed, guest, 'ACTIVE', there)
        assert bed.migrations(guest)[0]['status'] == 'completed'
        log = (bed.directory / 'log' / here / 'nova-compute.log').read_text()
        assert log.count(f'The live migration of {guest} has taken more than') == 2
        clean(bed, here)
        pings(bed, guest)
        assert boots(bed.console(guest)) == before

    def test_deleted_on_its_way_it_is_nowhere(self, bed, guest):
        here = bed.host_of(guest)
        slowly(bed, here)
        live(bed, guest)
        in_progress(bed, guest)
        began = time.monotonic()
        bed.delete(guest)
        assert time.monotonic() - began < 30, 'it did not wait for the guest to arrive'
        assert bed.sql('SELECT status FROM migrations ORDER BY id DESC LIMIT 1')[0]['status'] == 'cancelled'
        bed.expect_nothing_left()


# Firmware and a trusted platform module ------------------------------------------------------------------------------

class Beside:
    """What a guest has beside its disks: a line that we put where its firmware keeps its variables, and the
    certificates in the memory of its trusted platform module, which are made for this one alone."""

    #: Near the end, where the firmware has nothing.
    LINE, AT = b'a variable', -1024

    def __init__(self, bed, uuid):
        self.bed, self.uuid = bed, uuid

    def _files(self, host):
        return (self.bed.directory / host / 'instances' / self.uuid / 'variables',
                self.bed.directory / host / 'root/var/lib/libvirt/swtpm' / self.uuid / 'tpm2/tpm2-00.permall')

    def put_line(self, host):
        with self._files(host)[0].open('r+b') as file:
            file.seek(self.AT, os.SEEK_END)
            file.write(self.LINE)

    def all(self, host):
        """Every byte; of a guest that is off."""
        return [path.read_bytes() for path in self._files(host)]

    def __call__(self, host):
        """(line, certificates); of one that may run, whose files are written."""
        variables, state = self.all(host)
        begins = (match.start() for match in re.finditer(rb'\x30\x82..\x30\x82', state, re.DOTALL))
        found = [state[begin:begin + 4 + int.from_bytes(state[begin + 2:begin + 4], 'big')] for begin in begins]
        assert found, 'a new module has certificates'
        return variables[self.AT:self.AT + len(self.LINE)], sorted(found)

    def left(self, host):
        root = self.bed.directory / host / 'root/var/lib/libvirt'
        return [str(path) for name in ('swtpm', 'qemu/nvram') for path in (root / name).glob('*')]


@pytest.fixture
def sealed(bed):
    """Id of a server with UEFI firmware and a trusted platform module, and nothing to boot."""
    from testbed import client  # found since there is a bed
    image = client.Client(bed.record)
    made = image.call('POST', '/image/v2/images', json={
        'name': 'sealed', 'disk_format': 'raw', 'container_format': 'bare', 'hw_firmware_type': 'uefi',
        'hw_machine_type': 'q35', 'os_shutdown_timeout': '0'}).json()['id']
    image.call('PUT', f'/image/v2/images/{made}/file', data=b'\0' * 65536,
               headers={'Content-Type': 'application/octet-stream'})
    flavors = [bed.make_flavor(name, ram=128, disk=0) for name in ('sealed', 'sealed-else')]
    for flavor in flavors:
        bed.api.post(f'/flavors/{flavor}/os-extra_specs', {'extra_specs': {'hw:tpm_version': '2.0'}})
    network = bed.api.get('/os-networks', version='2.35')['networks'][0]['id']
    uuid = bed.api.boot('sealed', wait=None, imageRef=made, flavorRef=flavors[0], host=ONE,
                        networks=[{'uuid': network}])['id']
    bed.api.wait(uuid, 'ACTIVE')
    yield uuid
    bed.clear()
    bed.expect_nothing_left()


def test_what_a_guest_has_beside_its_disks(bed, sealed):
    beside = Beside(bed, sealed)
    first = beside(ONE)[1]
    bed.api.action(sealed, 'os-stop')
    bed.api.wait(sealed, 'SHUTOFF')
    beside.put_line(ONE)
    # Off, nobody writes: to the other host and back every byte is the same.
    everything = beside.all(ONE)
    bed.api.action(sealed, 'migrate', {'host': TWO})
    settled(bed, sealed, 'VERIFY_RESIZE', TWO)
    assert beside.all(TWO) == everything
    assert beside.left(ONE) == []
    bed.api.action(sealed, 'revertResize')
    settled(bed, sealed, 'SHUTOFF', ONE)
    assert beside.all(ONE) == everything
    assert beside.left(TWO) == []
    # And the guest takes it, however it begins anew.
    same = (Beside.LINE, first)
    bed.api.action(sealed, 'os-start')
    settled(bed, sealed, 'ACTIVE', ONE)
    bed.api.action(sealed, 'reboot', {'type': 'HARD'})
    settled(bed, sealed, 'ACTIVE', ONE)
    assert beside(ONE) == same
    with only(bed, TWO):
        bed.api.action(sealed, 'resize', {'flavorRef': bed.flavor('sealed-else')})
        settled(bed, sealed, 'VERIFY_RESIZE', TWO)
    assert beside(TWO) == same
    bed.api.action(sealed, 'confirmResize')
    settled(bed, sealed, 'ACTIVE', TWO)
    clean(bed, ONE)
    live(bed, sealed)
    settled(bed, sealed, 'ACTIVE', ONE)
    assert beside(ONE) == same
    assert beside.left(TWO) == []
    for refused, value in (('shelve', None), ('evacuate', {'host': TWO})):
        answer = bed.api.call('POST', f'/servers/{sealed}/action', {refused: value})
        assert answer.status_code == 409
        assert f"'{refused}' not supported for vTPM-enabled instance" in answer.text
    # Made anew it has nothing of what was.
    server = bed.api.get(f'/servers/{sealed}')['server']
    bed.api.action(sealed, 'rebuild', {'imageRef': server['image']['id']})
    settled(bed, sealed, 'ACTIVE', ONE)
    line, certificates = beside(ONE)
    assert line != Beside.LINE and not {*certificates} & {*first}
    bed.delete(sealed)
    assert beside.left(ONE) == []


# A dead host, shelving, shared disks ---------------------------------------------------------------------------------

def evacuate(bed, uuid):
    """From ONE, which is dead, to TWO."""
    bed.service(ONE, forced_down=True)
    # Later versions leave it off.
    bed.api.action(uuid, 'evacuate', {}, version='2.94')
    settled(bed, uuid, 'ACTIVE', TWO)


def comes_back(bed, uuid):
    """ONE is switched on again; it does not start what it had."""
    bed.service(ONE, forced_down=False)
    bed.tool('start', ONE)
    harness.wait_for(lambda: bed.migrations(uuid)[0]['status'] == 'completed', 'the host has seen what moved away', 30)
    harness.wait_for(lambda: bed.domains(ONE) == [], 'the guest is removed', 30)
    assert bed.host_of(uuid) == TWO


@pytest.fixture
def again(bed):
    """Whatever a test does to ONE, it runs afterwards, and there are no servers."""
    yield
    bed.service(ONE, forced_down=False)
    bed.tool('start', ONE)
    bed.clear()
    bed.expect_nothing_left()


def test_a_server_of_a_dead_host_is_made_anew_and_shelved(bed, again):
    uuid = bed.boot('evacuated', ONE, script=SCRIPT)
    bed.tool('kill', ONE)
    evacuate(bed, uuid)
    # Its disk was that of the dead host.
    bed.says(uuid, 'GUEST: boot 1')
    comes_back(bed, uuid)
    clean(bed, ONE)
    pings(bed, uuid)

    bed.api.action(uuid, 'shelve')
    bed.api.wait(uuid, 'SHELVED_OFFLOADED', timeout_s=90)
    # Its address stays its own, and is served where it was last.
    assert [trace for trace in bed.traces(TWO) if not trace.startswith('lease')] == []
    bed.api.action(uuid, 'unshelve', {'host': ONE})
    settled(bed, uuid, 'ACTIVE', ONE)
    bed.says(uuid, 'GUEST: boot 2')
    # The image that it came back from is gone: its disk moves with all that is below it.
    live(bed, uuid)
    settled(bed, uuid, 'ACTIVE', TWO)
    pings(bed, uuid)
    assert boots(bed.console(uuid)) == 1
    bed.api.action(uuid, 'migrate', {'host': ONE})
    settled(bed, uuid, 'VERIFY_RESIZE', ONE)
    bed.says(uuid, 'GUEST: boot 3')
    # Deleted before anybody was content: what was kept goes too.
    bed.delete(uuid)


def test_hosts_that_share_disks(bed, again, shared):
    uuid = bed.boot('shared', ONE, script=SCRIPT)
    live(bed, uuid)
    settled(bed, uuid, 'ACTIVE', TWO)
    pings(bed, uuid)
    assert boots(bed.console(uuid)) == 1 and bed.files(ONE) == [uuid]
    bed.api.action(uuid, 'migrate', {'host': ONE})
    settled(bed, uuid, 'VERIFY_RESIZE', ONE)
    assert bed.files(ONE) == [uuid, f'{uuid}_resize']
    bed.api.action(uuid, 'revertResize')
    settled(bed, uuid, 'ACTIVE', TWO)
    # Memory alone goes through a tunnel.
    bed.configure(TWO, 'libvirt', live_migration_tunnelled=True)
    live(bed, uuid)
    settled(bed, uuid, 'ACTIVE', ONE)
    bed.configure(TWO, 'libvirt', live_migration_tunnelled=False)
    bed.says(uuid, 'GUEST: boot 2')
    assert bed.files(ONE) == [uuid]

    bed.tool('kill', ONE)
    evacuate(bed, uuid)
    bed.says(uuid, 'GUEST: boot 3')
    comes_back(bed, uuid)
    assert bed.files(ONE) == [uuid]
    pings(bed, uuid)
