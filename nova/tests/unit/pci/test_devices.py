# SPDX-License-Identifier: Apache-2.0
import json
import unittest

from nova import exception
from nova.conf import CONF
from nova.pci import devices

NIC = {'name': 'nic', 'vendor_id': '8086', 'product_id': '1520'}
GPU = {'name': 'gpu', 'vendor_id': '10de', 'product_id': '1db4', 'numa_policy': 'required'}


def device(address, vendor_id='8086', product_id='1520', numa_node=None, dev_type='type-PCI'):
    return {'address': address, 'vendor_id': vendor_id, 'product_id': product_id, 'numa_node': numa_node,
            'dev_type': dev_type}


class TestDevices(unittest.TestCase):
    def setUp(self):
        self.set('alias', [json.dumps(NIC), json.dumps(GPU)])

    def set(self, name, value):
        CONF.set_override(name, value, group='pci')
        self.addCleanup(CONF.clear_override, name, group='pci')

    def requests(self, text, properties=None, **specs):
        return devices.requests_of({'pci_passthrough:alias': text, **specs}, properties or {})

    def place(self, text, there, cells=None, taken=(), **specs):
        left = {devices.resource_class(one): 0 if one['address'] in taken else 1 for one in there}
        placed = devices.place(there, left.get, self.requests(text, **specs), cells)
        return placed and [one['address'] for one in placed[0]]

    def test_requests(self):
        self.assertEqual([], devices.requests_of({}, {}))
        self.assertEqual([('nic', 2, 'legacy'), ('gpu', 1, 'required')], [
            (one['alias'], one['count'], one['numa_policy']) for one in self.requests('nic:2, gpu:1')])
        self.assertEqual('preferred', self.requests('gpu:1', {'hw_pci_numa_affinity_policy': 'preferred'})[0][
            'numa_policy'])

    def test_what_is_no_request_is_refused(self):
        for text, words in (('fpga:1', 'no alias fpga'), ('nic', "'nic' is not name:count"), ('nic:0', 'name:count'),
                            ('nic:x', 'name:count')):
            with self.assertRaisesRegex(exception.Invalid, words):
                self.requests(text)
        with self.assertRaisesRegex(exception.Invalid, 'affinity_policy'):
            self.requests('nic:1', **{'hw:pci_numa_affinity_policy': 'near'})

    def test_what_is_no_option_stops_the_service(self):
        for name, wrong in (('alias', 'x'), ('alias', '{}'), ('alias', json.dumps({**NIC, 'colour': 'red'})),
                            ('alias', json.dumps({**NIC, 'device_type': 'NIC'})), ('device_spec', 'x'),
                            ('device_spec', '[1]')):
            self.set(name, [wrong])
            with self.assertRaisesRegex(exception.ConfigInvalid, name):
                devices.aliases() if name == 'alias' else devices.offered([device('0000:03:00.0')])

    def test_what_is_offered(self):
        there = [device('0000:03:00.0'), device('0000:03:00.1', product_id='1521'), device('0000:04:00.0', '10de')]
        for specs, expected in (([], []), ([{'vendor_id': '8086'}], [0, 1]), ([{'address': '0000:03:00.*'}], [0, 1]),
                                ([{'vendor_id': '10de'}, {'product_id': '1521'}], [1, 2]),
                                ([[{'address': '0000:04:00.0'}]], [2]), ([{'vendor_id': '*'}], [0, 1, 2])):
            self.set('device_spec', [json.dumps(spec) for spec in specs])
            self.assertEqual([there[index] for index in expected], devices.offered(there))

    def test_how_addresses_are_said(self):
        there = [device(address) for address in ('0000:03:00.0', '0000:03:00.1', '0000:0a:00.0', '0001:0a:01.3')]
        for said, expected in (('0a:00', [2]), (':0a:', [2, 3]), ('0a:00.*', [2]), ('*:0A:*.*', [2, 3]), ('.1', [1]),
                               ('0001:a:1.3', [3]), ('00', [0, 1, 2]), ('*', [0, 1, 2, 3]), ('0b:00', []),
                               ({'bus': '0[3a]', 'function': '[0-1]'}, [0, 1, 2]), ({'domain': '0001'}, [3]),
                               ({}, [0, 1, 2, 3])):
            with self.subTest(said):
                self.set('device_spec', [json.dumps({'address': said})])
                self.assertEqual([there[index] for index in expected], devices.offered(there))

    def test_a_rule_that_is_not_understood_offers_nothing(self):
        """Read as far as it is understood it would offer all devices of the host, that of its own disk too."""
        for spec in ({'devname': 'eth0'}, {'devname': 'eth0', 'physical_network': 'one'}, {'vendor': '8086'}, {},
                     {'physical_network': 'one'}, {'address': '0:0:0:0.0'}, {'address': 'eth0'}, {'address': 7},
                     {'address': {'bus': '['}}, {'address': {'bridge': '1'}}, {'address': '0000:03:00.9'}):
            with self.subTest(spec), self.assertRaisesRegex(exception.ConfigInvalid, 'device_spec'):
                self.set('device_spec', [json.dumps(spec)])
                devices.offered([device('0000:03:00.0')])
        self.set('device_spec', [json.dumps({'vendor_id': '8086', 'physical_network': 'one', 'trusted': 'true'})])
        self.assertEqual(1, len(devices.offered([device('0000:03:00.0')])))

    def test_a_function_goes_with_all_that_are_made_of_it_or_not_at_all(self):
        """With a physical function its guest has the virtual ones, and can end them."""
        self.set('alias', [json.dumps({'name': name, 'vendor_id': '8086', 'device_type': f'type-{name.upper()}'})
                           for name in ('pf', 'vf')])
        there = [device('p', dev_type='type-PF'), *({**device(f'v{number}', dev_type='type-VF'), 'parent_addr': 'p'}
                                                    for number in (1, 2))]
        self.assertEqual(['p'], self.place('pf:1', there))
        self.assertEqual(['v1', 'v2'], self.place('vf:2', there))
        self.assertIsNone(self.place('pf:1', there, taken=('v2',)))
        for both in ('pf:1,vf:1', 'vf:1,pf:1'):
            self.assertIsNone(self.place(both, there))
        claimed = devices.place(there, lambda name: 1, self.requests('pf:1'))[1]
        self.assertEqual({'PCI_p': 1, 'PCI_v1': 1, 'PCI_v2': 1}, claimed)
        self.set('alias', [json.dumps(NIC)])
        self.assertEqual(['p'], self.place('nic:1', there))
        self.assertIsNone(self.place('nic:2', there))
        self.set('alias', [json.dumps({'name': 'pf', 'vendor_id': '8086', 'device_type': 'type-PF'})])
        # Those that are not offered nobody can have.
        self.assertEqual(['p'], self.place('pf:1', there[:1]))

    def test_devices_are_chosen_once(self):
        there = [device(f'0000:03:00.{number}') for number in range(3)]
        self.assertEqual(['0000:03:00.0', '0000:03:00.1'], self.place('nic:2', there))
        self.assertEqual(['0000:03:00.1', '0000:03:00.2'], self.place('nic:1,nic:1', there, taken=('0000:03:00.0',)))
        self.assertIsNone(self.place('nic:4', there))
        self.assertIsNone(self.place('gpu:1', there))

    def test_how_near_a_device_must_be(self):
        there = [device('a', numa_node=0), device('b', numa_node=1), device('c')]
        cases = (('legacy', {1}, ['b']), ('legacy', {2}, ['c']), ('preferred', {2}, ['a']), ('preferred', {1}, ['b']),
                 ('required', {1}, ['b']), ('required', {2}, None), ('required', None, ['a']))
        for policy, cells, expected in cases:
            with self.subTest(f'{policy} {cells}'):
                self.assertEqual(expected, self.place('nic:1', there, cells,
                                                      **{'hw:pci_numa_affinity_policy': policy}))

    def test_an_alias_may_have_alternatives(self):
        self.set('alias', [json.dumps(NIC), json.dumps({**NIC, 'product_id': '1521'})])
        self.assertEqual(['b'], self.place('nic:1', [device('a', product_id='9999'), device('b', product_id='1521')]))
