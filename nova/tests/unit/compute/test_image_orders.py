# SPDX-License-Identifier: Apache-2.0
"""Orders about images of servers that are cut off, or that nobody finishes: which images go, and which never."""

import io
import types

import pytest

from nova import db, exception, image, objects
from nova.compute import operations, records, recovery, shelve, snapshot, states, task_states, vm_states
from nova.conductor import janitor
from nova.conf import CONF
from nova.db import session
from nova.tests import database as make
from nova.virt import fake


class Firewall:
    """Keeps for which servers it was told to filter."""

    def __init__(self):
        self.servers = set()

    def apply(self, instance, network_info):
        self.servers.add(instance.uuid)

    def remove(self, instance):
        self.servers.discard(instance.uuid)


@pytest.fixture
def store(tmp_path):
    CONF.set_override('store_path', str(tmp_path / 'images'), 'image')
    yield image.API()
    CONF.clear_override('store_path', 'image')


@pytest.fixture
def host(database, store):
    driver = fake.FakeDriver(None)
    driver.init_host('h1')
    driver.hypervisor.guests.clear()
    return types.SimpleNamespace(binary='nova-compute', name='h1', start_id='start-1', entered=set(), busy=set(),
                                 driver=driver, image=store, firewall=Firewall())


@pytest.fixture
def server(host):
    made = make.server()
    host.driver.hypervisor.define(host.driver._new_guest(made))
    with session.writer(make.admin()) as conn:
        conn.execute(db.claims.claims.insert().values(instance_uuid=made.uuid, compute_node_id=1, host='h1', node='h1'))
    assert claims() == 1
    return made


def new_image(store, content=None):
    record = {'name': 'copy', 'disk_format': 'raw', 'container_format': 'bare', 'visibility': 'private'}
    return store.create(make.member(), record, io.BytesIO(content) if content else None)['id']


def exists(store, image_id):
    try:
        store.get(make.admin(), image_id)
    except exception.ImageNotFound:
        return False
    return True


def order(server, action, method, **args):
    return records.order(make.member(), server, states.ACTIONS[action], 'nova-compute', 'h1', method, args)


def shown(server):
    return objects.Instance.get_by_uuid(make.admin(), server.uuid)


def journal(server):
    return objects.InstanceActionList.get_by_instance_uuid(make.admin(), server.uuid)[0]


def cut_off(action_id):
    """Somebody took the order and died."""
    taken = objects.InstanceAction.take(make.admin(), action_id, 'nova-compute', 'h1', 'start-0', 'e')
    taken.put_back('nova-compute was restarted in the middle')


def do(host, action_id, body):
    operations.run(host, make.admin(), action_id, 'event', body)


def claims():
    with session.reader(make.admin()) as conn:
        return conn.exec_driver_sql('SELECT count(*) FROM claims').scalar()


def test_a_copy_that_was_complete_is_not_made_again(host, store, server):
    image_id = new_image(store, b'complete')
    action_id = order(server, 'snapshot', 'snapshot_instance', image_id=image_id)
    cut_off(action_id)
    do(host, action_id, snapshot.snapshot)
    assert journal(server).message is None
    assert b''.join(store.download(make.admin(), image_id)) == b'complete'


def test_shelving_that_had_come_to_the_offload_goes_on_with_it(host, store, server):
    """The guest is gone already: the image is all that is left of the server."""
    image_id = new_image(store, b'all that is left')
    action_id = order(server, 'shelve', 'shelve_instance', image_id=image_id)
    cut_off(action_id)
    with session.writer(make.admin()) as conn:
        objects.instance.guarded_update(conn, server.uuid, {
            'vm_state': vm_states.SHELVED, 'task_state': task_states.SHELVING_OFFLOADING,
            'system_metadata': {'shelved_image_id': image_id}})
    host.driver.hypervisor.guests.clear()
    do(host, action_id, shelve.shelve)
    assert (shown(server).vm_state, shown(server).task_state, shown(server).host) == ('shelved_offloaded', None, None)
    assert exists(store, image_id)
    assert claims() == 0


def test_an_offload_that_fails_keeps_the_image(host, store, server):
    image_id = new_image(store)
    action_id = order(server, 'shelve', 'shelve_instance', image_id=image_id)
    CONF.set_override('failures', {'destroy': 'always'}, 'fake')
    try:
        do(host, action_id, shelve.shelve)
    finally:
        CONF.clear_override('failures', 'fake')
    assert (shown(server).vm_state, shown(server).task_state, journal(server).message) == ('shelved', None, 'Error')
    assert exists(store, image_id)
    assert shown(server).system_metadata['shelved_image_id'] == image_id


def test_a_deletion_that_comes_while_the_copy_is_made_wins(host, store, server):
    image_id = new_image(store)
    action_id = order(server, 'snapshot', 'snapshot_instance', image_id=image_id)

    def body(op):
        order(server, 'delete', 'terminate_instance')
        snapshot.snapshot(op)
    do(host, action_id, body)
    assert shown(server).task_state == task_states.DELETING
    assert not exists(store, image_id)


# Given up by the conductor -------------------------------------------------------------------------------------------

def give_up(server):
    found = next(iter(objects.InstanceActionList.waiting(make.admin(), -60)))
    assert found.instance_uuid == server.uuid
    janitor.fail(None, make.admin(), found, 'Host h1 is down.')


@pytest.mark.parametrize('action, method', [
    ('snapshot', 'snapshot_instance'), ('backup', 'snapshot_instance'), ('shelve', 'shelve_instance')])
def test_the_image_of_an_order_that_nobody_does_goes(host, store, server, action, method):
    image_id = new_image(store)
    order(server, action, method, image_id=image_id)
    give_up(server)
    assert not exists(store, image_id)
    assert (shown(server).vm_state, shown(server).task_state) == ('active', None)


def test_the_image_that_a_server_is_kept_as_stays(host, store, server):
    image_id = new_image(store, b'all that is left')
    order(server, 'shelve', 'shelve_instance', image_id=image_id)
    with session.writer(make.admin()) as conn:
        objects.instance.guarded_update(conn, server.uuid, {
            'vm_state': vm_states.SHELVED, 'system_metadata': {'shelved_image_id': image_id}})
    give_up(server)
    assert exists(store, image_id)
    assert (shown(server).vm_state, shown(server).task_state) == ('shelved', None)


def test_a_server_whose_new_host_died_is_offloaded_as_before(host, store, server):
    with session.writer(make.admin()) as conn:
        objects.instance.guarded_update(conn, server.uuid, {'vm_state': vm_states.SHELVED_OFFLOADED})
    order(shown(server), 'unshelve', 'unshelve_instance')
    give_up(server)
    there = shown(server)
    assert (there.vm_state, there.task_state, there.host, there.node) == ('shelved_offloaded', None, None, None)
    assert claims() == 0


def test_a_guest_of_an_offloaded_server_is_removed(host, server):
    with session.writer(make.admin()) as conn:
        objects.instance.guarded_update(conn, server.uuid, {'vm_state': vm_states.SHELVED_OFFLOADED, 'host': None})
    recovery.remove_strangers(host, make.admin(), set())
    assert host.driver.list_instance_uuids() == []
