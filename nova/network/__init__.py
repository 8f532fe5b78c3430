# SPDX-License-Identifier: Apache-2.0
"""Addresses, DHCP, bridges and packet filter of servers.

`api.API` is what the rest of the service asks.  On a host, nova-network (`manager`, `gateways`, `dhcp`) has the
networks, and nova-compute (`linux_net.Firewall`) what belongs to its own servers; both compute what should be there
from the records and do the difference.
"""
