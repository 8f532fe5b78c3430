# SPDX-License-Identifier: Apache-2.0
import unittest

from lxml import etree

from nova.virt.libvirt import config


def plain(xml):
    """Without the white space between elements."""
    return etree.tostring(etree.fromstring(xml, etree.XMLParser(remove_blank_text=True)), encoding='unicode')


class TestElements(unittest.TestCase):
    def test_elements_write_themselves(self):
        cases = [
            (config.Disk('/i/disk', 'qcow2', 'vda', 'virtio', cache='none', boot_order=1, backing_file='/b/a',
                         backing_format='raw'),
             """<disk type="file" device="disk"><driver name="qemu" type="qcow2" cache="none"/><source file="/i/disk"/>
                <backingStore type="file"><format type="raw"/><source file="/b/a"/><backingStore/></backingStore>
                <target dev="vda" bus="virtio"/><boot order="1"/></disk>"""),
            (config.Disk('/i/iso', 'raw', 'hda', 'ide', 'cdrom', readonly=True, limits={'read_iops_sec': 5}),
             """<disk type="file" device="cdrom"><driver name="qemu" type="raw"/><source file="/i/iso"/><backingStore/>
                <target dev="hda" bus="ide"/><iotune><read_iops_sec>5</read_iops_sec></iotune><readonly/></disk>"""),
            (config.Interface('02:00:00:00:00:01', 'br0', 'tap0', mtu=1400, inbound={'average': '1'}),
             """<interface type="bridge"><mac address="02:00:00:00:00:01"/><source bridge="br0"/><target dev="tap0"/>
                <model type="virtio"/><mtu size="1400"/><bandwidth><inbound average="1"/></bandwidth></interface>"""),
            (config.Serial('/i/console.log'),
             """<serial type="pty"><target port="0"/><log file="/i/console.log" append="on"/></serial>"""),
            (config.Serial('/i/console.log', 0, '127.0.0.1', 10000),
             """<serial type="tcp"><source mode="bind" host="127.0.0.1" service="10000"/><protocol type="raw"/>
                <target port="0"/><log file="/i/console.log" append="on"/></serial>"""),
            (config.Cpu('maximum', topology=(1, 2, 1)),
             '<cpu mode="maximum" check="none"><topology sockets="1" cores="2" threads="1"/></cpu>'),
            (config.DiskCopy('vda', '/s/copy', 'qcow2', ('vdb',)),
             """<domainbackup mode="push"><disks><disk name="vda" backup="yes" type="file"><target file="/s/copy"/>
                <driver type="qcow2"/></disk><disk name="vdb" backup="no"/></disks></domainbackup>"""),
            (config.CpuTune(shares=5), '<cputune><shares>5</shares></cputune>'),
            (config.Boot('pc', 'x86_64', kernel='/k', cmdline='a<b'),
             """<os><type arch="x86_64" machine="pc">hvm</type><kernel>/k</kernel><cmdline>a&lt;b</cmdline>
                <smbios mode="sysinfo"/></os>"""),
            (config.Graphics('127.0.0.1'),
             '<graphics type="vnc" autoport="yes"><listen type="address" address="127.0.0.1"/></graphics>'),
            (config.Rng('/dev/urandom', 9, 1000),
             """<rng model="virtio"><rate bytes="9" period="1000"/>
                <backend model="random">/dev/urandom</backend></rng>"""),
            (config.MemoryBalloon(10), '<memballoon model="virtio"><stats period="10"/></memballoon>'),
            (config.Channel('org.qemu.guest_agent.0'),
             """<channel type="unix"><source mode="bind"/>
                <target type="virtio" name="org.qemu.guest_agent.0"/></channel>"""),
        ]
        for thing, expected in cases:
            with self.subTest(type(thing).__name__):
                self.assertEqual(plain(expected), plain(thing.to_xml()))

    def test_a_guest_has_its_devices_in_order(self):
        guest = config.Guest('qemu', 'instance-1', 'u', 64, 1, features=('acpi',), clock=config.Clock())
        guest.devices = [config.Watchdog('reset'), config.MemoryBalloon()]
        root = guest.to_element()
        self.assertEqual(['watchdog', 'memballoon'], [device.tag for device in root.find('devices')])
        self.assertEqual(('qemu', '64', 'MiB'), (root.get('type'), root.findtext('memory'),
                                                 root.find('memory').get('unit')))

    def test_names_cannot_leave_their_element(self):
        name = '</nova:name></metadata><devices/>\x00\x1b\ud800'
        found = config.parse(config.Metadata(name=name).to_xml())
        self.assertEqual('</nova:name></metadata><devices/>\ufffd\ufffd\ufffd',
                         found.findtext(f'{{{config.NOVA_NS}}}name'))

    def test_documents_refer_to_nothing_outside(self):
        found = config.parse('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>')
        self.assertNotIn('root', ''.join(found.itertext()))
