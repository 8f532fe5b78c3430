# SPDX-License-Identifier: Apache-2.0
"""Daemons on hosts have no database, and nothing of it is even loaded there."""

import importlib.util
import subprocess
import sys
import unittest

#: What a process on a host runs.
MODULES = ('nova.cmd.compute', 'nova.compute.manager', 'nova.virt.fake', 'nova.cmd.network', 'nova.network.manager',
           'nova.service', 'nova.conductor.rpcapi', 'nova.objects')


class NoDatabaseTestCase(unittest.TestCase):

    def test_nothing_of_a_host_loads_the_database_library(self):
        for module in MODULES:
            if importlib.util.find_spec(module) is None:
                continue
            with self.subTest(module=module):
                code = (f'import sys\nimport {module}\nfrom nova import objects\nobjects.register_all()\n'
                        'print(sorted(name for name in sys.modules if name in ("sqlalchemy", "alembic")))')
                done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True,
                                      check=False)
                self.assertEqual(('[]\n', '', 0), (done.stdout, done.stderr, done.returncode))
