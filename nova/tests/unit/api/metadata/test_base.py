# SPDX-License-Identifier: Apache-2.0
"""What is kept of servers' metadata, and of whom."""

import io

import pytest

from nova import exception, objects
from nova.api.metadata import base, handler
from nova.network import api
from nova.tests import database as databases
from nova.tests.unit.compute import test_create
from nova.tests.unit.network import test_addresses


@pytest.fixture
def network(database):
    return api.API().create(databases.admin(), 'private', '10.0.0.0/24')


@pytest.fixture
def give(network):
    """Make a server that has this address."""
    def make(address):
        server = test_addresses.a_server()
        test_addresses.allocate(server, test_addresses.of(network.uuid, address=address))
        return server
    return make


def take_back(server):
    objects.FixedIPList.deallocate_for_instance(databases.admin(), server.uuid)


def test_metadata_does_not_follow_an_address_to_another_server(give):
    cache = base.Cache()
    first = give('10.0.0.5')
    assert cache.by_address('10.0.0.5').instance.uuid == first.uuid
    take_back(first)
    with pytest.raises(exception.InstanceNotFound):
        cache.by_address('10.0.0.5')
    second = give('10.0.0.5')
    assert cache.by_address('10.0.0.5').instance.uuid == second.uuid


def test_a_server_that_asks_again_is_not_read_again_until_it_is_forgotten(give):
    cache = base.Cache()
    server = give('10.0.0.5')
    found = cache.by_address('10.0.0.5')
    assert cache.by_address('10.0.0.5') is found
    cache.forget(server.uuid)
    assert cache.by_address('10.0.0.5') is not found


def test_each_address_of_a_server_is_told_its_own(give, network):
    cache = base.Cache()
    server = give('10.0.0.5')
    objects.FixedIPList.add_to_instance(databases.admin(), server.uuid, server.project_id, 'h1', network.uuid,
                                        address='10.0.0.6')
    for address in ('10.0.0.5', '10.0.0.6'):
        assert cache.by_id(server.uuid, address).lookup('/latest/meta-data/local-ipv4') == address.encode()


def test_a_server_of_another_cell_is_found_by_its_id(database, tmp_path):
    cell = databases.second_cell(tmp_path)
    server = databases.server()
    test_create.move_to(cell, [server.uuid])
    assert base.Cache().by_id(server.uuid).instance.uuid == server.uuid


def test_a_password_is_left_once_whichever_worker_is_asked(give):
    server = give('10.0.0.5')
    workers = [handler.Handler(), handler.Handler()]

    def ask(worker, method='GET', body=b''):
        statuses = []
        answer = worker({'REQUEST_METHOD': method, 'PATH_INFO': '/openstack/latest/password',
                         'REMOTE_ADDR': '10.0.0.5', 'CONTENT_LENGTH': str(len(body)), 'wsgi.input': io.BytesIO(body)},
                        lambda status, _headers: statuses.append(status))
        return int(statuses[0][:3]), b''.join(answer)
    assert [ask(worker) for worker in workers] == [(200, b'')] * 2      # both know of none
    long = b'0123456789' * 100
    assert ask(workers[0], 'POST', long)[0] == 200
    assert ask(workers[1], 'POST', b'of somebody else')[0] == 409
    assert [ask(worker) for worker in workers] == [(200, long)] * 2
    server.refresh()
    assert server.system_metadata['password_0'] == long[:255].decode()
