# SPDX-License-Identifier: Apache-2.0
"""A bed of tools/testbed, for tests: hosts with real guests, their API, and a look at what is left."""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys

import requests

from nova.tests import harness
from nova.tests.integration import libvirt_host

TOOL = harness.ROOT / 'tools' / 'testbed'
#: What belongs to servers has one of these in it.
_MARKS = ('fa:16:3e', 'fe:16:3e', 'tap')


class Bed:
    """`up` makes it; use it as a context manager, and it is gone at the end.

    :param arguments: of `tools/testbed up`.
    """

    def __init__(self, name, *arguments):
        self.name, self._arguments = name, arguments
        self.status = None

    def __enter__(self):
        self.down()
        self.tool('up', *self._arguments)
        self.status = self.look()
        self.endpoint = self.status['endpoint'] + '/v2.1'
        self.directory = pathlib.Path(self.status['directory'])
        self.record = self.read_record()
        from testbed import config  # found since the record is read
        self.database = config.database(self.record, config.TOP)
        self.api = harness.Client(self, self._log_in(config.admin_password(self.record)))
        return self

    def __exit__(self, *_exc):
        self.down()

    def read_record(self):
        """What the tool knows of the bed."""
        lib = str(harness.ROOT / 'tools' / 'lib')
        if lib not in sys.path:
            sys.path.insert(0, lib)
        from testbed import state  # found only now
        return state.State.load(self.name)

    def _log_in(self, password):
        answer = requests.post(self.status['endpoint'] + '/identity/v3/auth/tokens', timeout=60, json={'auth': {
            'identity': {'methods': ['password'], 'password': {'user': {
                'name': 'admin', 'domain': {'name': 'Default'}, 'password': password}}},
            'scope': {'project': {'name': 'admin', 'domain': {'name': 'Default'}}}}})
        assert answer.ok, answer.text
        return answer.headers['X-Subject-Token']

    # The tool ---------------------------------------------------------------------------------------------------------

    def tool(self, *words, check=True, timeout_s=200):
        """Run a command of tools/testbed on this bed; what it printed."""
        done = subprocess.run([sys.executable, '-W', 'ignore', TOOL, '--name', self.name, *words], cwd=harness.ROOT,
                              capture_output=True, text=True, check=False, timeout=timeout_s)
        assert not check or done.returncode == 0, f'testbed {" ".join(words)}: {done.stdout}{done.stderr}'
        return done.stdout

    def look(self):
        """What `status` says."""
        return json.loads(self.tool('status', '--json', check=False))

    def exec(self, host, *words, check=True, timeout_s=200):
        """What a command inside a host printed.  Without the tool, whose start takes longer than most commands."""
        from testbed import hosts  # found since the record is read
        inside = hosts.of(self.read_record(), host)
        done = subprocess.run(inside.argv(words), capture_output=True, text=True, check=False, timeout=timeout_s,
                              env={**os.environ, 'LIBVIRT_DEFAULT_URI': inside.uri})
        assert not check or done.returncode == 0, f'{" ".join(words)} on {host}: {done.stdout}{done.stderr}'
        return done.stdout

    def kill(self, service):
        """SIGKILL for a service, from within this process: see `exec`."""
        from testbed import services  # found since the record is read
        services.kill(self.read_record(), service)

    def start(self, service):
        """Start a service that does not run; returns when it was started, libvirtd when it answers."""
        from testbed import services  # found since the record is read
        services.start(self.read_record(), service)

    def configure(self, host, section, **options):
        """Start the nova-compute of a host again with other options; what came later in the file counts."""
        with (self.directory / host / 'nova.conf').open('a') as out:
            out.write('\n'.join([f'[{section}]', *(f'{name} = {value}' for name, value in options.items()), '']))
        self.kill(f'{host}/nova-compute')
        self.tool('start', f'{host}/nova-compute')

    def down(self):
        self.tool('down')

    # Servers ----------------------------------------------------------------------------------------------------------

    def boot(self, name, host, flavor='m1.tiny', script=None, **more):
        """Start a guest on a host and wait until it is up; its id.

        :param script: what it runs at each boot.
        """
        image = self.api.get('/images?name=guest', version='2.35')['images'][0]['id']
        network = self.api.get('/os-networks', version='2.35')['networks'][0]['id']
        if script:
            more['user_data'] = base64.b64encode(script.encode()).decode()
        uuid = self.api.boot(name, wait=None, imageRef=image, flavorRef=self.flavor(flavor), host=host,
                             networks=[{'uuid': network}], **more)['id']
        self.api.wait(uuid, 'ACTIVE', timeout_s=120)
        self.says(uuid, 'GUEST: ready')
        return uuid

    def flavor(self, name):
        """Id of the flavor of this name."""
        return next(one['id'] for one in self.api.get('/flavors?is_public=None')['flavors'] if one['name'] == name)

    def make_flavor(self, name, **values):
        return self.api.post('/flavors', {'flavor': {'name': name, 'vcpus': 1, **values}})['flavor']['id']

    def console(self, uuid):
        answer = self.api.call('POST', f'/servers/{uuid}/action', {'os-getConsoleOutput': {}})
        return answer.json()['output'].replace('\r', '') if answer.status_code == 200 else ''

    def says(self, uuid, pattern, timeout_s=90):
        """Wait until the guest's console has a line; the match."""
        def there():
            return re.search(pattern, self.console(uuid))
        try:
            return harness.wait_for(there, f'console line {pattern!r}', timeout_s, every_s=0.5)
        except AssertionError as error:
            raise AssertionError(f'{error}; it says:\n{self.console(uuid)[-2000:]}') from error

    def host_of(self, uuid):
        return self.api.get(f'/servers/{uuid}')['server']['OS-EXT-SRV-ATTR:host']

    def migrations(self, uuid):
        """Those of a server, newest first."""
        found = self.api.get(f'/os-migrations?instance_uuid={uuid}', version='2.80')['migrations']
        return sorted(found, key=lambda each: -each['id'])

    def service(self, host, **values):
        """Change what is said of the nova-compute of a host."""
        found = self.api.get(f'/os-services?host={host}&binary=nova-compute')['services'][0]['id']
        self.api.call('PUT', f'/os-services/{found}', values).raise_for_status()

    def delete(self, *uuids):
        for uuid in uuids:
            assert self.api.call('DELETE', f'/servers/{uuid}').status_code == 204
        for uuid in uuids:
            self.api.gone(uuid)

    def clear(self):
        """Delete all servers."""
        self.delete(*(server['id'] for server in self.api.get('/servers')['servers']))

    # What is there ----------------------------------------------------------------------------------------------------

    def domains(self, host):
        return self.exec(host, 'virsh', 'list', '--all', '--name').split()

    def files(self, host, pattern='*-*-*-*-*'):
        """Names below the directory of servers of a host."""
        return sorted(path.name for path in (self.directory / host / 'instances').glob(pattern))

    def traces(self, host):
        """What a host has of servers: domains, disks, taps, rules of the packet filter, leases, storage pools."""
        found = [f'domain {name}' for name in self.domains(host)]
        found += [f'disk {name}' for name in self.files(host)]
        found += [f'pool {name}' for name in self.exec(host, 'virsh', 'pool-list', '--all', '--name').split()]
        for what, words in (('device', ('ip', '-br', 'link')), ('rule', ('nft', 'list', 'ruleset'))):
            found += [f'{what} {line.strip()}' for line in self.exec(host, *words).splitlines() if _is_of_server(line)]
        for path in (self.directory / host / 'networks').glob('*.leases'):
            found += [f'lease {line}' for line in path.read_text().splitlines() if _is_of_server(line)]
        return found

    def left(self):
        """What is there though there are no servers; empty is right."""
        found = [f'{host}: {trace}' for host, seen in self.look()['hosts'].items() if seen['runs']
                 for trace in self.traces(host)]
        return found + harness.Cloud.leaks(self)

    def expect_nothing_left(self):
        """Soon at least: what a host had of a server that was deleted elsewhere is found by its next look round."""
        seen = []

        def look():
            seen[:] = self.left()
            return not seen
        try:
            harness.wait_for(look, 'nothing left', 30, every_s=1)
        except AssertionError as error:
            raise AssertionError(f'left: {seen}') from error

    def sql(self, statement):
        return harness.Cloud.sql(self, statement)


def _is_of_server(line):
    return any(mark in line for mark in _MARKS)


def missing():
    """What this machine lacks for a bed with real guests; None when it lacks nothing."""
    return libvirt_host.missing()
