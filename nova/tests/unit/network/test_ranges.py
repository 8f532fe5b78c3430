# SPDX-License-Identifier: Apache-2.0
"""What a new network and new floating addresses may be: what the host could not do is refused when it is asked for."""

import pytest

from nova import exception
from nova.network import api
from nova.objects import floating_ip
from nova.tests import database as databases


@pytest.fixture
def networks(database):
    return api.API()


@pytest.mark.parametrize('field, value', [
    ('bridge', 'br 0'), ('bridge', '../br0'), ('bridge', 'averylongbridgename'), ('bridge_interface', 'eth0; x'),
    ('mtu', 5), ('mtu', 70000), ('dns1', 'rubbish'), ('dns2', '10.0.0.0/8'), ('vlan', 0), ('vlan_start', 4095),
    ('vlan_start', 2 ** 70), ('cidr_v6', 'fd00:1::/96'), ('num_networks', -1)])
def test_a_value_that_no_host_could_use_is_refused_with_its_name(networks, field, value):
    with pytest.raises(exception.InvalidInput, match=field.removesuffix('_start')):
        networks.create(databases.admin(), 'private', **{'cidr': '10.0.0.0/24', field: value})
    assert networks.get_all(databases.admin()) == []


def test_networks_that_hosts_can_use(networks):
    made = networks.create(databases.admin(), 'private', '10.0.0.0/24', bridge='br-net.1_a', bridge_interface='eth0.10',
                           mtu=9000, dns1='9.9.9.9', dns2='2620:fe::fe', vlan_start=4094)
    assert (made.bridge, made.bridge_interface, made.mtu, made.vlan) == ('br-net.1_a', 'eth0.10', 9000, 4094)


@pytest.mark.parametrize('count, wide, ranges', [
    (1, 'fd00:1::/48', ['fd00:1::/64']), (2, 'fd00:1::/48', ['fd00:1::/64', 'fd00:1:0:1::/64']),
    (1, 'fd00:1::/64', ['fd00:1::/64'])])
def test_each_network_has_64_bits_for_what_guests_make_of_their_macs(networks, count, wide, ranges):
    made = networks.create_all(databases.admin(), 'private', '10.0.0.0/24', wide, num_networks=count)
    assert [network.cidr_v6 for network in made] == ranges
    assert {network.netmask_v6 for network in made} == {'64'}


def test_floating_addresses_are_of_ipv4(networks):
    with pytest.raises(exception.InvalidInput, match='ip_range'):
        floating_ip.range_of('fd00::/126')
