# SPDX-License-Identifier: Apache-2.0
"""Networks and addresses in the records, on SQLite; the races are in nova/tests/integration/network."""

import pytest
from oslo_utils import uuidutils

from nova import db, exception, objects
from nova.network import api, model
from nova.objects import fixed_ip
from nova.tests import database as databases


@pytest.fixture
def networks(database):
    return api.API()


def a_server(**values):
    """A new server, of a flavor of its own."""
    unique = uuidutils.generate_uuid()
    return databases.server(size=databases.flavor(name=unique, flavorid=unique), **values)


def make(networks, label='private', cidr='10.0.0.0/24', **values):
    return networks.create(databases.admin(), label, cidr, **values)


def allocate(server, requests=None, host='h1', groups=(), **more):
    return objects.FixedIPList.allocate_for_instance(databases.admin(), server.uuid, server.project_id, host, requests,
                                                     list(groups), **more)


def addresses(found):
    return [ip['address'] for ip in model.NetworkInfo.hydrate(found['network_info']).fixed_ips()]


def rows(context=None, **where):
    with db.session.reader(context or databases.admin()) as conn:
        table = db.networks.fixed_ips
        found = conn.execute(table.select().where(*(table.c[name] == value for name, value in where.items())))
        return found.mappings().all()


def of(*uuids, **more):
    return [{'network_id': uuid, 'address': None, 'tag': None, **more} for uuid in uuids]


# Networks ------------------------------------------------------------------------------------------------------------

def test_a_network_has_its_addresses_and_keeps_some_back(networks):
    made = make(networks, gateway='10.0.0.5', dhcp_server='10.0.0.6', allowed_start='10.0.0.4', allowed_end='10.0.0.9')
    found = rows(network_id=made.id)
    assert len(found) == 256
    assert [row['address'] for row in found if not row['reserved']] == [f'10.0.0.{last}' for last in (4, 7, 8, 9)]
    assert (made.netmask, made.broadcast, made.dhcp_start) == ('255.255.255.0', '10.0.0.255', '10.0.0.4')


@pytest.mark.parametrize('cidr', ['10.0.0.0/24', '10.0.0.128/25', '10.0.0.0/16'])
def test_networks_do_not_overlap(networks, cidr):
    make(networks)
    with pytest.raises(exception.Conflict, match=r'overlaps 10\.0\.0\.0/24 of network private'):
        make(networks, 'other', cidr)
    assert len(networks.get_all(databases.admin())) == 1


@pytest.mark.parametrize('values,words', [
    ({'cidr': 'rubbish'}, 'cidr'), ({'cidr': '10.0.0.0/31'}, 'cidr'), ({'cidr': '10.0.0.0/8'}, 'cidr'),
    ({'cidr': 'fd00::/64'}, 'cidr'), ({'gateway': '10.1.0.1'}, 'gateway'), ({'gateway': 'x'}, 'gateway'),
    ({'dhcp_server': '10.1.0.1'}, 'dhcp_server'),
    ({'allowed_start': '10.0.0.9', 'allowed_end': '10.0.0.3'}, 'allowed_end'),
    ({'fixed_cidr': '10.1.0.0/28'}, 'fixed_cidr'), ({'cidr_v6': '10.0.0.0/8'}, 'cidr_v6'),
    ({'network_size': 3, 'num_networks': 2}, 'network_size'), ({'num_networks': 9, 'network_size': 64}, 'num_networks'),
    ({'num_networks': 2, 'gateway': '10.0.0.1'}, 'gateway')])
def test_a_wrong_value_is_refused_with_its_name(networks, values, words):
    with pytest.raises(exception.InvalidInput, match=words):
        make(networks, **{'cidr': '10.0.0.0/24', **values})
    assert networks.get_all(databases.admin()) == []


def test_a_range_is_divided(networks):
    made = networks.create_all(databases.admin(), 'net', '10.0.0.0/24', num_networks=3, network_size=64)
    assert [(network.label, network.cidr) for network in made] == [
        ('net_0', '10.0.0.0/26'), ('net_1', '10.0.0.64/26'), ('net_2', '10.0.0.128/26')]


def test_a_network_that_servers_use_cannot_be_deleted(networks):
    made = make(networks)
    server = a_server()
    allocate(server)
    with pytest.raises(exception.NetworkInUse):
        networks.delete(databases.admin(), made.uuid)
    assert len(rows(network_id=made.id)) == 256
    objects.FixedIPList.deallocate_for_instance(databases.admin(), server.uuid)
    networks.delete(databases.admin(), made.uuid)
    assert rows(network_id=made.id) == []
    assert make(networks).cidr == made.cidr


def test_networks_of_others_are_not_there(networks):
    theirs = make(networks, project_id='theirs')
    with pytest.raises(exception.NetworkNotFound):
        networks.get(databases.member(), theirs.uuid)
    with pytest.raises(exception.NetworkNotFound):
        allocate(a_server(), of(theirs.uuid))


# Addresses -----------------------------------------------------------------------------------------------------------

def test_a_server_gets_an_interface_in_each_network(networks):
    one, two = make(networks, dns1='9.9.9.9', mtu=1400), make(networks, 'two', '10.0.1.0/24')
    server = a_server()
    found = allocate(server, hostname='web')
    assert addresses(found) == ['10.0.0.2', '10.0.1.2']
    vif = model.NetworkInfo.hydrate(found['network_info'])[0]
    assert vif['address'].startswith('fa:16:3e:')
    assert vif['devname'] == 'tap' + vif['id'][:11]
    assert (vif['network']['id'], vif['network']['bridge'], vif['network']['meta']['mtu']) == (one.uuid, 'br100', 1400)
    subnet = vif['network']['subnets'][0]
    assert (subnet['gateway']['address'], subnet['dns'][0]['address'], subnet['meta']['dhcp_server']) == (
        '10.0.0.1', '9.9.9.9', '10.0.0.1')
    assert [(each['address'], each['hostname'], each['default_route']) for each in found['served']] == [
        ('10.0.0.2', 'web', True), ('10.0.1.2', 'web', False)]
    assert objects.Instance.get_by_uuid(databases.admin(), server.uuid).network_info == found['network_info']
    assert {vif.network_id for vif in networks.get_vifs_by_instance(databases.admin(), server)} == {one.id, two.id}


def test_giving_again_answers_what_is_there(networks):
    make(networks)
    server = a_server()
    first = allocate(server, hostname='web')
    again = allocate(server, hostname='web')
    assert again['network_info'] == first['network_info']
    assert again['served'] == first['served']
    assert len(rows(instance_uuid=server.uuid)) == 1


def test_the_number_of_statements_is_small_and_does_not_grow_with_the_network(networks, statements):
    small, large = make(networks, cidr='10.0.0.0/28'), make(networks, 'large', '10.1.0.0/17')
    a_server()
    counts = []
    for network in (small, large):
        allocate(a_server(), of(network.uuid))      # makes the group `default`
        server = a_server()
        with statements() as ran:
            allocate(server, of(network.uuid))
        counts.append(len(ran))
    assert counts[0] == counts[1] <= 6, ran
    with statements() as ran:
        objects.FixedIPList.deallocate_for_instance(databases.admin(), server.uuid)
    assert len(ran) <= 7, ran


def test_an_address_rests_as_long_as_possible(networks):
    make(networks, cidr='10.0.0.0/29')
    server = a_server()
    seen = []
    for _ in range(6):
        seen += addresses(allocate(server))
        objects.FixedIPList.deallocate_for_instance(databases.admin(), server.uuid)
    assert seen == [f'10.0.0.{last}' for last in (2, 3, 4, 5, 6, 2)]


def test_when_there_is_none_left_nothing_is_given(networks):
    one, full = make(networks), make(networks, 'full', '10.0.1.0/30')
    allocate(a_server(), of(full.uuid))
    server = a_server()
    with pytest.raises(exception.NoMoreFixedIps, match='full'):
        allocate(server, of(one.uuid, full.uuid))
    assert rows(instance_uuid=server.uuid) == []
    assert networks.get_vifs_by_instance(databases.admin(), server) == []


def test_an_address_can_be_asked_for(networks):
    made = make(networks)
    assert addresses(allocate(a_server(), of(made.uuid, address='10.0.0.77'))) == ['10.0.0.77']
    for address, error in (('10.0.0.77', exception.FixedIpAlreadyInUse), ('10.0.0.1', exception.FixedIpAlreadyInUse),
                           ('10.9.0.1', exception.FixedIpNotFound)):
        with pytest.raises(error):
            allocate(a_server(), of(made.uuid, address=address))


def test_a_network_may_be_asked_for_twice(networks):
    made = make(networks)
    found = allocate(a_server(), of(made.uuid, made.uuid))
    assert addresses(found) == ['10.0.0.2', '10.0.0.3']
    assert len({vif['address'] for vif in found['network_info']}) == 2


def test_a_mac_that_somebody_has_is_not_given_again(networks, monkeypatch):
    make(networks)
    macs = iter(['fa:16:3e:00:00:01', 'fa:16:3e:00:00:01', 'fa:16:3e:00:00:02'])
    monkeypatch.setattr(fixed_ip, 'generate_mac', lambda: next(macs))
    found = [allocate(a_server())['network_info'][0]['address'] for _ in range(2)]
    assert found == ['fa:16:3e:00:00:01', 'fa:16:3e:00:00:02']


def test_taking_back_leaves_nothing_and_may_be_repeated(networks):
    make(networks)
    server = a_server()
    given = allocate(server)['served'][0]
    back = objects.FixedIPList.deallocate_for_instance(databases.admin(), server.uuid)
    assert [(each['address'], each['mac']) for each in back['served']] == [(given['address'], given['mac'])]
    assert objects.FixedIPList.deallocate_for_instance(databases.admin(), server.uuid) == {'served': [], 'let_in': []}
    assert networks.get_vifs_by_instance(databases.admin(), server) == []
    assert rows(allocated=True) == []
    assert objects.Instance.get_by_uuid(databases.admin(), server.uuid).get_network_info() == []


def test_one_more_address_and_one_less(networks):
    one, two = make(networks), make(networks, 'two', '10.0.1.0/24')
    server = a_server()
    first = allocate(server, of(one.uuid))
    more = objects.FixedIPList.add_to_instance(databases.admin(), server.uuid, server.project_id, 'h1', two.uuid)
    assert addresses(more) == ['10.0.0.2', '10.0.1.2']
    assert more['network_info'][0] == first['network_info'][0]
    less = objects.FixedIPList.remove_from_instance(databases.admin(), server.uuid, '10.0.0.2')
    assert addresses(less) == ['10.0.1.2']
    with pytest.raises(exception.FixedIpNotFound):
        objects.FixedIPList.remove_from_instance(databases.admin(), server.uuid, '10.0.0.2')


def test_in_a_network_of_all_hosts_the_gateway_is_the_servers_host(networks):
    make(networks, multi_host=True)
    for host in ('h1', 'h2'):
        objects.NetworkList.of_host(databases.admin(), host)
    servers = {host: model.NetworkInfo.hydrate(allocate(a_server(host=host), host=host)['network_info'])
               for host in ('h1', 'h2', 'h3')}
    gateways = {host: found[0]['network']['subnets'][0]['gateway']['address'] for host, found in servers.items()}
    assert gateways == {row['host']: row['address'] for row in rows(reserved=True) if row['host']}
    assert len(set(gateways.values())) == 3
    mine = objects.NetworkList.of_host(databases.admin(), 'h1')
    assert [(each['server'], [one['host'] for one in each['given']]) for each in mine] == [(gateways['h1'], ['h1'])]


def test_a_network_belongs_to_the_first_host_that_takes_it(networks):
    make(networks)
    assert [network['host'] for network in objects.NetworkList.of_host(databases.admin(), 'h1')] == ['h1']
    assert objects.NetworkList.of_host(databases.admin(), 'h2') == []
    assert allocate(a_server(), host='h7')['served'][0]['server'] == 'h1'
    given = objects.NetworkList.of_host(databases.admin(), 'h1')[0]['given']
    assert [(each['address'], each['host'], each['hostname']) for each in given] == [('10.0.0.2', 'h7', 'server')]


def test_ipv6_addresses_follow_from_the_mac(networks):
    make(networks, cidr_v6='fd00:1::/64')
    vif = model.NetworkInfo.hydrate(allocate(a_server())['network_info'])[0]
    mac = vif['address'].split(':')
    found = vif.fixed_ips()[1]['address']
    assert found.startswith('fd00:1::f816:3eff:fe')
    assert found.endswith(f'{int(mac[4] + mac[5], 16):x}')


def test_addresses_of_servers_that_are_gone_are_found(networks):
    make(networks)
    server = a_server()
    allocate(server)
    assert objects.FixedIPList.get_orphans(databases.admin()) == []
    objects.Instance.get_by_uuid(databases.admin(), server.uuid).destroy()
    assert objects.FixedIPList.get_orphans(databases.admin()) == [server.uuid]


# What the API asks before a server is made ---------------------------------------------------------------------------

def test_how_many_servers_fit(networks):
    make(networks, cidr='10.0.0.0/29')
    context = databases.member()
    assert networks.validate_networks(context, None, 3) == 3
    assert networks.validate_networks(context, None, 9) == 5
    made = networks.get_all(context)[0]
    twice = api.requested([{'uuid': made.uuid}, {'uuid': made.uuid}])
    assert networks.validate_networks(context, twice, 9) == 2
    for _ in range(5):
        allocate(a_server())
    with pytest.raises(exception.NoMoreFixedIps):
        networks.validate_networks(context, None, 1)


@pytest.mark.parametrize('asked,count,error', [
    ([{'uuid': '00000000-0000-0000-0000-000000000000'}], 1, exception.NetworkNotFound),
    ([{'port': '00000000-0000-0000-0000-000000000000'}], 1, exception.InvalidInput),
    ([{'uuid': 'private', 'fixed_ip': '10.0.0.1'}], 1, exception.FixedIpAlreadyInUse),
    ([{'uuid': 'private', 'fixed_ip': '10.3.0.1'}], 1, exception.InvalidInput),
    ([{'uuid': 'private', 'fixed_ip': '10.0.0.9'}], 2, exception.InvalidInput),
    ('auto', 1, exception.NetworkAmbiguous)])
def test_what_cannot_be_is_refused(networks, asked, count, error):
    made = make(networks)
    make(networks, 'two', '10.0.1.0/24')
    if isinstance(asked, list):
        asked = [{**item, 'uuid': made.uuid} if item.get('uuid') == 'private' else item for item in asked]
    with pytest.raises(error):
        networks.validate_networks(databases.member(), api.requested(asked), count)


def test_without_networks_nobody_is_asked(networks):
    server = a_server()
    for word in (None, 'auto', 'none'):
        assert networks.allocate_for_instance(databases.admin(), server, api.requested(word), []) == []
    assert networks.validate_networks(databases.member(), None, 5) == 5


# Leases and floating addresses ---------------------------------------------------------------------------------------

def test_leases_are_noted_of_given_addresses_only(networks):
    make(networks)
    allocate(a_server())
    objects.FixedIPList.set_leased(databases.admin(), {'10.0.0.2': True, '10.0.0.3': True})
    assert [row['address'] for row in rows(leased=True)] == ['10.0.0.2']
    objects.FixedIPList.set_leased(databases.admin(), {'10.0.0.2': False})
    assert rows(leased=True) == []


def test_a_floating_address_is_taken_bound_and_given_back(networks):
    make(networks)
    server = a_server()
    allocate(server)
    server.refresh()
    context = databases.member()
    assert networks.create_floating_ips(databases.admin(), '192.0.2.0/30') == 2
    floating = networks.allocate_floating_ip(context)
    assert (floating.address, floating.project_id) == ('192.0.2.1', 'project')
    networks.associate_floating_ip(context, server, floating.address)
    server.refresh()
    assert [ip['address'] for ip in server.get_network_info().floating_ips()] == ['192.0.2.1']
    assert networks.get_floating_ip(context, floating.id).fixed_address == '10.0.0.2'
    objects.NetworkList.of_host(databases.admin(), 'h1')
    assert objects.NetworkList.of_host(databases.admin(), 'h1')[0]['given'][0]['floating'] == '192.0.2.1'
    networks.associate_floating_ip(context, server, floating.address)       # bound anew
    assert networks.get_floating_ip(context, floating.id).fixed_address == '10.0.0.2'
    with pytest.raises(exception.NotFound):
        networks.get_floating_ip_by_address(databases.member('other'), floating.address)
    networks.release_floating_ip(context, floating.address)
    server.refresh()
    assert server.get_network_info().floating_ips() == []
    assert networks.get_floating_ips(context) == []


def test_a_floating_address_that_was_given_back_meanwhile_stays_with_its_next_owner(networks):
    make(networks)
    server = a_server()
    allocate(server)
    server.refresh()
    networks.create_floating_ips(databases.admin(), '192.0.2.1/32')
    address = networks.allocate_floating_ip(databases.member('first')).address
    stale = networks.get_floating_ip_by_address(databases.member('first'), address)
    networks.release_floating_ip(databases.member('first'), address)
    owner = databases.member()
    assert networks.allocate_floating_ip(owner).address == address
    with pytest.raises(exception.NotFound):
        stale.deallocate()
    with pytest.raises(exception.Conflict):
        stale.associate('10.0.0.2', None)
    networks.associate_floating_ip(owner, server, address)
    stale.disassociate()
    with pytest.raises(exception.NotFound):
        stale.deallocate()
    mine = networks.get_floating_ip_by_address(owner, address)
    assert (mine.project_id, mine.instance_uuid) == ('project', server.uuid)
    with pytest.raises(exception.Conflict):
        mine.deallocate()


def test_reserving_an_address(networks):
    make(networks)
    found = networks.get_fixed_ip_by_address(databases.admin(), '10.0.0.2')
    found.reserve()
    assert addresses(allocate(a_server())) == ['10.0.0.3']
    with pytest.raises(exception.FixedIpAlreadyInUse):
        networks.get_fixed_ip_by_address(databases.admin(), '10.0.0.3').reserve()
    found.reserve(False)
    assert addresses(allocate(a_server())) == ['10.0.0.2']
