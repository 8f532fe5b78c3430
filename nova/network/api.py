# SPDX-License-Identifier: Apache-2.0
"""What compute and the API ask of networks, whichever backend there is.  Ours is nova-network."""

import functools
import time

import netaddr
import oslo_messaging
from oslo_log import log

from nova import exception, objects, rpc
from nova.conf import CONF
from nova.network import model, ranges, rpcapi
from nova.network.security_group import api as security_group_api
from nova.objects import network_request, security_group

LOG = log.getLogger(__name__)

#: Seconds for which it is remembered whose nova-network serves a project.  One that does not, forwards.
_REMEMBER_S = 60

_OUTAGES = (oslo_messaging.MessagingTimeout, oslo_messaging.MessageDeliveryFailure)


class API:
    """Networks of nova-network.

    Questions and records go to the objects (and so to the conductor, where there is no database); nova-network is asked
    for what must be on its host before a guest starts, and told of what may go.
    """

    def __init__(self):
        self._servers = {}      # {(project, host): (until, host of nova-network or None)}

    # Made at first use: commands ask questions without any transport.
    @functools.cached_property
    def rpcapi(self):
        return rpcapi.NetworkAPI()

    @functools.cached_property
    def firewalls(self):
        return rpcapi.FirewallAPI()

    @functools.cached_property
    def security_groups(self):
        """The `SecurityGroupAPI`."""
        return security_group_api.SecurityGroupAPI(self._refresh)

    def _refresh(self, context, servers):
        if rpc.is_initialised():
            self.firewalls.refresh(context, servers)

    # Networks ---------------------------------------------------------------------------------------------------------

    def get_all(self, context):
        """Networks that the caller may use; for administrators all."""
        return objects.NetworkList.get_all(context).objects

    def get(self, context, network_uuid):
        """Raises NetworkNotFound."""
        return objects.Network.get_by_uuid(context, network_uuid)

    def create(self, context, label, cidr=None, **values):
        """Make networks (see `nova.network.ranges.plan` for what may be said); returns the first.

        Raises InvalidInput for a value that is wrong, Conflict when a range overlaps another network's.
        """
        return self.create_all(context, label, cidr, **values)[0]

    def create_all(self, context, label, cidr=None, cidr_v6=None, *, bridge=None, bridge_interface=None,
                   multi_host=None, enable_dhcp=True, share_address=False, injected=False, **values):
        """As `create`; returns all of them."""
        planned = ranges.plan(
            label, cidr, cidr_v6, bridge=bridge or CONF.flat_network_bridge,
            bridge_interface=bridge_interface or CONF.flat_interface or None,
            multi_host=CONF.multi_host if multi_host is None else bool(multi_host),
            enable_dhcp=enable_dhcp is not False, share_address=bool(share_address), injected=bool(injected), **values)
        made = objects.NetworkList.create(context, planned).objects
        self._look_again(context)
        return made

    def delete(self, context, network_uuid):
        """Raises NetworkNotFound, NetworkInUse."""
        self.get(context, network_uuid).destroy()
        self._look_again(context)

    def associate(self, context, network_uuid, **values):
        """Give a network to a `host` or a `project_id`; None takes it away.  Raises NetworkNotFound."""
        self.get(context, network_uuid).associate(**values)
        self._look_again(context)

    def disassociate(self, context, network_uuid):
        """Take a network from its host and project.  Raises NetworkNotFound."""
        self.associate(context, network_uuid, host=None, project_id=None)

    def tell_names(self, context):
        """Names of addresses have changed: the DHCP servers answer by the new ones."""
        self._look_again(context)

    def _look_again(self, context):
        # Commands have no transport; nova-network looks by itself every [DEFAULT]network_sync_interval seconds.
        if rpc.is_initialised():
            self.rpcapi.setup_networks(context)

    def validate_networks(self, context, requested, count, security_groups=()):
        """How many of `count` servers can have the networks and security groups that were asked for; reads only.

        Raises NetworkNotFound, NetworkAmbiguous, InvalidInput, FixedIpNotFound, FixedIpAlreadyInUse, NoMoreFixedIps,
        SecurityGroupNotFound.
        """
        objects.SecurityGroupList.get_by_names(context, context.project_id,
                                               list(security_groups) or [security_group.DEFAULT])
        usable = objects.NetworkList.get_all(context, project_only=True).objects
        wanted = resolve(usable, requested)
        for request in wanted:
            if request['address']:
                self._check_address(context, {network.uuid: network for network in usable}, request, count)
        return self._places(context, usable, wanted, count)

    @staticmethod
    def _check_address(context, usable, request, count):
        if count > 1:
            raise exception.InvalidInput(reason='networks.fixed_ip: one address cannot be given to several servers')
        network = usable[request['network_id']]
        if not network.cidr or netaddr.IPAddress(request['address']) not in netaddr.IPNetwork(network.cidr):
            raise exception.InvalidInput(reason=f'networks.fixed_ip: {request["address"]} is not in {network.cidr}')
        known = objects.FixedIP.get_by_address(context, request['address'])
        if known.reserved or known.allocated:
            raise exception.FixedIpAlreadyInUse(address=request['address'])

    @staticmethod
    def _places(context, usable, wanted, count):
        labels = {network.uuid: network.label for network in usable if network.cidr}
        asked = [request['network_id'] for request in wanted if request['network_id'] in labels]
        if not asked:
            return count
        most = count
        free = objects.NetworkList.free_counts(context, asked, count * max(asked.count(uuid) for uuid in asked))
        for uuid, places in free.items():
            most = min(most, places // asked.count(uuid))
            if not most:
                raise exception.NoMoreFixedIps(net=labels[uuid])
        return most

    # Servers ----------------------------------------------------------------------------------------------------------

    def allocate_for_instance(self, context, instance, requested_networks, security_groups, macs=None,
                              bind_host_id=None):
        """Interfaces and addresses for a server: a NetworkInfo.  Called by its host, before the guest starts.

        Done again it answers what the server has.  'none', or a project without networks: empty, and nova-network is
        not asked.

        :param security_groups: names.
        :param bind_host_id: the host that the server is on.
        Raises NetworkNotFound, NetworkAmbiguous, NoMoreFixedIps, FixedIpAlreadyInUse, SecurityGroupNotFound,
        NetworkUnavailable.
        """
        if requested_networks is not None and requested_networks.no_allocate:
            return model.NetworkInfo()
        hosts = self._hosts_for(context, instance.project_id, bind_host_id)
        if not hosts and (requested_networks is None or requested_networks.is_auto or not requested_networks.objects):
            return model.NetworkInfo()
        wanted = None
        if requested_networks is not None and requested_networks.objects and not requested_networks.is_auto:
            wanted = [_request(request) for request in requested_networks]
        found = self._ask(self.rpcapi.allocate_for_instance, context, hosts[0] if hosts else None, instance.uuid,
                          instance.project_id, bind_host_id, wanted, list(security_groups or ()),
                          hostname=instance.hostname, macs=sorted(macs) if macs else None)
        return model.NetworkInfo.hydrate(found)

    def _hosts_for(self, context, project_id, host):
        """Hosts of nova-network that serve a project's servers on `host`; [] if it has no networks."""
        until, hosts = self._servers.get((project_id, host), (0, []))
        if time.monotonic() > until or not hosts:
            hosts = objects.NetworkList.hosts_for(context, project_id, host)
            self._servers[project_id, host] = time.monotonic() + _REMEMBER_S, hosts
        return hosts

    def deallocate_for_instance(self, context, instance, requested_networks=None):
        """Give back all addresses of a server.  Doing it again changes nothing.

        The records say so at once; DHCP servers follow, and if their nova-network does not answer, when it does.
        """
        self._spread(context, objects.FixedIPList.deallocate_for_instance(context, instance.uuid))

    def add_fixed_ip_to_instance(self, context, instance, network_id, address=None, tag=None):
        """One more address of a network (None: any), on a new interface; the whole NetworkInfo.  Raises as allocating
        does.
        """
        hosts = self._hosts_for(context, instance.project_id, instance.host)
        return model.NetworkInfo.hydrate(self._ask(
            self.rpcapi.add_fixed_ip_to_instance, context, hosts[0] if hosts else None, instance.uuid,
            instance.project_id, instance.host, network_id, hostname=instance.hostname, address=address, tag=tag))

    def remove_fixed_ip_from_instance(self, context, instance, address):
        """Take an address back; the NetworkInfo that is left.  Raises FixedIpNotFound."""
        found = objects.FixedIPList.remove_from_instance(context, instance.uuid, address)
        self._spread(context, found)
        return model.NetworkInfo.hydrate(found['network_info'])

    def _spread(self, context, found):
        """Tell those who served addresses, and the servers that let this one in, that it is over."""
        by_server = {}
        for each in found['served']:
            by_server.setdefault(each['server'], []).append(each)
        for server, served in by_server.items():
            if server is None:
                continue
            try:
                self.rpcapi.take_back_addresses(context, server, served)
            except (*_OUTAGES, oslo_messaging.RemoteError) as exc:
                LOG.warning('nova-network on %s did not confirm that %s are free (%s); it will see by itself',
                            server, ', '.join(each['address'] for each in served), type(exc).__name__)
        self._refresh(context, found['let_in'])

    @staticmethod
    def _ask(method, *args, **kwargs):
        try:
            return method(*args, **kwargs)
        except _OUTAGES as exc:
            raise exception.NetworkUnavailable(reason=f'nova-network: {exc}') from exc

    def setup_networks_on_host(self, context, instance, host=None, teardown=False):
        """Have nova-network of a host (None: the server's) compare what it has with the records."""
        if host or instance.host:
            self.rpcapi.setup_networks(context, host or instance.host)

    def get_instance_nw_info(self, context, instance):
        return objects.Instance.get_by_uuid(context, instance.uuid).get_network_info()

    def get_vifs_by_instance(self, context, instance):
        return objects.VirtualInterfaceList.get_by_instance_uuid(context, instance.uuid).objects

    def get_vif_by_mac_address(self, context, mac_address):
        """Raises NotFound."""
        return objects.VirtualInterface.get_by_address(context, mac_address)

    def get_fixed_ip_by_address(self, context, address):
        """Raises FixedIpNotFound."""
        return objects.FixedIP.get_by_address(context, address)

    def get_instance_by_address(self, context, address):
        """UUID of the server that has a fixed address.  Raises FixedIpNotFound."""
        found = objects.FixedIP.get_by_address(context, address)
        if not found.instance_uuid:
            raise exception.FixedIpNotFound(address=address)
        return found.instance_uuid

    # Moving a server between hosts ------------------------------------------------------------------------------------

    def migrate_instance_start(self, context, instance, migration):
        """Nothing to prepare: the address is served where the server is."""

    def migrate_instance_finish(self, context, instance, migration, host=None):
        """The server is on another host (None: the destination); who serves its addresses follows, and `instance` has
        the network info of there.  May be repeated.
        """
        host = host or migration.dest_compute
        if not objects.FixedIPList.move_to_host(context, instance.uuid, host):
            return
        instance.trust('network_info', self.get_instance_nw_info(context, instance))
        for each in {host, migration.source_compute, migration.dest_compute} - {None}:
            try:
                self.rpcapi.setup_networks(context, each)
            except (*_OUTAGES, oslo_messaging.RemoteError) as exc:
                LOG.warning('nova-network on %s was not told that server %s moved (%s); it will see by itself', each,
                            instance.uuid, type(exc).__name__)

    # Security groups (more in `security_groups`) ----------------------------------------------------------------------

    def get_security_groups(self, context, all_projects=False):
        return self.security_groups.list(context, all_projects)

    # Floating addresses -----------------------------------------------------------------------------------------------

    def get_floating_ips(self, context, all_projects=False):
        return (objects.FloatingIPList.get_all(context) if all_projects
                else objects.FloatingIPList.get_by_project(context, context.project_id)).objects

    def get_floating_ip(self, context, floating_ip_id):
        """Raises FloatingIpNotFound, also for those of other projects."""
        return self._visible(context, objects.FloatingIP.get_by_id(context, floating_ip_id))

    def get_floating_ip_by_address(self, context, address):
        """Raises FloatingIpNotFound, also for those of other projects."""
        return self._visible(context, objects.FloatingIP.get_by_address(context, address))

    @staticmethod
    def _visible(context, floating):
        if not context.can_see(floating.project_id):
            raise exception.NotFound(f'Floating IP {floating.address} could not be found.')
        return floating

    def get_floating_ip_pools(self, context):
        """Names."""
        return objects.FloatingIPList.pools(context)

    def allocate_floating_ip(self, context, pool=None):
        """Make a free address the project's.  Raises FloatingIpPoolEmpty, FloatingIpLimitExceeded."""
        limit = objects.Quotas.limits(context, context.project_id, context.user_id)['floating_ips']
        return objects.FloatingIP.allocate(context, context.project_id, pool or CONF.default_floating_pool, limit)

    def release_floating_ip(self, context, address):
        """Give an address back, unbound before.  Raises FloatingIpNotFound, FloatingIpAssociated: bound meanwhile."""
        floating = self.get_floating_ip_by_address(context, address)
        if floating.fixed_ip_id is not None:
            self.disassociate_floating_ip(context, address)
        floating.deallocate()

    def associate_floating_ip(self, context, instance, floating_address, fixed_address=None):
        """Bind an address to one of a server's (None: the first of IPv4), and to no other any more.

        Raises FloatingIpNotFound, FloatingIpAssociated (somebody was faster), FixedIpNotFound.
        """
        floating = self.get_floating_ip_by_address(context, floating_address)
        fixed = [ip['address'] for ip in instance.get_network_info().fixed_ips() if ip['version'] == 4]
        if not fixed or (fixed_address or fixed[0]) not in fixed:
            raise exception.FixedIpNotFound(address=fixed_address)
        if floating.fixed_ip_id is not None:
            floating.disassociate()
        hosts = self._hosts_for(context, instance.project_id, instance.host)
        floating.associate(fixed_address or fixed[0], hosts[0] if hosts else None)
        self._look_again(context)

    def disassociate_floating_ip(self, context, address):
        """Bind an address to nothing; again changes nothing.  Raises FloatingIpNotFound."""
        self.get_floating_ip_by_address(context, address).disassociate()
        self._look_again(context)

    def create_floating_ips(self, context, ip_range, pool=None, interface=None):
        """Add the addresses of a range; how many.  Raises InvalidInput, Conflict."""
        return objects.FloatingIPList.create_range(context, ip_range, pool or CONF.default_floating_pool,
                                                   interface or CONF.public_interface)

    def delete_floating_ip(self, context, address):
        """Remove an address from the site; who has it bound loses it.  Raises FloatingIpNotFound."""
        if objects.FloatingIP.destroy_by_address(context, address):
            self._look_again(context)


def _request(request):
    if request.port_id:
        raise exception.InvalidInput(reason=f'networks: port {request.port_id}: there are no ports in nova-network')
    return {'network_id': (request.network_id or '').removeprefix('br-'), 'address': request.address,
            'tag': request.tag}


def resolve(networks, requested):
    """[{'network_id', 'address', 'tag'}] of what was asked for; all the project's networks if nothing was.

    Raises NetworkNotFound, InvalidInput; NetworkAmbiguous for 'auto' with several networks.
    """
    usable = {network.uuid: network for network in networks}
    if requested is None or not requested.objects or requested.is_auto:
        if requested is not None and requested.is_auto and len(usable) > 1:
            raise exception.NetworkAmbiguous()
        return [{'network_id': uuid, 'address': None, 'tag': None} for uuid in usable]
    found = [_request(request) for request in requested]
    for request in found:
        if request['network_id'] not in usable:
            raise exception.NetworkNotFound(network_id=request['network_id'])
    return found


def requested(items):
    """What a user sent as `networks` (a list of dicts, 'auto', 'none' or None) as a NetworkRequestList or None."""
    if items is None:
        return None
    if isinstance(items, str):
        return network_request.NetworkRequestList.of_word(items)
    return network_request.NetworkRequestList(objects=[
        network_request.NetworkRequest(network_id=item.get('uuid'), address=item.get('fixed_ip'),
                                       port_id=item.get('port'), tag=item.get('tag')) for item in items])
