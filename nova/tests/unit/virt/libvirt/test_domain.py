# SPDX-License-Identifier: Apache-2.0
from unittest import mock

from nova import exception
from nova.network import model
from nova.tests.unit.virt.libvirt import base
from nova.virt.libvirt import blockinfo, config, diskinfo, domain


class TestGuest(base.LibvirtCase):
    def make(self, server, network_info=(), config_drive=None, serial_ports=()):
        host = base.FakeHost()
        machine_type = domain.machine_type(host, server.image_meta)
        places = blockinfo.layout(server, server.image_meta, None, machine_type, config_drive)
        disks = {place.file: diskinfo.DiskInfo('qcow2', 1, 'abc', 'raw') for place in places}
        disks['disk.config'] = diskinfo.DiskInfo('raw', 1)
        return domain.guest(host, domain.Plan(server, server.image_meta, model.NetworkInfo(network_info), places, disks,
                                              machine_type, list(serial_ports),
                                              kernel='kernel' if server.kernel_id else None,
                                              ramdisk='ramdisk' if server.ramdisk_id else None))

    def devices(self, guest, kind):
        return [device for device in guest.devices if isinstance(device, kind)]

    def only(self, guest, kind):
        found = self.devices(guest, kind)
        self.assertEqual(1, len(found))
        return found[0]

    def test_sizes_and_names_are_the_servers(self):
        server = base.make_server(memory_mb=512, vcpus=3)
        guest = self.make(server)
        self.assertEqual((server.name, server.uuid, 512, 3), (guest.name, guest.uuid, guest.memory_mb, guest.vcpus))

    def test_cpu_by_option(self):
        cases = [
            ({'virt_type': 'kvm'}, config.Cpu('host-model')),
            ({'virt_type': 'qemu'}, config.Cpu('maximum')),
            ({'virt_type': 'qemu', 'cpu_mode': 'none'}, config.Cpu()),
            ({'virt_type': 'qemu', 'cpu_mode': 'host-passthrough'}, config.Cpu('maximum')),
            ({'virt_type': 'kvm', 'cpu_mode': 'host-passthrough', 'cpu_model_extra_flags': ['PCID', '-vmx']},
             config.Cpu('host-passthrough', features={'pcid': 'require', 'vmx': 'disable'})),
            ({'cpu_mode': 'custom', 'cpu_models': ['Nehalem', 'Penryn']}, config.Cpu('custom', 'Nehalem')),
        ]
        for options, expected in cases:
            with self.subTest(options):
                self.options('libvirt', **{'cpu_mode': None, 'cpu_model_extra_flags': [], **options})
                expected.topology = (1, 1, 1)
                self.assertEqual(expected, self.make(base.make_server()).cpu)

    def test_shares_need_memory_that_others_see(self):
        share = config.Share('/mnt/0123', 'data')
        server = base.make_server()
        places = blockinfo.layout(server, server.image_meta, None, None, None)
        plan = domain.Plan(server, server.image_meta, None, places,
                           {place.file: diskinfo.DiskInfo('raw', 1) for place in places}, None, shares=[share])
        root = config.parse(domain.guest(base.FakeHost(), plan).to_xml())
        found = root.find('devices/filesystem')
        self.assertEqual(('mount', 'passthrough', 'virtiofs', '/mnt/0123', 'data'), (
            found.get('type'), found.get('accessmode'), found.find('driver').get('type'),
            found.find('source').get('dir'), found.find('target').get('dir')))
        self.assertEqual(('memfd', 'shared'), (root.find('memoryBacking/source').get('type'),
                                               root.find('memoryBacking/access').get('mode')))

    def test_cells_pins_pages_and_devices_are_where_the_claim_put_them(self):
        server = base.make_server(vcpus=4, memory_mb=512)
        cells = [{'id': number, 'cpus': [2 * number, 2 * number + 1], 'memory_mb': 256, 'host_cell': 1 - number,
                  'page_size_kb': 2048, 'siblings': [],
                  'pinning': {str(2 * number): 6 - number, str(2 * number + 1): 3}}
                 for number in (0, 1)]
        server.placement = {'numa': cells, 'pci': [{'address': '0000:03:00.1'}]}
        guest = self.make(server)
        self.assertEqual(((0, '0-1', 262144), (1, '2-3', 262144)), guest.cpu.cells)
        self.assertEqual(({0: '6', 1: '3', 2: '5', 3: '3'}, '3,5-6'), (guest.cputune.pins, guest.cputune.emulator))
        self.assertEqual(((0, 1), (1, 0)), guest.numatune.nodes)
        self.assertEqual(((2048, 0), (2048, 1)), guest.memory_backing.pages)
        root = guest.to_element()
        self.assertEqual([('0', 'strict', '1'), ('1', 'strict', '0')], [
            (node.get('cellid'), node.get('mode'), node.get('nodeset')) for node in root.iterfind('numatune/memnode')])
        self.assertEqual(['2048', '2048'], [page.get('size') for page in root.iterfind('memoryBacking/hugepages/page')])
        self.assertEqual(('0x0000', '0x03', '0x00', '0x1'), tuple(
            root.find('devices/hostdev/source/address').get(name) for name in ('domain', 'bus', 'slot', 'function')))

    def test_cpus_that_are_dedicated_are_not_for_guests_without_pins(self):
        """[compute]cpu_shared_set, cpu_dedicated_set -> where a guest without a placement may run."""
        cpus = ''.join(f"<cpu id='{number}'/>" for number in range(4))
        capabilities = config.parse(f"<capabilities><host><cpu><arch>x86_64</arch></cpu><topology><cells><cell id='0'>"
                                    f"<cpus>{cpus}</cpus></cell></cells></topology></host></capabilities>")
        server, placed = base.make_server(), base.make_server()
        placed.placement = {'numa': [{'id': 0, 'cpus': [0], 'memory_mb': 64, 'host_cell': 0, 'page_size_kb': None,
                                      'siblings': [], 'pinning': {'0': 3}}], 'pci': []}
        for shared, dedicated, expected in ((None, None, None), ('1-2,9', None, '1-2'), ('1', '2-3', '1'),
                                            (None, '0,2', '1,3'), (None, '^0', None)):
            with self.subTest((shared, dedicated)), mock.patch.object(base.FakeHost, 'capabilities', capabilities):
                self.options('compute', cpu_shared_set=shared, cpu_dedicated_set=dedicated)
                self.assertEqual(expected, self.make(server).to_element().find('vcpu').get('cpuset'))
                self.assertIsNone(self.make(placed).to_element().find('vcpu').get('cpuset'))
        self.options('compute', cpu_shared_set=None, cpu_dedicated_set='0-3')
        with mock.patch.object(base.FakeHost, 'capabilities', capabilities):
            self.make(placed)
            with self.assertRaisesRegex(domain.HostLacks, 'cpu_dedicated_set'):
                self.make(server)

    def test_controllers_of_volumes_are_of_the_model_that_the_image_wants(self):
        """Those that are left out libvirt adds, of a model that the guest may have no driver for."""
        rbd = {'driver_volume_type': 'rbd', 'serial': 's', 'data': {'name': 'v', 'hosts': [], 'ports': []}}

        def controllers(properties, volumes):
            server = base.make_server(properties=properties, image_ref='')
            bdi = {'block_device_mapping': [{'mount_device': name, 'disk_bus': bus, 'connection_info': rbd,
                                             'boot_index': -1 if number else 0}
                                            for number, (name, bus) in enumerate(volumes)]}
            places = blockinfo.layout(server, server.image_meta, bdi, 'pc')
            plan = domain.Plan(server, server.image_meta, model.NetworkInfo(), places, {}, 'pc',
                               volumes=bdi['block_device_mapping'])
            return [(one.index, one.model) for one in self.devices(domain.guest(base.FakeHost(), plan),
                                                                   config.Controller) if one.kind == 'scsi']
        scsi = {'hw_disk_bus': 'scsi', 'hw_scsi_model': 'vmpvscsi'}
        self.assertEqual([(0, 'vmpvscsi')], controllers(scsi, [('/dev/vda', None)]))
        self.assertEqual([(0, 'virtio-scsi')], controllers({}, [('/dev/vda', None), ('/dev/sdb', 'scsi')]))
        self.assertEqual([(0, 'vmpvscsi'), (1, 'vmpvscsi')], controllers(scsi, [('/dev/vda', None), ('vdh', None)]))
        self.assertEqual([], controllers({}, [('/dev/vda', None), ('/dev/sdb', 'sata')]))

    def test_without_a_placement_nothing_is_said_of_cells(self):
        root = self.make(base.make_server()).to_element()
        for path in ('numatune', 'memoryBacking', 'cpu/numa', 'cputune', 'devices/hostdev'):
            self.assertIsNone(root.find(path), path)

    def test_memory_may_be_locked(self):
        root = self.make(base.make_server({'hw:locked_memory': 'true', 'hw:mem_page_size': 'small'})).to_element()
        self.assertIsNotNone(root.find('memoryBacking/locked'))

    def test_custom_cpu_without_a_model_names_the_option(self):
        self.options('libvirt', cpu_mode='custom')
        with self.assertRaises(exception.ConfigInvalid) as raised:
            self.make(base.make_server())
        self.assertIn('[libvirt]cpu_models', str(raised.exception))

    def test_topology(self):
        cases = [
            (4, {}, {}, (4, 1, 1)),
            (4, {'hw_cpu_sockets': '2'}, {}, (2, 2, 1)),
            (4, {}, {'hw:cpu_cores': '4'}, (1, 4, 1)),
            (8, {'hw_cpu_threads': '2', 'hw_cpu_cores': '2'}, {}, (2, 2, 2)),
            (3, {'hw_cpu_sockets': '2'}, {}, (3, 1, 1)),
        ]
        for vcpus, properties, specs, expected in cases:
            with self.subTest((vcpus, properties, specs)):
                guest = self.make(base.make_server(specs, properties, vcpus=vcpus))
                self.assertEqual(expected, guest.cpu.topology)

    def test_machine_type(self):
        server = base.make_server()
        self.assertEqual('pc', self.make(server).boot.machine_type)
        self.options('libvirt', hw_machine_type=['x86_64=q35'])
        self.assertEqual('q35', self.make(server).boot.machine_type)
        server = base.make_server(properties={'hw_machine_type': 'pc-i440fx-7.2'})
        self.assertEqual('pc-i440fx-7.2', self.make(server).boot.machine_type)

    def test_the_administrator_is_who_the_image_says(self):
        for properties, name in (({}, 'root'), ({'os_type': 'windows'}, 'Administrator'),
                                 ({'os_type': 'windows', 'os_admin_user': 'boss'}, 'boss')):
            self.assertEqual(name, domain.administrator(base.make_server(properties=properties).image_meta))

    def test_kernel_and_ramdisk(self):
        server = base.make_server(kernel_id='k', ramdisk_id='r')
        boot = self.make(server).boot
        self.assertEqual([True, True, 'root=/dev/vda console=tty0 console=ttyS0 no_timer_check'],
                         [boot.kernel.endswith('/kernel'), boot.initrd.endswith('/ramdisk'), boot.cmdline])
        server = base.make_server(kernel_id='k', properties={'os_command_line': 'quiet'})
        boot = self.make(server).boot
        self.assertEqual((None, 'quiet'), (boot.initrd, boot.cmdline))

    def test_disks_say_their_format_and_all_that_is_below(self):
        guest = self.make(base.make_server(), config_drive='iso9660')
        root, drive = self.devices(guest, config.Disk)
        self.assertEqual(('qcow2', 'raw', 1), (root.driver_format, root.backing_format, root.boot_order))
        self.assertTrue(root.backing_file.endswith('/_base/abc'))
        self.assertEqual(('raw', None, True, 'cdrom'),
                         (drive.driver_format, drive.backing_file, drive.readonly, drive.device))

    def test_cache_mode_is_what_is_configured(self):
        self.options('libvirt', disk_cachemodes=['file=unsafe', 'block=none'])
        self.assertEqual('unsafe', self.only(self.make(base.make_server()), config.Disk).cache)

    def test_disks_in_a_volume_group_are_devices(self):
        server = base.make_server(swap=16)
        places = blockinfo.layout(server, server.image_meta, None, 'pc')
        disks = {place.file: diskinfo.DiskInfo('raw', 1, group='vg') for place in places}
        disks['disk.swap'] = diskinfo.DiskInfo('raw', 1)
        plan = domain.Plan(server, server.image_meta, model.NetworkInfo(), places, disks, 'pc')
        for modes, expected in (([], ('none', 'native')), (['block=writeback'], ('writeback', None)),
                                (['block=directsync', 'file=unsafe'], ('directsync', 'native'))):
            self.options('libvirt', disk_cachemodes=modes)
            root, swap = self.devices(domain.guest(base.FakeHost(), plan), config.Disk)
            self.assertEqual((f'/dev/vg/{server.uuid}_disk', True, *expected),
                             (root.source, root.is_block, root.cache, root.io))
            self.assertEqual((False, None), (swap.is_block, swap.io))
        self.assertEqual('unsafe', swap.cache)

    def test_limits_of_the_flavor(self):
        server = base.make_server({'quota:cpu_shares': '100', 'quota:disk_read_iops_sec': '50',
                                   'quota:vif_outbound_average': '1000', 'quota:vif_outbound_peak': '2000',
                                   'quota:vif_inbound_peak': '1'})
        guest = self.make(server, [base.make_vif()])
        self.assertEqual(config.CpuTune(shares=100), guest.cputune)
        self.assertEqual({'read_iops_sec': 50}, self.only(guest, config.Disk).limits)
        nic = self.only(guest, config.Interface)
        self.assertEqual(({'average': 1000, 'peak': 2000}, {}), (nic.outbound, nic.inbound))

    def test_interfaces(self):
        self.options('libvirt', virt_type='qemu')
        server = base.make_server()
        self.assertEqual(
            config.Interface(mac='fa:16:3e:00:00:01', source='br100', target='tapaaaaaaaa-bb', mtu=1400, driver='qemu'),
            self.only(self.make(server, [base.make_vif(mtu=1400)]), config.Interface))
        server = base.make_server(properties={'hw_vif_model': 'e1000'})
        self.assertEqual(
            config.Interface(mac='fa:16:3e:00:00:01', source='br100', target='tapaaaaaaaa-bb', model='e1000'),
            self.only(self.make(server, [base.make_vif(mtu=1400)]), config.Interface))

    def test_serial_ports(self):
        server = base.make_server({'hw:serial_port_count': '2'})
        log = self.make(server).devices
        first, second = [device for device in log if isinstance(device, config.Serial)]
        self.assertTrue(first.log_path.endswith('/console.log'))
        self.assertEqual((None, None, None), (first.port, second.log_path, second.port))
        ports = [device.port for device in self.devices(self.make(server, serial_ports=[10000, 10001]), config.Serial)]
        self.assertEqual([10000, 10001], ports)

    def test_screen_and_pointer(self):
        guest = self.make(base.make_server())
        self.assertEqual(config.Video('virtio'), self.only(guest, config.Video))
        self.assertEqual(config.Graphics('127.0.0.1'), self.only(guest, config.Graphics))
        self.assertEqual(config.Input('tablet', 'usb'), self.only(guest, config.Input))
        guest = self.make(base.make_server(properties={'hw_pointer_model': 'ps2mouse'}))
        self.assertEqual([], self.devices(guest, config.Input))
        self.options('vnc', enabled=False)
        guest = self.make(base.make_server())
        self.assertEqual([], self.devices(guest, config.Graphics) + self.devices(guest, config.Video))

    def test_random_numbers(self):
        self.assertEqual(config.Rng('/dev/urandom'), self.only(self.make(base.make_server()), config.Rng))
        limited = base.make_server({'hw_rng:rate_bytes': '100'})
        self.assertEqual(config.Rng('/dev/urandom', 100, 1000), self.only(self.make(limited), config.Rng))
        self.assertEqual([], self.devices(self.make(base.make_server({'hw_rng:allowed': 'False'})), config.Rng))

    def test_windows_has_a_local_clock(self):
        self.options('libvirt', virt_type='kvm')
        guest = self.make(base.make_server(properties={'os_type': 'windows'}))
        self.assertEqual('localtime', guest.clock.offset)
        self.assertIn('relaxed', dict(guest.hyperv))

    def test_serial_number_of_the_machine(self):
        server = base.make_server()
        for source, expected in (('unique', server.uuid), ('none', None),
                                 ('hardware', '0f0e0d0c-0b0a-4908-8706-050403020100')):
            with self.subTest(source):
                self.options('libvirt', sysinfo_serial=source)
                self.assertEqual(expected, self.make(server).sysinfo.serial)

    def test_metadata_tells_an_operator_whose_it_is(self):
        server = base.make_server()
        found = self.make(server, [base.make_vif()]).metadata
        self.assertEqual(('server', 'tiny', 'u', 'p', server.image_ref),
                         (found.name, found.flavor_name, found.user_id, found.project_id, found.image_id))
        self.assertEqual((('aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee', (('192.0.2.9', 4),)),), found.ports)

    def test_refusals_name_the_property_and_what_is_allowed(self):
        cases = [
            ({'hw_firmware_type': 'openboot'}, {}, "hw_firmware_type: 'openboot' is not one of bios, uefi."),
            ({'hw_watchdog_action': 'bark'}, {},
             "hw_watchdog_action: 'bark' is not one of none, reset, poweroff, pause, disabled."),
            ({'hw_video_model': 'tv'}, {},
             "hw_video_model: 'tv' is not one of virtio, vga, cirrus, qxl, vmvga, bochs, ramfb, xen, gop, none."),
            ({'hw_video_ram': '16'}, {},
             'hw_video_ram: 16 MiB is more than the 0 MiB that hw_video:ram_max_mb of the flavor allows.'),
            ({'hw_cpu_cores': 'many'}, {}, "hw_cpu_cores: 'many' is not one of the numbers from 1."),
            ({}, {'quota:cpu_shares': 'all'}, "quota:cpu_shares: 'all' is not one of the numbers from 1."),
            ({}, {'hw:serial_port_count': '5'}, 'hw_serial_port_count: 5 is not one of 0 to 4.'),
            ({'hw_disk_bus': 'scsi', 'hw_scsi_model': 'x'}, {},
             ("hw_scsi_model: 'x' is not one of virtio-scsi, lsilogic, lsisas1068, lsisas1078, vmpvscsi, buslogic, "
              'ibmvscsi.')),
        ]
        for properties, specs, words in cases:
            with self.subTest(words), self.assertRaises(exception.Invalid) as raised:
                self.make(base.make_server(specs, properties))
            self.assertEqual(words, str(raised.exception))
