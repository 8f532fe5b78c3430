# SPDX-License-Identifier: Apache-2.0
"""What is told of everything that can be done: which events, in which order, each phase once, in both forms.

Sites tell by the driver `log`; what they told is read from their logs.  One site is walked through once, and what it
told is compared with the samples of the documentation.  NOVA_WRITE_SAMPLES=1 writes them anew.
"""

import json
import os
import re
import time

import pytest

from nova.notifications import table
from nova.tests import harness

SAMPLES = harness.ROOT / 'doc' / 'notification_samples'
TELLING = {'oslo_messaging_notifications': {'driver': 'log'},
           'notifications': {'notification_format': 'both', 'notify_on_state_change': 'vm_and_task_state',
                             'bdms_in_notifications': True, 'include_share_mapping': True}}
SHARE = '10000000-0000-4000-8000-000000000000'
SSH_KEY = ('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEljnIXB8/29xrRPBYVPMGw0w3HpxSBHTYdrIqJN1yYk user@example')


class Ear:
    """Hears what a site tells."""

    def __init__(self, cloud):
        self.cloud = cloud
        self._seen = 0
        self._heard, self._at, self._rest = [], 0, b''

    def all(self):
        """Every notification, in the order of the log."""
        with (self.cloud.directory / 'log' / 'nova-all.out').open('rb') as log:
            log.seek(self._at)
            more = log.read()
            self._at = log.tell()
        *lines, self._rest = (self._rest + more).split(b'\n')
        self._heard += [json.loads(line[line.index(b' {"') + 1:]) for line in lines
                        if b' oslo.messaging.notification.' in line and b' {"' in line]
        return self._heard

    def news(self, expected=0, timeout_s=30):
        """What was told since the last time, when at least so many events came that are no updates."""
        until = time.monotonic() + timeout_s
        while len(types(self.all()[self._seen:])) < expected and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.2)     # one too many would come now
        found = self.all()[self._seen:]
        self._seen += len(found)
        return found


def is_versioned(note):
    return isinstance(note['payload'], dict) and 'nova_object.name' in note['payload']


#: Looked at by themselves: told between others, or whenever a host reports.
BETWEEN = ('instance.update', 'compute.instance.update', 'metrics.update', 'compute.metrics.update')


def types(notes):
    """The event types of the versioned form, without those between."""
    return [note['event_type'] for note in notes if is_versioned(note) and note['event_type'] not in BETWEEN]


def old_types(notes):
    return [note['event_type'] for note in notes if not is_versioned(note) and note['event_type'] not in BETWEEN]


def body(note):
    return note['payload']['nova_object.data']


def span(name, *between):
    """Begin and end of an event of servers, with what is told between."""
    name = name if '.' in name else f'instance.{name}'
    return [f'{name}.start', *between, f'{name}.end']


def failing(name, *more):
    name = name if '.' in name else f'instance.{name}'
    return [f'{name}.start', f'{name}.error', *more]


PLACED = span('scheduler.select_destinations')
ASKED = ['scheduler.select_destinations.start']
EXISTS = 'instance.exists'
BORN = [*PLACED, *span('create')]
GONE = [EXISTS, *span('delete', *span('shutdown'))]
BROKEN = 'compute.exception'


class Walk:
    """Does one thing after the other, and keeps what was told of each."""

    def __init__(self, cloud):
        self.cloud, self.ear = cloud, Ear(cloud)
        self.admin = cloud.client()
        self.told = {}
        self.server = None

    def step(self, label, expected, function, *args, **kwargs):
        result = function(*args, **kwargs)
        notes = self.ear.news(sum(map(len, expected)) if isinstance(expected, tuple) else len(expected))
        assert label not in self.told
        self.told[label] = expected, notes
        return result

    def boot(self, name='one', wait='ACTIVE', **more):
        return self.admin.boot(name, wait, **more)

    def act(self, label, expected, name, value=None, ends='ACTIVE', version=None, server=None):
        """An action on the server, until it shows this status."""
        server = server or self.server

        def do():
            answer = self.admin.call('POST', f'/servers/{server["id"]}/action', {name: value}, version)
            assert answer.ok, answer.text
            if ends:
                self.admin.wait(server['id'], ends)
            return answer
        return self.step(label, expected, do)

    def delete(self, label, server, expected=GONE):
        def do():
            self.admin.delete(server['id'])
        self.step(label, list(expected), do)


def wrong(walk):
    """What was not told as expected: {label: (told, expected)}.

    Expected is a list, or several where two services tell side by side.
    """
    found = {}
    for label, (expected, notes) in walk.told.items():
        parts = expected if isinstance(expected, tuple) else (expected,)
        heard = types(notes)
        if len(heard) != sum(map(len, parts)) or any(
                [name for name in heard if len(parts) == 1 or name in part] != part for part in parts):
            found[label] = heard, expected
    return found


def _call(walk, method, path, body=None, version=None):
    answer = walk.admin.call(method, path, body, version)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def walk_of_actions(walk):
    """Everything that a server lives through."""
    walk.server = walk.step('create', BORN, walk.boot, networks='auto', tags=['tag1'], metadata={'meta': 'data'},
                            key_name='my-key')
    act = walk.act
    act('pause', span('pause'), 'pause', ends='PAUSED')
    act('unpause', span('unpause'), 'unpause')
    act('suspend', span('suspend'), 'suspend', ends='SUSPENDED')
    act('resume', span('resume'), 'resume')
    act('os-stop', span('power_off'), 'os-stop', ends='SHUTOFF')
    walk_of_shares(walk)
    act('os-start', span('power_on'), 'os-start')
    act('reboot soft', span('reboot'), 'reboot', {'type': 'SOFT'})
    act('reboot hard', span('reboot'), 'reboot', {'type': 'HARD'})
    act('lock', ['instance.lock'], 'lock', {'locked_reason': 'global warming'})
    act('unlock', ['instance.unlock'], 'unlock')
    act('changePassword', span('change_password'), 'changePassword', {'adminPass': 'new'})
    act('trigger_crash_dump', span('trigger_crash_dump'), 'trigger_crash_dump')
    act('rescue', [EXISTS, *span('rescue')], 'rescue', ends='RESCUE')
    act('unrescue', span('unrescue'), 'unrescue')
    act('createImage', span('snapshot'), 'createImage', {'name': 'copy'})
    act('createBackup', span('snapshot'), 'createBackup', {'name': 'b', 'backup_type': 'daily', 'rotation': 1})
    act('rebuild', [EXISTS, *span('rebuild')], 'rebuild', {'imageRef': harness.IMAGE_ID})
    act('rebuild other image', [*PLACED, 'instance.rebuild_scheduled', EXISTS, *span('rebuild')], 'rebuild',
        {'imageRef': walk.other_image})
    resized = [*PLACED, EXISTS, *span('resize_prep'), *span('resize'), *span('resize_finish')]
    act('resize', resized, 'resize', {'flavorRef': '2'}, 'VERIFY_RESIZE')
    act('confirmResize', span('resize_confirm'), 'confirmResize')
    act('migrate', resized, 'migrate', ends='VERIFY_RESIZE')
    act('revertResize', span('resize_revert'), 'revertResize')
    act('os-migrateLive', [*PLACED, *span('live_migration_pre'),
                           *span('live_migration_post'), *span('live_migration_post_dest')], 'os-migrateLive',
        {'host': None, 'block_migration': 'auto'})
    act('shelve', span('shelve'), 'shelve', ends='SHELVED')
    act('unshelve shelved', span('unshelve'), 'unshelve')
    act('shelve again', span('shelve'), 'shelve', ends='SHELVED')
    act('shelveOffload', span('shelve_offload'), 'shelveOffload', ends='SHELVED_OFFLOADED')
    act('unshelve', [*PLACED, *span('unshelve')], 'unshelve')
    act('os-resetState', [], 'os-resetState', {'state': 'active'})
    walk_of_parts(walk)
    walk_of_evacuation(walk)
    walk.delete('delete', walk.server)


def walk_of_shares(walk):
    """A share of the server, which is stopped."""
    path = f'/servers/{walk.server["id"]}/shares'

    def becomes(*statuses):
        harness.wait_for(lambda: [each['status'] for each in _call(walk, 'GET', path)['shares']] == [*statuses],
                         f'shares {statuses}')

    def attach():
        _call(walk, 'POST', path, {'share': {'share_id': SHARE, 'tag': 'data'}})
        becomes('inactive')

    def detach():
        _call(walk, 'DELETE', f'{path}/{SHARE}')
        becomes()
    walk.step('attach a share', span('share_attach'), attach)
    walk.step('detach a share', span('share_detach'), detach)


def walk_of_parts(walk):
    """Volumes and interfaces of the server."""
    path = f'/servers/{walk.server["id"]}'
    volumes = [_call(walk, 'POST', '/os-volumes', {'volume': {'size': 1}}, '2.1')['volume']['id'] for _ in range(2)]

    def settled(number, status):
        harness.wait_for(lambda: _call(walk, 'GET', f'/os-volumes/{volumes[number]}', version='2.1')[
            'volume']['status'] == status, f'volume {status}')

    def attach():
        _call(walk, 'POST', f'{path}/os-volume_attachments', {'volumeAttachment': {'volumeId': volumes[0]}})
        settled(0, 'in-use')

    def swap():
        _call(walk, 'PUT', f'{path}/os-volume_attachments/{volumes[0]}', {'volumeAttachment': {'volumeId': volumes[1]}},
              '2.84')
        settled(1, 'in-use')
        settled(0, 'available')

    def detach():
        _call(walk, 'DELETE', f'{path}/os-volume_attachments/{volumes[1]}')
        settled(1, 'available')

    def interface():
        return _call(walk, 'POST', f'{path}/os-interface', {'interfaceAttachment': {}})['interfaceAttachment']
    walk.step('attach a volume', span('volume_attach'), attach)
    walk.step('swap a volume', span('volume_swap', *['volume.usage'] * 2), swap)
    walk.step('detach a volume', span('volume_detach', 'volume.usage'), detach)
    made = walk.step('attach an interface', span('interface_attach'), interface)
    walk.step('detach an interface', span('interface_detach'), _call, walk, 'DELETE',
              f'{path}/os-interface/{made["port_id"]}')
    network = _call(walk, 'GET', '/os-networks', version='2.1')['networks'][0]['id']
    walk.act('add an address', [], 'addFixedIp', {'networkId': network}, version='2.1')
    address = walk.admin.get(path)['server']['addresses']['private'][-1]['addr']
    walk.act('remove an address', [], 'removeFixedIp', {'address': address}, version='2.1')
    walk.step('rename', [], _call, walk, 'PUT', path, {'server': {'name': 'two'}})
    walk.step('tag', [], _call, walk, 'PUT', f'{path}/tags/new')
    walk.step('metadata', [], _call, walk, 'POST', f'{path}/metadata', {'metadata': {'key': 'value'}})


def walk_of_evacuation(walk):
    host = walk.admin.get(f'/servers/{walk.server["id"]}')['server']['OS-EXT-SRV-ATTR:host']
    service = next(each for each in walk.admin.get('/os-services?binary=nova-compute')['services']
                   if each['host'] == host)
    path = f'/os-services/{service["id"]}'
    walk.step('force down', ['service.update'], _call, walk, 'PUT', path, {'forced_down': True})
    walk.act('evacuate', [*PLACED, 'instance.rebuild_scheduled', *span('evacuate')], 'evacuate', {}, version='2.94')
    walk.step('force up', ['service.update'], _call, walk, 'PUT', path, {'forced_down': False})


def walk_of_the_site(walk):
    """Aggregates, flavors, key pairs, groups, services, hosts."""
    def call(label, expected, *args, **kwargs):
        return walk.step(label, expected, _call, walk, *args, **kwargs)
    walk.step('start', ['service.create'] * 8, lambda: None)
    call('create key pair', span('keypair.create'), 'POST', '/os-keypairs', {'keypair': {'name': 'gone'}}, '2.91')
    call('delete key pair', span('keypair.delete'), 'DELETE', '/os-keypairs/gone')
    call('import key pair', span('keypair.import'), 'POST', '/os-keypairs',
         {'keypair': {'name': 'my-key', 'public_key': SSH_KEY, 'type': 'ssh'}})
    made = call('create aggregate', span('aggregate.create'), 'POST', '/os-aggregates',
                {'aggregate': {'name': 'fast', 'availability_zone': 'nova'}})['aggregate']
    path = f'/os-aggregates/{made["id"]}'
    call('add host', span('aggregate.add_host'), 'POST', f'{path}/action', {'add_host': {'host': 'test'}})
    call('set metadata', span('aggregate.update_metadata'), 'POST', f'{path}/action',
         {'set_metadata': {'metadata': {'ssd': 'yes'}}})
    call('rename aggregate', span('aggregate.update_prop'), 'PUT', path, {'aggregate': {'name': 'faster'}})
    call('cache images', span('aggregate.cache_images', 'aggregate.cache_images.progress'), 'POST', f'{path}/images',
         {'cache': [{'id': harness.IMAGE_ID}]})
    call('remove host', span('aggregate.remove_host'), 'POST', f'{path}/action', {'remove_host': {'host': 'test'}})
    call('delete aggregate', span('aggregate.delete'), 'DELETE', path)
    call('create flavor', ['flavor.create'], 'POST', '/flavors',
         {'flavor': {'name': 'm1.new', 'ram': 64, 'vcpus': 1, 'disk': 1, 'id': 'new'}})
    call('describe flavor', ['flavor.update'], 'PUT', '/flavors/new', {'flavor': {'description': 'It is new.'}})
    call('extra specs', ['flavor.update'], 'POST', '/flavors/new/os-extra_specs',
         {'extra_specs': {'hw:cpu_policy': 'shared'}})
    call('delete flavor', ['flavor.delete'], 'DELETE', '/flavors/new')
    group = call('create group', ['server_group.create'], 'POST', '/os-server-groups',
                 {'server_group': {'name': 'apart', 'policy': 'anti-affinity'}})['server_group']
    member = walk.step('create in a group', ['server_group.add_member', *BORN], _member, walk, group)
    walk.delete('delete the member', member)
    call('delete group', ['server_group.delete'], 'DELETE', f'/os-server-groups/{group["id"]}')
    service = next(each for each in walk.admin.get('/os-services?binary=nova-compute')['services']
                   if each['host'] == 'third')
    call('disable', ['service.update'], 'PUT', f'/os-services/{service["id"]}', {
        'status': 'disabled', 'disabled_reason': 'being repaired'})
    # It runs still, and registers anew with its next sign of life.
    call('delete service', ['service.delete', 'service.create'], 'DELETE', f'/os-services/{service["id"]}')
    call('enable host', ['service.update'], 'PUT', '/os-hosts/test', {'status': 'enable'}, '2.42')
    call('maintain host', [], 'PUT', '/os-hosts/test', {'maintenance_mode': 'disable'}, '2.42')
    call('power of host', [], 'GET', '/os-hosts/test/reboot', version='2.42')


def _member(walk, group):
    made = walk.admin.post('/servers', {'server': {
        'name': 'member', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none'},
        'os:scheduler_hints': {'group': group['id']}})['server']
    return walk.admin.wait(made['id'], 'ACTIVE')


def _prepare(cloud):
    disk = cloud.directory / 'other.raw'
    disk.write_bytes(b'\1' * 65536)
    other = '22222222-2222-2222-2222-222222222222'
    cloud.manage_all('flavor create --name m1.big --id 2 --ram 256 --vcpus 2 --disk 2',
                     'flavor create --name m1.huge --id huge --ram 9999999 --vcpus 1 --disk 1',
                     'network create --label private --cidr 10.0.0.0/24',
                     f'image register {disk} --name other --disk-format raw --id {other} --public')
    return other


@pytest.fixture(scope='module')
def walked(tmp_path_factory):
    """A site without failures, walked through."""
    shares = tmp_path_factory.mktemp('shares') / 'shares.yaml'
    shares.write_text(json.dumps({SHARE: {'is_public': True, 'export_location': '192.0.2.1:/data'}}))
    with harness.Cloud.all_in_one({**TELLING, 'fake': {'more_hosts': 'second,third'},
                                   'manila': {'backend': 'file', 'shares_file': shares},
                                   'DEFAULT': {'shelved_offload_time': -1,
                                               'volume_usage_poll_interval': 3600}}) as cloud:
        cloud.wait_ready(3)
        walk = Walk(cloud)
        walk.other_image = _prepare(cloud)
        walk_of_the_site(walk)
        walk_of_actions(walk)
        walk.tracebacks = cloud.tracebacks()
        yield walk


def test_what_is_told_of_each(walked):
    assert set(wrong(walked)) <= {'start'}, wrong(walked)
    assert set(types(walked.told['start'][1])) == {'service.create'}
    assert walked.tracebacks == []
    assert 'A notification could not be' not in walked.cloud.output('nova-all')


def old_of(event_type):
    """The event type of the old form that belongs to one of the new form; None where there is none."""
    if event_type in table.EVENTS:
        return table.EVENTS[event_type].old_type(None)
    name, _dot, phase = event_type.rpartition('.')
    return table.EVENTS[name].old_type(phase)


OLD_ONLY = tuple(event.old for event in table.EVENTS.values() if not event.versioned)


def test_the_old_form_tells_the_same(walked):
    for label, (_expected, notes) in walked.told.items():
        wanted = [old_of(event_type) for event_type in types(notes) if old_of(event_type)]
        assert [name for name in old_types(notes) if not name.startswith(OLD_ONLY)] == wanted, label
    assert old_types(walked.told['enable host'][1]) == ['HostAPI.set_enabled.start', 'HostAPI.set_enabled.end']
    assert old_types(walked.told['add an address'][1]) == ['compute.instance.create_ip.start',
                                                          'compute.instance.create_ip.end']
    assert old_types(walked.told['remove an address'][1]) == ['compute.instance.delete_ip.start',
                                                             'compute.instance.delete_ip.end']
    assert old_types(walked.told['maintain host'][1]) == ['HostAPI.set_maintenance.start',
                                                         'HostAPI.set_maintenance.end']
    assert old_types(walked.told['power of host'][1]) == ['HostAPI.power_action.start', 'HostAPI.power_action.end']


def test_the_envelope(walked):
    for note in walked.ear.all():
        assert set(note) == {'priority', 'payload', 'event_type', 'publisher_id', 'timestamp', 'message_id'}
        assert note['priority'] == 'INFO'
        assert (':' if is_versioned(note) else '.') in note['publisher_id']
    assert len({note['message_id'] for note in walked.ear.all()}) == len(walked.ear.all())


def states(note):
    """(old state, state, old task, new task) that an update tells, in either form."""
    if is_versioned(note):
        update = body(note)['state_update']['nova_object.data']
        return update['old_state'], update['state'], update['old_task_state'], update['new_task_state']
    told = note['payload']
    return told['old_state'], told['state'], told['old_task_state'], told['new_task_state']


@pytest.mark.parametrize('name', ['instance.update', 'compute.instance.update'])
def test_every_change_of_state_is_told(walked, name):
    def updates(label):
        return [states(note) for note in walked.told[label][1] if note['event_type'] == name]
    assert updates('os-stop') == [('active', 'active', None, 'powering-off'),
                                  ('active', 'stopped', 'powering-off', None)]
    assert updates('create') == [
        (None, 'building', None, 'scheduling'), ('building', 'building', 'scheduling', 'networking'),
        ('building', 'building', 'networking', 'spawning'), ('building', 'active', 'spawning', None)]
    assert updates('delete')[0] == ('active', 'active', None, 'deleting')
    assert updates('delete')[-1][1] == 'deleted'
    # Each begins where the one before ended.
    for label in ('resize', 'revertResize', 'rebuild', 'shelve', 'createImage', 'os-migrateLive'):
        told = updates(label)
        assert [(each[1], each[3]) for each in told[:-1]] == [(each[0], each[2]) for each in told[1:]], label
        assert told[-1][3] is None
    for label in ('rename', 'tag', 'metadata'):
        assert updates(label) == [('active', 'active', None, None)]


def test_what_changed_besides_the_state(walked):
    def update(label):
        return next(note for note in walked.told[label][1] if note['event_type'] == 'instance.update')
    assert (body(update('rename'))['old_display_name'], body(update('rename'))['display_name']) == ('one', 'two')
    assert body(update('tag'))['tags'] == ['new', 'tag1']
    assert body(update('metadata'))['metadata'] == {'meta': 'data', 'key': 'value'}


def told(walked, label, event_type):
    (found,) = [note for note in walked.told[label][1] if note['event_type'] == event_type]
    return found['payload'].get('nova_object.data', found['payload'])


def test_payloads_tell_what_is_then(walked):
    begun, ended = told(walked, 'create', 'instance.create.start'), told(walked, 'create', 'instance.create.end')
    assert (begun['state'], begun['ip_addresses'], begun['launched_at']) == ('building', [], None)
    assert (ended['state'], ended['task_state'], ended['power_state']) == ('active', None, 'running')
    (address,) = [each['nova_object.data'] for each in ended['ip_addresses']]
    assert (address['label'], address['address'][:7], address['version']) == ('private', '10.0.0.', 4)
    assert ended['tags'] == ['tag1']
    assert [pair['nova_object.data']['name'] for pair in ended['keypairs']] == ['my-key']
    resized = told(walked, 'resize', 'instance.resize_finish.end')
    assert resized['flavor']['nova_object.data']['name'] == 'm1.big'
    assert told(walked, 'resize', 'instance.resize_prep.start')['new_flavor']['nova_object.data']['name'] == 'm1.big'
    gone = told(walked, 'delete', 'instance.delete.end')
    assert gone['state'] == 'deleted'
    assert gone['deleted_at']
    assert gone['terminated_at']
    attached = told(walked, 'attach a volume', 'instance.volume_attach.end')
    assert [each['nova_object.data']['volume_id'] for each in attached['block_devices']] == [attached['volume_id']]
    assert told(walked, 'detach a volume', 'instance.volume_detach.end')['block_devices'] == []
    assert len(told(walked, 'attach an interface', 'instance.interface_attach.end')['ip_addresses']) == 2
    assert len(told(walked, 'detach an interface', 'instance.interface_detach.end')['ip_addresses']) == 1
    moved = told(walked, 'os-migrateLive', 'instance.live_migration_pre.start')
    assert moved['host'] != told(walked, 'os-migrateLive', 'instance.live_migration_post_dest.end')['host']
    assert told(walked, 'lock', 'instance.lock')['locked_reason'] == 'global warming'
    old = told(walked, 'create', 'compute.instance.create.end')
    assert old['message'] == 'Success'
    assert [each['label'] for each in old['fixed_ips']] == ['private']
    assert old['instance_id'] == ended['uuid']


# Failures ------------------------------------------------------------------------------------------------------------

#: What the driver cannot do.
FORWARD = ('pause', 'suspend', 'reboot', 'power_off', 'trigger_crash_dump', 'set_admin_password', 'snapshot',
           'migrate_disk_and_power_off', 'live_migration', 'attach_volume', 'attach_interface', 'rescue')


@pytest.fixture(scope='module')
def failed():
    """A site whose driver can begin nothing."""
    failures = ','.join(f'{method}:always' for method in FORWARD)
    with harness.Cloud.all_in_one({**TELLING, 'fake': {'more_hosts': 'second', 'failures': f'{failures},spawn:once'},
                                   'DEFAULT': {'max_schedule_attempts': 2}}) as cloud:
        cloud.wait_ready(2)
        walk = Walk(cloud)
        _prepare(cloud)
        walk.ear.news()
        walk_of_failures(walk)
        yield walk


def walk_of_failures(walk):
    def fail(label, expected, name, value=None, ends='ACTIVE', version=None):
        answer = walk.act(label, expected, name, value, ends, version)
        if ends == 'ERROR':
            walk.act(f'{label}, repaired', [], 'os-resetState', {'state': 'active'})
        return answer
    # One try on each host, and then there is none left.
    first = walk.step('create', [*PLACED, *failing('create', BROKEN), *PLACED, *failing('create', BROKEN),
                                 'compute_task.build_instances.error'], walk.boot, 'never', 'ERROR')
    walk.delete('delete what never was', first, span('delete'))
    walk.server = walk.step('create at last', BORN, walk.boot, networks='auto')
    for name, event, value, ends in (
            ('pause', 'pause', None, 'ACTIVE'), ('suspend', 'suspend', None, 'ACTIVE'),
            ('os-stop', 'power_off', None, 'ACTIVE'), ('trigger_crash_dump', 'trigger_crash_dump', None, 'ACTIVE'),
            ('changePassword', 'change_password', {'adminPass': 'x'}, 'ACTIVE'),
            ('reboot', 'reboot', {'type': 'SOFT'}, 'ACTIVE'), ('createImage', 'snapshot', {'name': 'x'}, 'ACTIVE')):
        fail(name, failing(event, BROKEN), name, value, ends)
    fail('rescue', [EXISTS, *failing('rescue', BROKEN)], 'rescue')
    fail('resize', [*PLACED, EXISTS, *span('resize_prep'), *failing('resize', BROKEN)], 'resize', {'flavorRef': '2'},
         'ERROR')
    # The destination is told to clean up; nobody waits for it.
    fail('os-migrateLive', ([*PLACED, *span('live_migration_pre'), *span('live_migration_rollback'), BROKEN],
                            span('live_migration_rollback_dest')), 'os-migrateLive',
         {'host': None, 'block_migration': 'auto'})
    fail('resize too large', [*ASKED, 'compute_task.migrate_server.error'], 'resize', {'flavorRef': 'huge'})
    path = f'/servers/{walk.server["id"]}'

    def attach():
        volume = _call(walk, 'POST', '/os-volumes', {'volume': {'size': 1}}, '2.1')['volume']['id']
        _call(walk, 'POST', f'{path}/os-volume_attachments', {'volumeAttachment': {'volumeId': volume}})
    walk.step('attach a volume', failing('volume_attach', BROKEN), attach)
    walk.step('attach an interface', failing('interface_attach', BROKEN), walk.admin.call, 'POST',
              f'{path}/os-interface', {'interfaceAttachment': {}})
    walk_of_an_evacuation_to_nowhere(walk)


def walk_of_an_evacuation_to_nowhere(walk):
    host = walk.admin.get(f'/servers/{walk.server["id"]}')['server']['OS-EXT-SRV-ATTR:host']
    for service in walk.admin.get('/os-services?binary=nova-compute')['services']:
        walk.step(f'{service["host"]} is away', ['service.update'], _call, walk, 'PUT',
                  f'/os-services/{service["id"]}',
                  {'forced_down': True} if service['host'] == host else {'status': 'disabled'})
    walk.act('evacuate', [*ASKED, 'compute_task.rebuild_server.error'], 'evacuate', {}, version='2.94')


def test_what_is_told_of_failures(failed):
    assert not wrong(failed)
    assert 'A notification could not be' not in failed.cloud.output('nova-all')


def test_errors_say_why_and_have_their_priority(failed):
    for label, (_expected, notes) in failed.told.items():
        for note in notes:
            is_error = note['event_type'].endswith('.error') or note['event_type'].startswith(('compute_task', BROKEN))
            assert note['priority'] == ('ERROR' if is_error else 'INFO'), (label, note['event_type'])
    fault = told(failed, 'pause', 'instance.pause.error')['fault']['nova_object.data']
    assert (fault['exception'], fault['module_name'], fault['function_name']) == (
        'FakeFailure', 'nova.virt.fake', 'enter')
    assert 'told to fail pause' in fault['exception_message']
    assert 'Traceback' in fault['traceback']
    old = told(failed, 'pause', 'compute.instance.pause.error')
    assert (old['exception'], old['state']) == ('FakeFailure', 'active')
    new = told(failed, 'create', 'compute_task.build_instances.error')
    assert new['reason']['nova_object.data']['exception'] == 'NoValidHost'
    assert new['request_spec']['nova_object.data']['flavor']['nova_object.data']['flavorid'] == '1'
    old = told(failed, 'create', 'compute_task.build_instances')
    assert (old['method'], old['state']) == ('schedule_and_build_instances', 'error')
    assert old['reason'].startswith('No valid host')


#: what is done well, its status, what fails then, its event, the method of the driver, the state that it leaves
BACK = (
    ('pause', None, 'PAUSED', 'unpause', 'unpause', 'unpause', 'PAUSED'),
    ('suspend', None, 'SUSPENDED', 'resume', 'resume', 'resume', 'ERROR'),
    ('os-stop', None, 'SHUTOFF', 'os-start', 'power_on', 'power_on', 'SHUTOFF'),
    ('rescue', None, 'RESCUE', 'unrescue', 'unrescue', 'unrescue', 'ERROR'),
    ('migrate', None, 'VERIFY_RESIZE', 'confirmResize', 'resize_confirm', 'confirm_migration',
     'VERIFY_RESIZE'),
    ('migrate', None, 'VERIFY_RESIZE', 'revertResize', 'resize_revert', 'finish_revert_migration', 'ERROR'),
)


@pytest.fixture(scope='module')
def failed_back():
    """A site whose driver cannot go back."""
    settings = {'fake': {'more_hosts': 'second', 'failures': ','.join(f'{row[5]}:always' for row in BACK),
                         'delays': 'live_migration:2'},
                'DEFAULT': {'reclaim_instance_interval': 600, 'compute_monitors': 'cpu.virt_driver'}}
    with harness.Cloud.all_in_one({**TELLING, **settings}) as cloud:
        cloud.wait_ready(2)
        walk = Walk(cloud)
        walk.ear.news()
        for there, value, status, back, event, _method, left in BACK:
            server = walk.admin.boot(back)
            walk.admin.action(server['id'], there, value)
            walk.admin.wait(server['id'], status)
            walk.ear.news()
            walk.act(back, failing(event, BROKEN), back, ends=left, server=server)
        walk_of_a_long_migration(walk)
        walk_of_a_deletion_in_two_steps(walk)
        yield walk


def walk_of_a_long_migration(walk):
    """The guest takes two seconds to arrive; meanwhile it can be hurried, and not be stopped."""
    walk.server = walk.step('create', BORN, walk.boot)
    walk.act('os-migrateLive', [*PLACED, *span('live_migration_pre')], 'os-migrateLive',
             {'host': None, 'block_migration': 'auto'}, ends=None)
    path = f'/servers/{walk.server["id"]}/migrations'
    migration = harness.wait_for(lambda: next((each for each in walk.admin.get(path)['migrations']
                                               if each['status'] == 'running'), None), 'it runs')
    walk.step('abort', failing('live_migration_abort'), walk.admin.call, 'DELETE', f'{path}/{migration["id"]}')
    walk.step('force', span('live_migration_force_complete'), walk.admin.call, 'POST',
              f'{path}/{migration["id"]}/action', {'force_complete': None})
    walk.step('arrive', [*span('live_migration_post'), *span('live_migration_post_dest')], walk.admin.wait,
              walk.server['id'], 'ACTIVE')
    # Where nothing is waited for, the server leaves its host at once.
    walk.act('shelve', span('shelve', *span('shelve_offload')), 'shelve', ends='SHELVED_OFFLOADED')
    walk.act('unshelve', [*PLACED, *span('unshelve')], 'unshelve')


def walk_of_a_deletion_in_two_steps(walk):
    server = walk.server

    def put_away():
        walk.admin.call('DELETE', f'/servers/{server["id"]}')
        walk.admin.wait(server['id'], 'SOFT_DELETED')
    walk.step('put away', span('soft_delete'), put_away)
    walk.act('restore', span('restore'), 'restore')
    walk.step('put away again', span('soft_delete'), put_away)
    walk.act('forceDelete', GONE, 'forceDelete', ends=None)


def test_what_is_told_of_ways_back_that_fail(failed_back):
    assert not wrong(failed_back)
    assert 'A notification could not be' not in failed_back.cloud.output('nova-all')


def test_a_host_that_is_cut_off_tells_each_phase_once():
    """What was begun before a kill is not begun again."""
    with harness.Cloud.all_in_one({**TELLING, 'fake': {'delays': 'pause:2', 'state_file': '%(host)s.json'}}) as cloud:
        config = cloud.config.read_text().replace('%(host)s.json', f'{cloud.directory}/guests.json')
        cloud.config.write_text(config)
        cloud.stop('nova-all')
        cloud.start('nova-all')
        cloud.wait_ready()
        walk = Walk(cloud)
        walk.server = walk.admin.boot('cut-off')
        walk.ear.news()
        walk.admin.action(walk.server['id'], 'pause')
        harness.wait_for(lambda: 'instance.pause.start' in types(walk.ear.all()), 'it began')
        cloud.kill('nova-all')
        cloud.start('nova-all')
        cloud.wait_ready()
        walk.admin.wait(walk.server['id'], 'PAUSED')
        harness.wait_for(lambda: 'instance.pause.end' in types(walk.ear.all()), 'it ended')
        assert [name for name in types(walk.ear.news()) if 'pause' in name] == span('pause')


def test_nothing_is_told_where_nobody_listens(cloud):
    """The driver is noop unless another one is configured."""
    server = cloud.client().boot('silent')
    cloud.client().delete(server['id'])
    assert 'oslo.messaging.notification' not in cloud.output('nova-all')


def test_the_audit_tells_of_every_server_that_existed():
    settings = {**TELLING, 'DEFAULT': {'instance_usage_audit': True, 'instance_usage_audit_period': 'hour',
                                       'instance_usage_audit_interval': 1}}
    with harness.Cloud.all_in_one(settings) as cloud:
        walk = Walk(cloud)
        server = walk.admin.boot('audited')
        walk.ear.news()
        # It ran an hour ago as well, and nobody has audited that hour.
        _run(cloud, "UPDATE instances SET launched_at = '2020-01-01 00:00:00'", 'DELETE FROM task_log')
        harness.wait_for(lambda: EXISTS in types(walk.ear.all()), 'the audit')
        (note,) = [note for note in walk.ear.news() if note['event_type'] == EXISTS]
        assert body(note)['uuid'] == server['id']
        period = body(note)['audit_period']['nova_object.data']
        assert period['audit_period_beginning'] < period['audit_period_ending']
        (log,) = walk.admin.get('/os-instance_usage_audit_log')['instance_usage_audit_logs']['log'].values()
        assert (log['instances'], log['errors'], log['state']) == (1, 0, 'DONE')


def _run(cloud, *statements):
    import sqlalchemy
    engine = sqlalchemy.create_engine(cloud.database)
    with engine.begin() as conn:
        for statement in statements:
            conn.execute(sqlalchemy.text(statement))
    engine.dispose()


# Samples -------------------------------------------------------------------------------------------------------------

UUID = re.compile(r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')
KEPT = (harness.IMAGE_ID, '22222222-2222-2222-2222-222222222222')
NORMAL = (
    (re.compile(r'req-[0-9a-f-]{36}'), 'req-5b6c791d-5709-4f36-8fbe-c3e02869e35d'),
    (re.compile(r'"r-[0-9a-f]{8}"'), '"r-npxv0e40"'),
    (re.compile(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+'), '2012-10-29 13:42:11.000000'),
    (re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ'), '2012-10-29T13:42:11Z'),
    (re.compile(r'10\.0\.0\.\d+'), '10.0.0.3'),
    (re.compile(r'(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?!:)'), 'fa:16:3e:4c:2c:30'),
    (re.compile(r'(?:[0-9a-f]{2}:){15}[0-9a-f]{2}'), '1e:2c:9b:56:79:4b:45:77:f9:ca:7a:98:2c:b0:d5:3c'),
    (re.compile(r'\b(?:second|third)\b'), 'test'), (re.compile(r'tap[0-9a-f]{8}-[0-9a-f]{2}'), 'tapa8d4a5b0-77'),
    (re.compile(r'ssh-rsa [^"]+'), 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB... Generated-by-Nova'),
    (re.compile(r'instance-[0-9a-f]{8}'), 'instance-00000001'),
    (re.compile(r'("report_count": )\d+'), r'\g<1>1'),
    (re.compile(r'("(?:reads|writes)": )\d+'), r'\g<1>3'),
    (re.compile(r'("(?:read|write)_bytes": )\d+'), r'\g<1>12288'),
    (re.compile(r'("last_seen_up": )null'), r'\1"2012-10-29T13:42:11Z"'),
)


def normal(note):
    """The same every time: what chance and clock decide is replaced."""
    text = json.dumps(_shortened(note), indent=4, sort_keys=True)
    seen = {}
    text = NORMAL[0][0].sub('REQUEST', text)

    def one(match):
        if match[0] in KEPT:
            return match[0]
        number = seen.setdefault(match[0], len(seen) + 1)
        return f'{number:08x}-0000-4000-8000-{number:012x}'
    text = UUID.sub(one, text)
    for pattern, replacement in NORMAL[1:]:
        text = pattern.sub(replacement, text)
    return text.replace('REQUEST', NORMAL[0][1]) + '\n'


def _shortened(value):
    """Without the lines of tracebacks."""
    if isinstance(value, dict):
        return {name: 'Traceback (most recent call last):\n  ...' if name == 'traceback' else _shortened(each)
                for name, each in value.items()}
    return [_shortened(each) for each in value] if isinstance(value, list) else value


def sample_of(event_type):
    return SAMPLES / f'{event_type.replace(".", "-")}.json'


def fullest_of_each(*walks):
    """{event type: the longest sample of it}, of the versioned form."""
    found = {}
    for walk in walks:
        for note in filter(is_versioned, walk.ear.all()):
            text = normal(note)
            if len(text) > len(found.get(note['event_type'], '')):
                found[note['event_type']] = text
    return found


#: Told only by what no site of these tests does; the unit tests tell them.
NOT_HERE = {
    'libvirt.connect': 'needs a libvirt that is down',
}


def test_the_samples_are_what_is_told(walked, failed, failed_back):
    found = fullest_of_each(walked, failed, failed_back)
    if os.environ.get('NOVA_WRITE_SAMPLES'):
        SAMPLES.mkdir(exist_ok=True)
        for event_type, text in found.items():
            sample_of(event_type).write_text(text)
    differ = [event_type for event_type, text in found.items()
              if not sample_of(event_type).is_file() or sample_of(event_type).read_text() != text]
    assert differ == []


def test_every_event_is_told_by_some_test(walked, failed, failed_back):
    found = {note['event_type'] for walk in (walked, failed, failed_back) for note in walk.ear.all()}
    missing = {name for name, event in table.EVENTS.items() if event.versioned and not set(event.types()) & found}
    assert missing == set(NOT_HERE)
