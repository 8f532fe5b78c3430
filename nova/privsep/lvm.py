# SPDX-License-Identifier: Apache-2.0
"""Disks of servers as logical volumes, by the tools of lvm2.

The caller names a volume group, and in it a volume; only what is named as the disk of a server is touched.  How a
volume is cleared comes from the configuration.
"""

import os
import re
import stat

from oslo_concurrency import processutils
from oslo_serialization import jsonutils
from oslo_utils import units

from nova import conf, privsep

CONF = conf.CONF

_GROUP = re.compile(r'(?!\.{1,2}$)[A-Za-z0-9_.+][A-Za-z0-9_.+-]{0,126}')
_VOLUME = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(_resize)?_disk[a-z0-9.]{0,32}')
#: A sparse volume is in a pool of its own, which has its name with this ending, and begins with so many bytes.
_POOL = '_pool'
_POOL_BYTES = 64 * units.Mi
_SECTOR = 512
# What held a device a moment ago may not have let it go yet.
_REMOVE_ATTEMPTS = 5


def group_name(name):
    """`name`, if it can be that of a volume group.  Raises ValueError."""
    if not isinstance(name, str) or not _GROUP.fullmatch(name):
        raise ValueError(f'{name!r} is no name of a volume group')
    return name


def _volume_name(name):
    if not isinstance(name, str) or not _VOLUME.fullmatch(name):
        raise ValueError(f'{name!r} is no name of a disk of a server')
    return name


def _full_name(group, name):
    return f'{group_name(group)}/{_volume_name(name)}'


def device(group, name):
    """Path of the device of a volume.  Needs no root."""
    return f'/dev/{_full_name(group, name)}'


def _execute(*command, **how):
    # Messages are shown, so in one language; and pipes of this process are no concern of lvm2.
    environment = dict(os.environ, LC_ALL='C', LVM_SUPPRESS_FD_WARNINGS='1')
    return processutils.execute(*command, env_variables=environment, **how)[0]


# Looking -------------------------------------------------------------------------------------------------------------

@privsep.sys_admin_pctxt.entrypoint
def space(group: str) -> list:
    """[bytes, free bytes] of a volume group.  Raises ProcessExecutionError where there is none."""
    found = _execute('vgs', '--units', 'b', '--nosuffix', '--noheadings', '-o', 'vg_size,vg_free', group_name(group))
    return [int(value) for value in found.split()]


@privsep.sys_admin_pctxt.entrypoint
def volumes(group: str) -> dict:
    """{name: {'size', 'taken': bytes, 'is_sparse'}} of the disks of servers in a volume group."""
    found = _volumes(group)
    # The pool may have outlived its volume.
    return {name.removesuffix(_POOL): found.get(name.removesuffix(_POOL), {'size': 0, 'taken': 0, 'is_sparse': True})
            for name in found if _VOLUME.fullmatch(name.removesuffix(_POOL))}


def _volumes(group):
    """The same of all volumes, pools included."""
    report = jsonutils.loads(_execute('lvs', '--reportformat', 'json', '--units', 'b', '--nosuffix', '-o',
                                      'lv_name,lv_size,data_percent,pool_lv', group_name(group)))
    found = {}
    for row in report['report'][0]['lv']:
        size, is_sparse = int(row['lv_size']), bool(row['pool_lv'])
        taken = int(size * float(row['data_percent'] or 0) / 100) if is_sparse else size
        found[row['lv_name']] = {'size': size, 'taken': taken, 'is_sparse': is_sparse}
    return found


# Making --------------------------------------------------------------------------------------------------------------

@privsep.sys_admin_pctxt.entrypoint
def create(group: str, name: str, size: int, is_sparse: bool) -> int:
    """Make a volume of at least `size` bytes; how many it has.

    :param is_sparse: it takes its space when it is written to, and what was not written reads as zeros.
    Raises ProcessExecutionError where it is there already, or the group is full.
    """
    _full_name(group, name)
    size = _whole_sectors(size)
    if is_sparse:
        _execute('lvcreate', '--yes', '--type', 'thin', '--size', f'{_POOL_BYTES}b', '--virtualsize', f'{size}b',
                 '--thinpool', name + _POOL, '--name', name, group)
    else:
        # Of what was there before, no file system must be found in it.
        _execute('lvcreate', '--yes', '--wipesignatures', 'y', '--size', f'{size}b', '--name', name, group)
    return _volumes(group)[name]['size']


def _whole_sectors(size):
    return -(-int(size) // _SECTOR) * _SECTOR


@privsep.sys_admin_pctxt.entrypoint
def extend(group: str, name: str, size: int) -> int:
    """Make a volume larger, to at least `size` bytes; how many it has.  One that is as large stays as it is."""
    full_name = _full_name(group, name)
    if _volumes(group)[name]['size'] < size:
        _execute('lvextend', '--size', f'{_whole_sectors(size)}b', full_name)
    return _volumes(group)[name]['size']


@privsep.sys_admin_pctxt.entrypoint
def rename(group: str, name: str, new_name: str) -> None:
    """Give a volume another name; one that is not there has it already."""
    _full_name(group, name), _full_name(group, new_name)
    found = _volumes(group)
    # The volume last: while it has its old name, there is something to be done.
    for ending in (_POOL, ''):
        if name + ending in found:
            _execute('lvrename', group, name + ending, new_name + ending)


@privsep.sys_admin_pctxt.entrypoint
def take(group: str, name: str) -> None:
    """Give the device of a volume to whoever owns the directory of servers, for tools that run as that user.

    Whom the hypervisor gives it to, when a guest starts, is the hypervisor's business.

    :raises ValueError: it is no block device.
    """
    path = os.path.realpath(device(group, name))
    if not stat.S_ISBLK(os.stat(path).st_mode):
        raise ValueError(f'{path} is no block device')
    owner = os.stat(os.path.realpath(CONF.instances_path))
    os.chown(path, owner.st_uid, owner.st_gid)


# Removing ------------------------------------------------------------------------------------------------------------

@privsep.sys_admin_pctxt.entrypoint
def remove(group: str, name: str) -> None:
    """Clear a volume as [libvirt]volume_clear says, and remove it.  Nothing happens when there is none."""
    full_name, found = _full_name(group, name), _volumes(group)
    if name + _POOL in found:
        # With what is in it; none of that can be read from another volume.
        _remove(full_name + _POOL)
    elif name in found:
        if CONF.libvirt.volume_clear != 'none':
            _require_device(group, name)
            _clear(device(group, name), found[name]['size'])
        _remove(full_name)


def _remove(full_name):
    _execute('lvremove', '-f', full_name, attempts=_REMOVE_ATTEMPTS)


def _require_device(group, name):
    """A volume that was not activated when the host booted has none."""
    if not os.path.exists(device(group, name)):
        _execute('lvchange', '--activate', 'y', _full_name(group, name))


def _clear(path, size):
    if CONF.libvirt.volume_clear_size:
        size = min(size, CONF.libvirt.volume_clear_size * units.Mi)
    if CONF.libvirt.volume_clear == 'zero':
        # Past the cache of the host, which it would fill.
        _execute('dd', 'if=/dev/zero', f'of={path}', 'bs=1M', f'count={size}', 'iflag=count_bytes', 'oflag=direct',
                 'conv=nocreat,fdatasync', 'status=none')
    else:
        _execute('shred', f'--size={size}', path)
