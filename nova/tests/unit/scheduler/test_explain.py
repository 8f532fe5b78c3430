# SPDX-License-Identifier: Apache-2.0
from oslo_utils import uuidutils

from nova import db, exception, objects
from nova.scheduler import explain
from nova.tests.unit.scheduler import world


class TestExplain(world.World):
    def setUp(self):
        super().setUp()
        self.add_host('h1', memory_mb=2048)
        self.add_host('h2', memory_mb=4096)
        self.add_host('h3', memory_mb=512)
        self.add_host('h4', service={'disabled': True})

    def test_every_host_has_its_row_best_first(self):
        found = explain.explain(self.context, world.make_spec(ignore_hosts=['h4']))
        self.assertEqual([
            ('h2', 'h2', 'nova', 'passes', '', '3.000', 'CPUWeigher +1.000, DiskWeigher +1.000, RAMWeigher +1.000'),
            ('h1', 'h1', 'nova', 'passes', '', '2.500', 'CPUWeigher +1.000, DiskWeigher +1.000, RAMWeigher +0.500'),
            ('h3', 'h3', 'nova', 'RamFilter', 'has 512 of 1,024 MiB', '', ''),
            ('h4', 'h4', 'nova', 'ignore_hosts', 'excluded by the request', '', ''),
        ], found.rows())
        self.assertEqual(('2 of 4 hosts pass; h2 is the best.', ''), (found.summary, found.user_text))
        self.assertEqual(len(explain.COLUMNS), len(found.rows()[0]))

    def test_a_refusal_is_what_the_scheduler_would_say(self):
        found = explain.explain(self.context, world.make_spec(memory_mb=9000))
        self.assertEqual('No valid host: 0 of 4. ComputeFilter 1 (disabled), RamFilter 3 (best has 4,096 of 9,000 '
                         'MiB).', found.summary)
        self.assertTrue(found.user_text.endswith('not enough memory.'))
        self.assertEqual(['RamFilter', 'RamFilter', 'RamFilter', 'ComputeFilter'],
                         [verdict.filter for verdict in found.verdicts])

    def test_nothing_is_claimed(self):
        explain.explain(self.context, world.make_spec())
        self.assertFalse([text for text in self.statements if text.startswith(('INSERT INTO claims', 'UPDATE'))])

    def test_a_server_that_exists_is_thought_away(self):
        uuid = uuidutils.generate_uuid()
        spec = world.make_spec(memory_mb=4096, instance_uuid=uuid)
        with db.session.api_writer(self.context) as conn:
            db.request_specs.insert(conn, [{'instance_uuid': uuid, 'spec': spec.obj_to_primitive()}])
        node = objects.ComputeNode.get_by_host_and_nodename(self.context, 'h2', 'h2')
        objects.Claim.make(self.context, [{'instance_uuid': uuid, 'compute_node_id': node.id, 'host': 'h2',
                                           'node': 'h2', 'vcpus': 1, 'memory_mb': 4096, 'disk_gb': 10}])
        self.assertIn('0 of 4', explain.explain(self.context, spec).summary)
        self.assertEqual('1 of 4 hosts pass; h2 is the best.', explain.explain_server(self.context, uuid).summary)
        with self.assertRaises(exception.NotFound):
            explain.explain_server(self.context, uuidutils.generate_uuid())

    def test_a_spec_is_made_of_names(self):
        objects.Flavor(self.context, flavorid='7', name='m1.seven', memory_mb=1024, vcpus=1, root_gb=1).create()
        for name in ('7', 'm1.seven'):
            spec = explain.make_spec(self.context, name, hints={'same_host': 'x'}, host='h1')
            self.assertEqual(('7', {'same_host': ['x']}), (spec.flavor.flavorid, spec.scheduler_hints))
        spec = explain.make_spec(self.context, '7', host='h1')
        self.assertEqual('1 of 4 hosts pass; h1 is the best.', explain.explain(self.context, spec).summary)
        with self.assertRaises(exception.FlavorNotFound):
            explain.make_spec(self.context, 'none')
