# SPDX-License-Identifier: Apache-2.0
"""What neighbours say happened to servers of this host."""

from oslo_log import log

from nova import exception, objects
from nova.compute import power_sync

LOG = log.getLogger(__name__)


def happened(host, context, events):
    """:param events: [{'name', 'server_uuid', 'tag', 'status'}].  One that fails does not keep the others."""
    for event in events:
        try:
            instance = objects.Instance.get_by_uuid(context, event['server_uuid'])
            _HANDLERS.get(event['name'], _network)(host, context, instance, event)
        except exception.InstanceNotFound:
            continue
        except Exception:
            LOG.exception('Event %s of server %s could not be followed', event['name'], event['server_uuid'])


def _network(host, context, instance, event):
    """Something about its interfaces: filters are what the records say."""
    host.firewall.apply(instance, instance.get_network_info())


def _power(host, context, instance, event):
    """The machine was switched behind our back."""
    if instance.uuid not in host.busy:
        power_sync.sync(instance, power_sync.of_guest(host.driver, instance))


def _volume_extended(host, context, instance, event):
    """The guest sees the volume as large as it is now."""
    for bdm in objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid):
        if bdm.volume_id == event['tag']:
            size_gb = host.volume.get(context.elevated(), bdm.volume_id).size_gb
            host.driver.extend_volume(bdm.connection_info, instance, size_gb * 1024 ** 3)
            bdm.volume_size = size_gb
            bdm.save()


_HANDLERS = {'power-update': _power, 'volume-extended': _volume_extended}
