# SPDX-License-Identifier: Apache-2.0
"""A new server is given to a cell with a database of its own; wherever that is cut off, it ends in one place."""

import pytest
import sqlalchemy as sa
from oslo_utils import uuidutils

from nova import context as nova_context
from nova import db, exception, objects
from nova.compute import api as compute_api
from nova.compute import records, states, task_states, vm_states
from nova.conf import CONF
from nova.db import session
from nova.objects import cell as cells
from nova.objects import relocation
from nova.tests import database as make

ORDER = ('nova-compute', 'far1', 'build_and_run_instance')
VALUES = {'host': 'far1', 'node': 'far1', 'vm_state': vm_states.BUILDING, 'task_state': task_states.NETWORKING}


class Killed(BaseException):
    """As if the process ended here: nobody handles it, and what was not committed is rolled back."""


@pytest.fixture(params=['of the configured cell', 'of their own'])
def site(request, database, tmp_path):
    """Global tables in the configured database, or in one of their own."""
    if request.param == 'of their own':
        CONF.set_override('connection', f'sqlite:///{tmp_path}/global.sqlite', 'api_database')
        db.api.base.Base.metadata.create_all(session.engine(session.api_url()))
    yield
    CONF.clear_override('connection', 'api_database')


@pytest.fixture
def far(site, tmp_path):
    """A cell with a host that has room."""
    cell = make.second_cell(tmp_path)
    with session.writer(there(cell)) as conn:
        db.compute_nodes.insert(conn, {'uuid': uuidutils.generate_uuid(), 'host': 'far1', 'hypervisor_hostname': 'far1',
                                       'supported_hv_specs': [], 'vcpus': 8, 'memory_mb': 8192, 'local_gb': 100})
    return cell


def there(cell):
    with nova_context.target_cell(make.admin(), cell) as context:
        return context


@pytest.fixture
def placing(far):
    """(server, the order as the conductor that places it has it); it has a claim in the cell."""
    (server,), (action_id,) = make.servers()
    with session.writer(make.admin()) as conn:
        db.instances.add_tags(conn, server.uuid, ['one', 'two'])
    with session.writer(there(far)) as conn:
        node = conn.execute(sa.select(db.compute_nodes.compute_nodes.c.id)).scalar()
    objects.Claim.make(there(far), [{'instance_uuid': server.uuid, 'compute_node_id': node, 'host': 'far1',
                                     'node': 'far1', 'vcpus': 1, 'memory_mb': 128, 'disk_gb': 1}])
    return server, take(action_id, 'first')


def take(action_id, start_id):
    return objects.InstanceAction.take(make.admin(), action_id, 'nova-conductor', 'c', start_id, 'placing')


def give(action, cell):
    return relocation.give(make.admin(), action.bare(), cell, ORDER, VALUES, 'Chose far1')


def rows(context, uuid):
    """{table: number of rows of a server} of those that have any."""
    found = {}
    with session.reader(context) as conn:
        known = set(sa.inspect(conn).get_table_names())
        for table in db.main.base.Base.metadata.sorted_tables:
            for name in ('uuid', 'instance_uuid'):
                if table.name in known and name in table.c:
                    count = conn.execute(sa.select(sa.func.count()).where(table.c[name] == uuid)).scalar()
                    found.update({table.name: count} if count else {})
        events = conn.execute(sa.select(sa.func.count()).select_from(db.actions.events)).scalar()
    return {**found, **({'events': events} if events else {})}


#: What the cell has at the end, once.
WHOLE = {'instances': 1, 'tags': 2, 'block_device_mapping': 1, 'instance_actions': 1, 'events': 1, 'claims': 1}


def is_far(server, far):
    """It is in the cell with all that belongs to it, and nothing of it is here."""
    assert rows(make.admin(), server.uuid) == {}
    assert rows(there(far), server.uuid) == WHOLE
    mapping = objects.InstanceMapping.get_by_instance_uuid(make.admin(), server.uuid)
    found = compute_api.API().get(make.member(), server.uuid)
    assert (mapping.cell_id, found.host, found.task_state) == (far.id, 'far1', task_states.NETWORKING)
    (action,) = objects.InstanceActionList.get_by_instance_uuid(there(far), server.uuid)
    assert (action.state, action.binary, action.host, action.method) == ('pending', *ORDER)
    assert (action.owner, action.lease_until, action.attempts) == (None, None, 0)
    assert action.args['request_spec']
    events = objects.InstanceAction.get_by_request_id(there(far), server.uuid, action.request_id).events
    assert [(event.event, event.result, event.details) for event in events] == [('placing', 'Success', 'Chose far1')]
    return action.id


def test_rows_and_order_are_in_the_cell(placing, far):
    server, action = placing
    assert give(action, far) == is_far(server, far)
    assert not relocation.finish(there(far), action)


@pytest.mark.parametrize('cut_off_at', ['_write', '_point'])
def test_who_takes_the_order_again_does_the_rest(placing, far, monkeypatch, cut_off_at):
    server, action = placing
    step = getattr(relocation._Move, cut_off_at)

    def killed(self, *args):
        step(self, *args)
        raise Killed
    monkeypatch.setattr(relocation._Move, cut_off_at, killed)
    with pytest.raises(Killed):
        give(action, far)
    monkeypatch.undo()
    # Until then it is shown once, and may be built there already.
    assert compute_api.API().get(make.member(), server.uuid).uuid == server.uuid
    found, _down = compute_api.API().get_all(make.member())
    assert [each.uuid for each in found] == [server.uuid]
    assert action.put_back('gone')
    again = take(action.id, 'second')
    assert again.attempts == 2
    assert relocation.finish(make.admin(), again)
    is_far(server, far)


def test_nothing_was_begun(placing, far):
    server, action = placing
    assert not relocation.finish(make.admin(), action)
    assert rows(make.admin(), server.uuid)['instances'] == 1


def test_a_cell_that_is_away_may_have_it(placing, far, monkeypatch, tmp_path):
    _server, action = placing
    (tmp_path / 'far.sqlite').rename(tmp_path / 'elsewhere.sqlite')
    session.dispose()
    with pytest.raises(exception.OrderLost):
        relocation.finish(make.admin(), action)


def test_built_and_deleted_there_before_this_was_told(placing, far, monkeypatch):
    server, action = placing

    def killed(self):
        raise Killed
    monkeypatch.setattr(relocation._Move, '_point', killed)
    with pytest.raises(Killed):
        give(action, far)
    monkeypatch.undo()
    (order,) = objects.InstanceActionList.get_by_instance_uuid(there(far), server.uuid)
    taken = objects.InstanceAction.take(there(far), order.id, 'nova-compute', 'far1', 's', 'building')
    assert taken.finish(destroy=True)
    assert action.put_back('gone')
    assert relocation.finish(make.admin(), take(action.id, 'second'))
    assert rows(make.admin(), server.uuid) == {}
    with pytest.raises(exception.InstanceNotFound):
        compute_api.API().get(make.member(), server.uuid)


def test_an_order_that_somebody_else_has_by_now_moves_nothing(placing, far):
    server, action = placing
    assert action.put_back('it took too long')
    assert take(action.id, 'second')
    with pytest.raises(exception.OrderLost):
        give(action, far)
    assert rows(make.admin(), server.uuid)['instances'] == 1
    # The claim was for this try.
    assert rows(there(far), server.uuid) == {}


def test_a_server_that_is_being_deleted_stays(placing, far):
    server, action = placing
    records.order(make.member(), server, states.ACTIONS['delete'], 'nova-conductor', None, 'terminate_instance')
    with pytest.raises(exception.UnexpectedDeletingTaskState):
        give(action, far)
    assert rows(there(far), server.uuid) == {}


def test_a_claim_that_was_given_back_meanwhile_is_missed(placing, far):
    server, action = placing
    objects.Claim.release(there(far), server.uuid)
    with pytest.raises(exception.OrderLost):
        give(action, far)
    assert 'instances' not in rows(there(far), server.uuid)


def test_what_a_user_asks_meanwhile_finds_it_there(placing, far):
    server, action = placing
    compute = compute_api.API()
    known = compute.get(make.member(), server.uuid)
    give(action, far)
    compute.update(make.member(), known, {'display_name': 'renamed'})
    assert compute.get(make.member(), server.uuid).display_name == 'renamed'


def test_urls_say_the_same_place(database):
    same = [('mysql+pymysql://a:b@localhost/nova', 'mysql+pymysql://c@127.0.0.1:3306/nova?charset=utf8'),
            ('postgresql+psycopg2://h/n', 'postgresql://h:5432/n')]
    other = [('mysql+pymysql://a@h/nova', 'mysql+pymysql://a@h/nova_cell1'), ('sqlite:////a', 'sqlite:////b')]
    assert all(session._place(one) == session._place(two) for one, two in same)
    assert not any(session._place(one) == session._place(two) for one, two in other)


def test_a_process_of_one_cell_asks_that_cell_only(far):
    top = session.main_url()
    cell0 = objects.CellMapping(make.admin(), uuid=cells.CELL0_UUID, name='cell0', database_connection=top)
    cell0.create()
    ask, context = objects.CellMappingList.to_ask, make.admin()
    assert [cell and cell.name for cell in ask(context)] == [None, 'far']
    assert (objects.CellMappingList.top(context), objects.CellMappingList.configured(context).name) == (None, 'cell0')
    CONF.set_override('connection', session.api_url(), 'api_database')
    CONF.set_override('connection', far.database_connection, 'database')
    try:
        assert ask(context) == [None]
        assert objects.CellMappingList.top(context).name == 'cell0'
        assert objects.CellMappingList.configured(context).name == 'far'
    finally:
        CONF.clear_override('connection', 'database')
