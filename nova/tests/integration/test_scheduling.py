# SPDX-License-Identifier: Apache-2.0
"""More servers than fit, asked for at once from three schedulers; and schedulers that are killed meanwhile."""

import concurrent.futures

import pytest

from nova.tests import harness

HOSTS = [f'h{number}' for number in range(1, 5)]


@pytest.fixture(scope='module')
def cloud():
    settings = {'DEFAULT': {'cpu_allocation_ratio': 1.0, 'osapi_compute_workers': 2, 'debug': False},
                'scheduler': {'workers': 3}, 'fake': {'vcpus': 30, 'more_hosts': ','.join(HOSTS)}}
    with harness.Cloud.daemons(settings) as cloud:
        cloud.wait_ready(computes=5)
        yield cloud


def ask(cloud, count):
    """The ids of so many servers, asked for one by one, twenty at a time."""
    def one(number):
        return cloud.client().boot(f'one-of-many-{number}', wait=None)['id']
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        return list(pool.map(one, range(count)))


def servers(cloud):
    return cloud.client().get('/servers/detail?limit=1000')['servers']


def settled(cloud):
    found = servers(cloud)
    return found if all(server['OS-EXT-STS:task_state'] is None for server in found) else None


def test_of_two_hundred_servers_150_fit_and_50_read_what_was_short(cloud):
    asked = ask(cloud, 200)
    found = harness.wait_for(lambda: settled(cloud), 'all settled', timeout_s=120, every_s=0.5)
    assert len(found) == len(asked) == 200
    by_status = {status: [server for server in found if server['status'] == status] for status in ('ACTIVE', 'ERROR')}
    assert {status: len(those) for status, those in by_status.items()} == {'ACTIVE': 150, 'ERROR': 50}
    for server in by_status['ERROR']:
        assert 'not enough CPUs' in server['fault']['message'] or 'other servers that came first' in \
            server['fault']['message'], server['fault']
    assert not cloud.leaks()


def test_all_are_deleted_while_schedulers_are_killed(cloud):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        deleted = [pool.submit(cloud.client().call, 'DELETE', f'/servers/{server["id"]}') for server in servers(cloud)]
        for _time in range(3):
            cloud.kill('nova-scheduler')
            cloud.start('nova-scheduler')
        assert {done.result().status_code for done in deleted} == {204}
    harness.wait_for(lambda: not servers(cloud), 'all deleted', timeout_s=120, every_s=0.5)
    harness.wait_for(lambda: not cloud.leaks(), 'nothing left')
    cloud.wait_ready(computes=5)
    again = ask(cloud, 10)
    for uuid in again:
        cloud.client().wait(uuid, 'ACTIVE')
    assert not cloud.leaks()
