# SPDX-License-Identifier: Apache-2.0
"""What a guest uses.  (/servers/{id}/diagnostics)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.view import Plain, many, shape
from nova.compute import api as compute_api
from nova.policy import ADMIN, Rule

RULE = Rule('os-server-diagnostics', ADMIN)
ERRORS = {exception.InstanceNotFound: None, exception.InstanceNotReady: None, exception.InstanceInvalidState: None,
          exception.ComputeServiceUnavailable: 409, exception.Unsupported: None}

_FLAT = {'type': 'object', 'additionalProperties': {'type': ['integer', 'number', 'string', 'null']}}
_COUNTERS = ('octets', 'errors', 'drop', 'packets', 'rate')
_STANDARD = shape(
    state='string?', driver='string?', hypervisor='string?', hypervisor_os='string?', uptime='integer?',
    config_drive='boolean', num_cpus='integer?', num_nics='integer?', num_disks='integer?',
    cpu_details=many(shape(id='integer?', time='integer?', utilisation='integer?')),
    memory_details=shape(maximum='integer?', used='integer?'),
    nic_details=many(shape(mac_address='string?', **{f'{way}_{what}': 'integer?' for way in ('rx', 'tx')
                                                     for what in _COUNTERS})),
    disk_details=many(shape(**dict.fromkeys(('read_bytes', 'read_requests', 'write_bytes', 'write_requests',
                                             'errors_count'), 'integer?'))))


class Diagnostics(wsgi.Resource):
    """Counters of a guest."""

    path = '/servers/{server_id}/diagnostics'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(until='2.47', view=Plain(None, _FLAT), policy=RULE, errors=ERRORS)
    def flat(self, context, server_id):
        """In the words of the hypervisor's driver."""
        return self.compute.get_diagnostics(context, self.compute.get(context, server_id))

    @wsgi.get(since='2.48', view=Plain(None, _STANDARD), policy=RULE, errors=ERRORS)
    def standard(self, context, server_id):
        """In the form that is the same for all drivers."""
        return self.compute.get_instance_diagnostics(context, self.compute.get(context, server_id))
