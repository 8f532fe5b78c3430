# SPDX-License-Identifier: Apache-2.0
"""What operations tell, what it costs where nobody listens, and that telling never stands in the way of doing."""

import datetime
import inspect
import json
import logging
import pathlib
import types

import pytest

from nova import exception, objects, rpc
from nova.compute import manager, operations, records, states, task_states
from nova.conductor import janitor
from nova.conductor import manager as conductor_manager
from nova.conf import CONF
from nova.notifications import base, outbox, servers, table, tell
from nova.tests import database as make
from nova.virt.libvirt import host

SAMPLES = pathlib.Path(__file__).resolve().parents[4] / 'doc' / 'notification_samples'


def service(binary='nova-compute', name='h1'):
    return types.SimpleNamespace(binary=binary, name=name, host=name, start_id='start-1', entered=set(), busy=set())


def order(server, action='stop', method='stop_instance', args=None):
    return records.order(make.member(), server, states.ACTIONS[action], 'nova-compute', server.host, method, args)


def stop(op):
    op.ends(vm_state='stopped', power_state=4)
    op.expects(task_states.POWERING_OFF)


def refuse(op):
    raise exception.InstancePowerOffFailure(reason='it does not want to')


def do(action_id, body=stop):
    operations.run(service(), make.admin(), action_id, 'compute_stop_instance', body)


@pytest.fixture
def server(database):
    return make.server()


# What it costs -------------------------------------------------------------------------------------------------------

@pytest.fixture
def costs(statements, monkeypatch):
    """Runs an operation; what it cost: {statements, messages, payloads}."""
    made = []
    filled = base.Payload.of.__func__

    def counted(cls, about):
        made.append(cls)
        return filled(cls, about)

    def run(server):
        monkeypatch.setattr(base.Payload, 'of', classmethod(counted))
        made.clear()
        before = dict(rpc.COUNTERS.counts)
        with statements() as ran:
            do(order(server))
        return {'statements': len(ran), 'messages': dict(rpc.COUNTERS.counts) != before, 'payloads': len(made)}
    return run


def test_silence_costs_nothing(server, messages, costs, monkeypatch):
    def never(*_args, **_kwargs):
        pytest.fail('something was made although nobody listens')
    monkeypatch.setattr(base.About, '__init__', never)
    monkeypatch.setattr(servers.Operation, '__init__', never)
    monkeypatch.setattr(outbox.Outbox, 'put', never)
    monkeypatch.setattr(outbox.Outbox, '_waiting', never)
    silent = costs(server)
    assert (silent['messages'], silent['payloads']) == (False, 0)
    monkeypatch.undo()
    assert silent['statements'] > 0


def test_telling_reads_nothing_that_is_at_hand(server, messages, costs, request):
    silent = costs(server)
    heard = request.getfixturevalue('telling')(notify_on_state_change=None)
    objects.Instance.get_by_uuid(make.admin(), server.uuid)
    other = make.server(size=objects.Flavor.get_by_flavor_id(make.admin(), '1'))
    told = costs(other)
    assert told['statements'] == silent['statements']
    assert told['messages'] is False
    assert told['payloads'] == 4    # a server and its flavor, twice
    assert heard.types() == ['instance.power_off.start', 'compute.instance.power_off.start',
                             'instance.power_off.end', 'compute.instance.power_off.end']


@pytest.mark.parametrize('drivers, format_, wanted', [
    ([], 'both', []), (['noop'], 'both', []), ([''], 'both', []), (['test'], 'versioned', ['instance.lock']),
    (['test'], 'unversioned', ['compute.instance.lock']),
    (['noop', 'test'], 'both', ['instance.lock', 'compute.instance.lock'])])
def test_which_form_is_sent(server, telling, drivers, format_, wanted):
    CONF.set_override('driver', drivers, group='oslo_messaging_notifications')
    heard = telling(notification_format=format_)
    assert tell.is_enabled() is bool(wanted)
    servers.once(make.member(), 'lock', server)
    assert heard.types() == wanted


def test_before_messages_are_set_up_nothing_is_told(server):
    assert not rpc.is_initialised()
    assert not tell.is_enabled()
    servers.once(make.member(), 'lock', server)


# What operations tell ------------------------------------------------------------------------------------------------

def test_each_phase_once(server, telling):
    heard = telling(notification_format='versioned')
    do(order(server))
    assert heard.types() == ['instance.power_off.start', 'instance.power_off.end']
    begun, ended = heard.payload('instance.power_off.start'), heard.payload('instance.power_off.end')
    assert (begun['state'], begun['task_state'], begun['power_state']) == ('active', 'powering-off', 'running')
    assert (ended['state'], ended['task_state'], ended['power_state']) == ('stopped', None, 'shutdown')
    assert (begun['request_id'], begun['action_initiator_user']) == (ended['request_id'], 'user')
    assert {each[1:3] for each in heard} == {('INFO', 'nova-compute:h1')}


def test_an_error_comes_in_place_of_the_end(server, telling):
    heard = telling(notification_format='versioned')
    do(order(server), refuse)
    assert heard.types() == ['instance.power_off.start', 'instance.power_off.error', 'compute.exception']
    fault = heard.payload('instance.power_off.error')['fault']['nova_object.data']
    assert (fault['exception'], fault['function_name']) == ('InstancePowerOffFailure', 'refuse')
    assert 'it does not want to' in fault['exception_message']
    assert [each[1] for each in heard] == ['INFO', 'ERROR', 'ERROR']


def test_a_deletion_that_comes_meanwhile_is_the_error_of_what_it_ended(server, telling):
    def body(op):
        order(server, 'delete', 'terminate_instance')
        stop(op)
    heard = telling(notification_format='versioned')
    do(order(server), body)
    assert heard.types() == ['instance.power_off.start', 'instance.power_off.error']


def test_what_is_begun_again_is_not_told_again(server, telling):
    def cut_off(op):
        op.action.put_back('restarted')
        stop(op)
    heard = telling(notification_format='versioned')
    action_id = order(server)
    do(action_id, cut_off)
    assert heard.types() == ['instance.power_off.start']
    do(action_id)
    assert heard.types() == ['instance.power_off.start', 'instance.power_off.end']


def test_what_the_janitor_gives_up_ends_with_an_error(server, telling):
    heard = telling()
    action_id = order(server)
    action = objects.InstanceAction.take(make.admin(), action_id, 'nova-compute', 'h1', 'gone', 'e')
    (action,) = objects.InstanceActionList.held_by_host(make.admin(), 'h1', 'nova-compute', 'now')
    janitor.fail(service('nova-conductor', 'c1'), make.admin(), action, 'Host h1 went down.')
    assert heard.types() == ['instance.power_off.error', 'compute.instance.power_off.error']
    assert heard[0][2] == 'nova-compute:h1'
    assert heard.payload('compute.instance.power_off.error')['message'] == 'Host h1 went down.'
    janitor.fail(service('nova-conductor', 'c1'), make.admin(), action, 'again')
    assert len(heard.types()) == 2


def test_parts_of_an_operation_end_with_it(server, telling):
    def body(op):
        op.told.begins('shelve_offload')
        with op.told.span('shutdown'):
            pass
        raise ValueError('no')
    heard = telling(notification_format='versioned')
    do(order(server), body)
    assert heard.types() == [
        'instance.power_off.start', 'instance.shelve_offload.start', 'instance.shutdown.start',
        'instance.shutdown.end', 'instance.shelve_offload.error', 'instance.power_off.error', 'compute.exception']


@pytest.mark.parametrize('wanted, told', [
    (None, []), ('vm_state', [('active', 'stopped', 'powering-off', None)]),
    ('vm_and_task_state', [('active', 'active', None, 'powering-off'), ('active', 'stopped', 'powering-off', None)])])
def test_which_changes_are_told(server, telling, wanted, told):
    heard = telling(notification_format='versioned', notify_on_state_change=wanted)
    do(order(server))
    updates = [each[3]['nova_object.data']['state_update']['nova_object.data'] for each in heard.listen()
               if each[0] == 'instance.update']
    assert [(each['old_state'], each['state'], each['old_task_state'], each['new_task_state'])
            for each in updates] == told


@pytest.mark.parametrize('action, method, event', [
    ('attach_share', 'allow_share', 'share_attach'), ('detach_share', 'deny_share', 'share_detach')])
def test_shares(server, telling, action, method, event):
    heard = telling(notification_format='versioned')
    with_state = make.session.writer
    with with_state(make.admin()) as conn:
        make.db.instances.update(conn, server.uuid, {'vm_state': 'stopped'})
    server.refresh()
    do(order(server, action, method, {'share_id': 'share-1'}), lambda op: None)
    assert heard.types() == [f'instance.{event}.start', f'instance.{event}.end']
    assert heard.payload(f'instance.{event}.end')['share_id'] == 'share-1'


def test_use_of_a_volume_in_both_forms(telling):
    heard = telling()
    at = datetime.datetime(2026, 3, 10, 14, 25, 30, tzinfo=datetime.UTC)
    tell.volume_usage(make.admin(), objects.VolumeUsage(
        volume_id='volume-1', instance_uuid='server-1', project_id='project', user_id='user', availability_zone='zone',
        tot_last_refreshed=at, tot_reads=1, tot_read_bytes=512, tot_writes=0, tot_write_bytes=0,
        curr_last_refreshed=None, curr_reads=2, curr_read_bytes=1024, curr_writes=3, curr_write_bytes=1536), 'h1')
    new, old = heard.listen()
    same = {'volume_id': 'volume-1', 'user_id': 'user', 'availability_zone': 'zone', 'reads': 3, 'read_bytes': 1536,
            'writes': 3, 'write_bytes': 1536}
    assert new[:3] == ('volume.usage', 'INFO', 'nova-compute:h1')
    assert new[3]['nova_object.data'] == {**same, 'instance_uuid': 'server-1', 'project_id': 'project',
                                          'last_refreshed': '2026-03-10T14:25:30Z'}
    assert old == ('volume.usage', 'INFO', 'compute.h1', {
        **same, 'instance_id': 'server-1', 'tenant_id': 'project', 'last_refreshed': '2026-03-10 14:25:30+00:00'})


def test_a_hypervisor_that_is_away(telling):
    heard = telling()
    tell.libvirt_connect_error(make.admin(), '10.0.0.1', ConnectionError('refused'), 'h1')
    assert heard.types() == ['libvirt.connect.error', 'compute.libvirt.error']
    payload = heard.payload('libvirt.connect.error')
    assert (payload['ip'], payload['reason']['nova_object.data']['exception_message']) == ('10.0.0.1', 'refused')


def test_a_daemon_of_hypervisors_that_is_out_of_reach_is_told_of_once(telling, tmp_path, monkeypatch):
    heard = telling(notification_format='versioned')
    there = host.Host(f'qemu+unix:///system?socket={tmp_path}/nobody')
    for _again in range(2):
        with pytest.raises(exception.HypervisorUnavailable):
            there.connection()
    assert heard.types() == ['libvirt.connect.error']
    payload = heard.payload('libvirt.connect.error')
    assert payload['ip'] == CONF.my_ip
    assert payload['reason']['nova_object.data']['exception'] == 'libvirtError'
    # The sample is of this form; no site of the functional tests has such a daemon.
    sample = json.loads((SAMPLES / 'libvirt-connect-error.json').read_text())
    told = heard.whole('libvirt.connect.error')
    assert _keys(sample) == _keys(told)
    # It was there again, and is away once more.
    monkeypatch.setattr(there, '_open', lambda: (None, {}))
    there.connection()
    monkeypatch.undo()
    with pytest.raises(exception.HypervisorUnavailable):
        there.connection()
    assert heard.types() == ['libvirt.connect.error'] * 2


def _keys(value):
    return {name: _keys(each) for name, each in value.items()} if isinstance(value, dict) else None


# The table -----------------------------------------------------------------------------------------------------------

#: Steps that tell nothing of their own: what they are part of does.
SILENT = {'live_migration'}


@pytest.mark.parametrize('binary, concerns', [
    ('nova-compute', manager.CONCERNS), ('nova-conductor', conductor_manager.TASKS)])
def test_every_order_is_in_the_table(binary, concerns):
    orders = {body.order[0] for concern in concerns for body in vars(concern).values() if hasattr(body, 'order')}
    told = {method for known, method in table.OPERATIONS if known == binary}
    assert orders - told - ({'unshelve_instance'} if binary == 'nova-conductor' else set()) == set()
    assert told - orders <= {'schedule_and_build_instances'}
    assert all(table.OPERATIONS[binary, method].event or method in SILENT or binary == 'nova-conductor'
               for method in told)


def test_the_table_names_what_is_there():
    for told in table.OPERATIONS.values():
        for name in (told.event, told.error, told.end, told.undo):
            assert name is None or name in table.EVENTS
        if told.event and told.error is None:
            assert table.ERROR in table.EVENTS[told.event].phases
    for method, name in table.CALLS.items():
        assert name in table.EVENTS
        assert inspect.signature(getattr(manager.ComputeManager, method)).parameters['instance']
    assert all(event.says.endswith('.') and event.payload.__doc__ for event in table.EVENTS.values())


# In nobody's way -----------------------------------------------------------------------------------------------------

def test_a_payload_that_cannot_be_made_stops_nothing_and_is_logged_once(server, telling, monkeypatch, caplog):
    def broken(cls, about):
        raise RuntimeError('a bug')
    heard = telling()
    monkeypatch.setattr(outbox.OUTBOX, '_complained', set())
    monkeypatch.setattr(base.Payload, 'of', classmethod(broken))
    with caplog.at_level(logging.ERROR):
        do(order(server))
    assert objects.Instance.get_by_uuid(make.admin(), server.uuid).vm_state == 'stopped'
    assert heard.types() == []
    assert len([record for record in caplog.records if 'could not be made' in record.message]) == 1


def test_a_driver_that_fails_stops_nothing_and_is_logged_once(server, telling, monkeypatch, caplog):
    def broken(*_args, **_kwargs):
        raise ConnectionError('the broker is away')
    telling()
    monkeypatch.setattr(outbox.OUTBOX, '_complained', set())
    monkeypatch.setattr(outbox.OUTBOX, '_send', broken)
    with caplog.at_level(logging.ERROR):
        do(order(server))
        assert outbox.OUTBOX.flush()
    assert objects.Instance.get_by_uuid(make.admin(), server.uuid).vm_state == 'stopped'
    assert len([record for record in caplog.records if 'could not be sent' in record.message]) == 1


def test_nobody_waits_for_a_broker_and_what_is_too_much_is_lost(caplog):
    box, sent, gate = outbox.Outbox(limit=3), [], outbox.threading.Event()

    def send(context, publisher, event_type, *_more):
        gate.wait(10)
        sent.append(event_type)
    box._send = send
    with caplog.at_level(logging.WARNING):
        box.put(make.admin(), 'p', 0, {}, 'info', versioned=True)
        while not box._queue.empty():
            outbox.time.sleep(0.01)
        for number in range(1, 7):
            box.put(make.admin(), 'p', number, {}, 'info', versioned=True)
    assert not box.flush(0.05)
    gate.set()
    assert box.flush()
    assert sent == [0, 1, 2, 3]
    assert len([record for record in caplog.records if 'are lost' in record.message]) == 1


class Broker:
    """A driver of the library whose broker is away for some messages: it says so in its log only."""

    def __init__(self, away):
        self.away, self.heard = away, []

    def prepare(self, publisher_id):
        return self

    def info(self, context, event_type, payload):
        if self.away:
            self.away -= 1
            error = ConnectionError('nobody there')
            logging.getLogger('oslo_messaging.notify.messaging').error('Could not send', exc_info=error)
        else:
            self.heard.append(event_type)


@pytest.mark.parametrize('retry, heard, says', [(-1, [1, 2], 'Notifications wait'), (0, [2], 'could not be sent')])
def test_what_a_broker_does_not_take_is_tried_again_if_wanted(messages, monkeypatch, caplog, retry, heard, says):
    rpc.notification_drivers()
    CONF.set_override('retry', retry, group='oslo_messaging_notifications')
    monkeypatch.setattr(outbox, '_MOST_PATIENT_S', 0.01)
    box, broker = outbox.Outbox(), Broker(1)
    box._notifiers = {True: [broker]}
    try:
        with caplog.at_level(logging.WARNING):
            for number in (1, 2):
                box.put(make.admin(), 'p', number, {}, 'info', versioned=True)
            assert box.flush()
    finally:
        CONF.clear_override('retry', group='oslo_messaging_notifications')
    assert broker.heard == heard
    assert [says in record.message for record in caplog.records] == [True]


def test_no_secrets_go_with_it(server, telling):
    heard = telling()
    context = make.member()
    context.auth_token, context.service_catalog = 'secret-token', [{'type': 'image'}]
    with pytest.raises(ValueError, match='x'), servers.span(context, 'rescue', server, rescue_image_ref=None):
        raise ValueError('x')
    heard.listen()
    contexts = [context for context, _message, _priority, _retry in outbox_contexts()]
    assert len(contexts) == 4
    assert 'secret-token' not in json.dumps(contexts, default=str)
    assert context.auth_token == 'secret-token'


def outbox_contexts():
    from oslo_messaging.notify import _impl_test
    return _impl_test.NOTIFICATIONS


def test_the_level_of_what_is_no_error(server, telling):
    heard = telling(notification_format='versioned', default_level='WARN')
    do(order(server), refuse)
    assert [each[1] for each in heard.listen()] == ['WARN', 'ERROR', 'ERROR']
