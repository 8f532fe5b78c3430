# SPDX-License-Identifier: Apache-2.0
import json
import os
from unittest import mock

from nova import exception
from nova.privsep import lvm
from nova.tests.unit.virt.libvirt import base
from nova.virt import power_state
from nova.virt.libvirt import config, diskinfo, inventory, paths, traits


class Host(base.FakeHost):
    def list_stats(self):
        return {'a': (power_state.RUNNING, 1, 1, 2, 0, 1), 'b': (power_state.SHUTDOWN, 1, 1, 4, 0, -1)}

    def cpu_count(self):
        return 8

    def memory_mb(self):
        return 1000, 400

    def hypervisor_type(self):
        return 'QEMU'

    def hypervisor_version(self):
        return 7002000


class TestInventory(base.LibvirtCase):
    def test_resources(self):
        found = inventory.available_resource(Host())
        self.assertEqual((8, 2, 1000, 400, 'QEMU', 7002000, 'h1'), tuple(found[name] for name in (
            'vcpus', 'vcpus_used', 'memory_mb', 'memory_mb_used', 'hypervisor_type', 'hypervisor_version',
            'hypervisor_hostname')))
        self.assertEqual({'arch': 'x86_64', 'model': 'EPYC', 'vendor': 'AMD', 'features': ['aes', 'sse'],
                          'topology': {'cells': 1, 'sockets': 1, 'cores': 4, 'threads': 2}},
                         json.loads(found['cpu_info']))

    def test_kinds_of_guests_are_those_of_the_configured_type(self):
        for virt_type, expected in (('qemu', [('i686', 'qemu', 'hvm'), ('x86_64', 'qemu', 'hvm')]),
                                    ('kvm', [('x86_64', 'kvm', 'hvm')])):
            self.options('libvirt', virt_type=virt_type)
            self.assertEqual(expected, inventory.supported_instances(Host()))

    def test_a_type_that_is_not_there_stops_the_service(self):
        self.options('libvirt', virt_type='kvm')
        inventory.require_virt_type(Host())
        host = Host()
        host.capabilities = config.parse("<capabilities><guest><arch name='x86_64'><domain type='qemu'/></arch></guest>"
                                         '</capabilities>')
        with self.assertRaises(exception.ConfigInvalid) as raised:
            inventory.require_virt_type(host)
        self.assertIn('[libvirt]virt_type: libvirt of this host can run qemu, and not kvm', str(raised.exception))

    def test_what_disks_may_still_take_is_gone_already(self):
        before = inventory.available_resource(Host())['disk_available_least']
        server = base.make_server()
        os.makedirs(paths.of(server))
        diskinfo.record(server, 'disk', diskinfo.DiskInfo('qcow2', 10 << 30))
        with open(paths.of(server, 'disk'), 'w'):
            after = inventory.available_resource(Host())['disk_available_least']
        self.assertAlmostEqual(10, before - after, delta=1)

    def test_space_is_that_of_the_volume_group(self):
        self.options('libvirt', images_type='lvm', images_volume_group='vg')
        server = base.make_server()
        os.makedirs(paths.of(server))
        # Of before, and in another place.
        diskinfo.record(server, 'disk.eph0', diskinfo.DiskInfo('qcow2', 50 << 30))
        with open(paths.of(server, 'disk.eph0'), 'w'), \
                mock.patch.object(lvm, 'space', return_value=[100 << 30, 70 << 30]), \
                mock.patch.object(lvm, 'volumes', return_value={
                    f'{server.uuid}_disk': {'size': 10 << 30, 'taken': 4 << 30, 'is_sparse': True}}) as volumes:
            for least, infos in ((70, {}), (64, {'disk': diskinfo.DiskInfo('raw', 10 << 30, group='vg')})):
                for name, info in infos.items():
                    diskinfo.record(server, name, info)
                found = inventory.available_resource(Host())
                self.assertEqual((100, 30, least), tuple(found[name] for name in ('local_gb', 'local_gb_used',
                                                                                  'disk_available_least')))
        self.assertEqual(2, volumes.call_count, 'asked once each time')

    def test_traits_come_from_what_libvirt_says(self):
        class Told(Host):
            capabilities = config.parse("<capabilities><guest><arch name='x86_64'><machine>pc</machine>"
                                        '<machine>q35</machine></arch></guest></capabilities>')

            def domain_capabilities(self, arch, machine_type, virt_type):
                secure = 'yes' if machine_type == 'q35' else 'no'
                return config.parse(f"""<domainCapabilities><os><enum name='firmware'><value>efi</value></enum>
                    <loader><enum name='secure'><value>{secure}</value></enum></loader></os><devices>
                    <video><enum name='modelType'><value>bochs</value></enum></video>
                    <tpm><enum name='model'><value>tpm-crb</value></enum>
                    <enum name='backendVersion'><value>2.0</value></enum></tpm></devices></domainCapabilities>""")

            def guest_cpu_features(self, arch, machine_type, virt_type):
                return frozenset(('sse4.1', 'avx2', 'rtm', 'no-such'))
        always = {'COMPUTE_ARCH_X86_64', 'COMPUTE_FIRMWARE_BIOS', 'COMPUTE_FIRMWARE_UEFI',
                  'COMPUTE_SECURITY_UEFI_SECURE_BOOT', 'COMPUTE_GRAPHICS_MODEL_BOCHS', 'HW_CPU_X86_SSE41',
                  'HW_CPU_X86_AVX2', 'HW_CPU_X86_TSX'}
        for enabled, more in ((False, set()), (True, {'COMPUTE_SECURITY_TPM_CRB', 'COMPUTE_SECURITY_TPM_2_0'})):
            self.options('libvirt', virt_type='qemu', swtpm_enabled=enabled)
            found = {name for name in traits.of(Told()) if not name.startswith('COMPUTE_NET_VIF_MODEL_')}
            self.assertEqual(always | more, found)
        self.options('libvirt', virt_type='lxc')
        self.assertEqual(set(), traits.of(Told()))

    def test_containers_need_raw_disks(self):
        self.options('libvirt', virt_type='lxc', images_type='qcow2')
        with self.assertRaisesRegex(exception.ConfigInvalid, 'images_type.*raw'):
            inventory.require_virt_type(Host())
        self.options('libvirt', images_type='lvm', images_volume_group='vg')
        with self.assertRaisesRegex(exception.ConfigInvalid, 'images_type.*files'):
            inventory.require_virt_type(Host())

    def test_containers_need_a_short_path(self):
        self.options('libvirt', virt_type='lxc')
        self.options(state_path='/' + 40 * 'x')
        with self.assertRaisesRegex(exception.ConfigInvalid, 'state_path'):
            inventory.require_virt_type(Host())

    def test_uptime_is_a_line(self):
        self.assertIn('up', inventory.uptime())
