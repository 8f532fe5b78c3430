# SPDX-License-Identifier: Apache-2.0
"""Volumes as disks of a guest: by the type that the volume service says.

A volume is connected to the host before a guest gets it, and disconnected after it has it no more; both may be
repeated, and what is connected is found by the connection info alone.
"""

import os

from oslo_log import log as logging

from nova import concurrency, conf, exception
from nova.privsep import volumes as privsep_volumes
from nova.virt import driver, shapes
from nova.virt.libvirt import blockinfo, config

CONF = conf.CONF
LOG = logging.getLogger(__name__)


class UnknownVolumeType(exception.NovaException):
    msg_fmt = 'The volume is of type %(type)s; this driver knows %(known)s.'


class VolumeUnusable(exception.NovaException):
    msg_fmt = 'Volume %(volume_id)s cannot be used on this host: %(reason)s'


class VolumeStays(exception.Invalid):
    msg_fmt = ('Volume %(volume_id)s is in %(path)s on this host, which %(host)s does not see: its server cannot go '
               'there.')


class VolumeEncrypted(exception.Invalid):
    msg_fmt = 'Volume %(volume_id)s is encrypted: this driver has no keys, and would write to it in plain.'


class InvalidVolumeAccessMode(exception.Invalid):
    msg_fmt = 'Invalid volume access mode: %(access_mode)r'


class _File:
    """A file, or a device, that is on this host already."""

    def connect(self, data):
        # Raises FileNotFoundError: of another host, which has its own.
        os.stat(data['device_path'])

    def disconnect(self, data):
        pass

    def extend(self, data):
        pass

    def disk(self, data):
        """The part of a `config.Disk` that is the volume's."""
        path = data['device_path']
        return {'source': path, 'driver_format': data.get('format') or 'raw', 'is_block': path.startswith('/dev/')}


class _Nfs(_File):
    """A file on an export of NFS, which is mounted while a guest of this host has volumes on it."""

    def __init__(self):
        #: export -> names of its volumes that were connected and not disconnected since this process began.
        self._used = {}

    @staticmethod
    def _held(export):
        return concurrency.lock(f'volumes {export}')

    def connect(self, data):
        export, options = data['export'], (data.get('options') or '').strip().removeprefix('-o').strip()
        with self._held(export):
            self._used.setdefault(export, set()).add(data['name'])
            privsep_volumes.mount(export, options)

    def disconnect(self, data):
        export = data['export']
        with self._held(export):
            used = self._used.setdefault(export, set())
            used.discard(data['name'])
            if not used:
                # Of guests from before this process, those that run keep it busy; others connect when they start.
                del self._used[export]
                privsep_volumes.umount(export)

    def disk(self, data):
        name = os.path.basename(data['name'])
        return {'source': os.path.join(privsep_volumes.place(data['export']), name),
                'driver_format': data.get('format') or 'raw'}


class _Rbd(_File):
    """An image of Ceph, which QEMU itself opens."""

    def connect(self, data):
        pass

    def disk(self, data):
        name = data['name']
        user = CONF.libvirt.rbd_user or data.get('auth_username')
        secret = CONF.libvirt.rbd_secret_uuid or data.get('secret_uuid')
        if not data.get('auth_enabled', True):
            user = secret = None
        return {'source': config.NetworkSource('rbd', name, tuple(zip(data['hosts'], data['ports'], strict=True)),
                                               user, secret),
                'driver_format': 'raw'}


class _Brick(_File):
    """A device that os-brick makes of an export of the storage."""

    def __init__(self, protocol):
        self._protocol = protocol

    def connect(self, data):
        data['device_path'] = _brick(privsep_volumes.connect, self._protocol, data)

    def disconnect(self, data):
        _brick(privsep_volumes.disconnect, self._protocol, data)

    def extend(self, data):
        _brick(privsep_volumes.extend, self._protocol, data)

    def disk(self, data):
        return {'source': data['device_path'], 'driver_format': 'raw', 'is_block': True}


def _brick(function, *args):
    """Call os-brick.  One call at a time: its own locks are not made for several native threads."""
    with concurrency.lock('os-brick'):
        if os.geteuid() == 0:
            return concurrency.native(function, *args)
        return function(*args)


#: driver_volume_type -> what it is on this host.
TYPES = {'file': _File(), 'local': _File(), 'nfs': _Nfs(), 'rbd': _Rbd(),
         **{name: _Brick(name) for name in ('iscsi', 'iser', 'fibre_channel', 'nvmeof', 'scaleio', 'storpool')}}
#: Names of limits that the volume service and libvirt have in common.
_LIMITS = {*shapes.DISK_LIMITS, 'size_iops_sec'}
#: Those that only this host has, and whoever sees the directory that they are in.
_OF_HOST = ('file', 'local')


def _type(connection_info):
    """Raises UnknownVolumeType."""
    kind = (connection_info or {}).get('driver_volume_type')
    if kind not in TYPES:
        raise UnknownVolumeType(type=kind, known=', '.join(sorted(TYPES)))
    return TYPES[kind]


def connector(base):
    """What storage has to know of this host: `base`, and what os-brick finds, where it is installed."""
    try:
        return {**_brick(privsep_volumes.host_properties), **base}
    except privsep_volumes.BrickMissing:
        return base


def connect(connection_info):
    """Connect a volume to this host.  Again changes nothing.

    Raises UnknownVolumeType, VolumeUnusable, VolumeEncrypted.
    """
    kind = _type(connection_info)
    if connection_info['data'].get('encrypted'):
        raise VolumeEncrypted(volume_id=connection_info.get('serial'))
    try:
        kind.connect(connection_info['data'])
    except Exception as exc:
        raise VolumeUnusable(volume_id=connection_info.get('serial'),
                             reason=getattr(exc, 'stderr', None) or str(exc)) from exc


def disconnect(connection_info):
    """Take that back.  What is not connected is no error; what fails is said in the log, and the rest goes on."""
    if not (connection_info or {}).get('driver_volume_type'):
        return
    try:
        _type(connection_info).disconnect(connection_info['data'])
    except Exception:  # storage that is gone must not keep a guest from going
        LOG.exception('Volume %s could not be disconnected from this host', connection_info.get('serial'))


def extend(connection_info):
    """Let the host see that a volume has grown."""
    _type(connection_info).extend(connection_info['data'])


def _infos(block_device_info):
    return [item.get('connection_info') for item in driver.block_device_info_get_mapping(block_device_info)]


def connect_all(block_device_info):
    """Connect the volumes of a server.  On error none of them is."""
    done = []
    try:
        for info in _infos(block_device_info):
            done.append(info)
            connect(info)
    except Exception:
        for info in done:
            disconnect(info)
        raise


def disconnect_all(block_device_info):
    for info in _infos(block_device_info):
        disconnect(info)


def of_host(block_device_info):
    """{id: path} of a server's volumes that are files or devices of this host."""
    return {info.get('serial'): info['data']['device_path'] for info in _infos(block_device_info)
            if info and info.get('driver_volume_type') in _OF_HOST}


def require_seen(block_device_info, other):
    """Raises VolumeStays where another host (a `remote.Remote`) does not see all volumes of a server."""
    seen = {}
    for volume_id, path in of_host(block_device_info).items():
        directory = os.path.dirname(path)
        if directory not in seen:
            # Of the same name there each host has its own.
            seen[directory] = not path.startswith('/dev/') and other.shares(directory)
        if not seen[directory]:
            raise VolumeStays(volume_id=volume_id, path=path, host=other.address)


def disk(connection_info, device_name, bus, cache=None, boot_order=None):
    """The `config.Disk` of a volume that is connected.  Raises UnknownVolumeType, InvalidVolumeAccessMode."""
    data = connection_info['data'] if connection_info else {}
    found = _type(connection_info).disk(data)
    return config.Disk(target=blockinfo.bare(device_name), bus=bus, cache=cache, boot_order=boot_order,
                       serial=connection_info.get('serial'), readonly=_is_readonly(data), limits=_limits(data), **found)


def _is_readonly(data):
    mode = data.get('access_mode') or 'rw'
    if mode not in ('ro', 'rw'):
        raise InvalidVolumeAccessMode(access_mode=mode)
    return mode == 'ro'


def _limits(data):
    """{libvirt's iotune element: value} that the type of the volume has for its front end."""
    return {name: value for name, value in (data.get('qos_specs') or {}).items() if name in _LIMITS}


def sources(block_device_info):
    """{serial: XML of the disk} of the volumes that are connected here, for the document of a guest that comes."""
    return {info['serial']: disk(info, 'vda', 'virtio').to_xml() for info in _infos(block_device_info)
            if info and info.get('serial')}


def put_sources(root, found):
    """Let the disks of a guest's document be those of `sources`."""
    for element in root.iterfind('devices/disk'):
        text = found.get(element.findtext('serial'))
        if text is None:
            continue
        here = config.parse(text)
        element.set('type', here.get('type'))
        element.replace(element.find('source'), here.find('source'))
