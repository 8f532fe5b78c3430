# SPDX-License-Identifier: Apache-2.0
import os
import socket

from nova import exception
from nova.tests.unit.virt.libvirt import base
from nova.virt.libvirt import config, console, errors, paths


class TestLog(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        self.server = base.make_server()
        os.makedirs(paths.of(self.server))

    def write(self, suffix, content):
        with open(paths.of(self.server, 'console.log') + suffix, 'wb') as out:
            out.write(content)

    def test_no_log_is_nothing(self):
        self.assertEqual(b'', console.read_log(self.server))

    def test_a_log_is_read_back_to_what_was_put_away(self):
        self.write('', b'newest')
        self.write('.0', b'older ')
        self.write('.1', b'oldest ')
        self.assertEqual(b'oldest older newest', console.read_log(self.server))

    def test_at_most_so_much(self):
        self.write('', b'b' * 10)
        self.write('.0', b'a' * console.MAX_LOG_BYTES)
        found = console.read_log(self.server)
        self.assertEqual((console.MAX_LOG_BYTES, b'abbbbbbbbbb'), (len(found), found[-11:]))


class Terminal:
    """A guest whose terminal says something new each time."""

    def __init__(self, *said):
        self.said = list(said)

    def read_terminal(self, silence_s):
        if not self.said:
            raise errors.LibvirtError(reason='it is gone')
        return self.said.pop(0)


class TestTerminal(TestLog):
    def test_what_a_container_says_is_kept(self):
        self.options('libvirt', virt_type='lxc')
        guest = Terminal(b'one ', b'', b'two')
        for _ in range(4):
            console.record_terminal(guest, self.server)
        self.assertEqual(b'one two', console.read_log(self.server))

    def test_of_a_container_that_says_much_the_end_is_kept(self):
        self.options('libvirt', virt_type='lxc')
        for letter in (b'a', b'b', b'c'):
            console.record_terminal(Terminal(letter * console.MAX_LOG_BYTES), self.server)
        self.assertEqual(2 * console.MAX_LOG_BYTES, os.path.getsize(paths.of(self.server, 'console.log')))
        self.assertEqual(b'c' * console.MAX_LOG_BYTES, console.read_log(self.server))

    def test_machines_have_no_terminal(self):
        self.options('libvirt', virt_type='qemu')
        console.record_terminal(Terminal(), self.server)
        self.assertEqual(b'', console.read_log(self.server))


class Host:
    def __init__(self, *documents):
        self.documents = documents

    def list_documents(self):
        return [config.parse(document) for document in self.documents]


class TestPorts(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        with socket.create_server(('127.0.0.1', 0)) as probe:
            self.first = probe.getsockname()[1]
        self.options('serial_console', port_range=f'{self.first}:{min(self.first + 9, 65535)}')

    def document(self, port):
        return (f"<domain><devices><serial type='tcp'><source mode='bind' host='127.0.0.1' service='{port}'/></serial>"
                '</devices></domain>')

    def test_a_port_of_another_guest_is_not_given(self):
        with console.ports(Host(self.document(self.first)), 2) as found:
            self.assertEqual(2, len(found))
            self.assertNotIn(self.first, found)

    def test_a_port_that_somebody_listens_on_is_not_given(self):
        with socket.create_server(('127.0.0.1', self.first)), console.ports(Host(), 1) as found:
            self.assertNotIn(self.first, found)

    def test_no_port_is_an_error_that_names_the_option(self):
        self.options('serial_console', port_range=f'{self.first}:{self.first}')
        with self.assertRaises(console.NoFreePort) as raised, console.ports(Host(self.document(self.first)), 1):
            pass
        self.assertIn('port_range', str(raised.exception))

    def test_none_asked_for(self):
        with console.ports(None, 0) as found:
            self.assertEqual([], found)


class Guest:
    def __init__(self, devices):
        self.devices = devices

    def document(self):
        return config.parse(f'<domain><devices>{self.devices}</devices></domain>')


class TestConsoles(base.LibvirtCase):
    def test_a_screen(self):
        self.options('vnc', server_proxyclient_address='192.0.2.1')
        found = console.vnc(Guest("<graphics type='vnc' port='5905'/>"))
        self.assertEqual(('192.0.2.1', 5905), (found.host, found.port))

    def test_a_serial_port(self):
        self.options('serial_console', enabled=True)
        found = console.serial(Guest("<serial type='tcp'><source mode='bind' host='192.0.2.1' "
                                     "service='10000'/></serial>"))
        self.assertEqual(('192.0.2.1', 10000), (found.host, found.port))

    def test_what_is_not_there_is_said(self):
        for get, devices in ((console.vnc, ''), (console.vnc, "<graphics type='vnc' port='-1'/>"),
                             (console.serial, "<serial type='pty'/>")):
            with self.subTest(devices), self.assertRaises(exception.ConsoleTypeUnavailable):
                get(Guest(devices))
