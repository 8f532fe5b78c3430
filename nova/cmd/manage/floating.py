# SPDX-License-Identifier: Apache-2.0
"""Floating addresses."""

from nova.cmd.manage.arguments import arg
from nova.network import api


@arg('--ip_range', required=True, help='a network, as 192.0.2.0/28, or one address')
@arg('--pool')
@arg('--interface', help='device of the network host they appear on')
def create(context, ip_range, pool, interface):
    """Add addresses."""
    api.API().create_floating_ips(context, ip_range, pool, interface)


def list_floating(context):
    """All addresses."""
    return [{'address': one.address, 'project_id': one.project_id, 'pool': one.pool, 'interface': one.interface}
            for one in api.API().get_floating_ips(context, all_projects=True)]


@arg('address')
def delete(context, address):
    """Remove an address."""
    api.API().delete_floating_ip(context, address)


COMMANDS = {'create': create, 'list': list_floating, 'delete': delete}
