# SPDX-License-Identifier: Apache-2.0
"""Addresses through separate daemons over RabbitMQ, where nova-network and nova-compute have no database."""

from nova.tests import harness
from nova.tests.functional import test_networks


def test_addresses_through_daemons():
    with harness.Cloud.daemons({'DEFAULT': {'fake_network': 'True'}}) as cloud:
        test_networks.a_life_with_addresses(cloud)
