# SPDX-License-Identifier: Apache-2.0
"""One thing on a real host that fails, or a service that is killed in the middle, keeps nothing else."""

from nova.tests.integration.network import namespaces

NETWORK = "network = api.create(context, 'private', '10.0.0.0/24'); service.manager.setup_networks(context)"
#: Compare host and records; a failure is logged by nova-network, and expected here.
TRY = '''
import contextlib
with contextlib.suppress(Exception):
    manager.setup_networks(context)
'''


def bind(host, uuid, address, interface):
    host.do(f'''
api.create_floating_ips(context, '{address}/32', interface={interface!r})
server = objects.Instance.get_by_uuid(context, {uuid!r})
api.allocate_floating_ip(database.member())
api.associate_floating_ip(database.member(), server, '{address}')
''')


def test_a_floating_address_whose_device_is_missing_does_not_keep_the_others(site):
    host = site.host('h1', public_interface='eth9')
    outside = site.outside(host)
    host.do(NETWORK)
    uuid, (vif,) = host.boot()
    guest = site.guest(host, vif)
    guest.dhcp()
    host.serves(8775, 'metadata')
    outside.serves(80, 'world')
    bind(host, uuid, '198.51.100.9', 'missing0')
    host.do(TRY)
    other, (vif,) = host.boot('other')
    second = site.guest(host, vif, 'second')
    second.dhcp()
    bind(host, other, '198.51.100.200', 'eth9')
    host.do(TRY)
    assert second.connects('198.51.100.2', 80) == 'world 198.51.100.200'
    host.kill()
    host.start()
    assert '198.51.100.200' in host.run('ip', 'address').stdout
    host.run('nft', 'delete', 'table', 'inet', 'nova_network')
    host.do(TRY)
    assert guest.connects('169.254.169.254', 80) == f'metadata {guest.address}'


def test_a_floating_address_that_a_killed_service_put_there_goes_when_it_is_bound_no_more(site):
    host = site.host('h1', public_interface='eth9')
    site.outside(host)
    host.do(NETWORK)
    uuid, _vifs = host.boot()
    host.do('''
import os
from nova.privsep import linux_net as root
add = root.add_address
def add_and_die(device, address):
    add(device, address)
    if address.startswith('198'):
        os._exit(9)
root.add_address = add_and_die
''')
    try:
        bind(host, uuid, '198.51.100.200', 'eth9')
        host.do('manager.setup_networks(context)')
    except (RuntimeError, OSError):
        pass    # as planned
    host.kill()
    assert '198.51.100.200' in host.run('ip', 'address').stdout
    other = site.host('other')      # only to reach the records
    other.do("api.release_floating_ip(database.member(), '198.51.100.200')")
    host.start()
    namespaces.wait_for(lambda: '198.51.100.200' not in host.run('ip', 'address').stdout, 'address gone')


def test_a_network_with_a_name_that_is_no_devices_does_not_keep_the_others(site):
    host = site.host('h1')
    host.do('''
from nova.network import ranges
planned = ranges.plan('wrong', '10.9.0.0/24', enable_dhcp=True, multi_host=False, bridge='br0')
objects.NetworkList.create(context, [{**planned[0], 'bridge': 'br/0'}])
''')
    host.do(f"network = api.create(context, 'private', '10.0.0.0/24'){TRY}")
    host.kill()
    host.start()
    _, (vif,) = host.boot(requested=[{'uuid': host.do("[each.uuid for each in api.get_all(context) "
                                                      "if each.label == 'private'][0]")}])
    assert site.guest(host, vif).dhcp()['ip'] == '10.0.0.2'


def test_a_network_with_a_wide_ipv6_range_has_a_dhcp_server(site):
    host = site.host('h1')
    host.do("network = api.create(context, 'private', '10.0.0.0/24', cidr_v6='fd00:1::/48'); "
            "manager.setup_networks(context)")
    _, (vif,) = host.boot()
    guest = site.guest(host, vif)
    assert guest.dhcp()['ip'] == '10.0.0.2'
    address = vif['network']['subnets'][1]['ips'][0]['address']
    namespaces.wait_for(lambda: address in guest.run('ip', '-6', 'address').stdout, 'IPv6 address')
