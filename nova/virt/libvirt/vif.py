# SPDX-License-Identifier: Apache-2.0
"""Network interfaces of guests: how each type of VIF is connected to this host, and written into the domain.

A type is a class, in `TYPES` by its name in the network model.  The packet filter is not here: whoever allocates the
addresses keeps it, for the device that `device_name` names.
"""

import os

from oslo_log import log as logging

from nova import conf, exception
from nova.virt.libvirt import config

CONF = conf.CONF
LOG = logging.getLogger(__name__)

# The kernel's limit for names of network devices.
_NAME_LENGTH = 15

_LIMITS = ('average', 'peak', 'burst')

MODELS = ('virtio', 'e1000', 'e1000e', 'rtl8139', 'ne2k_pci', 'pcnet', 'vmxnet3')


class UnknownVifType(exception.NovaException):
    msg_fmt = 'Interface %(vif_id)s is of type %(type)s; this driver knows %(known)s.'


class BridgeNotFound(exception.NovaException):
    msg_fmt = 'There is no bridge %(bridge)s on this host for interface %(vif_id)s.'


class UnsupportedModel(exception.Invalid):
    msg_fmt = 'hw_vif_model: %(model)r is not one of %(known)s.'


def device_name(vif):
    """The host's end of an interface."""
    return vif.get('devname') or f'tap{vif["id"]}'[:_NAME_LENGTH - 1]


def model_for(image_meta):
    """The model of network card.  Raises UnsupportedModel."""
    model = image_meta.properties.get('hw_vif_model') or 'virtio'
    if model not in MODELS:
        raise UnsupportedModel(model=model, known=', '.join(MODELS))
    return model


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
            inbound=_limits(specs, 'inbound'), outbound=_limits(specs, 'outbound'))

    @staticmethod
    def _queues(image_meta, flavor):
        wanted = image_meta.properties.get('hw_vif_multiqueue_enabled', '').lower() in ('true', 'yes', '1')
        return min(flavor.vcpus, 8) if wanted and flavor.vcpus > 1 and CONF.libvirt.virt_type == 'kvm' else None


def _limits(specs, direction):
    """{'average', 'peak': KiB/s, 'burst': KiB} out of quota:vif_<direction>_…; libvirt wants the average with any
    other.
    """
    keys = {name: f'quota:vif_{direction}_{name}' for name in _LIMITS}
    found = {name: specs[key] for name, key in keys.items() if key in specs}
    return found if 'average' in found else {}


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
