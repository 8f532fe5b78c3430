# SPDX-License-Identifier: Apache-2.0
"""The stock `openstack` command over the whole service: each command runs, and the server goes where it says."""

import os
import pathlib
import subprocess
import sys
import time

import openstack
import pytest

from nova.api.standalone import users
from nova.tests import harness
from nova.tests.integration import test_clients

BIN = pathlib.Path(sys.executable).parent
USERS = test_clients.USERS.replace('[member]', '[admin, member]')

#: Commands, and the status of server `one` afterwards (None: not looked at).  `{x}` is what an earlier command made.
COMMANDS = (
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
    ('server migrate --wait one', 'VERIFY_RESIZE'), ('server migration revert one', 'ACTIVE'),
    ('server migrate --live-migration --wait one', 'ACTIVE'),
    ('server migration list', None),
    ('server shelve --wait one', 'SHELVED_OFFLOADED'), ('server unshelve --wait one', 'ACTIVE'),
    ('server event list one', None),
    ('console url show --novnc one', None), ('console log show one', None),
    ('server group create --policy anti-affinity apart', None), ('server group list', None),
    ('server group show apart', None), ('server group delete apart', None),
    ('aggregate create --zone here fast', None), ('aggregate set --property ssd=true fast', None),
    ('aggregate add host fast third', None), ('aggregate show fast', None), ('aggregate list --long', None),
    ('aggregate remove host fast third', None), ('aggregate delete fast', None),
    ('availability zone list --compute --long', None),
    ('compute service list', None), ('compute service set --disable --disable-reason why third nova-compute', None),
    ('compute service set --enable third nova-compute', None),
    ('hypervisor list --long', None), ('hypervisor show third', None), ('host list', None),
    ('flavor list --all --long', None), ('flavor set --property hw:cpu_sockets=1 m1.big', None),
    ('flavor show m1.big', None),
    ('quota show --compute demo', None), ('quota set --cores 99 demo', None),
    ('usage show', None), ('limits show --absolute', None),
    ('server add security group one default', None),
    ('server volume list one', None),
    ('server set --auto-approve --state error one', 'ERROR'),
    ('server set --auto-approve --state active one', 'ACTIVE'),
    ('server stop one', 'SHUTOFF'), ('server start one', 'ACTIVE'),
    ('server delete --wait one', None),
)
#: What `server add security group` says of a group that the server has.
REFUSED = {'server add security group one default': 'holds for this server already'}


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp('commands')
    (directory / 'users.yaml').write_text(USERS.format(hash=users.hash_password(test_clients.PASSWORD)))
    cloud = harness.Cloud.all_in_one({
        'api': {'auth_strategy': 'standalone'}, 'standalone': {'users_file': directory / 'users.yaml'},
        'fake': {'more_hosts': 'second,third'}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cloud, 'wait_ready', lambda: None)
        with cloud:
            (directory / 'clouds.yaml').write_text(test_clients.CLOUDS.format(
                url=f'http://127.0.0.1:{cloud.port}', password=test_clients.PASSWORD))
            cloud.manage('network', 'create', '--label', 'private', '--cidr', '10.0.0.0/24')
            cloud.manage('flavor', 'create', '--name', 'm1.big', '--ram', '256', '--vcpus', '2', '--disk', '2')
            patch.setenv('OS_CLIENT_CONFIG_FILE', str(directory / 'clouds.yaml'))
            patch.setenv('OS_CLOUD', 'nova')
            patch.setenv('PYTHONWARNINGS', 'ignore')
            patch.setenv('OS_COMPUTE_API_VERSION', '2.96')
            harness.wait_for(lambda: cloud.manage('service', 'list', '-f', 'value', '-c', 'state').count('up') >= 6,
                             'services')
            time.sleep(1)
            yield cloud
            assert not cloud.tracebacks()


def cli(*words):
    return subprocess.run([str(BIN / 'openstack'), *words], capture_output=True, text=True, timeout=120, check=False,
                          env=dict(os.environ))


def test_every_command_runs(site):
    failed, sdk = [], openstack.connect(cloud='nova')
    for command, status in COMMANDS:
        done = cli(*command.split())
        wanted = REFUSED.get(command)
        if (done.returncode != 0) if wanted is None else (wanted not in done.stderr):
            failed.append(f'{command}: {done.stdout[-300:]}{done.stderr[-600:]}')
        elif status is not None:
            harness.wait_for(lambda status=status: sdk.compute.find_server('one').status == status,
                             f'{command}: {status}')
    assert not failed, '\n'.join(failed)
    assert site.leaks() == []
