# SPDX-License-Identifier: Apache-2.0
import os
import random
import unittest

from nova.tests.unit.virt.libvirt import base
from nova.virt.libvirt import paths, remote

HEAD = 1 << 16
MIB = 1 << 20


class Stream:
    """What libvirt does with a stream: ask for extents, and read what is data; writes a file."""

    def __init__(self, path):
        self.path = path

    def take(self, source, chunk=50000):
        with open(self.path, 'wb') as target:
            while True:
                is_data, length = source.extent(self, None)
                if not is_data and length:
                    target.seek(length, os.SEEK_CUR)
                    source.skip(self, length, None)
                    continue
                data = source.read(self, min(length, chunk), None)
                if not data:
                    break
                target.write(data)
            target.truncate(target.tell())


class TestTransfer(base.LibvirtCase):
    def path(self, name):
        return os.path.join(self.directory, name)

    def carry(self, content, head=HEAD):
        """Send a file that `content` (f(file)) writes; what arrives at the other end, before it is unpacked."""
        with open(self.path('here'), 'wb') as out:
            content(out)
        with open(self.path('here'), 'rb', buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            Stream(self.path('disk' + paths.MOVING)).take(remote._Source(file.fileno(), size, head))
        with open(self.path('here'), 'rb') as file:
            return file.read(), size

    def arrived(self, name='disk'):
        with open(self.path(name), 'rb') as file:
            return file.read()

    def test_a_file_arrives_with_its_holes_and_its_beginning_last(self):
        def sparse(out):
            out.write(random.Random(1).randbytes(HEAD + 70000))
            out.seek(40 * MIB)
            out.write(b'in the middle' * 1000)
            out.truncate(64 * MIB)
        sent, size = self.carry(sparse)
        moving = self.arrived('disk' + paths.MOVING)
        self.assertEqual(size + HEAD, len(moving))
        self.assertEqual(bytes(HEAD), moving[:HEAD])
        remote.unpack(self.directory, 'disk', size)
        self.assertEqual(sent, self.arrived())
        self.assertLess(os.stat(self.path('disk')).st_blocks * 512, 2 * MIB)

    def test_files_of_any_length(self):
        for size in (0, 1, 512, HEAD - 1, HEAD, HEAD + 1, 3 * HEAD):
            with self.subTest(size=size):
                sent, _size = self.carry(lambda out, size=size: out.write(random.Random(size).randbytes(size)))
                remote.unpack(self.directory, 'disk', size)
                self.assertEqual(sent, self.arrived())
                os.unlink(self.path('disk'))

    def test_what_the_host_wrote_arrives_as_it_is(self):
        sent, _size = self.carry(lambda out: out.write(b'CD001' * 100000), head=0)
        self.assertEqual(sent, self.arrived('disk' + paths.MOVING))

    def test_unpacking_again_changes_nothing(self):
        sent, size = self.carry(lambda out: out.write(b'x' * 200000))
        remote.unpack(self.directory, 'disk', size)
        remote.unpack(self.directory, 'disk', size)
        # Cut off before the file got its name.
        os.rename(self.path('disk'), self.path('disk' + paths.MOVING))
        remote.unpack(self.directory, 'disk', size)
        self.assertEqual(sent, self.arrived())

    def test_half_a_file_is_not_taken(self):
        _sent, size = self.carry(lambda out: out.write(b'x' * 200000))
        os.truncate(self.path('disk' + paths.MOVING), 100000)
        with self.assertRaisesRegex(ValueError, '100000 bytes and should have 265536'):
            remote.unpack(self.directory, 'disk', size)
        self.assertFalse(os.path.exists(self.path('disk')))

    def test_uri(self):
        self.assertEqual('qemu+tcp://192.0.2.9/system', remote.uri_of('192.0.2.9'))
        self.options('libvirt', live_migration_scheme='tls')
        self.assertEqual('qemu+tls://h2/system', remote.uri_of('h2'))
        self.options('libvirt', live_migration_uri='qemu+ssh://nova@%s/system?no_verify=1')
        self.assertEqual('qemu+ssh://nova@h2/system?no_verify=1', remote.uri_of('h2'))


if __name__ == '__main__':
    unittest.main()
