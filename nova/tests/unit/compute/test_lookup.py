# SPDX-License-Identifier: Apache-2.0
"""What is named may be in any cell: it is found there, asked there, and not taken for lost while its cell is away."""

import types

import pytest
from oslo_utils import uuidutils

from nova import context as nova_context
from nova import db, exception, objects
from nova.api.openstack.compute import server_external_events, services
from nova.api.openstack.compute.servers import resource
from nova.api.standalone import network as network_door
from nova.compute import aggregates, hypervisors, lookup
from nova.compute import api as compute_api
from nova.compute.verbs import assisted_snapshots
from nova.db import session
from nova.network import model
from nova.objects import cell as cells
from nova.tests import database as make

NODE = {'vcpus': 8, 'memory_mb': 8000, 'local_gb': 80}


@pytest.fixture
def near(database):
    """The configured cell, with the host h1."""
    objects.CellMapping(make.admin(), uuid=uuidutils.generate_uuid(), name='near').create()
    add_host(make.admin(), 'h1')


@pytest.fixture
def far(near, tmp_path):
    """A cell with a database of its own, and the hosts far1 and far2."""
    cell = make.second_cell(tmp_path)
    for host in ('far1', 'far2'):
        add_host(there(cell), host)
    return cell


def there(cell, context=None):
    with nova_context.target_cell(context or make.admin(), cell) as in_cell:
        return in_cell


def add_host(context, host):
    objects.Service.register(context, host, 'nova-compute', 'compute', 'start')
    objects.ComputeNode.report(context, host, host, NODE)


@pytest.fixture
def servers(far):
    """[one of h1, one of far1]"""
    size = make.flavor()
    found = [make.server(make.member(), size=size, node='h1'),
             make.server(there(far, make.member()), size=size, host='far1', node='far1')]
    with session.api_writer(make.admin()) as conn:
        db.mappings.update_instance(conn, found[1].uuid, {'cell_id': far.id})
    return found


def take_away(cell):
    cell.database_connection = 'sqlite:////no/such/directory/far.sqlite'
    cell.save()


class Messages:
    """Stands for hosts: notes which cell's messages each is asked by."""

    def __init__(self):
        self.sent = []

    def __getattr__(self, method):
        def send(context, host, *_args):
            self.sent.append((method, getattr(host, 'host', host), context.cell.name if context.cell else None))
            return 'up'
        return send


class TestMessages:
    def hosts(self):
        api = compute_api.HostAPI()
        api.compute_rpcapi = self.messages = Messages()
        return api

    @pytest.mark.parametrize('host, cell', [('h1', None), ('far1', 'far'), ('far2', 'far')])
    def test_hosts_are_asked_in_their_cell(self, far, host, cell):
        api = self.hosts()
        assert api.host_uptime(make.admin(), host) == 'up'
        api.set_host_maintenance(make.admin(), host, True)
        api.host_power_action(make.admin(), host, 'reboot')
        assert {sent[1:] for sent in self.messages.sent} == {(host, cell)}
        assert len(self.messages.sent) == 3

    def test_images_are_fetched_by_hosts_of_all_cells(self, far):
        class Api(aggregates.AggregateAPI):
            compute = Messages()
            scheduler = image = Messages()

        api = Api()
        made = api.create(make.admin(), 'fast')
        for host in ('far1', 'h1', 'far2'):
            api.add_host(make.admin(), made.id, host)
        api.cache_images(make.admin(), made.id, ['image'])
        assert [sent[1:] for sent in Api.compute.sent if sent[0] == 'cache_images'] == [
            ('h1', None), ('far1', 'far'), ('far2', 'far')]

    def test_events_go_to_the_cells_of_their_servers(self, servers):
        api = server_external_events.ServerExternalEvents()
        api.compute.compute_rpcapi = messages = Messages()
        api.create(make.admin(), [{'name': 'network-changed', 'server_uuid': server.uuid} for server in servers])
        assert messages.sent == [('external_instance_event', 'h1', None), ('external_instance_event', 'far1', 'far')]

    def test_snapshots_of_volumes_are_made_in_the_cell_of_their_server(self, far, servers):
        for index, server in enumerate(servers):
            objects.BlockDeviceMapping.create(server._context, {
                'uuid': uuidutils.generate_uuid(), 'instance_uuid': server.uuid, 'volume_id': f'volume-{index}'})
        api = assisted_snapshots.AssistedSnapshots()
        api.compute_rpcapi = messages = Messages()
        api.create(make.admin(), 'volume-1', {})
        api.delete(make.admin(), 'volume-0', 'snapshot', {})
        assert [sent[1:] for sent in messages.sent] == [('far1', 'far'), ('h1', None)]
        with pytest.raises(exception.VolumeBDMNotFound):
            api.create(make.admin(), 'volume-2', {})
        take_away(far)
        api.delete(make.admin(), 'volume-0', 'snapshot', {})
        with pytest.raises(exception.NeighbourUnavailable):
            api.create(make.admin(), 'volume-1', {})


def test_ports_of_servers_of_all_cells_are_listed(servers):
    for index, server in enumerate(servers):
        vif = model.VIF(id=f'port-{index}', address='fa:16:3e:00:00:01', network=model.Network(id='lan', subnets=[]))
        server.network_info = model.NetworkInfo([vif])
        server.save()
    call = types.SimpleNamespace(context=make.member())
    assert [port['id'] for port in network_door.NetworkDoor()._ports(call)] == ['port-0', 'port-1']
    call.context = make.member('another')
    assert network_door.NetworkDoor()._ports(call) == []


class TestAwayCells:
    def test_what_may_be_there_is_not_taken_for_lost(self, far):
        def find(uuid):
            return lookup.find(make.admin(), lambda in_cell: objects.ComputeNode.get_by_uuid(in_cell, uuid))

        here, elsewhere = (objects.ComputeNodeList.get_by_host(context, host)[0].uuid for context, host in (
            (make.admin(), 'h1'), (there(far), 'far1')))
        assert (find(here).host, find(elsewhere).host) == ('h1', 'far1')
        with pytest.raises(exception.ComputeHostNotFound):
            find(uuidutils.generate_uuid())
        take_away(far)
        assert find(here).host == 'h1'
        with pytest.raises(exception.NeighbourUnavailable, match='cell far'):
            find(elsewhere)

    def test_hosts_of_others_go_on(self, far, servers):
        take_away(far)
        assert lookup.service(make.admin(), 'h1').host == 'h1'
        with pytest.raises(exception.ServiceNotFound):
            lookup.service(make.admin(), 'nowhere')
        with pytest.raises(cells.AWAY):
            lookup.service(make.admin(), 'far1')
        shown = [node.host for node in hypervisors.page(make.admin(), with_servers=True)]
        assert shown == ['h1']
        assert hypervisors.statistics(make.admin())['vcpus'] == 8

    def test_a_zone_is_not_changed_while_nobody_knows_of_its_servers(self, far):
        class Api(aggregates.AggregateAPI):
            scheduler = Messages()

        api = Api()
        mixed, local = (api.create(make.admin(), name) for name in ('mixed', 'local'))
        api.add_host(make.admin(), mixed.id, 'far1')
        api.add_host(make.admin(), local.id, 'h1')
        take_away(far)
        with pytest.raises(cells.AWAY):
            api.update(make.admin(), mixed.id, {'availability_zone': 'west'})
        assert api.update(make.admin(), local.id, {'availability_zone': 'west'}).availability_zone == 'west'


@pytest.mark.parametrize('given, found', [
    ([], []), (['h1', 'nowhere'], [(None, ['h1', 'nowhere'])]), (['far2', 'far1'], [('far', ['far2', 'far1'])]),
    (['far1', 'h1', 'far2'], [(None, ['h1']), ('far', ['far1', 'far2'])])])
def test_hosts_by_cell(far, given, found):
    assert [(in_cell.cell and in_cell.cell.name, hosts) for in_cell, hosts in lookup.by_cell(make.admin(), given)
            ] == found


class TestStatements:
    """As many for one host as for many; a site of one cell has none that find out which cell it is."""

    def ran(self, urls, do):
        """How many statements are sent to each database; the list of cells is known already."""
        objects.CellMappingList.get_all(make.admin())
        counters = [make.Statements(url) for url in urls]
        for counter in counters:
            counter.__enter__()
        try:
            do()
        finally:
            for counter in counters:
                counter.__exit__()
        return [len(counter) for counter in counters]

    CASES = {
        'hypervisors': (lambda: hypervisors.page(make.admin()), 2, [2, 2]),
        'page of hypervisors': (lambda: hypervisors.page(make.admin(), 1, with_servers=True), 3, [3, 3]),
        'hypervisors by name': (lambda: hypervisors.matching(make.admin(), '1'), 2, [2, 2]),
        'statistics': (lambda: hypervisors.statistics(make.admin()), 2, [2, 2]),
        'service of a host': (lambda: lookup.service(make.admin(), 'h1'), 1, [2, 0]),
        'service': (lambda: services.Services._find(
            make.admin(), objects.Service.get_by_args(make.admin(), 'h1', 'nova-compute').uuid, True), 2, [2, 1]),
        'busy hosts': (lambda: aggregates._with_servers(make.admin(), ['h1', 'far1', 'far2', 'h2']), 1, [2, 1]),
        'moves': (lambda: compute_api.API().get_migrations(make.admin(), {}, 5), 1, [1, 1]),
    }

    @pytest.mark.parametrize('what', CASES)
    def test_of_one_cell(self, near, database, what):
        do, expected, _more = self.CASES[what]
        assert self.ran([database], do) == [expected]

    @pytest.mark.parametrize('what', CASES)
    def test_of_two_cells(self, far, database, what):
        do, _one, expected = self.CASES[what]
        assert self.ran([database, far.database_connection], do) == expected

    def test_status_of_hosts(self, servers, far, database):
        tell = resource.HostStatus(compute_api.API()).tell
        assert self.ran([database, far.database_connection], lambda: tell(make.admin(), servers)) == [1, 1]
        assert [server.host_status for server in servers] == ['UP', 'UP']
        servers[1].host = None
        tell(make.admin(), servers)
        assert [server.host_status for server in servers] == ['UP', '']
        take_away(far)
        servers[1].host = 'far1'
        tell(make.admin(), servers)
        assert [server.host_status for server in servers] == ['UP', 'UNKNOWN']
