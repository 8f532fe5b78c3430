# SPDX-License-Identifier: Apache-2.0
"""How compute and virt drivers see a network, whichever backend it comes from.

All of these are dicts, and what the model does not name is in their `meta`.  `NetworkInfo.json()` and `hydrate` are the
form in which they are stored and sent.
"""

import json

import netaddr

#: Types of interfaces: how one is connected to its host.
VIF_TYPE_BRIDGE = 'bridge'
VIF_TYPE_OVS = 'ovs'
VIF_TYPE_VHOSTUSER = 'vhostuser'
VIF_TYPE_HW_VEB = 'hw_veb'
VIF_TYPE_HOSTDEV = 'hostdev_physical'
VIF_TYPE_MACVTAP = 'macvtap'
VIF_TYPE_TAP = 'tap'
VIF_TYPE_UNBOUND = 'unbound'
VIF_TYPE_BINDING_FAILED = 'binding_failed'
VIF_TYPE_OTHER = 'other'

#: Kinds of interfaces, as a user asks for them.
VNIC_TYPE_NORMAL = 'normal'
VNIC_TYPE_DIRECT = 'direct'
VNIC_TYPE_MACVTAP = 'macvtap'
VNIC_TYPE_DIRECT_PHYSICAL = 'direct-physical'
VNIC_TYPE_BAREMETAL = 'baremetal'

#: Characters of a device's name on Linux, less one for a prefix.
NIC_NAME_LEN = 14


def ensure_string_keys(values):
    """The dict with text as keys."""
    return {str(key): value for key, value in values.items()}


def get_netmask(ip, subnet):
    """Netmask of an address for injection into a guest: dotted for IPv4, the length of the prefix for IPv6."""
    network = subnet.as_netaddr()
    return str(network.prefixlen) if ip['version'] == 6 else str(network.netmask)


def plain(value):
    """The same as dicts and lists alone, which any serialiser takes."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


class Model(dict):
    """A dict with a `meta` for what the model does not name."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.setdefault('meta', {})

    def _set_meta(self, kwargs):
        self['meta'] = {**(kwargs.pop('meta', None) or {}), **kwargs}

    def get_meta(self, key, default=None):
        return self['meta'].get(key, default)

    # Dicts that are changed cannot be keys.
    __hash__ = None


class IP(Model):
    """An address; its version follows from it."""

    def __init__(self, address=None, type=None, **kwargs):
        super().__init__(address=address, type=type, version=kwargs.pop('version', None))
        self._set_meta(kwargs)
        if address and not self['version']:
            self['version'] = netaddr.IPAddress(address).version

    def is_in_subnet(self, subnet):
        return bool(self['address'] and subnet['cidr']) and netaddr.IPAddress(self['address']) in subnet.as_netaddr()

    @classmethod
    def hydrate(cls, ip):
        return cls(**ip) if ip else None


class FixedIP(IP):
    """An address of an interface, with the floating ones that lead to it."""

    def __init__(self, floating_ips=None, **kwargs):
        super().__init__(**{'type': 'fixed', **kwargs})
        self['floating_ips'] = floating_ips or []

    def add_floating_ip(self, floating_ip):
        if floating_ip not in self['floating_ips']:
            self['floating_ips'].append(floating_ip)

    def floating_ip_addresses(self):
        return [ip['address'] for ip in self['floating_ips']]

    @classmethod
    def hydrate(cls, fixed_ip):
        ip = cls(**fixed_ip)
        ip['floating_ips'] = [IP.hydrate(floating) for floating in ip['floating_ips']]
        return ip


class Route(Model):
    def __init__(self, cidr=None, gateway=None, interface=None, **kwargs):
        super().__init__(cidr=cidr, gateway=gateway, interface=interface)
        self._set_meta(kwargs)

    @classmethod
    def hydrate(cls, route):
        route = cls(**route)
        route['gateway'] = IP.hydrate(route['gateway'])
        return route


class Subnet(Model):
    def __init__(self, cidr=None, dns=None, gateway=None, ips=None, routes=None, **kwargs):
        super().__init__(cidr=cidr, dns=dns or [], gateway=gateway, ips=ips or [], routes=routes or [],
                         version=kwargs.pop('version', None))
        self._set_meta(kwargs)
        if cidr and not self['version']:
            self['version'] = netaddr.IPNetwork(cidr).version

    def add_route(self, new_route):
        if new_route not in self['routes']:
            self['routes'].append(new_route)

    def add_dns(self, dns):
        if dns not in self['dns']:
            self['dns'].append(dns)

    def add_ip(self, ip):
        if ip not in self['ips']:
            self['ips'].append(ip)

    def as_netaddr(self):
        return netaddr.IPNetwork(self['cidr'])

    @classmethod
    def hydrate(cls, subnet):
        subnet = cls(**subnet)
        subnet['dns'] = [IP.hydrate(dns) for dns in subnet['dns']]
        subnet['ips'] = [FixedIP.hydrate(ip) for ip in subnet['ips']]
        subnet['routes'] = [Route.hydrate(route) for route in subnet['routes']]
        subnet['gateway'] = IP.hydrate(subnet['gateway'])
        return subnet


class Network(Model):
    def __init__(self, id=None, bridge=None, label=None, subnets=None, **kwargs):
        super().__init__(id=id, bridge=bridge, label=label, subnets=subnets or [])
        self._set_meta(kwargs)

    def add_subnet(self, subnet):
        if subnet not in self['subnets']:
            self['subnets'].append(subnet)

    @classmethod
    def hydrate(cls, network):
        if not network:
            return None
        network = cls(**network)
        network['subnets'] = [Subnet.hydrate(subnet) for subnet in network['subnets']]
        return network


class VIF8021QbgParams(Model):
    """Parameters of an 802.1qbg VIF."""

    def __init__(self, managerid, typeid, typeidversion, instanceid, **kwargs):
        super().__init__(managerid=managerid, typeid=typeid, typeidversion=typeidversion, instanceid=instanceid)
        self._set_meta(kwargs)


class VIF8021QbhParams(Model):
    """Parameters of an 802.1qbh VIF."""

    def __init__(self, profileid, **kwargs):
        super().__init__(profileid=profileid)
        self._set_meta(kwargs)


class VIF(Model):
    """An interface of a server."""

    def __init__(self, id=None, address=None, network=None, type=None, details=None, devname=None,
                 ovs_interfaceid=None, qbh_params=None, qbg_params=None, active=False, vnic_type=VNIC_TYPE_NORMAL,
                 profile=None, preserve_on_delete=False, **kwargs):
        super().__init__(id=id, address=address, network=network, type=type, details=details or {}, devname=devname,
                         ovs_interfaceid=ovs_interfaceid, qbh_params=qbh_params, qbg_params=qbg_params, active=active,
                         vnic_type=vnic_type, profile=profile, preserve_on_delete=preserve_on_delete)
        self._set_meta(kwargs)

    def fixed_ips(self):
        if not self['network']:
            return []
        return [ip for subnet in self['network']['subnets'] for ip in subnet['ips']]

    def floating_ips(self):
        return [floating for ip in self.fixed_ips() for floating in ip['floating_ips']]

    def labeled_ips(self):
        """{'network_label', 'network_id', 'ips': fixed and floating ones}; None without a network."""
        if not self['network']:
            return None
        return {'network_label': self['network']['label'], 'network_id': self['network']['id'],
                'ips': self.fixed_ips() + self.floating_ips()}

    def is_hybrid_plug_enabled(self):
        return bool(self['details'].get('ovs_hybrid_plug'))

    def is_neutron_filtering_enabled(self):
        return bool(self['details'].get('port_filter'))

    def get_physical_network(self):
        """The physical network that it is on, or None."""
        return ((self['network'] or Network()).get_meta('physical_network')
                or self['details'].get('physical_network'))

    @classmethod
    def hydrate(cls, vif):
        vif = cls(**vif)
        vif['network'] = Network.hydrate(vif['network'])
        return vif


class NetworkInfo(list):
    """The VIFs of one server."""

    def fixed_ips(self):
        """All fixed addresses."""
        return [ip for vif in self for ip in vif.fixed_ips()]

    def floating_ips(self):
        return [ip for vif in self for ip in vif.floating_ips()]

    @classmethod
    def hydrate(cls, network_info):
        """The model of what was stored or sent: JSON text, or what it decodes to."""
        if isinstance(network_info, str):
            network_info = json.loads(network_info)
        return cls(VIF.hydrate(vif) for vif in network_info or ())

    def json(self):
        return json.dumps(self)

    def plain(self):
        """The same as lists and dicts alone."""
        return plain(self)

    def wait(self, do_raise=True):
        """It is here already."""
