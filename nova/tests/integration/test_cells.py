# SPDX-License-Identifier: Apache-2.0
"""A site of two cells, each with a database and a virtual host of RabbitMQ of its own, and cell0 above them.

compute1 and compute3 are in cell1, compute2 is in cell2.  The driver is the fake one: what is looked at is where the
rows are, who does the work, and that nothing is lost when somebody dies.
"""

import types

import pytest

from nova.tests import harness
from nova.tests.integration import bed as beds

TAKES_S = 100
CELL_OF = {'compute1': 'cell1', 'compute2': 'cell2', 'compute3': 'cell1'}


@pytest.fixture(scope='module')
def bed():
    reason = beds.missing()
    assert reason is None, reason
    # A call that a conductor took with it to its end is waited for that long.
    with beds.Bed('cells-tests', '--hosts', '3', '--cells', '2', '--driver', 'fake',
                  '--set', 'DEFAULT.rpc_response_timeout=15') as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left(bed):
    yield
    bed.clear()
    harness.wait_for(lambda: not left(bed), 'nothing left in any cell', 40, every_s=1)


def sql(bed, cell, statement):
    """Rows of a query in the database of a cell, or of 'top'."""
    from testbed import config  # found since the record is read
    return harness.Cloud.sql(types.SimpleNamespace(database=config.database(bed.record, cell)), statement)


def left(bed):
    """What is in any database though there are no servers."""
    tables = {'top': ('instance_mappings', 'request_specs', 'claims'), 'cell1': ('claims',), 'cell2': ('claims',)}
    found = [(cell, table) for cell, names in tables.items() for table in names
             if sql(bed, cell, f'SELECT * FROM {table}')]
    return found + [(cell, 'fixed_ips') for cell in ('cell1', 'cell2') if sql(
        bed, cell, 'SELECT * FROM fixed_ips WHERE instance_uuid IS NOT NULL')]


def places(bed, uuid):
    """The databases that have a server's row."""
    return [cell for cell in ('top', 'cell1', 'cell2') if sql(
        bed, cell, f"SELECT id FROM instances WHERE deleted = 0 AND uuid = '{uuid}'")]


def ask(bed, name='server', wait='ACTIVE', **more):
    image = bed.api.get('/images?name=guest', version='2.35')['images'][0]['id']
    return bed.api.boot(name, wait=wait, imageRef=image, **{
        'flavorRef': bed.flavor('m1.tiny'), 'networks': 'auto', **more})['id']


def act(bed, uuid, action, state):
    bed.api.call('POST', f'/servers/{uuid}/action', action).raise_for_status()
    return bed.api.wait(uuid, state)


def journal(bed, uuid):
    found = bed.api.get(f'/servers/{uuid}/os-instance-actions')['instanceActions']
    return [(action['action'], action['message']) for action in reversed(found)]


def test_all_that_there_is_is_shown(bed):
    assert {one['service']['host'] for one in bed.api.get('/os-hypervisors/detail')['hypervisors']} == set(CELL_OF)
    services = {(one['binary'], one['host']) for one in bed.api.get('/os-services')['services']}
    assert {('nova-compute', host) for host in CELL_OF} | {('nova-conductor', host) for host in (
        'control', 'control-cell1', 'control-cell2')} <= services
    assert {row['host'] for row in sql(bed, 'top', 'SELECT host FROM host_mappings')} == set(CELL_OF)


@pytest.mark.parametrize('host', ['compute1', 'compute2'])
def test_a_server_is_in_its_cell_only(bed, host):
    uuid = ask(bed, host=host, metadata={'a': 'b'}, tags=['one', 'two'])
    assert places(bed, uuid) == [CELL_OF[host]]
    shown = bed.api.get(f'/servers/{uuid}')['server']
    assert (shown['OS-EXT-SRV-ATTR:host'], shown['metadata'], shown['tags']) == (host, {'a': 'b'}, ['one', 'two'])
    assert [one['id'] for one in bed.api.get('/servers/detail')['servers']] == [uuid]
    act(bed, uuid, {'os-stop': None}, 'SHUTOFF')
    act(bed, uuid, {'os-start': None}, 'ACTIVE')
    act(bed, uuid, {'shelve': None}, 'SHELVED_OFFLOADED')
    # The host is chosen at the top, for an order that is in the cell.
    act(bed, uuid, {'unshelve': None}, 'ACTIVE')
    assert CELL_OF[bed.host_of(uuid)] == CELL_OF[host]
    assert journal(bed, uuid) == [(name, None) for name in ('create', 'stop', 'start', 'shelve', 'unshelve')]


def test_a_server_moves_within_its_cell(bed):
    uuid = ask(bed, host='compute1')
    act(bed, uuid, {'resize': {'flavorRef': bed.flavor('m1.small')}}, 'VERIFY_RESIZE')
    act(bed, uuid, {'confirmResize': None}, 'ACTIVE')
    assert bed.host_of(uuid) == 'compute3'
    bed.api.call('POST', f'/servers/{uuid}/action', {'os-migrateLive': {
        'host': None, 'block_migration': 'auto'}}).raise_for_status()
    harness.wait_for(lambda: bed.host_of(uuid) == 'compute1', 'it moved', 30, every_s=0.5)
    bed.api.wait(uuid, 'ACTIVE')
    assert [one['status'] for one in bed.migrations(uuid)] == ['completed', 'confirmed']


def test_a_server_does_not_leave_its_cell(bed):
    uuid = ask(bed, host='compute2')
    bed.api.call('POST', f'/servers/{uuid}/action', {'migrate': None}).raise_for_status()
    harness.wait_for(lambda: 'No valid host was found' in (journal(bed, uuid)[-1][1] or ''), 'the move failed', 30,
                     every_s=0.5)
    assert (bed.api.wait(uuid, 'ACTIVE')['id'], bed.host_of(uuid)) == (uuid, 'compute2')


def test_many_at_once_are_spread_over_the_cells(bed):
    uuid = ask(bed, wait=None, min_count=6, max_count=6)
    assert uuid
    servers = harness.wait_for(lambda: all(one['status'] == 'ACTIVE' for one in bed.api.get(
        '/servers/detail')['servers']) and bed.api.get('/servers/detail')['servers'], 'all are up', 40, every_s=0.5)
    assert {CELL_OF[one['OS-EXT-SRV-ATTR:host']] for one in servers} == {'cell1', 'cell2'}
    assert len({one['addresses']['private'][0]['addr'] for one in servers}) == 6


def test_a_build_that_failed_goes_on_in_its_cell(bed):
    bed.configure('compute1', 'fake', failures='spawn:always')
    try:
        # compute2 takes none of them.
        bed.service('compute2', status='disabled')
        uuids = [ask(bed, wait=None) for _number in range(3)]
        for uuid in uuids:
            bed.api.wait(uuid, 'ACTIVE', timeout_s=60)
        assert {bed.host_of(uuid) for uuid in uuids} == {'compute3'}
    finally:
        bed.service('compute2', status='enabled')
        bed.configure('compute1', 'fake', failures='')


def test_one_that_fits_nowhere_stays_above_the_cells(bed):
    big = bed.make_flavor('big', ram=64, vcpus=1, disk=10 ** 7)
    uuid = ask(bed, wait=None, flavorRef=big)
    bed.api.wait(uuid, 'ERROR')
    assert places(bed, uuid) == ['top']
    assert 'No valid host' in bed.api.get(f'/servers/{uuid}')['server']['fault']['message']


@pytest.mark.parametrize('service', ['nova-conductor', 'nova-conductor-cell1', 'nova-scheduler'])
def test_a_service_is_killed_while_servers_are_placed(bed, service):
    uuids = [ask(bed, wait=None, name=f'{service}-{number}') for number in range(8)]
    bed.kill(service)
    bed.tool('start', service)
    for uuid in uuids:
        bed.api.wait(uuid, 'ACTIVE', timeout_s=90)
        assert places(bed, uuid) == [CELL_OF[bed.host_of(uuid)]]
    for cell in ('cell1', 'cell2'):
        claims = {row['instance_uuid'] for row in sql(bed, cell, 'SELECT instance_uuid FROM claims')}
        assert claims == {uuid for uuid in uuids if places(bed, uuid) == [cell]}
    assert {one['id'] for one in bed.api.get('/servers')['servers']} == set(uuids)
