# SPDX-License-Identifier: Apache-2.0
"""The functions of `nova.compute.utils` that tell something."""

import pytest

from nova.compute import utils
from nova.conf import CONF
from nova.tests import database as make


@pytest.fixture
def server(database):
    return make.server()


@pytest.mark.parametrize('before', [(), (object(),)])
def test_a_notification_by_hand(server, telling, before):
    heard = telling()
    utils.notify_about_instance_usage(*before, make.member(), server, 'hook.end', extra_usage_info={'state': 'odd'},
                                      system_metadata={'image_x': 'y'}, host='h7')
    told = heard.payload('compute.instance.hook.end')
    assert (told['state'], told['image_meta'], told['instance_id']) == ('odd', {'x': 'y'}, server.uuid)
    assert heard[0][1:3] == ('INFO', 'compute.h7')


def test_an_error_by_hand(server, telling):
    heard = telling()
    utils.notify_about_instance_usage(make.member(), server, 'hook.error', fault=ValueError('secret'))
    assert heard.listen()[0][1] == 'ERROR'
    assert (heard[0][3]['exception'], heard[0][3]['message'], heard[0][3]['code']) == ('ValueError', 'ValueError', 500)


def test_use_is_told_in_both_forms(server, telling):
    heard = telling()
    utils.notify_usage_exists(object(), make.member(), server, current_period=True)
    assert heard.types() == ['instance.exists', 'compute.instance.exists']
    told = heard.payload('compute.instance.exists')
    assert told['audit_period_beginning'] < told['audit_period_ending']
    assert told['bandwidth'] == {}
    utils.notify_usage_exists(make.member(), server, extra_usage_info={'note': 'mine'})
    assert heard.listen()[-1][3]['note'] == 'mine'


def test_other_things_by_hand(telling, messages):
    heard = telling()
    utils.notify_about_aggregate_update(make.admin(), 'create.end', {'aggregate_id': 7, 'name': 'a'})
    utils.notify_about_host_update(make.admin(), 'set_enabled.end', {'host_name': 'h1'})
    utils.notify_about_server_group_update(make.admin(), 'create', {'server_group_id': 'g'})
    utils.notify_about_aggregate_update(make.admin(), 'create.end', {'name': 'without a number'})
    assert [each[:3] for each in heard.listen()] == [
        ('aggregate.create.end', 'INFO', 'aggregate.7'), ('HostAPI.set_enabled.end', 'INFO', 'HostAPI.h1'),
        ('servergroup.create', 'INFO', 'servergroup.g')]


def test_nothing_is_made_where_nobody_listens(server, messages, monkeypatch):
    monkeypatch.setattr('nova.notifications.legacy.of_server', lambda *_args: pytest.fail('made'))
    utils.notify_about_instance_usage(make.member(), server, 'hook.end')
    utils.notify_usage_exists(make.member(), server)
    assert CONF.notifications.notification_format == 'unversioned'
