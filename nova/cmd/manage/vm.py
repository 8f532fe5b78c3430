# SPDX-License-Identifier: Apache-2.0
"""Servers."""

from nova.cmd.manage.arguments import arg
from nova.compute import api, states


@arg('host', nargs='?', help='only those of a host')
def list_servers(context, host=None):
    """Servers of all projects and cells."""
    found, _down = api.API().get_all(context, {'host': host} if host else {})
    return [{'uuid': one.uuid, 'name': one.display_name, 'project_id': one.project_id, 'host': one.host,
             'status': states.status(one.vm_state, one.task_state), 'task_state': one.task_state,
             'flavor': one.flavor.name if one.flavor else None} for one in found]


COMMANDS = {'list': list_servers}
