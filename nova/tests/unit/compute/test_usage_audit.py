# SPDX-License-Identifier: Apache-2.0
"""Periods of the audit, and what a host writes down of one."""

import datetime

import pytest
from oslo_serialization import jsonutils

from nova import context as nova_context
from nova import objects
from nova.compute import usage_audit
from nova.conductor import manager
from nova.conf import CONF
from nova.objects import base
from nova.tests import database as make

NOW = datetime.datetime(2026, 3, 10, 14, 25, 30)   # noqa: DTZ001  naive UTC, as the databases have it


@pytest.mark.parametrize('unit, begin, end', [
    ('hour', '2026-03-10 13:00', '2026-03-10 14:00'), ('hour@10', '2026-03-10 13:10', '2026-03-10 14:10'),
    ('hour@30', '2026-03-10 12:30', '2026-03-10 13:30'), ('day', '2026-03-09 00:00', '2026-03-10 00:00'),
    ('day@15', '2026-03-08 15:00', '2026-03-09 15:00'), ('month', '2026-02-01 00:00', '2026-03-01 00:00'),
    ('month@15', '2026-01-15 00:00', '2026-02-15 00:00'), ('month@31', '2026-01-28 00:00', '2026-02-28 00:00'),
    ('year', '2025-01-01 00:00', '2026-01-01 00:00'), ('year@4', '2024-04-01 00:00', '2025-04-01 00:00')])
def test_the_last_period(unit, begin, end):
    assert [str(moment) for moment in usage_audit.last_completed_period(NOW, unit)] == [f'{begin}:00', f'{end}:00']


def test_a_period_that_ends_now_has_ended():
    at = datetime.datetime(2026, 3, 1)     # noqa: DTZ001  as above
    assert usage_audit.last_completed_period(at, 'month')[1] == at


@pytest.fixture
def servers(database):
    """Two servers of host `one` that ran in the last hour, and one that is elsewhere."""
    CONF.set_override('instance_usage_audit_period', 'hour')
    (first, second, other), _orders = make.servers(count=3, size=make.flavor())
    for server, host in ((first, 'one'), (second, 'one'), (other, 'two')):
        server.host = host
        server.launched_at = usage_audit.last_completed_period()[0].replace(tzinfo=datetime.UTC)
        server.save()
    yield first, second
    CONF.clear_override('instance_usage_audit_period')


def test_a_host_audits_its_servers_once_and_counts_errors(servers):
    context, seen = nova_context.get_admin_context(), []

    def exists(context, server, begin, end):
        seen.append(server.uuid)
        if server.uuid == servers[0].uuid:
            raise ValueError('told to fail')
    usage_audit.run('one', context, exists)
    usage_audit.run('one', context, exists)
    assert sorted(seen) == sorted(server.uuid for server in servers)
    found = usage_audit.summary(context)
    assert found['log'] == {'one': {'state': 'DONE', 'instances': 2, 'errors': 1,
                                    'message': 'Audited 2 servers, 1 of them with errors'}}
    assert found['overall_status'] == 'ALL hosts done. 1 errors.'


def test_an_audit_that_was_cut_off_is_done_again(servers):
    context, seen = nova_context.get_admin_context(), []
    begin, end = usage_audit.last_completed_period()
    assert objects.TaskLog.begin(context, usage_audit.TASK, 'one', begin, end)
    assert usage_audit.summary(context)['num_hosts_running'] == 1
    usage_audit.run('one', context, lambda context, server, begin, end: seen.append(server.uuid))
    assert len(seen) == 2
    assert usage_audit.summary(context)['num_hosts_done'] == 1


class Wire:
    """The conductor, as a host without a database has it: all that is said to it, and by it, crosses as JSON."""

    def __init__(self, monkeypatch):
        self._conductor = manager.ConductorManager.__new__(manager.ConductorManager)
        self._monkeypatch = monkeypatch

    def _cross(self, what):
        serializer = base.NovaObjectSerializer()
        context = nova_context.get_admin_context()
        return serializer.deserialize_entity(context, jsonutils.loads(jsonutils.dumps(
            serializer.serialize_entity(context, what))))

    def object_class_action_versions(self, context, objname, objmethod, object_versions, args, kwargs):
        with self._monkeypatch.context() as there:
            there.setattr(base.NovaObject, 'indirection_api', None)
            return self._cross(self._conductor.object_class_action_versions(
                context, objname, objmethod, object_versions, *self._cross([args, kwargs])))


def test_a_host_without_a_database_audits_its_servers(servers, monkeypatch):
    context, seen = nova_context.get_admin_context(), []
    with monkeypatch.context() as host:
        host.setattr(base.NovaObject, 'indirection_api', Wire(monkeypatch))
        usage_audit.run('one', context, lambda context, server, begin, end: seen.append(server.uuid))
        usage_audit.run('one', context, lambda *a: pytest.fail('this was done'))
    assert sorted(seen) == sorted(server.uuid for server in servers)
    log = usage_audit.summary(context)['log']['one']
    assert (log['state'], log['instances'], log['errors']) == ('DONE', 2, 0)
