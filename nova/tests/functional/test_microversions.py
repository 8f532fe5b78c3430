# SPDX-License-Identifier: Apache-2.0
"""Each field at the version before it joins or after it leaves, and at the version itself (api-microversions.md)."""

import pytest

from nova.tests.harness import IMAGE_ID as IMAGE
from nova.tests.harness import LATEST

#: (what is asked, where in the answer, field, since, until): None is an open end.
SERVER_FIELDS = [(f'OS-EXT-SRV-ATTR:{name}', '2.3', None) for name in (
    'reservation_id', 'launch_index', 'ramdisk_id', 'kernel_id', 'hostname', 'root_device_name', 'user_data')] + [
    ('locked', '2.9', None), ('host_status', '2.16', None), ('description', '2.19', None), ('tags', '2.26', None),
    ('trusted_image_certificates', '2.63', None), ('locked_reason', '2.73', None),
    ('pinned_availability_zone', '2.96', None), ('scheduler_hints', '2.100', None)]
ALWAYS = ('id', 'name', 'status', 'tenant_id', 'user_id', 'metadata', 'hostId', 'image', 'flavor', 'created', 'updated',
          'accessIPv4', 'accessIPv6', 'links', 'addresses', 'OS-DCF:diskConfig', 'progress',
          'OS-EXT-AZ:availability_zone', 'config_drive', 'OS-SRV-USG:launched_at', 'OS-SRV-USG:terminated_at',
          'security_groups', 'OS-EXT-STS:task_state', 'OS-EXT-STS:vm_state', 'OS-EXT-STS:power_state',
          'os-extended-volumes:volumes_attached', 'key_name', 'OS-EXT-SRV-ATTR:host',
          'OS-EXT-SRV-ATTR:hypervisor_hostname', 'OS-EXT-SRV-ATTR:instance_name')
FIELDS = [('/flavors/1', 'flavor', *row) for row in (
    ('description', '2.55', None), ('extra_specs', '2.61', None), ('rxtx_factor', None, '2.101'),
    ('OS-FLV-DISABLED:disabled', None, '2.101'))] + [
    ('/limits', 'limits.absolute', *row) for row in (
        ('maxSecurityGroups', None, '2.35'), ('totalFloatingIpsUsed', None, '2.35'), ('maxImageMeta', None, '2.38'),
        ('maxPersonality', None, '2.56'), ('maxPersonalitySize', None, '2.56'), ('maxTotalCores', None, None))] + [
    ('/os-hypervisors/detail', 'hypervisors.0', *row) for row in (
        ('cpu_info', None, '2.87'), ('vcpus', None, '2.87'), ('memory_mb_used', None, '2.87'),
        ('uptime', '2.88', None))]
FIELDS += [('/os-services', 'services.0', 'forced_down', '2.11', None),
           ('/os-keypairs', 'keypairs.0.keypair', 'type', '2.2', None)]


def beside(version, step):
    return f'2.{int(version.partition(".")[2]) + step}'


def cases(since, until):
    """[(version, whether the field is there)] around the ends of its range."""
    found = [('2.1', since is None), (LATEST, until is None)]
    if since:
        found += [(beside(since, -1), False), (since, True)]
    if until:
        found += [(until, True), (beside(until, 1), False)]
    return found


def within(body, path):
    for step in path.split('.'):
        body = body[int(step)] if step.isdigit() else body[step]
    return body


@pytest.fixture(scope='module')
def server(cloud):
    client = cloud.client()
    client.post('/os-keypairs', {'keypair': {'name': 'versions'}}, version='2.1')
    uuid = client.boot('versions')['id']
    yield uuid
    client.call('DELETE', f'/servers/{uuid}')
    client.call('DELETE', '/os-keypairs/versions')


@pytest.mark.parametrize('field, since, until', SERVER_FIELDS + [(name, None, None) for name in ALWAYS])
def test_fields_of_servers(admin, server, field, since, until):
    for version, there in cases(since, until):
        assert (field in admin.get(f'/servers/{server}', version)['server']) == there, version
        listed = next(one for one in admin.get('/servers/detail', version)['servers'] if one['id'] == server)
        assert (field in listed) == there, version


@pytest.mark.parametrize('path, where, field, since, until', FIELDS)
def test_fields_of_others(admin, server, path, where, field, since, until):
    for version, there in cases(since, until):
        assert (field in within(admin.get(path, version), where)) == there, version


class TestServers:
    def test_server_groups_are_shown_and_not_listed(self, admin, server):
        assert 'server_groups' not in admin.get(f'/servers/{server}', '2.70')['server']
        assert admin.get(f'/servers/{server}', '2.71')['server']['server_groups'] == []
        assert 'server_groups' not in admin.get('/servers/detail', '2.71')['servers'][0]

    def test_the_flavor_becomes_what_the_server_was_made_from(self, admin, server):
        assert set(admin.get(f'/servers/{server}', '2.46')['server']['flavor']) == {'id', 'links'}
        assert set(admin.get(f'/servers/{server}', '2.47')['server']['flavor']) == {
            'original_name', 'vcpus', 'ram', 'disk', 'ephemeral', 'swap', 'extra_specs'}

    def test_the_image_gets_properties(self, admin, server):
        assert 'properties' not in admin.get(f'/servers/{server}', '2.97')['server']['image']
        assert admin.get(f'/servers/{server}', '2.98')['server']['image']['properties'] == {}

    def test_an_update_answers_with_everything_from_2_75(self, admin, server):
        def update(version):
            return set(admin.call('PUT', f'/servers/{server}', {'server': {'name': 'versions'}},
                                  version=version).json()['server'])
        assert 'key_name' not in update('2.74')
        assert {'key_name', 'OS-EXT-STS:vm_state', 'OS-EXT-SRV-ATTR:host'} <= update('2.75')

    def test_a_member_sees_no_hosts_and_from_2_90_the_host_name(self, cloud):
        member = cloud.client('carol:project-c')
        uuid = member.boot('hers')['id']
        shown = member.get(f'/servers/{uuid}', '2.89')['server']
        assert not [key for key in shown if key.startswith('OS-EXT-SRV-ATTR') or key == 'host_status']
        assert member.get(f'/servers/{uuid}', '2.90')['server']['OS-EXT-SRV-ATTR:hostname'] == 'hers'
        stranger = cloud.client('dave:project-d')
        for method in ('GET', 'DELETE'):
            assert stranger.call(method, f'/servers/{uuid}').status_code == 404
        assert stranger.get('/servers')['servers'] == []
        assert member.call('DELETE', f'/servers/{uuid}').status_code == 204

    def test_before_2_19_the_description_is_the_name(self, admin):
        uuid = admin.post('/servers', {'server': {'name': 'old', 'flavorRef': '1', 'imageRef': IMAGE}},
                          version='2.18')['server']['id']
        assert admin.get(f'/servers/{uuid}', '2.19')['server']['description'] == 'old'
        admin.wait(uuid, 'ACTIVE')
        admin.call('DELETE', f'/servers/{uuid}')


class TestRoutesThatGo:
    @pytest.mark.parametrize('path, last', [('/os-networks', '2.35'), ('/images', '2.35'),
                                                ('/images/detail', '2.35'), ('/os-hypervisors/statistics', '2.87')])
    def test_at_the_last_version_and_after(self, admin, path, last):
        assert admin.call('GET', path, version=last).status_code == 200
        assert admin.call('GET', path, version=beside(last, 1)).status_code == 404

    def test_key_pairs_are_generated_until_2_91(self, admin):
        made = admin.call('POST', '/os-keypairs', {'keypair': {'name': 'k91'}}, version='2.91')
        assert made.status_code == 201
        assert 'PRIVATE KEY' in made.json()['keypair']['private_key']
        assert admin.call('POST', '/os-keypairs', {'keypair': {'name': 'k92'}}, version='2.92').status_code == 400
        assert admin.call('DELETE', '/os-keypairs/k91', version='2.1').status_code == 202

    def test_the_reservation_answer(self, admin):
        answer = admin.post('/servers', {'server': {'name': 'r', 'flavorRef': '1', 'imageRef': IMAGE,
                                                    'networks': 'none',
                                                    'return_reservation_id': True}})
        assert answer['reservation_id'].startswith('r-')
        for one in admin.get(f'/servers?reservation_id={answer["reservation_id"]}')['servers']:
            admin.wait(one['id'], 'ACTIVE')
            admin.call('DELETE', f'/servers/{one["id"]}')
