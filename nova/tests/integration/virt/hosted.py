# SPDX-License-Identifier: Apache-2.0
"""What the tests outside of a hypervisor host have in common: they run modules inside of it."""

import os
import pathlib
import subprocess
import sys
import unittest

from nova.tests import forkserver
from nova.tests.integration import libvirt_host
from nova.tests.integration.virt import base

ROOT = pathlib.Path(__file__).parents[4]
PACKAGE = 'nova.tests.integration.virt'


class HostCase(unittest.TestCase):
    """One host for all tests of a class.  Each runs a module inside of it, and shows what it says when it fails."""

    #: Of the host: two at a time must not share one.
    name = None

    @classmethod
    def setUpClass(cls):
        missing = libvirt_host.missing()
        if missing and not os.environ.get('CI'):
            raise unittest.SkipTest(missing)
        cls.host = libvirt_host.LibvirtHost(cls.name).start()
        cls.addClassCleanup(cls.host.stop)
        cls.host.exec(['ip', 'link', 'add', base.BRIDGE, 'type', 'bridge'])
        cls.host.exec(['ip', 'link', 'set', base.BRIDGE, 'up'])

    def run_inside(self, module, timeout=600, **environment):
        done = self.host.exec(
            [sys.executable, '-W', 'ignore', '-m', f'{PACKAGE}.inside', f'{PACKAGE}.{module}'], check=False,
            timeout=timeout, cwd=ROOT,
            env={**forkserver.without_servers(os.environ), 'PYTHONPATH': str(ROOT),
                 'NOVA_TEST_DIRECTORY': self.host.root, **environment})
        self.assertEqual(0, done.returncode, f'\n{done.stdout[-4000:]}\n{done.stderr[-12000:]}')
        self.assertEqual([], self.host.domains())
        self.assertEqual([base.BRIDGE], self.host.taps())

    @staticmethod
    def linux():
        """Where there is a Linux for guests."""
        guest = ROOT / '.cache' / 'guest'
        # Says in an instant when there is nothing to do.
        subprocess.run([sys.executable, ROOT / 'tools' / 'guest-image', '--output', guest], check=True,
                       capture_output=True)
        return str(guest)
