# SPDX-License-Identifier: Apache-2.0
"""Ends of orders that were recorded, and of which the host did not hear, or too late."""

from unittest import mock

import oslo_messaging
import pytest

from nova import db, objects
from nova.compute import live_migration, operations, task_states
from nova.db import session
from nova.objects import migration as migrations
from nova.tests import database as make
from nova.tests.unit.compute.test_orders import journal, order, service, shown


@pytest.fixture
def stopping(database):
    server = make.server()
    return server, order(make.member(), server)


def test_an_end_whose_confirmation_got_lost_is_not_undone(stopping, monkeypatch):
    """The broker or the database went away between the commit and the answer."""
    server, action_id = stopping
    undone, finish, lost = [], objects.InstanceAction.finish, [oslo_messaging.MessagingTimeout('no answer')]

    def answer(*args, **kwargs):
        answered = finish(*args, **kwargs)
        if lost:
            raise lost.pop()
        return answered
    monkeypatch.setattr(objects.InstanceAction, 'finish', answer)

    def body(op):
        op.undo(undone.append, 1)
        op.ends(vm_state='stopped')
        op.expects(task_states.POWERING_OFF)
    operations.run(service(), make.admin(), action_id, 'compute_stop_instance', body)
    assert undone == []
    assert (shown(server).vm_state, shown(server).task_state) == ('stopped', None)
    assert (journal(server).state, journal(server).message) == ('done', None)


def test_an_order_that_was_given_up_is_not_taken_for_done(stopping):
    server, action_id = stopping
    undone = []

    def body(op):
        op.undo(undone.append, 1)
        op.action.finish({'task_state': None}, result='Error', details='the janitor gave it up')
        op.ends(vm_state='stopped')
    operations.run(service(), make.admin(), action_id, 'compute_stop_instance', body)
    assert undone == [1]
    assert shown(server).vm_state == 'active'


@pytest.mark.parametrize('gives_up', [True, False])
def test_a_guest_that_has_arrived_is_recorded_there_whatever_becomes_of_the_order(database, gives_up, monkeypatch):
    """Were it recorded where it came from, its new host would remove it as a stranger."""
    server = make.server()
    values = migrations.new_values(make.admin(), server, migrations.LIVE, 'running', dest_compute='h2', dest_node='h2')
    with session.writer(make.admin()) as conn:
        db.migration_records.insert(conn, values)
    migration = objects.Migration.get_by_uuid(make.admin(), values['uuid'])
    action_id = order(make.member(), server, 'live_migrate', 'live_migration')
    host, arrive, lost = service(), migration.arrive, [oslo_messaging.MessagingTimeout('no answer')]
    host.driver = host.network = host.firewall = host.compute_rpcapi = host.volume = mock.MagicMock()
    host.compute_rpcapi.post_live_migration_at_destination.return_value = 1

    def answer(status):
        if lost:
            raise lost.pop()
        arrive(status)
    if not gives_up:
        monkeypatch.setattr(migration, 'arrive', answer)

    def body(op):
        live_migration._Transfer(op, migration, 'h2').arrived(op.context, op.instance, 'h2')
        if gives_up:
            op.action.finish({'task_state': None}, result='Error', details='it took too long')
    operations.run(host, make.admin(), action_id, 'compute_live_migration', body)
    assert (shown(server).host, shown(server).task_state) == ('h2', None)
    assert objects.Migration.get_by_uuid(make.admin(), values['uuid']).status == 'completed'
