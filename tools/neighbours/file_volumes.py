# SPDX-License-Identifier: Apache-2.0
"""A driver of Cinder for machines without kernel storage: volumes are sparse raw files in [<backend>] files_directory.

What it exports is a path on this machine (driver_volume_type 'local'), as a shared file system would.  For tests: it
keeps no quota of space and trusts every connector.
"""

import os
import subprocess

from cinder import interface
from cinder.volume import driver
from oslo_config import cfg

OPTS = [cfg.StrOpt('files_directory', help='Directory of the volumes.')]
GIB = 1024 ** 3


@interface.volumedriver
class FileVolumes(driver.VolumeDriver):
    VERSION = '1.0.0'

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTS)

    @staticmethod
    def get_driver_options():
        return OPTS

    def _path(self, thing):
        return os.path.join(self.configuration.files_directory, thing.name)

    def do_setup(self, context):
        os.makedirs(self.configuration.files_directory, exist_ok=True)

    def check_for_setup_error(self):
        pass

    def _update_volume_stats(self):
        self._stats = {
            'volume_backend_name': self.configuration.safe_get('volume_backend_name') or 'files',
            'vendor_name': 'tests', 'driver_version': self.VERSION, 'storage_protocol': 'local',
            'total_capacity_gb': 'infinite', 'free_capacity_gb': 'infinite',
            'reserved_percentage': 0, 'QoS_support': False, 'multiattach': True,
            'thin_provisioning_support': True}

    # Volumes

    def create_volume(self, volume):
        with open(self._path(volume), 'wb') as made:
            made.truncate(volume.size * GIB)

    def delete_volume(self, volume):
        self._remove(volume)

    def _remove(self, thing):
        if os.path.exists(self._path(thing)):
            os.unlink(self._path(thing))

    def _copy(self, source, target, size_gb):
        subprocess.run(['cp', '--sparse=always', self._path(source), self._path(target)], check=True)
        os.truncate(self._path(target), size_gb * GIB)

    def create_volume_from_snapshot(self, volume, snapshot):
        self._copy(snapshot, volume, volume.size)

    def create_cloned_volume(self, volume, src_vref):
        self._copy(src_vref, volume, volume.size)

    def extend_volume(self, volume, new_size):
        os.truncate(self._path(volume), new_size * GIB)

    def create_snapshot(self, snapshot):
        self._copy(snapshot.volume, snapshot, snapshot.volume_size)

    def delete_snapshot(self, snapshot):
        self._remove(snapshot)

    # Images

    def copy_image_to_volume(self, context, volume, image_service, image_id, disable_sparse=False):
        fetched = f'{self._path(volume)}.part'
        try:
            with open(fetched, 'wb') as target:
                image_service.download(context, image_id, target)
            source_format = image_service.show(context, image_id)['disk_format']
            subprocess.run(['qemu-img', 'convert', '-f', source_format, '-O', 'raw', fetched, self._path(volume)],
                           check=True)
        finally:
            os.unlink(fetched)
        os.truncate(self._path(volume), volume.size * GIB)

    # Hosts

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector):
        return {'driver_volume_type': 'local', 'data': {'device_path': self._path(volume), 'format': 'raw'}}

    def terminate_connection(self, volume, connector, **kwargs):
        pass
