# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import unittest

from nova.tests.integration import libvirt_host


class TestLibvirtHost(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        missing = libvirt_host.missing()
        if missing and not os.environ.get('CI'):
            raise unittest.SkipTest(missing)

    def start(self, name, **options):
        host = libvirt_host.LibvirtHost(name, **options)
        self.addCleanup(host.stop)
        return host.start()

    def test_two_hosts_know_nothing_of_each_other_but_by_cable(self):
        one, two = self.start('one', hosts={'two': '10.66.0.2'}), self.start('two')
        self.assertEqual(['one', 'two'], [host.virsh('hostname').stdout.strip() for host in (one, two)])
        one.exec(['ip', 'link', 'add', 'br0', 'type', 'bridge'])
        self.assertEqual((['br0'], []), (one.taps(), two.taps()))
        self.assertNotIn('br0', os.listdir('/sys/class/net'))
        libvirt_host.cable((one, 'eth0', '10.66.0.1/24'), (two, 'eth0', '10.66.0.2/24'))
        serve = ('import socket; s = socket.create_server(("10.66.0.2", 80)); '
                 'print("up", flush=True); s.accept()[0].sendall(b"hello")')
        server = two.popen(['python3', '-c', serve], stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.stdout.close)
        server.stdout.readline()
        heard = one.exec(['python3', '-c', 'import socket; print(socket.create_connection(("two", 80)).recv(9))'])
        self.assertEqual("b'hello'", heard.stdout.strip())
        self.assertEqual(0, server.wait(10))

    def test_the_end_leaves_nothing(self):
        host = self.start('end')
        settled = host.popen(['sh', '-c', 'echo; exec sleep 600'], stdout=subprocess.PIPE)
        self.addCleanup(settled.stdout.close)
        settled.stdout.readline()
        root, pids = host.root, set(host.processes())
        self.assertIn(settled.pid, pids)
        hasty = host.popen(['sleep', '600'])
        host.stop()
        self.assertEqual([-signal.SIGTERM] * 2, [settled.wait(10), hasty.wait(10)])
        self.assertFalse(os.path.exists(root))
        self.assertEqual([], [pid for pid in pids if self.lives(pid)])
        self.assertEqual('', subprocess.run(['find', '/sys/fs/cgroup', '-name', 'nova-host-end-*'], check=False,
                                            capture_output=True, text=True).stdout)
        host.stop()

    def lives(self, pid):
        try:
            with open(f'/proc/{pid}/stat') as status:
                return status.read().rpartition(')')[2].split()[0] != 'Z'
        except FileNotFoundError:
            return False

    def test_a_daemon_is_restarted_and_killed(self):
        host = self.start('again')
        for sig in (signal.SIGTERM, signal.SIGKILL):
            before = host.daemon_pid('libvirtd')
            host.stop_daemon('libvirtd', sig)
            self.assertIsNone(host.daemon_pid('libvirtd'))
            host.start_daemon('libvirtd')
            self.assertNotEqual(before, host.daemon_pid('libvirtd'))
            self.assertEqual([], host.domains())

    def test_a_command_that_fails_says_so(self):
        host = self.start('fails')
        with self.assertRaises(RuntimeError) as raised:
            host.exec(['ls', '/nonexistent'])
        self.assertIn('No such file', str(raised.exception))
        self.assertNotEqual(0, host.exec(['ls', '/nonexistent'], check=False).returncode)
