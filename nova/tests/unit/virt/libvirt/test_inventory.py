# SPDX-License-Identifier: Apache-2.0
import json
import os

from nova import exception
from nova.tests.unit.virt.libvirt import base
from nova.virt import power_state
from nova.virt.libvirt import config, diskinfo, inventory, paths


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

    def test_uptime_is_a_line(self):
        self.assertIn('up', inventory.uptime())
