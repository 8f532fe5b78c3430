# SPDX-License-Identifier: Apache-2.0
"""What the host refuses once: nothing counts as done that was not, and the next try is one."""

import pytest
from oslo_concurrency import processutils

from nova.conf import CONF
from nova.network import api, bridges, linux_net
from nova.privsep import linux_net as root
from nova.tests import database as databases
from nova.tests.unit.network import test_addresses


class Kernel:
    """A packet filter that can be told to refuse."""

    def __init__(self):
        self.refuses = False
        self.lines = []

    def apply(self, lines, check_only=False):
        if self.refuses:
            raise processutils.ProcessExecutionError(stderr='Operation not supported')
        if not check_only:
            self.lines += lines

    def filters(self, device):
        return any(f'"{device}" : jump' in line for line in self.lines)


@pytest.fixture
def kernel(database, monkeypatch):
    found = Kernel()
    monkeypatch.setattr(root, 'apply_nft', found.apply)
    monkeypatch.setattr(bridges, 'ensure', lambda *bridge: None)
    for name, value in (('fake_network', False), ('host', 'h1'), ('bridge_conntrack', 'bridge')):
        CONF.set_override(name, value)
    yield found
    for name in ('fake_network', 'host', 'bridge_conntrack'):
        CONF.clear_override(name)


@pytest.fixture
def server(kernel):
    api.API().create(databases.admin(), 'private', '10.0.0.0/24')
    made = test_addresses.a_server(host='h1', security_groups=['default'])
    test_addresses.allocate(made, groups=['default'])
    made.refresh()
    return made


def device_of(server):
    return server.get_network_info()[0]['devname']


def test_a_server_that_could_not_be_filtered_is_refused_the_next_time_too(kernel, server):
    firewall = linux_net.Firewall()
    kernel.refuses = True
    for _ in range(2):
        with pytest.raises(linux_net.FirewallUnavailable):
            firewall.apply(server, server.get_network_info())


def test_a_filter_that_was_refused_is_made_the_next_time(kernel, server):
    firewall = linux_net.Firewall()
    other = test_addresses.a_server(host='h1', security_groups=['default'])
    test_addresses.allocate(other, groups=['default'])
    other.refresh()
    firewall.apply(other, other.get_network_info())
    kernel.refuses = True
    with pytest.raises(linux_net.FirewallUnavailable):
        firewall.apply(server, server.get_network_info())
    kernel.refuses = False
    firewall.apply(server, server.get_network_info())
    assert kernel.filters(device_of(server))


def test_a_filter_that_was_refused_at_start_is_made_the_next_time(kernel, server):
    firewall = linux_net.Firewall()
    kernel.refuses = True
    with pytest.raises(linux_net.FirewallUnavailable):
        firewall.sync([server])
    kernel.refuses = False
    firewall.apply(server, server.get_network_info())
    assert kernel.filters(device_of(server))


def test_rules_that_were_refused_do_not_keep_other_servers(kernel, server):
    firewall = linux_net.Firewall()
    firewall.apply(server, server.get_network_info())
    networks = api.API()
    (group,) = networks.security_groups.list(databases.member())
    networks.security_groups.add_rule(databases.member(), group.id, 'tcp', 22, 22)
    kernel.refuses = True
    with pytest.raises(linux_net.FirewallUnavailable):
        firewall.apply(server, server.get_network_info())
    kernel.refuses = False
    kernel.lines.clear()
    firewall.apply(server, server.get_network_info())
    assert any('tcp dport 22 accept' in line for line in kernel.lines)
