# SPDX-License-Identifier: Apache-2.0
"""Networks as the network door shows them."""

import pytest

from nova.api.standalone import network as door
from nova.network import api
from nova.tests import database as databases


@pytest.mark.parametrize('ranges, version, cidr, gateway, pool', [
    ({'cidr': '10.0.0.0/24'}, 4, '10.0.0.0/24', '10.0.0.1', ('10.0.0.2', '10.0.0.254')),
    ({'cidr': '10.0.0.0/24', 'cidr_v6': 'fd00:1::/64'}, 4, '10.0.0.0/24', '10.0.0.1', ('10.0.0.2', '10.0.0.254')),
    ({'cidr_v6': 'fd00:1::/64'}, 6, 'fd00:1::/64', 'fd00:1::1', ('fd00:1::2', 'fd00:1::ffff:ffff:ffff:fffe'))])
def test_a_network_is_shown_as_a_subnet_of_the_family_it_has(database, ranges, version, cidr, gateway, pool):
    made = api.API().create(databases.admin(), 'private', **ranges)
    shown = door.subnet_view(made)
    assert (shown['ip_version'], shown['cidr'], shown['gateway_ip']) == (version, cidr, gateway)
    assert shown['allocation_pools'] == [{'start': pool[0], 'end': pool[1]}]
