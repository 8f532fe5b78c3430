# SPDX-License-Identifier: Apache-2.0
import os
import tempfile
import unittest
from unittest import mock

from nova.conf import CONF
from nova.virt.libvirt import config, topology

CAPABILITIES = config.parse("""
<capabilities><host><topology><cells num='2'>
  <cell id='0'><memory unit='KiB'>4194304</memory><pages unit='KiB' size='4'>1048576</pages>
    <pages unit='KiB' size='2048'>16</pages>
    <cpus num='2'><cpu id='0' siblings='0,4'/><cpu id='4' siblings='0,4'/></cpus></cell>
  <cell id='1'><memory unit='KiB'>2097152</memory>
    <cpus num='2'><cpu id='1' siblings='1'/><cpu id='2' siblings='2'/></cpus></cell>
</cells></topology></host></capabilities>""")


class TestNumaTopology(unittest.TestCase):
    def set(self, name, value):
        CONF.set_override(name, value, group='compute')
        self.addCleanup(CONF.clear_override, name, group='compute')

    def test_cells(self):
        self.assertEqual({'cells': [
            {'id': 0, 'cpus': [0, 4], 'pcpus': [0, 4], 'memory_mb': 4096, 'siblings': [[0, 4]],
             'pages': [{'size_kb': 4, 'total': 1048576}, {'size_kb': 2048, 'total': 16}]},
            {'id': 1, 'cpus': [1, 2], 'pcpus': [1, 2], 'memory_mb': 2048, 'siblings': [], 'pages': []}]},
            topology.numa_topology(CAPABILITIES))

    def test_cpus_are_for_what_the_options_say(self):
        self.set('cpu_dedicated_set', '4,2')
        self.set('cpu_shared_set', '0')
        self.assertEqual([([0], [4]), ([], [2])], [
            (cell['cpus'], cell['pcpus']) for cell in topology.numa_topology(CAPABILITIES)['cells']])

    def test_a_host_that_tells_of_no_cells(self):
        self.assertIsNone(topology.numa_topology(config.parse('<capabilities><host/></capabilities>')))


class TestPciDevices(unittest.TestCase):
    def test_devices_are_what_sysfs_says(self):
        with tempfile.TemporaryDirectory() as root:
            for address, files in (('0000:03:00.0', {'vendor': '0x8086', 'device': '0x1520', 'numa_node': '1',
                                                     'sriov_totalvfs': '8'}),
                                   ('0000:03:10.0', {'vendor': '0x8086', 'device': '0x1521', 'numa_node': '-1'})):
                os.mkdir(os.path.join(root, address))
                for name, text in files.items():
                    with open(os.path.join(root, address, name), 'w') as target:
                        target.write(text + '\n')
            os.symlink('../0000:03:00.0', os.path.join(root, '0000:03:10.0', 'physfn'))
            with mock.patch.object(topology, '_SYSFS', root):
                self.assertEqual([
                    {'address': '0000:03:00.0', 'vendor_id': '8086', 'product_id': '1520', 'dev_type': 'type-PF',
                     'numa_node': 1, 'parent_addr': None},
                    {'address': '0000:03:10.0', 'vendor_id': '8086', 'product_id': '1521', 'dev_type': 'type-VF',
                     'numa_node': None, 'parent_addr': '0000:03:00.0'}], topology.pci_devices())
