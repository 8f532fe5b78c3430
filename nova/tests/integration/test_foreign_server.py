# SPDX-License-Identifier: Apache-2.0
"""The APIs inside a WSGI server that is not ours: real threads, a server created and deleted through RabbitMQ."""

import os
import subprocess
import sys

import pytest
import requests

from nova.tests import harness

#: A server with threads, out of the standard library.
SERVE = '''
import socketserver, sys, wsgiref.simple_server
from nova.wsgi.{module} import application
class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True
wsgiref.simple_server.make_server('127.0.0.1', int(sys.argv[1]), application, Server).serve_forever()
'''


@pytest.fixture(scope='module')
def site():
    binaries = ('nova-conductor', 'nova-scheduler', 'nova-compute', 'nova-network')
    cloud = harness.Cloud.daemons({'metadata': {'use_forwarded_for': True}}, binaries=binaries)
    foreign = []
    ready, cloud.wait_ready = cloud.wait_ready, lambda: None
    try:
        with cloud:
            for module, port in (('osapi_compute', cloud.port), ('metadata', cloud.metadata_port)):
                log = (cloud.directory / 'log' / f'{module}.out').open('ab')
                foreign.append(subprocess.Popen(
                    [sys.executable, '-W', 'ignore', '-c', SERVE.format(module=module), str(port)], stdout=log,
                    stderr=log, cwd=harness.ROOT,
                    env={**os.environ, 'OS_NOVA_CONFIG_FILES': str(cloud.config), 'PYTHONPATH': str(harness.ROOT)}))
                log.close()
            ready()
            yield cloud
            assert not cloud.tracebacks()
    finally:
        for process in foreign:
            process.terminate()
            process.wait(20)


def test_a_server_lives(site):
    client = site.client()
    site.manage('network', 'create', '--label', 'lan', '--cidr', '10.7.0.0/24')
    server = client.boot('foreign', networks='auto')
    client.action(server['id'], 'os-stop')
    client.wait(server['id'], 'SHUTOFF')
    address = server['addresses']['lan'][0]['addr']
    answer = requests.get(f'http://127.0.0.1:{site.metadata_port}/openstack/latest/meta_data.json', timeout=20,
                          headers={'X-Forwarded-For': address})
    assert answer.json()['uuid'] == server['id']
    assert client.call('DELETE', f'/servers/{server["id"]}').status_code == 204
    client.gone(server['id'])
    harness.wait_for(lambda: not site.leaks(), f'nothing left, but {site.leaks()}')


def test_it_is_the_same_api(site):
    client = site.client()
    base = f'http://127.0.0.1:{site.port}'
    assert client.call('GET', base).json()['versions'][1]['version'] == harness.LATEST
    assert client.call('GET', f'{base}/healthcheck').status_code == 200
    assert 'nova_http_requests_total' in client.call('GET', f'{base}/metrics').text
    assert client.call('GET', '/servers', headers={'X-Auth-Token': ''}).status_code == 401
