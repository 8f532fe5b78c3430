# SPDX-License-Identifier: Apache-2.0
"""A volume of a running guest is replaced by another: the hypervisor copies it, and goes on with the copy."""

from oslo_log import log as logging
from oslo_utils import units

from nova import concurrency, exception, progress
from nova.virt.libvirt import blockinfo, config, domain, volume

LOG = logging.getLogger(__name__)

_LOOK_S = 0.25


class NotThere(exception.NovaException):
    msg_fmt = 'The guest has no disk %(mountpoint)s.'


class OnNeither(exception.NovaException):
    msg_fmt = 'The disk %(mountpoint)s of the guest is none of the two volumes that it is known to be swapped between.'


def replace(guest, new_info, mountpoint, resize_to):
    """Copy the disk to the new volume, and let the guest use that; what the guest writes meanwhile is in both.

    :param resize_to: GiB that the guest is to see; 0: as many as before.
    On error the guest has the old volume.  What a try that was cut off has done is found done.
    Raises NotThere, `errors.LibvirtError` (`errors.WrongGuestState` when the guest does not run).
    """
    target = blockinfo.bare(mountpoint)
    found = _disk(guest, target)
    if found is None:
        raise NotThere(mountpoint=mountpoint)
    new = _wanted(found, new_info, mountpoint)
    if not _is_on(found, new):
        guest.stop_disk_copy(target)
        _copy(guest, target, new)
    # From its next start on it has the new one's serial number, too.
    guest.change(_recorded(guest, target, new))
    if resize_to:
        guest.resize_disk(target, resize_to * units.Gi)
    LOG.info('Guest %s: %s is on its new volume', guest.uuid, target)


def settle(guest, old_info, new_info, mountpoint):
    """After a `replace` that did not come to its end: nothing is copied any more.

    Returns whether the guest is on the new volume; False for one that is not there, or has no such disk.  Raises
    OnNeither, `errors.LibvirtError`.
    """
    target = blockinfo.bare(mountpoint)
    try:
        found = _disk(guest, target)
    except exception.InstanceNotFound:
        found = None
    if found is None:
        return False
    if _is_on(found, _wanted(found, old_info, mountpoint)):
        guest.stop_disk_copy(target)
        return False
    volume.connect(new_info)
    new = _wanted(found, new_info, mountpoint)
    if not _is_on(found, new):
        raise OnNeither(mountpoint=mountpoint)
    guest.change(_recorded(guest, target, new))
    return True


def _wanted(found, info, mountpoint):
    """The disk of a guest as it is on a volume."""
    return volume.disk(info, mountpoint, found.find('target').get('bus'), domain.cache_mode())


def _disk(guest, target, inactive=False):
    return next((disk for disk in guest.document(inactive).iterfind('devices/disk')
                 if disk.find('target').get('dev') == target), None)


def _is_on(disk, new):
    wanted, found = new.to_element().find('source'), disk.find('source')
    return found is not None and all(found.get(key) == value for key, value in wanted.items())


def _copy(guest, target, new):
    guest.begin_disk_copy(target, new.to_xml())
    gauge = progress.Gauge()
    try:
        while not _is_ready(guest, target):
            left = guest.disk_copy_left(target)
            if left is not None:
                # A guest that writes faster than its disk is copied gets no nearer to the end.
                gauge.reads(-left)
            concurrency.sleep(_LOOK_S)
        guest.use_disk_copy(target)
    except BaseException:
        guest.stop_disk_copy(target)
        raise


def _is_ready(guest, target):
    """Whether both are the same from now on.  Raises `exception.NovaException` when the copy has come to nothing."""
    disk = _disk(guest, target)
    mirror = disk.find('mirror') if disk is not None else None
    if mirror is None:
        raise exception.NovaException(f'The copy of disk {target} ended early; the log of the hypervisor tells why.')
    return mirror.get('ready') == 'yes'


def _recorded(guest, target, new):
    """The disk as it is to be recorded: where it was in the guest, with another source."""
    disk = _disk(guest, target, inactive=True)
    made = new.to_element()
    for name in ('source', 'serial', 'driver'):
        for former in disk.findall(name):
            disk.remove(former)
        disk.extend(made.findall(name))
    for name in ('backingStore', 'mirror'):
        for former in disk.findall(name):
            disk.remove(former)
    return config.text_of(disk)
