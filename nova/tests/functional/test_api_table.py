# SPDX-License-Identifier: Apache-2.0
"""What is looked at, at every version: which fields an answer has, as the specification (api-fields.md) says.

And every route is refused just before its first and just after its last version (tools/lib/api_routes.txt).
"""

import importlib.machinery
import importlib.util
import re

import pytest

from nova.tests import harness
from nova.tests.functional import sites

PUBLIC_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl test'
LAST = 104


def _load(path):
    """A program of tools/ as a module."""
    loader = importlib.machinery.SourceFileLoader(path.name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(path.name, loader))
    loader.exec_module(module)
    return module


SPEC = _load(harness.ROOT / 'tools' / 'api_coverage').Spec()


# Routes outside their versions ---------------------------------------------------------------------------------------

def edges():
    """(operation, version) just outside the versions of each operation."""
    for route in SPEC.routes.values():
        if route.first > 1:
            yield route.name, f'2.{route.first - 1}'
        if route.last < LAST:
            yield route.name, f'2.{route.last + 1}'


@pytest.mark.parametrize('operation, version', edges())
def test_outside_its_versions_a_route_is_not_there(site, operation, version):
    method, path = operation.split(' ')
    path, _hash, action = path.partition('#')
    answer = site.client().call(method, path.replace('{}', 'any'), {action: {}} if action else None, version=version)
    # The fixed words of services are ids from 2.53 on, and none that is possible.
    assert answer.status_code == (400 if path.startswith('/os-services/') and version == '2.53' else 404)


# Fields --------------------------------------------------------------------------------------------------------------

class Fields:
    """Keys of an object by version: lines 'name name? …', then the versions ('2.3-', '-2.35', '2.53-2.74').

    '?' is a key that may be missing.
    """

    _SPAN = re.compile(r'(?:2\.(?P<since>\d+))?-(?:2\.(?P<until>\d+))?')

    def __init__(self, text):
        self.rows = []
        for line in text.strip().splitlines():
            *names, last = line.split()
            span = self._SPAN.fullmatch(last)
            since, until = (int(span['since'] or 1), int(span['until'] or LAST)) if span else (1, LAST)
            self.rows += [(name, since, until) for name in (names if span else [*names, last])]

    def __add__(self, more):
        found = Fields('')
        found.rows = self.rows + more.rows
        return found

    def at(self, minor):
        """(keys that are there, keys that may be)"""
        here = {name for name, since, until in self.rows if since <= minor <= until}
        return ({name for name in here if not name.endswith('?')}, {name[:-1] for name in here if name.endswith('?')})

    def check(self, item, minor, where):
        there, maybe = self.at(minor)
        assert there <= set(item) <= there | maybe, (
            f'{where} at 2.{minor}: missing {sorted(there - set(item))}, '
            f'not expected {sorted(set(item) - there - maybe)}')


ITEM = Fields('id name links')
SERVER = Fields("""
    id name links status tenant_id user_id metadata hostId image flavor created updated addresses accessIPv4 accessIPv6
    OS-DCF:diskConfig progress OS-EXT-AZ:availability_zone config_drive key_name
    OS-SRV-USG:launched_at OS-SRV-USG:terminated_at security_groups OS-EXT-STS:task_state OS-EXT-STS:vm_state
    OS-EXT-STS:power_state os-extended-volumes:volumes_attached OS-EXT-SRV-ATTR:host
    OS-EXT-SRV-ATTR:hypervisor_hostname OS-EXT-SRV-ATTR:instance_name
    OS-EXT-SRV-ATTR:hostname OS-EXT-SRV-ATTR:reservation_id OS-EXT-SRV-ATTR:launch_index OS-EXT-SRV-ATTR:kernel_id 2.3-
    OS-EXT-SRV-ATTR:ramdisk_id OS-EXT-SRV-ATTR:root_device_name OS-EXT-SRV-ATTR:user_data 2.3-
    locked 2.9-
    host_status 2.16-
    description 2.19-
    tags 2.26-
    trusted_image_certificates 2.63-
    locked_reason 2.73-
    pinned_availability_zone 2.96-
    scheduler_hints 2.100-""")
SHOWN = SERVER + Fields('server_groups 2.71-')
FLAVOR = ITEM + Fields("""
    ram vcpus disk OS-FLV-EXT-DATA:ephemeral swap os-flavor-access:is_public
    description 2.55-
    extra_specs 2.61-
    rxtx_factor OS-FLV-DISABLED:disabled -2.101""")
KEYPAIR = Fields("""
    name public_key fingerprint user_id id created_at updated_at deleted deleted_at
    type 2.2-""")
LISTED_NODE = Fields("""
    id hypervisor_hostname state status
    servers? 2.53-""")
NODE = LISTED_NODE + Fields("""
    hypervisor_type hypervisor_version host_ip service
    vcpus memory_mb local_gb vcpus_used memory_mb_used local_gb_used free_ram_mb free_disk_gb current_workload -2.87
    running_vms disk_available_least cpu_info -2.87
    uptime 2.88-""")
SERVICE = Fields("""
    id binary host zone status state updated_at disabled_reason
    forced_down 2.11-""")
AGGREGATE = Fields("""
    id name availability_zone hosts metadata created_at updated_at deleted deleted_at
    uuid 2.41-""")
MIGRATION = Fields("""
    id instance_uuid status source_compute source_node dest_compute dest_node dest_host old_instance_type_id
    new_instance_type_id created_at updated_at
    migration_type links? 2.23-
    uuid 2.59-
    user_id project_id 2.80-""")
GROUP = Fields("""
    id name members
    policies metadata -2.63
    policy rules 2.64-
    project_id user_id 2.13-""")
ACTION = Fields("""
    action instance_uuid request_id user_id project_id start_time message
    updated_at 2.58-""")
EVENT = Fields("""
    event start_time finish_time result traceback
    host hostId 2.62-
    details 2.84-""")
_RESOURCES = 'instances cores ram metadata_items key_pairs server_groups server_group_members'
_FILES = 'injected_files injected_file_content_bytes injected_file_path_bytes -2.56'
_NETWORK = 'fixed_ips floating_ips security_groups security_group_rules'
QUOTAS = Fields(f'id {_RESOURCES}\n{_NETWORK} -2.35\n{_FILES}')
CLASS = Fields(f"""
    id instances cores ram metadata_items key_pairs
    {_NETWORK} -2.49
    server_groups server_group_members 2.50-
    {_FILES}""")
LIMITS = Fields("""
    maxServerMeta maxTotalCores maxTotalInstances maxTotalKeypairs maxTotalRAMSize maxServerGroups maxServerGroupMembers
    totalCoresUsed totalInstancesUsed totalRAMUsed totalServerGroupsUsed
    maxSecurityGroups maxSecurityGroupRules maxTotalFloatingIps totalFloatingIpsUsed totalSecurityGroupsUsed -2.35
    maxImageMeta -2.38
    maxPersonality maxPersonalitySize -2.56""")
LISTED_USAGE = Fields("""
    tenant_id start stop total_hours total_vcpus_usage total_memory_mb_usage total_local_gb_usage""")
USAGE = LISTED_USAGE + Fields('server_usages')
USED = Fields('instance_id name tenant_id flavor vcpus memory_mb local_gb hours started_at ended_at uptime state')
IMAGE = ITEM + Fields("""
    status progress minDisk minRam created updated metadata OS-EXT-IMG-SIZE:size OS-DCF:diskConfig? server?""")
ATTACHMENT = Fields("""
    volumeId serverId device
    id -2.88
    tag 2.70-
    delete_on_termination 2.79-
    attachment_id bdm_uuid 2.89-""")
INTERFACE = Fields("""
    port_id net_id mac_addr port_state fixed_ips
    tag 2.70-""")
DIAGNOSTICS = Fields("""
    cpu0_time memory -2.47
    vda_errors vda_read vda_read_req vda_write vda_write_req -2.47
    vnet1_rx vnet1_rx_drop vnet1_rx_errors vnet1_rx_packets vnet1_tx vnet1_tx_drop vnet1_tx_errors -2.47
    vnet1_tx_packets -2.47
    state driver hypervisor hypervisor_os uptime config_drive num_cpus num_nics num_disks cpu_details 2.48-
    memory_details nic_details disk_details 2.48-""")
VOLUME = Fields("""
    id status size availabilityZone createdAt displayName displayDescription volumeType snapshotId metadata
    attachments""")
SNAPSHOT = Fields('id volumeId status size createdAt displayName displayDescription')
NETWORK = Fields("""
    id label cidr netmask gateway broadcast dns1 dns2 cidr_v6 gateway_v6 netmask_v6 created_at updated_at deleted_at
    deleted injected bridge bridge_interface vlan vpn_public_address vpn_public_port vpn_private_address dhcp_start
    dhcp_server enable_dhcp share_address mtu project_id host multi_host priority rxtx_base""")
TENANT_NETWORK = Fields('id label cidr')
FLOATING_IP = Fields('id ip pool instance_id fixed_ip')
FLOATING_INFO = Fields('address pool interface project_id instance_uuid fixed_ip')
SECURITY_GROUP = Fields('id name description tenant_id rules')
SECURITY_RULE = Fields('id parent_group_id ip_protocol from_port to_port group ip_range')
DEFAULT_RULE = Fields('id ip_protocol from_port to_port ip_range')
CONSOLE = Fields("""
    instance_uuid host port internal_access_path
    tls_port? 2.99-""")

#: (path, keys on the way to the object, its fields); versions where they are not those of the documented route.
LOOKS = [
    ('/servers', 'servers 0', ITEM),
    ('/servers/detail', 'servers 0', SERVER),
    ('/servers/{server}', 'server', SHOWN),
    ('/os-volumes_boot/{server}', 'server', SHOWN),
    ('/servers/{server}/metadata', 'metadata', Fields('k')),
    ('/servers/{server}/metadata/k', 'meta', Fields('k')),
    ('/servers/{server}/ips', 'addresses', Fields('lan')),
    ('/servers/{server}/ips', 'addresses lan 0', Fields('addr version')),
    ('/servers/{server}/ips/lan', 'lan 0', Fields('addr version')),
    ('/servers/{server}/diagnostics', '', DIAGNOSTICS),
    ('/servers/{server}/topology', '', Fields('nodes pagesize_kb')),
    ('/servers/{server}/tags', '', Fields('tags')),
    ('/servers/{server}/migrations', '', Fields('migrations')),
    ('/servers/{server}/os-instance-actions', 'instanceActions 0', ACTION),
    ('/servers/{server}/os-instance-actions/{request}', 'instanceAction', ACTION + Fields('events')),
    ('/servers/{server}/os-instance-actions/{request}', 'instanceAction events 0', EVENT),
    ('/servers/{server}/os-interface', 'interfaceAttachments 0', INTERFACE),
    ('/servers/{server}/os-interface/{port}', 'interfaceAttachment', INTERFACE),
    ('/servers/{server}/os-security-groups', 'security_groups 0', SECURITY_GROUP),
    ('/servers/{server}/os-server-password', '', Fields('password')),
    ('/servers/{server}/os-virtual-interfaces', 'virtual_interfaces 0', Fields('id mac_address\nnet_id 2.12-')),
    ('/servers/{server}/os-volume_attachments', 'volumeAttachments 0', ATTACHMENT),
    ('/servers/{server}/os-volume_attachments/{volume}', 'volumeAttachment', ATTACHMENT),
    ('/flavors', 'flavors 0', ITEM + Fields('description 2.55-')),
    ('/flavors/detail', 'flavors 0', FLAVOR),
    ('/flavors/1', 'flavor', FLAVOR),
    ('/flavors/own/os-extra_specs', 'extra_specs', Fields('hw:numa_nodes')),
    ('/flavors/own/os-extra_specs/hw:numa_nodes', '', Fields('hw:numa_nodes')),
    ('/flavors/own/os-flavor-access', 'flavor_access 0', Fields('flavor_id tenant_id')),
    ('/images', 'images 0', ITEM),
    ('/images/detail', 'images 0', IMAGE),
    ('/images/{image}', 'image', IMAGE),
    ('/images/{image}/metadata', 'metadata', Fields('k')),
    ('/images/{image}/metadata/k', 'meta', Fields('k')),
    ('/limits', 'limits absolute', LIMITS),
    ('/extensions', 'extensions 0', Fields('alias name description links namespace updated')),
    ('/extensions/os-keypairs', 'extension', Fields('alias name description links namespace updated')),
    ('/versions/v2.1', 'version', Fields('id status version min_version updated links media-types')),
    ('/os-aggregates', 'aggregates 0', AGGREGATE),
    ('/os-aggregates/{aggregate}', 'aggregate', AGGREGATE),
    ('/os-availability-zone', 'availabilityZoneInfo 0', Fields('zoneName zoneState hosts')),
    ('/os-availability-zone/detail', 'availabilityZoneInfo 0', Fields('zoneName zoneState hosts')),
    ('/os-fixed-ips/10.0.0.2', 'fixed_ip', Fields('address cidr host hostname\nreserved 2.4-')),
    ('/os-floating-ip-pools', 'floating_ip_pools 0', Fields('name')),
    ('/os-floating-ips', 'floating_ips 0', FLOATING_IP),
    ('/os-floating-ips/{floating}', 'floating_ip', FLOATING_IP),
    ('/os-floating-ips-bulk', 'floating_ip_info 0', FLOATING_INFO),
    ('/os-floating-ips-bulk/{host}', 'floating_ip_info 0', FLOATING_INFO),
    ('/os-hosts', 'hosts 0', Fields('host_name service zone')),
    ('/os-hosts/test', 'host 0 resource', Fields('host project cpu memory_mb disk_gb')),
    ('/os-hosts/test/startup', '', Fields('host power_action')),
    ('/os-hypervisors', 'hypervisors 0', LISTED_NODE),
    ('/os-hypervisors/detail', 'hypervisors 0', NODE),
    ('/os-hypervisors/{node}', 'hypervisor', NODE),
    ('/os-hypervisors/{node}/uptime', 'hypervisor', LISTED_NODE + Fields('uptime')),
    ('/os-hypervisors/test/search', 'hypervisors 0', LISTED_NODE),
    ('/os-hypervisors/test/servers', 'hypervisors 0', LISTED_NODE + Fields('servers')),
    ('/os-hypervisors/statistics', 'hypervisor_statistics', Fields("""
        count vcpus vcpus_used memory_mb memory_mb_used local_gb local_gb_used free_ram_mb free_disk_gb
        current_workload running_vms disk_available_least""")),
    ('/os-keypairs', 'keypairs 0 keypair', Fields('name public_key fingerprint\ntype 2.2-')),
    ('/os-keypairs/key', 'keypair', KEYPAIR),
    ('/os-migrations', 'migrations 0', MIGRATION),
    ('/os-networks', 'networks 0', NETWORK),
    ('/os-networks/{network}', 'network', NETWORK),
    ('/os-quota-class-sets/default', 'quota_class_set', CLASS),
    ('/os-quota-sets/demo', 'quota_set', QUOTAS),
    ('/os-quota-sets/demo/defaults', 'quota_set', QUOTAS),
    ('/os-quota-sets/demo/detail', 'quota_set', QUOTAS),
    ('/os-quota-sets/demo/detail', 'quota_set cores', Fields('limit in_use reserved')),
    ('/os-security-group-default-rules', 'security_group_default_rules 0', DEFAULT_RULE),
    ('/os-security-group-default-rules/{default_rule}', 'security_group_default_rule', DEFAULT_RULE),
    ('/os-security-groups', 'security_groups 0', SECURITY_GROUP),
    ('/os-security-groups/{security_group}', 'security_group', SECURITY_GROUP),
    ('/os-security-groups/{security_group}', 'security_group rules 0', SECURITY_RULE),
    ('/os-server-groups', 'server_groups 0', GROUP),
    ('/os-server-groups/{group}', 'server_group', GROUP),
    ('/os-services', 'services 0', SERVICE),
    ('/os-simple-tenant-usage?start=2020-01-01T00:00:00', 'tenant_usages 0', LISTED_USAGE),
    ('/os-simple-tenant-usage?start=2020-01-01T00:00:00&detailed=1', 'tenant_usages 0', USAGE),
    ('/os-simple-tenant-usage/demo?start=2020-01-01T00:00:00', 'tenant_usage', USAGE),
    ('/os-simple-tenant-usage/demo?start=2020-01-01T00:00:00', 'tenant_usage server_usages 0', USED),
    ('/os-snapshots', 'snapshots 0', SNAPSHOT),
    ('/os-snapshots/detail', 'snapshots 0', SNAPSHOT),
    ('/os-snapshots/{snapshot}', 'snapshot', SNAPSHOT),
    ('/os-tenant-networks', 'networks 0', TENANT_NETWORK),
    ('/os-tenant-networks/{network}', 'network', TENANT_NETWORK),
    ('/os-volumes', 'volumes 0', VOLUME),
    ('/os-volumes/detail', 'volumes 0', VOLUME),
    ('/os-volumes/{volume}', 'volume', VOLUME),
    ('/os-console-auth-tokens/{rdp}', 'console', CONSOLE),
    ('/os-console-auth-tokens/{spice_direct}', 'console', CONSOLE + Fields('tls_port 2.99-'), 31),
]


def _post(client, path, body, version='2.1'):
    answer = client.post(path, body, version)
    if len(answer) != 1:
        return answer
    (made,) = answer.values()
    return made


def furnish(site):
    """One of each kind; what the table calls them."""
    client = site.client()
    site.manage('network', 'create', '--label', 'lan', '--cidr', '10.0.0.0/24')
    key = _post(client, '/os-keypairs', {'keypair': {'name': 'key', 'public_key': PUBLIC_KEY}})['name']
    group = _post(client, '/os-server-groups', {'server_group': {'name': 'group', 'policies': ['soft-affinity']}},
                  '2.15')['id']
    made = _post(client, '/servers', {'os:scheduler_hints': {'group': group}, 'server': {
        'name': 'guest', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'auto', 'key_name': key,
        'metadata': {'k': 'v'}, 'tags': ['t']}}, '2.94')
    server = client.wait(made['id'], 'ACTIVE')['id']
    path = f'/servers/{server}'
    volume = _post(client, '/os-volumes', {'volume': {'size': 1, 'display_name': 'volume'}})['id']
    snapshot = _post(client, '/os-snapshots', {'snapshot': {'volume_id': volume, 'display_name': 'snapshot'}})['id']
    _post(client, f'{path}/os-volume_attachments', {'volumeAttachment': {'volumeId': volume}})
    client.post('/flavors', {'flavor': {'name': 'own', 'id': 'own', 'ram': 64, 'vcpus': 1, 'disk': 1,
                                        'os-flavor-access:is_public': False}}, '2.1')
    client.post('/flavors/own/os-extra_specs', {'extra_specs': {'hw:numa_nodes': '1'}}, '2.1')
    client.post('/flavors/own/action', {'addTenantAccess': {'tenant': 'demo'}}, '2.1')
    client.post(f'/images/{harness.IMAGE_ID}/metadata', {'metadata': {'k': 'v'}}, '2.1')
    client.post('/os-floating-ips-bulk', {'floating_ips_bulk_create': {'ip_range': '172.24.4.0/29'}}, '2.1')
    security_group = _post(client, '/os-security-groups', {'security_group': {'name': 'sg', 'description': 'sg'}})['id']
    source = _post(client, '/os-security-groups', {'security_group': {'name': 'source', 'description': 'sg'}})['id']
    for more in ({'cidr': '0.0.0.0/0'}, {'group_id': source}):
        client.post('/os-security-group-rules', {'security_group_rule': {
            'parent_group_id': security_group, 'ip_protocol': 'tcp', 'from_port': 22, 'to_port': 22, **more}}, '2.1')
    client.action(server, 'addSecurityGroup', {'name': 'sg'})
    client.action(server, 'migrate', version='2.104')
    client.wait(server, 'VERIFY_RESIZE')
    client.call('POST', f'{path}/action', {'revertResize': None})
    client.wait(server, 'ACTIVE')
    floating = _post(client, '/os-floating-ips', {})
    client.action(server, 'addFloatingIp', {'address': floating['ip']}, '2.1')
    return {
        'host': client.get(path)['server']['OS-EXT-SRV-ATTR:host'],
        'server': server, 'volume': volume, 'snapshot': snapshot, 'image': harness.IMAGE_ID, 'group': group,
        'request': client.get(f'{path}/os-instance-actions')['instanceActions'][-1]['request_id'],
        'port': client.get(f'{path}/os-interface')['interfaceAttachments'][0]['port_id'],
        'aggregate': _post(client, '/os-aggregates', {'aggregate': {'name': 'aggregate'}})['id'],
        'floating': floating['id'],
        'security_group': security_group,
        'default_rule': _post(client, '/os-security-group-default-rules', {'security_group_default_rule': {
            'ip_protocol': 'tcp', 'from_port': 22, 'to_port': 22, 'cidr': '10.0.0.0/8'}})['id'],
        'network': client.get('/os-networks', '2.1')['networks'][0]['id'],
        'rdp': token(client, server, 'rdp', 'rdp-html5'),
        'spice_direct': token(client, server, 'spice', 'spice-direct'),
        'numbers': {'node': client.get('/os-hypervisors', '2.52')['hypervisors'][0]['id']},
        'uuids': {'node': client.get('/os-hypervisors')['hypervisors'][0]['id']}}


def token(client, server, protocol, kind):
    """The token of a new console of the server."""
    made = _post(client, f'/servers/{server}/remote-consoles', {'remote_console': {'protocol': protocol, 'type': kind}},
                 '2.104')
    return re.search(r'token(?:=|%3D)([-0-9a-f]+)', made['url'])[1]


site = sites.own({'fake': {'more_hosts': 'second'}, 'rdp': {'enabled': True}, 'spice': {'enabled': True}}, computes=2)


@pytest.fixture(scope='module')
def world(site):
    return furnish(site)


def within(body, steps):
    for step in steps.split():
        body = body[int(step)] if step.isdigit() else body[step]
    return body


def documented(path):
    """The documented route of a path of the table."""
    path = re.sub(r'\{\w+\}', '{}', path.partition('?')[0])
    if f'GET {path}' in SPEC.routes:
        return SPEC.routes[f'GET {path}']
    return next(route for name, route in SPEC.routes.items() if name.startswith('GET ')
                and re.fullmatch(name[4:].replace('{}', '[^/]+'), path))


@pytest.mark.parametrize('path, steps, fields, since', [(*row, 1)[:4] for row in LOOKS],
                         ids=[f'{row[0]}-{row[1].replace(" ", ".")}' for row in LOOKS])
def test_fields_at_every_version(site, world, path, steps, fields, since):
    client, route = site.client(), documented(path)
    for minor in range(max(route.first, since), route.last + 1):
        names = {**world, **world['numbers' if minor < 53 else 'uuids']}
        answer = client.call('GET', path.format(**names), version=f'2.{minor}')
        assert answer.status_code == 200, f'{path} at 2.{minor}: {answer.text}'
        fields.check(within(answer.json(), steps), minor, path)


def test_every_documented_look_is_in_the_table():
    """What is not, is looked at where it is made or refused."""
    elsewhere = ('os-agents', 'os-cells', 'os-certificates', 'os-cloudpipe', 'os-instance_usage_audit_log',
                 'os-volumes_boot', 'consoles', 'shares', 'os-baremetal-nodes', 'os-floating-ip-dns', 'os-fping')
    known = {documented(row[0]).name for row in LOOKS}
    missing = [name for name in SPEC.routes if name.startswith('GET ') and name not in known
               and not any(f'/{word}' in name for word in elsewhere)]
    assert set(missing) <= {'GET /servers/{}/tags/{}', 'GET /servers/{}/migrations/{}', 'GET /os-hosts/{}/shutdown',
                            'GET /os-hosts/{}/reboot'}
