# SPDX-License-Identifier: Apache-2.0
"""Network interfaces of guests: how each type of VIF is connected to this host, and written into the domain.

A type is a class, in `TYPES` by its name in the network model.  The packet filter is not here: whoever allocates the
addresses keeps it, for the device that `device_name` names.
"""

import os

from oslo_log import log as logging

from nova import conf, exception
from nova.virt import shapes
from nova.virt.libvirt import config

CONF = conf.CONF
LOG = logging.getLogger(__name__)

# The kernel's limit for names of network devices.
_NAME_LENGTH = 15

# More queues than these no card has.
_MOST_QUEUES = 8


class UnknownVifType(exception.NovaException):
    msg_fmt = 'Interface %(vif_id)s is of type %(type)s; this driver knows %(known)s.'


class BridgeNotFound(exception.NovaException):
    msg_fmt = 'There is no bridge %(bridge)s on this host for interface %(vif_id)s.'


def device_name(vif):
    """The host's end of an interface."""
    return vif.get('devname') or f'tap{vif["id"]}'[:_NAME_LENGTH - 1]


def model_for(image_meta):
    """The model of network card; None for containers, which have none.  Raises `shapes.ShapeInvalid`."""
    if CONF.libvirt.virt_type == 'lxc':
        return None
    return shapes.value('vif_model', {}, image_meta.properties)


class Bridge:
    """On a bridge of the host.  libvirt makes the device when the guest starts, and removes it when it stops."""

    def plug(self, vif):
        """Raises BridgeNotFound."""
        bridge = vif['network']['bridge']
        if not os.path.exists(f'/sys/class/net/{bridge}'):
            raise BridgeNotFound(bridge=bridge, vif_id=vif['id'])

    def unplug(self, vif):
        """The device is gone with the guest."""

    def interface(self, vif, image_meta, flavor):
        """The `config.Interface`."""
        specs = flavor.extra_specs or {}
        model = model_for(image_meta)
        is_virtio = model == 'virtio'
        return config.Interface(
            mac=vif['address'], source=vif['network']['bridge'], target=device_name(vif), model=model,
            mtu=vif['network'].get('meta', {}).get('mtu') if is_virtio else None,
            # vhost needs the kernel's help, which emulated guests must do without.
            driver='qemu' if is_virtio and CONF.libvirt.virt_type == 'qemu' else None,
            queues=self._queues(image_meta, flavor) if is_virtio else None,
            inbound=_limits(specs, 'inbound'), outbound=_limits(specs, 'outbound'),
            is_packed=is_virtio and shapes.value('virtio_packed_ring', specs, image_meta.properties))

    @staticmethod
    def _queues(image_meta, flavor):
        wanted = shapes.value('vif_multiqueue_enabled', flavor.extra_specs or {}, image_meta.properties)
        can = flavor.vcpus > 1 and CONF.libvirt.virt_type == 'kvm'
        return min(flavor.vcpus, _MOST_QUEUES) if wanted and can else None


def _limits(specs, direction):
    """{'average', 'peak': KiB/s, 'burst': KiB} out of quota:vif_<direction>_…; libvirt wants the average with any
    other.
    """
    said = {name: shapes.value(f'vif_{direction}_{name}', specs, {}) for name in shapes.VIF_LIMITS}
    return {name: limit for name, limit in said.items() if limit is not None} if said['average'] else {}


TYPES = {'bridge': Bridge}


def type_of(vif):
    """The object that knows this VIF's type.  Raises UnknownVifType."""
    try:
        return TYPES[vif['type']]()
    except KeyError:
        raise UnknownVifType(vif_id=vif['id'], type=vif['type'], known=', '.join(sorted(TYPES))) from None


def plug(network_info):
    """Connect interfaces to the host's networks, as far as that is not done by starting the guest."""
    for vif in network_info or ():
        type_of(vif).plug(vif)


def unplug(network_info):
    """Counterpart of `plug`.  A VIF that cannot be unplugged does not keep the others."""
    for vif in network_info or ():
        try:
            type_of(vif).unplug(vif)
        except exception.NovaException:
            LOG.exception('Interface %s cannot be unplugged', vif['id'])
