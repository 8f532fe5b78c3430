# SPDX-License-Identifier: Apache-2.0
"""Recording new servers, and the quota that is counted while doing so."""

import uuid

import pytest

from nova import context as nova_context
from nova import db, exception, objects
from nova.compute import create, multi_cell
from nova.conf import CONF
from nova.tests import database as make


def mapped(context):
    return objects.Quotas.server_usage(context, context.project_id)


def test_a_request_records_server_disks_order_and_mapping(database):
    (server,), (action_id,) = make.servers()
    found = objects.Instance.get_by_uuid(make.member(), server.uuid)
    assert (found.vm_state, found.task_state, found.flavor.memory_mb) == ('building', 'scheduling', 128)
    assert found.name == f'instance-{server.id:08x}'
    assert objects.BlockDeviceMappingList.get_by_instance_uuid(make.member(), server.uuid).root_bdm().volume_size == 1
    assert objects.RequestSpec.get_by_instance_uuid(make.member(), server.uuid).flavor.vcpus == 1
    assert mapped(make.member()) == {'instances': 1, 'cores': 1, 'ram': 128, 'server_groups': 0}
    assert objects.InstanceActionList.get_by_instance_uuid(make.member(), server.uuid)[0].id == action_id


def test_many_servers_cost_no_more_global_statements_than_one(database, statements):
    size = make.flavor()

    def count(number):
        with statements() as ran:
            make.servers(count=number, size=size)
        return len([text for text in ran if 'instance_mappings' in text or 'request_specs' in text or 'quota' in text])
    assert count(1) == count(8)


def test_names_of_several_servers_are_numbered(database):
    made, _ = make.servers(count=2, name='web')
    assert [server.display_name for server in made] == ['web-1', 'web-2']


def test_over_quota_records_nothing(database):
    CONF.set_override('cores', 3, 'quota')
    try:
        with pytest.raises(exception.TooManyInstances, match='cores.*Requested 4, but already used 0 of 3'):
            make.servers(count=4)
        assert mapped(make.member())['instances'] == 0
        assert not objects.InstanceList.get_by_filters(make.member(), {}).objects
    finally:
        CONF.clear_override('cores', 'quota')


def test_a_deleted_server_leaves_nothing(database):
    server = make.server()
    server.destroy()
    with pytest.raises(exception.InstanceNotFound):
        objects.Instance.get_by_uuid(make.member(), server.uuid)
    assert mapped(make.member())['instances'] == 0
    with pytest.raises(exception.InstanceNotFound):
        server.destroy()


@pytest.mark.parametrize('name, host_name', [
    ('Web Server_1', 'web-server-1'), ('x' * 80, 'x' * 63), ('ünder', 'nder'), ('...', 'server-u'), ('-a-', 'a')])
def test_host_names(name, host_name):
    assert create.host_name_of(name, 'u') == host_name


def move_to(cell, uuids):
    """Move servers' rows to another cell, as the conductor will."""
    with make.session.reader(make.admin()) as conn:
        rows = [{**row, 'id': None} for row in db.instances.by_uuids(conn, uuids)]
    with nova_context.target_cell(make.admin(), cell) as there, db.session.writer(there) as conn:
        for row in rows:
            db.instances.insert_one(conn, {key: value for key, value in row.items() if key != 'id'})
    with db.session.writer(make.admin()) as conn:
        conn.execute(db.instances.instances.delete().where(
            db.instances.instances.c.uuid.in_(uuids)))
    with make.session.api_writer(make.admin()) as conn:
        for uuid in uuids:
            make.db.mappings.update_instance(conn, uuid, {'cell_id': cell.id})


class TestList:
    def test_filters_sorting_and_pages(self, database):
        size = make.flavor()
        for index, name in enumerate(('b', 'a', 'c', 'a2')):
            make.servers(name=name, size=size, vm_state='active' if index else 'error')
        find = objects.InstanceList.get_by_filters
        names = lambda *a, **k: [server.display_name for server in find(make.member(), *a, **k)]   # noqa: E731
        assert names({}) == ['a2', 'c', 'a', 'b']
        assert names({'name': '^a'}, ['display_name'], ['asc']) == ['a', 'a2']
        assert names({'vm_state': ['error']}) == ['b']
        first = find(make.member(), {}, ['display_name'], ['asc'], limit=2)
        assert [server.display_name for server in first] == ['a', 'a2']
        assert names({}, ['display_name'], ['asc'], 2, first[-1].uuid) == ['b', 'c']
        with pytest.raises(exception.MarkerNotFound):
            names({}, marker='nobody')
        with pytest.raises(exception.InvalidSortKey):
            names({}, ['nonsense'])
        with pytest.raises(exception.InvalidInput, match='regular expression'):
            names({'name': '('})

    def test_two_cells_are_one_list(self, database, tmp_path):
        cell = make.second_cell(tmp_path)
        size = make.flavor()
        made = []
        for index in range(6):
            (server,), _ = make.servers(size=size, name=f's{index}')
            made.append(server.uuid)
        move_to(cell, made[1::2])
        found, down, marker = [], [], None
        while True:
            page, down = multi_cell.list_servers(make.member(), {}, 2, marker, ['display_name'], ['asc'], (), None)
            found += [server.display_name for server in page]
            if len(page) < 2:
                break
            marker = page[-1].uuid
        assert found == [f's{index}' for index in range(6)]
        assert not down
        # A deleted server is a marker as good as any.
        with nova_context.target_cell(make.admin(), cell) as there:
            objects.Instance.get_by_uuid(there, made[1]).destroy()
        rest, _down = multi_cell.list_servers(make.member(), {}, 2, made[1], ['display_name'], ['asc'], (), None)
        assert [server.display_name for server in rest] == ['s2', 's3']
        with pytest.raises(exception.MarkerNotFound):
            multi_cell.list_servers(make.member(), {}, 2, 'nobody', None, None, (), None)

    @pytest.mark.parametrize('count', [1, 9])
    def test_a_list_takes_the_same_number_of_statements_for_any_number_of_servers(self, database, statements, count):
        make.servers(count=count, vm_state='error')
        with statements() as ran:
            found = objects.InstanceList.get_by_filters(make.member(), {}, with_=('tags', 'fault', 'volumes'))
        assert len(found) == count
        # None has tags or volumes, as their rows tell.
        assert len(ran) == 2


def test_what_a_view_shows_of_a_server_is_two_statements_at_most(database, statements):
    (server,), _ = make.servers(name='web')
    everything = ('tags', 'volumes', 'fault', 'service')
    with statements() as ran:
        found = objects.Instance.get_by_uuid(make.member(), server.uuid, with_=everything)
    assert (found.tags, found.volumes, found.service, len(ran)) == ([], [], None, 1)
    with db.session.writer(make.admin()) as conn:
        db.instances.add_tags(conn, server.uuid, ['b', 'a'])
        db.block_devices.insert(conn, [
            {'uuid': str(uuid.uuid4()), 'instance_uuid': server.uuid, 'source_type': 'volume', 'volume_id': volume,
             'destination_type': 'volume', 'delete_on_termination': goes}
            for volume, goes in (('v2', True), ('v1', False))])
        db.instances.update(conn, server.uuid, {'host': 'one'})
        for host in ('one', 'two'):
            db.services.insert(conn, {'uuid': str(uuid.uuid4()), 'host': host, 'binary': 'nova-compute',
                                           'disabled': host == 'one'})
    with statements() as ran:
        found = objects.Instance.get_by_uuid(make.member(), server.uuid, with_=everything)
    assert (found.tags, found.volumes, len(ran)) == (['a', 'b'], [('v2', True), ('v1', False)], 2)
    assert (found.service.host, found.service.disabled, found.service.forced_down) == ('one', True, False)
    (listed,) = objects.InstanceList.get_by_filters(make.member(), {}, with_=('tags', 'volumes'))
    assert (listed.tags, listed.volumes) == (found.tags, found.volumes)
