# SPDX-License-Identifier: Apache-2.0
"""Claims against SQLite; the same races against the servers are in nova/tests/integration/test_claims_race.py."""

import random
import threading

import sqlalchemy as sa
from sqlalchemy.engine import interfaces

from nova import context, db, objects
from nova.scheduler import claims, host_manager, selection
from nova.tests.unit.scheduler import world


class TestClaims(world.World):
    def wanted(self, uuid, node_id, vcpus=1, memory_mb=1024, disk_gb=10, **more):
        host = {self.h1: 'h1', self.h2: 'h2'}.get(node_id, 'h3')
        return {'instance_uuid': uuid, 'compute_node_id': node_id, 'host': host, 'node': host,
                'vcpus': vcpus, 'memory_mb': memory_mb, 'disk_gb': disk_gb, **more}

    def claim(self, uuid, node_id, **amounts):
        return (uuid, amounts.get('migration_uuid', '')) in objects.Claim.make(
            self.context, [self.wanted(uuid, node_id, **amounts)])

    def setUp(self):
        super().setUp()
        self.h1 = self.add_host('h1', vcpus=4, memory_mb=4096, local_gb=100)
        self.h2 = self.add_host('h2', vcpus=4, memory_mb=4096, local_gb=100)
        self.a, self.b, self.c = self.uuids(3)
        self.addCleanup(self.assert_used_is_claimed)

    def test_what_fits_is_claimed_with_two_statements(self):
        self.statements.clear()
        self.assertTrue(self.claim(self.a, self.h1, vcpus=4, memory_mb=4096, disk_gb=100))
        self.assertEqual(['UPDATE', 'INSERT'], [text.split()[0] for text in self.statements])
        self.assertEqual((4, 4096, 100), self.used(self.h1))
        self.assertEqual(1, self.node(self.h1)['generation'])

    def test_a_second_claim_makes_no_statement_anew(self):
        self.claim(self.a, self.h1)
        misses = []

        @sa.event.listens_for(self.engine, 'before_cursor_execute')
        def sent(conn, cursor, statement, parameters, execution, executemany):
            if execution.cache_hit is not interfaces.CacheStats.CACHE_HIT:
                misses.append(statement)

        self.assertTrue(self.claim(self.b, self.h2, vcpus=2, memory_mb=512, disk_gb=1))
        self.assertEqual([], misses)

    def test_what_does_not_fit_is_refused_and_nothing_is_written(self):
        for amounts in ({'vcpus': 5}, {'memory_mb': 4097}, {'disk_gb': 101}):
            self.assertFalse(self.claim(self.a, self.h1, **amounts))
        self.assertEqual((0, 0, 0, 0), (*self.used(self.h1), self.node(self.h1)['generation']))

    def test_capacity_is_what_is_not_reserved_times_the_ratio(self):
        node = self.add_host('h3', vcpus=5, reserved_vcpus=1, cpu_allocation_ratio=2.0, memory_mb=1100,
                             reserved_memory_mb=100, ram_allocation_ratio=1.5, local_gb=12, reserved_disk_gb=2)
        for amounts, fits in (({'vcpus': 9}, False), ({'vcpus': 8}, True), ({'memory_mb': 1501}, False),
                              ({'memory_mb': 1500}, True), ({'disk_gb': 11}, False), ({'disk_gb': 10}, True)):
            amounts = {'vcpus': 0, 'memory_mb': 0, 'disk_gb': 0, **amounts}
            with self.subTest(amounts):
                self.assertEqual(fits, self.claim(self.a, node, **amounts))

    def test_who_wants_no_disk_does_not_mind_a_full_one(self):
        with db.session.writer(self.context) as conn:
            db.compute_nodes.update(conn, self.h1, {'local_gb': 5})
        self.assertFalse(self.claim(self.a, self.h1, disk_gb=10))
        self.assertTrue(self.claim(self.a, self.h1, disk_gb=0))

    def test_a_deleted_node_takes_nothing(self):
        with db.session.writer(self.context) as conn:
            db.compute_nodes.soft_delete(conn, self.h1)
        self.assertFalse(self.claim(self.a, self.h1))

    def test_a_node_that_changed_since_it_was_read_takes_nothing_if_the_generation_is_given(self):
        with db.session.writer(self.context) as conn:
            for generation, expected in ((0, True), (0, False), (1, True)):
                self.assertIs(expected, db.claims.claim(conn, self.h1, self.uuids(1)[0], 1, 1, 1, 'h1', 'h1',
                                                        generation=generation))

    def test_release_gives_back_once(self):
        self.claim(self.a, self.h1)
        self.assertEqual([1, 0], [objects.Claim.release(self.context, self.a) for _again in range(2)])
        self.assertEqual((0, 0, 0), self.used(self.h1))

    def test_a_new_claim_replaces_the_servers_old_one(self):
        self.claim(self.a, self.h1, memory_mb=3000)
        self.assertTrue(self.claim(self.a, self.h2))
        self.assertEqual(((0, 0, 0), (1, 1024, 10)), (self.used(self.h1), self.used(self.h2)))

    def test_its_own_old_claim_is_not_in_the_way(self):
        self.assertTrue(self.claim(self.a, self.h1, memory_mb=4096))
        self.assertTrue(self.claim(self.a, self.h1, memory_mb=4096))
        self.assertEqual(4096, self.used(self.h1)[1])

    def test_a_migration_holds_both_hosts_until_it_is_confirmed(self):
        migration = self.uuids(1)[0]
        self.claim(self.a, self.h1)
        self.assertTrue(self.claim(self.a, self.h2, vcpus=2, migration_uuid=migration))
        self.assertEqual((1, 2), (self.used(self.h1)[0], self.used(self.h2)[0]))
        self.assertTrue(objects.Claim.confirm_migration(self.context, self.a, migration))
        self.assertEqual((0, 2), (self.used(self.h1)[0], self.used(self.h2)[0]))
        self.assertEqual([('', 'h2')], [(claim.migration_uuid, claim.host) for claim
                                        in objects.ClaimList.get_by_instances(self.context, [self.a])])
        self.assertFalse(objects.Claim.confirm_migration(self.context, self.a, migration))

    def test_a_migration_is_taken_back(self):
        migration = self.uuids(1)[0]
        self.claim(self.a, self.h1)
        self.claim(self.a, self.h1, vcpus=2, migration_uuid=migration)
        self.assertEqual(3, self.used(self.h1)[0])
        self.assertEqual(1, objects.Claim.release(self.context, self.a, migration))
        self.assertEqual(1, self.used(self.h1)[0])

    def test_many_claims_are_one_insert_and_an_update_for_each_node(self):
        self.statements.clear()
        made = objects.Claim.make(self.context, [self.wanted(uuid, node) for uuid, node in
                                                 zip(self.uuids(6), [self.h1, self.h2] * 3, strict=True)])
        self.assertEqual(6, len(made))
        self.assertEqual(['UPDATE', 'UPDATE', 'INSERT'], [text.split()[0] for text in self.statements])

    def test_of_many_claims_those_that_fit_are_made(self):
        self.claim(self.b, self.h2)
        wanted = [self.wanted(uuid, self.h1) for uuid in self.uuids(5)] + [self.wanted(self.b, self.h1)]
        made = objects.Claim.make(self.context, wanted)
        self.assertEqual([(item['instance_uuid'], '') for item in wanted[:4]],
                         [(item['instance_uuid'], '') for item in wanted if (item['instance_uuid'], '') in made])
        self.assertEqual((4, 4096, 40), self.used(self.h1))

    def test_what_a_cut_off_try_left_is_released_and_migrations_are_not(self):
        self.claim(self.a, self.h1)
        self.claim(self.b, self.h1, migration_uuid=self.c)
        self.assertEqual(1, objects.Claim.release_unplaced(self.context, [self.a, self.b, self.c]))
        self.assertEqual(1, self.used(self.h1)[0])

    def test_what_a_server_on_a_host_holds_is_not_released(self):
        with db.session.writer(self.context) as conn:
            db.instances.insert_one(conn, {'uuid': self.a, 'project_id': 'p', 'host': 'h1', 'node': 'h1'})
            db.instances.insert_one(conn, {'uuid': self.b, 'project_id': 'p'})
        for uuid in (self.a, self.b):
            self.claim(uuid, self.h1)
        self.assertEqual(1, objects.Claim.release_unplaced(self.context, [self.a, self.b]))
        self.assertEqual([self.a], [claim.instance_uuid for claim
                                    in objects.ClaimList.get_by_host(self.context, 'h1')])

    def test_a_host_report_does_not_touch_what_is_used(self):
        self.claim(self.a, self.h1)
        node = objects.ComputeNode.report(self.context, 'h1', 'h1', {'vcpus': 8, 'vcpus_used': 0})
        self.assertEqual((8, 1), (node.vcpus, node.vcpus_used))

    def test_check_finds_what_is_wrong(self):
        self.claim(self.a, self.h1)
        c = db.compute_nodes.compute_nodes
        with db.session.writer(self.context) as conn:
            conn.execute(c.update().where(c.c.id == self.h1).values(vcpus_used=3))
        self.assertEqual([{'id': self.h1, 'host': 'h1', 'node': 'h1',
                           'used': {'vcpus': 3, 'memory_mb': 1024, 'disk_gb': 10, 'servers': 1},
                           'claimed': {'vcpus': 1, 'memory_mb': 1024, 'disk_gb': 10, 'servers': 1}}],
                         objects.Claim.check(self.context))
        with db.session.writer(self.context) as conn:
            conn.execute(c.update().where(c.c.id == self.h1).values(vcpus_used=1))

    def test_claims_of_servers_that_are_gone_are_orphans(self):
        self.claim(self.a, self.h1)
        self.assertEqual([self.a], [claim.instance_uuid for claim in objects.ClaimList.get_orphans(self.context)])

    def test_make_and_release_of_the_scheduler(self):
        states = {node.id: host_manager.HostState(node.host, node.hypervisor_hostname, node)
                  for node in objects.ComputeNodeList.get_all(self.context)}
        chosen = {self.a: states[self.h1], self.b: states[self.h2], self.c: states[self.h1]}
        request = world.make_request(vcpus=2, memory_mb=100, root_gb=1)
        self.assertEqual(set(chosen), claims.make(self.context, {
            uuid: selection.Choice(host, request) for uuid, host in chosen.items()}))
        self.assertEqual((4, 2), (self.used(self.h1)[0], self.used(self.h2)[0]))
        claims.release(self.context, {self.a: states[self.h1]})
        self.assertEqual((2, 2), (self.used(self.h1)[0], self.used(self.h2)[0]))


class TestClaimParts(world.World):
    """What a claim holds besides CPUs, memory and disk, and limits that are not the node's own."""

    def setUp(self):
        super().setUp()
        self.node_id = self.add_host('h1', inventory={'CUSTOM_GOLD': {'total': 3, 'reserved': 1}})

    def make(self, count, resources=None, limits=None, vcpus=0):
        uuids = self.uuids(count)
        made = objects.Claim.make(self.context, [
            {'instance_uuid': uuid, 'compute_node_id': self.node_id, 'host': 'h1', 'node': 'h1', 'vcpus': vcpus,
             'resources': resources, 'limits': limits} for uuid in uuids])
        return [uuid for uuid, _migration in made]

    def used_inventory(self):
        return self.node(self.node_id)['inventory_used']

    def test_resource_classes_are_never_promised_twice(self):
        made = self.make(3, {'CUSTOM_GOLD': 1})
        self.assertEqual((2, {'CUSTOM_GOLD': 2}), (len(made), self.used_inventory()))
        self.assertEqual([], self.make(1, {'CUSTOM_GOLD': 1}))
        self.assert_used_is_claimed()
        objects.Claim.release(self.context, made[0])
        self.assertEqual({'CUSTOM_GOLD': 1}, self.used_inventory())
        self.assert_used_is_claimed()
        self.assertEqual(1, len(self.make(1, {'CUSTOM_GOLD': 1})))
        self.assert_used_is_claimed()

    def test_what_a_node_does_not_have_cannot_be_claimed(self):
        self.assertEqual([], self.make(1, {'CUSTOM_SILVER': 1}))
        self.assertEqual((0, 0, 0), self.used(self.node_id))

    def test_check_sees_resource_classes(self):
        self.make(1, {'CUSTOM_GOLD': 2})
        c = db.compute_nodes.compute_nodes
        with db.session.writer(self.context) as conn:
            conn.execute(c.update().values(inventory_used={'CUSTOM_GOLD': 1}))
        found = objects.Claim.check(self.context)
        self.assertEqual([(1, 2)], [(row['used']['CUSTOM_GOLD'], row['claimed']['CUSTOM_GOLD']) for row in found])

    def test_limits_stand_before_what_the_node_says(self):
        self.assertEqual(2, len(self.make(3, limits={'servers': 2})))
        self.assertEqual(1, len(self.make(1, vcpus=6, limits={'vcpus': 8})))
        self.assertEqual(0, len(self.make(1, vcpus=1)))
        self.assert_used_is_claimed()


class TestClaimRaces(world.World):
    """Threads that all want the same: nothing is promised twice, nothing is lost."""

    def run_all(self, workers):
        errors = []

        def run(worker):
            try:
                worker()
            except Exception as exc:  # noqa: BLE001  (reported by the assertion below)
                errors.append(exc)
        threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)

    def test_the_last_place_is_given_to_one(self):
        node = self.add_host('h1', vcpus=4, memory_mb=4096, local_gb=100)
        made = []

        def claim(uuid):
            made.extend(objects.Claim.make(context.get_admin_context(), [
                {'instance_uuid': uuid, 'compute_node_id': node, 'host': 'h1', 'node': 'h1', 'memory_mb': 2048}]))
        self.run_all([lambda uuid=uuid: claim(uuid) for uuid in self.uuids(8)])
        self.assertEqual((2, 4096), (len(made), self.used(node)[1]))
        self.assert_used_is_claimed()

    def test_claims_and_releases_of_the_same_servers_add_up(self):
        nodes = [self.add_host(f'h{number}', vcpus=16, memory_mb=65536, local_gb=1000) for number in range(2)]
        uuids = self.uuids(4)

        def churn(seed):
            dice, ctxt = random.Random(seed), context.get_admin_context()
            for _time in range(10):
                uuid, node = dice.choice(uuids), dice.choice(nodes)
                if dice.random() < 0.6:
                    objects.Claim.make(ctxt, [{'instance_uuid': uuid, 'compute_node_id': node, 'host': 'h', 'node': 'h',
                                               'vcpus': 1, 'memory_mb': 10, 'disk_gb': 1}])
                else:
                    objects.Claim.release(ctxt, uuid)
        self.run_all([lambda seed=seed: churn(seed) for seed in range(4)])
        self.assert_used_is_claimed()
        for uuid in uuids:
            objects.Claim.release(self.context, uuid)
        self.assertEqual([(0, 0, 0)] * 2, [self.used(node) for node in nodes])
