# SPDX-License-Identifier: Apache-2.0
"""libvirt of another host, for the files of servers that move there.

Files travel as streams of libvirt, over the connection that live migrations take as well: hosts need no other way to
each other.  libvirt looks into each file that it has received, to see what kind of disk it is, and what a guest wrote
must not be taken for that: so the beginning of each file travels at its end, and is put back by `unpack`.
"""

import contextlib
import errno
import os
import tempfile
import time

import libvirt
from oslo_log import log as logging

from nova import concurrency, conf, exception, progress
from nova.virt.libvirt import config, errors, paths

CONF = conf.CONF
LOG = logging.getLogger(__name__)

#: So much of a file (bytes) is what anything is known by.
_HEAD = 1 << 16
# How often, and how long apart (s), a storage pool is asked to go.
_CLOSE_ATTEMPTS, _CLOSE_PAUSE_S = 20, 0.5


class Unreachable(exception.NovaException):
    msg_fmt = 'libvirt of the other host cannot be reached at %(uri)s: %(reason)s'


class TransferFailed(exception.NovaException):
    msg_fmt = 'File %(name)s did not arrive at %(uri)s: %(reason)s'


def uri_of(address):
    """URI of libvirt on the host with this address or name."""
    if CONF.libvirt.live_migration_uri:
        return CONF.libvirt.live_migration_uri.replace('%s', address)
    return f'qemu+{CONF.libvirt.live_migration_scheme}://{address}/system'


class Remote:
    """A connection to libvirt of another host; use it as a context manager.  Raises Unreachable."""

    def __init__(self, address):
        self.address = address
        self.uri = uri_of(address)
        self._connection = None
        #: What was sent last: a `_Source` for each file.
        self._sources = []

    def __enter__(self):
        try:
            self._connection = concurrency.native(self._open)
        except libvirt.libvirtError as exc:
            raise Unreachable(uri=self.uri, reason=exc.get_error_message()) from exc
        return self

    def _open(self):
        connection = libvirt.openAuth(self.uri, [[], lambda _credentials, _data: -1, None], 0)
        with contextlib.suppress(libvirt.libvirtError):
            connection.setKeepAlive(CONF.libvirt.keepalive_interval, CONF.libvirt.keepalive_count)
        return connection

    def __exit__(self, *_exc):
        with contextlib.suppress(libvirt.libvirtError):
            concurrency.native(self._connection.close)

    def runs(self, uuid):
        """Whether a guest is there, and not off."""
        def ask():
            return uuid in {domain.UUIDString()
                            for domain in self._connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)}
        with errors.translated(uuid):
            return concurrency.native(ask)

    # Directories -----------------------------------------------------------------------------------------------------

    def shares(self, directory):
        """Whether the other host sees this very directory of ours."""
        with tempfile.TemporaryDirectory(prefix='.shared-', dir=directory) as probe:
            os.chmod(probe, 0o755)  # noqa: S103  there root may be nobody
            try:
                pool = concurrency.native(self._open_pool, probe, 0)
            except libvirt.libvirtError as exc:
                if exc.get_error_code() != libvirt.VIR_ERR_SYSTEM_ERROR:
                    raise errors.LibvirtError(reason=exc.get_error_message(), code=exc.get_error_code()) from exc
                return False
            concurrency.native(pool.destroy)
            return True

    def _open_pool(self, path, flags):
        """A directory as one of libvirt's storage pools; it is forgotten when it is destroyed."""
        return self._connection.storagePoolCreateXML(self._pool_document(path), flags)

    def _pool_document(self, path):
        name = f'nova-{os.path.basename(path)}'
        for pool in self._connection.listAllStoragePools():
            if pool.name() == name:
                # Of a move that was cut off.
                pool.destroy()
        return config.text_of(config.element(
            'pool', config.element('name', text=name),
            config.element('target', config.element('path', text=path), _permissions('0755')), type='dir'))

    # Files -----------------------------------------------------------------------------------------------------------

    def send(self, files, directory, is_plain=False):
        """Copy files into a directory of the other host, which is made.

        :param files: {name there: path here}
        :param is_plain: the host itself made them: they arrive as they are.  Others are to be unpacked there.
        Raises TransferFailed, OSError.
        """
        self._sources = []
        try:
            with progress.watching(lambda: sum(source.at for source in self._sources)):
                concurrency.native(self._send, files, directory, is_plain)
        except libvirt.libvirtError as exc:
            raise TransferFailed(name=', '.join(files), uri=self.uri, reason=exc.get_error_message()) from exc

    def _send(self, files, directory, is_plain):
        """Runs in a native thread."""
        pool = self._open_pool(directory, libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
        try:
            for name, path in files.items():
                self._send_one(pool, name if is_plain else name + paths.MOVING, path, 0 if is_plain else _HEAD)
        finally:
            self._close_pool(pool)

    @staticmethod
    def _close_pool(pool):
        """Have it forgotten; what was being sent when that failed may hold it for a moment."""
        for left in reversed(range(_CLOSE_ATTEMPTS)):
            try:
                pool.destroy()
                return
            except libvirt.libvirtError as exc:
                if not left:
                    LOG.warning('The storage pool %s stays on the other host: %s', pool.name(), exc)
                    return
                time.sleep(_CLOSE_PAUSE_S)

    def _send_one(self, pool, name, path, head):
        with contextlib.suppress(libvirt.libvirtError):
            pool.storageVolLookupByName(name).delete(0)
        with open(path, 'rb', buffering=0) as source:
            size = os.fstat(source.fileno()).st_size
            document = config.element(
                'volume', config.element('name', text=name), config.element('capacity', text=size + head, unit='bytes'),
                config.element('allocation', text=0, unit='bytes'),
                config.element('target', config.element('format', type='raw'), _permissions('0644')))
            volume = pool.createXML(config.text_of(document), 0)
            self._sources.append(_Source(source.fileno(), size, head))
            _upload(self._connection, volume, self._sources[-1])

    def remove(self, directory):
        """Remove what was sent to a directory of the other host, and the directory, as far as that can be done."""
        def run():
            # A pool that was not recorded could not remove its directory.
            pool = self._connection.storagePoolDefineXML(self._pool_document(directory), 0)
            try:
                pool.create(0)
                for volume in pool.listAllVolumes():
                    volume.delete(0)
                pool.destroy()
                pool.delete(0)
            finally:
                pool.undefine()
        try:
            concurrency.native(run)
        except libvirt.libvirtError as exc:
            LOG.warning('What was sent to %s on %s is left there: %s', directory, self.uri, exc.get_error_message())


def _permissions(mode):
    return config.element('permissions', config.element('mode', text=mode))


def _upload(connection, volume, source):
    stream = connection.newStream(0)
    try:
        volume.upload(stream, 0, source.size, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        stream.sparseSendAll(source.read, source.extent, source.skip, None)
        stream.finish()
    except BaseException:
        with contextlib.suppress(libvirt.libvirtError):
            stream.abort()
        raise


class _Source:
    """A file as it travels: a hole in place of its first bytes, the rest, and then these first bytes.

    :param head: how many; the hole is as long even where the file is shorter.
    """

    def __init__(self, descriptor, size, head):
        self._descriptor, self._head = descriptor, head
        #: Where the first bytes of the file are in the stream.
        self._tail = max(size, head)
        self.size = size + head
        #: How far it has travelled.
        self.at = 0

    def read(self, _stream, count, _opaque):
        """The next bytes, not more than to the end of an extent; b'' at the end."""
        data = os.pread(self._descriptor, count, self.at - (self._tail if self.at >= self._tail else 0))
        self.at += len(data)
        return data

    def extent(self, _stream, _opaque):
        """[whether there is data here, how many bytes until that changes]"""
        at = self.at
        if at < self._head:
            return [False, self._head - at]
        if at >= self._tail:
            return [at < self.size, self.size - at]
        data = min(_seek(self._descriptor, at, os.SEEK_DATA, self._tail), self._tail)
        if data > at:
            return [False, data - at]
        return [True, min(_seek(self._descriptor, at, os.SEEK_HOLE, self._tail), self._tail) - at]

    def skip(self, _stream, length, _opaque):
        self.at += length
        return 0


def _seek(descriptor, at, what, otherwise):
    try:
        return os.lseek(descriptor, at, what)
    except OSError as exc:
        if exc.errno == errno.ENXIO:
            return otherwise
        raise


def unpack(directory, name, size):
    """Put a file that has arrived in its place.  Nothing happens when it is there.

    :param size: bytes that it had.
    Raises FileNotFoundError, ValueError for one that is not complete.
    """
    moving, path = os.path.join(directory, name + paths.MOVING), os.path.join(directory, name)
    if os.path.exists(path) and not os.path.exists(moving):
        return
    with open(moving, 'r+b') as file:
        found = os.fstat(file.fileno()).st_size
        if found not in (size, size + _HEAD):
            raise ValueError(f'{moving} has {found} bytes and should have {size + _HEAD}')
        if found != size:
            file.seek(max(size, _HEAD))
            head = file.read()
            file.seek(0)
            file.write(head)
            file.flush()
            os.fsync(file.fileno())
            file.truncate(size)
    os.rename(moving, path)
