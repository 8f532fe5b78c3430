# SPDX-License-Identifier: Apache-2.0
"""Orders that take longer than their time: those that get on keep it, those that stand still lose it."""

import datetime

import oslo_messaging
import pytest

from nova import db, objects, progress
from nova.compute import operations, snapshot
from nova.conductor import janitor
from nova.conf import CONF
from nova.db import session
from nova.tests import database as make
from nova.tests.unit.compute import test_image_orders
from nova.tests.unit.compute.test_image_orders import exists, journal, new_image, order, shown

host, server, store = test_image_orders.host, test_image_orders.server, test_image_orders.store


class Clock:
    """Of operations: it goes on when it is told to."""

    def __init__(self):
        self.now = 1000

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(operations, 'time', made)
    return made


@pytest.fixture
def uploading(host, server):
    """The action of an image that is to be filled, and the image."""
    image_id = new_image(host.image)
    return order(server, 'snapshot', 'snapshot_instance', image_id=image_id), image_id


def age(action_id, past=False):
    """Leave an order little of its time, or none."""
    seconds = -1 if past else 1
    with session.writer(make.admin()) as conn:
        conn.execute(db.actions.actions.update().where(db.actions.actions.c.id == action_id).values(
            deadline=db.types.utcnow() + datetime.timedelta(seconds=seconds)))


def has_time(server):
    left = journal(server).deadline - datetime.datetime.now(datetime.UTC)
    return left > datetime.timedelta(seconds=600)


def look_round():
    """What a conductor does all the time."""
    for _each in janitor.look_round(None, make.admin()):
        pass


def upload(host, image_id, pieces):
    """Instead of the driver's content, which is there at once."""
    host.driver.snapshot = lambda context, instance, image, update: host.image.update(
        context, image, {'disk_format': 'raw', 'container_format': 'bare'}, data=pieces())
    return snapshot.snapshot


def test_an_upload_that_gets_on_is_not_late(host, server, uploading, clock):
    action_id, image_id = uploading
    times = []

    def pieces():
        for _each in range(3):
            age(action_id)
            clock.now += 31
            yield b'disk' * 100
            times.append(has_time(server))
    operations.run(host, make.admin(), action_id, 'compute_snapshot_instance', upload(host, image_id, pieces))
    assert times == [True] * 3
    assert host.image.get(make.admin(), image_id)['status'] == 'active'
    assert journal(server).message is None


def test_one_that_stands_still_is_ended_at_its_deadline_and_does_not_go_on(host, server, uploading, clock):
    action_id, image_id = uploading

    def pieces():
        yield b'disk'
        assert has_time(server)
        age(action_id, past=True)
        clock.now += 31
        look_round()
        assert (shown(server).task_state, journal(server).message) == (None, 'Error')
        yield b'more'
        pytest.fail('nobody wants more of it')
    operations.run(host, make.admin(), action_id, 'compute_snapshot_instance', upload(host, image_id, pieces))
    assert not exists(host.image, image_id)
    assert (shown(server).vm_state, shown(server).task_state) == ('active', None)


def test_who_is_looked_at_and_stands_is_not_given_more_time_and_hears_that_it_was_given_up(host, server, uploading,
                                                                                          clock):
    action_id, _image_id = uploading
    undone = []

    def body(op):
        op.undo(undone.append, 1)
        gauge = progress.Gauge()
        for figure, further in ((0, False), (7, True), (5, False), (7, False), (8, True)):
            age(action_id)
            clock.now += 31
            gauge.reads(figure)
            assert has_time(server) == further
        age(action_id, past=True)
        look_round()
        clock.now += 31
        gauge.reads(8)
        pytest.fail('it was given up')
    operations.run(host, make.admin(), action_id, 'compute_snapshot_instance', body)
    assert undone == [1]


def test_a_word_now_and_then_is_enough(host, server, uploading, clock, statements):
    action_id, _image_id = uploading

    def body(op):
        with statements() as ran:
            for _each in range(1000):
                clock.now += 0.05
                progress.came_further()
        assert len(ran) == 2
        for statement in ran:
            assert statement.startswith('UPDATE instance_actions SET updated_at=instance_actions.updated_at, deadline=')
            assert 'owner_start_id = ' in statement
    operations.run(host, make.admin(), action_id, 'compute_snapshot_instance', body)
    assert journal(server).message is None


def test_a_short_time_is_put_off_more_often(host, server, uploading, clock):
    action_id, _image_id = uploading
    CONF.set_override('action_deadline', 10)

    def body(op):
        for _each in range(2):
            age(action_id, past=True)
            clock.now += 3
            progress.came_further()
            assert not journal(server).is_overdue
    try:
        operations.run(host, make.admin(), action_id, 'compute_snapshot_instance', body)
    finally:
        CONF.clear_override('action_deadline')
    assert journal(server).message is None


def test_a_word_that_gets_lost_ends_nothing(host, server, uploading, clock, monkeypatch):
    action_id, _image_id = uploading

    def lost(action, further):
        raise oslo_messaging.MessagingTimeout('nobody answers')
    monkeypatch.setattr(objects.InstanceAction, 'is_held', lost)
    operations.run(host, make.admin(), action_id, 'compute_snapshot_instance', lambda op: progress.came_further())
    assert journal(server).message is None


def test_what_is_done_after_an_order_was_handed_over_is_nobodys_progress(host, server, uploading, clock):
    action_id, _image_id = uploading

    def body(op):
        op.hand_over('nova-compute', 'h2', 'snapshot_instance')
        progress.came_further()
    operations.run(host, make.admin(), action_id, 'compute_snapshot_instance', body)
    assert (journal(server).state, journal(server).host) == ('pending', 'h2')
