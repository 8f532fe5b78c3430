# SPDX-License-Identifier: Apache-2.0
"""Real bridges, dnsmasq, NAT and packet filters, with guests that are network namespaces."""

import os
import subprocess
import sys

import pytest

from nova.tests.integration.network import namespaces

NETWORK = "network = api.create(context, 'private', '10.0.0.0/24', mtu=1400); service.manager.setup_networks(context)"
RULE = '''
groups = [group for group in api.security_groups.list(database.member({project!r})) if group.name == {group!r}]
rule = api.security_groups.add_rule(database.member({project!r}), groups[0].id, {rule})
rule.id
'''


@pytest.fixture
def host(site):
    found = site.host('h1')
    found.do(NETWORK)
    return found


def leased(host):
    return host.do("sorted(each['address'] for network in objects.NetworkList.of_host(context, 'h1') "
                   "for each in network['given'] if each['leased'])")


def let_in(host, rule, project='project', group='default'):
    return host.do(RULE.format(project=project, group=group, rule=rule))


# A guest's life ------------------------------------------------------------------------------------------------------

def test_a_guest_gets_its_address_and_metadata_and_leaves_nothing(site, host):
    before = host.files(), host.devices()
    uuid, (vif,) = host.boot('web')
    guest = site.guest(host, vif)
    got = guest.dhcp()
    assert (got['ip'], got['router'], got['mtu'], got['domain']) == (guest.address, '10.0.0.1', '1400', 'novalocal')
    assert guest.reaches('10.0.0.1')
    namespaces.wait_for(lambda: leased(host) == [guest.address], 'lease in the records')
    host.serves(8775, 'metadata')
    assert guest.connects('169.254.169.254', 80) == f'metadata {guest.address}'
    assert 'tap' in host.ruleset()

    host.delete(uuid)
    guest.unplug()
    assert 'tap' not in host.ruleset()
    assert guest.address not in host.ruleset()
    assert (host.files(), host.devices()) == before
    assert host.do('manager.gateways.leases()') == {}
    assert host.do("[vif.address for vif in objects.VirtualInterfaceList.get_by_instance_uuid(context, "
                   f"{uuid!r})]") == []


def test_an_address_that_is_given_again_goes_to_its_new_owner(site):
    host = site.host('h1')
    host.do("api.create(context, 'tiny', '10.0.0.0/30'); manager.setup_networks(context)")
    for turn in range(3):
        uuid, (vif,) = host.boot(f'turn{turn}')
        guest = site.guest(host, vif)
        assert guest.dhcp()['ip'] == '10.0.0.2'
        host.delete(uuid)
        guest.unplug()


def test_a_stranger_gets_no_address(site, host):
    _, (vif,) = host.boot()
    guest = site.guest(host, vif)
    host.run('nft', 'delete', 'table', 'bridge', 'nova_compute')
    guest.run('ip', 'link', 'set', 'eth0', 'address', 'fa:16:3e:ff:ff:ff')
    assert guest.dhcp(tries=2) is None


def test_only_the_first_interface_has_the_way_out(site, host):
    host.do("api.create(context, 'second', '10.0.1.0/24', bridge='br101'); manager.setup_networks(context)")
    _, vifs = host.boot()
    first, second = (site.guest(host, vif) for vif in vifs)
    assert first.dhcp()['router'] == '10.0.0.1'
    got = second.dhcp()
    assert (got['ip'], got['router']) == ('10.0.1.2', '')


def test_guests_see_the_world_under_the_hosts_address_and_it_does_not_see_them(site, host):
    outside = site.outside(host)
    outside.run('ip', 'route', 'add', '10.0.0.0/24', 'via', '198.51.100.1')
    _, (vif,) = host.boot()
    guest = site.guest(host, vif)
    guest.dhcp()
    outside.serves(80, 'world')
    guest.serves(80, 'guest')
    assert guest.connects('198.51.100.2', 80) == 'world 198.51.100.1'
    assert guest.reaches('198.51.100.2')
    assert outside.connects(guest.address, 80) is None
    assert not outside.reaches(guest.address)


def test_names_of_addresses_are_answered(site):
    host = site.host('h1')
    host.do(NETWORK)
    _, (vif,) = host.boot()
    guest = site.guest(host, vif)
    guest.dhcp()
    host.do("""
from nova.objects import dns
dns.DNSDomain.put(context, 'example.org', 'public')
dns.DNSEntry.put(context, 'example.org', 'www', '203.0.113.7', 'A')
manager.setup_networks(context)
""")

    def answer():
        return guest.run('busybox', 'nslookup', 'www.example.org', '10.0.0.1', check=False).stdout

    namespaces.wait_for(lambda: '203.0.113.7' in answer(), 'the name is answered for', 20)
    host.do("""
from nova.objects import dns
dns.DNSEntry.get(context, 'example.org', 'www').destroy()
manager.setup_networks(context)
""")
    namespaces.wait_for(lambda: '203.0.113.7' not in answer(), 'the name is forgotten', 20)


def test_ipv6_by_router_announcements(site):
    host = site.host('h1')
    host.do("api.create(context, 'dual', '10.0.0.0/24', cidr_v6='fd00:1::/64'); manager.setup_networks(context)")
    uuid, (vif,) = host.boot()
    guest = site.guest(host, vif)
    guest.dhcp()
    address = vif['network']['subnets'][1]['ips'][0]['address']
    namespaces.wait_for(lambda: address in guest.run('ip', '-6', 'address', 'show', 'dev', 'eth0', '-tentative').stdout,
                        'IPv6 address', 20)
    namespaces.wait_for(lambda: guest.ok('ping', '-6', '-n', '-c', '1', '-W', '1', 'fd00:1::1'), 'the gateway answers')
    host.delete(uuid)


def test_the_helper_of_root_has_the_capabilities_for_all_of_it(site):
    host = site.host('h1', privsep_helper=os.path.join(os.path.dirname(sys.executable), 'privsep-helper'))
    host.do(NETWORK)
    uuid, (vif,) = host.boot()
    guest = site.guest(host, vif)
    assert guest.dhcp()
    assert guest.reaches('10.0.0.1')
    assert 'privsep-helper' in host.run('ps', '-o', 'args=', '-p', ','.join(host.pids())).stdout
    host.delete(uuid)
    guest.unplug()
    host.do("api.delete(context, network.uuid); manager.setup_networks(context)")
    assert (host.devices(), host.files(), host.dnsmasq()) == ([], [], {})


# What a guest may not do ---------------------------------------------------------------------------------------------

@pytest.fixture
def pair(site, host):
    """Two guests with addresses that reach each other."""
    guests = [site.guest(host, host.boot(name)[1][0], name) for name in ('a', 'b')]
    for guest in guests:
        assert guest.dhcp()
    assert guests[0].reaches(guests[1].address)
    return guests


def test_a_foreign_ip_address_is_dropped(host, pair):
    guest, other = pair
    guest.run('ip', 'address', 'add', '10.0.0.99/24', 'dev', 'eth0')
    for target in ('10.0.0.1', other.address):
        assert not guest.ok('ping', '-n', '-c', '2', '-i', '0.2', '-W', '1', '-I', '10.0.0.99', target)
        assert guest.reaches(target)


def test_a_foreign_mac_address_is_dropped(host, pair):
    guest, other = pair
    guest.run('ip', 'link', 'set', 'eth0', 'down')
    guest.run('ip', 'link', 'set', 'eth0', 'address', other.vif['address'])
    guest.run('ip', 'link', 'set', 'eth0', 'up')
    assert not guest.reaches('10.0.0.1')


def test_claiming_anothers_address_by_arp_is_dropped(host, pair):
    guest, other = pair
    guest.run('ip', 'address', 'add', f'{other.address}/32', 'dev', 'eth0')
    host.run('ip', 'neigh', 'flush', 'dev', 'br100')
    guest.run('busybox', 'arping', '-U', '-c', '3', '-w', '3', '-I', 'eth0', '-s', other.address, '10.0.0.1',
              check=False)
    assert guest.vif['address'] not in host.run('ip', 'neigh', 'show', other.address).stdout
    assert host.ok('ping', '-n', '-c', '1', '-W', '1', other.address)
    assert other.vif['address'] in host.run('ip', 'neigh', 'show', other.address).stdout


def test_a_guest_cannot_serve_dhcp(site, host, pair):
    rogue, victim = pair
    rogue.popen('dnsmasq', '--no-daemon', '--conf-file=', '--port=0', '--bind-interfaces', '--interface=eth0',
                '--dhcp-range=10.0.0.200,10.0.0.210', '--dhcp-authoritative', '--no-ping', '--leasefile-ro',
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    namespaces.wait_for(lambda: ':67 ' in rogue.run('ss', '-Hlun').stdout, 'rogue DHCP server')
    for _ in range(3):
        assert victim.dhcp()['serverid'] == '10.0.0.1'
    host.run('sh', '-c', f'kill -STOP {" ".join(host.dnsmasq())}')
    assert victim.dhcp(tries=2) is None


# Security groups -----------------------------------------------------------------------------------------------------

def test_rules_let_in_what_they_say_until_they_go(site, host):
    outside = site.outside(host)
    outside.run('ip', 'route', 'add', '10.0.0.0/24', 'via', '198.51.100.1')
    _, (vif,) = host.boot()
    guest = site.guest(host, vif)
    guest.dhcp()
    for port in (80, 81):
        guest.serves(port)
    rule = let_in(host, "'tcp', 80, 80, '198.51.100.0/24'")
    ping = let_in(host, "'icmp', 8, -1, '0.0.0.0/0'")
    namespaces.wait_for(lambda: outside.connects(guest.address, 80) == 'hello 198.51.100.2', 'the rule')
    assert outside.connects(guest.address, 81) is None
    assert outside.reaches(guest.address)
    host.do(f"[api.security_groups.remove_rule(database.member(), rule) for rule in ({rule}, {ping})]")
    namespaces.wait_for(lambda: outside.connects(guest.address, 80) is None, 'the end of the rule')
    assert not outside.reaches(guest.address)


def test_between_guests_of_a_network_groups_decide_if_the_site_says_so(site):
    host = site.host('h1', allow_same_net_traffic=False)
    host.do(NETWORK)
    host.do("api.security_groups.create(database.member(), 'web', 'x'); "
            "api.security_groups.create(database.member(), 'client', 'x')")
    _, (web_vif,) = host.boot('web', groups=['web'])
    web = site.guest(host, web_vif, 'web')
    client, stranger = (site.guest(host, host.boot(name, groups=[group])[1][0], name)
                        for name, group in (('client', 'client'), ('stranger', 'default')))
    for guest in (web, client, stranger):
        assert guest.dhcp()
    web.serves(80)
    assert client.connects(web.address, 80) is None
    groups = host.do("{group.name: group.id for group in api.security_groups.list(database.member())}")
    let_in(host, f"'tcp', 80, 80, group_id={groups['client']}", group='web')
    namespaces.wait_for(lambda: client.connects(web.address, 80) == f'hello {client.address}', 'the rule')
    assert stranger.connects(web.address, 80) is None
    assert not client.reaches(web.address)


def test_others_filters_change_with_the_members_of_a_group(site):
    host = site.host('h1', allow_same_net_traffic=False)
    host.do(NETWORK)
    host.do("""
refreshed = []
manager.firewalls.refresh = lambda context, servers: refreshed.extend(servers)
group = api.security_groups.create(database.member(), 'club', 'x')
api.security_groups.add_rule(database.member(), group.id, 'icmp', -1, -1, group_id=group.id)
""")
    first = host.boot(groups=['club'])[0]
    second = host.boot(groups=['club'])[0]
    assert host.do('refreshed') == [[first, 'h1']]
    host.do('api.firewalls.refresh = manager.firewalls.refresh')
    host.delete(second)
    assert host.do('refreshed') == [[first, 'h1']] * 2


def test_a_network_whose_dhcp_server_cannot_start_refuses_servers_and_the_others_work(site, host):
    host.run('ip', 'address', 'add', '10.0.5.1/32', 'dev', 'lo')
    host.popen('dnsmasq', '--no-daemon', '--conf-file=', '--bind-interfaces', '--listen-address=10.0.5.1',
               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    namespaces.wait_for(lambda: '10.0.5.1:53 ' in host.run('ss', '-Hltn').stdout, 'the other server')
    host.do("bad = api.create(context, 'bad', '10.0.5.0/24', bridge='br105')")
    host.kill()
    host.start()
    assert host.do('service.is_started')
    found = host.do("{each.label: each.uuid for each in api.get_all(context)}")
    with pytest.raises(RuntimeError, match='Address already in use'):
        host.boot(requested=[{'uuid': found['bad']}])
    _, (vif,) = host.boot(requested=[{'uuid': found['private']}])
    assert site.guest(host, vif).dhcp()


# Doing it again, and starting again ----------------------------------------------------------------------------------

def test_doing_it_again_changes_nothing(site, host):
    uuid, (vif,) = host.boot()
    guest = site.guest(host, vif)
    guest.dhcp()
    before = host.ruleset(), host.files(), host.dnsmasq(), host.run('ip', 'address').stdout
    monitor = host.popen('nft', 'monitor', stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        host.do('manager.setup_networks(context)')
        host.apply(uuid)
    assert (host.ruleset(), host.files(), host.dnsmasq(), host.run('ip', 'address').stdout) == before
    monitor.kill()
    assert monitor.communicate()[0] == ''


def test_a_start_repairs_what_is_missing_and_keeps_what_runs(site, host):
    uuid, (vif,) = host.boot()
    guest = site.guest(host, vif)
    guest.dhcp()
    before = host.ruleset(), host.files(), sorted(host.dnsmasq())
    host.kill()
    host.run('nft', 'flush', 'ruleset')
    host.run('ip', 'address', 'flush', 'dev', 'br100')
    host.start()
    host.do(f"firewall.sync([objects.Instance.get_by_uuid(context, {uuid!r})])")
    assert (host.ruleset(), host.files(), sorted(host.dnsmasq())) == before
    assert guest.dhcp()
    assert guest.reaches('10.0.0.1')
    host.delete(uuid)
    assert 'tap' not in host.ruleset()


def test_a_start_forgets_what_went_meanwhile(site, host):
    uuid, (vif,) = host.boot()
    guest = site.guest(host, vif)
    guest.dhcp()
    host.do(f"objects.FixedIPList.deallocate_for_instance(context, {uuid!r}); manager.gateways.leases()")
    host.kill()
    host.start()
    host.do('firewall.sync([])')
    assert host.do('manager.gateways.leases()') == {}
    assert not any('hosts/' in name for name in host.files())
    assert 'tap' not in host.ruleset()
    assert guest.dhcp(tries=2) is None


def test_an_address_that_was_given_back_before_a_start_goes_to_its_new_owner_after_it(site):
    host = site.host('h1')
    host.do("api.create(context, 'tiny', '10.0.0.0/30'); manager.setup_networks(context)")
    uuid, (vif,) = host.boot('old')
    guest = site.guest(host, vif)
    assert guest.dhcp()['ip'] == '10.0.0.2'
    host.delete(uuid)
    guest.unplug()
    host.kill()
    host.start()    # the DHCP server has run on, and knows the old owner
    _, (vif,) = host.boot('new')
    assert site.guest(host, vif).dhcp()['ip'] == '10.0.0.2'


def test_a_dhcp_server_that_died_is_started_again(site, host):
    _, (vif,) = host.boot()
    host.run('sh', '-c', f'kill -9 {" ".join(host.dnsmasq())}')
    host.do('manager.setup_networks(context)')
    assert len(host.dnsmasq()) == 1
    assert site.guest(host, vif).dhcp()


def test_a_dhcp_server_starts_when_the_one_before_has_let_go_of_its_address(site, host):
    """A process that was killed has its sockets a little longer than its name."""
    _, (vif,) = host.boot()
    host.run('sh', '-c', f'kill -9 {" ".join(host.dnsmasq())}')
    holds = host.popen(sys.executable, '-c', (
        'import socket, time\n'
        'with socket.socket() as held:\n'
        '    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n'
        '    held.bind(("0.0.0.0", 53))\n'
        '    held.listen()\n'
        '    print("held", flush=True)\n'
        '    time.sleep(1)'), stdout=subprocess.PIPE, text=True)
    with holds:
        assert holds.stdout.readline() == 'held\n'
        host.do('manager.setup_networks(context)')
    assert site.guest(host, vif).dhcp()


def test_a_network_that_is_deleted_leaves_nothing(site, host):
    host.do("firewall.sync([]); api.delete(context, network.uuid); manager.setup_networks(context)")
    assert host.devices() == []
    assert host.files() == []
    assert host.dnsmasq() == {}
    assert 'nova_network' not in host.ruleset()


def test_a_network_that_is_deleted_while_nova_network_is_down_goes_when_it_starts(site, host):
    host.do("objects.Network.get_by_uuid(context, network.uuid).destroy()")
    host.kill()
    host.start()
    assert (host.devices(), host.files(), host.dnsmasq()) == ([], [], {})


def test_floating_addresses_lead_to_a_guest_while_they_are_bound(site):
    host = site.host('h1', public_interface='eth9')
    outside = site.outside(host)
    host.do(NETWORK)
    uuid, (vif,) = host.boot()
    guest = site.guest(host, vif)
    guest.dhcp()
    guest.serves(80)
    outside.serves(80, 'world')
    let_in(host, "'tcp', 80, 80, '0.0.0.0/0'")
    host.apply(uuid)
    host.do(f"""
api.create_floating_ips(context, '198.51.100.200/32')
server = objects.Instance.get_by_uuid(context, {uuid!r})
floating = api.allocate_floating_ip(database.member())
api.associate_floating_ip(database.member(), server, floating.address)
manager.setup_networks(context)
""")
    assert outside.connects('198.51.100.200', 80) == 'hello 198.51.100.2'
    assert guest.connects('198.51.100.2', 80) == 'world 198.51.100.200'
    host.do("api.release_floating_ip(database.member(), floating.address); manager.setup_networks(context)")
    assert outside.connects('198.51.100.200', 80) is None
    assert '198.51.100.200' not in host.run('ip', 'address').stdout
    assert guest.connects('198.51.100.2', 80) == 'world 198.51.100.1'


# Several hosts -------------------------------------------------------------------------------------------------------

def test_one_nova_network_serves_guests_of_other_hosts(site):
    h1, h2 = site.host('h1', flat_interface='eth8'), site.host('h2', flat_interface='eth8')
    site.join(h1, h2)
    h1.do(NETWORK)
    # h2 runs no nova-network: its share of boot is bridge and filter
    uuid, (vif,) = h1.boot()
    h2.do("from nova.network import model; "
          f"server = objects.Instance.get_by_uuid(context, {uuid!r}); "
          "firewall.apply(server, server.get_network_info())")
    guest = site.guest(h2, vif)
    assert guest.dhcp()['serverid'] == '10.0.0.1'
    assert guest.reaches('10.0.0.1')


def test_each_host_serves_its_own_guests_of_a_network_of_all(site):
    hosts = [site.host(name, flat_interface='eth8', multi_host=True) for name in ('h1', 'h2')]
    site.join(*hosts)
    hosts[0].do(NETWORK)
    hosts[1].do('manager.setup_networks(context)')
    servers = {}
    guests = []
    for host in hosts:
        _, (vif,) = host.boot()
        guest = site.guest(host, vif)
        got = guest.dhcp()
        assert got['ip'] == guest.address
        assert got['router'] == got['serverid'] == vif['network']['subnets'][0]['gateway']['address']
        servers[host.host_name] = got['serverid']
        host.serves(8775, host.host_name)
        assert guest.connects('169.254.169.254', 80) == f'{host.host_name} {guest.address}'
        guests.append(guest)
    assert len(set(servers.values())) == 2
    assert guests[0].reaches(guests[1].address)
