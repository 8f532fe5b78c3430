# SPDX-License-Identifier: Apache-2.0
"""On libvirt's own driver for tests: the library is the real one, its guests are in memory."""

import time

import libvirt

from nova import exception
from nova.tests.unit.virt.libvirt import base
from nova.virt import event, power_state
from nova.virt.libvirt import errors, events, guest, host

_GUEST = """<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><memory>65536</memory><vcpu>1</vcpu>
<os><type>hvm</type></os></domain>"""
_UUID = '11111111-2222-4333-8444-555555555555'


class Document:
    """What `guest.define` takes, for a guest of the test driver."""

    def __init__(self, name='one', uuid=_UUID):
        self.name, self.uuid = name, uuid

    def to_xml(self):
        return _GUEST.format(name=self.name, uuid=self.uuid)


class HostCase(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        self.seen = []
        self.host = host.Host('test:///default', on_lifecycle=lambda uuid, transition: self.seen.append(transition))
        self.host.start()
        self.addCleanup(self.host.stop)
        # The state of the driver is the library's, and outlives a test.
        self.addCleanup(self.remove_all)

    def remove_all(self):
        for uuid in self.host.list_uuids():
            if uuid == _UUID:
                guest.Guest(self.host, uuid).kill()
                self.host.call(lambda connection: connection.lookupByUUIDString(_UUID).undefine())

    def wait_for(self, condition):
        end = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)


class TestHost(HostCase):
    def test_it_knows_itself(self):
        self.assertTrue(self.host.hostname)
        self.assertEqual('i686', self.host.arch)
        self.assertEqual('TEST', self.host.hypervisor_type())
        self.assertGreater(self.host.cpu_count(), 0)
        total, used = self.host.memory_mb()
        self.assertLess(0, used)
        self.assertLess(used, total)

    def test_it_lists_guests(self):
        before = self.host.count()
        guest.define(self.host, Document())
        self.assertEqual(before + 1, self.host.count())
        self.assertIn('one', self.host.list_names())
        self.assertIn(_UUID, self.host.list_uuids())
        self.assertEqual(power_state.SHUTDOWN, self.host.list_stats()[_UUID][0])

    def test_a_host_that_was_stopped_stays_stopped(self):
        self.addCleanup(self.host.start)
        self.host.stop()
        with self.assertRaises(exception.HypervisorUnavailable):
            self.host.list_names()

    def test_a_broken_connection_is_made_anew_once(self):
        calls = []

        def fail(connection):
            calls.append(connection)
            if len(calls) == 1:
                raise lost()
            return 'answer'
        self.assertEqual('answer', self.host.call(fail))
        self.assertIsNot(calls[0], calls[1])

    def test_a_daemon_that_is_gone_is_unavailable(self):
        def fail(connection):
            raise lost()
        with self.assertRaises(exception.HypervisorUnavailable):
            self.host.call(fail)

    def test_no_daemon_is_unavailable_from_the_start(self):
        other = host.Host('qemu:///system?socket=/nonexistent')
        with self.assertRaises(exception.HypervisorUnavailable):
            other.start()

    def test_what_was_missed_is_told(self):
        self.host._states = {_UUID: power_state.RUNNING, 'gone': power_state.RUNNING, 'same': power_state.PAUSED,
                             'back': power_state.PAUSED}
        self.host._catch_up({_UUID: power_state.SHUTDOWN, 'same': power_state.PAUSED, 'new': power_state.RUNNING,
                             'back': power_state.RUNNING})
        self.assertEqual([event.EVENT_LIFECYCLE_STOPPED, event.EVENT_LIFECYCLE_RESUMED], self.seen)


def lost():
    """The error of a connection that broke."""
    exc = libvirt.libvirtError('lost')
    exc.err = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC, 'gone', 2, None, None, None, 0, 0)
    return exc


class TestGuest(HostCase):
    def test_power(self):
        made = guest.define(self.host, Document())
        steps = [(made.start, power_state.RUNNING), (made.start, power_state.RUNNING),
                 (made.pause, power_state.PAUSED), (made.pause, power_state.PAUSED),
                 (made.unpause, power_state.RUNNING), (made.unpause, power_state.RUNNING),
                 (made.kill, power_state.SHUTDOWN), (made.kill, power_state.SHUTDOWN),
                 (made.shut_down, power_state.SHUTDOWN)]
        for step, expected in steps:
            step()
            self.assertEqual(expected, made.power_state(), step.__name__)
        self.wait_for(lambda: event.EVENT_LIFECYCLE_STOPPED in self.seen)

    def test_a_guest_that_is_off_cannot_be_paused(self):
        with self.assertRaises(errors.LibvirtError):
            guest.define(self.host, Document()).pause()

    def test_who_is_not_there(self):
        nobody = guest.Guest(self.host, '99999999-2222-4333-8444-555555555555')
        self.assertFalse(nobody.exists())
        for method in (nobody.info, nobody.start, nobody.kill, nobody.document, nobody.pause):
            with self.assertRaises(exception.InstanceNotFound):
                method()
        nobody.undefine()

    def test_a_name_is_given_once(self):
        guest.define(self.host, Document())
        with self.assertRaises(exception.InstanceExists):
            guest.define(self.host, Document(uuid='21111111-2222-4333-8444-555555555555'))

    def test_its_document_can_be_read(self):
        self.assertEqual('one', guest.define(self.host, Document()).document().findtext('name'))


class TestErrors(base.LibvirtCase):
    def error(self, code, domain=libvirt.VIR_FROM_QEMU):
        exc = libvirt.libvirtError('words')
        exc.err = (code, domain, 'words', 2, None, None, None, 0, 0)
        return exc

    def test_each_error_becomes_ours(self):
        cases = [
            (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_FROM_QEMU, exception.InstanceNotFound),
            (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC, exception.HypervisorUnavailable),
            (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_REMOTE, exception.HypervisorUnavailable),
            (libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_FROM_NONE, exception.HypervisorUnavailable),
            (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU, errors.LibvirtError),
            (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_FROM_QEMU, errors.WrongGuestState),
            (libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_FROM_QEMU, errors.OperationTimedOut),
            (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, libvirt.VIR_FROM_QEMU, errors.UnsupportedByHypervisor),
        ]
        for code, domain, expected in cases:
            with self.subTest((code, domain)):
                with self.assertRaises(exception.NovaException) as raised, errors.translated('u'):
                    raise self.error(code, domain)
                self.assertIs(expected, type(raised.exception))

    def test_words_and_number_are_kept(self):
        with self.assertRaises(errors.LibvirtError) as raised, errors.translated():
            raise self.error(libvirt.VIR_ERR_XML_ERROR)
        self.assertEqual(('libvirt: words', libvirt.VIR_ERR_XML_ERROR), (str(raised.exception), raised.exception.code))


class TestTransitions(base.LibvirtCase):
    def test_transitions(self):
        cases = [
            (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED, event.EVENT_LIFECYCLE_STARTED),
            (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED, event.EVENT_LIFECYCLE_STOPPED),
            (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED,
             event.EVENT_LIFECYCLE_SUSPENDED),
            (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_MIGRATED, None),
            (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED,
             event.EVENT_LIFECYCLE_MIGRATION_COMPLETED),
            (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED,
             event.EVENT_LIFECYCLE_PAUSED),
            (libvirt.VIR_DOMAIN_EVENT_DEFINED, 0, None),
        ]
        for kind, detail, expected in cases:
            self.assertEqual(expected, events.transition_of(kind, detail), (kind, detail))
