# SPDX-License-Identifier: Apache-2.0
"""A share through the whole service: asked for over HTTP, in the guest, gone with its server."""

import contextlib
import json
import os
import re
import signal
import subprocess
import unittest

from nova import conf
from nova.privsep import shares as privsep_shares
from nova.tests import harness
from nova.tests.integration.virt import guests_shares

CONF = conf.CONF
SHARE, GONE = (f'{number}0000000-0000-4000-8000-000000000000' for number in (1, 2))
EXPORT = guests_shares.DATA


class TestSite(guests_shares.MountHelper, unittest.TestCase):
    def setUp(self):
        self.make_directory()
        self.put_mount_helper()
        shares = os.path.join(self.directory, 'shares.yaml')
        with open(shares, 'w') as out:
            json.dump({SHARE: {'is_public': True, 'export_location': EXPORT},
                       GONE: {'is_public': True, 'export_location': '192.0.2.1:/gone'}}, out)
        self.cloud = harness.Cloud.all_in_one({
            'DEFAULT': {'compute_driver': 'libvirt.LibvirtDriver', 'shutdown_timeout': 2, 'fake_network': True},
            'libvirt': {'virt_type': 'qemu'}, 'vnc': {'enabled': False},
            'manila': {'backend': 'file', 'shares_file': shares}}, directory=os.path.join(self.directory, 'site'))
        self.cloud.directory.mkdir(mode=0o755)
        self.enterContext(self.cloud)
        self.client = self.cloud.client()
        CONF.set_override('nfs_mount_point_base', str(self.cloud.directory / 'state' / 'mnt'), 'libvirt')
        self.addCleanup(CONF.clear_override, 'nfs_mount_point_base', 'libvirt')

    def attach(self, share, tag):
        path = f'/servers/{self.server}/shares'
        answer = self.client.call('POST', path, {'share': {'share_id': share, 'tag': tag}})
        self.assertEqual(201, answer.status_code, answer.text)
        self.becomes({share: 'inactive'})

    def becomes(self, wanted):
        def there():
            found = self.client.get(f'/servers/{self.server}/shares')['shares']
            return wanted.items() <= {each['share_id']: each['status'] for each in found}.items()
        harness.wait_for(there, f'shares {wanted}', timeout_s=60)

    def act(self, name, value=None, ends='ACTIVE'):
        self.client.action(self.server, name, value)
        self.client.wait(self.server, ends, timeout_s=120)

    def tags(self):
        """Of the running guest."""
        shown = subprocess.run(['virsh', '-c', 'qemu:///system', 'dumpxml', self.server], check=True,
                               capture_output=True, text=True).stdout
        return re.findall(r"<target dir='(.*?)'/>", shown)

    def is_mounted(self):
        return privsep_shares.is_mounted(privsep_shares.place('NFS', EXPORT))

    def test_a_share_lives_with_its_server(self):
        try:
            self.live()
        except BaseException as exc:
            exc.add_note(self.cloud.output('nova-all')[-6000:])
            raise

    def live(self):
        self.server = self.client.boot('sharer', wait=None)['id']
        self.client.wait(self.server, 'ACTIVE', timeout_s=120)
        self.act('os-stop', ends='SHUTOFF')
        self.attach(SHARE, 'data')
        self.assertFalse(self.is_mounted())
        self.act('os-start')
        self.assertTrue(self.is_mounted())
        self.assertEqual(['data'], self.tags())

        # All of the service ends in the middle; the guest and its share go on.
        self.cloud.kill('nova-all')
        self.assertTrue(self.is_mounted())
        self.cloud.start('nova-all')
        self.cloud.wait_ready()
        self.becomes({SHARE: 'active'})
        # The emulator is killed: what nobody has any more is not mounted.
        self.kill_guest()
        self.client.wait(self.server, 'SHUTOFF', timeout_s=60)
        self.becomes({SHARE: 'inactive'})
        self.assertFalse(self.is_mounted())

        # One of two is gone.
        self.attach(GONE, 'gone')
        self.act('os-start', ends='ERROR')
        self.becomes({SHARE: 'inactive', GONE: 'error'})
        self.assertFalse(self.is_mounted())
        self.assertEqual(409, self.client.call('POST', f'/servers/{self.server}/action',
                                               {'os-start': None}).status_code)
        os.mkdir(os.path.join(self.exports, 'gone'))
        self.act('reboot', {'type': 'HARD'})
        self.becomes({SHARE: 'active', GONE: 'active'})
        self.assertEqual(['data', 'gone'], self.tags())
        self.client.call('DELETE', f'/servers/{self.server}')
        self.client.gone(self.server)
        self.assertFalse(self.is_mounted())
        self.assertEqual([], self.cloud.sql('SELECT * FROM share_mapping'))
        state = self.cloud.directory / 'state'
        self.assertEqual([[], []], [os.listdir(state / name) for name in ('mnt', 'shares')])

    def kill_guest(self):
        found = subprocess.run(['pgrep', '--full', f'qemu-system.*{self.server}'], check=True, capture_output=True,
                               text=True).stdout.split()
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
