# SPDX-License-Identifier: Apache-2.0
"""Disks and interfaces that come to a guest and leave it, whether it runs or not."""

from nova import concurrency, exception
from nova.virt.libvirt import blockinfo, domain, errors, vif, volume

#: How long (s) a guest gets to let go of a device, and how often it is looked.
_PATIENCE_S, _LOOK_S = 20, 0.2


class DeviceThere(exception.NovaException):
    msg_fmt = 'The guest has %(what)s already.'


class DeviceMissing(exception.NovaException):
    msg_fmt = 'The guest has %(what)s.'


class DeviceStays(exception.NovaException):
    msg_fmt = 'The guest did not let go of %(what)s within %(seconds)d s.'


def attach_volume(guest, image_meta, connection_info, mountpoint, disk_bus=None):
    """Raises DeviceThere."""
    if _disk(guest, mountpoint) is not None:
        raise DeviceThere(what=f'a disk {mountpoint}')
    bus = disk_bus or blockinfo.bus_for(image_meta, 'disk')
    volume.connect(connection_info)
    try:
        guest.attach(volume.disk(connection_info, mountpoint, bus, domain.cache_mode()).to_xml())
    except Exception:
        volume.disconnect(connection_info)
        raise


def detach_volume(guest, connection_info, mountpoint):
    """Nothing happens when it is not there.  Raises DeviceStays."""
    _detach(guest, lambda inactive: _disk(guest, mountpoint, inactive), mountpoint)
    volume.disconnect(connection_info)


def extend_volume(guest, mountpoint, size):
    """The guest sees the volume as large as it is now (bytes)."""
    guest.resize_disk(blockinfo.bare(mountpoint), size)


def _disk(guest, mountpoint, inactive=False):
    target = blockinfo.bare(mountpoint)
    for disk in guest.document(inactive).iterfind('devices/disk'):
        if disk.find('target').get('dev') == target:
            return disk
    return None


def attach_interface(guest, instance, image_meta, nic):
    """Raises DeviceThere."""
    if _interface(guest, nic) is not None:
        raise DeviceThere(what=f'an interface {nic["address"]}')
    vif.plug([nic])
    guest.attach(vif.type_of(nic).interface(nic, image_meta, instance.flavor).to_xml())


def detach_interface(guest, nic):
    """Raises DeviceMissing, DeviceStays."""
    if _interface(guest, nic, inactive=True) is None and _interface(guest, nic) is None:
        raise DeviceMissing(what=f'no interface {nic["address"]}')
    _detach(guest, lambda inactive: _interface(guest, nic, inactive), nic['address'])
    vif.unplug([nic])


def _interface(guest, nic, inactive=False):
    for found in guest.document(inactive).iterfind('devices/interface'):
        if found.find('mac').get('address').lower() == nic['address'].lower():
            return found
    return None


def _detach(guest, find, what):
    """Take a device out of the domain as it is recorded, and as it runs; the guest has a word in the latter."""
    recorded = find(True)
    if recorded is not None:
        guest.detach(recorded, live=False)
    if not guest.is_active():
        return
    for _look in range(int(_PATIENCE_S / _LOOK_S)):
        running = find(False)
        if running is None:
            return
        if _look % 25 == 0:
            # A guest that was busy booting when it was asked does not answer later.
            try:
                guest.detach(running, live=True)
            except errors.LibvirtError:
                if find(False) is None:
                    return
        concurrency.sleep(_LOOK_S)
    raise DeviceStays(what=what, seconds=_PATIENCE_S)
