# SPDX-License-Identifier: Apache-2.0
"""Orders: taken once, undone on failure, finished by whoever is left."""

import datetime
import types

import oslo_messaging
import pytest

from nova import concurrency, db, exception, objects
from nova.compute import operations, records, states, task_states
from nova.conductor import janitor
from nova.conductor.tasks import build
from nova.db import session
from nova.objects import migration
from nova.tests import database as make


def service(binary='nova-compute', name='h1', start_id='start-1'):
    return types.SimpleNamespace(binary=binary, name=name, start_id=start_id, entered=set(), busy=set())


def order(context, server, action='stop', method='stop_instance'):
    return records.order(context, server, states.ACTIONS[action], 'nova-compute', server.host, method)


def shown(server):
    return objects.Instance.get_by_uuid(make.member(), server.uuid, with_=('fault',))


def journal(server):
    return objects.InstanceActionList.get_by_instance_uuid(make.member(), server.uuid)[0]


@pytest.fixture
def stopping(database):
    server = make.server()
    return server, order(make.member(), server)


def test_the_state_and_the_order_are_written_together(stopping):
    server, _action_id = stopping
    assert shown(server).task_state == task_states.POWERING_OFF
    assert (journal(server).state, journal(server).binary, journal(server).host) == ('pending', 'nova-compute', 'h1')


def test_of_two_requests_at_once_one_is_refused(database):
    server, context = make.server(), make.member()
    stale = objects.Instance.get_by_uuid(context, server.uuid)
    order(context, server)
    with pytest.raises(exception.InstanceInvalidState, match='task_state powering-off'):
        order(context, stale)


def test_an_order_is_taken_once(stopping):
    server, action_id = stopping
    take = objects.InstanceAction.take
    assert take(make.admin(), action_id, 'nova-compute', 'h2', 's', 'e') is None
    assert take(make.admin(), action_id, 'nova-conductor', 'h1', 's', 'e') is None
    assert take(make.admin(), action_id, 'nova-compute', 'h1', 's', 'e').instance.uuid == server.uuid
    assert take(make.admin(), action_id, 'nova-compute', 'h1', 's', 'e') is None


def test_success_settles_the_server_and_the_journal(stopping):
    server, action_id = stopping

    def body(op):
        op.ends(vm_state='stopped', power_state=4)
        op.expects(task_states.POWERING_OFF)
    operations.run(service(), make.admin(), action_id, 'compute_stop_instance', body)
    assert (shown(server).vm_state, shown(server).task_state, shown(server).power_state) == ('stopped', None, 4)
    assert (journal(server).state, journal(server).message) == ('done', None)
    event = objects.InstanceAction.get_by_request_id(make.admin(), server.uuid, journal(server).request_id).events[0]
    assert (event.event, event.result, event.host) == ('compute_stop_instance', 'Success', 'h1')


def test_failure_undoes_newest_first_and_leaves_a_fault(stopping):
    server, action_id = stopping
    undone = []

    def body(op):
        op.undo(undone.append, 1)
        op.undo(lambda: 1 / 0)
        op.undo(undone.append, 2)
        op.failure_state = 'error'
        raise exception.InstancePowerOffFailure(reason='it does not want to')
    operations.run(service(), make.admin(), action_id, 'compute_stop_instance', body)
    assert undone == [2, 1]
    assert (shown(server).vm_state, shown(server).task_state) == ('error', None)
    assert 'it does not want to' in shown(server).fault.message
    assert journal(server).message == 'Error'


def test_a_stop_that_fails_leaves_the_server_as_it_was(stopping):
    server, action_id = stopping

    def body(op):
        raise RuntimeError('secret path /etc/shadow')
    operations.run(service(), make.admin(), action_id, 'compute_stop_instance', body)
    assert (shown(server).vm_state, shown(server).task_state) == ('active', None)
    with session.reader(make.admin()) as conn:
        fault = db.instances.latest_faults(conn, [server.uuid])[server.uuid]
    assert fault['message'] == 'RuntimeError'


def test_a_deletion_that_comes_meanwhile_wins(stopping):
    server, action_id = stopping
    undone = []

    def body(op):
        op.undo(undone.append, 1)
        order(make.member(), server, 'delete', 'terminate_instance')
        op.ends(vm_state='stopped')
        op.expects(task_states.POWERING_OFF)
    operations.run(service(), make.admin(), action_id, 'compute_stop_instance', body)
    assert undone == [1]
    assert (shown(server).vm_state, shown(server).task_state) == ('active', task_states.DELETING)


def test_an_owner_that_lost_its_order_stores_nothing(stopping):
    server, action_id = stopping

    def body(op):
        op.action.put_back('you are slow')
        op.ends(vm_state='stopped')
    operations.run(service(), make.admin(), action_id, 'compute_stop_instance', body)
    assert (shown(server).vm_state, shown(server).task_state) == ('active', task_states.POWERING_OFF)
    assert journal(server).state == 'pending'


def test_the_poll_finds_what_nobody_took(stopping):
    _server, action_id = stopping
    rung = []
    operations.Poller(service(), 0).look(make.admin(), lambda context, method, found: rung.append((method, found)))
    concurrency.sleep(0.05)
    assert rung == [('stop_instance', action_id)]
    operations.Poller(service(), 60).look(make.admin(), lambda *a: pytest.fail('too early'))
    concurrency.sleep(0.05)


def test_an_order_whose_end_could_not_be_recorded_is_done_again(stopping):
    server, action_id = stopping
    host = service()

    def taken(action):
        objects.InstanceAction.take(make.admin(), action, host.binary, host.name, host.start_id, 'stop')
        return journal(server).state
    assert taken(action_id) == 'running'
    rung = []
    ring = lambda context, method, found: rung.append(found)  # noqa: E731
    operations.Poller(host, 0).look(make.admin(), ring)
    concurrency.sleep(0.05)
    assert rung == []       # it may still be at it
    with session.writer(make.admin()) as conn:
        db.actions.change(conn, action_id, {'updated_at': db.leases.since(3600)})
    host.entered.add(operations.order_key(make.admin(), action_id))
    operations.Poller(host, 0).look(make.admin(), ring)
    concurrency.sleep(0.05)
    assert rung == []       # it is
    host.entered.clear()
    operations.Poller(host, 0).look(make.admin(), ring)
    concurrency.sleep(0.05)
    assert rung == [action_id]
    operations.run(host, make.admin(), action_id, 'compute_stop_instance', lambda op: op.ends(vm_state='stopped'))
    assert (shown(server).vm_state, journal(server).state) == ('stopped', 'done')


class TestJanitor:
    """What the conductor does about orders whose owner is gone."""

    def expire(self, action_id, **values):
        with session.writer(make.admin()) as conn:
            db.actions.change(conn, action_id, values)

    def tidy(self, monkeypatch, up):
        monkeypatch.setattr(janitor, 'service_is_up', lambda *a: up)
        terminated = []
        manager = types.SimpleNamespace(terminate_instance=lambda context, action_id: terminated.append(action_id))
        list(janitor.look_round(manager, make.admin()))
        return terminated

    long_ago = datetime.datetime(2020, 1, 1)    # noqa: DTZ001  as the database keeps it

    def test_an_expired_lease_is_given_back(self, stopping, monkeypatch):
        server, action_id = stopping
        objects.InstanceAction.take(make.admin(), action_id, 'nova-compute', 'h1', 's', 'e')
        self.expire(action_id, lease_until=self.long_ago)
        self.tidy(monkeypatch, up=True)
        assert journal(server).state == 'pending'

    def test_the_order_of_a_host_that_is_down_fails_with_the_reason(self, stopping, monkeypatch):
        server, action_id = stopping
        objects.InstanceAction.take(make.admin(), action_id, 'nova-compute', 'h1', 's', 'e')
        self.expire(action_id, lease_until=self.long_ago)
        self.tidy(monkeypatch, up=False)
        assert (journal(server).state, journal(server).message) == ('done', 'Error')
        assert (shown(server).vm_state, shown(server).task_state) == ('active', None)

    def test_an_order_past_its_deadline_fails(self, stopping, monkeypatch):
        server, action_id = stopping
        self.expire(action_id, deadline=self.long_ago)
        self.tidy(monkeypatch, up=True)
        assert journal(server).state == 'done'
        assert shown(server).task_state is None

    def test_a_live_migration_that_reports_is_not_late(self, database, monkeypatch):
        server = make.server()
        action_id = order(make.member(), server, 'live_migrate', 'live_migration')
        objects.InstanceAction.take(make.admin(), action_id, 'nova-compute', 'h1', 's', 'e')
        self.expire(action_id, deadline=self.long_ago)
        with session.writer(make.admin()) as conn:
            number = db.migration_records.insert(conn, migration.new_values(
                make.admin(), server, migration.LIVE, 'running'))
        moving = objects.Migration.get_by_id_and_instance(make.admin(), number, server.uuid)
        moving.report({'memory_remaining': 5})
        assert self.tidy(monkeypatch, up=True) == []
        assert journal(server).state == 'running'
        assert objects.Migration.get_by_uuid(make.admin(), moving.uuid).memory_remaining == 5

    def test_a_deletion_on_a_host_that_is_down_is_carried_out_in_the_records(self, database, monkeypatch):
        server = make.server()
        action_id = order(make.member(), server, 'delete', 'terminate_instance')
        self.expire(action_id, updated_at=self.long_ago)
        assert self.tidy(monkeypatch, up=False) == [action_id]
        assert (journal(server).binary, journal(server).host, journal(server).state) == ('nova-conductor', None,
                                                                                         'pending')

    def test_what_was_counted_and_never_recorded_is_forgotten(self, database):
        make.servers()
        with session.api_writer(make.admin()) as conn:
            db.mappings.insert_instances(conn, [{'instance_uuid': 'lost', 'project_id': 'project', 'cores': 1, 'ram': 1,
                                                 'created_at': self.long_ago}])
        assert objects.Quotas.server_usage(make.admin(), 'project')['instances'] == 2
        assert list(janitor.sweep(None, make.admin())) == ['lost']
        assert objects.Quotas.server_usage(make.admin(), 'project')['instances'] == 1

    def claim(self, uuid, **values):
        """Claim 1 CPU of a host for a server, a long time ago."""
        with session.writer(make.admin()) as conn:
            node = db.compute_nodes.insert(conn, {'uuid': f'node of {uuid[:8]}', 'host': uuid, 'vcpus': 4,
                                                  'hypervisor_hostname': 'n'})
            assert db.claims.claim(conn, node, uuid, 1, 0, 0, uuid, 'n')
            conn.execute(db.claims.claims.update().where(db.claims.claims.c.instance_uuid == uuid)
                         .values({'created_at': self.long_ago, **values}))

    def test_a_server_that_found_no_host_holds_nothing_of_one(self, database):
        (server,), (action_id,) = make.servers()

        def select(context, spec, uuids, **_more):
            self.claim(uuids[0])
            raise oslo_messaging.MessagingTimeout       # the scheduler's answer was lost
        host = service('nova-conductor', 'c1')
        host.scheduler_rpcapi = types.SimpleNamespace(select_destinations=select)
        build.schedule_and_build(host, make.admin(), [action_id])
        assert (shown(server).vm_state, shown(server).host) == ('error', None)
        assert list(janitor.sweep(None, make.admin())) == [server.uuid]
        assert not objects.ClaimList.get_by_instances(make.admin(), [server.uuid]).objects
        assert objects.Claim.check(make.admin()) == []

    @pytest.mark.parametrize('values, claimed', [
        ({'host': None, 'task_state': 'scheduling', 'vm_state': 'building'}, {}),
        ({'host': None, 'task_state': 'unshelving', 'vm_state': 'shelved_offloaded'}, {}),
        ({'host': 'h1'}, {}), ({'host': None}, {'created_at': db.types.utcnow() + datetime.timedelta(hours=1)})])
    def test_other_servers_keep_their_claims(self, database, values, claimed):
        server = make.server(**values)
        self.claim(server.uuid, **claimed)
        assert list(janitor.sweep(None, make.admin())) == []

    def test_a_server_that_gets_a_host_meanwhile_keeps_its_claim(self, database):
        server = make.server(host=None)
        self.claim(server.uuid)
        found = objects.ClaimList.get_orphans(make.admin()).objects
        with session.writer(make.admin()) as conn:
            db.instances.update(conn, server.uuid, {'task_state': 'unshelving'})
        assert [objects.Claim.release_orphaned(make.admin(), claim.instance_uuid) for claim in found] == [0]

    def test_what_another_cell_does_not_know_is_not_lost(self, database, tmp_path):
        server = make.server()
        with session.api_writer(make.admin()) as conn:
            db.mappings.update_instance(conn, server.uuid, {'created_at': self.long_ago})
        make.second_cell(tmp_path)
        assert list(objects.cell.in_each(make.admin(), lambda in_cell: janitor.sweep(None, in_cell))) == []
        assert objects.Quotas.server_usage(make.admin(), 'project')['instances'] == 1
        assert objects.RequestSpec.get_by_instance_uuid(make.admin(), server.uuid).instance_uuid == server.uuid

    def test_nothing_is_lost_while_a_cell_is_down(self, database):
        with session.api_writer(make.admin()) as conn:
            db.mappings.insert_instances(conn, [{'instance_uuid': 'away', 'project_id': 'project', 'cores': 1, 'ram': 1,
                                                 'created_at': self.long_ago}])
        objects.CellMapping(make.admin(), uuid='00000000-0000-0000-0000-000000000002', name='far',
                            database_connection='sqlite:////no/such/directory/far.sqlite').create()
        assert list(janitor.sweep(None, make.admin())) == []
