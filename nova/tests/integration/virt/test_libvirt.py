# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import subprocess
import sys
import unittest

from nova.tests.integration import libvirt_host
from nova.tests.integration.virt import base

ROOT = pathlib.Path(__file__).parents[4]
PACKAGE = 'nova.tests.integration.virt'


class TestLibvirt(unittest.TestCase):
    """Each test runs a module inside of the host, and shows what it says when it fails."""

    @classmethod
    def setUpClass(cls):
        missing = libvirt_host.missing()
        if missing and not os.environ.get('CI'):
            raise unittest.SkipTest(missing)
        cls.host = libvirt_host.LibvirtHost('guests').start()
        cls.addClassCleanup(cls.host.stop)
        cls.host.exec(['ip', 'link', 'add', base.BRIDGE, 'type', 'bridge'])
        cls.host.exec(['ip', 'link', 'set', base.BRIDGE, 'up'])

    def run_inside(self, module, timeout=600, **environment):
        done = self.host.exec(
            [sys.executable, '-W', 'ignore', '-m', f'{PACKAGE}.inside', f'{PACKAGE}.{module}'], check=False,
            timeout=timeout, cwd=ROOT,
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'NOVA_TEST_DIRECTORY': self.host.root, **environment})
        self.assertEqual(0, done.returncode, f'\n{done.stdout[-4000:]}\n{done.stderr[-12000:]}')
        self.assertEqual([], self.host.domains())
        self.assertEqual([base.BRIDGE], self.host.taps())

    def test_the_driver_keeps_the_contract(self):
        self.run_inside('guests_contract', NOVA_TEST_GUEST=self.linux())

    def test_disks_hardware_refusals_cache_and_events(self):
        self.run_inside('guests_libvirt')

    def test_images_rescue_and_agent(self):
        self.run_inside('guests_images')

    def test_a_linux_in_the_guest(self):
        self.run_inside('guests_linux', NOVA_TEST_GUEST=self.linux())

    def test_images_and_rescue_of_a_linux(self):
        self.run_inside('guests_linux_images', NOVA_TEST_GUEST=self.linux())

    @staticmethod
    def linux():
        """Where there is a Linux for guests."""
        guest = ROOT / '.cache' / 'guest'
        # Says in an instant when there is nothing to do.
        subprocess.run([sys.executable, ROOT / 'tools' / 'guest-image', '--output', guest], check=True,
                       capture_output=True)
        return str(guest)
