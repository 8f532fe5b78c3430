# SPDX-License-Identifier: Apache-2.0
"""Every route, asked by whom it does not belong to: another project's member, a reader of the project, and nobody.

`TABLE` says what each of the first two is answered (nobody is always told 401), with requests that would succeed for
the owner.  A route that is not in the table fails the walk: a new one brings its line.  `NAMING` are requests about
one's own things that name those of others, and must not reach them.  At the end, nothing of the project has changed.
"""

import json
import re

import pytest
import yaml

from nova.api.openstack import microversions, wsgi
from nova.api.openstack.compute import volumes_boot
from nova.tests import harness
from nova.tests.functional import test_networks

OLD = '2.1'
OWNER, READER, STRANGER = 'alice:project-a', 'rita:project-a:reader', 'mallory:elsewhere'
SHARE = '10000000-0000-4000-8000-000000000000'
UNKNOWN = '22222222-2222-2222-2222-222222222222'
#: Operation (and the last of its versions, if that is not the newest), status for a stranger, status for a reader, body
#: unless null; an action's is the value of its key.
TABLE = '''
GET /extensions  200  200
GET /extensions/{}  200  200
GET /flavors  200  200
POST /flavors  403  403  {"flavor": {"name": "x", "ram": 1, "vcpus": 1, "disk": 1}}
GET /flavors/detail  200  200
DELETE /flavors/{}  403  403
GET /flavors/{}  404  200
PUT /flavors/{}  403  403  {"flavor": {"description": "x"}}
POST /flavors/{}/action#addTenantAccess  403  403  {"tenant": "elsewhere"}
POST /flavors/{}/action#removeTenantAccess  403  403  {"tenant": "project-a"}
GET /flavors/{}/os-extra_specs  404  200
POST /flavors/{}/os-extra_specs  403  403  {"extra_specs": {"colour": "x"}}
DELETE /flavors/{}/os-extra_specs/{}  403  403
GET /flavors/{}/os-extra_specs/{}  404  200
PUT /flavors/{}/os-extra_specs/{}  403  403  {"colour": "y"}
GET /flavors/{}/os-flavor-access  403  403
GET /images -2.35  200  200
GET /images/detail -2.35  200  200
DELETE /images/{} -2.35  404  403
GET /images/{} -2.35  404  200
GET /images/{}/metadata -2.38  404  200
POST /images/{}/metadata -2.38  404  403  {"metadata": {"a": "b"}}
PUT /images/{}/metadata -2.38  404  403  {"metadata": {"a": "b"}}
DELETE /images/{}/metadata/{} -2.38  404  404
GET /images/{}/metadata/{} -2.38  404  404
PUT /images/{}/metadata/{} -2.38  404  403  {"meta": {"colour": "b"}}
GET /limits  200  200
GET /os-agents  403  403
POST /os-agents  403  403
DELETE /os-agents/{}  403  403
PUT /os-agents/{}  403  403  {"para": {"version": "1", "url": "http://x/y", "md5hash": "ab"}}
GET /os-aggregates  403  403
POST /os-aggregates  403  403  {"aggregate": {"name": "x"}}
DELETE /os-aggregates/{}  403  403
GET /os-aggregates/{}  403  403
PUT /os-aggregates/{}  403  403  {"aggregate": {"name": "x"}}
POST /os-aggregates/{}/action#add_host  403  403  {"host": "test"}
POST /os-aggregates/{}/action#remove_host  403  403  {"host": "test"}
POST /os-aggregates/{}/action#set_metadata  403  403  {"metadata": {"a": "b"}}
POST /os-aggregates/{}/images  403  403  {"cache": [{"id": "<image_id>"}]}
POST /os-assisted-volume-snapshots  403  403
DELETE /os-assisted-volume-snapshots/{}  403  403
GET /os-availability-zone  200  200
GET /os-availability-zone/detail  403  403
GET /os-baremetal-nodes -2.35  403  403
POST /os-baremetal-nodes -2.35  403  403
DELETE /os-baremetal-nodes/{} -2.35  403  403
GET /os-baremetal-nodes/{} -2.35  403  403
POST /os-baremetal-nodes/{}/action#add_interface -2.35  403  403
POST /os-baremetal-nodes/{}/action#remove_interface -2.35  403  403
GET /os-cells  403  403
POST /os-cells  403  403
POST /os-cells/sync_instances  403  403
DELETE /os-cells/{}  403  403
GET /os-cells/{}  403  403
PUT /os-cells/{}  403  403
GET /os-cells/{}/capacities  403  403
POST /os-certificates  200  200
GET /os-certificates/{}  200  200
GET /os-cloudpipe  403  403
POST /os-cloudpipe  403  403  {"cloudpipe": {"project_id": "project-a"}}
PUT /os-cloudpipe/{}  403  403  {"configure_project": {"vpn_ip": "10.0.0.1", "vpn_port": 1}}
GET /os-console-auth-tokens/{}  403  403
GET /os-console-auth-tokens/{} -2.30  403  403
GET /os-fixed-ips/{} -2.35  403  403
POST /os-fixed-ips/{}/action#reserve -2.35  403  403
POST /os-fixed-ips/{}/action#unreserve -2.35  403  403
GET /os-floating-ip-dns -2.35  200  200
DELETE /os-floating-ip-dns/{} -2.35  403  403
PUT /os-floating-ip-dns/{} -2.35  403  403  {"domain_entry": {"scope": "public"}}
DELETE /os-floating-ip-dns/{}/entries/{} -2.35  404  404
GET /os-floating-ip-dns/{}/entries/{} -2.35  404  404
PUT /os-floating-ip-dns/{}/entries/{} -2.35  404  404  {"dns_entry": {"ip": "10.0.0.1", "dns_type": "A"}}
GET /os-floating-ip-pools -2.35  200  200
GET /os-floating-ips -2.35  200  200
POST /os-floating-ips -2.35  200  403
GET /os-floating-ips-bulk -2.35  403  403
POST /os-floating-ips-bulk -2.35  403  403  {"floating_ips_bulk_create": {"ip_range": "192.0.3.0/29"}}
GET /os-floating-ips-bulk/{} -2.35  403  403
PUT /os-floating-ips-bulk/{} -2.35  403  403  {"ip_range": "192.0.2.0/29"}
DELETE /os-floating-ips/{} -2.35  404  403
GET /os-floating-ips/{} -2.35  404  200
GET /os-fping -2.35  200,503  200,503
GET /os-fping/{} -2.35  404  200,503
GET /os-hosts -2.42  403  403
GET /os-hosts/{} -2.42  403  403
PUT /os-hosts/{} -2.42  403  403  {"status": "disable"}
GET /os-hosts/{}/{} -2.42  403  403
GET /os-hypervisors  403  403
GET /os-hypervisors/detail  403  403
GET /os-hypervisors/statistics -2.87  403  403
GET /os-hypervisors/{}  403  403
GET /os-hypervisors/{}/search -2.52  403  403
GET /os-hypervisors/{}/servers -2.52  403  403
GET /os-hypervisors/{}/uptime -2.87  403  403
GET /os-instance_usage_audit_log  403  403
GET /os-instance_usage_audit_log/{}  403  403
GET /os-keypairs  200  200
POST /os-keypairs  403  403
DELETE /os-keypairs/{}  404  404
GET /os-keypairs/{}  404  404
GET /os-migrations  403  403
GET /os-networks -2.35  200  200
POST /os-networks -2.35  403  403  {"network": {"label": "x", "cidr": "10.9.0.0/24"}}
POST /os-networks/add -2.35  403  403  {"id": "<network_id>"}
DELETE /os-networks/{} -2.35  403  403
GET /os-networks/{} -2.35  404  200
POST /os-networks/{}/action#associate_host -2.35  403  403  "test"
POST /os-networks/{}/action#disassociate -2.35  403  403
POST /os-networks/{}/action#disassociate_host -2.35  403  403
POST /os-networks/{}/action#disassociate_project -2.35  403  403
GET /os-quota-class-sets/{}  403  403
PUT /os-quota-class-sets/{}  403  403  {"quota_class_set": {"cores": 1}}
DELETE /os-quota-sets/{}  403  403
GET /os-quota-sets/{}  403  200
PUT /os-quota-sets/{}  403  403  {"quota_set": {"cores": 1}}
GET /os-quota-sets/{}/defaults  200  200
GET /os-quota-sets/{}/detail  403  200
GET /os-security-group-default-rules -2.35  403  403
POST /os-security-group-default-rules -2.35  403  403
DELETE /os-security-group-default-rules/{} -2.35  403  403
GET /os-security-group-default-rules/{} -2.35  403  403
POST /os-security-group-rules -2.35  404  403
DELETE /os-security-group-rules/{} -2.35  404  403
GET /os-security-groups -2.35  200  200
POST /os-security-groups -2.35  200  403  {"security_group": {"name": "mine", "description": "x"}}
DELETE /os-security-groups/{} -2.35  404  403
GET /os-security-groups/{} -2.35  404  200
PUT /os-security-groups/{} -2.35  404  403  {"security_group": {"name": "mine", "description": "x"}}
POST /os-server-external-events  403  403  {"events": [{"name": "network-changed", "server_uuid": "<server_id>"}]}
GET /os-server-groups  200  200
POST /os-server-groups  200  403  {"server_group": {"name": "mine", "policy": "affinity"}}
POST /os-server-groups -2.63  200  403  {"server_group": {"name": "mine", "policies": ["affinity"]}}
DELETE /os-server-groups/{}  404  403
GET /os-server-groups/{}  404  200
GET /os-services  403  403
PUT /os-services/disable -2.52  403  403  {"host": "test", "binary": "nova-compute"}
PUT /os-services/disable-log-reason -2.52  403  403  {"host": "test", "binary": "nova-compute", "disabled_reason": "x"}
PUT /os-services/enable -2.52  403  403  {"host": "test", "binary": "nova-compute"}
PUT /os-services/force-down -2.52  403  403  {"host": "test", "binary": "nova-compute", "forced_down": true}
DELETE /os-services/{}  403  403
PUT /os-services/{}  403  403  {"status": "disabled"}
GET /os-simple-tenant-usage  403  403
GET /os-simple-tenant-usage/{}  403  200
GET /os-snapshots -2.35  200  200
POST /os-snapshots -2.35  404  403  {"snapshot": {"volume_id": "<free_volume>"}}
GET /os-snapshots/detail -2.35  200  200
DELETE /os-snapshots/{} -2.35  404  403
GET /os-snapshots/{} -2.35  404  200
GET /os-tenant-networks -2.35  200  200
POST /os-tenant-networks -2.35  200  403  {"network": {"label": "mine", "cidr": "10.8.0.0/24"}}
DELETE /os-tenant-networks/{} -2.35  404  403
GET /os-tenant-networks/{} -2.35  404  200
GET /os-volumes -2.35  200  200
POST /os-volumes -2.35  404  403  {"volume": {"size": 1, "snapshot_id": "<snapshot_id>"}}
GET /os-volumes/detail -2.35  200  200
DELETE /os-volumes/{} -2.35  404  403
GET /os-volumes/{} -2.35  404  200
GET /os-volumes_boot -2.102  200  200
POST /os-volumes_boot -2.102  400  403
GET /os-volumes_boot/detail -2.102  200  200
DELETE /os-volumes_boot/{} -2.102  404  403
GET /os-volumes_boot/{} -2.102  404  200
PUT /os-volumes_boot/{} -2.102  404  403  {"server": {"name": "x"}}
GET /servers  200  200
POST /servers  400  403
GET /servers/detail  200  200
DELETE /servers/{}  404  403
GET /servers/{}  404  200
PUT /servers/{}  404  403  {"server": {"name": "x"}}
POST /servers/{}/action#addFixedIp -2.43  404  403  {"networkId": "<network_id>"}
POST /servers/{}/action#addFloatingIp -2.43  404  403  {"address": "<floating>"}
POST /servers/{}/action#addSecurityGroup  404  403  {"name": "web"}
POST /servers/{}/action#changePassword  404  403  {"adminPass": "x"}
POST /servers/{}/action#confirmResize  404  403
POST /servers/{}/action#createBackup  404  403  {"name": "x", "backup_type": "daily", "rotation": 1}
POST /servers/{}/action#createBackup -2.44  404  403  {"name": "x", "backup_type": "daily", "rotation": 1}
POST /servers/{}/action#createImage  404  403  {"name": "x"}
POST /servers/{}/action#createImage -2.44  404  403  {"name": "x"}
POST /servers/{}/action#evacuate  403  403  {"host": "test"}
POST /servers/{}/action#evacuate -2.13  403  403  {"host": "test", "onSharedStorage": false}
POST /servers/{}/action#forceDelete  404  403
POST /servers/{}/action#injectNetworkInfo  403  403
POST /servers/{}/action#lock  404  403
POST /servers/{}/action#lock -2.72  404  403
POST /servers/{}/action#migrate  403  403
POST /servers/{}/action#migrate -2.55  403  403
POST /servers/{}/action#os-getConsoleOutput  404  403
POST /servers/{}/action#os-getRDPConsole -2.5  404  403  {"type": "rdp-html5"}
POST /servers/{}/action#os-getSPICEConsole -2.5  404  403  {"type": "spice-html5"}
POST /servers/{}/action#os-getSerialConsole -2.5  404  403  {"type": "serial"}
POST /servers/{}/action#os-getVNCConsole -2.5  404  403  {"type": "novnc"}
POST /servers/{}/action#os-migrateLive  403  403  {"host": null, "block_migration": "auto"}
POST /servers/{}/action#os-resetState  403  403  {"state": "error"}
POST /servers/{}/action#os-start  404  403
POST /servers/{}/action#os-stop  404  403
POST /servers/{}/action#pause  404  403
POST /servers/{}/action#reboot  404  403  {"type": "HARD"}
POST /servers/{}/action#rebuild  404  403  {"imageRef": "11111111-1111-1111-1111-111111111111"}
POST /servers/{}/action#removeFixedIp -2.43  404  403  {"address": "<address>"}
POST /servers/{}/action#removeFloatingIp -2.43  404  403  {"address": "<floating>"}
POST /servers/{}/action#removeSecurityGroup  404  403  {"name": "default"}
POST /servers/{}/action#rescue  404  403
POST /servers/{}/action#resetNetwork  403  403
POST /servers/{}/action#resize  404  403  {"flavorRef": "1"}
POST /servers/{}/action#restore  404  403
POST /servers/{}/action#resume  404  403
POST /servers/{}/action#revertResize  404  403
POST /servers/{}/action#shelve  404  403
POST /servers/{}/action#shelveOffload  403  403
POST /servers/{}/action#suspend  404  403
POST /servers/{}/action#trigger_crash_dump  404  403
POST /servers/{}/action#unlock  404  403
POST /servers/{}/action#unpause  404  403
POST /servers/{}/action#unrescue  404  403
POST /servers/{}/action#unshelve  404  403
POST /servers/{}/action#unshelve -2.76  404  403
POST /servers/{}/action#unshelve -2.90  404  403
GET /servers/{}/consoles  404  200
POST /servers/{}/consoles  404  404
DELETE /servers/{}/consoles/{}  404  404
GET /servers/{}/consoles/{}  404  404
GET /servers/{}/diagnostics  403  403
GET /servers/{}/diagnostics -2.47  403  403
GET /servers/{}/ips  404  200
GET /servers/{}/ips/{}  404  200
GET /servers/{}/metadata  404  200
POST /servers/{}/metadata  404  403  {"metadata": {"a": "b"}}
PUT /servers/{}/metadata  404  403  {"metadata": {"a": "b"}}
DELETE /servers/{}/metadata/{}  404  403
GET /servers/{}/metadata/{}  404  200
PUT /servers/{}/metadata/{}  404  403  {"meta": {"colour": "b"}}
GET /servers/{}/migrations  403  403
DELETE /servers/{}/migrations/{}  403  403
GET /servers/{}/migrations/{}  403  403
POST /servers/{}/migrations/{}/action#force_complete  403  403
GET /servers/{}/os-instance-actions  404  200
GET /servers/{}/os-instance-actions/{}  404  200
GET /servers/{}/os-interface  404  200
POST /servers/{}/os-interface  404  403  {"interfaceAttachment": {"net_id": "<network_id>"}}
DELETE /servers/{}/os-interface/{}  404  403
GET /servers/{}/os-interface/{}  404  200
GET /servers/{}/os-security-groups  404  200
DELETE /servers/{}/os-server-password  404  403
GET /servers/{}/os-server-password  404  200
GET /servers/{}/os-virtual-interfaces -2.43  404  200
GET /servers/{}/os-volume_attachments  404  200
POST /servers/{}/os-volume_attachments  404  403  {"volumeAttachment": {"volumeId": "<free_volume>"}}
POST /servers/{}/os-volume_attachments -2.100  404  403  {"volumeAttachment": {"volumeId": "<free_volume>"}}
DELETE /servers/{}/os-volume_attachments/{}  404  403
GET /servers/{}/os-volume_attachments/{}  404  200
PUT /servers/{}/os-volume_attachments/{}  404  403
POST /servers/{}/remote-consoles  404  403  {"remote_console": {"protocol": "vnc", "type": "novnc"}}
GET /servers/{}/shares  404  200
POST /servers/{}/shares  404  403  {"share": {"share_id": "<share_id>"}}
DELETE /servers/{}/shares/{}  404  403
GET /servers/{}/shares/{}  404  404
DELETE /servers/{}/tags  404  403
GET /servers/{}/tags  404  200
PUT /servers/{}/tags  404  403  {"tags": ["x"]}
DELETE /servers/{}/tags/{}  404  403
GET /servers/{}/tags/{}  404  204
PUT /servers/{}/tags/{}  404  403
GET /servers/{}/topology  404  200
GET /versions/{}  200  200
'''
#: Bodies that are too long for a line.
LONG = {
    'POST /os-agents':
        {'agent': {'hypervisor': '1',
                   'os': '1',
                   'architecture': '1',
                   'version': '1',
                   'url': 'http://x/y',
                   'md5hash': 'ab'}},
    'POST /os-assisted-volume-snapshots':
        {'snapshot': {'volume_id': '<volume_id>',
                      'create_info': {'snapshot_id': '<snapshot_id>', 'type': 'qcow2', 'new_file': 'f'}}},
    'POST /os-keypairs':
        {'keypair': {'name': 'mine',
                     'public_key': 'ssh-ed25519 '
                                   'AAAAC3NzaC1lZDI1NTE5AAAAIJlpN3pX9rlg0jZm4aRFjdkRJGRBaDGStKdgGPsRbMkt',
                     'user_id': 'alice'}},
    'POST /os-security-group-default-rules -2.35':
        {'security_group_default_rule': {'ip_protocol': 'tcp', 'from_port': 1, 'to_port': 2, 'cidr': '10.0.0.0/8'}},
    'POST /os-security-group-rules -2.35':
        {'security_group_rule': {'parent_group_id': '<security_group>',
                                 'ip_protocol': 'tcp',
                                 'from_port': 5,
                                 'to_port': 6,
                                 'cidr': '10.0.0.0/8'}},
    'POST /os-volumes_boot -2.102':
        {'server': {'name': 'x',
                    'flavorRef': '<flavor_id>',
                    'imageRef': '11111111-1111-1111-1111-111111111111',
                    'networks': 'none'}},
    'POST /servers':
        {'server': {'name': 'x',
                    'flavorRef': '<flavor_id>',
                    'imageRef': '11111111-1111-1111-1111-111111111111',
                    'networks': 'none'}},
    'PUT /servers/{}/os-volume_attachments/{}':
        {'volumeAttachment': {'volumeId': '<volume_id>', 'delete_on_termination': True}},
}


def _read(text):
    """{operation: (statuses for a stranger, statuses for a reader, body)}"""
    found = {}
    for line in text.strip().splitlines():
        operation, stranger, reader, *body = re.split(r'  +', line, maxsplit=3)
        found[operation] = (_statuses(stranger), _statuses(reader),
                            LONG.get(operation) or (json.loads(body[0]) if body else None))
    return found


def _statuses(text):
    return {int(status) for status in text.split(',')}


WANTED = _read(TABLE)


def name_of(route):
    """'POST /servers/{}/action#reboot', and '-2.44' behind it where that is not the newest version."""
    path = re.sub(r'\{[^}]*\}', '{}', route.path)
    if path == f'{volumes_boot.PATH}/{{}}/action':
        # The same by another name, and until an earlier version.
        return f'POST /servers/{{}}/action#{route.action}' + (
            f' -2.{route.range.last}' if f'2.{route.range.last}' != volumes_boot.LAST else '')
    until = f' -2.{route.range.last}' if route.range.last < microversions.MAX else ''
    return f'{route.method} {path}' + (f'#{route.action}' if route.action else '') + until


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp('walk')
    (directory / 'shares.yaml').write_text(yaml.safe_dump({SHARE: {
        'project_id': 'project-a', 'export_location': '192.0.2.1:/data'}}))
    with harness.Cloud.all_in_one({'manila': {'backend': 'file', 'shares_file': directory / 'shares.yaml'}}) as cloud:
        yield cloud
        assert not cloud.tracebacks()


@pytest.fixture(scope='module')
def world(site):
    """{placeholder: value}: one of each kind of thing that a project may have, all of project-a."""
    admin, owner = site.client(), site.client(OWNER)
    found = {'project_id': 'project-a', 'share_id': SHARE, 'label': 'private', 'tag': 'blue', 'key': 'colour',
             'name': 'its-key', 'attached_id': None, 'host': 'test', 'alias': 'os-agents', 'version_id': 'v2.1',
             'domain': 'example.org', 'entry': 'one', 'cell': 'one', 'node': '1', 'what': 'configure-project',
             'certificate': 'root', 'verb': 'delete', 'action': 'reboot', 'pattern': 'test', 'migration_id': '1',
             'console_id': '1', 'agent_id': '1', 'before': '2020-01-02 03:04:05'}
    owner.call('POST', '/os-certificates')
    test_networks.make(site, 'private', '10.0.0.0/24')
    (network,) = admin.get('/os-networks', OLD)['networks']
    found['network_id'] = network['id']
    site.client('admin:project-a').call('POST', '/os-networks/add', {'id': found['network_id']}, OLD)
    owner.post('/os-keypairs', {'keypair': {'name': 'its-key'}}, OLD)
    group = owner.post('/os-security-groups', {'security_group': {'name': 'web', 'description': 'w'}}, OLD)
    found['security_group'] = str(group['security_group']['id'])
    rule = owner.post('/os-security-group-rules', {'security_group_rule': {
        'parent_group_id': found['security_group'], 'ip_protocol': 'tcp', 'from_port': 1, 'to_port': 2,
        'cidr': '10.0.0.0/8'}}, OLD)['security_group_rule']
    found['rule_id'] = str(rule['id'])
    found['server_group'] = owner.post('/os-server-groups', {'server_group': {
        'name': 'near', 'policy': 'affinity'}})['server_group']['id']
    server = owner.boot('its-server', networks='auto', metadata={'colour': 'red'}, tags=['blue'], key_name='its-key')
    found['server_id'] = server['id']
    test_networks.make(site, 'of-all', '10.1.0.0/24')
    found['address'] = server['addresses']['private'][0]['addr']
    found['port_id'] = owner.get(f'/servers/{server["id"]}/os-interface')['interfaceAttachments'][0]['port_id']
    found['request_id'] = owner.get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions'][0]['request_id']
    volumes = [owner.post('/os-volumes', {'volume': {'size': 1}}, OLD)['volume']['id'] for _ in range(2)]
    found['free_volume'], found['volume_id'] = volumes
    owner.post(f'/servers/{server["id"]}/os-volume_attachments', {'volumeAttachment': {'volumeId': volumes[1]}})
    harness.wait_for(lambda: owner.get(f'/os-volumes/{volumes[1]}', OLD)['volume']['status'] == 'in-use', 'attached')
    found['attached_id'] = volumes[1]
    found['snapshot_id'] = owner.post('/os-snapshots', {'snapshot': {'volume_id': volumes[0]}}, OLD)['snapshot']['id']
    found['image_id'] = owner.action(server['id'], 'createImage', {'name': 'its-image'})['image_id']
    owner.wait(server['id'], 'ACTIVE')
    admin.post('/os-floating-ips-bulk', {'floating_ips_bulk_create': {'ip_range': '192.0.2.0/29'}}, OLD)
    floating = owner.post('/os-floating-ips', None, OLD)['floating_ip']
    found['ip_id'], found['floating'] = str(floating['id']), floating['ip']
    found['flavor_id'] = 'private-flavor'
    admin.post('/flavors', {'flavor': {'name': 'private', 'ram': 64, 'vcpus': 1, 'disk': 1, 'id': 'private-flavor',
                                       'os-flavor-access:is_public': False}})
    admin.post('/flavors/private-flavor/action', {'addTenantAccess': {'tenant': 'project-a'}})
    admin.post('/flavors/private-flavor/os-extra_specs', {'extra_specs': {'colour': 'x'}})
    aggregate = admin.post('/os-aggregates', {'aggregate': {'name': 'fast'}})['aggregate']
    found['aggregate_id'] = str(aggregate['id'])
    found['hypervisor_id'] = admin.get('/os-hypervisors')['hypervisors'][0]['id']
    found['service_id'] = admin.get('/os-services?binary=nova-compute')['services'][0]['id']
    found['token'] = UNKNOWN
    return found


def filled(value, world):
    """The value with each '<name>' replaced."""
    text = json.dumps(value)
    for name, found in world.items():
        text = text.replace(f'<{name}>', found or '')
    return json.loads(text)


def url(route, world):
    parts = dict(world)
    if route.path.startswith('/os-security-group-default'):
        parts['rule_id'] = '1'
    parts['group_id'] = world['security_group' if 'security' in route.path else 'server_group']
    if route.path.startswith('/os-quota-class-sets'):
        parts['name'] = 'default'
    return re.sub(r'\{([^}]*)\}', lambda match: parts[match[1]], route.path)


def as_seen_by_its_owner(site, world):
    """Everything that the project has."""
    owner, server = site.client(OWNER), f'/servers/{world["server_id"]}'
    paths = [server, f'{server}/metadata', f'{server}/tags', f'{server}/os-volume_attachments',
             f'{server}/os-interface', f'{server}/os-instance-actions', f'{server}/shares', '/servers', '/os-keypairs',
             '/os-server-groups', f'/flavors/{world["flavor_id"]}']
    old = ['/os-security-groups', '/os-volumes/detail', '/os-snapshots/detail', '/os-floating-ips', '/os-networks',
           '/images/detail']
    return {**{path: owner.get(path) for path in paths}, **{path: owner.get(path, OLD) for path in old}}


def secrets(world):
    """What identifies a thing of the project, and must be in no answer to a stranger."""
    return [world[name] for name in ('server_id', 'network_id', 'free_volume', 'volume_id', 'snapshot_id', 'image_id',
                                     'server_group', 'port_id', 'request_id', 'floating', 'flavor_id')]


ROUTES = [(f'{name_of(route)} 2.{minor}', route, minor) for route in wsgi.table().routes
          for minor in [max(minor for minor in range(microversions.MIN, microversions.MAX + 1)
                            if minor in route.range)]]


def test_the_table_names_every_route_and_no_other():
    assert set(WANTED) == {name_of(route) for _name, route, _minor in ROUTES}


@pytest.fixture(scope='module')
def nothing_changes(site, world):
    before = as_seen_by_its_owner(site, world)
    yield
    assert as_seen_by_its_owner(site, world) == before


@pytest.mark.usefixtures('nothing_changes')
@pytest.mark.parametrize('route, minor', [one[1:] for one in ROUTES], ids=[one[0] for one in ROUTES])
def test_others(site, world, route, minor):
    stranger, reader, body = WANTED[name_of(route)]
    body = {route.action: body} if route.action else body
    where, version, sent = url(route, world), microversions.text(minor), filled(body, world)
    refused = site.client('', version).call(route.method, where, sent)
    assert refused.status_code == 401
    assert set(refused.json()) == {'unauthorized'}
    for token, statuses in ((STRANGER, stranger), (READER, reader)):
        answer = site.client(token, version).call(route.method, where, sent)
        assert answer.status_code in statuses, f'{token}: {answer.status_code} {answer.text}'
        if token is STRANGER and answer.status_code < 300:
            assert not [secret for secret in secrets(world) if secret in answer.text]


#: What a stranger asks of things of his own, naming others': method, path, body, version, statuses, and what must not
#: come back.
NAMING = (
    ('GET', '/servers?all_tenants=1', None, None, {403}), ('GET', '/servers/detail?all_tenants=1', None, None, {403}),
    ('GET', '/servers?project_id=project-a', None, None, {200, 400}),
    ('GET', '/servers?marker=<server_id>', None, None, {400}),
    ('GET', '/servers/detail?uuid=<server_id>', None, '2.74', {200}),
    ('GET', '/servers?tenant_id=project-a', None, OLD, {200}),
    ('GET', '/os-server-groups?all_projects=1', None, None, {200, 403}),
    ('GET', '/os-security-groups?all_tenants=1', None, OLD, {200}),
    ('GET', '/os-migrations?project_id=project-a', None, None, {403}),
    ('GET', '/os-fping?all_tenants=1', None, OLD, {403, 503}),
    ('GET', '/os-fping?include=<server_id>', None, OLD, {200, 503}),
    ('GET', '/limits?tenant_id=project-a', None, None, {403}),
    ('GET', '/os-keypairs?user_id=alice', None, None, {403}),
    ('GET', '/os-keypairs/its-key?user_id=alice', None, None, {403}),
    ('DELETE', '/os-keypairs/its-key?user_id=alice', None, None, {403}),
    ('GET', '/flavors?is_public=None', None, None, {200}),
    ('GET', '/flavors/detail?is_public=False', None, None, {200}),
    ('GET', '/os-simple-tenant-usage/project-a?start=2020-01-01', None, None, {403}),
    ('GET', '/os-quota-sets/project-a?user_id=alice', None, None, {403}),
    ('POST', '/servers', {'server': {'flavorRef': '<flavor_id>'}}, None, {400}),
    ('POST', '/servers', {'server': {'imageRef': '<image_id>'}}, None, {400}),
    ('POST', '/servers', {'server': {'networks': [{'uuid': '<network_id>'}]}}, None, {400}),
    ('POST', '/servers', {'server': {'networks': [{'port': '<port_id>'}]}}, None, {400, 404}),
    ('POST', '/servers', {'server': {'key_name': 'its-key'}}, None, {400}),
    ('POST', '/servers', {'server': {'security_groups': [{'name': 'web'}]}}, None, {400}),
    ('POST', '/servers', {'server': {'block_device_mapping_v2': [
        {'boot_index': 0, 'uuid': '<free_volume>', 'source_type': 'volume', 'destination_type': 'volume'}]}}, None,
     {400}),
    ('POST', '/servers', {'server': {'block_device_mapping_v2': [
        {'boot_index': 0, 'uuid': '<snapshot_id>', 'source_type': 'snapshot', 'destination_type': 'volume'}]}}, None,
     {400}),
    ('POST', '/servers', {'server': {}, 'os:scheduler_hints': {'group': '<server_group>'}}, None, {400}),
    ('POST', '/os-snapshots', {'snapshot': {'volume_id': '<free_volume>'}}, OLD, {404}),
    ('POST', '/os-volumes', {'volume': {'size': 1, 'snapshot_id': '<snapshot_id>'}}, OLD, {404}),
    ('POST', '/servers/<own>/os-volume_attachments', {'volumeAttachment': {'volumeId': '<free_volume>'}}, None, {404}),
    ('POST', '/servers/<own>/os-interface', {'interfaceAttachment': {'net_id': '<network_id>'}}, None, {400, 404}),
    ('POST', '/servers/<own>/os-interface', {'interfaceAttachment': {'port_id': '<port_id>'}}, None, {400, 404, 409}),
    ('POST', '/servers/<own>/action', {'rebuild': {'imageRef': '<image_id>'}}, None, {400}),
    ('POST', '/servers/<own>/action', {'rescue': {'rescue_image_ref': '<image_id>'}}, None, {400}),
    ('POST', '/servers/<own>/action', {'resize': {'flavorRef': '<flavor_id>'}}, None, {400}),
    ('POST', '/servers/<own>/action', {'addFloatingIp': {'address': '<floating>'}}, '2.43', {403, 404}),
    ('POST', '/servers/<own>/action', {'removeFloatingIp': {'address': '<floating>'}}, '2.43', {403, 404, 409}),
    ('POST', '/servers/<own>/action', {'addFixedIp': {'networkId': '<network_id>'}}, '2.43', {400, 404}),
    ('POST', '/servers/<own>/action', {'addSecurityGroup': {'name': 'web'}}, None, {400, 404}),
    ('POST', '/servers/<own>/shares', {'share': {'share_id': '<share_id>'}}, None, {404, 409}),
    ('POST', '/os-security-group-rules', {'security_group_rule': {
        'parent_group_id': '<own_group>', 'group_id': '<security_group>', 'ip_protocol': 'tcp', 'from_port': 1,
        'to_port': 2}}, OLD, {404}),
    ('GET', '/servers/<own>/migrations/<server_id>', None, None, {403, 404}),
    ('GET', '/servers/<own>/os-volume_attachments/<volume_id>', None, None, {404}),
    ('GET', '/servers/<own>/os-interface/<port_id>', None, None, {404}),
    ('GET', '/servers/<own>/os-instance-actions/<request_id>', None, None, {404}),
    ('DELETE', '/servers/<own>/os-volume_attachments/<volume_id>', None, None, {404}),
    ('DELETE', '/servers/<own>/os-interface/<port_id>', None, None, {400, 404}),
)
SERVER = {'name': 'mine', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none'}


@pytest.fixture(scope='module')
def of_strangers(site, world):
    """{placeholder: value} of the stranger's own server and security group."""
    stranger = site.client(STRANGER)
    group = stranger.post('/os-security-groups', {'security_group': {'name': 'own', 'description': 'o'}}, OLD)
    network = next(each for each in stranger.get('/os-networks', OLD)['networks'] if each['label'] == 'of-all')
    server = stranger.boot('own', networks=[{'uuid': network['id']}])
    return {**world, 'own': server['id'], 'own_group': str(group['security_group']['id'])}


@pytest.mark.usefixtures('nothing_changes')
@pytest.mark.parametrize('method, path, body, version, statuses', NAMING,
                         ids=[f'{one[0]} {one[1]} {json.dumps(one[2])[:80]}' for one in NAMING])
def test_naming_others_things(site, of_strangers, method, path, body, version, statuses):
    if path == '/servers' and body:
        body = {**body, 'server': {**SERVER, **body['server']}}
    answer = site.client(STRANGER).call(method, filled(path, of_strangers), filled(body, of_strangers), version)
    assert answer.status_code in statuses, f'{answer.status_code} {answer.text}'
    if answer.status_code < 300:
        assert not [secret for secret in secrets(of_strangers) if secret in answer.text]


def test_another_projects_url(site):
    for token in (STRANGER, 'admin:demo'):
        assert site.client(token).call('GET', '/project-a/servers').status_code == 400
