# SPDX-License-Identifier: Apache-2.0
"""Addresses and rules that change while the records are being read: what was read earlier does not come later."""

import threading

import pytest

from nova import objects
from nova.conf import CONF
from nova.network import api, bridges, gateways, linux_net
from nova.privsep import linux_net as root
from nova.tests import database as databases
from nova.tests.unit.network import test_addresses

#: Seconds for what happens meanwhile; it ends sooner, or waits for its turn.
_MEANWHILE_S = 0.5


@pytest.fixture
def meanwhile(monkeypatch):
    """meanwhile(owner, name, action): the first time that this is read, `action` happens before its answer arrives.

    Returns a function that waits until `action` has ended.
    """
    def arrange(owner, name, action):
        read, thread = getattr(owner, name), threading.Thread(target=action)

        def slowly(*args, **kwargs):
            found = read(*args, **kwargs)
            if thread.ident is None:
                thread.start()
                thread.join(_MEANWHILE_S)
            return found
        monkeypatch.setattr(owner, name, slowly)
        return thread.join
    return arrange


# nova-network --------------------------------------------------------------------------------------------------------

@pytest.fixture
def host(database):
    """The networks of host h1, of which nothing is on the machine."""
    CONF.set_override('fake_network', True)
    try:
        api.API().create(databases.admin(), 'private', '10.0.0.0/24', host='h1')
        found = gateways.Gateways('/nowhere/leases.sock')
        found.sync(of_host)
        yield found
    finally:
        CONF.clear_override('fake_network')


def of_host():
    return objects.NetworkList.of_host(databases.admin(), 'h1')


def given(found):
    return sorted(address for network in found.networks.values() for address in network['given'])


def test_an_address_that_comes_while_the_records_are_read_stays(host, meanwhile):
    def come():
        for each in test_addresses.allocate(test_addresses.a_server())['served']:
            host.give({'floating': [], 'leased': False, **each})
    ended = meanwhile(objects.NetworkList, 'of_host', come)
    host.sync(of_host)
    ended()
    assert given(host) == ['10.0.0.2']


def test_an_address_that_goes_while_the_records_are_read_does_not_come_back(host, meanwhile):
    server = test_addresses.a_server()
    test_addresses.allocate(server)
    host.sync(of_host)
    assert given(host) == ['10.0.0.2']

    def go():
        for each in objects.FixedIPList.deallocate_for_instance(databases.admin(), server.uuid)['served']:
            host.take_back(each)
    ended = meanwhile(objects.NetworkList, 'of_host', go)
    host.sync(of_host)
    ended()
    assert given(host) == []


# The filter ----------------------------------------------------------------------------------------------------------

@pytest.fixture
def firewall(database, monkeypatch):
    """A filter that gives the machine nothing; `ports(server)` is what it has of one."""
    monkeypatch.setattr(root, 'apply_nft', lambda lines: None)
    monkeypatch.setattr(bridges, 'ensure', lambda *bridge: None)
    monkeypatch.setattr(linux_net, 'choose_conntrack', lambda wanted: 'bridge')
    CONF.set_override('fake_network', False)
    CONF.set_override('host', 'h1')
    try:
        yield linux_net.Firewall()
    finally:
        CONF.clear_override('fake_network')
        CONF.clear_override('host')


@pytest.fixture
def server(database):
    """A server of host h1 with an interface, whose group `default` lets in SSH; (server, id of the rule)."""
    networks = api.API()
    networks.create(databases.admin(), 'private', '10.0.0.0/24')
    made = test_addresses.a_server(host='h1', security_groups=['default'])
    test_addresses.allocate(made, groups=['default'])
    made.refresh()
    (group,) = networks.security_groups.list(databases.member())
    return made, networks.security_groups.add_rule(databases.member(), group.id, 'tcp', 22, 22).id


def open_ports(firewall, server):
    """What the filter lets in on each interface of a server."""
    return [[rule.first for rule in port.rules] for port in firewall._ports.get(server.uuid, ())]


def refresh(firewall, server):
    linux_net.FirewallEndpoint(firewall).refresh(databases.admin(), [server.uuid])


def test_a_rule_that_is_removed_while_the_filter_is_made_is_not_in_it(firewall, server, meanwhile):
    server, rule_id = server

    def remove():
        api.API().security_groups.remove_rule(databases.member(), rule_id)
        refresh(firewall, server)
    ended = meanwhile(objects.SecurityGroupList, 'rules_for', remove)
    refresh(firewall, server)
    ended()
    assert open_ports(firewall, server) == [[]]


def test_an_interface_that_comes_while_its_server_is_looked_at_is_filtered(firewall, server, meanwhile):
    server, _rule_id = server
    (network,) = api.API().get_all(databases.admin())

    def attach():
        objects.FixedIPList.add_to_instance(databases.admin(), server.uuid, server.project_id, 'h1', network.uuid)
        firewall.apply(server, objects.Instance.get_by_uuid(databases.admin(), server.uuid).get_network_info())
    ended = meanwhile(objects.InstanceList, 'get_by_uuids', attach)
    refresh(firewall, server)
    ended()
    assert open_ports(firewall, server) == [[22], [22]]


def test_a_server_that_goes_while_it_is_looked_at_leaves_no_filter(firewall, server, meanwhile):
    server, _rule_id = server
    refresh(firewall, server)
    ended = meanwhile(objects.InstanceList, 'get_by_uuids', lambda: firewall.remove(server))
    refresh(firewall, server)
    ended()
    assert open_ports(firewall, server) == []
