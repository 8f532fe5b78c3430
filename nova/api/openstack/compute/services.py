# SPDX-License-Identifier: Apache-2.0
"""Services of the site.  (/os-services)"""

from oslo_utils import uuidutils

from nova import exception, objects
from nova.api.openstack import microversions, wsgi
from nova.api.openstack.compute.servers.views import micros
from nova.api.openstack.errors import Refused, number
from nova.api.openstack.schema import Boolean, Choice, HostName, Query, Table, Text
from nova.api.openstack.view import Field, shape
from nova.api.openstack.view import Table as View
from nova.compute import api as compute_api
from nova.compute import lookup
from nova.notifications import tell
from nova.objects import migration
from nova.policy import ADMIN, Rule

#: Not shown: they take no part in what administrators manage here.
HIDDEN = ('nova-osapi_compute', 'nova-metadata')
_UPDATE = Rule('os-services:update', ADMIN, formerly='os-services')
_DOWN_CELLS_SINCE = microversions.minor('2.69')
_REASON = {'min': 1, 'max': 255}
_WHERE = (HostName('host', required=True), Text('binary', min=1, max=255, required=True))

VIEW = View(
    Field('id', 'id', until='2.52', on=('index',), type='integer'),
    Field('id', 'uuid', since='2.53', on=('index', 'update'), type='string'),
    Field('binary', type='string'),
    Field('host', type='string'),
    Field('zone', 'availability_zone', on=('index', 'update'), type='string'),
    Field('status', lambda service: 'disabled' if service.disabled else 'enabled',
          on=('index', 'update', 'enable', 'disable', 'disable_log_reason'), type='string'),
    Field('state', 'state', on=('index', 'update'), type='string'),
    Field('updated_at', lambda service: micros(service.last_seen_up or service.updated_at), on=('index', 'update'),
          type='string?'),
    Field('disabled_reason', on=('index', 'update', 'disable_log_reason'), type='string?'),
    Field('forced_down', since='2.11', on=('index', 'update', 'force_down'), type='boolean'),
)
#: A service of a cell that does not answer.
UNKNOWN = shape(binary='string', host='string', status={'const': 'UNKNOWN'})
CHANGE = Table(
    Choice('status', ('enabled', 'disabled')),
    Text('disabled_reason', **_REASON),
    Boolean('forced_down'),
    at_least=1,
)


class Services(wsgi.Resource):
    """What runs where."""

    path = '/os-services'

    def __init__(self):
        self.hosts = compute_api.HostAPI()

    def _show(self, service):
        service.state = 'up' if self.hosts.servicegroup.service_is_up(service) else 'down'
        return service

    @wsgi.get(query=Query(Text('host'), Text('binary'), strict='2.75'), view=VIEW.many('services', otherwise=UNKNOWN),
              policy=Rule('os-services:list', ADMIN, formerly='os-services'))
    def index(self, context, minor, host=None, binary=None):
        services, down = self.hosts.service_list(context, host, binary)
        shown = [self._show(service) for service in services if service.binary not in HIDDEN]
        if minor < _DOWN_CELLS_SINCE or host or binary:
            return shown
        return wsgi.Answer(shown, more=self._unknown(context, down))

    @staticmethod
    def _unknown(context, cells):
        """What is known of the services of cells that do not answer: their hosts run nova-compute."""
        away = {cell.id for cell in cells}
        return [{'binary': 'nova-compute', 'host': mapping.host, 'status': 'UNKNOWN'}
                for mapping in (objects.HostMappingList.get_all(context) if away else ()) if mapping.cell_id in away]

    def _change(self, context, host, binary, **values):
        if binary != 'nova-compute':
            raise Refused(f'binary: {binary!r} cannot be changed; only nova-compute can.')
        return self._save(lookup.service(context, host), **values)

    def _save(self, service, **values):
        for name, value in values.items():
            setattr(service, name, value)
        service.save()
        tell.service(service._context, 'update', service)
        return self._show(service)

    @wsgi.put('/enable', until='2.52', body=Table(*_WHERE), view=VIEW.one('service'), policy=_UPDATE,
              errors=(exception.ServiceNotFound,))
    def enable(self, context, host, binary):
        return self._change(context, host, binary, disabled=False, disabled_reason=None)

    @wsgi.put('/disable', until='2.52', body=Table(*_WHERE), view=VIEW.one('service'), policy=_UPDATE,
              errors=(exception.ServiceNotFound,))
    def disable(self, context, host, binary):
        return self._change(context, host, binary, disabled=True)

    @wsgi.put('/disable-log-reason', until='2.52', body=Table(*_WHERE, Text('disabled_reason', required=True,
                                                                             **_REASON)),
              view=VIEW.one('service'), policy=_UPDATE, errors=(exception.ServiceNotFound,))
    def disable_log_reason(self, context, host, binary, disabled_reason):
        return self._change(context, host, binary, disabled=True, disabled_reason=disabled_reason)

    @wsgi.put('/force-down', since='2.11', until='2.52', body=Table(*_WHERE, Boolean('forced_down', required=True)),
              view=VIEW.one('service'), policy=_UPDATE, errors=(exception.ServiceNotFound,))
    def force_down(self, context, host, binary, forced_down):
        return self._change(context, host, binary, forced_down=forced_down)

    @wsgi.put('/{service_id}', since='2.53', body=CHANGE, view=VIEW.one('service'), policy=_UPDATE, words=True,
              errors=(exception.ServiceNotFound,))
    def update(self, context, service_id, status=None, disabled_reason=None, forced_down=None):
        service = self._find(context, service_id, by_uuid=True)
        if service.binary != 'nova-compute':
            raise Refused(f'{service.binary} cannot be changed; only nova-compute can.')
        if disabled_reason is not None and status != 'disabled':
            raise Refused("disabled_reason: needs the status 'disabled'.")
        values = {}
        if status is not None:
            values = {'disabled': status == 'disabled', 'disabled_reason': disabled_reason}
        if forced_down is not None:
            values['forced_down'] = forced_down
        found = self._save(service, **values)
        zones = objects.AggregateList.get_all(context).zones_by_host()
        found.trust('availability_zone', zones.get(found.host, compute_api.CONF.default_availability_zone))
        return found

    @staticmethod
    def _find(context, service_id, by_uuid):
        if by_uuid:
            if not uuidutils.is_uuid_like(service_id):
                raise Refused(f'service_id: {service_id!r} is not a UUID.')
            return lookup.find(context, lambda in_cell: objects.Service.get_by_uuid(in_cell, service_id))
        wanted = number('service_id', service_id)
        found = lookup.find_all(context, lambda in_cell: objects.Service.get_by_id(in_cell, wanted))
        if len(found) > 1:
            raise Refused(f'service_id: {wanted} is the number of a service in each of {len(found)} cells; from 2.53 a '
                          'service is named by its UUID.')
        return found[0]

    @wsgi.delete('/{service_id}', policy=Rule('os-services:delete', ADMIN, formerly='os-services'),
                 errors=(exception.ServiceNotFound, exception.Conflict))
    def delete(self, context, service_id, minor):
        service = self._find(context, service_id, by_uuid=minor >= 53)
        if service.binary == 'nova-compute':
            servers = objects.InstanceList.get_uuids_by_host(service._context, service.host)
            if servers:
                raise exception.Conflict(f'Host {service.host} has {len(servers)} servers; move or delete them before '
                                         'its service is deleted')
            moves = objects.MigrationList.get_by_filters(service._context, {
                'host': service.host, 'status-not': migration.OVER}, limit=1)
            if moves:
                raise exception.Conflict(f'Server {moves[0].instance_uuid} is on its way from or to host '
                                         f'{service.host}; let that end, or confirm or revert it, before its service '
                                         'is deleted')
        service.destroy()
        tell.service(context, 'delete', service)
