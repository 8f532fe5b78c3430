# SPDX-License-Identifier: Apache-2.0
"""Hosts on which builds fail, one after the other or side by side; nodes that come and go."""

import pytest

from nova import concurrency, db, objects
from nova import context as nova_context
from nova.compute import resource_tracker
from nova.conf import CONF
from nova.db import session
from nova.tests import database as make
from nova.virt import fake

LIMIT = 3


@pytest.fixture
def service(database):
    CONF.set_override('consecutive_build_service_disable_threshold', LIMIT, 'compute')
    yield objects.Service.register(make.admin(), 'h1', 'nova-compute', 'compute', 'start')
    CONF.clear_override('consecutive_build_service_disable_threshold', 'compute')


class Tracker(resource_tracker.ResourceTracker):
    """Reports in its own time, as over the wire."""

    def report(self, context):
        concurrency.sleep(0.01)


def is_disabled():
    return objects.Service.get_by_args(make.admin(), 'h1', 'nova-compute').disabled


def test_builds_that_fail_side_by_side_disable_the_host(service):
    tracker = Tracker('h1', None)
    for task in [concurrency.spawn(tracker.build_failed, nova_context.get_admin_context()) for _each in range(5)]:
        task.wait()
    assert is_disabled()


def test_a_host_that_was_enabled_again_and_still_fails_is_disabled_again(service):
    tracker = Tracker('h1', None)
    for _each in range(LIMIT - 1):
        tracker.build_failed(make.admin())
    assert not is_disabled()
    tracker.build_failed(make.admin())
    assert is_disabled()
    with session.writer(make.admin()) as conn:
        db.services.update(conn, service.id, {'disabled': False})
    tracker.build_failed(make.admin())
    assert is_disabled()


class Nodes(fake.FakeDriver):
    """Has the nodes that a test says."""

    names = ()

    def get_available_nodes(self, refresh=False):
        return list(self.names)


class Host:
    """nova-compute on a host, which is started anew now and then."""

    def __init__(self):
        self.driver = Nodes(None)
        self.driver.init_host('h1')
        self.start()

    def start(self):
        self.tracker = resource_tracker.ResourceTracker('h1', self.driver)

    def report(self, *names):
        self.driver.names = names
        self.tracker.report(make.admin())
        return sorted(node.hypervisor_hostname for node in objects.ComputeNodeList.get_by_host(make.admin(), 'h1'))


@pytest.fixture
def host(database):
    return Host()


def claim(server, name):
    node = objects.ComputeNode.get_by_host_and_nodename(make.admin(), 'h1', name)
    assert objects.Claim.make(make.admin(), [{'instance_uuid': server.uuid, 'compute_node_id': node.id, 'host': 'h1',
                                              'node': name, 'vcpus': 1, 'memory_mb': 1, 'disk_gb': 1}])


def test_a_node_that_goes_is_forgotten(host):
    assert host.report('a', 'b') == ['a', 'b']
    assert host.report('a') == ['a']


def test_a_node_that_went_while_the_service_was_down_is_forgotten(host):
    host.report('a', 'b')
    objects.ComputeNode.report(make.admin(), 'h2', 'c', {})
    host.start()
    assert host.report('a') == ['a']
    assert [node.hypervisor_hostname for node in objects.ComputeNodeList.get_by_host(make.admin(), 'h2')] == ['c']


@pytest.mark.parametrize('is_down', [True, False])
def test_a_node_with_servers_stays_as_long_as_they_are_on_it(host, is_down, caplog):
    host.report('a', 'b')
    server = make.server(host='h1', node='b')
    claim(server, 'b')
    if is_down:
        host.start()
    for _again in range(2):
        assert host.report('a') == ['a', 'b']
    warnings = [record for record in caplog.records if record.levelname == 'WARNING' and 'Node b' in record.message]
    assert len(warnings) == 1
    objects.Claim.release(make.admin(), server.uuid)
    assert host.report('a') == ['a']


def test_a_node_that_comes_back_is_told_of_anew_when_it_goes(host, caplog):
    host.report('a', 'b')
    claim(make.server(host='h1', node='b'), 'b')
    for names in (('a',), ('a', 'b'), ('a',)):
        assert host.report(*names) == ['a', 'b']
    assert sum('Node b' in record.message for record in caplog.records if record.levelname == 'WARNING') == 2


def test_a_node_that_an_administrator_has_forgotten_is_not_missed(host, caplog):
    host.report('a', 'b')
    with session.writer(make.admin()) as conn:
        db.compute_nodes.delete_of_host(conn, 'h1')
    assert host.report('a') == ['a']
    assert not [record for record in caplog.records if record.levelname == 'WARNING' and 'Node b' in record.message]
