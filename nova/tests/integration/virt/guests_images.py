# SPDX-License-Identifier: Apache-2.0
"""Images of guests' disks, rescue systems, and what goes through the agent."""

import os
import subprocess

from oslo_utils import units

from nova import exception, objects
from nova.network import model
from nova.tests.integration.virt import base
from nova.virt import images, power_state
from nova.virt.libvirt import diskinfo, errors, paths

CONF = base.CONF


class ImageCase(base.GuestCase):
    def setUp(self):
        super().setUp()
        self.start_driver()
        self.tasks = []

    def note(self, task_state, expected_state=None):
        self.tasks.append((task_state, expected_state))

    def snapshot(self, server):
        """Id of an image of the server's disk."""
        image_id = self.images.create(self.context, {'name': 'copy'})['id']
        self.driver.snapshot(self.context, server, image_id, self.note)
        return image_id

    def begin_of(self, image_id, disk_format, count=3):
        """(virtual size, first bytes) of an image's content."""
        copy, raw = os.path.join(self.directory, 'copy'), os.path.join(self.directory, 'copy.raw')
        self.images.download(self.context, image_id, dest_path=copy)
        images.convert(copy, disk_format, raw, 'raw')
        with open(raw, 'rb') as content:
            return os.path.getsize(raw), content.read(count)

    def assert_nothing_in_the_workshop(self):
        self.assertEqual([], os.listdir(CONF.libvirt.snapshots_directory))

    def meta(self, image_id):
        return objects.ImageMeta.from_dict(self.images.get(self.context, image_id))


class TestSnapshot(ImageCase):
    def test_of_a_running_guest_and_of_one_that_is_off_and_paused_and_suspended(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk('qcow2', content=b'abc'), 'qcow2')))
        changes = {power_state.RUNNING: lambda server: None, power_state.PAUSED: self.driver.pause,
                   power_state.SHUTDOWN: self.driver.power_off,
                   power_state.SUSPENDED: lambda server: self.driver.suspend(self.context, server)}
        for state, change in changes.items():
            with self.subTest(state=power_state.STATE_MAP[state]):
                self.driver.power_on(self.context, server, model.NetworkInfo())
                change(server)
                self.tasks.clear()
                image_id = self.snapshot(server)
                self.assertEqual([('image_pending_upload', None), ('image_uploading', 'image_pending_upload')],
                                 self.tasks)
                image = self.images.get(self.context, image_id)
                self.assertEqual(('active', 'qcow2', 'bare'),
                                 tuple(image[name] for name in ('status', 'disk_format', 'container_format')))
                self.assertEqual((units.Gi, b'abc'), self.begin_of(image_id, 'qcow2'))
                self.assertEqual(state, self.driver.get_info(server).state)
                self.assert_nothing_in_the_workshop()

    def test_a_copy_has_holes_where_the_disk_has(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk('qcow2', content=b'abc'), 'qcow2')))
        for _again in range(2):
            self.assertLess(self.images.get(self.context, self.snapshot(server))['size'], 10 * units.Mi)
            self.driver.power_off(server)

    def test_other_disks_stay_out_and_formats_are_as_configured(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk(content=b'abc')), ephemeral_gb=1, swap=16,
                                             config_drive='True'))
        for disk_format in ('raw', 'vmdk', 'vdi', 'qcow2'):
            with self.subTest(disk_format):
                self.options('libvirt', snapshot_image_format=disk_format)
                image_id = self.snapshot(server)
                self.assertEqual(disk_format, self.images.get(self.context, image_id)['disk_format'])
                self.assertEqual((units.Gi, b'abc'), self.begin_of(image_id, disk_format))
                self.assert_nothing_in_the_workshop()

    def test_of_a_raw_disk(self):
        self.options('libvirt', images_type='raw')
        server = self.spawn(self.make_server(self.upload(self.make_disk(content=b'abc'))))
        for _again in range(2):
            image_id = self.snapshot(server)
            self.assertEqual('raw', self.images.get(self.context, image_id)['disk_format'])
            self.assertEqual((units.Gi, b'abc'), self.begin_of(image_id, 'raw'))
            self.driver.power_off(server)

    def test_a_server_is_made_from_the_image_of_another(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk(content=b'abc'))))
        image_id = self.snapshot(server)
        self.driver.destroy(self.context, server, model.NetworkInfo())
        again = self.spawn(self.make_server(image_id))
        self.assertEqual(power_state.RUNNING, self.driver.get_info(again).state)

    def test_what_fails_leaves_nothing_and_the_guest_runs(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk())))
        with self.assertRaises(exception.ImageNotFound):
            self.driver.snapshot(self.context, server, '00000000-0000-4000-8000-000000000000', self.note)
        self.assert_nothing_in_the_workshop()

        def deleted_meanwhile(task_state, expected_state=None):
            if task_state == 'image_uploading':
                raise exception.UnexpectedDeletingTaskState(instance_uuid=server.uuid, expected='', actual='deleting')
        with self.assertRaises(exception.UnexpectedDeletingTaskState):
            self.driver.snapshot(self.context, server, self.images.create(self.context, {'name': 'x'})['id'],
                                 deleted_meanwhile)
        self.assert_nothing_in_the_workshop()
        self.assertEqual(power_state.RUNNING, self.driver.get_info(server).state)

    def test_what_was_cut_off_is_cleared(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk())))
        os.makedirs(CONF.libvirt.snapshots_directory, exist_ok=True)
        with open(os.path.join(CONF.libvirt.snapshots_directory, f'{server.uuid}.qcow2'), 'wb') as half:
            half.write(b'half')
        for _again in range(2):
            self.driver.post_interrupted_snapshot_cleanup(self.context, server)
        self.assert_nothing_in_the_workshop()
        self.snapshot(server)

    def test_an_unknown_server_is_refused(self):
        with self.assertRaises(exception.NovaException):
            self.snapshot(self.make_server(self.upload(self.make_disk())))


class TestAgent(ImageCase):
    def test_without_a_channel_nobody_can_be_asked(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk()), properties={'os_require_quiesce': 'yes'}))
        for call in (lambda: self.driver.quiesce(self.context, server, server.image_meta),
                     lambda: self.driver.set_admin_password(server, 'secret'), lambda: self.snapshot(server)):
            with self.assertRaises(exception.Unsupported):
                call()
        self.assert_nothing_in_the_workshop()

    def test_an_agent_that_is_silent_only_matters_where_it_must_answer(self):
        for must in ('no', 'yes'):
            with self.subTest(must):
                server = self.spawn(self.make_server(self.upload(self.make_disk()), properties={
                    'hw_qemu_guest_agent': 'yes', 'os_require_quiesce': must}))
                with self.assertRaises(errors.AgentSilent):
                    self.driver.set_admin_password(server, 'secret')
                if must == 'yes':
                    with self.assertRaises(errors.AgentSilent):
                        self.snapshot(server)
                else:
                    self.snapshot(server)
                self.assert_nothing_in_the_workshop()

    def test_crash_dump_of_a_running_guest_only(self):
        server = self.spawn(self.make_server(self.upload(self.make_disk())))
        self.driver.trigger_crash_dump(server)
        self.driver.power_off(server)
        with self.assertRaises(exception.NovaException):
            self.driver.trigger_crash_dump(server)


class TestRescue(ImageCase):
    def setUp(self):
        super().setUp()
        self.server = self.spawn(self.make_server(self.upload(self.make_disk(content=b'own')), ephemeral_gb=1,
                                                  config_drive='True'), [self.vif()])
        self.rescue_image = self.upload(self.make_disk('qcow2', content=b'aid'), 'qcow2')

    def vif(self):
        self.nic = self.make_vif()
        return self.nic

    def rescue(self, image_id=None):
        self.driver.power_off(self.server)
        self.driver.rescue(self.context, self.server, model.NetworkInfo([self.nic]),
                           self.meta(image_id or self.rescue_image), 'let me in')

    def files(self):
        return {disk.find('target').get('dev'): os.path.basename(disk.find('source').get('file'))
                for disk in self.document(self.server).iterfind('devices/disk')}

    def test_there_and_back(self):
        before = self.files()
        self.rescue()
        self.assertEqual({'vda': 'disk.rescue', 'vdb': 'disk', 'hda': 'disk.config.rescue'}, self.files())
        self.assertEqual('1', self.document(self.server).find("devices/disk/target[@dev='vda']/../boot").get('order'))
        self.assertEqual(self.nic['address'], self.document(self.server).find('devices/interface/mac').get('address'))
        self.assertEqual(power_state.RUNNING, self.driver.get_info(self.server).state)
        self.assertIn('disk.rescue', diskinfo.of(self.server))
        for _again in range(2):
            self.driver.unrescue(self.server, model.NetworkInfo([self.nic]))
            self.assertEqual(power_state.RUNNING, self.driver.get_info(self.server).state)
        self.assertEqual(before, self.files())
        self.assertNotIn('disk.rescue', diskinfo.of(self.server))
        self.assertEqual([], [name for name in os.listdir(self.path_of(self.server)) if 'rescue' in name])

    def test_the_password_is_on_the_rescue_config_drive_only(self):
        self.rescue()
        for name, has in (('disk.config.rescue', True), ('disk.config', False)):
            with open(self.path_of(self.server, name), 'rb') as content:
                self.assertEqual(has, b'let me in' in content.read(), name)

    def test_an_image_that_cannot_be_had_leaves_the_guest_as_it_was(self):
        before = self.files()
        missing = objects.ImageMeta(id='00000000-0000-4000-8000-000000000000', properties={}, disk_format='raw')
        for state in (power_state.RUNNING, power_state.SHUTDOWN):
            with self.subTest(power_state.STATE_MAP[state]):
                if state == power_state.SHUTDOWN:
                    self.driver.power_off(self.server)
                with self.assertRaises(exception.ImageNotFound):
                    self.driver.rescue(self.context, self.server, model.NetworkInfo([self.nic]), missing, 'secret')
                self.assertEqual(state, self.driver.get_info(self.server).state)
                self.assertEqual(before, self.files())
        self.assertFalse(os.path.exists(self.path_of(self.server, paths.RESCUED_DOMAIN)))

    def test_a_rescue_outlives_a_boot_of_the_host(self):
        self.rescue()
        self.driver.power_off(self.server)
        self.driver.resume_state_on_host_boot(self.context, self.server, model.NetworkInfo([self.nic]))
        self.assertEqual('disk.rescue', self.files()['vda'])
        self.assertEqual(power_state.RUNNING, self.driver.get_info(self.server).state)

    def test_a_server_that_is_deleted_while_it_is_rescued_leaves_nothing(self):
        self.rescue()
        self.driver.destroy(self.context, self.server, model.NetworkInfo([self.nic]))
        self.assert_nothing_left(self.server)

    def test_a_cd_is_a_rescue_system_too(self):
        source = os.path.join(self.directory, 'cd')
        os.makedirs(source)
        with open(os.path.join(source, 'readme'), 'w') as out:
            out.write('hello')
        subprocess.run(['genisoimage', '-quiet', '-o', f'{source}.iso', source], check=True)
        self.rescue(self.upload(f'{source}.iso', 'iso'))
        self.assertEqual({'hda': 'disk.rescue', 'vda': 'disk', 'hdb': 'disk.config.rescue'}, self.files())
