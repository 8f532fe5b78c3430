# SPDX-License-Identifier: Apache-2.0
"""Claims on the database servers, where transactions really run side by side.

The servers: NOVA_TEST_MYSQL, mysql+pymysql://root@127.0.0.1/ unless set, and NOVA_TEST_POSTGRESQL,
postgresql+psycopg2://postgres@127.0.0.1/postgres unless set.  Each test makes a database of its own and drops it.
"""

import os
import threading
import uuid

import sqlalchemy as sa

from nova import context, db, exception, objects
from nova.scheduler import manager
from nova.tests.unit.scheduler import test_claims, test_manager, world


class _OnServer:
    """Databases on a server.  `server`: its URL."""

    server = None

    def make_database(self):
        name = f'nova_claims_{uuid.uuid4().hex[:12]}'
        url = sa.make_url(self.server)
        server = sa.create_engine(url, isolation_level='AUTOCOMMIT')
        self.addCleanup(server.dispose)

        def execute(statement):
            with server.connect() as connection:
                connection.execute(sa.text(statement))
        execute(f'CREATE DATABASE {name}')
        # Cleanups run backwards: our own connections are closed before.
        self.addCleanup(execute, f'DROP DATABASE {name}')
        self.addCleanup(db.session.dispose)
        return url.set(database=name).render_as_string(hide_password=False)


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
