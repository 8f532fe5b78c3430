# SPDX-License-Identifier: Apache-2.0
"""The stock `nova` command (python-novaclient) over the whole service: each of its commands that applies runs.

The commands of the older networks and of images, volumes and keys of EC2 left novaclient long ago; `ssh`, which only
starts another program, `bash-completion` and `help` ask nothing of the service.
"""

import contextlib
import io
import pathlib
import re
import subprocess
import sys

import openstack
import pytest
from novaclient import shell

from nova.tests import harness, standalone

#: For the order of the groups of tests.
TAKES_S = 60

BIN = pathlib.Path(sys.executable).parent
KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJlpN3pX9rlg0jZm4aRFjdkRJGRBaDGStKdgGPsRbMkt'
#: Commands that ask nothing of the service.
NOT_OURS = {'ssh', 'bash-completion', 'help'}

#: Command; status of server `one` afterwards (None: not looked at).  `{name}` is what `PLACES` finds.  A number with a
#: dot before the command is the version to ask for, the newest that the client knows unless given.
COMMANDS = (
    ('version-list', None), ('keypair-add --pub-key {key_file} k', None), ('2.91 keypair-add generated', None),
    ('keypair-list', None), ('keypair-show k', None), ('keypair-delete generated', None),
    ('boot --image guest --flavor m1.test --nic net-id={network} --key-name k --meta a=b --poll one', 'ACTIVE'),
    ('list --all-tenants', None), ('show one', None), ('update --description told one', None),
    ('meta one set colour=red', None), ('meta one delete colour', None), ('host-meta third set host=third', None),
    ('server-tag-add one blue', None), ('server-tag-list one', None), ('server-tag-set one red green', None),
    ('server-tag-delete one red', None), ('server-tag-delete-all one', None),
    ('diagnostics one', None), ('server-topology one', None), ('console-log --length 5 one', None),
    ('get-vnc-console one novnc', None), ('get-spice-console one spice-html5', None), ('get-serial-console one', None),
    ('get-mks-console one', None), ('get-password one', None), ('clear-password one', None),
    ('list-secgroup one', None), ('interface-list one', None),
    ('interface-attach --net-id {network} one', None), ('interface-detach one {port}', None),
    ('volume-attach one {volume}', 'ACTIVE'), ('volume-attachments one', None),
    ('volume-update one {volume} {other_volume}', 'ACTIVE'), ('volume-detach one {other_volume}', 'ACTIVE'),
    ('pause one', 'PAUSED'), ('unpause one', 'ACTIVE'), ('suspend one', 'SUSPENDED'), ('resume one', 'ACTIVE'),
    ('lock --reason mine one', None), ('unlock one', None), ('reboot --hard --poll one', 'ACTIVE'),
    ('rescue one', 'RESCUE'), ('unrescue one', 'ACTIVE'), ('trigger-crash-dump one', 'ACTIVE'),
    ('image-create --poll one copy', 'ACTIVE'), ('backup one saved daily 1', 'ACTIVE'),
    ('rebuild --poll one guest', 'ACTIVE'),
    ('resize --poll one m1.big', 'VERIFY_RESIZE'), ('resize-confirm one', 'ACTIVE'),
    ('migrate --poll one', 'VERIFY_RESIZE'), ('resize-revert one', 'ACTIVE'),
    ('live-migration one', 'ACTIVE'), ('migration-list', None), ('server-migration-list one', None),
    ('server-migration-show one {migration}', None), ('live-migration-abort one {migration}', None),
    ('live-migration-force-complete one {migration}', None),
    ('shelve one', 'SHELVED_OFFLOADED'), ('unshelve one', 'ACTIVE'), ('shelve-offload one', None),
    ('refresh-network one', None), ('reset-network one', None), ('evacuate one', None),
    ('instance-action-list one', None), ('instance-action one {request}', None),
    ('server-group-create apart anti-affinity', None), ('server-group-list', None), ('server-group-get {group}', None),
    ('server-group-delete {group}', None),
    # The one with hosts has no zone: a host with servers does not change its own, and `one` may be on any.
    ('aggregate-create slow here', None), ('aggregate-delete slow', None),
    ('aggregate-create fast', None), ('aggregate-list', None), ('aggregate-show fast', None),
    ('aggregate-set-metadata fast ssd=true', None), ('aggregate-add-host fast third', None),
    ('aggregate-cache-images fast {image}', None), ('aggregate-update --name quick fast', None),
    ('aggregate-remove-host quick third', None), ('aggregate-delete quick', None),
    ('availability-zone-list', None), ('service-list', None), ('service-disable --reason why {service}', None),
    ('service-enable {service}', None), ('service-force-down {service}', None),
    ('service-force-down --unset {service}', None), ('service-delete {service}', None),
    ('2.87 hypervisor-stats', None), ('2.87 hypervisor-uptime {hypervisor}', None), ('hypervisor-list', None),
    ('hypervisor-show {hypervisor}', None), ('hypervisor-servers third', None),
    ('flavor-create --is-public false --description d m1.own 7 64 1 1', None), ('flavor-list --all', None),
    ('flavor-update 7 newer', None), ('flavor-show 7', None), ('flavor-key 7 set hw:cpu_sockets=1', None),
    ('flavor-key 7 unset hw:cpu_sockets', None), ('flavor-access-add 7 demo', None),
    ('flavor-access-list --flavor 7', None), ('flavor-access-remove 7 demo', None), ('flavor-delete 7', None),
    ('quota-show --detail', None), ('quota-defaults', None), ('quota-update --cores 99 {project}', None),
    ('quota-delete --tenant {project}', None), ('quota-class-show default', None),
    ('quota-class-update --cores 98 default', None),
    ('usage', None), ('usage-list', None), ('limits', None), ('instance-usage-audit-log', None),
    ('instance-usage-audit-log --before 2020-01-02_03:04:05', None),
    ('agent-create linux x86_64 1 http://x/y ab xen', None), ('agent-list', None),
    ('agent-modify {agent} 2 http://x/z cd', None), ('agent-delete {agent}', None),
    ('add-secgroup one default', None), ('remove-secgroup one default', 'ACTIVE'),
    ('host-servers-migrate --strict nowhere', None), ('host-evacuate nowhere', None),
    ('host-evacuate-live nowhere', None),
    ('2.5 get-rdp-console one rdp-html5', None),
    ('reset-state one', 'ERROR'), ('reset-state --active one', 'ACTIVE'),
    ('stop one', 'SHUTOFF'), ('start one', 'ACTIVE'),
    ('delete one', 'SOFT_DELETED'), ('restore one', 'ACTIVE'), ('force-delete one', None),
)
#: What the service says where it refuses, by the documents: nothing is in progress, or the host is up.
REFUSED = {
    'server-migration-show one {migration}': r'HTTP 404', 'live-migration-abort one {migration}': r'HTTP 40[049]',
    'live-migration-force-complete one {migration}': r'HTTP 40[049]', 'shelve-offload one': r'HTTP 409',
    'evacuate one': r'HTTP 400', 'service-delete {service}': r'HTTP 409', 'add-secgroup one default': r'HTTP 400',
    '2.5 get-rdp-console one rdp-html5': r'HTTP 40[09]', 'get-mks-console one': r'HTTP 400',
    'host-servers-migrate --strict nowhere': r'nowhere', 'host-evacuate nowhere': r'nowhere',
    'host-evacuate-live nowhere': r'nowhere',
}


@pytest.fixture(scope='module')
def site():
    settings = {'DEFAULT': {'reclaim_instance_interval': 3600}, 'spice': {'enabled': True},
                'serial_console': {'enabled': True}, 'fake': {'more_hosts': 'second,third'}}
    with standalone.site({'demo': standalone.user('admin', 'member')}, settings, computes=3) as cloud:
        (cloud.directory / 'key.pub').write_text(KEY)
        cloud.manage_all('network create --label private --cidr 10.0.0.0/24',
                         'flavor create --name m1.big --ram 256 --vcpus 2 --disk 2')
        # This client does not read clouds.yaml.
        words = {f'OS_{name.upper()}': value for name, value in standalone.credentials(cloud, 'demo').items()}
        with standalone.acting_as(cloud, 'demo', OS_REGION_NAME='RegionOne', **words):
            yield cloud


class Places:
    """What `{name}` in a command stands for, looked up when it is needed."""

    def __init__(self, site):
        self.site, self.sdk = site, openstack.connect()
        self.volumes = None

    def get(self, path, version='2.96'):
        return self.sdk.compute.get(path, microversion=version).json()

    def server(self):
        (found,) = self.get('/servers/detail?name=one')['servers']
        return found

    def is_idle(self, status):
        found = self.get(f'/servers/detail?name=one&status={status}')['servers']
        return any(not server['OS-EXT-STS:task_state'] for server in found)

    def __getitem__(self, name):
        return str(getattr(self, f'_{name}')())

    def _key_file(self):
        return self.site.directory / 'key.pub'

    def _network(self):
        return self.get('/os-networks', '2.1')['networks'][0]['id']

    def _port(self):
        return self.get(f'/servers/{self.server()["id"]}/os-interface')['interfaceAttachments'][-1]['port_id']

    def _made_volumes(self):
        if self.volumes is None:
            self.volumes = [self.sdk.compute.post('/os-volumes', json={'volume': {'size': 1}}, microversion='2.1').json(
            )['volume']['id'] for _ in range(2)]
        return self.volumes

    def _volume(self):
        return self._made_volumes()[0]

    def _other_volume(self):
        return self._made_volumes()[1]

    def _migration(self):
        return self.get('/os-migrations')['migrations'][0]['id']

    def _request(self):
        found = self.get(f'/servers/{self.server()["id"]}/os-instance-actions')
        return found['instanceActions'][0]['request_id']

    def _group(self):
        return self.get('/os-server-groups')['server_groups'][0]['id']

    def _service(self):
        """That of the host that has the server, so that it cannot be deleted."""
        host = self.server()['OS-EXT-SRV-ATTR:host']
        return self.get(f'/os-services?binary=nova-compute&host={host}')['services'][0]['id']

    def _hypervisor(self):
        return self.get('/os-hypervisors')['hypervisors'][0]['id']

    def _agent(self):
        return self.get('/os-agents')['agents'][0]['agent_id']

    def _image(self):
        return harness.IMAGE_ID

    def _project(self):
        return self.sdk.current_project_id


def nova(*words):
    """Run a command in this process, which is quicker; (whether it went well, what it printed)."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            shell.OpenStackComputeShell().main(list(words))
        except (Exception, SystemExit) as error:    # noqa: BLE001  whatever it is, the table judges it
            return False, f'{out.getvalue()}{error}'
    return True, out.getvalue()


def words_of(command, places):
    version, _space, rest = command.partition(' ')
    if not re.fullmatch(r'2\.\d+', version):
        version, rest = '2.latest', command
    filled = re.sub(r'\{(\w+)\}', lambda match: places[match[1]], rest)
    return ['--os-compute-api-version', version, *(word.replace('_', ' ') if '_03:' in word else word
                                                   for word in filled.split())]


def test_every_command_runs(site):
    places, failed = Places(site), []
    for command, status in COMMANDS:
        went_well, text = nova(*words_of(command, places))
        wanted = REFUSED.get(command)
        if not re.search(wanted, text) if wanted else not went_well or 'ERROR' in text:
            failed.append(f'{command}: {text[-600:]}')
        if status is not None:
            try:
                harness.wait_for(lambda status=status: places.is_idle(status), f'{command}: {status}')
            except AssertionError as error:
                failed.append(f'{error}; it said {text[-300:]}')
    assert not failed, '\n'.join(failed)
    # The last command does not wait.
    harness.wait_for(lambda: places.sdk.compute.find_server('one') is None, 'server one gone')
    assert site.leaks() == []


def test_the_table_has_every_command_of_the_client():
    help_text = nova('help')[1]
    known = set(re.findall(r'^    ([a-z][a-z-]+)', help_text.partition('Positional')[2], re.MULTILINE))
    ran = {next(word for word in command.split() if not re.fullmatch(r'2\.\d+', word)) for command, _ in COMMANDS}
    # It asks for the password at the terminal.
    assert known - NOT_OURS - {'set-password'} == ran


def test_the_program_itself(site):
    done = subprocess.run([str(BIN / 'nova'), 'list'], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, 'Status' in done.stdout) == (0, True), done.stderr
