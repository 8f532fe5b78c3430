# SPDX-License-Identifier: Apache-2.0
"""Disk image files: looking at them, making, converting, growing.

Every function is told the format of what it opens, and tells the tool: a format that is guessed from the content would
be chosen by whoever wrote that content, a guest for example.  What comes from outside has passed
`nova.image.format_inspect` before it gets here.  Sizes in bytes.
"""

import dataclasses
import os

from oslo_concurrency import processutils
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import units

from nova import conf, exception, progress
from nova.image import formats

CONF = conf.CONF
LOG = logging.getLogger(__name__)

#: What disks on a host are kept in.
LOCAL_FORMATS = ('raw', 'qcow2')
#: What images come in, by the name that the image store has for it; on the right qemu-img's.
FORMATS = formats.TOOL_NAMES


class DiskToolFailed(exception.NovaException):
    """This host could not do it, for want of space for example; another one may."""

    msg_fmt = '%(what)s: %(reason)s'


@dataclasses.dataclass(frozen=True, slots=True)
class ImageInfo:
    """format: as it was told; virtual_size: bytes of the disk; disk_size: bytes it takes on the host; backing_file,
    data_file: paths of what it is not without, or None."""

    format: str
    virtual_size: int
    disk_size: int
    backing_file: str | None = None
    data_file: str | None = None


def look(path, image_format):
    """`ImageInfo` of a file, which may be in use.

    Raises `exception.InvalidDiskFormat` when the file is not there, is not of that format, or is too much for the
    limits of [libvirt]qemu_img_timeout and qemu_img_memory_mb.
    """
    if not os.path.exists(path):
        raise exception.InvalidDiskFormat(f'{path} does not exist.')
    limits = processutils.ProcessLimits(cpu_time=CONF.libvirt.qemu_img_timeout,
                                        address_space=CONF.libvirt.qemu_img_memory_mb * units.Mi)
    try:
        out, _err = processutils.execute('qemu-img', 'info', '--force-share', '--output=json', '-f',
                                         _tool_format(image_format), path, prlimit=limits, env_variables=_environment())
    except processutils.ProcessExecutionError as exc:
        raise exception.InvalidDiskFormat(f'{path} is no {image_format} disk: {_last_line(exc)}') from exc
    found = jsonutils.loads(out)
    specific = (found.get('format-specific') or {}).get('data') or {}
    return ImageInfo(image_format, found['virtual-size'], found.get('actual-size', 0), found.get('backing-filename'),
                     specific.get('data-file') if isinstance(specific, dict) else None)


def create(path, image_format, size=None, backing_file=None, backing_format=None):
    """Make an empty disk.

    :param size: bytes; may be left out where there is a backing file, then it is that one's.
    :param backing_file: the new disk (qcow2) begins with the content of this one, and never writes to it.
    Raises DiskToolFailed.
    """
    command = ['qemu-img', 'create', '-q', '-f', _tool_format(image_format)]
    if backing_file is not None:
        command += ['-F', _tool_format(backing_format), '-b', backing_file]
    command += [path] if size is None else [path, str(size)]
    _run(command, f'{path} cannot be made')


def convert(source, source_format, target, target_format):
    """Copy a disk into a new file of another format.  Holes stay holes.

    The copy is complete on the disk when this returns; on failure there is no `target`.  Raises
    DiskToolFailed.
    """
    command = ['qemu-img', 'convert', '-q', '-t', 'none' if can_bypass_cache(os.path.dirname(target)) else 'writeback',
               '-f', _tool_format(source_format), '-O', _tool_format(target_format), source, target]
    try:
        _run(command, f'{source} cannot be converted from {source_format} to {target_format}')
    except BaseException:
        if os.path.exists(target):
            os.unlink(target)
        raise


def fill(source, source_format, device, is_zero=False):
    """Copy a disk into a device that is as large at least; what is beyond its end stays as it was.

    :param is_zero: the device reads as zeros: only other content is written.
    Raises DiskToolFailed.
    """
    how = ['--target-is-zero'] if is_zero else []
    _run(['qemu-img', 'convert', '-q', '-n', *how, '-t', 'none', '-f', _tool_format(source_format), '-O', 'raw', source,
          device], f'{source} cannot be copied to {device}')


def resize(path, image_format, size):
    """Make a disk larger; its partitions and file systems stay as they are.  Raises DiskToolFailed."""
    _run(['qemu-img', 'resize', '-q', '-f', _tool_format(image_format), path, str(size)], f'{path} cannot be resized')


def _tool_format(image_format):
    try:
        return FORMATS[image_format]
    except KeyError:
        raise exception.InvalidDiskFormat(
            f'disk_format: {image_format!r} is not one of {", ".join(sorted(FORMATS))}.') from None


def _environment():
    # Messages of the tool are parsed by nobody, but are shown: in one language.
    return dict(os.environ, LC_ALL='C')


def _run(command, complaint):
    try:
        with progress.of_process() as on_execute:
            processutils.execute(*command, env_variables=_environment(), on_execute=on_execute)
    except processutils.ProcessExecutionError as exc:
        raise DiskToolFailed(what=complaint, reason=_last_line(exc)) from exc


def _last_line(exc):
    lines = (exc.stderr or exc.stdout or '').strip().splitlines()
    return lines[-1] if lines else f'qemu-img ended with {exc.exit_code}'


def can_bypass_cache(directory):
    """Whether files in this directory can be written without the host's page cache (O_DIRECT)."""
    probe = os.path.join(directory, f'.direct-io-{os.getpid()}')
    try:
        descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        LOG.debug('No direct I/O in %s: %s', directory, exc)
        return False
    finally:
        if os.path.exists(probe):
            os.unlink(probe)
    os.close(descriptor)
    return True
