# SPDX-License-Identifier: Apache-2.0
"""The config drive: what the metadata service says, on a small disk that the guest mounts by the label config-2.

Made without root and without mounting: genisoimage writes ISO 9660, mtools write FAT.
"""

import contextlib
import os
import pathlib
import tempfile

from oslo_concurrency import processutils
from oslo_utils import strutils

from nova import exception
from nova.conf import CONF
from nova.metadata import content as metadata
from nova.metadata import vendordata

LABEL = 'config-2'
#: The smallest FAT disk we make; it grows with its content (bytes).
_VFAT_LEAST = 64 * 2**20


class ConfigDriveUnknownFormat(exception.Invalid):
    msg_fmt = 'Unknown config drive format %(format)s. Select one of iso9660 or vfat.'


def required_by(instance):
    """Whether a server gets a config drive: its user, its image or this host wants one."""
    wanted = instance.image_meta.properties.get('img_config_drive', 'optional')
    return bool(strutils.bool_from_string(instance.config_drive) or wanted == 'mandatory' or CONF.force_config_drive)


def write(context, instance, path, network_info=None, injected_files=(), admin_password=None):
    """Write the config drive of a server to `path`; its format is [DEFAULT]config_drive_format.

    Raises ConfigDriveUnknownFormat, ProcessExecutionError.  What was half written does not stay.
    """
    known = metadata.InstanceMetadata(
        instance, network_info, [(name, data if isinstance(data, bytes) else data.encode())
                                 for name, data in injected_files or ()],
        admin_password, vendor_data=vendordata.static(), vendor_data2=vendordata.dynamic(instance))
    with ConfigDriveBuilder(known) as builder:
        builder.make_drive(path)


class ConfigDriveBuilder:
    """Writes the files of a server's metadata into a disk image."""

    def __init__(self, instance_md=None):
        self.files = dict(instance_md.config_drive()) if instance_md is not None else {}

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.files.clear()

    def make_drive(self, path):
        makers = {'iso9660': self._make_iso9660, 'vfat': self._make_vfat}
        if CONF.config_drive_format not in makers:
            raise ConfigDriveUnknownFormat(format=CONF.config_drive_format)
        unfinished = f'{path}.part'
        try:
            with tempfile.TemporaryDirectory(prefix='nova-cd-') as directory:
                for name, content in self.files.items():
                    place = pathlib.Path(directory) / name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content)
                makers[CONF.config_drive_format](unfinished, directory)
            os.replace(unfinished, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(unfinished)

    @staticmethod
    def _make_iso9660(path, directory):
        processutils.execute(CONF.mkisofs_cmd, '-o', path, '-ldots', '-allow-lowercase', '-allow-multidot', '-l',
                             '-publisher', 'OpenStack Compute', '-quiet', '-J', '-r', '-V', LABEL, directory,
                             attempts=1)

    @staticmethod
    def _make_vfat(path, directory):
        size = sum(place.stat().st_size + 4096 for place in pathlib.Path(directory).rglob('*'))
        with open(path, 'wb') as disk:
            disk.truncate(max(_VFAT_LEAST, 2 * size))
        processutils.execute('mkfs.vfat', '-n', LABEL, path, attempts=1)
        processutils.execute('mcopy', '-spmQ', '-i', path,
                             *(str(place) for place in sorted(pathlib.Path(directory).iterdir())), '::/', attempts=1)
