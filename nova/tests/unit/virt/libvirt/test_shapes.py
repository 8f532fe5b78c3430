# SPDX-License-Identifier: Apache-2.0
"""Each property of flavors and images, and what it becomes in libvirt's XML."""

import os
import unittest

from nova import conf, exception
from nova.api.openstack import errors, extra_specs
from nova.network import model
from nova.tests.unit.virt.libvirt import base
from nova.virt import hardware, shapes
from nova.virt.libvirt import blockinfo, container, diskinfo, domain

CONF = conf.CONF

Q35 = {'hw_machine_type': 'q35'}
SECURE = {'hw_firmware_type': 'uefi', **Q35}
DEDICATED = {'hw:cpu_policy': 'dedicated'}

#: (extra specs, image properties, where it stands in the XML, what stands there), for guests of 4 CPUs with a network
#: card.  The integration tests give the same guests to libvirt.
CASES = (
    # CPU
    ({}, {}, 'cpu/topology/@sockets', '4'),
    ({'hw:cpu_sockets': '2'}, {}, 'cpu/topology/@sockets', '2'),
    ({'hw:cpu_cores': '4'}, {}, 'cpu/topology/@cores', '4'),
    ({'hw:cpu_threads': '2'}, {}, 'cpu/topology/@threads', '2'),
    ({}, {'hw_cpu_sockets': '1'}, 'cpu/topology/@sockets', '1'),
    ({'hw:cpu_cores': '4'}, {'hw_cpu_cores': '2'}, 'cpu/topology/@cores', '2'),
    ({}, {'hw_cpu_threads': '4'}, 'cpu/topology/@threads', '4'),
    ({'hw:cpu_max_sockets': '2'}, {}, 'cpu/topology/@cores', '2'),
    ({'hw:cpu_max_sockets': '2'}, {'hw_cpu_max_sockets': '1'}, 'cpu/topology/@cores', '4'),
    ({'hw:cpu_max_cores': '1', 'hw:cpu_max_sockets': '2'}, {}, 'cpu/topology/@threads', '2'),
    ({}, {'hw_cpu_max_cores': '2', 'hw_cpu_max_sockets': '1'}, 'cpu/topology/@threads', '2'),
    ({'hw:cpu_max_threads': '1', 'hw:cpu_threads': '1'}, {}, 'cpu/topology/@threads', '1'),
    ({}, {'hw_cpu_max_threads': '1'}, 'cpu/topology/@threads', '1'),
    ({'hw:cpu_realtime': 'true', **DEDICATED}, {}, 'count(cputune/vcpusched)', '4'),
    ({'hw:cpu_realtime': 'true', 'hw:cpu_realtime_mask': '^0', **DEDICATED}, {}, 'cputune/vcpusched/@vcpus', '1'),
    ({'hw:cpu_realtime': 'true', **DEDICATED}, {'hw_cpu_realtime_mask': '2-3'}, 'cputune/vcpusched/@vcpus', '2'),
    ({'hw:cpu_realtime': 'true', **DEDICATED}, {}, 'features/pmu/@state', 'off'),
    ({'hw:cpu_realtime': 'true', **DEDICATED}, {}, 'count(memoryBacking/nosharepages)', '1'),
    ({'hw:pmu': 'true'}, {}, 'features/pmu/@state', 'on'),
    ({}, {'hw_pmu': 'false'}, 'features/pmu/@state', 'off'),
    ({'hw:hide_hypervisor_id': 'true'}, {}, 'features/kvm/hidden/@state', 'on'),
    ({}, {'img_hide_hypervisor_id': 'true'}, 'features/kvm/hidden/@state', 'on'),
    ({'hw:maxphysaddr_mode': 'emulate', 'hw:maxphysaddr_bits': '42'}, {}, 'cpu/maxphysaddr/@bits', '42'),
    ({}, {'hw_maxphysaddr_mode': 'emulate', 'hw_maxphysaddr_bits': '40'}, 'cpu/maxphysaddr/@mode', 'emulate'),
    # Memory
    ({'hw:locked_memory': 'true', 'hw:mem_page_size': 'small'}, {}, 'count(memoryBacking/locked)', '1'),
    ({'hw:mem_page_size': 'small'}, {'hw_locked_memory': 'true'}, 'count(memoryBacking/locked)', '1'),
    # Machine
    ({}, Q35, "contains(os/type/@machine, 'q35')", 'true'),
    ({}, {'hw_architecture': 'x86_64'}, 'os/type/@arch', 'x86_64'),
    ({}, SECURE, 'os/@firmware', 'efi'),
    ({}, SECURE, 'count(os/nvram[contains(., "/variables") and not(contains(., ".signed"))])', '1'),
    ({'os:secure_boot': 'required'}, SECURE, 'count(os/nvram[contains(., "/variables.signed")])', '1'),
    ({}, Q35, 'count(os/nvram)', '0'),
    ({'os:secure_boot': 'required'}, SECURE, 'os/loader/@secure', 'yes'),
    ({'os:secure_boot': 'required'}, SECURE, 'features/smm/@state', 'on'),
    ({}, {'os_secure_boot': 'optional', **SECURE}, "os/firmware/feature[@name='secure-boot']/@enabled", 'yes'),
    ({}, {'os_secure_boot': 'optional', 'hw_firmware_type': 'uefi'}, 'count(os/loader[@secure="yes"])', '0'),
    ({'hw:boot_menu': 'true'}, {}, 'os/bootmenu/@enable', 'yes'),
    ({'hw:boot_menu': 'true'}, {'hw_boot_menu': 'false'}, 'count(os/bootmenu[@enable="yes"])', '0'),
    ({}, {'os_type': 'windows'}, 'clock/@offset', 'localtime'),
    ({}, {'hw_time_hpet': 'true'}, "clock/timer[@name='hpet']/@present", 'yes'),
    ({}, {}, "clock/timer[@name='hpet']/@present", 'no'),
    ({'hw:viommu_model': 'intel'}, Q35, 'devices/iommu/@model', 'intel'),
    ({}, {'hw_viommu_model': 'auto', **Q35}, 'devices/iommu/@model', 'intel'),
    ({'hw:virtio_packed_ring': 'true'}, {}, 'devices/disk/driver/@packed', 'on'),
    ({}, {'hw_virtio_packed_ring': 'true'}, 'devices/interface/driver/@packed', 'on'),
    ({'hw:tpm_version': '2.0', 'hw:tpm_model': 'tpm-crb'}, {}, 'devices/tpm/@model', 'tpm-crb'),
    ({}, {'hw_tpm_version': '2.0', 'hw_tpm_model': 'tpm-tis'}, 'devices/tpm/backend/@version', '2.0'),
    # Devices
    ({'hw:watchdog_action': 'reset'}, {}, 'devices/watchdog/@action', 'reset'),
    ({'hw:watchdog_action': 'reset'}, {'hw_watchdog_action': 'pause'}, 'devices/watchdog/@action', 'pause'),
    ({'hw:watchdog_action': 'disabled'}, {}, "count(devices/watchdog[@model='i6300esb'])", '0'),
    ({}, {'hw_rng_model': 'virtio'}, 'devices/rng/@model', 'virtio'),
    ({'hw_rng:allowed': 'false'}, {}, 'count(devices/rng)', '0'),
    ({'hw_rng:rate_bytes': '100', 'hw_rng:rate_period': '50'}, {}, 'devices/rng/rate/@period', '50'),
    ({'hw_rng:rate_bytes': '100'}, {}, 'devices/rng/rate/@bytes', '100'),
    ({}, {'hw_video_model': 'vga'}, 'devices/video/model/@type', 'vga'),
    ({'hw_video:ram_max_mb': '32'}, {'hw_video_model': 'vga', 'hw_video_ram': '16'}, 'devices/video/model/@vram',
     '16384'),
    ({}, {'hw_disk_bus': 'scsi'}, "devices/disk[@device='disk']/target/@bus", 'scsi'),
    ({}, {'hw_disk_bus': 'sata'}, "devices/disk[@device='disk']/target/@dev", 'sda'),
    ({}, {'hw_disk_bus': 'scsi', 'hw_scsi_model': 'lsilogic'}, "devices/controller[@type='scsi']/@model", 'lsilogic'),
    ({}, {'hw_cdrom_bus': 'sata'}, "devices/disk[@device='cdrom']/target/@bus", 'sata'),
    ({}, {'hw_vif_model': 'e1000'}, 'devices/interface/model/@type', 'e1000'),
    ({}, {'hw_vif_model': 'VirtualVmxnet3'}, 'devices/interface/model/@type', 'vmxnet3'),
    ({}, {'hw_qemu_guest_agent': 'yes'}, "devices/channel/target[@name='org.qemu.guest_agent.0']/@type", 'virtio'),
    ({'hw:serial_port_count': '3'}, {}, 'count(devices/serial)', '3'),
    ({'hw:serial_port_count': '3'}, {'hw_serial_port_count': '2'}, 'count(devices/serial)', '2'),
    ({}, {'hw_pointer_model': 'usbtablet'}, "devices/input[@type='tablet']/@bus", 'usb'),
    ({}, {'hw_pointer_model': 'ps2mouse'}, "count(devices/input[@type='tablet'])", '0'),
    ({}, {'hw_input_bus': 'virtio'}, "devices/input[@type='tablet']/@bus", 'virtio'),
    ({}, {'hw_input_bus': 'virtio'}, "count(devices/input[@type='keyboard'][@bus='virtio'])", '1'),
    ({'hw:sound_model': 'ich6'}, {}, 'devices/sound/@model', 'ich6'),
    ({}, {'hw_sound_model': 'ac97'}, 'devices/sound/@model', 'ac97'),
    ({}, {}, 'count(devices/sound)', '0'),
    ({'hw:usb_model': 'qemu-xhci'}, {}, "devices/controller[@type='usb']/@model", 'qemu-xhci'),
    ({}, {'hw_usb_model': 'piix3-uhci'}, "devices/controller[@type='usb']/@model", 'piix3-uhci'),
    # Limits
    ({'quota:cpu_shares': '512'}, {}, 'cputune/shares', '512'),
    ({'quota:cpu_period': '20000'}, {}, 'cputune/period', '20000'),
    ({'quota:cpu_quota': '10000'}, {}, 'cputune/quota', '10000'),
    *(({f'quota:disk_{way}_{unit}_sec': '4000', f'quota:disk_{way}_{unit}_sec_max': '8000',
        f'quota:disk_{way}_{unit}_sec_max_length': '5'}, {}, f'devices/disk/iotune/{way}_{unit}_sec{burst}', value)
      for way in ('read', 'write', 'total') for unit in ('bytes', 'iops')
      for burst, value in (('', '4000'), ('_max', '8000'), ('_max_length', '5'))),
    *(({f'quota:vif_{way}_average': '100', f'quota:vif_{way}_peak': '200', f'quota:vif_{way}_burst': '300'}, {},
       f'devices/interface/bandwidth/{way}/@{name}', value)
      for way in ('inbound', 'outbound') for name, value in (('average', '100'), ('peak', '200'), ('burst', '300'))),
)

#: Properties that the table above cannot show, and which test does.
SHOWN_OTHERWISE = {
    'os_command_line': 'test_domain: it is for images with a kernel',
    'hw:vif_multiqueue_enabled': 'test_several_queues', 'hw_vif_multiqueue_enabled': 'test_several_queues',
    'hw:emulator_threads_policy': 'test_the_emulator_shares',
    'hw_floppy_bus': 'test_blockinfo: no server has a floppy unless its block devices say so',
}

REFUSALS = (
    ({'hw:watchdog_action': 'bark'}, {},
     "hw:watchdog_action: 'bark' is not one of none, reset, poweroff, pause, disabled."),
    ({'hw:pmu': 'perhaps'}, {}, "hw:pmu: 'perhaps' is not one of true, false."),
    ({'hw:pmu': 'yes'}, {'hw_pmu': 'no'}, "hw_pmu of the image is 'no', and hw:pmu of the flavor is 'yes'."),
    ({}, {'hw_rng_model': 'dice'}, "hw_rng_model: 'dice' is not one of virtio."),
    ({}, {'hw_time_hpet': 'late'}, "hw_time_hpet: 'late' is not one of true, false."),
    ({}, {'hw_pointer_model': 'stick'}, "hw_pointer_model: 'stick' is not one of usbtablet, ps2mouse."),
    ({'hw:cpu_max_cores': '2'}, {'hw_cpu_max_cores': '4'},
     'hw_cpu_max_cores: 4 is more than the 2 of hw:cpu_max_cores of the flavor.'),
    ({'hw:cpu_max_threads': '1'}, {'hw_cpu_threads': '2'}, 'hw_cpu_threads: 2 is more than the 1 allowed.'),
    ({'hw:cpu_max_sockets': '1', 'hw:cpu_max_cores': '1', 'hw:cpu_max_threads': '1'}, {},
     ('hw_cpu_max_sockets, hw_cpu_max_cores, hw_cpu_max_threads: 4 CPUs cannot be had with at most 1 sockets, '
      '1 cores, 1 threads.')),
    ({'hw:tpm_model': 'tpm-crb'}, {}, 'hw:tpm_model: needs hw:tpm_version.'),
    ({'hw:tpm_model': 'tpm-crb', 'hw:tpm_version': '1.2'}, {},
     'hw:tpm_model: tpm-crb is for hw:tpm_version 2.0.'),
    ({'os:secure_boot': 'required'}, Q35, 'os:secure_boot: needs hw_firmware_type uefi.'),
    ({'os:secure_boot': 'required'}, {'hw_firmware_type': 'uefi'},
     'os:secure_boot: needs hw_machine_type q35, not pc.'),
    ({'hw:locked_memory': 'true'}, {}, 'hw:locked_memory: needs hw:mem_page_size.'),
    ({'hw:maxphysaddr_mode': 'emulate'}, {},
     'hw:maxphysaddr_bits: goes with hw:maxphysaddr_mode emulate, and only with it.'),
    ({'hw:cpu_realtime': 'true'}, {}, 'hw:cpu_realtime: needs hw:cpu_policy dedicated.'),
    ({'hw:cpu_realtime': 'true', 'hw:cpu_realtime_mask': '^0-3', **DEDICATED}, {},
     "hw:cpu_realtime_mask: '^0-3' leaves no CPU for real time."),
    ({'hw:viommu_model': 'intel'}, {}, 'hw:viommu_model: intel needs hw_machine_type q35.'),
    ({'quota:disk_total_iops_sec': '5', 'quota:disk_read_iops_sec': '5'}, {},
     'quota:disk_total_iops_sec: cannot stand beside quota:disk_read_iops_sec.'),
    ({'quota:cpu_period': '999'}, {}, "quota:cpu_period: '999' is not one of the numbers from 1000 to 1000000."),
    ({'quota:cpu_quota': '5'}, {},
     "quota:cpu_quota: '5' is not one of the numbers from 1000, 0 and the negative ones for no limit."),
    ({'hw:mem_encryption': 'true'}, {}, 'hw:mem_encryption: memory cannot be encrypted on hosts of this service.'),
    ({}, {'hw_ephemeral_encryption': 'true'},
     'hw_ephemeral_encryption: disks cannot be encrypted on hosts of this service.'),
    ({'hw:emulator_threads_policy': 'isolate'}, {},
     ('hw:emulator_threads_policy: no CPU can be kept for the emulator alone; share keeps it off dedicated '
      'CPUs.')),
    ({'quota:vif_inbound_average': 'fast'}, {}, "quota:vif_inbound_average: 'fast' is not one of the whole numbers."),
)


def make(host, server, network_info=()):
    """The `config.Guest` of a server with a config drive."""
    machine_type = domain.machine_type(host, server.image_meta)
    places = blockinfo.layout(server, server.image_meta, None, machine_type, 'iso9660')
    disks = {place.file: diskinfo.DiskInfo('raw', 1) for place in places}
    return domain.guest(host, domain.Plan(server, server.image_meta, model.NetworkInfo(network_info), places, disks,
                                          machine_type))


def said(root, path):
    """What stands there, as text."""
    found = root.xpath(path)
    if isinstance(found, list):
        first = next(iter(found), '')
        return str(first if isinstance(first, str) else first.text)
    return f'{found:g}' if isinstance(found, float) else str(found).lower()


class TestShapes(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        self.options('libvirt', virt_type='qemu', swtpm_enabled=True)

    def guest(self, specs, properties, **values):
        return make(base.FakeHost(), base.make_server(specs, properties, vcpus=4, **values), [base.make_vif()])

    def test_each_property_stands_in_the_xml(self):
        for specs, properties, path, expected in CASES:
            with self.subTest(specs=specs, properties=properties, path=path):
                self.assertEqual(expected, said(self.guest(specs, properties).to_element(), path))

    def test_each_property_of_the_table_is_shown(self):
        shown = {key for specs, properties, _path, _expected in CASES for key in (*specs, *properties)}
        known = {key for shape in shapes.TABLE.values() for key in (shape.flavor, shape.image) if key}
        self.assertEqual(set(), known - shown - set(SHOWN_OTHERWISE))
        self.assertEqual(set(), shown - known - set(shapes.ELSEWHERE))

    def test_refusals_name_the_property_and_say_what_is_allowed(self):
        for specs, properties, words in REFUSALS:
            with self.subTest(words), self.assertRaises(exception.Invalid) as raised:
                self.guest(specs, properties)
            self.assertEqual(words, str(raised.exception))

    def test_the_api_knows_each_extra_spec(self):
        for specs, _properties, _path, _expected in CASES:
            extra_specs.check(specs)
        for flavor, _image in shapes.REFUSED:
            if flavor:
                with self.subTest(flavor), self.assertRaisesRegex(errors.Refused, r"'no such value!' is not"):
                    extra_specs.check({flavor: 'no such value!'})

    def test_what_is_refused_may_be_declined(self):
        root = self.guest({'hw:mem_encryption': 'false'}, {'hw_ephemeral_encryption': 'no'}).to_element()
        self.assertEqual('0', said(root, 'count(launchSecurity)'))

    def test_several_queues(self):
        self.options('libvirt', virt_type='kvm')
        for specs, properties in (({'hw:vif_multiqueue_enabled': 'true'}, {}),
                                  ({}, {'hw_vif_multiqueue_enabled': 'true'})):
            root = self.guest(specs, properties).to_element()
            self.assertEqual('4', said(root, 'devices/interface/driver/@queues'))
        self.assertEqual('', said(self.guest({}, {}).to_element(), 'devices/interface/driver/@queues'))

    def test_the_emulator_shares(self):
        placed = {'numa': [{'id': 0, 'cpus': [0, 1, 2, 3], 'memory_mb': 64, 'host_cell': 0, 'page_size_kb': None,
                            'siblings': [], 'pinning': {str(cpu): 4 + cpu for cpu in range(4)}}]}
        self.options('compute', cpu_shared_set='0-1')
        for specs, expected in (({}, '4-7'), ({'hw:emulator_threads_policy': 'share'}, '0-1')):
            root = self.guest({**DEDICATED, **specs}, {}, placement=placed).to_element()
            self.assertEqual(('4', expected), (said(root, 'cputune/vcpupin/@cpuset'),
                                               said(root, 'cputune/emulatorpin/@cpuset')))

    def test_the_first_cpu_model_with_the_required_features(self):
        models = {'Nehalem': {'sse4.2'}, 'Haswell': {'sse4.2', 'avx2'}}

        class Host(base.FakeHost):
            def cpu_model_features(self, model, arch, machine_type, virt_type):
                return frozenset(models[model])
        self.options('libvirt', cpu_mode='custom', cpu_models=list(models), cpu_model_extra_flags=['aes', '-avx'])
        for specs, properties, expected in (
                ({}, {}, 'Nehalem'), ({'trait:HW_CPU_X86_SSE42': 'required'}, {}, 'Nehalem'),
                ({'trait:HW_CPU_X86_AVX2': 'required'}, {}, 'Haswell'),
                ({}, {'trait:HW_CPU_X86_AVX2': 'required'}, 'Haswell'),
                ({'trait:HW_CPU_X86_AVX2': 'forbidden', 'trait:CUSTOM_X': 'required'}, {}, 'Nehalem'),
                ({'trait:HW_CPU_X86_AESNI': 'required'}, {}, 'Nehalem')):
            root = make(Host(), base.make_server(specs, properties)).to_element()
            self.assertEqual(expected, said(root, 'cpu/model'))
        with self.assertRaisesRegex(domain.HostLacks, 'HW_CPU_X86_AVX.*cpu_models'):
            make(Host(), base.make_server({'trait:HW_CPU_X86_AVX': 'required'}))

    def test_interrupts_are_remapped_with_kvm(self):
        for virt_type, expected in (('kvm', ('qemu', 'on')), ('qemu', ('', ''))):
            self.options('libvirt', virt_type=virt_type)
            root = self.guest({'hw:viommu_model': 'intel'}, Q35).to_element()
            self.assertEqual(expected, (said(root, 'features/ioapic/@driver'),
                                        said(root, 'devices/iommu/driver/@intremap')))

    def test_a_host_without_the_software_sends_the_server_to_another(self):
        self.options('libvirt', swtpm_enabled=False)
        with self.assertRaises(domain.HostLacks) as raised:
            self.guest({'hw:tpm_version': '2.0'}, {})
        self.assertNotIsInstance(raised.exception, exception.Invalid)
        self.assertIn('[libvirt]swtpm_enabled', str(raised.exception))

    def test_the_machine_must_be_one_that_the_host_knows(self):
        class Host(base.FakeHost):
            capabilities = base.config.parse(
                "<capabilities><guest><arch name='x86_64'><machine>pc</machine><domain type='qemu'/></arch></guest>"
                '</capabilities>')
        self.assertEqual('pc', domain.machine_type(Host(), base.make_server(
            properties={'hw_machine_type': 'pc'}).image_meta))
        with self.assertRaises(domain.HostLacks) as raised:
            domain.machine_type(Host(), base.make_server(properties={'hw_machine_type': 'pc-1999'}).image_meta)
        self.assertIn("hw_machine_type: 'pc-1999'", str(raised.exception))


class TestTopology(unittest.TestCase):
    def test_limits_before_preferences_before_many_sockets(self):
        cases = (
            (1, {}, {}, (1, 1, 1)),
            (6, {}, {}, (6, 1, 1)),
            (6, {'hw:cpu_max_sockets': '2'}, {}, (2, 3, 1)),
            (6, {'hw:cpu_max_sockets': '4'}, {}, (3, 2, 1)),
            (6, {'hw:cpu_cores': '3', 'hw:cpu_threads': '2'}, {}, (1, 3, 2)),
            (6, {'hw:cpu_cores': '4'}, {}, (6, 1, 1)),
            (8, {'hw:cpu_max_sockets': '2', 'hw:cpu_max_cores': '2'}, {}, (2, 2, 2)),
            (7, {}, {'hw_cpu_max_sockets': '2'}, (1, 7, 1)),
        )
        for vcpus, specs, properties, expected in cases:
            with self.subTest((vcpus, specs, properties)):
                self.assertEqual(expected, hardware.cpu_topology(vcpus, specs, properties))


class TestContainer(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        self.options('libvirt', virt_type='lxc')

    def test_a_container_has_a_file_system_a_console_and_its_networks(self):
        server = base.make_server({'quota:cpu_shares': '100', 'quota:vif_inbound_average': '5'},
                                  {'hw_disk_bus': 'lxc', 'os_command_line': '-c "echo a b"'})
        root = make(base.FakeHost(), server, [base.make_vif()]).to_element()
        for path, expected in (
                ('@type', 'lxc'), ('os/type', 'exe'), ('os/init', '/sbin/init'), ('os/initarg[1]', '-c'),
                ('os/initarg[2]', 'echo a b'), ('memory', '64'), ('cputune/shares', '100'), ('count(cpu)', '0'),
                ('devices/filesystem/@type', 'file'), ('devices/filesystem/driver/@type', 'loop'),
                ('devices/filesystem/target/@dir', '/'), ('count(devices/console)', '1'),
                ('devices/interface/source/@bridge', 'br100'), ('count(devices/interface/model)', '0'),
                ('devices/interface/bandwidth/inbound/@average', '5'), ('count(devices/*)', '3'),
                ('count(os/smbios)', '0')):
            with self.subTest(path):
                self.assertEqual(expected, said(root, path))
        self.assertTrue(said(root, 'devices/filesystem/source/@file').endswith(f'/lxc/{server.name}/disk'))

    def test_the_path_of_its_disk_is_short(self):
        server = base.make_server()
        directory = os.path.join(CONF.instances_path, server.uuid)
        os.makedirs(directory)
        for _ in range(2):
            container.link(server, directory)
        self.assertEqual(f'{directory}/disk', os.path.realpath(container.path(server, 'disk')))
        container.unlink(server)
        container.unlink(server)
        self.assertEqual([], os.listdir(os.path.join(CONF.state_path, 'lxc')))
        self.options(state_path='/' + 40 * 'x')
        with self.assertRaisesRegex(exception.ConfigInvalid, 'state_path.*63 bytes'):
            container.path(server, 'disk')

    def test_volumes_are_refused(self):
        server = base.make_server()
        plan = domain.Plan(server, server.image_meta, None, [], {}, None, volumes=[{}])
        with self.assertRaisesRegex(exception.Invalid, 'no volumes'):
            domain.guest(base.FakeHost(), plan)
