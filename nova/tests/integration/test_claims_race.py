# SPDX-License-Identifier: Apache-2.0
"""Claims on the database servers, where transactions really run side by side.

The servers: NOVA_TEST_MYSQL, mysql+pymysql://root@127.0.0.1/ unless set, and NOVA_TEST_POSTGRESQL,
postgresql+psycopg2://postgres@127.0.0.1/postgres unless set.  Each class makes a database of its own and drops it.
"""

import os
import threading

from nova import context, db, exception, objects
from nova.scheduler import manager
from nova.tests import database as databases
from nova.tests.unit.scheduler import test_claims, test_manager, world

#: For the order of the groups of tests.
TAKES_S = 70


class _OnServer:
    """A database on a server, which the tests of a class find empty.  To make its tables takes longer than a test.

    `server`: its URL.
    """

    server = None
    _url = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._url = cls.enterClassContext(databases.on_server(cls.server, 'nova_claims'))
        # Before it goes, for cleanups run backwards.
        cls.addClassCleanup(db.session.dispose)
        databases.make_tables(db.session.engine(cls._url))

    def make_database(self):
        databases.empty(self._url)
        return self._url


class _Races(test_claims.TestClaimRaces):
    def test_schedulers_that_decide_at_once_fill_the_hosts_exactly(self):
        for number in range(4):
            self.add_host(f'h{number}', memory_mb=4096, vcpus=4)
        self.set('refresh_interval', 3600.0, 'scheduler')
        outcomes, lock = [], threading.Lock()

        def schedule():
            scheduler, admin = manager.SchedulerManager(host='s'), context.get_admin_context()
            scheduler.init_host()
            for servers in (1, 2, 1, 1, 1):
                try:
                    scheduler.select_destinations(admin, world.make_spec(), self.uuids(servers), 1)
                    outcome = servers
                except exception.NoValidHost:
                    outcome = 0
                with lock:
                    outcomes.append(outcome)
        self.run_all([schedule] * 4)
        self.assert_used_is_claimed()
        used = sum(self.used(node.id)[1] for node in objects.ComputeNodeList.get_all(self.context))
        self.assertEqual(sum(outcomes) * 1024, used)
        # 24 wanted, 16 fit; a request for two may have gone without where there was one place left
        self.assertIn(sum(outcomes), (15, 16))


    def make_group(self, members, **values):
        group = objects.InstanceGroup(self.context, name='group', project_id='p', user_id='u', **values)
        group.create()
        with db.session.api_writer(self.context) as conn:
            db.groups.add_members(conn, group.id, members)
        return objects.InstanceGroup.get_by_uuid(self.context, group.uuid)

    def place_all(self, uuids, **spec):
        """Place each server by itself, with three schedulers and twelve requests at a time: {uuid: host or error}."""
        self.set('refresh_interval', 1.0, 'scheduler')
        schedulers = [manager.SchedulerManager(host=f's{number}') for number in range(3)]
        for scheduler in schedulers:
            scheduler.init_host()
        waiting, placed, lock = list(enumerate(uuids)), {}, threading.Lock()

        def work():
            admin = context.get_admin_context()
            while True:
                with lock:
                    if not waiting:
                        return
                    number, uuid_ = waiting.pop()
                try:
                    found = schedulers[number % 3].select_destinations(admin, world.make_spec(**spec), [uuid_], 0)
                    outcome = found[0][0].host
                except exception.NoValidHost as exc:
                    outcome = exc
                with lock:
                    placed[uuid_] = outcome
        self.run_all([work] * 12)
        self.assert_used_is_claimed()
        return placed

    def test_a_hundred_servers_of_a_group_land_on_a_hundred_hosts(self):
        self.set('claim_attempts', 200, 'scheduler')
        for number in range(100):
            self.add_host(f'h{number}')
        uuids = self.uuids(100)
        placed = self.place_all(uuids, instance_group=self.make_group(uuids, policy='anti-affinity'))
        self.assertEqual({f'h{number}' for number in range(100)}, set(placed.values()))

    def test_the_hundredth_of_a_group_is_refused_where_99_hosts_are(self):
        self.set('claim_attempts', 200, 'scheduler')
        for number in range(99):
            self.add_host(f'h{number}')
        uuids = self.uuids(100)
        placed = self.place_all(uuids, instance_group=self.make_group(uuids, policy='anti-affinity'))
        refused = [outcome for outcome in placed.values() if not isinstance(outcome, str)]
        self.assertEqual((1, 99), (len(refused), len({host for host in placed.values() if isinstance(host, str)})))
        self.assertIn('ServerGroupAntiAffinityFilter 99', str(refused[0]))
        self.assertIn('the policy of the server group', refused[0].user_reason)

    def test_servers_of_a_group_land_together(self):
        for number in range(20):
            self.add_host(f'h{number}', vcpus=40, memory_mb=100000, local_gb=1000)
        uuids = self.uuids(24)
        placed = self.place_all(uuids, instance_group=self.make_group(uuids, policy='affinity'))
        self.assertEqual(1, len(set(map(str, placed.values()))))

    def test_two_hundred_servers_where_150_fit(self):
        for number in range(15):
            self.add_host(f'h{number}', vcpus=10, memory_mb=20480)
        placed = self.place_all(self.uuids(200))
        refused = [outcome for outcome in placed.values() if not isinstance(outcome, str)]
        self.assertEqual(50, len(refused))
        for error in refused:
            self.assertIn('CoreFilter 15 (best has 0 of 1 CPUs)', str(error))


class _MySQL(_OnServer):
    server = os.environ.get('NOVA_TEST_MYSQL', 'mysql+pymysql://root@127.0.0.1/')


class _PostgreSQL(_OnServer):
    server = os.environ.get('NOVA_TEST_POSTGRESQL', 'postgresql+psycopg2://postgres@127.0.0.1/postgres')


class TestClaimsOnMySQL(_MySQL, test_claims.TestClaims):
    pass


class TestRacesOnMySQL(_MySQL, _Races):
    pass


class TestSchedulerOnMySQL(_MySQL, test_manager.TestSelectDestinations):
    pass


class TestClaimsOnPostgreSQL(_PostgreSQL, test_claims.TestClaims):
    pass


class TestRacesOnPostgreSQL(_PostgreSQL, _Races):
    pass


class TestSchedulerOnPostgreSQL(_PostgreSQL, test_manager.TestSelectDestinations):
    pass


# Not to be collected by its own name.
del _Races
