# SPDX-License-Identifier: Apache-2.0
"""Servers that move between hosts: who serves their addresses, and what their host is told of that."""

import pytest

from nova import objects
from nova.network import api
from nova.tests import database as databases
from nova.tests.unit.network import test_addresses


class Bells:
    """Who was told to look at its networks."""

    def __init__(self):
        self.told = []

    def setup_networks(self, context, server=None):
        self.told.append(server)


@pytest.fixture
def networks(database):
    found = api.API()
    found.__dict__['rpcapi'] = Bells()
    return found


def subnet_of(server):
    return server.get_network_info()[0]['network']['subnets'][0]


def moved(networks, **network):
    """A server of h1 that has come to h2, as who moved it has it; and how it was."""
    networks.create(databases.admin(), 'private', '10.0.0.0/24', cidr_v6='fd00:1::/64', **network)
    server = test_addresses.a_server(host='h1')
    test_addresses.allocate(server)
    server.refresh()
    before = server.get_network_info()
    migration = objects.Migration(databases.admin(), source_compute='h1', dest_compute='h2')
    networks.migrate_instance_finish(databases.admin(), server, migration)
    return server, before


def test_in_a_network_of_all_hosts_the_new_host_is_gateway_and_dhcp_server(networks):
    server, before = moved(networks, multi_host=True)
    (mine,) = objects.NetworkList.of_host(databases.admin(), 'h2')
    assert [each['address'] for each in mine['given']] == ['10.0.0.2']
    told = subnet_of(server)
    assert (told['gateway']['address'], told['meta']['dhcp_server']) == (mine['server'], mine['server'])
    assert mine['server'] != before[0]['network']['subnets'][0]['meta']['dhcp_server']
    assert [ip['address'] for ip in server.get_network_info().fixed_ips()] == [
        ip['address'] for ip in before.fixed_ips()]
    assert sorted(networks.rpcapi.told) == ['h1', 'h2']
    # and so it is in the records, for those who read them later
    assert objects.Instance.get_by_uuid(databases.admin(), server.uuid).get_network_info() == \
        server.get_network_info()


def test_doing_it_again_changes_nothing(networks):
    server, _before = moved(networks, multi_host=True)
    there = server.get_network_info()
    migration = objects.Migration(databases.admin(), source_compute='h1', dest_compute='h2')
    networks.migrate_instance_finish(databases.admin(), server, migration)
    assert server.get_network_info() == there
    assert len(networks.rpcapi.told) == 2


@pytest.mark.parametrize('values', [{}, {'multi_host': True, 'share_address': True}])
def test_elsewhere_the_gateway_is_the_same_everywhere(networks, values):
    server, before = moved(networks, **values)
    assert server.get_network_info() == before


def test_floating_addresses_stay_bound(networks):
    networks.create(databases.admin(), 'private', '10.0.0.0/24', multi_host=True)
    server = test_addresses.a_server(host='h1')
    test_addresses.allocate(server)
    server.refresh()
    networks.create_floating_ips(databases.admin(), '192.0.2.1/32')
    floating = networks.allocate_floating_ip(databases.member())
    networks.associate_floating_ip(databases.member(), server, floating.address)
    server.refresh()
    migration = objects.Migration(databases.admin(), source_compute='h1', dest_compute='h2')
    networks.migrate_instance_finish(databases.admin(), server, migration)
    assert [ip['address'] for ip in server.get_network_info().floating_ips()] == ['192.0.2.1']
