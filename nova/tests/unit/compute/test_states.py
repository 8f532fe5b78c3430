# SPDX-License-Identifier: Apache-2.0
"""The state table: each cell of it, and the statuses."""

import types

import pytest

from nova import exception
from nova.compute import states, task_states, vm_states
from nova.tests.database import admin, member


def instance(**values):
    plain = {'flavor': types.SimpleNamespace(extra_specs={}), 'image_meta': types.SimpleNamespace(properties={})}
    return types.SimpleNamespace(**{**plain, 'uuid': 'u', 'vm_state': vm_states.ACTIVE, 'task_state': None,
                                    'launched_at': 1, 'locked': False, 'host': 'h', 'system_metadata': {}, **values})


@pytest.mark.parametrize('name', sorted(states.ACTIONS))
def test_each_action_is_allowed_from_exactly_its_vm_states(name):
    action = states.ACTIONS[name]
    task = action.tasks[0] if action.tasks else None
    for vm_state in vm_states.ALL:
        server = instance(vm_state=vm_state, task_state=task)
        if action.vm is None or vm_state in action.vm:
            assert states.require(member(), server, name) is action
        else:
            with pytest.raises(exception.InstanceInvalidState, match=f"'{name}'.* vm_state {vm_state}"):
                states.require(member(), server, name)


@pytest.mark.parametrize('name', sorted(name for name, action in states.ACTIONS.items() if action.tasks is not None))
def test_each_action_looks_at_what_is_going_on(name):
    action = states.ACTIONS[name]
    vm_state = action.vm[0] if action.vm else vm_states.ACTIVE
    others = {value for key, value in vars(task_states).items() if key.isupper() and isinstance(value, str)}
    for task in others - set(action.tasks):
        with pytest.raises(exception.InstanceInvalidState, match=f'task_state {task}'):
            states.require(member(), instance(vm_state=vm_state, task_state=task), name)


def test_a_locked_server_refuses_members_and_obeys_administrators():
    for name, action in states.ACTIONS.items():
        server = instance(vm_state=action.vm[0] if action.vm else vm_states.ACTIVE, locked=True,
                          task_state=action.tasks[0] if action.tasks else None)
        assert states.require(admin(), server, name)
        if action.lock:
            with pytest.raises(exception.InstanceIsLocked):
                states.require(member(), server, name)
        else:
            assert states.require(member(), server, name)


@pytest.mark.parametrize('specs, properties', [({'hw:tpm_version': '2.0'}, {}), ({}, {'hw_tpm_version': '1.2'})])
def test_the_state_of_a_trusted_platform_module_is_not_lost_unasked(specs, properties):
    server = instance(flavor=types.SimpleNamespace(extra_specs=specs),
                      image_meta=types.SimpleNamespace(properties=properties))
    for name in ('shelve', 'evacuate'):
        with pytest.raises(exception.InstanceInvalidState, match=f"'{name}' not supported for vTPM-enabled instance"):
            states.require(admin(), server, name)
    for name in ('resize', 'migrate', 'live_migrate', 'rebuild', 'rescue', 'reboot_hard', 'suspend'):
        assert states.require(admin(), server, name)


def test_a_server_that_was_never_launched_or_has_no_host():
    with pytest.raises(exception.InstanceInvalidState, match='launched_at'):
        states.require(member(), instance(launched_at=None), 'stop')
    with pytest.raises(exception.InstanceNotReady):
        states.require(member(), instance(host=None), 'get_console_output')


@pytest.mark.parametrize('vm_state, task_state, status', [
    ('active', None, 'ACTIVE'), ('active', 'powering-off', 'ACTIVE'), ('active', 'rebooting', 'REBOOT'),
    ('active', 'reboot_started_hard', 'HARD_REBOOT'), ('active', 'updating_password', 'PASSWORD'),
    ('building', 'spawning', 'BUILD'), ('stopped', None, 'SHUTOFF'), ('stopped', 'resize_prep', 'RESIZE'),
    ('error', 'rebuilding', 'REBUILD'), ('error', None, 'ERROR'), ('paused', 'migrating', 'MIGRATING'),
    ('resized', 'resize_reverting', 'REVERT_RESIZE'), ('resized', None, 'VERIFY_RESIZE'),
    ('shelved_offloaded', None, 'SHELVED_OFFLOADED'), ('soft-delete', None, 'SOFT_DELETED'), ('x', None, 'UNKNOWN')])
def test_status(vm_state, task_state, status):
    assert states.status(vm_state, task_state) == status


def test_every_status_is_found_again():
    for vm_state, (by_task, default) in states.STATUSES.items():
        for task, status in [*by_task.items(), (None, default)]:
            vms, tasks = states.from_status(status.lower())
            assert vm_state in vms
            assert not tasks or task in tasks
    assert states.from_status('nonsense') == ([], [])
