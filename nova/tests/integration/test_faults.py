# SPDX-License-Identifier: Apache-2.0
"""kill -9 and restarts in the middle: separate daemons, a RabbitMQ and a MariaDB of their own, the fake driver.

After everything is back, each server is where its user expects it, or in ERROR with a fault that says why; claims are
the usage; nothing leaks.
"""

import time

import pytest

from nova.tests import harness
from nova.tests.integration import private_servers

#: For the order of the groups of tests.
TAKES_S = 250

#: Long enough to be killed in the middle of.
SLOW = {'fake': {'delays': 'spawn:2,power_off:2,destroy:2'}}


@pytest.fixture(scope='module')
def broker():
    with private_servers.RabbitMQ() as server:
        yield server


@pytest.fixture(scope='module')
def database():
    with private_servers.MariaDB() as server:
        yield server


@pytest.fixture(scope='module')
def site(tmp_path_factory, broker, database):
    state = tmp_path_factory.mktemp('hypervisor') / 'guests.json'
    cloud = harness.Cloud.daemons({'fake': {**SLOW['fake'], 'state_file': state}}, database.url, broker.url)
    cloud.broker_environ = broker.environ
    with cloud:
        yield cloud


def settled(client, uuid, allowed):
    """The server's status once nothing is going on with it."""
    def there():
        answer = client.call('GET', f'/servers/{uuid}')
        if answer.status_code == 404:
            return 'GONE'
        if answer.status_code != 200:
            return None
        server = answer.json()['server']
        if server['status'] == 'ERROR' and server['OS-EXT-STS:task_state'] is None:
            assert server['fault']['message']
            return 'ERROR'
        return server['status'] if server['OS-EXT-STS:task_state'] is None and server['status'] in allowed else None
    return harness.wait_for(there, f'server {uuid} settled in {allowed}', timeout_s=90, every_s=0.3)


def stir(client):
    """Three servers with something going on each: one being built, one stopping, one being deleted."""
    stopping, going = client.boot('stopping')['id'], client.boot('going')['id']
    building = client.boot('building', wait=None)['id']
    client.action(stopping, 'os-stop')
    assert client.call('DELETE', f'/servers/{going}').status_code == 204
    return building, stopping, going


def expect_recovery(cloud, servers):
    client = cloud.client()
    building, stopping, going = servers
    assert settled(client, building, ['ACTIVE']) in ('ACTIVE', 'ERROR')
    assert settled(client, stopping, ['SHUTOFF', 'ACTIVE']) in ('SHUTOFF', 'ACTIVE')
    assert settled(client, going, []) == 'GONE'
    for uuid in (building, stopping):
        assert client.call('DELETE', f'/servers/{uuid}').status_code == 204
        client.gone(uuid)
    harness.wait_for(lambda: not cloud.leaks(), f'nothing left, but {cloud.leaks()}')


@pytest.mark.parametrize('daemon', harness.DAEMONS)
@pytest.mark.parametrize('after_s', [0.1, 1.0])
def test_a_daemon_is_killed_in_the_middle(site, daemon, after_s):
    servers = stir(site.client())
    time.sleep(after_s)
    site.kill(daemon)
    time.sleep(1)
    site.start(daemon)
    site.wait_ready()
    expect_recovery(site, servers)


def test_the_broker_restarts_in_the_middle(site, broker):
    servers = stir(site.client())
    broker.restart()
    site.wait_ready()
    expect_recovery(site, servers)


@pytest.mark.parametrize('after_s', [0.1, 1.0])
def test_the_database_server_restarts_in_the_middle(site, database, after_s):
    servers = stir(site.client())
    time.sleep(after_s)
    database.restart()
    site.wait_ready()
    expect_recovery(site, servers)


def test_the_database_server_is_away_for_a_while(site, database):
    servers = stir(site.client())
    database.process.kill()
    database.process.wait()
    answer = site.client().call('GET', '/servers')
    assert answer.status_code == 503, answer.text
    time.sleep(3)
    database.start()
    site.wait_ready()
    expect_recovery(site, servers)


def test_a_lost_message_only_delays(site):
    client = site.client()
    site.stop('nova-conductor')
    begun = time.monotonic()
    uuid = client.boot('late', wait=None)['id']
    time.sleep(1)
    site.rabbitmqctl('-p', site.transport.rpartition('/')[2], 'purge_queue', 'conductor')
    site.start('nova-conductor')
    client.wait(uuid, 'ACTIVE')
    assert time.monotonic() - begun < 60
    assert client.call('DELETE', f'/servers/{uuid}').status_code == 204
    client.gone(uuid)
