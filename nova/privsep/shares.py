# SPDX-License-Identifier: Apache-2.0
"""Shared file systems of the network: mounted on the host, for its guests.

The caller names an export.  Where that is mounted, and with which options, comes from the configuration.
"""

import hashlib
import os
import re
import stat

from oslo_concurrency import processutils

from nova import conf, privsep

CONF = conf.CONF

#: Protocol of a share -> type of file system for `mount`.
TYPES = {'NFS': 'nfs', 'CEPHFS': 'ceph'}
#: What a share may not bring onto the host, whoever writes to it.
_ALWAYS = ('nosuid', 'nodev')
#: host:/path, [address]:/path, or several hosts with ports for Ceph.
_EXPORT = re.compile(r'[A-Za-z0-9_\[][A-Za-z0-9_.,:%\[\]-]*:/[^\0\n]*')
#: Seconds until a file server that says nothing is given up.
_PATIENCE_S = 60
_UMOUNT_PATIENCE_S = 10
_MOUNTS = '/proc/self/mountinfo'


def place(protocol, export):
    """The directory in which an export is mounted on this host.  Raises ValueError for what is no export.

    Needs no root, like `is_mounted`.
    """
    if protocol not in TYPES or not _EXPORT.fullmatch(export):
        raise ValueError(f'{export!r} is no export of {protocol}')
    base = CONF.libvirt.nfs_mount_point_base if protocol == 'NFS' else CONF.libvirt.ceph_mount_point_base
    return os.path.join(os.path.realpath(base), hashlib.sha256(export.encode()).hexdigest()[:32])


def is_mounted(directory):
    """Whether something is mounted there.  Does not touch it: a file server that is gone would let us wait."""
    wanted = directory.translate({ord(letter): f'\\{ord(letter):03o}' for letter in ' \t\n\\'})
    with open(_MOUNTS) as source:
        return any(line.split(' ', 5)[4] == wanted for line in source)


@privsep.sys_admin_pctxt.entrypoint
def mount(protocol: str, export: str) -> None:
    """Mount an export in its `place`, which the caller has made.  Nothing happens when it is mounted.

    Raises ValueError, and ProcessExecutionError with what the file server or `mount` says.
    """
    directory = place(protocol, export)
    if not stat.S_ISDIR(os.lstat(directory).st_mode):
        raise ValueError(f'{directory} is not a directory')
    if is_mounted(directory):
        return
    options = ','.join((*_options(protocol), *_ALWAYS))
    _execute(_PATIENCE_S, 'mount', '-t', TYPES[protocol], '-o', options, '--', export, directory)


def _execute(patience_s, *command):
    processutils.execute('timeout', '--kill-after=5', str(patience_s), *command)


def _options(protocol):
    if protocol == 'NFS':
        return [CONF.libvirt.nfs_mount_options] if CONF.libvirt.nfs_mount_options else []
    return [f'name={CONF.manila.cephx_user}', *CONF.libvirt.ceph_mount_options]


@privsep.sys_admin_pctxt.entrypoint
def umount(protocol: str, export: str) -> None:
    """Take an export from its `place`; nothing happens when it is not there.

    One whose server is gone, or whose last user has not quite ended, is gone from the tree of files all the same.
    """
    directory = place(protocol, export)
    if not is_mounted(directory):
        return
    try:
        _execute(_UMOUNT_PATIENCE_S, 'umount', '--', directory)
    except processutils.ProcessExecutionError:
        if is_mounted(directory):
            _execute(_UMOUNT_PATIENCE_S, 'umount', '--lazy', '--', directory)
