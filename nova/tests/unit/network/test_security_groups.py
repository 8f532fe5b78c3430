# SPDX-License-Identifier: Apache-2.0
"""Security groups: what may be said, who is told, and what holds for a server."""

import pytest

from nova import exception, objects
from nova.network import api
from nova.network.security_group import rules
from nova.objects import security_group
from nova.tests import database as databases
from nova.tests.unit.network import test_addresses


@pytest.fixture
def told(database):
    """Who was told to look at its filter: [(server uuid, host)]."""
    return []


@pytest.fixture
def groups(told):
    networks = api.API()
    networks._refresh = lambda _context, servers: told.extend(tuple(server) for server in servers)
    networks.create(databases.admin(), 'private', '10.0.0.0/24', cidr_v6='fd00:1::/64')
    return networks.security_groups


def member_of(*names, host='h1'):
    server = test_addresses.a_server(host=host, security_groups=list(names))
    test_addresses.allocate(server, groups=names, host=host)
    server.refresh()
    return server


def rules_of(server):
    return objects.SecurityGroupList.rules_for(databases.admin(), [server.uuid]).get(server.uuid, [])


@pytest.mark.parametrize('said,stored', [
    (('TCP', '22', 22, None), ('tcp', 22, 22, '0.0.0.0/0', None)),
    (('udp', 1, 65535, '10.1.2.3/8'), ('udp', 1, 65535, '10.1.2.3/8', None)),
    (('icmp', 8, 0, '::/0'), ('icmp', 8, 0, '::/0', None)),
    (('icmp', None, None, None, 7), ('icmp', -1, -1, None, 7)),
    (('tcp', None, None, '10.0.0.0/8', 7), ('tcp', 1, 65535, None, 7)),
    ((None, None, None, None, 7), (None, None, None, None, 7))])
def test_a_rule_is_stored_as_it_will_be_shown(said, stored):
    assert tuple(rules.parse(*said).values()) == stored


@pytest.mark.parametrize('said,field', [
    (('gre', 1, 1, None), 'ip_protocol'), ((None, 1, 1, None), 'ip_protocol'), (('tcp', None, 1, None), 'from_port'),
    (('tcp', 0, 1, None), 'from_port'), (('tcp', 1, 65536, None), 'to_port'), (('tcp', 9, 8, None), 'to_port'),
    (('tcp', 'x', 8, None), 'from_port'), (('icmp', -2, 0, None), 'from_port'), (('icmp', 0, 256, None), 'to_port'),
    (('tcp', 1, 1, 'x'), 'cidr'), (('tcp', 1, 1, '10.0.0.1/0'), 'cidr'), (('tcp', 1, 1, '10.0.0.0/33'), 'cidr')])
def test_a_rule_that_makes_no_sense_is_refused_with_its_field(said, field):
    with pytest.raises(exception.InvalidInput, match=f'{field}: '):
        rules.parse(*said)


def test_default_is_made_at_first_touch_with_the_sites_rules(groups):
    objects.SecurityGroupDefaultRule.create(databases.admin(), {'protocol': 'tcp', 'from_port': 22, 'to_port': 22,
                                                                'cidr': '10.0.0.0/8'})
    found = groups.list(databases.member())
    assert [(group.name, [(rule.protocol, rule.from_port, rule.cidr) for rule in group.rules]) for group in found] == [
        ('default', [('tcp', 22, '10.0.0.0/8')])]
    server = member_of('default')
    assert rules_of(server) == [{'protocol': 'tcp', 'from_port': 22, 'to_port': 22, 'sources': ['10.0.0.0/8']}]


def test_groups_of_others_are_not_there(groups):
    mine = groups.create(databases.member(), 'web', 'for the web')
    for action in (groups.get, groups.delete):
        with pytest.raises(exception.SecurityGroupNotFound):
            action(databases.member('other'), mine.id)
    rule = groups.add_rule(databases.member(), mine.id, 'tcp', 80, 80)
    with pytest.raises(exception.SecurityGroupNotFound):
        groups.remove_rule(databases.member('other'), rule.id)
    theirs = groups.create(databases.member('other'), 'web', 'x')
    with pytest.raises(exception.SecurityGroupNotFound):
        groups.add_rule(databases.member(), mine.id, 'tcp', 80, 80, group_id=theirs.id)


def test_what_is_refused(groups):
    member = databases.member()
    made = groups.create(member, 'web', 'x')
    assert groups.create(member, ' web ', 'x').name == ' web '
    default = next(group for group in groups.list(member) if group.name == 'default')
    with pytest.raises(security_group.SecurityGroupExists):
        groups.create(member, 'web', 'x')
    for name, description in (('', 'x'), ('x', '  '), ('x' * 256, 'x')):
        with pytest.raises(exception.InvalidInput):
            groups.create(member, name, description)
    for action in (lambda: groups.delete(member, default.id), lambda: groups.update(member, default.id, 'x', 'x')):
        with pytest.raises(exception.InvalidInput, match='default'):
            action()
    groups.add_rule(member, made.id, 'tcp', 80, 80)
    with pytest.raises(security_group.SecurityGroupRuleExists):
        groups.add_rule(member, made.id, 'tcp', 80, 80, '0.0.0.0/0')
    member_of('web')
    with pytest.raises(security_group.SecurityGroupInUse):
        groups.delete(member, made.id)
    with pytest.raises(exception.SecurityGroupNotFound):
        test_addresses.allocate(test_addresses.a_server(), groups=['nobody'])


def test_limits_hold(groups):
    member = databases.member()
    objects.Quotas.set_limits(databases.admin(), {'security_groups': 2, 'security_group_rules': 1}, 'project')
    made = groups.create(member, 'one', 'x')
    with pytest.raises(security_group.SecurityGroupLimitExceeded):
        groups.create(member, 'two', 'x')
    groups.add_rule(member, made.id, 'tcp', 80, 80)
    with pytest.raises(security_group.SecurityGroupLimitExceeded):
        groups.add_rule(member, made.id, 'tcp', 81, 81)


def test_a_group_as_a_source_is_the_addresses_of_its_members(groups, told):
    member = databases.member()
    web, club = (groups.create(member, name, 'x') for name in ('web', 'club'))
    server = member_of('web')
    groups.add_rule(member, web.id, 'tcp', 80, 80, group_id=club.id)
    assert rules_of(server) == []
    other = member_of('club', host='h2')
    addresses = [ip['address'] for ip in other.get_network_info().fixed_ips()]
    assert len(addresses) == 2
    assert rules_of(server) == [{'protocol': 'tcp', 'from_port': 80, 'to_port': 80, 'sources': addresses}]
    assert objects.FixedIPList.deallocate_for_instance(databases.admin(), other.uuid)['let_in'] == [
        (server.uuid, 'h1')]
    assert rules_of(server) == []


def test_hosts_are_told_of_changes(groups, told):
    member = databases.member()
    web = groups.create(member, 'web', 'x')
    server = member_of('web')
    rule = groups.add_rule(member, web.id, 'tcp', 80, 80)
    groups.remove_rule(member, rule.id)
    assert told == [(server.uuid, 'h1')] * 2


def test_a_group_can_be_put_on_a_server_and_taken_off(groups, told):
    member = databases.member()
    web = groups.create(member, 'web', 'x')
    groups.add_rule(member, web.id, 'tcp', 80, 80)
    server = member_of('default')
    groups.add_to_server(member, server, 'web')
    assert objects.Instance.get_by_uuid(member, server.uuid).security_groups == ['default', 'web']
    assert [group.name for group in groups.of_server(member, server)] == ['default', 'web']
    assert [rule['from_port'] for rule in rules_of(server)] == [80]
    with pytest.raises(exception.InvalidInput):
        groups.add_to_server(member, server, 'web')
    groups.remove_from_server(member, server, 'web')
    assert rules_of(server) == []
    with pytest.raises(exception.InvalidInput):
        groups.remove_from_server(member, server, 'web')
    with pytest.raises(exception.SecurityGroupNotFound):
        groups.add_to_server(member, server, 'nobody')
    assert told == [(server.uuid, 'h1')] * 2
