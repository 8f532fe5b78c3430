# SPDX-License-Identifier: Apache-2.0
import datetime
import time
from unittest import mock

from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from nova import context, db, objects, servicegroup
from nova.db.types import utcnow
from nova.objects import cell as cell_objects
from nova.scheduler import host_manager, request
from nova.tests.unit.scheduler import world

LONG_AGO = utcnow() - datetime.timedelta(hours=1)


class TestHostManager(world.World):
    def setUp(self):
        super().setUp()
        self.hosts = host_manager.HostManager()

    def add_old_host(self, host, **values):
        """One that has not changed for long, so that it is not in the overlap."""
        return self.add_host(host, service={'updated_at': LONG_AGO, 'created_at': LONG_AGO}, updated_at=LONG_AGO,
                             **values)

    def names(self):
        return [host.host for host in self.hosts.get_all_host_states(self.context)]

    def state(self, name):
        return next(host for host in self.hosts.get_all_host_states(self.context) if host.host == name)

    def change(self, node_id, **values):
        with db.session.writer(self.context) as conn:
            db.compute_nodes.update(conn, node_id, values)

    def test_amounts_are_the_rows(self):
        self.add_host('h1', vcpus=5, reserved_vcpus=1, cpu_allocation_ratio=2.0, memory_mb=1100,
                      reserved_memory_mb=100, ram_allocation_ratio=1.5, local_gb=12, reserved_disk_gb=2)
        found = self.state('h1')
        self.assertEqual((8, 1500, 10), (found.vcpus_free, found.memory_mb_free, found.disk_gb_free))
        self.assertEqual((4, 1000, 10240), (found.vcpus_total, found.free_ram_mb, found.free_disk_mb))

    def test_new_changed_and_deleted_hosts_are_noticed(self):
        self.assertEqual([], self.names())
        h1, h2 = self.add_host('h1'), self.add_host('h2')
        self.assertEqual(['h1', 'h2'], self.names())
        self.change(h1, memory_mb=1)
        self.assertEqual(1, self.state('h1').total_usable_ram_mb)
        with db.session.writer(self.context) as conn:
            db.compute_nodes.soft_delete(conn, h2)
        self.assertEqual(['h1'], self.names())

    def test_only_what_changed_is_read(self):
        self.add_old_host('h1')
        self.add_old_host('h2')
        h3 = self.add_host('h3')
        self.names()
        read = []
        of_rows = objects.ComputeNodeList._of_rows
        self.addCleanup(setattr, objects.ComputeNodeList, '_of_rows', of_rows)
        objects.ComputeNodeList._of_rows = classmethod(
            lambda cls, context, rows: read.extend(row['host'] for row in rows) or cls.of(
                context, [objects.ComputeNode.from_row(context, row) for row in rows]))
        self.change(h3, memory_mb=1)
        self.names()
        self.assertEqual(['h3'], read)

    def test_what_was_written_together_is_not_read_again_for_ever(self):
        for number in range(3):
            self.add_host(f'h{number}')
        self.names()
        marker = next(iter(self.hosts._views.values())).nodes_seen
        self.assertEqual(marker.moment - host_manager.OVERLAP, marker.look())
        marker._advanced_at -= 3600
        self.names()
        self.assertEqual(marker.moment, marker.look())
        self.add_host('h3')
        self.names()
        self.assertEqual(marker.moment - host_manager.OVERLAP, marker.look())

    def test_a_look_costs_two_statements(self):
        for number in range(5):
            self.add_host(f'h{number}')
        self.names()
        self.statements.clear()
        self.names()
        self.assertEqual(2, len(self.statements), self.statements)

    def test_young_knowledge_is_believed_and_costs_nothing(self):
        self.set('refresh_interval', 60.0, 'scheduler')
        self.names()
        self.add_host('h1')
        self.statements.clear()
        self.assertEqual(([], []), (self.names(), self.statements))
        self.hosts.refresh(self.context, newer_than=time.monotonic())
        self.assertEqual(['h1'], self.names())

    def test_a_claim_is_seen(self):
        h1 = self.add_host('h1')
        self.assertEqual(4096, self.state('h1').memory_mb_free)
        uuid = uuidutils.generate_uuid()
        objects.Claim.make(self.context, [{'instance_uuid': uuid, 'compute_node_id': h1, 'host': 'h1', 'node': 'h1',
                                           'memory_mb': 96}])
        self.assertEqual(4000, self.state('h1').memory_mb_free)
        objects.Claim.release(self.context, uuid)
        self.assertEqual(4096, self.state('h1').memory_mb_free)

    def test_what_an_administrator_does_to_a_service_is_seen_at_once(self):
        self.add_old_host('h1')
        self.assertFalse(self.state('h1').service.disabled)
        service = objects.Service.get_by_args(self.context, 'h1', 'nova-compute')
        service.disabled = True
        service.save()
        self.assertTrue(self.state('h1').service.disabled)

    def test_beats_are_read_by_the_clock(self):
        self.add_old_host('h1')
        self.add_host('h2')
        before = self.state('h1').service.last_seen_up
        service = objects.Service.get_by_args(self.context, 'h1', 'nova-compute')
        time.sleep(0.001)
        objects.Service.beat(self.context, service.id, uuidutils.generate_uuid(), 40)
        self.assertEqual(before, self.state('h1').service.last_seen_up)
        next(iter(self.hosts._views.values())).services_at -= 3600
        self.assertGreater(self.state('h1').service.last_seen_up, before)

    def test_no_turn_is_lost_to_the_clock(self):
        for name in ('h1', 'h2', 'h3'):
            self.add_old_host(name)
        self.names()
        view = next(iter(self.hosts._views.values()))
        round_s, asked = servicegroup.down_time_s() / 4, []
        with mock.patch.object(objects.ServiceList, 'beats', side_effect=lambda _context, _binary, first, last:
                               asked.extend(range(first, last + 1)) or {}):
            view.services_at = begun = time.monotonic()
            for looks in range(1, 19):
                # Each time a little before another turn is whole.
                self.hosts._read_beats(self.context, view, begun + looks * round_s * 1.9 / 3)
        self.assertAlmostEqual(18 * 1.9, len(asked), delta=3)

    def test_after_a_quiet_time_all_are_heard(self):
        for name in ('h1', 'h2'):
            self.add_old_host(name)
        self.names()
        view = next(iter(self.hosts._views.values()))
        # One turn of two, and then nobody wants anything for an hour.
        view.services_at -= servicegroup.down_time_s() / 4 * 0.6
        self.names()
        self.assertEqual(1, view.beats_at)
        with db.session.writer(self.context) as conn:
            conn.execute(db.services.services.update().values(last_seen_up=utcnow() + datetime.timedelta(seconds=5)))
        view.services_at -= 3600
        before = utcnow().replace(tzinfo=datetime.UTC)
        self.assertEqual([True, True], [self.state(name).service.last_seen_up > before for name in ('h1', 'h2')])

    def test_all_is_read_anew_now_and_then(self):
        h1 = self.add_old_host('h1')
        self.add_host('h2')
        self.names()
        c = db.compute_nodes.compute_nodes
        with db.session.writer(self.context) as conn:
            # a change that a wrong clock dated an hour back
            conn.execute(c.update().where(c.c.id == h1).values(memory_mb=1, generation=7, updated_at=LONG_AGO))
        self.names()
        self.assertEqual(4096, self.state('h1').total_usable_ram_mb)
        self.set('full_refresh_interval', 1.0, 'scheduler')
        next(iter(self.hosts._views.values())).loaded_at -= 3600
        self.assertEqual(1, self.state('h1').total_usable_ram_mb)

    def test_what_a_failing_database_kept_back_is_read_when_it_answers(self):
        self.add_old_host('h1')
        self.names()
        self.add_host('h2', updated_at=utcnow() - datetime.timedelta(minutes=30))
        self.add_host('h3')
        with mock.patch.object(objects.ComputeNodeList, 'get_by_ids', side_effect=db_exc.DBConnectionError), \
                self.assertRaises(db_exc.DBConnectionError):
            self.names()
        self.assertEqual(['h1', 'h2', 'h3'], self.names())

    def test_a_clock_that_was_ahead_hides_nothing_once_it_is_right(self):
        self.add_host('h1')
        h2 = self.add_host('h2', updated_at=utcnow() + datetime.timedelta(hours=1))
        self.names()
        self.change(h2, memory_mb=2)
        self.assertEqual(2, self.state('h2').total_usable_ram_mb)
        self.add_host('h3')
        self.assertEqual(['h1', 'h2', 'h3'], self.names())

    def test_promises_are_kept_beside_the_rows(self):
        h1 = self.add_host('h1')
        host = self.state('h1')
        host.consume(request.Amounts(1, 1000, 10))
        self.change(h1, memory_mb=5000)
        self.assertEqual((4000, 1), (self.state('h1').memory_mb_free, host.num_io_ops))
        host.release(request.Amounts(1, 1000, 10))
        self.assertEqual((5000, 0), (self.state('h1').memory_mb_free, host.num_io_ops))

    def test_a_promise_that_was_kept_is_counted_once(self):
        h1 = self.add_host('h1')
        host = self.state('h1')
        host.consume(request.Amounts(1, 1000, 10))
        objects.Claim.make(self.context, [{'instance_uuid': uuidutils.generate_uuid(), 'compute_node_id': h1,
                                           'host': 'h1', 'node': 'h1', 'vcpus': 1, 'memory_mb': 1000, 'disk_gb': 10}])
        # somebody looks between the claim and its settling
        self.names()
        host.settle(request.Amounts(1, 1000, 10))
        self.assertEqual(3096, self.state('h1').memory_mb_free)

    def test_zones_come_from_aggregates(self):
        self.add_host('h1')
        self.add_host('h2')
        aggregate = objects.Aggregate(self.context, name='a', metadata={'availability_zone': 'z1'})
        aggregate.create()
        aggregate.add_host('h2')
        self.assertEqual(['nova', 'z1'], [self.state(name).availability_zone for name in ('h1', 'h2')])
        aggregate.add_host('h1')
        self.hosts.update_aggregates([aggregate])
        self.assertEqual('z1', self.state('h1').availability_zone)
        self.hosts.delete_aggregate(aggregate)
        self.assertEqual(('nova', []), (self.state('h1').availability_zone, self.state('h1').aggregates))

    def test_hosts_of_all_cells_are_seen_and_a_cell_that_is_down_does_not_stop_the_others(self):
        self.add_host('h1')
        cell = objects.CellMapping(self.context, uuid=uuidutils.generate_uuid(), name='far',
                                   database_connection='sqlite:////no/such/directory/nova.sqlite')
        cell.create()
        self.addCleanup(cell_objects.forget_cache)
        self.assertEqual(['h1'], self.names())

    def test_columns_follow_the_states(self):
        self.addCleanup(setattr, host_manager, 'COLUMNS_FROM', host_manager.COLUMNS_FROM)
        host_manager.COLUMNS_FROM = 2
        self.add_host('h1')
        self.names()
        self.assertIsNone(self.hosts.columns())
        h2 = self.add_host('h2')
        host = self.state('h2')
        self.assertEqual([4096, 4096], list(self.hosts.columns().memory_mb_free))
        host.consume(request.Amounts(1, 96, 0))
        self.change(h2, vcpus=9)
        self.names()
        self.assertEqual(([4096, 4000], [4, 8]),
                         (list(self.hosts.columns().memory_mb_free), list(self.hosts.columns().vcpus_free)))
        self.add_host('h3')
        self.names()
        self.assertEqual(3, len(self.hosts.columns().hosts))

    def test_a_request_that_holds_a_host_which_is_gone_hurts_no_other(self):
        self.addCleanup(setattr, host_manager, 'COLUMNS_FROM', host_manager.COLUMNS_FROM)
        host_manager.COLUMNS_FROM = 1
        self.add_host('h1')
        h2 = self.add_host('h2')
        host = self.state('h2')
        host.consume(request.Amounts(1, 96, 0))
        with db.session.writer(self.context) as conn:
            db.compute_nodes.soft_delete(conn, h2)
        self.names()
        self.assertEqual(1, len(self.hosts.columns().hosts))
        # Only now the first request hears that its claim could not be made.
        host.release(request.Amounts(1, 96, 0))
        self.assertEqual([4096], list(self.hosts.columns().memory_mb_free))

    def test_the_same_where_the_whole_cell_is_gone(self):
        self.addCleanup(setattr, host_manager, 'COLUMNS_FROM', host_manager.COLUMNS_FROM)
        host_manager.COLUMNS_FROM = 1
        far = self.make_database()
        cell = objects.CellMapping(self.context, uuid=uuidutils.generate_uuid(), name='far', database_connection=far)
        cell.create()
        self.addCleanup(cell_objects.forget_cache)
        self.add_host('h1')
        with context.target_cell(self.context, cell) as there, db.session.writer(there) as conn:
            db.compute_nodes.insert(conn, {'uuid': uuidutils.generate_uuid(), 'host': 'h2', 'hypervisor_hostname': 'h2',
                                           'supported_hv_specs': []})
        for loss in ('away', 'forgotten'):
            host = self.state('h2')
            host.consume(request.Amounts(1, 0, 0))
            if loss == 'away':
                with mock.patch.object(objects.ComputeNodeList, 'marks_since', side_effect=db_exc.DBConnectionError), \
                        mock.patch.object(self.hosts._views[None].nodes_seen, 'moment', None):
                    self.names()
            else:
                cell.destroy()
                self.names()
            self.assertEqual(1, len(self.hosts.columns().hosts))
            host.release(request.Amounts(1, 0, 0))
            self.assertEqual(1, len(self.hosts.columns().hosts), loss)
