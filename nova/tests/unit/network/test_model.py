# SPDX-License-Identifier: Apache-2.0
"""The network model survives being stored and sent, and answers what drivers ask."""

from nova.network import model


def make():
    subnet = model.Subnet(cidr='10.0.0.0/24', gateway=model.IP('10.0.0.1', 'gateway'),
                          ips=[model.FixedIP(address='10.0.0.2', floating_ips=[model.IP('192.0.2.1', 'floating')])],
                          routes=[model.Route('0.0.0.0/0', model.IP('10.0.0.1'))], dhcp_server='10.0.0.1')
    return model.NetworkInfo([model.VIF(id='v', address='fa:16:3e:00:00:01', type='bridge', network=model.Network(
        id='n', bridge='br100', label='private', subnets=[subnet], mtu=1400), tag='nic1')])


def test_hydrated_it_is_the_same():
    for stored in (make().json(), make().plain()):
        found = model.NetworkInfo.hydrate(stored)
        assert found == make()
        assert found[0]['network']['subnets'][0]['routes'][0]['gateway'].is_in_subnet(found[0]['network']['subnets'][0])
        assert (type(found[0]), type(found.fixed_ips()[0])) == (model.VIF, model.FixedIP)


def test_plain_is_dicts_and_lists_alone():
    def types(value):
        yield type(value)
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from types(each)
    assert set(types(make().plain())) <= {dict, list, str, int, bool, type(None)}


def test_addresses():
    vif = make()[0]
    assert [ip['address'] for ip in vif.fixed_ips()] == ['10.0.0.2']
    assert [ip['address'] for ip in make().floating_ips()] == ['192.0.2.1']
    labeled = vif.labeled_ips()
    assert labeled['network_label'] == 'private'
    assert [ip['address'] for ip in labeled['ips']] == ['10.0.0.2', '192.0.2.1']
    assert (vif.get_meta('tag'), vif['network'].get_meta('mtu')) == ('nic1', 1400)
    assert vif.get_meta('none', 1) == 1
    assert model.get_netmask(vif.fixed_ips()[0], vif['network']['subnets'][0]) == '255.255.255.0'


def test_versions_follow_from_addresses():
    assert (model.IP('fd00::1')['version'], model.Subnet(cidr='10.0.0.0/8')['version']) == (6, 4)


def test_an_interface_without_a_network_has_nothing():
    vif = model.VIF.hydrate({'id': 'v', 'address': 'x', 'network': None})
    assert (vif.fixed_ips(), vif.labeled_ips(), vif.get_physical_network()) == ([], None, None)
