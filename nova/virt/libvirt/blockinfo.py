# SPDX-License-Identifier: Apache-2.0
"""Which disks a guest has, and where: buses, device names, boot order.

The layout follows from the server, its image and its block devices alone, so it is the same each time the guest is made
again.
"""

import dataclasses
import string

from nova import conf, exception
from nova.virt import driver
from nova.virt.disk import mkfs
from nova.virt.libvirt import paths

CONF = conf.CONF

_PREFIXES = {'virtio': 'vd', 'scsi': 'sd', 'sata': 'sd', 'usb': 'sd', 'ide': 'hd', 'fdc': 'fd'}
# How many disks fit on a bus of the machine as we make it.
_CAPACITY = {'ide': 4, 'fdc': 2, 'sata': 6}
#: How many disks libvirt puts on one SCSI controller, by their names.
DISKS_PER_SCSI_CONTROLLER = 7
_DEVICE_TYPES = ('disk', 'cdrom', 'floppy')


class UnsupportedBus(exception.Invalid):
    msg_fmt = '%(where)s: %(bus)r is not one of %(known)s.'


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """One disk of the guest.

    file: its name in the server's directory; target: its name in the guest ('vda'); device: 'disk', 'cdrom', 'floppy';
    boot_order: 1 is first, None is never; size_gb, size_mb: what was asked for of an ephemeral (GiB) or swap disk
    (MiB); file_system: of an ephemeral disk.
    """

    file: str
    target: str
    bus: str
    device: str = 'disk'
    boot_order: int | None = None
    size_gb: int = 0
    size_mb: int = 0
    file_system: str | None = None


class _Names:
    """Gives out device names, each once."""

    def __init__(self):
        self._taken = set()

    def take(self, bus, wish=None, last=False):
        """The wished name if it suits the bus and is free, else the first free one (or the last, with `last`)."""
        prefix = _PREFIXES[bus]
        names = [f'{prefix}{letter}' for letter in string.ascii_lowercase[:_CAPACITY.get(bus, 26)]]
        wish = bare(wish)
        free = [name for name in names if name not in self._taken]
        if not free:
            raise exception.InvalidBDM(reason=f'there are more than {len(names)} disks on the bus {bus}.')
        if last and bus == 'scsi':
            # The last of the first controller: there need not be others for it.
            free = [name for name in free if name in names[:DISKS_PER_SCSI_CONTROLLER]] or free
        name = wish if wish in free else free[-1 if last else 0]
        self._taken.add(name)
        return name


def bare(device_name):
    """'vda' for '/dev/vda', as libvirt wants it; None stays None."""
    return device_name.rpartition('/')[2] if device_name else None


def is_q35(machine_type):
    return bool(machine_type) and 'q35' in machine_type


def default_bus(device, machine_type=None):
    """The bus for this type of device where nobody says."""
    if device == 'disk':
        return 'virtio'
    if device == 'floppy':
        return 'fdc'
    return 'sata' if is_q35(machine_type) else 'ide'


def bus_for(image_meta, device, machine_type=None):
    """The bus for this type of device: the image's hw_disk_bus, hw_cdrom_bus or hw_floppy_bus, or the default."""
    if CONF.libvirt.virt_type == 'lxc':
        # Its disk is mounted: there is no bus.
        return 'virtio'
    key = f'hw_{device}_bus'
    bus = image_meta.properties.get(key) or default_bus(device, machine_type)
    _require_bus(key, bus)
    if is_q35(machine_type) and bus == 'ide':
        raise exception.Invalid(f'{key}: the machine type {machine_type} has no IDE; use sata, scsi or virtio.')
    return bus


def _require_bus(where, bus):
    if bus not in _PREFIXES:
        raise UnsupportedBus(where=where, bus=bus, known=', '.join(sorted(_PREFIXES)))


def layout(instance, image_meta, block_device_info, machine_type, config_drive=None):
    """The `Place`s of a server's local disks, the root disk first.

    Ephemeral and swap disks are those of `block_device_info`; where it says nothing of one kind, the flavor decides.
    :param config_drive: 'iso9660' or 'vfat' for one of that kind, None for none.
    Volumes take their names out of the pool, and are not in the answer.
    Raises InvalidBDM, UnsupportedBus, Invalid.
    """
    names = _Names()
    places = []
    volumes = driver.block_device_info_get_mapping(block_device_info)
    if not any(volume.get('boot_index') == 0 for volume in volumes) and instance.image_ref:
        places.append(_root(instance, image_meta, block_device_info, machine_type, names))
    for volume in volumes:
        names.take(volume.get('disk_bus') or bus_for(image_meta, volume.get('device_type') or 'disk', machine_type),
                   volume.get('mount_device'))
    places += _ephemerals(instance, image_meta, block_device_info, machine_type, names)
    places += _swap(instance, image_meta, block_device_info, machine_type, names)
    if config_drive:
        # The last of its bus: guests count their disks from the other end.
        device = 'cdrom' if config_drive == 'iso9660' else 'disk'
        bus = bus_for(image_meta, device, machine_type)
        places.append(Place(paths.CONFIG_DRIVE, names.take(bus, last=True), bus, device))
    return places


def places_of(asked, image_meta, machine_type):
    """`Place`s of the files [(name, 'disk' or 'cdrom')], in this order; the first one is booted from."""
    names, places = _Names(), []
    for file, device in asked:
        bus = bus_for(image_meta, device, machine_type)
        places.append(Place(file, names.take(bus), bus, device, boot_order=None if places else 1))
    return places


def _root(instance, image_meta, block_device_info, machine_type, names):
    images = (block_device_info or {}).get('image') or ()
    asked = next((image for image in images if image.get('boot_index') in (0, None)), {})
    device = asked.get('device_type') or ('cdrom' if image_meta.disk_format == 'iso' else 'disk')
    bus = _bus(asked, image_meta, device, machine_type)
    wish = asked.get('device_name') or driver.block_device_info_get_root(block_device_info) or instance.root_device_name
    return Place(paths.ROOT, names.take(bus, wish), bus, device, boot_order=1)


def _bus(asked, image_meta, device, machine_type):
    if device not in _DEVICE_TYPES:
        raise exception.InvalidBDM(reason=f'device_type: {device!r} is not one of {", ".join(_DEVICE_TYPES)}.')
    bus = asked.get('disk_bus')
    if bus is None:
        return bus_for(image_meta, device, machine_type)
    _require_bus('disk_bus', bus)
    return bus


def _ephemerals(instance, image_meta, block_device_info, machine_type, names):
    asked = driver.block_device_info_get_ephemerals(block_device_info)
    if not asked and instance.flavor.ephemeral_gb:
        asked = [{'size': instance.flavor.ephemeral_gb}]
    found = []
    for number, disk in enumerate(asked):
        device = disk.get('device_type') or 'disk'
        bus = _bus(disk, image_meta, device, machine_type)
        file_system = disk.get('guest_format') or mkfs.default_file_system(CONF, image_meta.properties.get('os_type'))
        found.append(Place(paths.ephemeral(number), names.take(bus, disk.get('device_name')), bus, device,
                           size_gb=disk['size'], file_system=file_system))
    return found


def _swap(instance, image_meta, block_device_info, machine_type, names):
    asked = (block_device_info or {}).get('swap') or {}
    size_mb = asked.get('swap_size') or instance.flavor.swap
    if not size_mb:
        return []
    bus = _bus(asked, image_meta, 'disk', machine_type)
    return [Place(paths.SWAP, names.take(bus, asked.get('device_name')), bus, size_mb=size_mb)]


def scsi_controllers(disks):
    """How many SCSI controllers these disks (`Place`s, `config.Disk`s) need."""
    # A letter that is none is for libvirt to refuse.
    letters = [string.ascii_lowercase.find(disk.target[-1]) for disk in disks if disk.bus == 'scsi']
    return max(letters) // DISKS_PER_SCSI_CONTROLLER + 1 if letters else 0


def first_name(bus):
    """Name of the first disk on this bus."""
    return f'{_PREFIXES[bus]}a'


# Names before there is a guest ---------------------------------------------------------------------------------------

def default_names(image_meta, root_device_name, bdms, machine_type=None):
    """[(bdm, device name)] for each BlockDeviceMapping without a name.  `root_device_name` is taken."""
    names = _Names()
    taken = [root_device_name, *(bdm.device_name for bdm in bdms)]
    for name in taken:
        if name:
            names.take(_bus_of_name(name), name)
    return [(bdm, f'/dev/{names.take(_bus_of(bdm, image_meta, machine_type))}') for bdm in bdms if not bdm.device_name]


def _bus_of_name(device_name):
    prefix = bare(device_name)[:2]
    return next((bus for bus, known in _PREFIXES.items() if known == prefix), 'virtio')


def _bus_of(bdm, image_meta, machine_type):
    return bdm.disk_bus or bus_for(image_meta, bdm.device_type or 'disk', machine_type)
