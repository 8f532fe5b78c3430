# SPDX-License-Identifier: Apache-2.0
"""Interfaces that come and go while the guest runs."""

import contextlib

from oslo_log import log

from nova import concurrency, exception

LOG = log.getLogger(__name__)


def attach(host, context, instance, network_id, address, tag):
    """Allocate an interface and plug it into the guest; returns it as plain data.  On error nothing is left."""
    with _alone(instance):
        before = {vif['id'] for vif in instance.get_network_info()}
        network_info = host.network.add_fixed_ip_to_instance(context, instance, network_id, address, tag)
        vif = next(vif for vif in network_info if vif['id'] not in before)
        try:
            host.firewall.apply(instance, network_info)
            host.driver.attach_interface(instance, instance.image_meta, vif)
        except Exception as exc:
            LOG.exception('Interface %s could not be attached to server %s; taking it back', vif['id'], instance.uuid)
            _give_back(host, context, instance, vif)
            raise exception.InterfaceAttachFailed(instance_uuid=instance.uuid, reason=exc) from exc
        instance.trust('network_info', network_info)
        return network_info.plain()[[each['id'] for each in network_info].index(vif['id'])]


@contextlib.contextmanager
def _alone(instance):
    """One change of a server's interfaces after the other: which is the new one shows in comparison with before."""
    with concurrency.lock(f'interfaces of {instance.uuid}'):
        instance.refresh()
        yield


def detach(host, context, instance, port_id):
    """Unplug an interface and give its addresses back.  Raises NotFound."""
    with _alone(instance):
        vif = next((vif for vif in instance.get_network_info() if vif['id'] == port_id), None)
        if vif is None:
            raise exception.NotFound(f'Server {instance.uuid} has no interface {port_id}')
        try:
            host.driver.detach_interface(instance, vif)
        except Exception as exc:
            LOG.exception('Interface %s could not be detached from server %s', port_id, instance.uuid)
            raise exception.InterfaceDetachFailed(instance_uuid=instance.uuid, reason=exc) from exc
        _give_back(host, context, instance, vif)


def _give_back(host, context, instance, vif):
    left = None
    for ip in vif.fixed_ips():
        if left is not None and vif['id'] not in {each['id'] for each in left}:
            return      # with the last IPv4 address went the interface, and its IPv6 address
        left = host.network.remove_fixed_ip_from_instance(context, instance, ip['address'])
        host.firewall.apply(instance, left)
        instance.trust('network_info', left)
