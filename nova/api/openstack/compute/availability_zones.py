# SPDX-License-Identifier: Apache-2.0
"""Availability zones.  (/os-availability-zone)"""

from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.views import micros
from nova.api.openstack.compute.services import HIDDEN
from nova.api.openstack.view import Field, Table, shape
from nova.compute import api as compute_api
from nova.conf import CONF
from nova.policy import ADMIN, ANYBODY, Rule

_STATE = shape(available='boolean')
#: host -> binary -> how it is
_HOSTS = {'type': ['object', 'null'], 'additionalProperties': {'type': 'object', 'additionalProperties': shape(
    active='boolean', available='boolean', updated_at='string?')}}
VIEW = Table(
    Field('zoneName', 'name', type='string'),
    Field('zoneState', lambda zone: {'available': zone.available}, type=_STATE),
    Field('hosts', lambda zone: None, on='index', type='null'),
    Field('hosts', 'hosts', on='detail', type=_HOSTS),
)


class _Zone:
    def __init__(self, name, available, hosts):
        self.name, self.available, self.hosts = name, available, hosts


class AvailabilityZones(wsgi.Resource):
    """Where servers can be put."""

    path = '/os-availability-zone'

    def __init__(self):
        self.hosts = compute_api.HostAPI()

    @wsgi.get(view=VIEW.many('availabilityZoneInfo'), policy=Rule('os-availability-zone:list', ANYBODY))
    def index(self, context):
        return [zone for zone in self._zones(context) if zone.name != CONF.internal_service_availability_zone]

    @wsgi.get('/detail', view=VIEW.many('availabilityZoneInfo'), policy=Rule('os-availability-zone:detail', ADMIN))
    def detail(self, context):
        return self._zones(context)

    def _zones(self, context):
        """Available are those with a service that is enabled and up."""
        found = {}
        for service in self.hosts.service_list(context.elevated())[0]:
            if service.binary in HIDDEN:
                continue
            up = self.hosts.servicegroup.service_is_up(service)
            zone = found.setdefault(service.availability_zone, _Zone(service.availability_zone, False, {}))
            zone.available = zone.available or (up and not service.disabled)
            zone.hosts.setdefault(service.host, {})[service.binary] = {
                'active': not service.disabled, 'available': up, 'updated_at': micros(service.last_seen_up)}
        for zone in found.values():
            zone.hosts = zone.hosts if zone.available else None
        return sorted(found.values(), key=lambda zone: zone.name)
