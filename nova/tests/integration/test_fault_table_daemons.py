# SPDX-License-Identifier: Apache-2.0
"""Hosts that die in the middle of a move: separate daemons, two hosts, a RabbitMQ and a MariaDB of their own.

The rows say which host is killed (-9) while which call of the driver is under way, and what the server is once the
conductors have noticed.  The host comes back then, and nothing is left on it that belongs to nobody.
"""

import json

import pytest

from nova.tests import harness
from nova.tests.integration import private_servers

#: For the order of the groups of tests.
TAKES_S = 120

HOSTS = ('one', 'two')
_LIVE = ('os-migrateLive', {'host': None, 'block_migration': 'auto'})

#: action, request, who dies, statuses that are allowed then, statuses of the migration that are allowed then
ROWS = (
    ('resize', ('resize', {'flavorRef': '2'}), 'source', ('ACTIVE', 'ERROR', 'VERIFY_RESIZE'), ('error', 'finished')),
    ('resize', ('resize', {'flavorRef': '2'}), 'destination', ('ACTIVE', 'ERROR', 'VERIFY_RESIZE'),
     ('error', 'finished')),
    ('live migrate', _LIVE, 'source', ('ACTIVE',), ('error', 'completed', 'failed')),
    ('live migrate', _LIVE, 'destination', ('ACTIVE',), ('error', 'completed', 'failed')),
)


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp('hypervisors')
    settings = {'fake': {'state_file': directory / '%(host)s.json',
                         'delays': 'migrate_disk_and_power_off:3,finish_migration:3,pre_live_migration:3'},
                'DEFAULT': {'update_resources_interval': 5}}
    with private_servers.RabbitMQ() as broker, private_servers.MariaDB() as database:
        binaries = [binary for binary in harness.DAEMONS if binary != 'nova-compute']
        cloud = harness.Cloud.daemons(settings, database.url, broker.url, binaries=binaries)
        cloud.broker_environ, cloud.hypervisors = broker.environ, directory
        cloud.configs = {}
        cloud.wait_ready = lambda computes=0, timeout_s=60: harness.Cloud.wait_ready(cloud, computes, timeout_s)
        with cloud:
            cloud.manage('flavor', 'create', '--name', 'm1.big', '--id', '2', '--ram', '256', '--vcpus', '2', '--disk',
                         '2')
            for host in HOSTS:
                cloud.configs[host] = cloud.write_config(cloud.directory / f'{host}.conf', DEFAULT={'host': host})
                start(cloud, host)
            cloud.wait_ready(len(HOSTS))
            yield cloud


def start(cloud, host):
    cloud.start('nova-compute', config=cloud.configs[host], name=f'nova-compute-{host}')


def guests(cloud, uuid):
    """The hosts whose hypervisors have a guest of the server."""
    return sorted(path.stem for path in cloud.hypervisors.glob('*.json')
                  if uuid in json.loads(path.read_text())['guests'])


def settled(client, uuid):
    """The server, once nothing is going on with it."""
    def there():
        server = client.get(f'/servers/{uuid}')['server']
        return server if server['OS-EXT-STS:task_state'] is None else None
    return harness.wait_for(there, f'server {uuid} settled', timeout_s=90, every_s=0.3)


@pytest.mark.parametrize('action, request_, dies, ends, migrations', ROWS,
                         ids=lambda value: value if isinstance(value, str) else '')
def test_a_host_dies_on_the_way(site, action, request_, dies, ends, migrations):
    client = site.client()
    uuid = client.boot('moving')['id']
    source = client.get(f'/servers/{uuid}')['server']['OS-EXT-SRV-ATTR:host']
    victim = source if dies == 'source' else next(host for host in HOSTS if host != source)
    client.action(uuid, *request_)
    # The call that is slow is under way on the victim, or on the other side, by then.
    harness.wait_for(lambda: site.sql(f"SELECT id FROM migrations WHERE instance_uuid = '{uuid}' AND "
                                      "status IN ('migrating', 'post-migrating', 'preparing', 'running')"),
                     'the move begins', every_s=0.1)
    site.kill(f'nova-compute-{victim}')
    server = settled(client, uuid)
    assert server['status'] in ends
    (migration,) = client.get(f'/os-migrations?instance_uuid={uuid}')['migrations']
    assert migration['status'] in migrations
    assert site.leaks() == []
    start(site, victim)
    site.wait_ready(len(HOSTS))
    assert settled(client, uuid)['status'] in ends
    claims = {row['host'] for row in site.sql(f"SELECT host FROM claims WHERE instance_uuid = '{uuid}'")}
    shown = client.get(f'/servers/{uuid}')['server']
    assert shown['OS-EXT-SRV-ATTR:host'] in claims
    if shown['status'] != 'VERIFY_RESIZE':
        assert claims == {shown['OS-EXT-SRV-ATTR:host']}
    assert client.call('DELETE', f'/servers/{uuid}').status_code == 204
    client.gone(uuid)
    harness.wait_for(lambda: not guests(site, uuid), 'no guest left', 30, 0.3)
    assert site.leaks() == []
