# SPDX-License-Identifier: Apache-2.0
"""What becomes due, and is ordered when the host can do it."""

import datetime
import types

import pytest

from nova import db, objects
from nova.conductor import due
from nova.conf import CONF
from nova.db import session
from nova.objects import migration as migration_obj
from nova.tests import database as make

LONG_AGO = datetime.datetime(2020, 1, 1)    # noqa: DTZ001  as the database keeps it
MANAGER = types.SimpleNamespace(compute_rpcapi=types.SimpleNamespace(ring=lambda *args: None))


@pytest.fixture
def windows():
    names = ('shelved_offload_time', 'resize_confirm_window')
    for name in names:
        CONF.set_override(name, 60)
    yield
    for name in names:
        CONF.clear_override(name)


def service(seen):
    with session.writer(make.admin()) as conn:
        db.services.insert(conn, {'uuid': f'service {seen}', 'host': 'h1', 'binary': 'nova-compute',
                                  'last_seen_up': seen})


def shelved():
    return make.server(vm_state='shelved', system_metadata={'shelved_at': LONG_AGO.isoformat()})


def resized():
    server = make.server(vm_state='resized')
    with session.writer(make.admin()) as conn:
        db.migration_records.insert(conn, migration_obj.new_values(
            make.admin(), server, 'resize', 'finished', uuid=f'm {server.uuid[:8]}', updated_at=LONG_AGO))
    return server


def ordered(server):
    actions = objects.InstanceActionList.get_by_instance_uuid(make.admin(), server.uuid)
    return [action.action for action in actions if action.state != 'done']


@pytest.mark.parametrize('look, make_server, action', [(due.offload, shelved, 'shelveOffload'),
                                                       (due.confirm, resized, 'confirmResize')])
def test_it_waits_for_its_host(database, windows, look, make_server, action):
    server = make_server()
    assert list(look(MANAGER, make.admin())) == []
    service(LONG_AGO)
    assert list(look(MANAGER, make.admin())) == []
    assert ordered(server) == []
    objects.Service.register(make.admin(), 'h1', 'nova-compute', 'compute', 'start')
    assert list(look(MANAGER, make.admin())) == [server.uuid]
    assert ordered(server) == [action]
