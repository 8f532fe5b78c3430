# SPDX-License-Identifier: Apache-2.0
"""Tokens of consoles end before another guest may have the port that they lead to."""

import types

import pytest

from nova import exception, objects
from nova.compute import consoles, operations, power_state, power_sync, recovery, task_states, vm_states
from nova.conf import CONF
from nova.tests import database as make
from nova.tests.unit.compute.test_orders import order, service, shown


def token_of(server):
    return objects.ConsoleAuthToken.authorize(make.admin(), {
        'console_type': 'novnc', 'host': '127.0.0.1', 'port': 5900, 'instance_uuid': server.uuid,
        'access_url_base': 'http://proxy:6080/'}, 600)


def opens(token):
    try:
        objects.ConsoleAuthToken.validate(make.admin(), token)
    except exception.ConsoleTokenNotFound:
        return False
    return True


@pytest.mark.parametrize('seen', [power_state.SHUTDOWN, power_state.CRASHED, power_state.SUSPENDED])
def test_of_a_guest_that_let_go_of_it_by_itself(database, seen):
    """Its user starts it again, and it has another port; the old one may be that of a stranger's guest."""
    server = make.server()
    token = token_of(server)
    power_sync.sync(shown(server), seen)
    assert not opens(token)


def test_of_a_guest_that_stands_still_it_stays(database):
    server = make.server()
    token = token_of(server)
    power_sync.sync(shown(server), power_state.PAUSED)
    assert shown(server).vm_state == vm_states.PAUSED
    assert opens(token)


def test_of_a_guest_that_is_started_again_after_a_boot_of_the_host(database):
    CONF.set_override('resume_guests_state_on_host_boot', True)
    server, seen = make.server(), []
    token = token_of(server)
    driver = types.SimpleNamespace(
        get_info=lambda instance: types.SimpleNamespace(state=power_state.RUNNING if seen else power_state.SHUTDOWN),
        resume_state_on_host_boot=lambda *args: seen.append(opens(token)))
    try:
        recovery._repair_one(types.SimpleNamespace(driver=driver, name='h1'), make.admin(), shown(server))
    finally:
        CONF.clear_override('resume_guests_state_on_host_boot')
    assert seen == [False]


@pytest.mark.parametrize('fails', [False, True])
def test_of_a_guest_that_is_stopped_from_the_beginning_to_the_end(database, fails):
    """A rebuild has the guest off for as long as it takes to fetch its image."""
    server, later = make.server(), []
    token = token_of(server)

    def body(op):
        assert not opens(token)
        later.append(token_of(server))
        if fails:
            raise exception.NovaException('it is off, and cannot be started')
        op.ends(vm_state=vm_states.STOPPED)
        op.expects(task_states.POWERING_OFF)
    operations.run(service(), make.admin(), order(make.member(), server), 'compute_stop_instance',
                   consoles.closes(body))
    assert shown(server).task_state is None
    assert not opens(*later)
