# SPDX-License-Identifier: Apache-2.0
"""Servers: lists, one server, creating, changing and deleting.  (/servers)"""

from nova import exception, objects
from nova import policy as nova_policy
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers import bodies, creation, down_cells, queries, views
from nova.api.openstack.microversions import Since
from nova.api.openstack.view import shape
from nova.compute import api as compute_api
from nova.objects import instance as instance_obj
from nova.policy import ADMIN, MEMBER, READER, Rule

ALL_PROJECTS = {'index': Rule('servers:index:get_all_tenants', ADMIN),
                'detail': Rule('servers:detail:get_all_tenants', ADMIN)}
ALL_FILTERS = Rule('servers:allow_all_filters', ADMIN)
FORCED_HOST = Rule('servers:create:forced_host', ADMIN)
DESTINATION = Rule('compute:servers:create:requested_destination', ADMIN)
ATTACH_NETWORK = Rule('servers:create:attach_network', MEMBER)
ATTACH_VOLUME = Rule('servers:create:attach_volume', MEMBER)
TRUSTED_CERTS = Rule('servers:create:trusted_certs', MEMBER)
#: Everything an instance row has and lists may need.
_COLUMNS = frozenset(instance_obj.Instance.fields) - frozenset(instance_obj.EXTRAS)
_ALWAYS = ('id', 'uuid', 'project_id', 'deleted', 'created_at')

CREATE_ERRORS = {
    exception.FlavorNotFound: 400, exception.FlavorDisabled: 400, exception.ImageNotFound: 400,
    exception.ImageNotAuthorized: 400, exception.ImageNotActive: 400, exception.ImageUnacceptable: 400,
    exception.FlavorMemoryTooSmall: 400, exception.FlavorDiskSmallerThanImage: 400,
    exception.FlavorDiskSmallerThanMinDisk: 400, exception.KeypairNotFound: 400, exception.InvalidInput: 400,
    exception.InvalidBDM: 400, exception.VolumeNotFound: 400, exception.SnapshotNotFound: 400,
    exception.NetworkNotFound: 400, exception.NetworkAmbiguous: 409,
    exception.FixedIpNotFound: 400, exception.FixedIpAlreadyInUse: 409, exception.NoMoreFixedIps: 400,
    exception.SecurityGroupNotFound: 400, exception.ComputeHostNotFound: 400, exception.QuotaError: 403,
    exception.Invalid: 400, exception.NotAuthorized: 403,
}
#: Where `return_reservation_id` asks for it.
_RESERVATION = shape(reservation_id='string')


_LIST = views.VIEW.many('servers', links='servers_links', marker='uuid', otherwise=down_cells.ITEM)


class Servers(wsgi.Resource):
    """Servers."""

    path = '/servers'

    def __init__(self):
        self.compute = compute_api.API()
        self.hosts = HostStatus(self.compute)

    # Looking ----------------------------------------------------------------------------------------------------------

    @wsgi.get(query=queries.QUERY, view=_LIST,
              policy=Rule('servers:index', READER), errors=(exception.MarkerNotFound, exception.InvalidSortKey,
                                                            exception.InvalidInput, exception.NotAuthorized))
    def index(self, context, query, needs, minor, links):
        return self._list(context, query, needs, minor, 'index', links)

    @wsgi.get('/detail', query=queries.QUERY, view=_LIST,
              policy=Rule('servers:detail', READER), errors=(exception.MarkerNotFound, exception.InvalidSortKey,
                                                             exception.InvalidInput, exception.NotAuthorized))
    def detail(self, context, query, needs, minor, links):
        return self._list(context, query, needs, minor, 'detail', links)

    def _list(self, context, query, needs, minor, operation, links):
        all_projects = queries.wants_all_projects(query)
        if all_projects:
            nova_policy.authorize(context, ALL_PROJECTS[operation])
        filters = queries.filters(context, query, minor, nova_policy.check(context, ALL_FILTERS), all_projects)
        sort_keys, sort_dirs = queries.sorting(context, query, minor)
        if filters is None or query['limit'] == 0 or not self._find_flavor(context, filters, query):
            return []
        extras = tuple(name for name in instance_obj.EXTRAS if name in needs)
        columns = sorted(({*needs, *_ALWAYS, *(['host'] if 'host_status' in needs else [])}) & _COLUMNS)
        limit = query['limit']
        if query.get('ip') or query.get('ip6'):
            # The page is cut after the addresses were looked at: the servers that match may be the last of all.
            columns, limit = sorted({*columns, 'network_info'}), None
        servers, down = self.compute.get_all(context, filters, limit, query.get('marker'), sort_keys, sort_dirs,
                                             extras, columns)
        servers = queries.by_address(servers, query)[:query['limit']]
        if 'host_status' in needs:
            self.hosts.tell(context, servers)
        if down and down_cells.wanted(query, minor):
            return wsgi.Answer(servers, more=down_cells.items(
                context, down, None if all_projects else context.project_id, query['limit'] - len(servers), links,
                operation == 'detail'))
        return servers

    @staticmethod
    def _find_flavor(context, filters, query):
        """Replace the flavor's public id by ours; False when there is no such flavor."""
        if not query.get('flavor'):
            return True
        try:
            filters['instance_type_id'] = objects.Flavor.get_by_flavor_id(context.elevated(), query['flavor'][-1]).id
        except exception.FlavorNotFound:
            return False
        return True

    @wsgi.get('/{server_id}', view=views.VIEW.one('server', otherwise=down_cells.SERVER),
              policy=Rule('servers:show', READER), errors=(exception.InstanceNotFound,))
    def show(self, context, server_id, needs, minor, links):
        try:
            return self.hosts.load(context, server_id, needs)
        except objects.cell.AWAY:
            if minor < down_cells.SINCE or not self.compute.is_in_other_cell(context, server_id):
                raise
            return wsgi.Answer(raw=down_cells.show(context, server_id, links, minor))

    # Making, changing, ending -----------------------------------------------------------------------------------------

    @wsgi.post(body=bodies.CREATE, view=views.VIEW.one('server', otherwise=_RESERVATION), success=202,
               policy=Rule('servers:create', MEMBER), errors=CREATE_ERRORS,
               flags=(Since('2.19', 'own_description'),))
    def create(self, context, own_description, **body):
        request = creation.request_of(body)
        if not own_description:
            request.description = request.name
        for wanted, rule in ((request.forced_host or request.forced_node, FORCED_HOST),
                             (request.host or request.node, DESTINATION),
                             (request.networks is not None and not request.networks.no_allocate, ATTACH_NETWORK),
                             (request.block_devices, ATTACH_VOLUME), (request.trusted_certs, TRUSTED_CERTS)):
            if wanted:
                nova_policy.authorize(context, rule)
        request.admin_password = request.admin_password or compute_api.generate_password()
        servers = self.compute.create(context, request)
        if body.get('return_reservation_id'):
            return wsgi.Answer(raw={'reservation_id': servers[0].reservation_id})
        server = servers[0]
        server.admin_password = request.admin_password
        return wsgi.Answer(server, location=f'/servers/{server.uuid}')

    @wsgi.put('/{server_id}', body=bodies.UPDATE, view=views.VIEW.one('server'), policy=Rule('servers:update', MEMBER),
              errors=(exception.InstanceNotFound, exception.Conflict))
    def update(self, context, server_id, needs, **changes):
        server = self.hosts.load(context, server_id, needs)
        if 'disk_config' in changes:
            changes['auto_disk_config'] = changes.pop('disk_config') == 'AUTO'
        if 'pinned_availability_zone' in changes:
            _check_pin(server, changes)
        if changes:
            self.compute.update(context, server, changes)
        return server

    @wsgi.delete('/{server_id}', policy=Rule('servers:delete', MEMBER),
                 errors=(exception.InstanceNotFound, exception.InstanceInvalidState, exception.InstanceIsLocked))
    def delete(self, context, server_id):
        self.compute.delete(context, self.compute.get(context, server_id))


def _check_pin(server, changes):
    """Unpinning is always possible; a pin must be where the server is, and is not changed to another."""
    wanted, now = changes['pinned_availability_zone'], server.pinned_availability_zone
    if wanted is None or wanted == now:
        return
    if now is not None or wanted != server.availability_zone:
        raise exception.Conflict(f'pinned_availability_zone: the server is in {server.availability_zone}'
                                 + (f' and pinned to {now}' if now else '') + f'; it cannot be pinned to {wanted}')


class HostStatus:
    """`host_status` of servers."""

    def __init__(self, compute):
        self.compute = compute

    def load(self, context, server_id, needs):
        """A server with what a view `needs`: one statement, where it has no tags and no volumes."""
        extras = [name for name in instance_obj.EXTRAS if name in needs]
        shows_status = 'host_status' in needs
        server = self.compute.get(context, server_id, with_=[*extras, *(['service'] if shows_status else [])])
        if shows_status:
            server.host_status = (self._word(server.service) if server.service else 'UNKNOWN') if server.host else ''
        return server

    def tell(self, context, servers):
        """One query in each cell for the hosts of all servers together."""
        hosts = list({server.host for server in servers if server.host})
        answers, _down = objects.cell.ask_each(
            context, lambda in_cell: objects.ServiceList.get_by_hosts(in_cell, hosts)) if hosts else ([], [])
        found = {service.host: self._word(service) for _cell, services in answers for service in services}
        for server in servers:
            server.host_status = found.get(server.host, 'UNKNOWN') if server.host else ''

    def _word(self, service):
        if service.forced_down:
            return 'DOWN'
        if service.disabled:
            return 'MAINTENANCE'
        return 'UP' if self.compute.servicegroup.service_is_up(service) else 'UNKNOWN'
