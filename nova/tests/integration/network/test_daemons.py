# SPDX-License-Identifier: Apache-2.0
"""Addresses through separate daemons over RabbitMQ, where nova-network and nova-compute have no database."""

from nova.tests import harness
from nova.tests.functional import test_networks


def test_addresses_through_daemons():
    with harness.Cloud.daemons({'DEFAULT': {'fake_network': 'True'}}) as cloud:
        test_networks.a_life_with_addresses(cloud)


def test_a_build_waits_for_the_nova_network_that_is_starting():
    binaries = [name for name in harness.DAEMONS if name != 'nova-network']
    with harness.Cloud.daemons({'DEFAULT': {'fake_network': 'True'}}, binaries=binaries) as cloud:
        cloud.manage('network', 'create', '--label', 'private', '--cidr', '10.0.0.0/24')
        client = cloud.client()
        made = client.boot('early', wait=None, networks='auto')
        harness.wait_for(lambda: client.get(f'/servers/{made["id"]}')['server']['OS-EXT-STS:task_state'] ==
                         'networking', 'its build on a host')
        cloud.start('nova-network')
        assert client.wait(made['id'], 'ACTIVE')['addresses']['private']
        client.delete(made['id'])
        assert cloud.leaks() == []
        assert cloud.tracebacks() == []
