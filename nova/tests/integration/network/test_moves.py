# SPDX-License-Identifier: Apache-2.0
"""Guests that come to another host, with real DHCP servers and packet filters."""

from nova.tests.integration.network import namespaces


def test_a_guest_that_moves_in_a_network_of_all_hosts_gets_its_address_from_the_new_host(site):
    hosts = h1, h2 = [site.host(name, flat_interface='eth8', multi_host=True, allow_same_net_traffic=False)
                      for name in ('h1', 'h2')]
    site.join(*hosts)
    h1.do("network = api.create(context, 'private', '10.0.0.0/24'); service.manager.setup_networks(context)")
    h2.do('manager.setup_networks(context)')
    uuid, (vif,) = h1.boot()
    guest = site.guest(h1, vif)
    was = guest.dhcp()
    guest.unplug()
    h1.do(f"firewall.remove(objects.Instance.get_by_uuid(context, {uuid!r}))")

    # as nova-compute on h2 does when a resize arrives there
    h2.do(f'''
server = objects.Instance.get_by_uuid(context, {uuid!r})
migration = objects.Migration(context, source_compute='h1', dest_compute='h2')
api.migrate_instance_finish(context, server, migration)
firewall.apply(server, server.get_network_info())
''')
    h1.do('manager.setup_networks(context)')
    h2.do('manager.setup_networks(context)')
    guest = site.guest(h2, vif)
    got = guest.dhcp()
    assert got is not None
    assert got['ip'] == was['ip']
    assert got['router'] == got['serverid'] != was['serverid']
    assert guest.reaches(got['router'])
    namespaces.wait_for(lambda: was['ip'] not in str(h1.do('manager.gateways.leases()')), 'lease of the old host gone')
