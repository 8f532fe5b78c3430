# SPDX-License-Identifier: Apache-2.0
"""Moving the content of images: from a stream into a file that is inspected on the way, and from file to file."""

import contextlib
import errno
import fcntl
import hashlib
import os
import typing

from nova import concurrency, exception, progress
from nova.image import formats

#: What is hashed besides MD5, and recorded as `os_hash_algo`.
HASH_ALGORITHM = 'sha512'

_FICLONE = 0x40049409


class Received(typing.NamedTuple):
    """What came in: the inspection, and the digests in hexadecimal."""

    inspection: formats.Inspection
    checksum: str
    os_hash_value: str


def chunks(source):
    """The content of a file object, or of an iterator of bytes, in pieces.  Who asks for the next came further."""
    pieces = iter(lambda: source.read(formats.CHUNK), b'') if hasattr(source, 'read') else source
    for piece in pieces:
        yield piece
        progress.came_further()


def read(path):
    """The content of a file, in pieces.  The file is opened now: it may be removed while it is being read."""
    source = open(path, 'rb')  # noqa: SIM115  (closed by the generator)
    return _read(source)


def _read(source):
    with source:
        yield from chunks(source)


def _give_way():
    # A source that is a file never waits, and hashing it would keep everyone else out.
    if concurrency.is_patched():
        concurrency.sleep(0)


def receive(source, target, inspector, algorithm=HASH_ALGORITHM):
    """Write a stream into the file object `target`, holes for zeros, and judge it.  The data is on the disk afterwards.

    Gives other work a turn with every read of the source.

    :param source: a file object or an iterator of bytes.
    :raises ImageUnacceptable: the inspector refuses; nothing is cleaned up, `target` is the caller's.
    """
    md5, digest = hashlib.md5(usedforsecurity=False), hashlib.new(algorithm)
    for chunk in chunks(source):
        inspector.feed(chunk)
        inspector.check()
        md5.update(chunk)
        digest.update(chunk)
        if chunk.count(0) == len(chunk):
            target.seek(len(chunk), os.SEEK_CUR)
        else:
            target.write(chunk)
        _give_way()
    target.truncate(inspector.size)
    target.flush()
    inspection = inspector.verdict()
    concurrency.native(os.fsync, target.fileno())
    return Received(inspection, md5.hexdigest(), digest.hexdigest())


def copy_file(source_path, dest_path):
    """Copy a file, sharing its blocks where the file system can and keeping its holes; whole or not at all.

    :raises OSError: the disk is full, or a path is wrong; nothing is left at `dest_path` then.
    """
    part = f'{dest_path}.part'
    try:
        with progress.watching(lambda: os.stat(part).st_blocks):
            concurrency.native(_copy, source_path, part)
        os.replace(part, dest_path)
    except BaseException:
        remove(part)
        raise


def _copy(source_path, dest_path):
    with open(source_path, 'rb') as source, open(dest_path, 'wb') as dest:
        try:
            fcntl.ioctl(dest.fileno(), _FICLONE, source.fileno())
        except OSError:
            # Another file system, or one that cannot share blocks.
            _copy_extents(source.fileno(), dest.fileno(), os.fstat(source.fileno()).st_size)
        os.fsync(dest.fileno())


def _copy_extents(source, dest, size):
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:  # only a hole is left
                break
            raise
        end = os.lseek(source, at, os.SEEK_HOLE)
        os.lseek(source, at, os.SEEK_SET)
        os.lseek(dest, at, os.SEEK_SET)
        while at < end:
            moved = os.sendfile(dest, source, None, end - at)
            if not moved:
                raise exception.ImageUnacceptable(image_id=source, reason='its file became shorter while it was read')
            at += moved
    os.ftruncate(dest, size)


def remove(path):
    """Remove a file if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def rename(source_path, dest_path):
    """Put a finished file into its place."""
    os.replace(source_path, dest_path)
