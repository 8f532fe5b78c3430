# SPDX-License-Identifier: Apache-2.0
import os
import types
import unittest
from unittest import mock

import libvirt
import oslo_messaging

from nova import exception
from nova.tests.unit.virt.libvirt import base
from nova.virt.libvirt import config, diskinfo, disks, driver, leftovers, live_migration, paths, watch

GIB = 1 << 30
DOMAIN = """<domain><name>i</name><cputune><vcpupin vcpu='0' cpuset='7'/></cputune><os/>
<devices>
  <disk type='file'><source file='/var/i/u/disk'/><backingStore type='file'><format type='raw'/>
    <source file='/var/i/_base/b'/><backingStore/></backingStore><target dev='vda'/></disk>
  <disk type='file'><source file='/var/volumes/v'/><backingStore type='file'/><target dev='vdb'/></disk>
  <serial type='tcp'><source mode='bind' host='192.0.2.1' service='10000'/></serial>
  <serial type='tcp'><source mode='bind' host='192.0.2.1' service='10001'/></serial>
  <console type='tcp'><source mode='bind' host='192.0.2.1' service='10000'/></console>
  <graphics type='vnc' listen='192.0.2.1'><listen type='address' address='192.0.2.1'/></graphics>
</devices></domain>"""
DATA = {'host': 'h2', 'address': 'h2', 'data_address': None, 'disks': {'disk': {}}, 'shared': False, 'block': True,
        'whole': False, 'is_placed': False, 'tune': {}, 'vnc_listen': '192.0.2.2', 'serial_ports': [20000, 20001],
        'serial_address': '192.0.2.2'}


def rewritten(**more):
    return live_migration.rewritten(config.parse(DOMAIN), {**DATA, **more})


class TestDocument(unittest.TestCase):
    def test_addresses_and_ports_are_those_of_the_destination(self):
        root = rewritten()
        graphics = root.find('devices/graphics')
        self.assertEqual(('192.0.2.2', '192.0.2.2'), (graphics.get('listen'), graphics.find('listen').get('address')))
        self.assertEqual([('20000', '192.0.2.2'), ('20001', '192.0.2.2'), ('20000', '192.0.2.2')], [
            (source.get('service'), source.get('host')) for kind in ('serial', 'console')
            for source in root.iterfind(f'devices/{kind}/source')])

    def test_pins_are_those_of_the_destination(self):
        self.assertEqual('7', rewritten().find('cputune/vcpupin').get('cpuset'))
        self.assertIsNone(rewritten(is_placed=True).find('cputune'))
        root = rewritten(is_placed=True, tune={'cputune': "<cputune><vcpupin vcpu='0' cpuset='3'/></cputune>",
                                               'numatune': "<numatune><memory nodeset='1'/></numatune>"})
        self.assertEqual(['3'], [pin.get('cpuset') for pin in root.iterfind('cputune/vcpupin')])
        self.assertEqual('1', root.find('numatune/memory').get('nodeset'))

    def test_so_are_the_cpus_of_a_guest_without_pins(self):
        for before, data, expected in (('', {'cpuset': '4-5'}, '4-5'), (" cpuset='1'", {'cpuset': '4-5'}, '4-5'),
                                       (" cpuset='1'", {'cpuset': None}, None), (" cpuset='1'", {}, '1')):
            root = config.parse(DOMAIN.replace('<cputune>', f'<vcpu{before}>1</vcpu><cputune>'))
            self.assertEqual(expected, live_migration.rewritten(root, {**DATA, **data}).find('vcpu').get('cpuset'))

    def test_disks_that_are_copied_whole_lie_over_nothing(self):
        own, volume = rewritten(whole=True).findall('devices/disk')
        self.assertEqual([[], []], [list(own.find('backingStore')), list(own.find('backingStore').keys())])
        self.assertEqual('file', volume.find('backingStore').get('type'))
        self.assertEqual('file', rewritten().find('devices/disk/backingStore').get('type'))


class TestChecks(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        self.instance = base.make_server()
        os.makedirs(paths.of(self.instance))
        with open(paths.of(self.instance, 'disk'), 'wb') as out:
            out.truncate(GIB)
        diskinfo.record(self.instance, 'disk', diskinfo.DiskInfo('raw', GIB))
        self.data = {'host': 'h2', 'instances_path': os.path.abspath(self.path()), 'mark': 'm', 'wants_block': None,
                     'disk_over_commit': False, 'free_bytes': 100 * GIB, 'promised_gb': None}

    def path(self, *names):
        return os.path.join(live_migration.CONF.instances_path, *names)

    def check(self, bdi=None, **more):
        host = mock.Mock()
        with mock.patch.object(live_migration.libvirt_guest, 'Guest'):
            return live_migration.check_source(host, mock.Mock(), self.context, self.instance,
                                               {**self.data, **more}, bdi)

    def refused(self, text, **more):
        with self.assertRaisesRegex(live_migration.Refused, text):
            self.check(**more)

    def test_block_or_shared_is_found_out(self):
        found = self.check()
        self.assertEqual((True, False, False), (found['block'], found['shared'], found['whole']))
        self.refused('only block migration can move them', wants_block=False)
        open(self.path('m'), 'w').close()
        found = self.check()
        self.assertEqual((False, True), (found['block'], found['shared']))
        self.refused('share the disks of servers already', wants_block=True)

    def test_disks_must_fit(self):
        self.refused('take 1024 MiB, h2 has 512 MiB', free_bytes=GIB // 2)
        self.refused('h2 has 0 MiB', promised_gb=-3)
        self.assertTrue(self.check(free_bytes=GIB // 2, disk_over_commit=True)['block'])

    def test_hosts_and_servers_that_are_not_made_for_it(self):
        self.refused('instances_path: h2 has /elsewhere', instances_path='/elsewhere')
        self.options('libvirt', live_migration_tunnelled=True)
        self.refused('through a tunnel')
        self.options('libvirt', live_migration_tunnelled=False)
        self.instance.trust('placement', {'pci': [{'address': '0000:00:01.0'}]})
        self.refused('PCI devices')

    def test_volumes_in_files_go_where_they_are_seen(self):
        path = self.path('volume-1')
        bdi = {'block_device_mapping': [{'connection_info': {'driver_volume_type': 'file', 'serial': 'a-volume',
                                                             'data': {'device_path': path}}}]}
        self.assertFalse(self.check()['shares_volumes'])
        with mock.patch.object(live_migration.remote, 'Remote') as remote:
            other = remote.return_value.__enter__.return_value
            other.address = 'h2'
            other.shares.return_value = False
            self.refused('Volume a-volume is in .*volume-1 on this host, which h2 does not see', address='a', bdi=bdi)
            other.shares.return_value = True
            found = self.check(address='a', bdi=bdi)
            remote.side_effect = live_migration.remote.Unreachable(uri='u', reason='no')
            self.refused('cannot be reached', address='a', bdi=bdi)
        # libvirt does not know of such directories that they are shared.
        self.assertTrue(found['shares_volumes'])
        self.assertTrue(live_migration._flags(found, []) & libvirt.VIR_MIGRATE_UNSAFE)

    def test_an_image_that_is_gone_is_copied_with_the_disk(self):
        diskinfo.record(self.instance, 'disk', diskinfo.DiskInfo('qcow2', GIB, 'another', 'raw'))
        self.assertTrue(self.check()['whole'])


class TestCopying(base.LibvirtCase):
    """libvirt takes no list of disks, and an empty one, for all that a guest writes, the volumes of the network too."""

    CD = {'disk.config': {}}

    def sent(self, local):
        """(flags, parameters) with which a guest of a volume and a CD is sent, where the disks `local` are not shared.
        """
        root = config.parse(DOMAIN)
        own, volume = root.findall('devices/disk')
        own.find('source').set('file', '/var/i/u/disk.config')
        own.append(config.element('readonly'))
        volume.find('source').set('file', '/dev/sdb')
        guest = mock.Mock()
        guest.document.return_value = guest.moving_document.return_value = root
        data = {**DATA, 'disks': local}
        copied = live_migration.copied(guest, data)
        return live_migration._flags(data, copied), live_migration._parameters(guest, data, copied)

    def test_where_only_a_cd_is_on_the_host_nothing_is_copied(self):
        """Copied onto itself a volume would lose what the guest writes meanwhile."""
        for local in (self.CD, {}):
            flags, parameters = self.sent(local)
            self.assertFalse(flags & (libvirt.VIR_MIGRATE_NON_SHARED_DISK | libvirt.VIR_MIGRATE_NON_SHARED_INC))
            self.assertNotIn(libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS, parameters)

    def test_what_the_guest_writes_on_the_host_is_copied(self):
        flags, parameters = self.sent({**self.CD, 'sdb': {}})
        self.assertTrue(flags & libvirt.VIR_MIGRATE_NON_SHARED_INC)
        self.assertEqual(['vdb'], parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS])


class TestFilesThatHostsShare(base.LibvirtCase):
    """The guest has gone to h2; whether h2 could be told is another matter."""

    def setUp(self):
        super().setUp()
        self.driver = driver.LibvirtDriver(None)
        self.instance = base.make_server()
        os.makedirs(paths.of(self.instance))
        diskinfo.record(self.instance, 'disk', diskinfo.DiskInfo('raw', GIB))
        open(paths.of(self.instance, 'disk'), 'w').close()
        disks.take(self.instance)

    def leave(self, data):
        self.driver.post_live_migration(self.context, self.instance, None, data)
        self.driver.cleanup(self.context, self.instance, None, None, destroy_disks=True, migrate_data=data,
                            destroy_vifs=False)

    def test_they_stay_and_are_the_destinations(self):
        self.leave({'shared': True, 'host': 'h2'})
        self.assertTrue(os.path.exists(paths.of(self.instance, 'disk')))
        self.assertEqual('h2', disks.host_of(self.instance))
        # What looks here for what nobody owns does not find them either.
        host = mock.Mock(uri='u', list_uuids=list)
        self.assertEqual([], leftovers.find(host, set()))

    def test_they_stay_when_they_cannot_be_handed_over(self):
        self.driver.cleanup(self.context, self.instance, None, None, destroy_disks=True,
                            migrate_data={'shared': True, 'host': 'h2'}, destroy_vifs=False)
        self.assertTrue(os.path.exists(paths.of(self.instance, 'disk')))

    def test_what_they_do_not_share_goes(self):
        self.leave({'shared': False, 'host': 'h2'})
        self.assertFalse(os.path.exists(paths.of(self.instance)))


class TestWatcher(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        self.guest = mock.Mock(uuid='u')
        self.migration = mock.Mock()

    def look(self, seconds, gigabytes=2, **job):
        watcher = watch.Watcher(self.guest, self.migration, gigabytes, {})
        watcher._began -= seconds
        watcher._look({'type': libvirt.VIR_DOMAIN_JOB_UNBOUNDED, **job})
        return watcher

    def test_figures_are_recorded(self):
        self.look(0, memory_total=10, memory_processed=4, memory_remaining=6, disk_total=7, time_elapsed=1)
        self.migration.report.assert_called_once_with(
            {'memory_total': 10, 'memory_processed': 4, 'memory_remaining': 6, 'disk_total': 7})

    def test_figures_that_nobody_takes_down_stop_nothing(self):
        """The guest is on its way: who gave up now would have it removed at its destination."""
        for error in (oslo_messaging.MessagingTimeout('no answer'), oslo_messaging.RemoteError('DBConnectionError')):
            self.migration.report.side_effect = error
            watcher = watch.Watcher(self.guest, self.migration, 2, {})
            watcher.abort()
            self.guest.reset_mock()
            self.guest.job.return_value = {'type': libvirt.VIR_DOMAIN_JOB_UNBOUNDED}
            task = mock.Mock()
            task.is_done.side_effect = [False, True]
            watcher.follow(task)
            self.guest.abort_job.assert_called_once_with()

    def test_the_longer_it_takes_the_longer_the_guest_may_stand_still(self):
        self.look(0)
        self.guest.allow_downtime.assert_called_once_with(50)
        self.guest.reset_mock()
        self.look(10 * 150)
        self.assertEqual(500, self.guest.allow_downtime.call_args.args[0])

    def test_it_is_given_up_after_a_time(self):
        self.options('libvirt', live_migration_completion_timeout=10)
        self.assertIsNone(self.look(19).reason_to_stop)
        watcher = self.look(21)
        self.assertRegex(str(watcher.reason_to_stop), 'after 20 s .*live_migration_completion_timeout')
        watcher._look({'type': libvirt.VIR_DOMAIN_JOB_UNBOUNDED})
        self.guest.abort_job.assert_called_once_with()

    def test_or_forced(self):
        self.options('libvirt', live_migration_completion_timeout=10, live_migration_timeout_action='force_complete')
        self.look(21)
        self.guest.pause.assert_called_once_with()
        self.options('libvirt', live_migration_permit_post_copy=True)
        self.guest.reset_mock()
        watcher = self.look(21)
        self.guest.start_post_copy.assert_called_once_with()
        self.guest.pause.assert_not_called()
        with self.assertRaises(exception.Conflict):
            watcher.abort()

    def test_passes_that_do_not_help_end_in_post_copy(self):
        self.options('libvirt', live_migration_permit_post_copy=True)
        watcher = self.look(0, memory_iteration=1, memory_remaining=100)
        for number, left in ((2, 80), (3, 40)):
            watcher._look({'type': libvirt.VIR_DOMAIN_JOB_UNBOUNDED, 'memory_iteration': number,
                           'memory_remaining': left})
        self.guest.start_post_copy.assert_not_called()
        watcher._look({'type': libvirt.VIR_DOMAIN_JOB_UNBOUNDED, 'memory_iteration': 4, 'memory_remaining': 39})
        self.guest.start_post_copy.assert_called_once_with()

    def test_only_what_is_on_its_way_can_be_stopped(self):
        with self.assertRaisesRegex(exception.Conflict, 'not being live migrated'):
            watch.of(types.SimpleNamespace(uuid='u'))
        with watch.registered(self.guest, None, 2, {}) as watcher:
            watch.of(types.SimpleNamespace(uuid='u')).abort()
            self.assertIsInstance(watcher.reason_to_stop, exception.MigrationCancelled)


if __name__ == '__main__':
    unittest.main()
