# SPDX-License-Identifier: Apache-2.0
"""How much volumes were used: what becomes of counters that begin again, and what asking costs."""

import datetime

import pytest
import sqlalchemy as sa

from nova import context as nova_context
from nova import db, exception, objects, volume
from nova.compute import volume_usage, volumes
from nova.conductor import janitor
from nova.conf import CONF
from nova.db import archive
from nova.tests import database as make

VOLUME = '20000000-0000-4000-8000-00000000000%d'
NAMES = ('rd_req', 'rd_bytes', 'wr_req', 'wr_bytes')


class Driver:
    """Says of each volume what it is told to: {volume: counters}; fails to say it of others."""

    def __init__(self):
        self.counted, self.asked = {}, []

    def get_all_volume_usage(self, context, compute_host_bdms):
        self.asked.append('all')
        return [{'volume': bdm.volume_id, 'instance': each['instance'],
                 **dict(zip(NAMES, self.counted[bdm.volume_id], strict=True))}
                for each in compute_host_bdms for bdm in each['instance_bdms'] if bdm.volume_id in self.counted]

    def block_stats(self, instance, disk_id):
        self.asked.append(disk_id)
        volume = VOLUME % (ord(disk_id[-1]) - ord('a'))
        if volume not in self.counted:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        return [*self.counted[volume], 0]


class Host:
    name = 'h1'

    def __init__(self):
        self.driver = Driver()

    def poll(self):
        volume_usage.poll(self, nova_context.get_admin_context())


class Operation:
    """As much of an operation as is needed."""

    def __init__(self, host, server):
        self.host, self.instance, self.context = host, server, nova_context.get_admin_context()
        self.bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(self.context, server.uuid).objects
        self.tidy = lambda function, *args, **kwargs: function(*args, **kwargs)


@pytest.fixture
def host(database):
    CONF.set_override('volume_usage_poll_interval', 60)
    yield Host()
    CONF.clear_override('volume_usage_poll_interval')


def attach(server, *numbers):
    context = make.admin()
    rows = [{'uuid': f'3{number}{server.uuid[2:]}', 'instance_uuid': server.uuid, 'source_type': 'volume',
             'destination_type': 'volume', 'volume_id': VOLUME % number, 'connection_info': {'host': 'h1'},
             'device_name': f'/dev/vd{chr(ord("a") + number)}'} for number in numbers]
    with db.session.writer(context) as conn:
        db.block_devices.insert(conn, rows)


def recorded(number=1):
    """{server: (totals, current values)} of a volume."""
    with db.session.reader(make.admin()) as conn:
        return {row['instance_uuid']: tuple(tuple(row[f'{part}_{name}'] for name in (
            'reads', 'read_bytes', 'writes', 'write_bytes')) for part in ('tot', 'curr'))
            for row in db.volume_usage.of_volumes(conn, [VOLUME % number])}


NOTHING = (0, 0, 0, 0)


@pytest.fixture
def server(host):
    server = make.server(availability_zone='zone-1')
    attach(server, 1)
    return server


def test_what_is_counted_is_kept_when_the_counters_begin_again(host, server):
    for counted in ((10, 100, 1, 10), (20, 200, 2, 20), (5, 50, 0, 0)):
        host.driver.counted[VOLUME % 1] = counted
        host.poll()
    assert recorded() == {server.uuid: ((20, 200, 2, 20), (5, 50, 0, 0))}


def test_a_volume_that_leaves_takes_its_totals_along_and_comes_back_with_them(host, server):
    host.driver.counted[VOLUME % 1] = (10, 100, 1, 10)
    host.poll()
    host.driver.counted[VOLUME % 1] = (12, 120, 2, 20)
    op = Operation(host, server)
    with volume_usage.ending(op, op.bdms):
        pass
    assert recorded() == {server.uuid: ((12, 120, 2, 20), NOTHING)}
    assert host.driver.asked == ['all', 'vdb']
    host.driver.counted[VOLUME % 1] = (15, 150, 3, 30)
    host.poll()
    assert recorded() == {server.uuid: ((12, 120, 2, 20), (15, 150, 3, 30))}


def test_what_ends_without_a_word_keeps_what_was_known(host, server):
    host.driver.counted[VOLUME % 1] = (10, 100, 1, 10)
    host.poll()
    host.driver.counted.clear()
    for _twice in range(2):
        op = Operation(host, server)
        with volume_usage.ending(op, op.bdms):
            pass
        assert recorded() == {server.uuid: ((10, 100, 1, 10), NOTHING)}


def test_counters_that_did_not_end_after_all_go_on(host, server):
    host.driver.counted[VOLUME % 1] = (10, 100, 1, 10)
    host.poll()
    op = Operation(host, server)
    with pytest.raises(ValueError, match='it stayed'), volume_usage.ending(op, op.bdms):
        raise ValueError('it stayed')
    assert recorded() == {server.uuid: (NOTHING, (10, 100, 1, 10))}


def test_a_look_that_comes_late_changes_nothing(host, server):
    """The volume was detached between the question and the record of the answer."""
    host.driver.counted[VOLUME % 1] = (10, 100, 1, 10)
    op, ask = Operation(host, server), host.driver.get_all_volume_usage

    def slow(*args):
        found = ask(*args)
        with volume_usage.ending(op, op.bdms):
            host.driver.counted[VOLUME % 1] = (11, 110, 1, 10)
        return found
    host.driver.get_all_volume_usage = slow
    host.poll()
    assert recorded() == {server.uuid: ((10, 100, 1, 10), NOTHING)}


def test_a_look_meanwhile_knows_more_than_the_last_word(host, server):
    """The host looked between the last question and the end of the counters."""
    host.driver.counted[VOLUME % 1] = (10, 100, 1, 10)
    op = Operation(host, server)
    with volume_usage.ending(op, op.bdms):
        host.driver.counted[VOLUME % 1] = (14, 140, 1, 10)
        host.poll()
    assert recorded() == {server.uuid: ((14, 140, 1, 10), NOTHING)}


def test_a_volume_in_the_place_of_another_is_not_charged_with_what_that_did(host, server):
    host.driver.counted[VOLUME % 1] = (10, 100, 1, 10)
    op = Operation(host, server)
    with volume_usage.ending(op, op.bdms):
        pass
    (bdm,) = [bdm for bdm in op.bdms if bdm.volume_id]
    bdm.volume_id = VOLUME % 2
    bdm.save()
    host.driver.counted[VOLUME % 1] = (11, 110, 1, 10)     # of the disk
    volume_usage.goes_on(op, bdm)
    host.driver.counted = {VOLUME % 2: (15, 150, 1, 10)}
    host.poll()
    assert recorded(1) == {server.uuid: ((10, 100, 1, 10), NOTHING)}
    assert recorded(2) == {server.uuid: ((-11, -110, -1, -10), (15, 150, 1, 10))}, 'together what was done to it'


def test_the_totals_of_a_volume_go_along_to_the_next_server_and_are_of_all_that_share_it(host, server):
    host.driver.counted[VOLUME % 1] = (10, 100, 1, 10)
    host.poll()
    other, at = 'a0000000-0000-4000-8000-000000000000', datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    reading = {'volume_id': VOLUME % 1, 'instance_uuid': other, 'project_id': 'p', 'user_id': 'u',
               'availability_zone': 'zone-2', 'at': at.timestamp(), 'ended_at': None,
               'counted': {'reads': 2, 'read_bytes': 20, 'writes': 0, 'write_bytes': 0}}
    (found,) = objects.VolumeUsageList.record(make.admin(), [reading])
    assert (found.reads, found.read_bytes, found.writes, found.write_bytes) == (12, 120, 1, 10)
    assert (found.instance_uuid, found.availability_zone, found.last_refreshed) == (other, 'zone-2', at)
    assert recorded()[other] == (NOTHING, (2, 20, 0, 0))


def test_statements_do_not_grow_with_volumes(host, server, statements):
    def cost():
        with statements() as ran:
            host.poll()
        return len(ran)
    host.driver.counted = {VOLUME % number: (1, 1, 1, 1) for number in range(9)}
    assert cost() == 4, 'volumes, servers, what is known, what is new'
    assert cost() == 3, 'nothing changed'
    attach(server, 2, 3, 4, 5)
    assert cost() == 4
    assert cost() == 3
    host.driver.counted = {VOLUME % number: (2, 2, 2, 2) for number in range(9)}
    assert cost() == 4
    assert recorded(5) == {server.uuid: (NOTHING, (2, 2, 2, 2))}


def test_where_nobody_wants_it_it_costs_nothing(host, server, statements):
    CONF.set_override('volume_usage_poll_interval', 0)
    op = Operation(host, server)
    with statements() as ran:
        with volume_usage.ending(op, op.bdms):
            pass
        volume_usage.goes_on(op, op.bdms[0])
        volume_usage.forget(op.context, VOLUME % 1)
    assert (ran, host.driver.asked) == ([], [])


def test_a_driver_that_cannot_say_is_asked_and_that_is_all(host, server):
    def cannot(*_args):
        raise NotImplementedError
    host.driver.get_all_volume_usage = host.driver.block_stats = cannot
    host.poll()
    op = Operation(host, server)
    with volume_usage.ending(op, op.bdms):
        pass
    assert recorded() == {}


@pytest.fixture
def conductor():
    return type('Conductor', (), {'volume': volume.API()})


def sweep(conductor, age=datetime.timedelta(days=2)):
    """What the conductor looks at when nobody looked at volumes for so long."""
    with db.session.writer(make.admin()) as conn:
        usage = db.volume_usage.usage
        conn.execute(usage.update().where(usage.c.deleted == 0).values(updated_at=db.types.utcnow() - age))
    return set(janitor.sweep(conductor, nova_context.get_admin_context()))


def free_volume(server):
    """The id of a volume that was used, and that no server has any more."""
    made = objects.Volume.create(make.admin(), {'size_gb': 1, 'status': 'available'})
    reading = {'volume_id': made.id, 'instance_uuid': server.uuid, 'project_id': 'p', 'user_id': 'u',
               'availability_zone': None, 'at': 1e9, 'ended_at': 1e9,
               'counted': {'reads': 2, 'read_bytes': 20, 'writes': 0, 'write_bytes': 0}}
    objects.VolumeUsageList.record(make.admin(), [reading])
    return made.id


def known():
    with db.session.reader(make.admin()) as conn:
        usage = db.volume_usage.usage
        return set(conn.execute(sa.select(usage.c.volume_id).where(usage.c.deleted == 0)).scalars())


def test_a_volume_that_was_deleted_elsewhere_is_forgotten(host, server, conductor):
    deleted, there = free_volume(server), free_volume(server)
    host.driver.counted[VOLUME % 1] = (10, 100, 1, 10)      # of this one a server says that it has it
    host.poll()
    conductor.volume.delete(make.admin(), deleted)
    assert sweep(conductor, datetime.timedelta()) == set(), 'not before it is old'
    assert sweep(conductor) == {deleted, there}
    assert known() == {there, VOLUME % 1}
    assert set(janitor.sweep(conductor, nova_context.get_admin_context())) == set(), 'not again on the same day'
    moved, _more = archive.archive(make.admin())
    assert moved['volume_usage_cache'] == 1


def test_volumes_are_not_forgotten_while_the_service_does_not_answer(host, server, conductor):
    volume_id = free_volume(server)

    def away(*_args):
        raise exception.CinderConnectionFailed(reason='it is away')
    conductor.volume = type('Volume', (), {'get': away})()
    assert sweep(conductor) == set()
    assert known() == {volume_id}


def test_a_volume_that_is_to_be_deleted_with_its_server_and_is_not_there_is_forgotten(host, server):
    host.driver.counted[VOLUME % 1] = (10, 100, 1, 10)
    host.poll()
    host.volume = volume.API()
    volumes._delete(host, make.admin(), VOLUME % 1)
    assert recorded() == {}


def test_a_volume_that_is_deleted_is_forgotten_and_archived(host, server):
    host.driver.counted[VOLUME % 1] = (10, 100, 1, 10)
    host.poll()
    host.volume = type('Volume', (), {'delete': lambda *_args: None})
    volumes._delete(host, make.admin(), VOLUME % 1)
    assert recorded() == {}
    moved, _more = archive.archive(make.admin())
    assert moved['volume_usage_cache'] == 1
