# SPDX-License-Identifier: Apache-2.0
"""Cells: a disabled one takes no new servers, and those that it has go on."""

import pytest
from oslo_utils import uuidutils

from nova import context as nova_context
from nova import db, objects
from nova.compute import api as compute_api
from nova.compute import multi_cell
from nova.db import session
from nova.scheduler import host_manager
from nova.tests import database as make
from nova.tests.unit.compute import test_create


@pytest.fixture
def far(database, tmp_path):
    """A cell with a database of its own."""
    return make.second_cell(tmp_path)


def test_the_servers_of_a_disabled_cell_go_on(far):
    server = make.server()
    test_create.move_to(far, [server.uuid])
    with nova_context.target_cell(make.admin(), far) as there, session.writer(there) as conn:
        db.compute_nodes.insert(conn, {'uuid': uuidutils.generate_uuid(), 'host': 'h1', 'hypervisor_hostname': 'h1',
                                       'supported_hv_specs': []})
    assert [host.host for host in host_manager.HostManager().get_all_host_states(make.admin())] == ['h1']
    far.disabled = True
    far.save()
    assert host_manager.HostManager().get_all_host_states(make.admin()) == []
    compute = compute_api.API()
    found = compute.get(make.member(), server.uuid)
    assert (found.uuid, compute.is_in_other_cell(make.member(), server.uuid)) == (server.uuid, True)
    compute.update(make.member(), found, {'display_name': 'renamed'})
    servers, down = multi_cell.list_servers(make.member(), {}, None, None, None, None, (), None)
    assert ([each.display_name for each in servers], down) == (['renamed'], [])
    assert list(objects.cell.in_each(make.admin(), lambda in_cell: [
        each.uuid for each in objects.InstanceList.get_by_host(in_cell, 'h1')])) == [server.uuid]
