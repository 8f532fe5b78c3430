# SPDX-License-Identifier: Apache-2.0
"""What nova-network has on its host (design D9): bridges with their addresses, DHCP servers, NAT.

`Gateways.sync` takes the records and does the difference between them and the host; a change of one server is done at
once, and the next sync finds nothing to do.
"""

import ipaddress
import json
import os
import socket

from oslo_concurrency import processutils
from oslo_log import log

from nova import concurrency, exception
from nova.conf import CONF
from nova.conf import network as network_conf
from nova.network import bridges, dhcp, nft
from nova.privsep import linux_net as root

LOG = log.getLogger(__name__)


#: What a step on the host can fail with; ValueError: a name or address that root does not take.
FAILURES = (exception.NovaException, processutils.ProcessExecutionError, OSError, ValueError)


class Gateways:
    """All networks that this host serves.

    :param socket_path: where nova-dhcpbridge reports to.
    """

    def __init__(self, socket_path):
        self._directory = CONF.networks_path
        self._socket_path = socket_path
        self.networks = {}      # {id: what the records say, `given` as {address: …}}
        self._servers = {}      # {id: dhcp.Server}
        self._translation = None

    # Records ----------------------------------------------------------------------------------------------------------

    def sync(self, read):
        """Have these networks and no others on this host.

        :param read: function that gives what `NetworkList.of_host` returns.  It is called here, where no address comes
            or goes: records that were read before one came would take it away again.
        One network that fails does not keep the others; the first failure is raised at the end.
        """
        with concurrency.lock('gateways'):
            networks = read()
            wanted = {network['id']: network for network in networks}
            failures = []
            for network_id in sorted(set(self._known()) - set(wanted)):
                self._attempt(failures, self._remove, network_id)
            for network in networks:
                network = {**network, 'given': _by_address(network['given'])}
                self.networks[network['id']] = network
                self._attempt(failures, self._ensure, network)
            self._attempt(failures, self._translate)
            if failures:
                raise failures[0]

    def _attempt(self, failures, step, *args):
        """Whether a step could be done; if not, why is logged and kept."""
        try:
            step(*args)
        except FAILURES as exc:
            LOG.exception('A network of this host could not be set up; going on with the others')
            failures.append(exc)
            return False
        return True

    def give(self, served):
        """A server got an address of a network here.  Raises KeyError for a network that `sync` has not seen."""
        with concurrency.lock('gateways'):
            self.networks[served['network_id']]['given'][served['address']] = served
            if self._serves(served['network_id']):
                self._servers[served['network_id']].add(served)

    def take_back(self, served):
        """A server gave its address back."""
        with concurrency.lock('gateways'):
            network = self.networks.get(served['network_id'])
            if network is None:
                return
            known = network['given'].get(served['address'])
            if known is not None and known['mac'] == served['mac']:
                del network['given'][served['address']]
            if self._serves(served['network_id']):
                self._servers[served['network_id']].remove(served)
            if known is not None and known.get('floating'):
                self._translate()

    def leases(self):
        """{address: MAC} of the leases of all DHCP servers here."""
        return {address: mac for server in self._servers.values() for address, mac in server.leases().items()}

    # The host ---------------------------------------------------------------------------------------------------------

    def _serves(self, network_id):
        return not network_conf.is_fake(CONF) and network_id in self._servers

    def _ensure(self, network):
        if network_conf.is_fake(CONF):
            return
        os.makedirs(self._directory, exist_ok=True)
        bridges.ensure(network['bridge'], network['bridge_interface'], network['mtu'])
        bridges.ensure_addresses(network['bridge'], _own_addresses(network), _cidrs(network))
        root.turn_on('forward')
        if network['cidr_v6']:
            root.turn_on('forward_v6')
        self._remember()
        if network['enable_dhcp'] and network['cidr'] and network['server']:
            server = self._servers.get(network['id'])
            if server is None:
                server = self._servers[network['id']] = dhcp.Server(network, self._directory, self._socket_path)
            server.network = network
            server.sync(network['given'].values())
        else:
            self._stop_server(network)

    def _stop_server(self, network):
        server = self._servers.pop(network['id'], None) or dhcp.Server(network, self._directory, self._socket_path)
        server.stop()

    def _remove(self, network_id):
        network = self._known()[network_id]
        self.networks.pop(network_id, None)
        if network_conf.is_fake(CONF):
            return
        LOG.info('Removing network %s from this host', network['label'])
        self._stop_server(network)
        bridge = network['bridge']
        if not any(other['bridge'] == bridge for other in self.networks.values()):
            bridges.remove(bridge, network['bridge_interface'])
        elif bridges.exists(bridge):
            bridges.ensure_addresses(bridge, (), _cidrs(network))
        self._remember()

    def _translate(self):
        """Bring NAT and isolation up to date, in one transaction."""
        if network_conf.is_fake(CONF) or not (self.networks or self._state()):
            return      # a host that never had a network is left alone: root need not be asked there
        gateways = tuple(_gateway(network) for _, network in sorted(self.networks.items()) if network['server'])
        metadata = _metadata_address()
        lines = nft.gateway_tables(gateways, metadata_host=metadata, metadata_port=CONF.metadata_port,
                                   source=CONF.routing_source_ip or None, untranslated=CONF.dmz_cidr)
        if lines != self._translation or nft.GATEWAY not in root.list_tables():
            root.apply_nft(lines)
            self._translation = lines
        self._float()

    def _float(self):
        """Have the floating addresses that are bound to servers here, and no others, on their devices.

        One that fails does not keep the others; the first failure is raised at the end.
        """
        wanted = {pair for network in self.networks.values() for pair in _floating(network)}
        had = {tuple(pair) for pair in self._state().get('floating', ())}
        if not wanted <= had:
            # First: what this process puts there before it is killed the next one must find.
            self._remember(floating=sorted(had | wanted))
        failures = []
        left = {pair for pair in sorted(had - wanted) if not self._attempt(failures, _put_off, *pair)}
        for pair in sorted(wanted):
            self._attempt(failures, _put_on, *pair)
        if had != wanted | left:
            self._remember(floating=sorted(wanted | left))
        if failures:
            raise failures[0]

    # What an earlier start did ----------------------------------------------------------------------------------------

    def _state_file(self):
        return os.path.join(self._directory, 'networks.json')

    def _state(self):
        return json.loads(dhcp.read_file(self._state_file()) or '{}')

    def _remember(self, **more):
        kept = ('id', 'label', 'bridge', 'bridge_interface', 'cidr', 'cidr_v6', 'server', 'netmask')
        networks = [{name: network[name] for name in kept} for network in self.networks.values()]
        os.makedirs(self._directory, exist_ok=True)
        dhcp.write_file(self._state_file(), json.dumps({**self._state(), 'networks': networks, **more}))

    def _known(self):
        """Networks that this host has, or had when an earlier start ended."""
        known = {network['id']: network for network in self._state().get('networks', ())}
        return {**known, **self.networks}


def _cidrs(network):
    return [network[name] for name in ('cidr', 'cidr_v6') if network[name]]


def _by_address(given):
    found = {}
    for each in given:
        known = found.setdefault(each['address'], {**each, 'floating': []})
        if each.get('floating'):
            known['floating'].append((each['floating'], each['interface']))
    return found


def _own_addresses(network):
    found = []
    if network['cidr'] and network['server']:
        found.append(f'{network["server"]}/{ipaddress.ip_network(network["cidr"]).prefixlen}')
    if network['cidr_v6']:
        found.append(f'{network["gateway_v6"]}/{network["netmask_v6"]}')
    return found


def _floating(network):
    """[(device, floating address)] of a network."""
    return [(interface or CONF.public_interface, address)
            for each in network['given'].values() for address, interface in each.get('floating') or ()]


def _put_on(device, floating):
    if f'{floating}/32' not in _addresses_of(device):
        root.add_address(device, f'{floating}/32')


def _put_off(device, floating):
    if f'{floating}/32' in _addresses_of(device):
        root.delete_address(device, f'{floating}/32')


def _addresses_of(device):
    if not bridges.exists(device):
        return set()
    return {f'{info["local"]}/{info["prefixlen"]}' for info in bridges.addresses(device)}


def _gateway(network):
    return nft.Gateway(
        bridge=network['bridge'], cidr=network['cidr'], address=network['server'],
        uplink=network['bridge_interface'], alone=bool(network['multi_host']),
        shared=bool(network['multi_host'] and network['share_address']),
        floating=tuple(sorted((address, each['address']) for each in network['given'].values()
                              for address, _ in each.get('floating') or ())))


def _metadata_address():
    """Where the metadata service is; None: on this host."""
    address = socket.gethostbyname(CONF.metadata_host)
    return None if ipaddress.ip_address(address).is_loopback else address
