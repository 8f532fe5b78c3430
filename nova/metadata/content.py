# SPDX-License-Identifier: Apache-2.0
"""What a server is told about itself: one source for the metadata service and the config drive.

Two trees: the EC2 one (`latest/meta-data/…`) and OpenStack's (`openstack/latest/meta_data.json`, …).
"""

import base64
import hashlib
import json
import secrets

import netaddr

from nova.conf import CONF

EC2_VERSIONS = ('1.0', '2007-01-19', '2007-03-01', '2007-08-29', '2007-10-10', '2007-12-15', '2008-02-01', '2008-09-01',
                '2009-04-04')
OPENSTACK_VERSIONS = ('2012-08-10', '2013-04-04', '2013-10-17', '2015-10-15', '2016-06-30', '2016-10-06', '2017-02-22',
                      '2018-08-27', '2020-10-14')
LATEST = 'latest'
#: File -> the first version that has it.
SINCE = {'meta_data.json': '2012-08-10', 'user_data': '2012-08-10', 'password': '2013-04-04',
         'vendor_data.json': '2013-10-17', 'network_data.json': '2015-10-15', 'vendor_data2.json': '2016-10-06'}
#: Types of our interfaces in network_data.json.
_LINK_TYPES = {'bridge': 'bridge', 'ovs': 'ovs', None: 'phy'}


class Missing(LookupError):
    """There is nothing at this path."""


class InstanceMetadata:
    """The trees of one server.

    :param address: the address it asks from, if it does.
    :param files: [(path, bytes)] that its user injected.
    :param vendor_data, vendor_data2: dicts of the site.
    """

    def __init__(self, instance, network_info=None, files=(), admin_password=None, address=None, vendor_data=None,
                 vendor_data2=None):
        self.instance = instance
        self.network_info = network_info if network_info is not None else instance.get_network_info()
        self.files = list(files)
        self.admin_password = admin_password
        self.address = address
        self.vendor_data, self.vendor_data2 = vendor_data or {}, vendor_data2 or {}

    # Parts ------------------------------------------------------------------------------------------------------------

    @property
    def hostname(self):
        name = self.instance.hostname or self.instance.display_name or self.instance.uuid
        return f'{name}.{CONF.dhcp_domain}' if CONF.dhcp_domain and '.' not in name else name

    @property
    def user_data(self):
        """Bytes, or None."""
        return base64.b64decode(self.instance.user_data) if self.instance.user_data else None

    def _keys(self):
        if self.instance.keypairs:
            return [{'name': key['name'], 'type': key.get('type', 'ssh'), 'data': key['public_key']}
                    for key in self.instance.keypairs]
        if self.instance.key_data:
            return [{'name': self.instance.key_name, 'type': 'ssh', 'data': self.instance.key_data}]
        return []

    def meta_data(self):
        """The content of meta_data.json."""
        instance = self.instance
        keys = self._keys()
        found = {
            'uuid': instance.uuid, 'name': instance.display_name, 'hostname': self.hostname,
            'launch_index': instance.launch_index or 0, 'availability_zone': instance.availability_zone,
            'project_id': instance.project_id, 'meta': instance.metadata or {}, 'devices': [], 'dedicated_cpus': [],
            # What a guest's random numbers begin with, so nothing that others can guess.
            'random_seed': base64.b64encode(secrets.token_bytes(512)).decode(),
        }
        if keys:
            found['public_keys'] = {key['name']: key['data'] for key in keys}
            found['keys'] = keys
        if self.files:
            found['files'] = [{'path': path, 'content_path': f'/content/{number:04d}'}
                              for number, (path, _content) in enumerate(self.files)]
        if self.admin_password:
            found['admin_pass'] = self.admin_password
        return found

    def network_data(self):
        """The content of network_data.json: links, networks, services."""
        links, networks, services = [], [], []
        for number, vif in enumerate(self.network_info):
            network = vif['network']
            link = vif['devname'] or f'interface{number}'
            links.append({'id': link, 'vif_id': vif['id'], 'type': _LINK_TYPES.get(vif['type'], vif['type']),
                          'mtu': network['meta'].get('mtu'), 'ethernet_mac_address': vif['address']})
            for subnet in network['subnets']:
                servers = [{'type': 'dns', 'address': ip['address']} for ip in subnet['dns']]
                services += [server for server in servers if server not in services]
                networks += [self._network(len(networks) + index, link, network, subnet, ip, servers)
                             for index, ip in enumerate(subnet['ips'])]
        return {'links': links, 'networks': networks, 'services': services}

    @staticmethod
    def _network(number, link, network, subnet, ip, servers):
        cidr = netaddr.IPNetwork(subnet['cidr'])
        routes = [{'network': str(netaddr.IPNetwork(route['cidr']).ip), 'gateway': route['gateway']['address'],
                   'netmask': str(netaddr.IPNetwork(route['cidr']).netmask)} for route in subnet['routes']]
        if subnet['gateway'] and subnet['gateway']['address']:
            anywhere = '0.0.0.0' if cidr.version == 4 else '::'
            routes.insert(0, {'network': anywhere, 'netmask': anywhere, 'gateway': subnet['gateway']['address']})
        return {'id': f'network{number}', 'link': link, 'type': f'ipv{cidr.version}', 'network_id': network['id'],
                'ip_address': ip['address'], 'netmask': str(cidr.netmask), 'routes': routes, 'services': servers}

    # OpenStack's tree -------------------------------------------------------------------------------------------------

    def _openstack_file(self, name):
        """Bytes of a file, None when this server has none."""
        if name == 'meta_data.json':
            return json.dumps(self.meta_data()).encode()
        if name == 'user_data':
            return self.user_data
        if name == 'vendor_data.json':
            return json.dumps(self.vendor_data).encode()
        if name == 'vendor_data2.json':
            return json.dumps(self.vendor_data2).encode()
        if name == 'network_data.json':
            return json.dumps(self.network_data()).encode()
        return None

    def openstack(self, version):
        """{file: bytes} of a version.  Raises Missing for a version that is none."""
        if version != LATEST and version not in OPENSTACK_VERSIONS:
            raise Missing(version)
        found = {name: self._openstack_file(name) for name, since in SINCE.items()
                 if version == LATEST or since <= version}
        return {name: content for name, content in found.items() if content is not None}

    # EC2's tree -------------------------------------------------------------------------------------------------------

    def ec2(self):
        """The tree as nested dicts; leaves are text, lists of lines, or None."""
        instance = self.instance
        fixed = [ip['address'] for ip in self.network_info.fixed_ips() if ip['version'] == 4]
        floating = [ip['address'] for ip in self.network_info.floating_ips()]
        local = self.address or (fixed[0] if fixed else '')
        meta = {
            'ami-id': _ec2_id('ami', instance.image_ref or instance.uuid),
            'ami-launch-index': instance.launch_index or 0,
            'block-device-mapping': {
                'ami': (instance.root_device_name or 'vda').removeprefix('/dev/'),
                'root': instance.root_device_name or '/dev/vda'},
            'hostname': self.hostname, 'instance-action': 'none', 'instance-id': f'i-{instance.id or 0:08x}',
            'instance-type': instance.flavor.name if instance.flavor is not None else '',
            'local-hostname': self.hostname, 'local-ipv4': local,
            'placement': {'availability-zone': instance.availability_zone or ''},
            'public-hostname': self.hostname, 'public-ipv4': floating[0] if floating else '',
            'reservation-id': instance.reservation_id or '',
            'security-groups': list(instance.security_groups or []),
        }
        if instance.kernel_id:
            meta['kernel-id'] = _ec2_id('aki', instance.kernel_id)
        if instance.ramdisk_id:
            meta['ramdisk-id'] = _ec2_id('ari', instance.ramdisk_id)
        keys = [key for key in self._keys() if key['type'] == 'ssh']
        if keys:
            meta['public-keys'] = {f'0={keys[0]["name"]}': {'openssh-key': keys[0]['data']}}
        meta['ami-manifest-path'] = f'{instance.image_ref or "none"}.manifest'
        tree = {'meta-data': meta}
        if self.user_data is not None:
            tree['user-data'] = self.user_data
        return tree

    # Reading ----------------------------------------------------------------------------------------------------------

    def lookup(self, path):
        """Bytes at a path of either tree; directories are listed, a line each.  Raises Missing."""
        parts = [part for part in path.split('/') if part]
        if not parts:
            return '\n'.join([*EC2_VERSIONS, LATEST]).encode()
        if parts[0] == 'openstack':
            return self._lookup_openstack(parts[1:])
        if parts[0] not in (*EC2_VERSIONS, LATEST):
            raise Missing(path)
        return self._lookup_ec2(parts[1:])

    def _lookup_openstack(self, parts):
        if not parts:
            return '\n'.join([*OPENSTACK_VERSIONS, LATEST]).encode()
        if parts[0] == 'content' and len(parts) == 2:
            return self.content(parts[1])
        files = self.openstack(parts[0])
        if len(parts) == 1:
            return '\n'.join(sorted({*files, 'password'} if parts[0] == LATEST or parts[0] >= SINCE['password']
                                    else files)).encode()
        if len(parts) != 2 or parts[1] not in files:
            raise Missing('/'.join(parts))
        return files[parts[1]]

    def content(self, name):
        """An injected file by its number."""
        if not (name.isascii() and name.isdigit()) or len(name) > 18 or int(name) >= len(self.files):
            raise Missing(name)
        return self.files[int(name)][1]

    def _lookup_ec2(self, parts):
        node = self.ec2()
        for part in parts:
            if isinstance(node, dict) and part not in node:
                # public-keys/0 stands for public-keys/0=name
                part = next((name for name in node if name.startswith(f'{part}=')), part)
            if not isinstance(node, dict) or part not in node:
                raise Missing('/'.join(parts))
            node = node[part]
        return _ec2_text(node)

    def config_drive(self):
        """Every (path, bytes) of a config drive."""
        skipped = CONF.metadata.config_drive_skip_versions.split()
        tree = self.ec2()['meta-data']
        for version in (*EC2_VERSIONS, LATEST):
            if version in skipped:
                continue
            yield f'ec2/{version}/meta-data.json', json.dumps(tree).encode()
            if self.user_data is not None:
                yield f'ec2/{version}/user-data', self.user_data
        for version in (*OPENSTACK_VERSIONS, LATEST):
            for name, content in self.openstack(version).items():
                yield f'openstack/{version}/{name}', content
        for number, (_path, content) in enumerate(self.files):
            yield f'openstack/content/{number:04d}', content


def _ec2_id(kind, text):
    return f'{kind}-{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:8]}'


def _ec2_text(node):
    if isinstance(node, bytes):
        return node
    if isinstance(node, dict):
        lines = []
        for name, value in sorted(node.items()):
            lines.append(name + '/' if isinstance(value, dict) and '=' not in name else name)
        return '\n'.join(lines).encode()
    if isinstance(node, list):
        return '\n'.join(str(item) for item in node).encode()
    return str(node).encode()
