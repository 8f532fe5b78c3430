# SPDX-License-Identifier: Apache-2.0
"""What this host does for the interfaces of its own servers: the bridge they are on, and the packet filter.

nova-network's share (addresses, DHCP, NAT) is `nova.network.gateways`.
"""

import contextlib
import os

import oslo_messaging
from oslo_concurrency import processutils
from oslo_log import log

from nova import concurrency, exception, objects
from nova import context as nova_context
from nova.conf import CONF
from nova.conf import network as network_conf
from nova.network import bridges, nft
from nova.privsep import linux_net as root

LOG = log.getLogger(__name__)

#: How connections can be followed, the better way first.
_CONNTRACK = ('bridge', 'br_netfilter')
_PROBE = ['add table bridge nova_probe',
          'add chain bridge nova_probe probe { type filter hook postrouting priority 0; policy accept; }',
          'add rule bridge nova_probe probe ct state established accept']


class FirewallUnavailable(exception.Unsupported):
    msg_fmt = ('Packets of servers cannot be filtered on this host: %(reason)s')


def device_name(vif):
    """The host's end of an interface."""
    return vif.get('devname') or f'tap{vif["id"]}'[:14]


class Firewall:
    """The filter of the servers on this host (design D9).

    It knows what should be there for each server, and changes only the difference.  `sync` replaces everything in one
    transaction, whatever is there.
    """

    def __init__(self):
        self._ports = {}        # {instance uuid: (nft.Port, …)}
        self._conntrack = None
        # Says to later starts that there may be something to remove.
        self._mark = os.path.join(CONF.networks_path, 'filter')

    def apply(self, instance, network_info):
        """Have bridges and filter of a server's interfaces.  To be called before the guest starts, and when its
        security groups change; again changes nothing.

        Raises FirewallUnavailable, and what the conductor's calls raise.
        """
        if network_conf.is_fake(CONF):
            return
        with _one_at_a_time(instance.uuid):
            self._apply(instance, network_info)

    def refresh(self, context, instance_uuid):
        """As `apply`, for what the records say; nothing for a server that is not on this host."""
        if network_conf.is_fake(CONF):
            return
        with _one_at_a_time(instance_uuid):
            for instance in objects.InstanceList.get_by_uuids(context, [instance_uuid]):
                if instance.host == CONF.host:
                    self._apply(instance, instance.get_network_info())

    def _apply(self, instance, network_info):
        if not network_info:
            self._remove(instance)
            return
        ensure_bridges(network_info)
        wanted = _ports_of(network_info, _rules_of([instance])[instance.uuid])
        with concurrency.lock('firewall'):
            have = self._ports.get(instance.uuid, ())
            if have == wanted:
                return
            gone = {port.device for port in have} - {port.device for port in wanted}
            with self._unless_refused():
                self._ports[instance.uuid] = wanted
                conntrack = self._follow_connections()
                self._change([line for device in sorted(gone) for line in nft.port_gone(device)]
                             + [line for port in wanted for line in nft.port(port, conntrack)])

    def remove(self, instance):
        """Forget a server's interfaces.  To be called when the guest is gone; again changes nothing."""
        if network_conf.is_fake(CONF):
            return
        with _one_at_a_time(instance.uuid):
            self._remove(instance)

    def _remove(self, instance):
        with concurrency.lock('firewall'):
            self._change([line for port in self._ports.pop(instance.uuid, ()) for line in nft.port_gone(port.device)])

    def sync(self, instances):
        """Make the filter that of these servers and of no other, in one transaction."""
        if network_conf.is_fake(CONF):
            return
        filtered = [instance for instance in instances if instance.get_network_info()]
        for instance in filtered:
            ensure_bridges(instance.get_network_info())
        rules = _rules_of(filtered)
        with concurrency.lock('firewall'), self._unless_refused():
            self._ports = {instance.uuid: _ports_of(instance.get_network_info(), rules[instance.uuid])
                           for instance in filtered}
            # A host that never had anything to filter is left alone: root need not be asked there.
            if self._ports or self._conntrack is not None or os.path.exists(self._mark):
                self._replace()

    # ------------------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _unless_refused(self):
        """What the kernel refuses is forgotten: it takes all of a change or nothing, and the next try must be one."""
        before = dict(self._ports)
        try:
            yield
        except Exception:
            self._ports = before
            raise

    def _change(self, lines):
        """Change some devices; everything anew when what we made is not there any more."""
        if not lines:
            return
        try:
            root.apply_nft(lines)
        except processutils.ProcessExecutionError as exc:
            LOG.debug('The filter is made anew: %s', exc.stderr)
            self._replace()

    def _replace(self):
        conntrack = self._follow_connections()
        try:
            root.apply_nft(nft.filter_tables([port for ports in self._ports.values() for port in ports], conntrack))
        except processutils.ProcessExecutionError as exc:
            raise FirewallUnavailable(reason=exc.stderr or str(exc)) from exc

    def _follow_connections(self):
        """How the kernel tells answers from other packets on a bridge; prepared at first use."""
        if self._conntrack is None:
            self._conntrack = choose_conntrack(CONF.bridge_conntrack)
            LOG.info('Connections on bridges are followed by %s', self._conntrack)
            os.makedirs(CONF.networks_path, exist_ok=True)
            with open(self._mark, 'w') as file:
                file.write(f'{nft.FILTER}\n')
        return self._conntrack


def _one_at_a_time(instance_uuid):
    """Held from reading what a server's filter should be until it is: what was read earlier must not come later."""
    return concurrency.lock(f'firewall of {instance_uuid}')


def choose_conntrack(wanted):
    """'bridge' or 'br_netfilter', whichever is wanted ('auto': the first that works), ready for use.

    Raises FirewallUnavailable.
    """
    reasons = []
    for name in _CONNTRACK if wanted == 'auto' else (wanted,):
        try:
            if name == 'bridge':
                root.apply_nft(_PROBE, check_only=True)
            else:
                root.turn_on('bridges_pass_ip_filters')
                root.turn_on('bridges_pass_ipv6_filters')
        except (processutils.ProcessExecutionError, OSError) as exc:
            reasons.append(f'{name}: {getattr(exc, "stderr", None) or exc}'.replace('\n', ' '))
            continue
        return name
    raise FirewallUnavailable(reason='the kernel cannot follow connections on bridges (load nf_conntrack_bridge or '
                                     f'br_netfilter): {"; ".join(reasons)}')


def ensure_bridges(network_info):
    """Make the bridges of these interfaces, as far as the network says that we do that."""
    for vif in network_info:
        network = vif['network']
        if vif['type'] == 'bridge' and network['bridge'] and network.get_meta('should_create_bridge'):
            bridges.ensure(network['bridge'], network.get_meta('bridge_interface'), network.get_meta('mtu'))


def _ports_of(network_info, rules):
    return tuple(_port(vif, rules) for vif in network_info if vif['type'] == 'bridge')


def _port(vif, rules):
    subnets = vif['network']['subnets']
    return nft.Port(
        device=device_name(vif), mac=vif['address'].lower(),
        addresses=tuple(ip['address'] for ip in vif.fixed_ips()),
        neighbours=tuple(subnet['cidr'] for subnet in subnets) if CONF.allow_same_net_traffic else (),
        dhcp_servers=tuple(server for server in (subnet.get_meta('dhcp_server') for subnet in subnets) if server),
        rules=rules)


def _rules_of(instances):
    """{uuid: (nft.Rule, …)}, asked for in one call."""
    if not instances:
        return {}
    found = objects.SecurityGroupList.rules_for(nova_context.get_admin_context(),
                                                [instance.uuid for instance in instances])
    return {instance.uuid: tuple(nft.Rule(rule['protocol'], rule['from_port'], rule['to_port'], tuple(rule['sources']))
                                 for rule in found.get(instance.uuid, ())) for instance in instances}


class FirewallEndpoint:
    """What the API asks of the filters on hosts.  An additional endpoint of nova-compute."""

    target = oslo_messaging.Target(namespace='firewall', version='1.0')

    def __init__(self, firewall):
        self._firewall = firewall

    def refresh(self, context, instance_uuids):
        """Look again at what the security groups of these servers let in."""
        for uuid in instance_uuids:
            self._firewall.refresh(context, uuid)
