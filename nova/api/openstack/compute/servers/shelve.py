# SPDX-License-Identifier: Apache-2.0
"""Servers that are put on a shelf.  (/servers/{id}/action)"""

from nova import exception
from nova import policy as nova_policy
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.power import ERRORS
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import ANY, HostName, Name, Table
from nova.compute import api as compute_api
from nova.policy import ADMIN, MEMBER, Rule

UNSHELVE = Rule('os-shelve:unshelve', MEMBER)
TO_HOST = Rule('os-shelve:unshelve_to_host', ADMIN)
ZONE = Table(Name('availability_zone', required=True), nullable=True)
PLACE = Table(Name('availability_zone', nullable=True), HostName('host'), nullable=True, at_least=1)
FAILS = {**dict.fromkeys(ERRORS), exception.UnshelveInstanceInvalidState: 409,
         exception.UnshelveHostNotInAZ: 409, exception.InvalidInput: 400,
         exception.ComputeHostNotFound: 400}


class Shelve(wsgi.Resource):
    """What keeps a server without its host's resources."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.action('shelve', body=ANY, policy=Rule('os-shelve:shelve', MEMBER), errors=ERRORS)
    def shelve(self, context, server_id):
        self.compute.shelve(context, self.compute.get(context, server_id))

    @wsgi.action('shelveOffload', body=ANY, policy=Rule('os-shelve:shelve_offload', ADMIN), errors=ERRORS)
    def offload(self, context, server_id):
        self.compute.shelve_offload(context, self.compute.get(context, server_id))

    @wsgi.action('unshelve', until='2.76', body=ANY, policy=UNSHELVE, errors=FAILS)
    def unshelve(self, context, server_id):
        self.compute.unshelve(context, self.compute.get(context, server_id))

    @wsgi.action('unshelve', since='2.77', until='2.90', body=ZONE, policy=UNSHELVE, errors=FAILS)
    def unshelve_in_zone(self, context, server_id, **place):
        self.compute.unshelve(context, self.compute.get(context, server_id), **place)

    @wsgi.action('unshelve', since='2.91', body=PLACE, policy=UNSHELVE, errors=FAILS)
    def unshelve_at(self, context, server_id, **place):
        if place.get('host'):
            nova_policy.authorize(context, TO_HOST)
        if 'host' in place and not place['host']:
            raise Refused('host: must not be empty.')
        self.compute.unshelve(context, self.compute.get(context, server_id), **place)
