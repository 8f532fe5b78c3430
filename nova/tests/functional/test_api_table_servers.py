# SPDX-License-Identifier: Apache-2.0
"""Servers at the versions that change them: what is made and changed, and every action whose body or answer changed."""

import pytest

from nova.tests import harness
from nova.tests.functional import sites
from nova.tests.functional.test_api_table import Fields, within

UNKNOWN = '22222222-2222-2222-2222-222222222222'
#: Of an answer to PUT and to a rebuild; what joined the others at 2.75 is here from then on.
_BOTH = Fields("""
    id name status tenant_id user_id metadata hostId image flavor created updated accessIPv4 accessIPv6 links addresses
    OS-DCF:diskConfig progress? fault?
    OS-EXT-AZ:availability_zone config_drive OS-SRV-USG:launched_at OS-SRV-USG:terminated_at 2.75-
    security_groups? OS-EXT-STS:task_state OS-EXT-STS:vm_state OS-EXT-STS:power_state 2.75-
    os-extended-volumes:volumes_attached OS-EXT-SRV-ATTR:host OS-EXT-SRV-ATTR:hypervisor_hostname 2.75-
    OS-EXT-SRV-ATTR:instance_name OS-EXT-SRV-ATTR:hostname OS-EXT-SRV-ATTR:reservation_id 2.75-
    OS-EXT-SRV-ATTR:launch_index OS-EXT-SRV-ATTR:kernel_id OS-EXT-SRV-ATTR:ramdisk_id 2.75-
    OS-EXT-SRV-ATTR:root_device_name host_status 2.75-
    locked 2.9-
    description 2.19-
    tags 2.26-
    trusted_image_certificates 2.63-
    server_groups 2.71-
    locked_reason 2.73-
    pinned_availability_zone 2.96-
    scheduler_hints 2.100-""")
UPDATED = _BOTH + Fields('key_name OS-EXT-SRV-ATTR:user_data 2.75-')
REBUILT = _BOTH + Fields("""
    adminPass
    key_name 2.54-
    user_data 2.57-""")
CREATED = Fields('id links OS-DCF:diskConfig security_groups adminPass')

#: (the version since which a key of the body is known, the body's part that has it, where it is shown, as what)
NEW_IN_CREATE = [
    (1, {'metadata': {'k': 'v'}}, 'metadata', {'k': 'v'}),
    (19, {'description': 'a server'}, 'description', 'a server'),
    (32, {'networks': [{'uuid': '{network}', 'tag': 'nic'}]}, None, None),
    (37, {'networks': 'none'}, 'addresses', {}),
    (42, {'networks': [{'uuid': '{network}', 'tag': 'nic'}]}, None, None),
    (52, {'tags': ['a', 'b']}, 'tags', ['a', 'b']),
    (63, {'trusted_image_certificates': [UNKNOWN]}, 'trusted_image_certificates', [UNKNOWN]),
    (67, {'block_device_mapping_v2': [{
        'boot_index': 0, 'uuid': harness.IMAGE_ID, 'source_type': 'image', 'destination_type': 'volume',
        'volume_size': 1, 'delete_on_termination': True, 'volume_type': 'any'}], 'imageRef': ''}, 'image', ''),
    (74, {'host': 'second'}, 'OS-EXT-SRV-ATTR:host', 'second'),
    (90, {'hostname': 'label'}, 'OS-EXT-SRV-ATTR:hostname', 'label'),
    (94, {'hostname': 'label.example.org'}, 'OS-EXT-SRV-ATTR:hostname', 'label.example.org'),
]
#: Versions that are new to a body of create, with the one before the next.
CREATE_AT = (1, 18, 19, 31, 32, 33, 36, 37, 41, 42, 51, 52, 56, 57, 59, 60, 62, 63, 66, 67, 71, 72, 73, 74, 89, 90, 93,
             94, 104)
UPDATE_AT = (1, 8, 9, 18, 19, 25, 26, 46, 47, 62, 63, 70, 71, 72, 73, 74, 75, 89, 90, 93, 94, 95, 96, 97, 98, 99, 100,
             103, 104)
REBUILD_AT = (1, 9, 19, 26, 47, 54, 57, 63, 71, 73, 75, 90, 93, 94, 96, 98, 100)
#: (version, key of PUT, value, whether it is taken)
CHANGES = [
    ('2.1', 'name', 'other', True), ('2.18', 'description', 'd', False), ('2.19', 'description', 'd', True),
    ('2.89', 'hostname', 'h', False), ('2.90', 'hostname', 'label', True), ('2.93', 'hostname', 'h.example.org', False),
    ('2.94', 'hostname', 'h.example.org', True), ('2.103', 'pinned_availability_zone', None, False),
    ('2.104', 'pinned_availability_zone', None, True)]

#: action -> (version, body, status, keys of the answer, the server's state afterwards), one after the other
_BACKUP = {'name': 'b', 'backup_type': 'daily', 'rotation': 1}
_PLAIN = {
    'createImage': [('2.1', {'name': 'i'}, 202, None, 'ACTIVE'), ('2.38', {'name': 'i'}, 202, None, 'ACTIVE'),
                    ('2.44', {'name': 'i'}, 202, None, 'ACTIVE'), ('2.45', {'name': 'i'}, 202, 'image_id', 'ACTIVE'),
                    ('2.104', {'name': 'i'}, 202, 'image_id', 'ACTIVE')],
    'createBackup': [('2.1', _BACKUP, 202, None, 'ACTIVE'), ('2.39', _BACKUP, 202, None, 'ACTIVE'),
                     ('2.45', _BACKUP, 202, 'image_id', 'ACTIVE')],
    'lock': [('2.1', None, 202, None, 'ACTIVE'), ('2.72', {'locked_reason': 'x'}, 202, None, 'ACTIVE'),
             ('2.73', {'locked_reason': 'x'}, 202, None, 'ACTIVE'), ('2.104', None, 202, None, 'ACTIVE')],
    'unlock': [('2.1', None, 202, None, 'ACTIVE')],
    'os-getVNCConsole': [('2.5', {'type': 'novnc'}, 200, 'console', 'ACTIVE')],
    'os-getSPICEConsole': [('2.5', {'type': 'spice-html5'}, 200, 'console', 'ACTIVE')],
    'os-getRDPConsole': [('2.5', {'type': 'rdp-html5'}, 200, 'console', 'ACTIVE')],
    'os-getSerialConsole': [('2.5', {'type': 'serial'}, 200, 'console', 'ACTIVE')],
    'os-getConsoleOutput': [('2.1', {'length': 3}, 200, 'output', 'ACTIVE'), ('2.104', {}, 200, 'output', 'ACTIVE')],
    'trigger_crash_dump': [('2.16', None, 404, None, 'ACTIVE'), ('2.17', None, 202, None, 'ACTIVE')],
    'changePassword': [('2.1', {'adminPass': 'x'}, 202, None, 'ACTIVE')],
    'resetNetwork': [('2.1', None, 202, None, 'ACTIVE')], 'injectNetworkInfo': [('2.1', None, 202, None, 'ACTIVE')],
    'pause': [('2.1', None, 202, None, 'PAUSED')], 'unpause': [('2.1', None, 202, None, 'ACTIVE')],
    'suspend': [('2.1', None, 202, None, 'SUSPENDED')], 'resume': [('2.1', None, 202, None, 'ACTIVE')],
    'os-stop': [('2.1', None, 202, None, 'SHUTOFF')], 'os-start': [('2.1', None, 202, None, 'ACTIVE')],
    'reboot': [('2.1', {'type': 'SOFT'}, 202, None, 'ACTIVE'), ('2.104', {'type': 'hard'}, 202, None, 'ACTIVE')],
    'os-resetState': [('2.1', {'state': 'active'}, 202, None, 'ACTIVE')],
}
#: Several actions, in an order: (action, version, body, status, keys of the answer, state afterwards).
SEQUENCES = {
    'rescue': [(verb, version, body, status, keys, state) for version in ('2.1', '2.86', '2.87', '2.104')
               for verb, body, status, keys, state in (('rescue', None, 200, 'adminPass', 'RESCUE'),
                                                       ('unrescue', None, 202, None, 'ACTIVE'))],
    'shelve': [step for version, body in (('2.1', None), ('2.76', None), ('2.77', {'availability_zone': 'nova'}),
                                          ('2.91', {'availability_zone': None}), ('2.91', {'host': 'second'}),
                                          ('2.104', None))
               for step in (('shelve', version, None, 202, None, 'SHELVED_OFFLOADED'),
                            ('unshelve', version, body, 202, None, 'ACTIVE'))],
    'shelveOffload': [('shelve', '2.1', None, 202, None, 'SHELVED_OFFLOADED'),
                      ('unshelve', '2.76', {'availability_zone': 'nowhere'}, 202, None, 'ACTIVE')],
    'migrate': [step for version, body in (('2.1', None), ('2.55', None), ('2.56', {'host': '{other}'}),
                                           ('2.104', None))
                for step in (('migrate', version, body, 202, None, 'VERIFY_RESIZE'),
                             ('confirmResize', version, None, 204, None, 'ACTIVE'))],
    'resize': [('resize', '2.1', {'flavorRef': '2'}, 202, None, 'VERIFY_RESIZE'),
               ('revertResize', '2.1', None, 202, None, 'ACTIVE')],
    'os-migrateLive': [('os-migrateLive', version, body, 202, None, 'ACTIVE') for version, body in (
        ('2.1', {'host': None, 'block_migration': True, 'disk_over_commit': False}),
        ('2.24', {'host': '{other}', 'block_migration': True, 'disk_over_commit': False}),
        ('2.25', {'host': None, 'block_migration': 'auto'}), ('2.29', {'host': None, 'block_migration': True}),
        ('2.30', {'host': '{other}', 'block_migration': 'auto', 'force': True}),
        ('2.34', {'host': None, 'block_migration': 'auto'}),
        ('2.67', {'host': '{other}', 'block_migration': 'auto', 'force': True}),
        ('2.68', {'host': None, 'block_migration': 'auto'}), ('2.104', {'host': None, 'block_migration': 'auto'}))],
}


def prepare(cloud):
    cloud.manage_all('flavor create --name m1.big --id 2 --ram 256 --vcpus 2 --disk 2',
                     'network create --label lan --cidr 10.0.0.0/24')


site = sites.own({'fake': {'more_hosts': 'second,third'},
                  **{group: {'enabled': True} for group in ('rdp', 'spice', 'serial_console')},
                  'DEFAULT': {'shelved_offload_time': 0, 'reclaim_instance_interval': 3600}}, computes=3,
                 prepare=prepare)


@pytest.fixture(scope='module')
def root(site):
    return site.client()


@pytest.fixture(scope='module')
def network(root):
    return root.get('/os-networks', '2.1')['networks'][0]['id']


@pytest.fixture(scope='module')
def server(root):
    """One that a test leaves as it finds it."""
    return root.boot('guest', networks='auto')['id']


def remove(root, uuid):
    root.call('POST', f'/servers/{uuid}/action', {'forceDelete': None})
    root.gone(uuid)


# Made and changed ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('minor', CREATE_AT)
def test_creating(root, network, minor):
    """With the newest key that the version knows; a key that is not known yet is refused."""
    body = {'name': 'made', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID,
            'networks': 'none' if minor >= 37 else [{'uuid': network}]}
    *_older, (_since, more, field, value) = (row for row in NEW_IN_CREATE if row[0] <= minor)
    if more.get('networks', 'none') != 'none':
        more = {'networks': [{'uuid': network, **({'tag': 'nic'} if minor == 32 or minor >= 42 else {})}]}
    answer = root.call('POST', '/servers', {'server': {**body, **more}}, version=f'2.{minor}')
    assert answer.status_code == 202, answer.text
    made = answer.json()['server']
    CREATED.check(made, minor, 'POST /servers')
    shown = root.wait(made['id'], 'ACTIVE')
    assert field is None or shown[field] == value
    remove(root, made['id'])


@pytest.mark.parametrize('since, more', [(row[0], row[1]) for row in NEW_IN_CREATE
                                         if row[0] in {19, 37, 52, 63, 67, 74, 90, 94}])
def test_keys_before_their_version(root, network, since, more):
    body = {'name': 'made', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': [{'uuid': network}], **more}
    answer = root.call('POST', '/servers', {'server': body}, version=f'2.{since - 1}')
    assert answer.status_code == 400
    assert next(iter(more)) in answer.text


@pytest.mark.parametrize('minor', UPDATE_AT)
def test_fields_of_an_update(root, server, minor):
    answer = root.call('PUT', f'/servers/{server}', {'server': {'name': 'guest'}}, version=f'2.{minor}')
    assert answer.status_code == 200
    UPDATED.check(answer.json()['server'], minor, 'PUT /servers/{id}')


@pytest.mark.parametrize('version, key, value, taken', CHANGES)
def test_what_an_update_takes(root, server, version, key, value, taken):
    answer = root.call('PUT', f'/servers/{server}', {'server': {key: value}}, version=version)
    assert answer.status_code == (200 if taken else 400)
    assert taken or key in answer.text


@pytest.mark.parametrize('minor', REBUILD_AT)
def test_fields_of_a_rebuild(root, server, minor):
    answer = root.call('POST', f'/servers/{server}/action', {'rebuild': {'imageRef': harness.IMAGE_ID}},
                       version=f'2.{minor}')
    assert answer.status_code == 202
    REBUILT.check(answer.json()['server'], minor, 'rebuild')
    root.wait(server, 'ACTIVE')


@pytest.mark.parametrize('version', ['2.1', '2.104'])
def test_deleted_and_restored(root, version):
    """Where servers are kept for a while after they were deleted."""
    uuid = root.boot('kept')['id']
    assert root.call('DELETE', f'/servers/{uuid}', version=version).status_code == 204
    harness.wait_for(lambda: root.get(f'/servers/{uuid}')['server']['status'] == 'SOFT_DELETED', 'soft deleted')
    assert root.call('POST', f'/servers/{uuid}/action', {'restore': None}, version=version).status_code == 202
    root.wait(uuid, 'ACTIVE')
    assert root.call('POST', f'/servers/{uuid}/action', {'forceDelete': None}, version=version).status_code == 202
    root.gone(uuid)


# Actions -------------------------------------------------------------------------------------------------------------

def act(root, server, action, version, body, status, keys, state):
    if isinstance(body, dict) and body.get('host') == '{other}':
        here = root.get(f'/servers/{server}')['server']['OS-EXT-SRV-ATTR:host']
        body = {**body, 'host': next(host for host in ('second', 'third') if host != here)}
    answer = root.call('POST', f'/servers/{server}/action', {action: body}, version=version)
    assert answer.status_code == status, f'{action} at {version}: {answer.status_code} {answer.text}'
    if status < 300:
        assert set(answer.json() if answer.content else ()) == ({keys} if keys else set())
    return root.wait(server, state)


@pytest.mark.parametrize('steps', [
    pytest.param([(action, *step) for step in steps], id=action) for action, steps in _PLAIN.items()
    if action not in {'pause', 'unpause', 'suspend', 'resume', 'os-stop', 'os-start', 'lock', 'unlock'}] + [
    pytest.param([(action, *step) for action in pair for step in _PLAIN[action]], id='-'.join(pair))
    for pair in (('pause', 'unpause'), ('suspend', 'resume'), ('os-stop', 'os-start'))] + [
    pytest.param(steps, id=name) for name, steps in SEQUENCES.items()])
def test_actions(root, server, steps):
    for step in steps:
        act(root, server, *step)


@pytest.mark.parametrize('version, body, status', [(version, body, status) for version, body, status, *_ in
                                                   _PLAIN['lock']])
def test_locks(root, server, version, body, status):
    taken = body is None or version != '2.72'
    answer = root.call('POST', f'/servers/{server}/action', {'lock': body}, version=version)
    assert answer.status_code == status
    shown = root.get(f'/servers/{server}')['server']
    assert (shown['locked'], shown['locked_reason']) == (True, 'x' if body and taken else None)
    assert root.call('POST', f'/servers/{server}/action', {'unlock': None}, version=version).status_code == 202


@pytest.mark.parametrize('version, body, key', [
    ('2.1', {'onSharedStorage': False}, 'adminPass'),
    ('2.13', {'onSharedStorage': False, 'adminPass': 'x'}, 'adminPass'),
    ('2.14', {}, None), ('2.28', {'host': '{other}'}, None), ('2.29', {'host': '{other}', 'force': True}, None),
    ('2.67', {}, None), ('2.68', {'host': '{other}'}, None), ('2.95', {}, None), ('2.104', {}, None)])
def test_evacuating(root, version, body, key):
    uuid = root.boot('alone', host='second')['id']
    (service,) = root.get('/os-services?host=second&binary=nova-compute')['services']
    root.call('PUT', f'/os-services/{service["id"]}', {'forced_down': True})
    try:
        after = 'SHUTOFF' if version in {'2.95', '2.104'} else 'ACTIVE'
        shown = act(root, uuid, 'evacuate', version, body, 200, key, after)
        assert shown['OS-EXT-SRV-ATTR:host'] != 'second'
    finally:
        root.call('PUT', f'/os-services/{service["id"]}', {'forced_down': False})
        remove(root, uuid)


# Parts ---------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('version', ['2.6', '2.7', '2.8', '2.98', '2.99', '2.104'])
def test_remote_consoles(root, server, version):
    for protocol, kind, since in (('vnc', 'novnc', 6), ('serial', 'serial', 6), ('rdp', 'rdp-html5', 6),
                                  ('spice', 'spice-html5', 6), ('spice', 'spice-direct', 99)):
        answer = root.call('POST', f'/servers/{server}/remote-consoles', {'remote_console': {
            'protocol': protocol, 'type': kind}}, version=version)
        if int(version[2:]) < since:
            assert answer.status_code == 400
        else:
            assert answer.status_code == 200, answer.text
            assert set(answer.json()['remote_console']) == {'protocol', 'type', 'url'}


@pytest.mark.parametrize('version', ['2.1', '2.104'])
def test_metadata(root, server, version):
    path = f'/servers/{server}/metadata'
    for method, where, body, status, answer in (
            ('POST', path, {'metadata': {'a': '1'}}, 200, {'metadata': {'a': '1'}}),
            ('PUT', f'{path}/b', {'meta': {'b': '2'}}, 200, {'meta': {'b': '2'}}),
            ('GET', f'{path}/b', None, 200, {'meta': {'b': '2'}}),
            ('PUT', path, {'metadata': {'c': '3'}}, 200, {'metadata': {'c': '3'}}),
            ('GET', path, None, 200, {'metadata': {'c': '3'}}), ('DELETE', f'{path}/c', None, 204, None),
            ('DELETE', f'{path}/c', None, 404, None)):
        found = root.call(method, where, body, version=version)
        assert found.status_code == status, found.text
        assert answer is None or found.json() == answer


@pytest.mark.parametrize('version', ['2.26', '2.101', '2.102', '2.104'])
def test_tags(root, server, version):
    path = f'/servers/{server}/tags'
    for method, where, body, status in (
            ('PUT', path, {'tags': ['a']}, 200), ('PUT', f'{path}/b', None, 201), ('PUT', f'{path}/b', None, 204),
            ('GET', f'{path}/b', None, 204), ('GET', path, None, 200), ('DELETE', f'{path}/b', None, 204),
            ('GET', f'{path}/b', None, 404), ('DELETE', path, None, 204)):
        assert root.call(method, where, body, version=version).status_code == status


@pytest.mark.parametrize('version', ['2.1', '2.48', '2.49', '2.69', '2.70', '2.104'])
def test_interfaces(root, server, network, version):
    body = {'net_id': network, **({'tag': 'nic'} if int(version[2:]) >= 49 else {})}
    answer = root.call('POST', f'/servers/{server}/os-interface', {'interfaceAttachment': body}, version=version)
    assert answer.status_code == 200, answer.text
    made = answer.json()['interfaceAttachment']
    Fields('port_id net_id mac_addr port_state fixed_ips\ntag 2.70-').check(made, int(version[2:]), 'os-interface')
    early = {'interfaceAttachment': {'net_id': network, 'tag': 'x'}}
    assert root.call('POST', f'/servers/{server}/os-interface', early, version='2.48').status_code == 400
    path = f'/servers/{server}/os-interface/{made["port_id"]}'
    assert root.call('DELETE', path, version=version).status_code == 202
    harness.wait_for(lambda: root.call('GET', path).status_code == 404, 'the interface is gone')


def available(root, volume):
    harness.wait_for(lambda: root.get(f'/os-volumes/{volume}', '2.1')['volume']['status'] == 'available', 'available')


ATTACHED = Fields("""
    id volumeId serverId device
    tag 2.70-
    delete_on_termination 2.79-""")


@pytest.mark.parametrize('version', ['2.1', '2.19', '2.20', '2.48', '2.49', '2.59', '2.60', '2.69', '2.70', '2.78',
                                     '2.79', '2.84', '2.85', '2.88', '2.89', '2.100', '2.101', '2.104'])
def test_volumes(root, server, version):
    minor, path = int(version[2:]), f'/servers/{server}/os-volume_attachments'
    volume, other = (root.post('/os-volumes', {'volume': {'size': 1}}, '2.1')['volume']['id'] for _ in range(2))
    body = {'volumeId': volume, **({'tag': 'disk'} if minor >= 49 else {}),
            **({'delete_on_termination': False} if minor >= 79 else {})}
    answer = root.call('POST', path, {'volumeAttachment': body}, version=version)
    assert answer.status_code == (202 if minor >= 101 else 200), answer.text
    if minor < 101:
        ATTACHED.check(answer.json()['volumeAttachment'], minor, path)
    root.wait(server, 'ACTIVE')
    harness.wait_for(lambda: root.get(f'/os-volumes/{volume}', '2.1')['volume']['status'] == 'in-use', 'in use')
    if minor >= 85:
        keep = {'volumeId': volume, 'delete_on_termination': True}
        assert root.call('PUT', f'{path}/{volume}', {'volumeAttachment': keep}, version=version).status_code == 202
    assert root.call('PUT', f'{path}/{volume}', {'volumeAttachment': {'volumeId': other}},
                     version=version).status_code == 202
    harness.wait_for(lambda: root.call('GET', f'{path}/{other}').status_code == 200, 'swapped')
    available(root, volume)
    root.wait(server, 'ACTIVE')
    assert root.call('DELETE', f'{path}/{other}', version=version).status_code == 202
    for each in (volume, other):
        available(root, each)
        root.call('DELETE', f'/os-volumes/{each}', version='2.1')


# Moves in progress ---------------------------------------------------------------------------------------------------

MOVE = Fields("""
    id server_uuid status source_compute source_node dest_compute dest_node dest_host memory_total_bytes
    memory_processed_bytes memory_remaining_bytes disk_total_bytes disk_processed_bytes disk_remaining_bytes created_at
    updated_at
    uuid 2.59-
    user_id project_id 2.80-""")


@pytest.fixture(scope='module')
def slow():
    with harness.Cloud.all_in_one({'fake': {'more_hosts': 'second', 'delays': 'live_migration:8'}}) as cloud:
        cloud.wait_ready(2)
        yield cloud


@pytest.fixture
def moving(slow):
    """(client, path of its migrations, the number of the one that runs)"""
    root = slow.client()
    uuid = root.boot('mover')['id']
    path = f'/servers/{uuid}/migrations'
    root.call('POST', f'/servers/{uuid}/action', {'os-migrateLive': {'host': None, 'block_migration': 'auto'}})
    harness.wait_for(lambda: any(each['status'] == 'running' for each in root.get(path)['migrations']), 'it runs')
    yield root, path, root.get(path)['migrations'][0]['id']
    root.call('POST', f'/servers/{uuid}/action', {'forceDelete': None})
    root.gone(uuid)


def test_fields_of_a_move(moving):
    root, path, number = moving
    for minor in range(23, 105):
        for where, steps in ((path, 'migrations 0'), (f'{path}/{number}', 'migration')):
            answer = root.call('GET', where, version=f'2.{minor}')
            assert answer.status_code == 200, answer.text
            MOVE.check(within(answer.json(), steps), minor, where)


@pytest.mark.parametrize('version', ['2.24', '2.64', '2.65', '2.104'])
def test_a_move_is_stopped(moving, version):
    root, path, number = moving
    assert root.call('DELETE', f'{path}/{number}', version=version).status_code == 202


@pytest.mark.parametrize('version', ['2.22', '2.104'])
def test_a_move_is_hurried(moving, version):
    root, path, number = moving
    assert root.call('POST', f'{path}/{number}/action', {'force_complete': None}, version=version).status_code == 202
