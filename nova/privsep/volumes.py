# SPDX-License-Identifier: Apache-2.0
"""Volumes of the network as devices and files of this host.

os-brick, the library of the Block Storage service, knows how hosts connect (iSCSI, Fibre Channel, NVMe, …).  It is
loaded by the first call, where these functions run: in the helper process, if there is one.
"""

import contextlib
import hashlib
import os
import re
import stat

from oslo_concurrency import lockutils, processutils

from nova import conf, privsep

CONF = conf.CONF

#: host:/path or [address]:/path
_EXPORT = re.compile(r'[A-Za-z0-9_\[][A-Za-z0-9_.:%\[\]-]*:/[^\0\n]*')
_OPTIONS = re.compile(r'[A-Za-z0-9_.,=:/-]*')
#: What a volume may not bring onto the host, whoever writes to its file system.
_ALWAYS = ('nosuid', 'nodev', 'noexec')
_PATIENCE_S = 60
_MOUNTS = '/proc/self/mountinfo'


class BrickMissing(RuntimeError):
    """os-brick is not installed on this host."""


def _connectors():
    try:
        import os_brick  # large, and only hosts with such volumes need it
        from os_brick import privileged
        from os_brick.initiator import connector
    except ImportError as exc:
        raise BrickMissing('os-brick is not installed on this host') from exc
    # We are root already where this runs.
    for name in ('default', 'brick_privsep_hide_output'):
        if hasattr(privileged, name):
            getattr(privileged, name).set_client_mode(False)
    if lockutils.get_lock_path(CONF) is None:
        lockutils.set_defaults(os.path.join(CONF.state_path, 'locks'))
    os_brick.setup(CONF)
    return connector


def _connector(protocol):
    # Neither is there a helper to be called.
    return _connectors().InitiatorConnector.factory(
        protocol, '', use_multipath=CONF.libvirt.volume_use_multipath,
        device_scan_attempts=CONF.libvirt.num_volume_scan_tries)


@privsep.sys_admin_pctxt.entrypoint
def host_properties() -> dict:
    """What storage has to know of this host: {'ip', 'host', 'initiator', 'wwpns', 'nqn', …}.  Raises BrickMissing."""
    return _connectors().get_connector_properties('', CONF.my_ip, CONF.libvirt.volume_use_multipath, False,
                                                  host=CONF.host)


@privsep.sys_admin_pctxt.entrypoint
def connect(protocol: str, data: dict) -> str:
    """Connect a volume to this host; returns the path of its device.  Again changes nothing.

    :param data: of the connection info.
    Raises BrickMissing, and what os-brick and its commands say.
    """
    return str(_connector(protocol).connect_volume(data)['path'])


@privsep.sys_admin_pctxt.entrypoint
def disconnect(protocol: str, data: dict) -> None:
    """Take that back, after what is not written yet is.  Again changes nothing."""
    path = data.get('device_path')
    _connector(protocol).disconnect_volume(data, {'path': path} if path else None)


@privsep.sys_admin_pctxt.entrypoint
def extend(protocol: str, data: dict) -> int | None:
    """Let the host see that a volume has grown; its size in bytes, where it is known."""
    return _connector(protocol).extend_volume(data)


# NFS -----------------------------------------------------------------------------------------------------------------

def place(export):
    """The directory in which an export with volumes is mounted on this host.  Raises ValueError for what is none."""
    if not _EXPORT.fullmatch(export):
        raise ValueError(f'{export!r} is no export of NFS')
    name = hashlib.sha256(f'volumes {export}'.encode()).hexdigest()[:32]
    return os.path.join(os.path.realpath(CONF.libvirt.nfs_mount_point_base), name)


def is_mounted(directory):
    """Whether something is mounted there.  Does not touch it: a file server that is gone would let us wait."""
    with open(_MOUNTS) as source:
        return any(line.split(' ', 5)[4] == directory for line in source)


@privsep.sys_admin_pctxt.entrypoint
def mount(export: str, options: str) -> None:
    """Mount an export in its `place`.  Nothing happens when it is mounted.

    :param options: of the volume service, as mount(8) has them; those of the host come after them.
    Raises ValueError, and ProcessExecutionError with what the file server or `mount` says.
    """
    directory = place(export)
    if not _OPTIONS.fullmatch(options):
        raise ValueError(f'{options!r} are no options of a mount')
    if is_mounted(directory):
        return
    os.makedirs(directory, exist_ok=True)
    if not stat.S_ISDIR(os.lstat(directory).st_mode):
        raise ValueError(f'{directory} is not a directory')
    words = [word for word in (options, CONF.libvirt.nfs_mount_options, *_ALWAYS) if word]
    processutils.execute('timeout', '--kill-after=5', str(_PATIENCE_S), 'mount', '-t', 'nfs', '-o', ','.join(words),
                         '--', export, directory)


@privsep.sys_admin_pctxt.entrypoint
def umount(export: str) -> bool:
    """Take an export from its `place`; whether it is gone.  One that a guest still uses stays."""
    directory = place(export)
    if is_mounted(directory):
        try:
            processutils.execute('timeout', '--kill-after=5', '10', 'umount', '--', directory)
        except processutils.ProcessExecutionError:
            return False
    with contextlib.suppress(OSError):
        os.rmdir(directory)
    return True
