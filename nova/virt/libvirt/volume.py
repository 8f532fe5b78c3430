# SPDX-License-Identifier: Apache-2.0
"""Volumes as disks of a guest: by the type that the volume service says."""

from nova import exception
from nova.virt.libvirt import blockinfo, config


class UnknownVolumeType(exception.NovaException):
    msg_fmt = 'The volume is of type %(type)s; this driver knows %(known)s.'


def _file(data):
    """(path, format) of a volume that is a file on this host."""
    return data['device_path'], data.get('format') or 'raw'


#: driver_volume_type -> what it is on this host.
TYPES = {'file': _file, 'local': _file}


def disk(connection_info, device_name, bus, cache=None, boot_order=None):
    """The `config.Disk` of a volume.  Raises UnknownVolumeType."""
    kind = (connection_info or {}).get('driver_volume_type')
    if kind not in TYPES:
        raise UnknownVolumeType(type=kind, known=', '.join(sorted(TYPES)))
    path, disk_format = TYPES[kind](connection_info['data'])
    return config.Disk(source=path, driver_format=disk_format, target=blockinfo.bare(device_name), bus=bus,
                       cache=cache, boot_order=boot_order, serial=connection_info.get('serial'))
