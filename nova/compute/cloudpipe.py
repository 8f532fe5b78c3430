# SPDX-License-Identifier: Apache-2.0
"""Cloudpipe: a VPN server in a project, through which its users reach the network of their servers.

The server is made of `vpn_image_id` and gets, as user data, a zip file with `autorun.sh`: a script that sets OpenVPN up
with a certificate of the site's authority.  Users get theirs with POST /os-certificates.
"""

import base64
import io
import pathlib
import secrets
import socket
import zipfile

from nova import exception, objects
from nova.compute import api as compute_api
from nova.compute import certificates, create, vm_states
from nova.conf import CONF
from nova.network import api as network_api

_PING_TIMEOUT_S = 0.5
#: P_CONTROL_HARD_RESET_CLIENT_V2: how an OpenVPN client begins.
_HELLO = b'\x38'
PORT = 1194

_AUTORUN = '''\
#!/bin/sh
# Written by the compute service: makes this machine the VPN server of project {project}.
set -e
mkdir -p /etc/openvpn
cd /etc/openvpn
umask 077
cat > ca.crt <<'END'
{ca}END
cat > server.crt <<'END'
{certificate}END
cat > server.key <<'END'
{key}END
cat > server.conf <<'END'
port {port}
proto udp
dev tap0
server-bridge
ca ca.crt
cert server.crt
key server.key
dh none
push "route {dmz_net} {dmz_mask}"
keepalive 10 120
persist-key
persist-tun
END
if command -v systemctl > /dev/null; then
    systemctl restart openvpn@server
else
    /etc/init.d/openvpn restart
fi
'''


class CloudpipeUnavailable(exception.Invalid):
    msg_fmt = 'No VPN server can be made: %(reason)s'


class Cloudpipe:
    """VPN servers of projects."""

    def __init__(self):
        self.compute = compute_api.API()
        self.network = network_api.API()

    def servers(self, context, project_id=None):
        """The VPN servers there are, of all projects or one."""
        if not CONF.vpn_image_id:
            return []
        filters = {'deleted': False, 'image_ref': CONF.vpn_image_id}
        if project_id is not None:
            filters['project_id'] = project_id
        found, _down = self.compute.get_all(context.elevated(), filters)
        return [server for server in found if server.vm_state != vm_states.SOFT_DELETED]

    def networks_of(self, context, project_id):
        """Networks that belong to a project."""
        return [network for network in objects.NetworkList.get_all(context.elevated())
                if network.project_id == project_id]

    def launch(self, context, project_id=None):
        """The VPN server of a project (None: the caller's), made if there is none.

        Raises CloudpipeUnavailable, and what creating servers raises.
        """
        project_id = project_id or context.project_id
        found = self.servers(context, project_id)
        if found:
            return found[0]
        if not CONF.vpn_image_id:
            raise CloudpipeUnavailable(reason='vpn_image_id is not set')
        networks = self.networks_of(context, project_id)
        if not networks:
            raise CloudpipeUnavailable(reason=f'project {project_id} has no network of its own')
        # The server is the project's, whoever asks for it.
        owner = context.elevated()
        owner.project_id = project_id
        name = project_id + CONF.vpn_key_suffix
        request = create.Request(
            name=name, flavor=_flavor(owner), image=CONF.vpn_image_id, key_name=self._key_pair(owner, name),
            security_groups=[self._security_group(owner, name)], user_data=user_data(project_id),
            networks=network_api.requested([{'uuid': networks[0].uuid}]),
            admin_password=compute_api.generate_password())
        return self.compute.create(owner, request)[0]

    def _key_pair(self, context, name):
        """The name of the key pair; its private key is kept on this host."""
        try:
            objects.KeyPair.get_by_name(context, context.user_id, name)
        except exception.KeypairNotFound:
            _pair, private_key = self.compute.create_key_pair(context, context.user_id, name)
            certificates.write_private(pathlib.Path(CONF.keys_path) / context.project_id / f'{name}.pem', private_key)
        return name

    def _security_group(self, context, name):
        groups = self.network.security_groups
        if not any(group.name == name for group in groups.list(context)):
            made = groups.create(context, name, 'Group of the VPN server')
            groups.add_rule(context, made.id, 'udp', PORT, PORT, '0.0.0.0/0')
            groups.add_rule(context, made.id, 'icmp', -1, -1, '0.0.0.0/0')
        return name

    def configure(self, context, address, port):
        """Say from outside of which address and port the VPN of the caller's project is reached.

        Raises CloudpipeUnavailable.
        """
        networks = self.networks_of(context, context.project_id)
        if not networks:
            raise CloudpipeUnavailable(reason=f'project {context.project_id} has no network of its own')
        for network in networks:
            network.associate(vpn_public_address=address, vpn_public_port=port)

    def describe(self, context):
        """What the API shows of each VPN server: see the API specification, "cloudpipe"."""
        networks = {}
        for network in objects.NetworkList.get_all(context.elevated()):
            networks.setdefault(network.project_id, network)
        return [_described(server, networks.get(server.project_id)) for server in self.servers(context)]


def _flavor(context):
    """The public id of vpn_flavor, which may be a name.  Raises CloudpipeUnavailable."""
    for flavor in objects.FlavorList.get_all(context):
        if CONF.vpn_flavor in (flavor.flavorid, flavor.name):
            return flavor.flavorid
    raise CloudpipeUnavailable(reason=f'there is no flavor {CONF.vpn_flavor}')


def user_data(project_id):
    """The zip file for the server, base64."""
    certificate, key = certificates.issue(f'{project_id}-vpn', project_id)
    script = _AUTORUN.format(project=project_id, ca=certificates.root(), certificate=certificate, key=key, port=PORT,
                             dmz_net=CONF.dmz_net, dmz_mask=CONF.dmz_mask)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('autorun.sh', script)
    return base64.b64encode(packed.getvalue()).decode()


def _described(server, network):
    shown = {'project_id': server.project_id, 'instance_id': server.uuid,
             'created_at': server.created_at.strftime('%Y-%m-%dT%H:%M:%SZ')}
    addresses = [ip['address'] for ip in server.get_network_info().fixed_ips() if ip['version'] == 4]
    if not addresses:
        return {**shown, 'state': 'pending' if server.vm_state == vm_states.BUILDING else 'invalid'}
    shown['internal_ip'] = addresses[0]
    if network is None or not network.vpn_public_address or not network.vpn_public_port:
        return {**shown, 'state': 'invalid'}
    shown.update(public_ip=network.vpn_public_address, public_port=network.vpn_public_port)
    return {**shown, 'state': 'running' if ping(network.vpn_public_address, network.vpn_public_port) else 'down'}


def ping(address, port, timeout_s=_PING_TIMEOUT_S):
    """Whether an OpenVPN server answers there."""
    session = secrets.token_bytes(8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(timeout_s)
        try:
            probe.connect((address, port))
            probe.send(_HELLO + session + b'\0' + b'\0' * 4)
            # The answer repeats the session that it answers to.
            return session in probe.recv(1024)
        except OSError:
            return False
