# SPDX-License-Identifier: Apache-2.0
"""What is recorded of servers while their host goes through them all, and users go on."""

from nova import concurrency

concurrency.monkey_patch()

import types  # noqa: E402  (everything below must be imported patched)

import pytest  # noqa: E402

from nova import objects  # noqa: E402
from nova.compute import power_state, vm_states  # noqa: E402
from nova.compute.manager import ComputeManager  # noqa: E402
from nova.tests import database as make  # noqa: E402
from nova.virt import event  # noqa: E402


class Driver:
    """Says of every guest the same."""

    def __init__(self, state):
        self.state = state

    def get_info(self, instance):
        return types.SimpleNamespace(state=self.state)


def host_that_sees(state):
    manager = ComputeManager.__new__(ComputeManager)
    manager.host, manager.busy, manager.driver = 'h1', set(), Driver(state)
    return manager


def recorded(server):
    return objects.Instance.get_by_uuid(make.admin(), server.uuid)


@pytest.mark.parametrize('before, meanwhile, seen', [
    (vm_states.ACTIVE, vm_states.SHELVED, power_state.SHUTDOWN),
    (vm_states.ACTIVE, vm_states.SOFT_DELETED, power_state.SHUTDOWN),
    (vm_states.STOPPED, vm_states.RESCUED, power_state.RUNNING)])
def test_a_server_whose_turn_comes_late_is_what_it_has_become(database, before, meanwhile, seen):
    """A round over many servers takes long; an action that began and ended meanwhile has the last word."""
    server, host = make.server(vm_state=before), host_that_sees(seen)
    turn = next(host.sync_power_states(make.admin()))
    changed = recorded(server)
    changed.vm_state, changed.power_state = meanwhile, seen
    changed.save()
    host._sync_power_state(make.admin(), turn)
    assert recorded(server).vm_state == meanwhile


def test_a_server_that_left_meanwhile_is_its_new_hosts_business(database):
    server, host = make.server(), host_that_sees(power_state.SHUTDOWN)
    turn = next(host.sync_power_states(make.admin()))
    changed = recorded(server)
    changed.host = 'h2'
    changed.save()
    host._sync_power_state(make.admin(), turn)
    assert (recorded(server).vm_state, recorded(server).power_state) == (vm_states.ACTIVE, power_state.RUNNING)


def test_a_guest_that_stopped_by_itself_is_recorded_as_stopped(database):
    server, host = make.server(), host_that_sees(power_state.SHUTDOWN)
    for turn in host.sync_power_states(make.admin()):
        host._sync_power_state(make.admin(), turn)
    assert recorded(server).vm_state == vm_states.STOPPED


def test_a_guest_that_stopped_during_an_action_is_looked_at_when_that_has_ended(database):
    """An action that has nothing to do with power (a volume, an image) does not record it."""
    server, host = make.server(), host_that_sees(power_state.SHUTDOWN)
    with concurrency.lock(f'server {server.uuid}'):
        host.busy.add(server.uuid)
        host._on_event(event.LifecycleEvent(server.uuid, event.EVENT_LIFECYCLE_STOPPED))
        concurrency.sleep(0.05)
        assert recorded(server).vm_state == vm_states.ACTIVE
        host.busy.discard(server.uuid)
    concurrency.sleep(0.05)
    assert recorded(server).vm_state == vm_states.STOPPED
