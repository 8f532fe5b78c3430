# SPDX-License-Identifier: Apache-2.0
"""tools/testbed as a person uses it, with the fake driver: up, status, kill, start, partition, heal, down."""

import os
import pathlib
import subprocess
import tempfile

import pytest

from nova.tests import harness
from nova.tests.integration import bed as beds

ONE, TWO = 'compute1', 'compute2'


def traces(known):
    """What there is of a bed outside of its hosts: devices, control groups, virtual hosts, databases, files.

    :param known: the bed's record.
    """
    groups = {f'nova-host-{name}-{pid}' for name, host in known['hosts'].items() for pid in host['launchers']}
    assert groups
    vhosts = set(subprocess.run(['rabbitmqctl', '-q', 'list_vhosts', '--no-table-headers', 'name'], check=True,
                                capture_output=True, text=True).stdout.split())
    databases = set(subprocess.run(['mariadb', '-N', '-e', 'SHOW DATABASES'], check=True, capture_output=True,
                                   text=True).stdout.split())
    found = {*os.listdir('/sys/class/net'), *vhosts, *databases, *os.listdir(tempfile.gettempdir())}
    return {name for name in found if known['id'] in name} | {
        path.name for path in pathlib.Path('/sys/fs/cgroup').glob('*/nova-host-*') if path.name in groups}


@pytest.fixture(scope='module')
def bed():
    reason = beds.missing()
    assert reason is None, reason
    with beds.Bed('testbed-tests', '--hosts', '2', '--driver', 'fake') as made:
        assert len(traces(made.record)) >= 8, 'they are found as long as there is something'
        yield made
        known = made.read_record()
    assert traces(known) == set()


def hypervisor(bed, host, state):
    """Wait until the API thinks so of a host."""
    harness.wait_for(lambda: bed.look()['hosts'][host]['hypervisor'] == state, f'{host} is {state}', 40, every_s=1)


def test_all_runs(bed):
    status = bed.status
    assert all(status['services'].values()), status['services']
    assert {name: host['hypervisor'] for name, host in status['hosts'].items()} == {ONE: 'up', TWO: 'up'}
    assert bed.exec(ONE, 'hostname').strip() == ONE
    bed.exec(ONE, 'ping', '-c', '1', '-w', '5', TWO)
    # Both see what they keep at the same path, and not each other's.
    bed.exec(ONE, 'touch', str(bed.directory / 'state' / 'mark'))
    assert 'mark' not in bed.exec(TWO, 'ls', str(bed.directory / 'state'))
    assert (bed.directory / ONE / 'mark').exists()


def test_there_is_one_of_a_name(bed):
    done = bed.tool('up', check=False)
    assert done == ''
    assert bed.look()['services'] == bed.status['services']


def test_a_server_lives(bed):
    image = bed.api.get('/images?name=guest', version='2.35')['images'][0]['id']
    server = bed.api.boot('one', imageRef=image, flavorRef=bed.flavor('m1.tiny'), networks='auto')
    assert server['OS-EXT-SRV-ATTR:host'] in (ONE, TWO)
    bed.delete(server['id'])
    assert harness.Cloud.leaks(bed) == []


def test_a_service_is_killed_and_started(bed):
    name = f'{ONE}/nova-compute'
    bed.tool('kill', name)
    assert bed.look()['services'][name] is None
    hypervisor(bed, ONE, 'down')
    bed.tool('start', name)
    found = bed.look()
    assert found['services'][name] not in (None, bed.status['services'][name])
    assert found['hosts'][ONE]['hypervisor'] == 'up'


def test_a_host_is_cut_off_and_goes_on(bed):
    bed.tool('partition', TWO)
    assert bed.look()['hosts'][TWO]['partitioned'] == ['data', 'management']
    hypervisor(bed, TWO, 'down')
    assert bed.look()['hosts'][TWO]['runs']
    assert bed.exec(TWO, 'ping', '-c', '1', '-w', '1', ONE, check=False).count('1 received') == 0
    bed.tool('heal', TWO)
    hypervisor(bed, TWO, 'up')
    assert bed.look()['hosts'][TWO]['partitioned'] == []


def test_a_host_loses_power(bed):
    bed.tool('kill', ONE)
    found = bed.look()
    assert not found['hosts'][ONE]['runs'] and found['hosts'][TWO]['runs']
    assert [name for name, pid in found['services'].items() if pid and name.startswith(ONE)] == []
    bed.tool('start', ONE)
    assert bed.look()['hosts'][ONE]['hypervisor'] == 'up'
    # Its disks were not emptied.
    assert (bed.directory / ONE / 'mark').exists()
