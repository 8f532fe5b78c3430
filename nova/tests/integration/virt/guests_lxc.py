# SPDX-License-Identifier: Apache-2.0
"""Containers under libvirt: the driver with virt_type lxc."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from nova import exception
from nova.network import model
from nova.tests.integration.virt import base
from nova.virt import power_state
from nova.virt.libvirt import console, errors

#: First program of the container.  It never ends by itself, and goes when it is told to.
_INIT = '''#!/bin/sh
trap 'echo CONTAINER: goodbye; exit 0' TERM
n=$(cat /count 2>/dev/null || echo 0); n=$((n + 1)); echo $n > /count
echo "CONTAINER: start $n of $(hostname) with $*"
echo "CONTAINER: devices $(ls /sys/class/net | tr '\\n' ' ')"
while :; do sleep 0.1; done
'''
_PROGRAMS = ('sh', 'cat', 'echo', 'hostname', 'ls', 'tr', 'sleep', 'mount')


class TestContainers(base.GuestCase):
    patience_s = 20

    def setUp(self):
        super().setUp()
        # The kernel has no room for a long one.
        self.directory = tempfile.mkdtemp(prefix='lxc-')
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.options(state_path=self.directory)
        self.options('libvirt', virt_type='lxc')
        self.start_driver()

    def make_root(self):
        """Path of a file system with BusyBox, in a raw disk."""
        tree = pathlib.Path(self.directory, 'root')
        for name in ('bin', 'dev', 'etc', 'proc', 'sbin', 'sys', 'tmp'):
            (tree / name).mkdir(parents=True)
        shutil.copy(shutil.which('busybox'), tree / 'bin/busybox')
        for name in _PROGRAMS:
            (tree / 'bin' / name).symlink_to('busybox')
        (tree / 'sbin/init').write_text(_INIT)
        (tree / 'sbin/init').chmod(0o755)
        disk = os.path.join(self.directory, 'root.raw')
        subprocess.run(['mkfs.ext4', '-q', '-d', tree, disk, '8M'], check=True)
        return disk

    def boot(self, vifs=(), properties=None):
        image_id = self.upload(self.make_root())
        server = self.spawn(self.make_server(image_id, properties=properties), vifs)
        self.wait_for(lambda: 'CONTAINER: start 1' in self.console(server), 'a start')
        return server

    def loops(self):
        """Files of this test that are mounted."""
        found = subprocess.run(['losetup', '--list', '--noheadings', '--output', 'BACK-FILE'], check=True,
                               capture_output=True, text=True).stdout.split()
        return [path for path in found if path.startswith(self.directory)]

    def test_a_container_lives_and_goes(self):
        vif = self.make_vif()
        server = self.boot([vif], {'os_command_line': 'a "b c"', 'hw_disk_bus': 'lxc'})
        self.assertEqual([server.uuid], self.driver.list_instance_uuids())
        info = self.driver.get_info(server)
        self.assertEqual((power_state.RUNNING, 64 * 1024), (info.state, info.max_mem_kb))
        self.assertIn('with a b c', self.console(server))
        self.wait_for(lambda: 'CONTAINER: devices eth0 lo' in self.console(server), 'a network card')
        self.assertTrue(os.path.exists(f'/sys/class/net/{base.BRIDGE}/brif/{vif["devname"]}'))
        self.assertEqual([self.path_of(server, 'disk')], self.loops())

        self.driver.power_off(server, timeout=5)
        self.assertEqual(power_state.SHUTDOWN, self.driver.get_info(server).state)
        self.assertIn('start 1', self.console(server))
        self.assertEqual([], self.loops())
        self.driver.power_on(self.context, server, model.NetworkInfo([vif]))
        self.wait_for(lambda: 'CONTAINER: start 2' in self.console(server), 'another start')
        self.assertIn('start 1', self.console(server))

        self.driver.destroy(self.context, server, model.NetworkInfo([vif]))
        self.assertEqual([], self.driver.list_instance_uuids())
        self.wait_for(lambda: not self.loops(), 'the end of its mount')
        self.assertFalse(os.path.exists(self.path_of(server)))
        self.assert_nothing_left(server)

    def test_pause_and_reboots(self):
        server = self.boot()
        self.driver.pause(server)
        self.assertEqual(power_state.PAUSED, self.driver.get_info(server).state)
        self.driver.unpause(server)
        for number, kind in ((2, 'HARD'), (3, 'SOFT')):
            self.driver.reboot(self.context, server, model.NetworkInfo(), kind)
            self.wait_for(lambda number=number: f'CONTAINER: start {number}' in self.console(server), f'start {number}')
        with self.assertRaises(errors.UnsupportedByHypervisor):
            self.driver.suspend(self.context, server)
        self.assertEqual(power_state.RUNNING, self.driver.get_info(server).state)

    def test_the_host(self):
        server = self.boot()
        found = self.driver.get_available_resource('h1')
        self.assertEqual('LXC', found['hypervisor_type'])
        self.assertIn(['x86_64', 'lxc', 'exe'], [list(kind) for kind in found['supported_instances']])
        self.assertEqual(1, found['vcpus_used'])
        console.record_terminals(self.driver.host)
        self.assertIn('start 1', self.console(server))
        self.assertTrue(self.driver.get_instance_diagnostics(server))

    def test_what_a_container_cannot_have_is_refused(self):
        self.options('libvirt', images_type='qcow2')
        with self.assertRaisesRegex(exception.ConfigInvalid, 'raw disks'):
            self.driver.init_host('h1')
