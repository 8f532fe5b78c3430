# SPDX-License-Identifier: Apache-2.0
"""Hosts on which builds fail, one after the other or side by side."""

import pytest

from nova import concurrency, db, objects
from nova import context as nova_context
from nova.compute import resource_tracker
from nova.conf import CONF
from nova.db import session
from nova.tests import database as make

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
