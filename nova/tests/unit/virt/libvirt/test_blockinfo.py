# SPDX-License-Identifier: Apache-2.0
from nova import exception, objects
from nova.tests.unit.virt.libvirt import base
from nova.virt.libvirt import blockinfo


def blocks(**values):
    return {'root_device_name': '/dev/vda', 'image': [], 'ephemerals': [], 'swap': None, 'block_device_mapping': [],
            **values}


def blank(name=None, size=1, bus=None, **values):
    return {'device_name': name, 'size': size, 'guest_format': None, 'disk_bus': bus, 'device_type': None, **values}


class TestLayout(base.LibvirtCase):
    def places(self, server, devices=None, machine_type='pc', config_drive=None):
        found = blockinfo.layout(server, server.image_meta, devices, machine_type, config_drive)
        return [(place.file, place.target, place.bus, place.device) for place in found]

    def test_layouts(self):
        eph, swap = ('disk.eph0', 'vdb', 'virtio', 'disk'), ('disk.swap', 'vdc', 'virtio', 'disk')
        root = ('disk', 'vda', 'virtio', 'disk')
        volume = {'mount_device': '/dev/vdb', 'boot_index': None, 'disk_bus': None, 'device_type': None}
        cases = [
            ('the root disk alone', {}, {}, {}, [root]),
            ('what the flavor has', {'ephemeral_gb': 1, 'swap': 8}, {}, {}, [root, eph, swap]),
            ('block devices come before the flavor', {'ephemeral_gb': 9}, {},
             {'devices': blocks(ephemerals=[blank('/dev/vdf')], swap={'device_name': '/dev/vdc', 'swap_size': 8})},
             [root, ('disk.eph0', 'vdf', 'virtio', 'disk'), swap]),
            ('a volume takes its name', {'ephemeral_gb': 1}, {}, {'devices': blocks(block_device_mapping=[volume])},
             [root, ('disk.eph0', 'vdc', 'virtio', 'disk')]),
            ('a volume to boot from leaves no root disk', {}, {},
             {'devices': blocks(block_device_mapping=[{**volume, 'mount_device': '/dev/vda', 'boot_index': 0}])}, []),
            ('a server without image has none either', {'image_ref': ''}, {}, {}, []),
            ('buses by image', {'ephemeral_gb': 1}, {'hw_disk_bus': 'ide'}, {},
             [('disk', 'hda', 'ide', 'disk'), ('disk.eph0', 'hdb', 'ide', 'disk')]),
            ('a name that does not suit the bus is not taken', {}, {'hw_disk_bus': 'scsi'},
             {'devices': blocks(image=[{'device_name': '/dev/vda', 'boot_index': 0}])},
             [('disk', 'sda', 'scsi', 'disk')]),
            ('a CD-ROM image is a CD-ROM', {}, {'disk_format': 'iso'}, {}, [('disk', 'hda', 'ide', 'cdrom')]),
            ('config drive as CD-ROM', {}, {}, {'config_drive': 'iso9660'},
             [root, ('disk.config', 'hdd', 'ide', 'cdrom')]),
            ('config drive as disk', {}, {}, {'config_drive': 'vfat'},
             [root, ('disk.config', 'vdz', 'virtio', 'disk')]),
            ('config drive beside SCSI disks', {}, {'hw_disk_bus': 'scsi', 'hw_cdrom_bus': 'scsi'},
             {'config_drive': 'iso9660'}, [('disk', 'sda', 'scsi', 'disk'), ('disk.config', 'sdg', 'scsi', 'cdrom')]),
            ('config drive of a q35', {}, {}, {'config_drive': 'iso9660', 'machine_type': 'pc-q35-7.2'},
             [root, ('disk.config', 'sdf', 'sata', 'cdrom')]),
        ]
        for name, values, properties, arguments, expected in cases:
            with self.subTest(name):
                self.assertEqual(expected, self.places(base.make_server(properties=properties, **values), **arguments))

    def test_only_the_root_disk_is_booted_from(self):
        server = base.make_server(ephemeral_gb=1, swap=8)
        found = blockinfo.layout(server, server.image_meta, None, 'pc', 'iso9660')
        self.assertEqual([1, None, None, None], [place.boot_order for place in found])

    def test_scsi_controllers(self):
        server = base.make_server(properties={'hw_disk_bus': 'scsi'})
        for disks, expected in ((0, 1), (6, 1), (7, 2), (14, 3)):
            found = blockinfo.layout(server, server.image_meta, blocks(ephemerals=[blank()] * disks), 'pc')
            self.assertEqual(expected, blockinfo.scsi_controllers(found))

    def test_file_systems(self):
        for properties, wanted, expected in (({}, None, 'ext4'), ({'os_type': 'windows'}, None, 'vfat'),
                                             ({}, 'xfs', 'xfs')):
            server = base.make_server(properties=properties)
            devices = blocks(ephemerals=[blank(guest_format=wanted)])
            place = blockinfo.layout(server, server.image_meta, devices, 'pc')[1]
            self.assertEqual(expected, place.file_system)
        self.options(default_ephemeral_format='ext3')
        place = blockinfo.layout(server, server.image_meta, blocks(ephemerals=[blank()]), 'pc')[1]
        self.assertEqual('ext3', place.file_system)

    def test_refusals_say_what_is_allowed(self):
        cases = [
            ({'hw_disk_bus': 'floppy'}, {}, "hw_disk_bus: 'floppy' is not one of fdc, ide, sata, scsi, usb, virtio."),
            ({'hw_disk_bus': 'ide'}, {'machine_type': 'q35'},
             'hw_disk_bus: the machine type q35 has no IDE; use sata, scsi or virtio.'),
            ({}, {'devices': blocks(ephemerals=[blank(bus='abacus')])},
             "disk_bus: 'abacus' is not one of fdc, ide, sata, scsi, usb, virtio."),
            ({}, {'devices': blocks(ephemerals=[blank(device_type='tape')])},
             "Block Device Mapping is Invalid: device_type: 'tape' is not one of disk, cdrom, floppy."),
            ({'hw_disk_bus': 'ide'}, {'devices': blocks(ephemerals=[blank()] * 4)},
             'Block Device Mapping is Invalid: there are more than 4 disks on the bus ide.'),
        ]
        for properties, arguments, words in cases:
            with self.subTest(words), self.assertRaises(exception.Invalid) as raised:
                self.places(base.make_server(properties=properties), **arguments)
            self.assertEqual(words, str(raised.exception))


class TestNames(base.LibvirtCase):
    def test_every_unnamed_device_gets_a_free_name(self):
        bdms = [objects.BlockDeviceMapping(device_name=name, disk_bus=bus) for name, bus in
                (('/dev/vdb', None), (None, None), (None, 'scsi'), (None, None))]
        found = blockinfo.default_names(base.make_server().image_meta, '/dev/vda', bdms)
        self.assertEqual([(bdms[1], '/dev/vdc'), (bdms[2], '/dev/sda'), (bdms[3], '/dev/vdd')], found)
