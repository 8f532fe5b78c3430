# SPDX-License-Identifier: Apache-2.0
"""Services and whether they are up."""

from nova import objects
from nova.cmd.manage.arguments import arg
from nova.compute import api, lookup


def list_services(context):
    """Services of all cells."""
    hosts = api.HostAPI()
    return [{'binary': one.binary, 'host': one.host, 'zone': one.availability_zone,
             'status': 'disabled' if one.disabled else 'enabled',
             'state': 'up' if hosts.servicegroup.service_is_up(one) else 'down', 'updated_at': one.last_seen_up}
            for one in hosts.service_list(context)[0]]


@arg('host')
@arg('binary', nargs='?', default='nova-compute')
def enable(context, host, binary):
    """Let the scheduler use a host."""
    service = lookup.service(context, host, binary)
    service.disabled, service.disabled_reason = False, None
    service.save()


@arg('host')
@arg('binary', nargs='?', default='nova-compute')
@arg('--reason')
def disable(context, host, binary, reason):
    """Keep the scheduler from using a host."""
    service = lookup.service(context, host, binary)
    service.disabled, service.disabled_reason = True, reason
    service.save()


@arg('host')
@arg('binary', nargs='?', default='nova-compute')
def delete(context, host, binary):
    """Forget a service that is gone; 3 when its host still has servers."""
    service = lookup.service(context, host, binary)
    if binary == 'nova-compute' and objects.InstanceList.get_uuids_by_host(service._context, host):
        return 3
    service.destroy()
    return None


COMMANDS = {'list': list_services, 'enable': enable, 'disable': disable, 'delete': delete}
