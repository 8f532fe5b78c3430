# SPDX-License-Identifier: Apache-2.0
"""The stock `openstack` command over the whole service: each command runs, and the server goes where it says."""

import contextlib
import io
import logging
import re
from importlib import metadata

import openstack
import pytest
from openstackclient import shell

from nova.tests import harness, standalone

#: For the order of the groups of tests.
TAKES_S = 70

KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJlpN3pX9rlg0jZm4aRFjdkRJGRBaDGStKdgGPsRbMkt'

#: Commands, and the status afterwards (None: not looked at) of server `one`, or of the volume that is named before it.
#: `{name}` is looked up by `Places`.
COMMANDS = (
    ('keypair create --public-key {key_file} k', None), ('keypair list', None), ('keypair show k', None),
    ('keypair delete k', None),
    ('server create --image guest --flavor m1.test --network private --wait one', 'ACTIVE'),
    ('server list --long', None),
    ('server pause one', 'PAUSED'), ('server unpause one', 'ACTIVE'),
    ('server suspend one', 'SUSPENDED'), ('server resume one', 'ACTIVE'),
    ('server lock --reason mine one', None), ('server unlock one', None),
    ('server rescue one', 'RESCUE'), ('server unrescue one', 'ACTIVE'),
    ('server reboot --hard --wait one', 'ACTIVE'),
    ('server set --property colour=red --description told --tag blue one', None),
    ('server unset --property colour --tag blue one', None),
    ('server show one', None),
    ('server image create --name copy --wait one', 'ACTIVE'),
    ('server backup create --name saved --type daily --rotate 1 --wait one', 'ACTIVE'),
    ('server rebuild --image copy --wait one', 'ACTIVE'),
    ('server resize --flavor m1.big --wait one', 'VERIFY_RESIZE'), ('server resize confirm one', 'ACTIVE'),
    ('server resize --flavor m1.huge --wait one', 'VERIFY_RESIZE'), ('server resize revert one', 'ACTIVE'),
    ('server migrate --wait one', 'VERIFY_RESIZE'), ('server migration confirm one', 'ACTIVE'),
    ('server migrate --wait one', 'VERIFY_RESIZE'), ('server migration revert one', 'ACTIVE'),
    ('server migrate --live-migration --wait one', 'ACTIVE'),
    ('server migration list', None),
    ('server shelve --wait one', 'SHELVED_OFFLOADED'), ('server unshelve --wait one', 'ACTIVE'),
    ('server migration show one {migration}', None), ('server migration abort one {migration}', None),
    ('server migration force complete one {migration}', None), ('server evacuate one', None),
    ('server event list one', None), ('server event show one {request}', None),
    ('server dump create one', None),
    ('console url show --novnc one', None), ('console url show --spice one', None),
    ('console url show --serial one', None), ('console connection show {token}', None),
    ('console log show one', None),
    ('server add network one other', None), ('server remove network one other', None),
    ('server add fixed ip one other', None), ('server remove fixed ip one {fixed_ip}', None),
    ('server group create --policy anti-affinity apart', None), ('server group list', None),
    ('server group show apart', None), ('server group delete apart', None),
    # The one with hosts has no zone: a host with servers does not change its own, and `one` may be on any.
    ('aggregate create --zone here slow', None), ('aggregate delete slow', None),
    ('aggregate create fast', None), ('aggregate set --property ssd=true fast', None),
    ('aggregate add host fast third', None), ('aggregate show fast', None), ('aggregate list --long', None),
    ('aggregate cache image fast guest', None), ('aggregate unset --property ssd fast', None),
    ('aggregate remove host fast third', None), ('aggregate delete fast', None),
    ('availability zone list --compute --long', None),
    ('compute service list', None), ('compute service set --disable --disable-reason why third nova-compute', None),
    ('compute service set --enable third nova-compute', None),
    ('compute service delete {service}', None),
    ('compute agent create linux x86_64 1 http://x/y ab xen', None), ('compute agent list', None),
    ('compute agent set --agent-version 2 {agent}', None), ('compute agent delete {agent}', None),
    ('hypervisor list --long', None), ('hypervisor show third', None), ('host list', None),
    ('--os-compute-api-version 2.87 hypervisor stats show', None),
    ('--os-compute-api-version 2.42 host show third', None),
    ('--os-compute-api-version 2.42 host set --disable third', None),
    ('--os-compute-api-version 2.42 host set --enable third', None),
    ('flavor create --ram 64 --disk 1 --vcpus 1 --private --description d --id 7 m1.own', None),
    ('flavor list --all --long', None), ('flavor set --property hw:cpu_sockets=1 m1.big', None),
    ('flavor show m1.big', None), ('flavor unset --property hw:cpu_sockets m1.big', None),
    ('flavor set --project demo m1.own', None), ('flavor unset --project demo m1.own', None),
    ('flavor delete m1.own', None),
    ('quota show --compute demo', None), ('quota set --cores 99 demo', None),
    ('usage show', None), ('usage list', None), ('limits show --absolute', None),
    ('server add security group one default', None), ('server remove security group one default', None),
    ('volume create --size 1 --property a=b data', 'data available'),
    ('volume create --image guest --size 1 --type local --bootable system', 'system available'),
    ('volume list --all-projects --long', None), ('volume list --name data --status available', None),
    ('volume show data', None), ('volume set --size 2 --no-property --property c=d --description told data', None),
    ('volume unset --property c data', None), ('volume set --image-property hw_disk_bus=virtio data', None),
    ('volume unset --image-property hw_disk_bus data', None), ('volume set --state error data', 'data error'),
    ('volume set --state available --non-bootable data', 'data available'), ('volume set --read-only data', None),
    ('volume set --read-write data', None),
    ('volume snapshot create --volume data --description d then', None), ('volume snapshot list --volume data', None),
    ('volume snapshot create --volume data --property a=b now', None), ('volume snapshot show then', None),
    ('volume snapshot set --description told --state error then', None),
    ('volume snapshot set --state available then', None),
    ('volume create --snapshot then again', 'again available'), ('volume create --source data copy', 'copy available'),
    ('volume snapshot delete then now', None), ('volume delete again', None), ('volume delete --force copy', None),
    ('volume type list --encryption-type', None), ('volume type show local', None), ('volume service list', None),
    ('volume backup list', None), ('volume qos list', None), ('volume transfer request list', None),
    ('availability zone list --volume', None), ('quota show --volume demo', None), ('quota list --volume', None),
    ('server add volume --tag t --enable-delete-on-termination one data', 'data in-use'),
    ('server volume list one', None), ('server volume set --preserve-on-termination one data', None),
    ('server volume update --delete-on-termination one data', None), ('volume delete data', None),
    ('server remove volume one data', 'data available'), ('volume delete data system', None),
    ('server set --auto-approve --state error one', 'ERROR'),
    ('server set --auto-approve --state active one', 'ACTIVE'),
    ('server stop one', 'SHUTOFF'), ('server start one', 'ACTIVE'),
    ('server delete --wait one', None),
)
#: What the service says where it refuses, by the documents: of a group that the server has, of migrations that are
#: over, of a host that is up or has servers.
REFUSED = {
    'server add security group one default': 'holds for this server already',
    # The client asks at the newest version it knows, which has the action no more.
    'server remove fixed ip one {fixed_ip}': r'could not be found',
    'server migration show one {migration}': r'No ServerMigration found',
    'server migration abort one {migration}': r'40[049]',
    'server migration force complete one {migration}': r'40[049]', 'server evacuate one': r'400',
    'compute service delete {service}': r'409',
    'volume delete data': 'is in-use',
}
#: Commands of `openstack` for compute that ask for ports or shares of services that are not here, or are others by
#: another name; and `ssh`, which starts a program.
NOT_HERE = {
    *(f'server {verb} {what}' for verb in ('add', 'remove') for what in ('port', 'floating ip', 'share')),
    'server share list', 'server share show', 'server ssh',
    'server migrate confirm', 'server migrate revert', 'server restore',
}
#: How commands for volumes begin that ask for what local volumes do not have: groups, backups, types of one's own,
#: or a later version of that API.
NOT_LOCAL = ('block storage ', 'consistency group ', *(f'volume {what} ' for what in (
    'attachment', 'backend', 'backup', 'group', 'host', 'message', 'migrate', 'qos', 'revert', 'service', 'summary',
    'transfer request', 'type', 'snapshot unset')))


@pytest.fixture(scope='module')
def site():
    settings = {'spice': {'enabled': True}, 'serial_console': {'enabled': True}, 'fake': {'more_hosts': 'second,third'}}
    with standalone.site({'demo': standalone.user('admin', 'member')}, settings, computes=3) as cloud, \
            standalone.acting_as(cloud, 'demo', OS_COMPUTE_API_VERSION='2.96'):
        (cloud.directory / 'key.pub').write_text(KEY)
        cloud.manage_all('network create --label private --cidr 10.0.0.0/24',
                         'network create --label other --cidr 10.1.0.0/24',
                         'flavor create --name m1.big --ram 256 --vcpus 2 --disk 2',
                         'flavor create --name m1.huge --ram 512 --vcpus 4 --disk 4')
        yield cloud


def cli(*words):
    """Run a command in this process, which saves its start; (exit code, what it printed)."""
    out, handlers = io.StringIO(), list(logging.getLogger().handlers)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = shell.OpenStackShell().run(list(words))
        except SystemExit as error:
            code = error.code
    # Each run brings handlers of its own.
    logging.getLogger().handlers[:] = handlers
    return code, out.getvalue()


class Places:
    """What `{name}` in a command stands for, looked up when it is needed."""

    def __init__(self, site, sdk):
        self.site, self.sdk = site, sdk

    def get(self, path, version='2.96'):
        return self.sdk.compute.get(path, microversion=version).json()

    def fill(self, command):
        return re.sub(r'\{(\w+)\}', lambda match: str(getattr(self, match[1])()), command)

    def has_come_to(self, status):
        volume, _space, status = status.rpartition(' ')
        found = self.sdk.block_storage.find_volume(volume) if volume else self.sdk.compute.find_server('one')
        return found.status == status

    def _of_server(self, what):
        return self.get(f'/servers/{self.sdk.compute.find_server("one").id}{what}')

    def key_file(self):
        return self.site.directory / 'key.pub'

    def migration(self):
        return self.get('/os-migrations')['migrations'][0]['id']

    def request(self):
        return self._of_server('/os-instance-actions')['instanceActions'][0]['request_id']

    def token(self):
        server = self.sdk.compute.find_server('one').id
        made = self.sdk.compute.post(f'/servers/{server}/remote-consoles', microversion='2.96', json={
            'remote_console': {'protocol': 'serial', 'type': 'serial'}}).json()
        return made['remote_console']['url'].rpartition('token=')[2]

    def fixed_ip(self):
        return self._of_server('/ips')['addresses']['other'][0]['addr']

    def service(self):
        host = self._of_server('')['server']['OS-EXT-SRV-ATTR:host']
        return self.get(f'/os-services?binary=nova-compute&host={host}')['services'][0]['id']

    def agent(self):
        return self.get('/os-agents')['agents'][0]['agent_id']


def commands_that_do_not_run(service):
    known = {entry.name.replace('_', ' ') for entry in metadata.entry_points(group=f'openstack.{service}')}
    ran = [re.sub(r'^--os-compute-api-version \S+ ', '', command) for command, _status in COMMANDS]
    return {name for name in known if not any(f'{command} '.startswith(f'{name} ') for command in ran)}


def test_the_table_has_every_command_for_compute():
    assert commands_that_do_not_run('compute.v2') == NOT_HERE


def test_the_table_has_every_command_for_local_volumes():
    assert [name for name in commands_that_do_not_run('volume.v3') if not f'{name} '.startswith(NOT_LOCAL)] == []


def test_every_command_runs(site):
    failed, sdk = [], openstack.connect()
    places = Places(site, sdk)
    for command, status in COMMANDS:
        code, text = cli(*places.fill(command).split())
        wanted = REFUSED.get(command)
        if code != 0 if wanted is None else not re.search(wanted, text):
            failed.append(f'{command}: {text[-600:]}')
        elif status is not None:
            harness.wait_for(lambda status=status: places.has_come_to(status), f'{command}: {status}')
    assert not failed, '\n'.join(failed)
    assert site.leaks() == []
