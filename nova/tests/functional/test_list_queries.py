# SPDX-License-Identifier: Apache-2.0
"""Every documented filter and sort key of GET /servers (API specification, section 7), as tables."""

import urllib.parse

import pytest

from nova.tests import harness
from nova.tests.functional import sites

OTHER_IMAGE = '22222222-2222-2222-2222-222222222222'
#: Filters of everybody: (since, query, names found of alpha, beta, charlie).
EVERYBODY = [
    ('2.1', 'name=alpha', 'a'), ('2.1', 'name=a$', 'ab'), ('2.1', 'name=^(al|be)', 'ab'), ('2.1', 'name=zzz', ''),
    ('2.1', 'status=ACTIVE', 'ab'), ('2.1', 'status=shutoff', 'c'), ('2.1', 'status=ACTIVE&status=SHUTOFF', 'abc'),
    ('2.1', 'status=ERROR', ''), ('2.1', 'image={image}', 'ac'), ('2.1', 'image={other}', 'b'),
    ('2.1', 'flavor=1', 'ac'), ('2.1', 'flavor=f2', 'b'), ('2.1', 'flavor=none', ''),
    ('2.1', 'reservation_id={reservation}', 'a'), ('2.1', 'ip=10[.]8[.]0[.]5$', 'a'), ('2.1', 'ip=^10[.]8', 'ab'),
    ('2.5', 'ip6=^fd00', 'ab'), ('2.5', 'ip6=^fe80', ''), ('2.1', 'changes-since=2001-01-01T00:00:00Z', 'abcd'),
    ('2.1', 'changes-since=2101-01-01T00:00:00Z', ''), ('2.66', 'changes-before=2001-01-01T00:00:00Z', ''),
    ('2.66', 'changes-since=2001-01-01T00:00:00Z&changes-before=2101-01-01T00:00:00Z', 'abcd'),
    ('2.26', 'tags=red', 'ab'), ('2.26', 'tags=red,blue', 'b'), ('2.26', 'tags-any=blue,green', 'bc'),
    ('2.26', 'not-tags=red,blue', 'ac'), ('2.26', 'not-tags-any=blue,green', 'a'),
    ('2.26', 'tags=red&not-tags=blue', 'a'), ('2.73', 'locked=true', 'b'), ('2.73', 'locked=False', 'ac'),
    ('2.83', 'availability_zone=nova', 'abc'), ('2.83', 'availability_zone=moon', ''),
    ('2.83', 'config_drive=true', 'c'), ('2.83', 'config_drive=false', 'ab'), ('2.83', 'key_name=key', 'a'),
    ('2.83', 'created_at=^20', 'abc'), ('2.83', 'launched_at=^20', 'abc'), ('2.83', 'terminated_at=^20', ''),
    ('2.83', 'power_state=1', 'ab'), ('2.83', 'power_state=4', 'c'), ('2.83', 'task_state=spawning', ''),
    ('2.83', 'vm_state=stopped', 'c'), ('2.83', 'progress=0', 'abc'), ('2.83', 'user_id=alice', 'abc'),
    ('2.83', 'user_id=bob', ''), ('2.90', 'hostname=beta', 'b')]
#: Filters of administrators, at any version (all with all_tenants).
ADMINS = [
    ('access_ip_v4=192.0.2.7', 'a'), ('access_ip_v6=2001:db8::7', 'a'), ('auto_disk_config=AUTO', 'b'),
    ('deleted=true', 'd'), ('deleted=nonsense', 'abc'), ('soft_deleted=true', 'abc'), ('description=fir.t', 'a'),
    ('display_description=^first$', 'a'), ('display_name=^b', 'b'), ('host=test', 'abc'), ('host=tes', ''),
    ('hostname=char', 'c'), ('image_ref={other}', 'b'), ('kernel_id=^x', ''), ('launch_index=0', 'abc'),
    ('launch_index=1', ''), ('locked_by=owner', 'b'), ('node=^test$', 'abc'), ('project_id=list', 'abc'),
    ('tenant_id=list', 'abc'), ('tenant_id=another', ''), ('ramdisk_id=^x', ''), ('root_device_name=vda', 'abc'),
    ('uuid={alpha}', 'a'), ('status=DELETED', 'd'), ('key_name=key', 'a'), ('locked=true', 'b'),
    ('user_id=alice', 'abc'), ('ip6=^fd00', 'ab'), ('tags=red', 'ab')]
SORT_KEYS = [
    'access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'availability_zone', 'config_drive', 'created_at',
    'display_description', 'display_name', 'hostname', 'image_ref', 'instance_type_id', 'kernel_id', 'key_name',
    'launch_index', 'launched_at', 'locked_by', 'power_state', 'progress', 'project_id', 'ramdisk_id',
    'root_device_name', 'task_state', 'terminated_at', 'updated_at', 'user_id', 'uuid', 'vm_state']
IGNORED = [
    'architecture', 'cell_name', 'cleaned', 'default_ephemeral_device', 'default_swap_device', 'deleted',
    'deleted_at', 'disable_terminate', 'ephemeral_gb', 'ephemeral_key_uuid', 'id', 'key_data', 'launched_on',
    'memory_mb', 'os_type', 'reservation_id', 'root_gb', 'shutdown_terminate', 'user_data', 'vcpus', 'vm_mode']
#: Where the order of the three is known: (sort keys and directions, names in that order).
ORDERS = [
    ('sort_key=display_name&sort_dir=asc', 'abc'), ('sort_key=display_name&sort_dir=desc', 'cba'),
    ('sort_key=display_name', 'cba'), ('', 'cba'), ('sort_key=created_at&sort_dir=asc', 'abc'),
    ('sort_dir=asc', 'abc'), ('sort_dir=desc', 'cba'), ('sort_dir=asc&limit=2', 'ab'),
    ('sort_key=vm_state&sort_key=display_name&sort_dir=asc', 'abc'),
    ('sort_key=vm_state&sort_key=display_name&sort_dir=desc&sort_dir=asc', 'cab'),
    ('sort_key=image_ref&sort_key=display_name&sort_dir=desc', 'bca'), ('sort_key=hostname&sort_dir=desc', 'cba'),
    ('sort_key=instance_type_id&sort_key=display_name&sort_dir=asc', 'acb')]
TABLES = [
    'block_device_mapping', 'services', 'metadata', 'system_metadata', 'info_cache', 'security_groups',
    'pci_devices']


def prepare(cloud):
    disk = cloud.directory / 'other.raw'
    disk.write_bytes(bytes(512))
    cloud.manage_all(f'image register {disk} --name other --disk-format raw --id {OTHER_IMAGE} --public',
                     'flavor create --name second --id f2 --ram 64 --vcpus 1 --disk 1',
                     'network create --label lan --cidr 10.8.0.0/24 --cidr-v6 fd00:8::/64')


site = sites.own(prepare=prepare)


@pytest.fixture(scope='module')
def member(site):
    return site.client('alice:list')


@pytest.fixture(scope='module')
def words(site, member):
    """What stands for {words} in the tables; servers alpha, beta and charlie, and delta which is deleted."""
    network = site.client().get('/os-networks', '2.1')['networks'][0]['id']
    member.post('/os-keypairs', {'keypair': {'name': 'key', 'type': 'ssh'}}, '2.2')
    alpha = member.boot('alpha', networks=[{'uuid': network, 'fixed_ip': '10.8.0.5'}], key_name='key', tags=['red'],
                        description='first', accessIPv4='192.0.2.7', accessIPv6='2001:db8::7')
    beta = member.boot('beta', networks=[{'uuid': network}], flavorRef='f2', imageRef=OTHER_IMAGE, tags=['red', 'blue'],
                       **{'OS-DCF:diskConfig': 'AUTO'})
    charlie = member.boot('charlie', config_drive=True, tags=['green'])
    member.action(beta['id'], 'lock')
    member.action(charlie['id'], 'os-stop')
    member.wait(charlie['id'], 'SHUTOFF')
    delta = member.boot('delta')
    assert member.call('DELETE', f'/servers/{delta["id"]}').status_code == 204
    member.gone(delta['id'])
    mine = site.client().get(f'/servers/{alpha["id"]}')['server']
    return {'alpha': alpha['id'], 'beta': beta['id'], 'image': harness.IMAGE_ID, 'other': OTHER_IMAGE,
            'reservation': mine['OS-EXT-SRV-ATTR:reservation_id']}


def found(client, query, words, version='2.104', path='/servers'):
    """First letters of the names of the servers that a query finds, in their order."""
    for name, value in words.items():
        query = query.replace(f'{{{name}}}', value)
    query = urllib.parse.quote(query, safe='=&')
    answer = client.call('GET', f'{path}?{query}', version=version)
    assert answer.status_code == 200, answer.text
    return ''.join(server['name'][0] for server in answer.json()['servers'])


@pytest.mark.parametrize('since, query, names', EVERYBODY)
def test_filters_of_everybody(member, words, since, query, names):
    for path in ('/servers', '/servers/detail'):
        assert sorted(found(member, query, words, since, path)) == list(names)
        assert sorted(found(member, query, words, path=path)) == list(names)
    before = f'2.{int(since[2:]) - 1}'
    # Unknown to older versions, which ignore it; delta is deleted and only what looks for changes shows it.
    if since != '2.1' and 'changes' not in query and names != 'abc':
        assert sorted(found(member, query, words, before)) == list('abc')


@pytest.mark.parametrize('query, names', ADMINS)
def test_filters_of_administrators(site, member, words, query, names):
    for version in ('2.1', '2.104'):
        assert sorted(found(site.client(), f'all_tenants=1&{query}', words, version)) == list(names)
    name = query.partition('=')[0]
    if name in ('access_ip_v4', 'display_description', 'host', 'node', 'uuid', 'launch_index', 'tenant_id', 'deleted'):
        # Known, but not for everybody: without effect.
        assert sorted(found(member, query, words)) == list('abc')


@pytest.mark.parametrize('key', [*SORT_KEYS, 'host', 'node', 'locked'])
@pytest.mark.parametrize('direction', ['asc', 'desc'])
def test_sort_keys(site, words, key, direction):
    assert sorted(found(site.client(), f'all_tenants=1&sort_key={key}&sort_dir={direction}', words)) == list('abc')
    # A page at a time gives the same order.
    whole = found(site.client(), f'all_tenants=1&sort_key={key}&sort_dir={direction}', words)
    path, seen = f'/servers?all_tenants=1&limit=1&sort_key={key}&sort_dir={direction}', ''
    while path:
        page = site.client().call('GET', path).json()
        seen += ''.join(server['name'][0] for server in page['servers'])
        path = next((link['href'] for link in page.get('servers_links', ())), None)
    assert seen == whole


@pytest.mark.parametrize('query, names', [
    ('ip=^10[.]8[.]0[.]5$&limit=1', 'a'), ('ip=^10[.]8&limit=1', 'b'), ('ip6=^fd00&limit=2', 'ba'),
    ('ip=^10[.]8&limit=1&marker={beta}', 'a'), ('ip=^10[.]8&limit=0', '')])
def test_a_page_of_servers_by_address_is_a_page_of_those_that_have_it(member, words, query, names):
    assert found(member, query, words) == names


@pytest.mark.parametrize('query, names', ORDERS)
def test_orders(member, words, query, names):
    assert found(member, query, words) == names


@pytest.mark.parametrize('query, version, names', [
    ('sort_key=id&sort_key=display_name&sort_dir=desc&sort_dir=asc', '2.74', 'abc'),
    ('sort_key=id&sort_key=display_name&sort_dir=asc&sort_dir=desc', '2.74', 'cba'),
    ('sort_key=id&sort_key=display_name&sort_dir=asc', '2.74', 'abc'),
    ('sort_key=vcpus&sort_dir=asc&sort_key=vm_state&sort_dir=desc&sort_key=display_name&sort_dir=asc', '2.74', 'cab'),
    ('sort_key=locked&sort_key=display_name&sort_dir=desc&sort_dir=asc', '2.72', 'abc'),
    ('sort_key=locked&sort_key=display_name&sort_dir=desc&sort_dir=asc', '2.73', 'bac')])
def test_a_sort_key_without_effect_takes_its_direction_with_it(member, words, query, version, names):
    assert found(member, query, words, version) == names


@pytest.mark.parametrize('key', IGNORED)
def test_sort_keys_that_once_had_no_effect(member, words, key):
    assert found(member, f'sort_key={key}', words, '2.74') == 'cba'
    answer = member.call('GET', f'/servers?sort_key={key}', version='2.75')
    assert answer.status_code == 400
    assert key in answer.json()['badRequest']['message']


@pytest.mark.parametrize('query, version, status', [
    *((f'{name}=1', '2.1', 400) for name in TABLES), ('_sa=1', '2.1', 400), ('unknown=1', '2.75', 400),
    ('unknown=1', '2.74', 200), ('sort_key=unknown', '2.1', 400), ('sort_key=host', '2.1', 403),
    ('sort_key=node', '2.104', 403), ('sort_dir=up', '2.1', 400), ('sort_dir=asc&sort_dir=desc', '2.1', 400),
    ('sort_dir=asc&sort_dir=desc&sort_key=display_name', '2.1', 400), ('name=(', '2.1', 400), ('ip=[', '2.1', 400),
    ('status=moving', '2.37', 200), ('status=moving', '2.38', 400), ('status=deleted', '2.1', 403),
    ('locked=maybe', '2.73', 400), ('all_tenants=1', '2.1', 403), ('all_tenants=0', '2.1', 200),
    ('all_tenants=maybe', '2.1', 400), ('changes-since=yesterday', '2.1', 400), ('power_state=on', '2.83', 400),
    ('changes-since=2031-01-01T00:00:00Z&changes-before=2030-01-01T00:00:00Z', '2.66', 400),
    ('limit=-1', '2.1', 400), ('limit=x', '2.1', 400), ('marker=none', '2.1', 400)])
def test_what_is_refused(member, words, query, version, status):
    answer = member.call('GET', f'/servers?{query}', version=version)
    assert answer.status_code == status, answer.text
    if status == 400:
        (fault,) = answer.json().values()
        assert query.partition('=')[0] in fault['message'] or query.partition('=')[2] in fault['message']
