# SPDX-License-Identifier: Apache-2.0
"""nova-network: gives addresses, and keeps this host's bridges, DHCP servers and NAT what the records say they are.

It has no database: one call to the conductor gives a server all its addresses, another one takes them back.
"""

import os

import oslo_messaging
from oslo_log import log

from nova import context as nova_context
from nova import manager, objects
from nova.conf import CONF
from nova.conf import network as network_conf
from nova.network import gateways, leases
from nova.network import rpcapi as network_rpcapi

LOG = log.getLogger(__name__)


class FlatDHCPManager(manager.Manager):
    """Networks without VLANs: each is a bridge on every host that has its servers, with one DHCP server (or one on each
    host, in a multi-host network).
    """

    target = oslo_messaging.Target(version=network_rpcapi.VERSION)
    binary = 'nova-network'

    def __init__(self, host=None, service_name='network'):
        super().__init__(host, service_name)
        self._socket_path = os.path.join(CONF.networks_path, 'leases.sock')
        self.gateways = gateways.Gateways(self._socket_path)
        self.leases = None if network_conf.is_fake(CONF) else leases.Listener(self._socket_path, self._record_leases)
        self.rpcapi = network_rpcapi.NetworkAPI()
        self.firewalls = network_rpcapi.FirewallAPI()

    # Life of the service ----------------------------------------------------------------------------------------------

    @manager.rpc.not_remote
    def init_host(self):
        if self.leases is not None:
            self.leases.start()
        try:
            self._sync(nova_context.get_admin_context())
        except gateways.FAILURES:
            # Logged where it happened.  Networks that work must not wait for one that does not; servers in that one are
            # refused with the reason.
            LOG.warning('Not all networks of this host could be set up; going on with the others')

    @manager.rpc.not_remote
    def cleanup_host(self):
        """The DHCP servers and everything else stay: guests go on."""
        if self.leases is not None:
            self.leases.stop()
            self.leases.flush()

    @manager.periodic_task(spacing=lambda: CONF.network_sync_interval)
    def sync_networks(self, context):
        self._sync(context)

    def _sync(self, context):
        self.gateways.sync(lambda: objects.NetworkList.of_host(context, self.host))
        leased = self.gateways.leases()
        wrong = {each['address']: each['address'] in leased for network in self.gateways.networks.values()
                 for each in network['given'].values() if bool(each['leased']) != (each['address'] in leased)}
        if wrong and self.leases is not None:
            objects.FixedIPList.set_leased(context, wrong)

    # Servers ----------------------------------------------------------------------------------------------------------

    def allocate_for_instance(self, context, instance_uuid, project_id, host, requested_networks, security_groups,
                              hostname=None, macs=None):
        """Interfaces and addresses of a server; returns its network info as plain data.  Raises what
        `FixedIPList.allocate_for_instance` raises.
        """
        found = objects.FixedIPList.allocate_for_instance(
            context, instance_uuid, project_id, host, requested_networks, security_groups, hostname=hostname, macs=macs)
        self._spread(context, 'give_addresses', found)
        return found['network_info']

    def add_fixed_ip_to_instance(self, context, instance_uuid, project_id, host, network_id, hostname=None,
                                 address=None, tag=None):
        found = objects.FixedIPList.add_to_instance(context, instance_uuid, project_id, host, network_id,
                                                    hostname=hostname, address=address, tag=tag)
        self._spread(context, 'give_addresses', found)
        return found['network_info']

    def give_addresses(self, context, served):
        """Serve addresses that servers got; see `FixedIPList`."""
        if any(each['network_id'] not in self.gateways.networks for each in served):
            self._sync(context)     # a network made since; its addresses come with it
            return
        for each in served:
            self.gateways.give({'floating': [], 'leased': False, **each})

    def take_back_addresses(self, context, served):
        """Stop serving addresses that servers gave back."""
        for each in served:
            self.gateways.take_back(each)

    def setup_networks(self, context):
        """Look again at which networks there are, and whose they are."""
        self._sync(context)

    # Leases -----------------------------------------------------------------------------------------------------------

    def lease_fixed_ip(self, context, address):
        self._record_leases({address: True})

    def release_fixed_ip(self, context, address):
        self._record_leases({address: False})

    def _record_leases(self, leased):
        objects.FixedIPList.set_leased(nova_context.get_admin_context(), leased)

    # ------------------------------------------------------------------------------------------------------------------

    def _spread(self, context, method, found):
        """Do here what is ours, and have those do theirs who serve the other networks."""
        by_server = {}
        for each in found['served']:
            by_server.setdefault(each['server'] or self.host, []).append(each)
        for server, served in by_server.items():
            if server == self.host:
                getattr(self, method)(context, served)
            else:
                getattr(self.rpcapi, method)(context, server, served)
        self.firewalls.refresh(context, found['let_in'])
