# SPDX-License-Identifier: Apache-2.0
"""What is deleted in two transactions is gone from both databases, though the second one met a deadlock."""

import pytest
from oslo_db import exception as db_exc

from nova import db, exception, objects
from nova.tests import database as make


def once(monkeypatch, module, name):
    """The function of a module meets a deadlock at its first call."""
    real, calls = getattr(module, name), []

    def function(*args):
        calls.append(args)
        if len(calls) == 1:
            raise db_exc.DBDeadlock
        return real(*args)
    monkeypatch.setattr(module, name, function)


def test_a_service_and_the_mapping_of_its_host(database, monkeypatch):
    service = objects.Service.register(make.admin(), 'h1', 'nova-compute', 'compute', 'start')
    objects.HostMapping.create_for(make.admin(), 'h1', 1)
    once(monkeypatch, db.mappings, 'delete_host')
    service.destroy()
    with pytest.raises(exception.HostMappingNotFound):
        objects.HostMapping.get_by_host(make.admin(), 'h1')
    with pytest.raises(exception.ServiceNotFound):
        service.destroy()


def test_a_server_group_and_its_lock(database, monkeypatch):
    group = objects.InstanceGroup(make.admin(), name='g', project_id='project', policy='affinity', rules={})
    group.create()
    once(monkeypatch, db.claims, 'forget_group')
    group.destroy()
    with pytest.raises(exception.InstanceGroupNotFound):
        group.destroy()
