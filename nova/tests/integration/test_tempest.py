# SPDX-License-Identifier: Apache-2.0
"""Tempest, the test suite that OpenStack clouds are judged by, against nova-all and its front doors.

Its smoke tests of compute, and those of volumes, run always; with NOVA_TEMPEST=all, all of `tempest.api.compute`.
"""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from nova.tests import standalone

TAKES_S = 60
ROOT = pathlib.Path(__file__).resolve().parents[3]
#: 48 is not out yet; a release may need a newer Python.
TEMPEST = 'tempest>=40.0,<50'
ROLES = ('member', 'reader', 'manager', 'admin')
#: Projects; each has a user of every role.  A class of tests takes one or two for itself.
PROJECTS = [f'tempest-{number}' for number in range(1, 13)]
SOME = r'(?=.*tempest\.api\.compute)(?=.*(smoke|api\.compute\.volumes))'
ALL = r'tempest\.api\.compute'
#: Not to be had from the standalone services: reason.
EXCEPT = {
    'admin.test_quotas': 'needs an identity service that makes projects', 'test_auto_allocate_network': 'as the last',
    'test_create_server_multi_nic': 'makes a network first and its subnet afterwards, as only Neutron does',
    'test_novnc': 'needs a console proxy beside nova-all'}


@pytest.fixture(scope='module')
def tempest():
    """The command, in an environment of its own."""
    venv = ROOT / '.cache' / 'tempest' / 'venv'
    command = venv / 'bin' / 'tempest'
    if not command.exists():
        subprocess.run([sys.executable, '-m', 'venv', venv], check=True)
        subprocess.run([venv / 'bin' / 'pip', 'install', '-q', '--disable-pip-version-check', TEMPEST], check=True)
    return command


@pytest.fixture(scope='module')
def site():
    people = {f'{role}-of-{project}': standalone.user(role, project=project) for project in PROJECTS for role in ROLES}
    with standalone.site(people, {'fake': {'more_hosts': 'second'}}, computes=2) as cloud:
        (cloud.directory / 'alt.raw').write_bytes(bytes(65536))
        cloud.manage_all('network create --label private --cidr 10.0.0.0/22',
                         'floating create --ip_range 172.24.4.0/26',
                         'flavor create --name m1.more --id 2 --ram 256 --vcpus 1 --disk 2',
                         f'image register {cloud.directory}/alt.raw --name alt --disk-format raw --public')
        yield cloud


def write_settings(cloud, workspace):
    accounts = [{'username': f'{role}-of-{project}', 'password': standalone.PASSWORD, 'project_name': project,
                 'roles': [role], 'user_domain_name': 'Default', 'project_domain_name': 'Default',
                 'domain_name': 'Default', **({'types': ['admin']} if role == 'admin' else {})}
                for project in PROJECTS for role in ROLES]
    (workspace / 'accounts.yaml').write_text(yaml.safe_dump(accounts))
    images = dict(line.split()[1::-1] for line in cloud.manage(
        'image', 'list', '-f', 'value', '-c', 'id', '-c', 'name').splitlines())
    identity = f'{cloud.url}/identity/v3'
    settings = {
        'DEFAULT': {'log_file': workspace / 'tempest.log'},
        'oslo_concurrency': {'lock_path': workspace / 'locks'},
        'auth': {'use_dynamic_credentials': False, 'test_accounts_file': workspace / 'accounts.yaml',
                 'tempest_roles': 'member', 'create_isolated_networks': False},
        'identity': {'auth_version': 'v3', 'uri': identity, 'uri_v3': identity, 'region': 'RegionOne'},
        'compute': {'image_ref': images['guest'], 'image_ref_alt': images['alt'], 'flavor_ref': 1, 'flavor_ref_alt': 2,
                    'fixed_network_name': 'private', 'min_compute_nodes': 2, 'min_microversion': '2.1',
                    'max_microversion': 'latest', 'build_interval': 1, 'build_timeout': 120,
                    'compute_volume_common_az': 'nova'},
        'compute-feature-enabled': {
            'resize': True, 'cold_migration': True, 'live_migration': True, 'rescue': True, 'swap_volume': True,
            'block_migration_for_live_migration': True, 'interface_attach': True, 'personality': True,
            'change_password': True, 'vnc_console': False, 'metadata_service': False,
            'attach_encrypted_volume': False},
        'validation': {'run_validation': False, 'network_for_ssh': 'private'},
        'network': {'floating_network_name': 'nova'},
        'volume': {'min_microversion': '3.0', 'max_microversion': '3.0', 'volume_size': 1, 'build_interval': 1},
        'volume-feature-enabled': {'backup': False},
        'service_available': {'cinder': True, 'neutron': True, 'glance': True, 'nova': True, 'swift': False,
                              'horizon': False}}
    (workspace / 'etc' / 'tempest.conf').write_text('\n'.join(
        f'[{section}]\n' + ''.join(f'{name} = {value}\n' for name, value in options.items())
        for section, options in settings.items()))


def test_compute(site, tempest, tmp_path):
    home = {**os.environ, 'HOME': str(tmp_path)}      # it keeps a list of workspaces there
    workspace = tmp_path / 'workspace'
    subprocess.run([tempest, 'init', workspace], check=True, env=home, capture_output=True)
    write_settings(site, workspace)
    done = subprocess.run(
        [tempest, 'run', '--concurrency', '2', '--regex', ALL if os.environ.get('NOVA_TEMPEST') == 'all' else SOME,
         '--exclude-regex', '|'.join(re.escape(word) for word in EXCEPT)],
        cwd=workspace, env=home, capture_output=True, text=True, timeout=1500, check=False)
    totals = {name: int(count) for name, count in re.findall(r'^ - ([\w ]+): (\d+)$', done.stdout, re.MULTILINE)}
    failed = re.findall(r'^\{\d+\} (.*) \[.*FAILED$', done.stdout, re.MULTILINE)
    assert done.returncode == 0, f'{failed}\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}'
    assert totals['Passed'] > 30
    assert totals['Failed'] == 0
