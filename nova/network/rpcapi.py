# SPDX-License-Identifier: Apache-2.0
"""What may be asked of nova-network, and of the packet filters on compute hosts."""

import oslo_messaging

from nova import rpc
from nova.conf import CONF

# Version  what, and why
#   1.0    allocate_for_instance, add_fixed_ip_to_instance, give_addresses, take_back_addresses, setup_networks,
#          lease_fixed_ip, release_fixed_ip
VERSION = '1.0'
TOPIC = 'network'

#: Seconds for what only tidies: a host that is gone does it when it comes back.
_SHORT_S = 10


class NetworkAPI:
    """Client of nova-network.  `server` is the host it runs on; None: any."""

    def __init__(self):
        self.client = rpc.get_client(oslo_messaging.Target(topic=TOPIC, version=VERSION))

    def _on(self, server, timeout=None):
        return self.client.prepare(server=server, timeout=timeout or CONF.rpc_response_timeout)

    def allocate_for_instance(self, context, server, instance_uuid, project_id, host, requested_networks,
                              security_groups, hostname=None, macs=None):
        """Interfaces and addresses of a server on `host` as plain data; see `nova.network.model.NetworkInfo`."""
        return self._on(server).call(context, 'allocate_for_instance', instance_uuid=instance_uuid,
                                     project_id=project_id, host=host, requested_networks=requested_networks,
                                     security_groups=security_groups, hostname=hostname, macs=macs)

    def add_fixed_ip_to_instance(self, context, server, instance_uuid, project_id, host, network_id, hostname=None,
                                 address=None, tag=None):
        return self._on(server).call(context, 'add_fixed_ip_to_instance', instance_uuid=instance_uuid,
                                     project_id=project_id, host=host, network_id=network_id, hostname=hostname,
                                     address=address, tag=tag)

    def give_addresses(self, context, server, served):
        """Returns when the guests can ask for them."""
        self._on(server).call(context, 'give_addresses', served=served)

    def take_back_addresses(self, context, server, served):
        """Returns when there are no hosts and leases of them any more.  Raises MessagingTimeout soon."""
        self._on(server, _SHORT_S).call(context, 'take_back_addresses', served=served)

    def setup_networks(self, context, server=None):
        """Look again at which networks there are; all nova-networks if none is named."""
        self.client.prepare(server=server, fanout=server is None).cast(context, 'setup_networks')

    def lease_fixed_ip(self, context, server, address):
        self._on(server).cast(context, 'lease_fixed_ip', address=address)

    def release_fixed_ip(self, context, server, address):
        self._on(server).cast(context, 'release_fixed_ip', address=address)


class FirewallAPI:
    """Client of the packet filters of compute hosts (`linux_net.FirewallEndpoint`, in nova-compute)."""

    def __init__(self):
        self.client = rpc.get_client(oslo_messaging.Target(topic='compute', namespace='firewall', version='1.0'))

    def refresh(self, context, servers):
        """What may reach these servers has changed.

        :param servers: [(uuid, host), …]
        """
        by_host = {}
        for uuid, host in servers:
            if host:
                by_host.setdefault(host, []).append(uuid)
        for host, uuids in sorted(by_host.items()):
            self.client.prepare(server=host).cast(context, 'refresh', instance_uuids=uuids)
