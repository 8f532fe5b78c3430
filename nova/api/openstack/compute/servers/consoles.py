# SPDX-License-Identifier: Apache-2.0
"""Ways to the screen and the serial port of a server.  (/servers/{id}/remote-consoles, os-get*Console)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Choice, Table
from nova.api.openstack.view import Plain, shape
from nova.compute import api as compute_api
from nova.policy import MEMBER, Rule

RULE = Rule('os-remote-consoles', MEMBER)
ERRORS = {exception.InstanceNotFound: None, exception.InstanceNotReady: 409, exception.InstanceInvalidState: 409,
          exception.ConsoleTypeInvalid: 400, exception.ConsoleTypeUnavailable: 400,
          exception.ComputeServiceUnavailable: 409, exception.Unsupported: None}
_ANSWER = shape(type='string', url='string')
_REMOTE = shape(protocol='string', type='string', url='string')

#: Types by protocol.
PAIRS = {'vnc': ('novnc', 'xvpvnc'), 'spice': ('spice-html5', 'spice-direct'), 'serial': ('serial',),
         'rdp': ('rdp-html5',), 'mks': ('webmks',)}
_PROTOCOLS = ('vnc', 'spice', 'serial', 'rdp')
_TYPES = ('novnc', 'xvpvnc', 'spice-html5', 'serial', 'rdp-html5')
BODY = Table(
    Choice('protocol', _PROTOCOLS, until='2.7', required=True),
    Choice('protocol', (*_PROTOCOLS, 'mks'), since='2.8', required=True),
    Choice('type', _TYPES, until='2.7', required=True, to='kind'),
    Choice('type', (*_TYPES, 'webmks'), since='2.8', until='2.98', required=True, to='kind'),
    Choice('type', (*_TYPES, 'webmks', 'spice-direct'), since='2.99', required=True, to='kind'),
    within='remote_console')


class RemoteConsoles(wsgi.Resource):
    """Consoles, made for a short while."""

    path = '/servers/{server_id}/remote-consoles'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.post(since='2.6', body=BODY, success=200, view=Plain('remote_console', _REMOTE), policy=RULE, errors=ERRORS)
    def create(self, context, server_id, protocol, kind):
        if kind not in PAIRS[protocol]:
            raise Refused(f'type: {kind!r} is no console over {protocol}. It must be one of '
                          f'{", ".join(PAIRS[protocol])}.')
        found = self.compute.get_console(context, self.compute.get(context, server_id), kind)
        return {'protocol': protocol, **found}


class Consoles(wsgi.Resource):
    """The same as actions, one for each protocol."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    def _console(self, context, server_id, kind):
        return self.compute.get_console(context, self.compute.get(context, server_id), kind)

    @wsgi.action('os-getVNCConsole', until='2.5', body=Table(Choice('type', ('novnc', 'xvpvnc'), required=True,
                                                                    to='kind')),
                 success=200, view=Plain('console', _ANSWER), policy=RULE, errors=ERRORS)
    def vnc(self, context, server_id, kind):
        return self._console(context, server_id, kind)

    @wsgi.action('os-getSPICEConsole', until='2.5', body=Table(Choice('type', ('spice-html5',), required=True,
                                                                      to='kind')),
                 success=200, view=Plain('console', _ANSWER), policy=RULE, errors=ERRORS)
    def spice(self, context, server_id, kind):
        return self._console(context, server_id, kind)

    @wsgi.action('os-getRDPConsole', until='2.5', body=Table(Choice('type', ('rdp-html5',), required=True, to='kind')),
                 success=200, view=Plain('console', _ANSWER), policy=RULE, errors=ERRORS)
    def rdp(self, context, server_id, kind):
        return self._console(context, server_id, kind)

    @wsgi.action('os-getSerialConsole', until='2.5', body=Table(Choice('type', ('serial',), required=True, to='kind')),
                 success=200, view=Plain('console', _ANSWER), policy=RULE, errors=ERRORS)
    def serial(self, context, server_id, kind):
        return self._console(context, server_id, kind)
