# SPDX-License-Identifier: Apache-2.0
import datetime
import inspect

from oslo_utils import uuidutils

from nova import context, db, exception, objects
from nova.scheduler import claims, filters, manager, rpcapi
from nova.tests.unit.scheduler import world


class TestSelectDestinations(world.World):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.assert_used_is_claimed)

    def start(self):
        self.manager = manager.SchedulerManager(host='s')
        self.manager.init_host()

    def select(self, count=1, uuids=None, alternates=0, caller=None, **spec):
        found = self.manager.select_destinations(caller or self.context, world.make_spec(**spec),
                                                 uuids or self.uuids(count), alternates)
        return [[selection.host for selection in selections] for selections in found]

    def refused(self, *args, **kwargs):
        with self.assertRaises(exception.NoValidHost) as caught:
            self.select(*args, **kwargs)
        return caught.exception

    def test_the_choice_is_claimed_and_the_alternates_are_not(self):
        h1, h2 = self.add_host('h1', memory_mb=2048), self.add_host('h2')
        self.start()
        uuid = uuidutils.generate_uuid()
        chosen, alternate = self.manager.select_destinations(self.context, world.make_spec(), [uuid], 2)[0]
        self.assertEqual(('h2', 'h2', h2, True, 'nova', None),
                         (chosen.host, chosen.nodename, chosen.compute_node_id, chosen.claimed,
                          chosen.availability_zone, chosen.cell_uuid))
        self.assertEqual(('h1', False), (alternate.host, alternate.claimed))
        self.assertEqual(((0, 0, 0), (1, 1024, 10)), (self.used(h1), self.used(h2)))

    def test_one_decision_costs_two_reads_and_two_writes(self):
        for number in range(5):
            self.add_host(f'h{number}')
        self.start()
        for settings, reads in ((0.0, 2), (60.0, 0)):
            self.set('refresh_interval', settings, 'scheduler')
            self.statements.clear()
            self.select()
            self.assertEqual(['SELECT'] * reads + ['UPDATE', 'INSERT'],
                             [text.split()[0] for text in self.statements])

    def test_servers_of_one_request_are_claimed_in_one_transaction(self):
        nodes = [self.add_host(f'h{number}', vcpus=8) for number in range(2)]
        self.start()
        self.statements.clear()
        self.assertEqual(8, len(self.select(8, memory_mb=512)))
        self.assertEqual(['UPDATE', 'UPDATE', 'INSERT'], [text.split()[0] for text in self.statements][-3:])
        self.assertEqual([4, 4], [self.used(node)[0] for node in nodes])

    def test_a_refusal_has_a_text_for_each_reader(self):
        self.add_host('h1', memory_mb=1512)
        self.add_host('h2', service={'disabled': True})
        self.start()
        with self.assertLogs('nova.scheduler.manager', 'INFO') as logs:
            error = self.refused(memory_mb=2048)
        self.assertEqual('No valid host: 0 of 2. ComputeFilter 1 (disabled), RamFilter 1 (best has 1,512 of 2,048 '
                         'MiB).', str(error))
        self.assertEqual((str(error), ('No valid host was found. There are not enough hosts available: '
                          'hosts out of service; not enough memory.'), True),
                         (error.kwargs['reason'], error.user_reason, error.kwargs['may_change']))
        self.assertEqual(1, len(logs.records))

    def test_what_will_never_fit_says_so(self):
        self.add_host('h1', memory_mb=1512)
        self.start()
        self.assertIs(False, self.refused(memory_mb=2048).kwargs['may_change'])

    def test_all_servers_of_a_request_get_a_host_or_none_does(self):
        node = self.add_host('h1', memory_mb=4096, vcpus=8)
        self.start()
        self.assertEqual('No valid host: 0 of 1. RamFilter 1 (best has 0 of 1,024 MiB).', str(self.refused(5)))
        self.assertEqual((0, 0, 0), self.used(node))
        self.assertEqual(4, len(self.select(4)))

    def test_what_became_free_is_found_before_a_server_is_refused(self):
        self.set('refresh_interval', 3600.0, 'scheduler')
        self.add_host('h1', memory_mb=1024)
        self.start()
        uuid = uuidutils.generate_uuid()
        self.select(uuids=[uuid])
        objects.Claim.release(self.context, uuid)
        self.add_host('h2', memory_mb=1024)
        self.assertEqual([['h1']], self.select())
        self.assertEqual([['h2']], self.select())

    def test_a_host_that_somebody_else_filled_is_left_for_the_next(self):
        self.set('refresh_interval', 3600.0, 'scheduler')
        h1, h2 = self.add_host('h1', memory_mb=4096), self.add_host('h2', memory_mb=2048)
        self.start()
        other = manager.SchedulerManager(host='other')
        other.init_host()
        other.select_destinations(self.context, world.make_spec(memory_mb=4096), self.uuids(1), 0)
        self.assertEqual([['h2']], self.select())
        self.assertEqual((4096, 1024), (self.used(h1)[1], self.used(h2)[1]))

    def test_a_claim_lost_again_and_again_ends_in_a_refusal_that_says_so(self):
        self.add_host('h1')
        self.add_host('h2')
        self.start()
        self.addCleanup(setattr, claims, 'make', claims.make)
        claims.make = lambda *args: set()
        self.assertEqual('No valid host: 0 of 2. claim 2 (taken by other servers meanwhile).', str(self.refused()))
        self.assertEqual([4096, 4096], [host.memory_mb_free
                                        for host in self.manager.host_manager.get_all_host_states()])

    def test_a_database_that_fails_leaves_no_promise(self):
        self.add_host('h1')
        self.start()
        self.addCleanup(setattr, claims, 'make', claims.make)

        def fail(*args):
            raise RuntimeError('gone')
        claims.make = fail
        with self.assertRaises(RuntimeError):
            self.select()
        self.assertEqual(4096, self.manager.host_manager.get_all_host_states()[0].memory_mb_free)

    def test_a_server_whose_group_is_gone_is_placed_like_one_without(self):
        self.add_host('h1')
        self.start()
        for policy in ('affinity', 'anti-affinity'):
            group = objects.InstanceGroup(self.context, name='g', project_id='p', user_id='u', policy=policy, rules={})
            group.create()
            known = objects.InstanceGroup.get_by_uuid(self.context, group.uuid)
            group.destroy()
            self.assertEqual([['h1']], self.select(instance_group=known), policy)

    def test_a_server_asked_for_again_has_one_claim(self):
        node = self.add_host('h1', memory_mb=1024)
        self.start()
        uuid = uuidutils.generate_uuid()
        for _again in range(2):
            self.assertEqual([['h1']], self.select(uuids=[uuid]))
        self.assertEqual((1, 1024, 10), self.used(node))

    def test_a_retry_goes_to_another_host_and_takes_its_claim_along(self):
        h1, h2 = self.add_host('h1', memory_mb=8192), self.add_host('h2')
        self.start()
        uuid = uuidutils.generate_uuid()
        self.assertEqual([['h1']], self.select(uuids=[uuid]))
        self.assertEqual([['h2']], self.select(uuids=[uuid], retry={'num_attempts': 2, 'hosts': [['h1', 'h1']]}))
        self.assertEqual(((0, 0, 0), (1, 1024, 10)), (self.used(h1), self.used(h2)))

    def test_a_forced_host_takes_what_fits_and_says_what_does_not(self):
        self.add_host('h1')
        self.add_host('h2', memory_mb=2048, service={'disabled': True})
        self.start()
        self.assertEqual([['h2']], self.select(force_hosts=['h2']))
        error = self.refused(force_hosts=['h2'], memory_mb=1500)
        self.assertEqual('No valid host: 0 of 2. force_hosts 1 (not the one asked for), claim 1 (taken by other '
                         'servers meanwhile), RamFilter 1 (best has 1,024 of 1,500 MiB).', str(error))

    def test_hints_name_servers_of_the_caller(self):
        self.add_host('h1')
        self.add_host('h2', memory_mb=8192)
        mine, foreign = self.uuids(2)
        with db.session.writer(self.context) as conn:
            for uuid, project, host in ((mine, 'p', 'h2'), (foreign, 'q', 'h1')):
                db.instances.insert_one(conn, {'uuid': uuid, 'project_id': project, 'host': host, 'node': host})
        self.start()
        user = context.RequestContext('u', 'p')
        self.assertEqual([['h1']], self.select(caller=user, scheduler_hints={'different_host': [mine]}))
        self.assertEqual([['h2']], self.select(caller=user, scheduler_hints={'same_host': [mine, foreign]}))
        self.assertEqual('No valid host: 0 of 2. SameHostFilter 2 (without the server to be with).',
                         str(self.refused(caller=user, scheduler_hints={'same_host': [foreign]})))

    def test_a_filter_that_raises_stops_the_request(self):
        self.add_host('h1')
        self.start()
        self.manager.selector.filters.append(_Broken())
        with self.assertRaisesRegex(filters.FilterError, 'Filter _Broken failed for host h1: KeyError'):
            self.select()

    def test_options_are_taken_over_by_reset(self):
        self.add_host('h1')
        self.start()
        self.set('enabled_filters', ['ComputeFilter'], 'filter_scheduler')
        self.manager.reset()
        self.assertEqual(['ComputeFilter'], [filter_.name for filter_ in self.manager.selector.filters])
        self.assertEqual([['h1']], self.select(vcpus=1))

    def test_schedulers_side_by_side_fill_the_hosts_exactly(self):
        for number in range(3):
            self.add_host(f'h{number}', memory_mb=4096, vcpus=4)
        self.set('refresh_interval', 3600.0, 'scheduler')
        schedulers = [manager.SchedulerManager(host=str(number)) for number in range(3)]
        for scheduler in schedulers:
            scheduler.init_host()
        for number in range(12):
            schedulers[number % 3].select_destinations(self.context, world.make_spec(), self.uuids(1), 0)
        for scheduler in schedulers:
            with self.assertRaises(exception.NoValidHost):
                scheduler.select_destinations(self.context, world.make_spec(), self.uuids(1), 0)


class _Broken(filters.BaseHostFilter):
    def host_passes(self, host_state, filter_properties):
        return filter_properties['no such key']


class TestSurface(world.World):
    def test_the_manager_and_its_client_have_the_same_methods(self):
        def surface(cls, without):
            return {name: list(inspect.signature(method).parameters)
                    for name, method in inspect.getmembers(cls, inspect.isfunction)
                    if not name.startswith('_') and name not in without}
        base = {name for name, _method in inspect.getmembers(manager.manager.Manager, inspect.isfunction)}
        self.assertEqual(surface(manager.SchedulerManager, base), surface(rpcapi.SchedulerAPI, {'can_send_version'}))
        self.assertEqual(rpcapi.VERSION, manager.SchedulerManager.target.version)

    def test_a_pin_limits_what_is_sent(self):
        for pin, expected in ((None, True), ('auto', True), ('1.0', True), ('0.9', False)):
            self.set('scheduler', pin, 'upgrade_levels')
            self.assertIs(expected, rpcapi.SchedulerAPI().can_send_version('1.0'))


class TestOtherDrivers(world.World):
    """The schedulers of earlier releases, as options of the one."""

    def place(self, count, **spec):
        scheduler = manager.SchedulerManager(host='s')
        scheduler.init_host()
        self.statements.clear()
        return [scheduler.select_destinations(self.context, world.make_spec(**spec), self.uuids(1), 0)[0][0].host
                for _time in range(count)]

    def test_chance_takes_any_host_that_has_room(self):
        self.set('driver', 'chance_scheduler', 'scheduler')
        for number in range(4):
            self.add_host(f'h{number}', vcpus=40, memory_mb=100000 * (number + 1))
        self.add_host('off', service={'disabled': True})
        found = self.place(60, memory_mb=64, root_gb=0)
        self.assertEqual({'h0', 'h1', 'h2', 'h3'}, set(found))
        # The zone is nobody's business here.
        self.assertEqual(1, len(self.place(1, availability_zone='nowhere', root_gb=0)))

    def test_caching_does_not_look_again_for_a_minute(self):
        self.set('driver', 'caching_scheduler', 'scheduler')
        self.add_host('h1')
        self.place(3)
        self.assertEqual({'UPDATE', 'INSERT'}, {text.split()[0] for text in self.statements})


class TestChangesAreSeen(world.World):
    """What changes about a host is known to the next decision after one refresh."""

    def setUp(self):
        super().setUp()
        self.node_id = self.add_host('h1')
        self.set('refresh_interval', 0.0, 'scheduler')
        self.manager = manager.SchedulerManager(host='s')
        self.manager.init_host()

    def takes(self, **spec):
        try:
            self.manager.select_destinations(self.context, world.make_spec(**spec), self.uuids(1), 0)
        except exception.NoValidHost as exc:
            return str(exc)
        return True

    def report(self, **values):
        objects.ComputeNode.report(self.context, 'h1', 'h1', values)

    def service(self, **values):
        with db.session.writer(self.context) as conn:
            row = db.services.by_host_and_binary(conn, 'h1', 'nova-compute')
            db.services.update(conn, row['id'], values)

    def test_disabled_and_enabled(self):
        self.assertIs(True, self.takes())
        self.service(disabled=True)
        self.assertIn('disabled', self.takes())
        self.service(disabled=False)
        self.assertIs(True, self.takes())

    def test_down(self):
        self.service(forced_down=True)
        self.assertIn('forced down', self.takes())

    def test_silent_and_heard_of_again(self):
        self.set('service_down_time', 10)
        self.manager.host_manager._views[None].services_at -= 10
        c = db.services.services
        old = db.types.utcnow() - datetime.timedelta(seconds=60)
        for seen, expected in ((old, 'down'), (db.types.utcnow(), None)):
            with db.session.writer(self.context) as conn:
                conn.execute(c.update().values(last_seen_up=seen, updated_at=c.c.updated_at))
            self.manager.host_manager._views[None].services_at -= 10
            found = self.takes()
            self.assertTrue(found is True if expected is None else expected in found, found)

    def test_a_service_that_was_deleted(self):
        with db.session.writer(self.context) as conn:
            db.services.soft_delete(conn, db.services.by_host_and_binary(conn, 'h1', 'nova-compute')['id'])
        self.manager.host_manager._views[None].services_at -= 100
        self.assertIn('without a service', self.takes())

    def test_a_trait_gained_and_lost(self):
        wants = {'extra_specs': {'trait:CUSTOM_FAST': 'required'}}
        self.assertIn('without CUSTOM_FAST', self.takes(**wants))
        self.report(traits=['CUSTOM_FAST'])
        self.assertIs(True, self.takes(**wants))
        self.report(traits=[])
        self.assertIn('without CUSTOM_FAST', self.takes(**wants))

    def test_full_and_larger(self):
        self.assertIs(True, self.takes(vcpus=4))
        self.assertIn('CoreFilter', self.takes(vcpus=4))
        self.report(vcpus=8)
        self.assertIs(True, self.takes(vcpus=4))

    def test_another_zone(self):
        aggregate = objects.Aggregate(self.context, name='a', metadata={'availability_zone': 'west'})
        aggregate.create()
        aggregate.add_host('h1')
        self.manager.update_aggregates(self.context, [aggregate])
        self.assertIs(True, self.takes(availability_zone='west'))
        self.assertIn('in another zone', self.takes(availability_zone='nova'))
        self.manager.delete_aggregate(self.context, aggregate)
        self.assertIs(True, self.takes(availability_zone='nova'))

    def test_a_new_host_and_one_that_is_gone(self):
        self.add_host('h2', vcpus=40)
        self.assertIs(True, self.takes(vcpus=40))
        with db.session.writer(self.context) as conn:
            db.compute_nodes.delete_of_host(conn, 'h2')
        self.assertIn('0 of 1.', self.takes(vcpus=40))
