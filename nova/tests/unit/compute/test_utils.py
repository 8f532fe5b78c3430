# SPDX-License-Identifier: Apache-2.0
"""The helpers that the module reference names, in both of its forms."""

import pytest
from oslo_utils import timeutils

from nova import exception, objects
from nova.compute import block_devices, power_state, records, states, task_states, utils
from nova.tests import database as make


@pytest.fixture
def server(database):
    return make.server()


@pytest.fixture
def action(server):
    context = make.member()
    records.order(context, server, states.ACTIONS['stop'], 'nova-compute', 'h1', 'stop_instance')
    return context


def events(context, server):
    found = objects.InstanceAction.get_by_request_id(make.admin(), server.uuid, context.request_id)
    return [(event.event, event.result) for event in found.events]


def caught(error):
    """`sys.exc_info()` of an exception that was raised."""
    with pytest.raises(type(error)) as raised:
        raise error
    return raised.type, raised.value, raised.tb


@pytest.mark.parametrize('before', [(), (object(),)])
def test_a_step_is_recorded(server, action, before):
    with utils.EventReporter(action, *before, 'hook_look', server.uuid):
        assert events(action, server) == [('hook_look', None)]
    assert events(action, server) == [('hook_look', 'Success')]


def test_a_step_that_fails_is_recorded_with_its_traceback(server, action):
    with pytest.raises(ValueError, match='no'), utils.EventReporter(action, 'hook_look', server.uuid):
        raise ValueError('no')
    found = objects.InstanceAction.get_by_request_id(make.admin(), server.uuid, action.request_id).events[0]
    assert found.result == 'Error'
    assert 'ValueError: no' in found.traceback
    assert found.finish_time >= found.start_time


def test_a_server_that_the_request_is_not_about_is_passed_over(server):
    with utils.EventReporter(make.member(), 'hook_look', server.uuid) as reporter:
        assert reporter.event_name == 'hook_look'


def test_values_of_actions(server):
    context = make.member()
    assert utils.pack_action_start(context, 'u', 'pause')['action'] == 'pause'
    assert utils.pack_action_start(context, 'u', 'pause')['request_id'] == context.request_id
    assert set(utils.pack_action_finish(context, 'u')) == {'instance_uuid', 'request_id', 'finish_time'}
    assert set(utils.pack_action_event_start(context, 'u', 'e')) == {'event', 'instance_uuid', 'request_id',
                                                                    'start_time'}
    assert utils.pack_action_event_finish(context, 'u', 'e')['result'] == 'Success'
    failed = utils.pack_action_event_finish(context, 'u', 'e', *caught(ValueError('no'))[1:])
    assert (failed['result'], failed['message']) == ('Error', 'no')
    assert 'raise error' in failed['traceback']


@pytest.mark.parametrize('before', [(), (object(),)])
def test_a_fault_is_what_a_server_in_error_shows(server, before):
    server.vm_state = 'error'
    server.save()
    utils.add_instance_fault_from_exc(make.admin(), *before, server, exception.NoValidHost(reason='full'))
    error = RuntimeError('secret')
    utils.add_instance_fault_from_exc(make.admin(), server, error, caught(error))
    fault = objects.Instance.get_by_uuid(make.admin(), server.uuid, with_=('fault',)).fault
    assert (fault.code, fault.message) == (500, 'RuntimeError')
    assert 'raise error' in fault.details


def test_exceptions_as_dictionaries():
    assert utils.exception_to_dict(RuntimeError('secret'))['message'] == 'RuntimeError'
    told = utils.exception_to_dict(exception.NotFound('x', code=404))
    assert (told['message'], told['code']) == ('x', 404)


def test_device_names(server):
    bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(make.admin(), server.uuid).objects
    assert utils.get_device_name_for_instance(server, bdms, None) == '/dev/vdb'
    assert utils.get_device_name_for_instance(make.admin(), server, bdms, '/dev/vdz') == '/dev/vdz'
    assert utils.get_next_device_name(server, ['/dev/vdb']) == '/dev/vdc'
    assert utils.get_next_device_name(server, [], device='/dev/xvdd') == '/dev/vdd'
    assert utils.get_next_device_name(server, [], '/dev/sda1', '/dev/vdd') == '/dev/sdd'
    with pytest.raises(exception.InvalidInput, match='/dev/sdb is taken'):
        utils.get_next_device_name(server, ['/dev/vdb'], device='/dev/sdb')
    with pytest.raises(exception.InvalidInput, match='every name'):
        utils.get_next_device_name(server, [f'/dev/vd{letter}' for letter in 'abcdefghijklmnopqrstuvwxyz'])


def test_missing_device_names_are_given(server):
    context = make.admin()
    (root,) = objects.BlockDeviceMappingList.get_by_instance_uuid(context, server.uuid).objects
    flavor = objects.Flavor(context, ephemeral_gb=1, swap=1, root_gb=1)
    others = [objects.BlockDeviceMapping.create(context, {**row, 'instance_uuid': server.uuid, 'deleted': 0})
              for row in block_devices.of_request(flavor, 'image')[1:]]
    utils.default_device_names_for_instance(server, '/dev/vda', [root], others)
    found = objects.BlockDeviceMappingList.get_by_instance_uuid(context, server.uuid)
    assert sorted(bdm.device_name for bdm in found) == ['/dev/vda', '/dev/vdb', '/dev/vdc']
    assert root.device_name == '/dev/vda'


def test_addresses():
    assert '127.0.0.1' in utils.get_machine_ips()


@pytest.mark.parametrize('task, power, kind', [
    (task_states.REBOOTING, power_state.RUNNING, 'SOFT'), (task_states.REBOOTING_HARD, power_state.RUNNING, 'HARD'),
    (task_states.REBOOTING, power_state.SHUTDOWN, 'HARD'), (None, power_state.RUNNING, 'HARD')])
def test_kinds_of_reboot(task, power, kind):
    assert utils.get_reboot_type(task, power) == kind


def test_system_metadata(server):
    server.system_metadata = {'count': '3', 'word': 'x', 'shelved_at': 'then', 'shelved_host': 'h'}
    assert utils.get_value_from_system_metadata(server, 'count', int, 0) == 3
    assert utils.get_value_from_system_metadata(server, 'word', int, 7) == 7
    assert utils.get_value_from_system_metadata(server, 'none', int, 8) == 8
    utils.remove_shelved_keys_from_system_metadata(server)
    assert server.system_metadata == {'count': '3', 'word': 'x'}
    assert utils.get_nw_info_for_instance(server) == []
    with utils.UnlimitedSemaphore() as free:
        assert free.balance == 0


def test_the_use_of_a_volume():
    counts = {f'{kind}_{name}': 1 for kind in ('tot', 'curr') for name in (
        'reads', 'read_bytes', 'writes', 'write_bytes')}
    told = utils.usage_volume_info({'volume_id': 'v', 'project_id': 'p', 'tot_last_refreshed': None, **counts})
    assert (told['volume_id'], told['tenant_id'], told['last_refreshed'], told['reads']) == ('v', 'p', '', 2)


def test_the_audit_is_recorded(database):
    context = make.admin()
    begin, end, now = map(timeutils.parse_strtime, (
        '2020-01-01T00:00:00.0', '2020-02-01T00:00:00.0', '2020-02-14T00:00:00.0'))
    assert not utils.has_audit_been_run(context, 'h1', now)
    assert utils.start_instance_usage_audit(context, None, begin, end, 'h1', 3)
    assert utils.has_audit_been_run(context, object(), 'h1', now)
    assert not utils.has_audit_been_run(context, 'h2', now)
    utils.finish_instance_usage_audit(context, None, begin, end, 'h1', 1, 'one failed')
    (row,) = objects.TaskLogList.get_all(context, 'instance_usage_audit', begin, end)
    assert (row.state, row.task_items, row.errors, row.message) == ('DONE', 3, 1, 'one failed')
    assert not utils.start_instance_usage_audit(context, None, begin, end, 'h1', 3)
