# SPDX-License-Identifier: Apache-2.0
"""Addresses on the database servers, where transactions really run side by side.

The servers are those of nova/tests/integration/test_claims_race.py.
"""

import threading

from nova import db, exception, objects
from nova.network import api
from nova.tests import database as databases
from nova.tests.integration import test_claims_race as servers
from nova.tests.unit.network import test_addresses
from nova.tests.unit.scheduler import world

NETWORK = '10.0.0.0/26'
PLACES = 61


class _Races(world.World):
    def setUp(self):
        super().setUp()
        for resource in ('instances', 'cores', 'ram'):
            self.set(resource, -1, 'quota')

    def run_all(self, functions):
        failures = []

        def guarded(function):
            try:
                function()
            except Exception as exc:  # noqa: BLE001  (raised below)
                failures.append(exc)
        threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def given(self):
        with db.session.reader(self.context) as conn:
            table = db.networks.fixed_ips
            return conn.execute(table.select().where(table.c.allocated.is_(True))).mappings().all()

    def test_servers_that_come_at_once_get_different_addresses_until_there_are_none(self):
        api.API().create(self.context, 'private', NETWORK)
        made = [test_addresses.a_server() for _ in range(PLACES + 7)]
        got, refused = [], []

        def some(mine):
            for server in mine:
                try:
                    got.extend(test_addresses.addresses(test_addresses.allocate(server)))
                except exception.NoMoreFixedIps:
                    refused.append(server)
        self.run_all([lambda mine=made[index::6]: some(mine) for index in range(6)])
        assert len(got) == len(set(got)) == PLACES
        assert len(refused) == 7
        assert {row['address'] for row in self.given()} == set(got)

    def test_one_address_that_many_want_goes_to_one(self):
        network = api.API().create(self.context, 'private', NETWORK)
        made = [test_addresses.a_server() for _ in range(6)]
        got = []

        def want(server):
            try:
                test_addresses.allocate(server, test_addresses.of(network.uuid, address='10.0.0.9'))
                got.append(server.uuid)
            except exception.FixedIpAlreadyInUse:
                pass
        self.run_all([lambda server=server: want(server) for server in made])
        assert [row['instance_uuid'] for row in self.given()] == got
        assert len(got) == 1

    def test_giving_and_taking_back_at_once_leaves_nothing(self):
        network = api.API().create(self.context, 'private', '10.0.0.0/29')
        made = [test_addresses.a_server() for _ in range(4)]

        def live(server):
            for _ in range(5):
                test_addresses.allocate(server)
                objects.FixedIPList.deallocate_for_instance(databases.admin(), server.uuid)
        self.run_all([lambda server=server: live(server) for server in made])
        assert self.given() == []
        network.destroy()

    def test_a_network_is_deleted_or_given_from_and_never_both(self):
        for _ in range(5):
            network = api.API().create(self.context, 'private', '10.0.0.0/29')
            server, outcomes = test_addresses.a_server(), []

            def give(server=server, uuid=network.uuid, outcomes=outcomes):
                try:
                    test_addresses.allocate(server, test_addresses.of(uuid))
                    outcomes.append('given')
                except (exception.NetworkNotFound, exception.NoMoreFixedIps):
                    pass

            def delete(uuid=network.uuid, outcomes=outcomes):
                try:
                    api.API().delete(databases.admin(), uuid)
                    outcomes.append('deleted')
                except exception.NetworkInUse:
                    pass
            self.run_all([give, delete])
            assert len(outcomes) == 1, outcomes
            assert len(self.given()) == (outcomes == ['given'])
            objects.FixedIPList.deallocate_for_instance(databases.admin(), server.uuid)
            if outcomes == ['given']:
                api.API().delete(databases.admin(), network.uuid)


class TestOnSQLite(_Races):
    pass


class TestOnMySQL(servers._MySQL, _Races):
    pass


class TestOnPostgreSQL(servers._PostgreSQL, _Races):
    pass


# Not to be collected by its own name.
del _Races
