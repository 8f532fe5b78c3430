# SPDX-License-Identifier: Apache-2.0
"""What can break on a host with guests, really broken: full disks, killed daemons, lost files.  And a look at all that
servers have, to see whether it was left as it was.

Each fault is a context manager of `Faults`: broken for the body, mended afterwards.
"""

import contextlib
import hashlib
import pathlib
import shutil
import subprocess
import tempfile

from nova.tests import harness

#: Room for the servers of a host (MiB): memory, of which only what is used is taken.
DISK_MIB = 2048
#: Files that it may have; it is never left open, since the kernel does not count them then.
DISK_FILES = 100_000
#: Below the directory of servers, and no server's.  A host that was cut off answers late, to nobody, and with a mark.
_NOBODYS = ('./_base', './locks', './snapshots', './.mark-*')
#: Tables of what servers have, and what of it is compared.
_TABLES = {
    'claims': 'instance_uuid, host, migration_uuid, vcpus, memory_mb, disk_gb',
    'fixed_ips': 'instance_uuid, address, allocated',
    'virtual_interfaces': 'instance_uuid, address',
    'block_device_mapping': 'instance_uuid, device_name, volume_id',
    'volume_attachments': 'instance_uuid, volume_id, device',
    'volumes': 'id, status, size_gb',
}
_DELETED = ('block_device_mapping',)


class Faults:
    """What a test can break on a bed.

    :param bed: `bed.Bed`, with guests; `volumes`: directory of its volumes.
    """

    def __init__(self, bed, volumes):
        self.bed, self.volumes = bed, pathlib.Path(volumes)
        self.instances = str(bed.directory / 'state' / 'instances')
        for host in bed.status['hosts']:
            bed.exec(host, 'mount', '-t', 'tmpfs', '-o', f'size={DISK_MIB}m,nr_inodes={DISK_FILES},mode=755',
                     'tmpfs', self.instances)

    # Disks ------------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def disk_full(self, host):
        """Not a byte more for servers, nor a file: were it bytes alone, what a host tidies away meanwhile made room."""
        used, files = self.bed.exec(host, 'df', '--output=used,iused', '-k', self.instances).split()[-2:]
        self._resize(host, f'{max(4, int(used))}k', files)
        try:
            yield
        finally:
            self._resize(host, f'{DISK_MIB}m', DISK_FILES)

    def _resize(self, host, size, files):
        self.bed.exec(host, 'mount', '-o', f'remount,size={size},nr_inodes={files}', self.instances)

    @contextlib.contextmanager
    def disk_read_only(self, host):
        """What is open stays open, as it does where the kernel has given up a disk."""
        self.bed.exec(host, 'mount', '--bind', self.instances, self.instances)
        self.bed.exec(host, 'mount', '-o', 'remount,bind,ro', self.instances)
        try:
            yield
        finally:
            self.bed.exec(host, 'umount', self.instances)

    @contextlib.contextmanager
    def no_room_for_memory(self, host):
        """None where libvirt saves guests."""
        where = '/var/lib/libvirt/qemu/save'
        self.bed.exec(host, 'mount', '-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', where)
        try:
            yield
        finally:
            self.bed.exec(host, 'umount', where)

    @contextlib.contextmanager
    def saved_memory_corrupt(self, host):
        (path,) = (self.bed.directory / host / 'root/var/lib/libvirt/qemu/save').glob('*.save')
        content = path.read_bytes()
        path.write_bytes(b'\0' * 64 + content[64:])
        yield

    # Daemons ----------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def libvirtd_killed(self, host):
        self.bed.kill(f'{host}/libvirtd')
        try:
            yield
        finally:
            self.bed.start(f'{host}/libvirtd')

    @contextlib.contextmanager
    def compute_killed(self, host):
        self.bed.kill(f'{host}/nova-compute')
        try:
            yield
        finally:
            self.bed.tool('start', f'{host}/nova-compute')

    @contextlib.contextmanager
    def guests_killed(self, host):
        """All guests of a host die, while libvirtd does not see it."""
        with self.libvirtd_killed(host):
            # Those of guests that have ended lie there still.
            self.bed.exec(host, 'sh', '-c', '''for file in /run/libvirt/qemu/*.pid; do
                pid=$(cat "$file"); if grep -q ^qemu /proc/$pid/comm; then kill -9 $pid; fi; done''')
            yield

    @contextlib.contextmanager
    def bridge_gone(self, host):
        """And nobody who makes it again."""
        self.bed.kill(f'{host}/nova-network')
        try:
            self.bed.exec(host, 'ip', 'link', 'delete', 'br100')
            yield
        finally:
            self.bed.tool('start', f'{host}/nova-network')
            harness.wait_for(lambda: 'br100' in self.bed.exec(host, 'ip', '-br', 'link'), 'the bridge', 30, 0.3)

    @contextlib.contextmanager
    def partition(self, host):
        self.bed.tool('partition', host)
        try:
            yield
        finally:
            self.bed.tool('heal', host)

    # Files of the stores ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def image_gone(self, _host, image_id):
        """From the store, and from the caches of all hosts."""
        with self._away(self.bed.directory / 'images' / image_id), contextlib.ExitStack() as stack:
            for host in self.bed.status['hosts']:
                stack.enter_context(self._not_cached(host, image_id))
            yield

    @contextlib.contextmanager
    def image_corrupt(self, _host, image_id):
        path = self.bed.directory / 'images' / image_id
        with self._away(path), contextlib.ExitStack() as stack:
            for host in self.bed.status['hosts']:
                stack.enter_context(self._not_cached(host, image_id))
            # The beginning of another format than its record says.
            subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', str(path), '1M'], check=True)
            yield

    @contextlib.contextmanager
    def _not_cached(self, host, image_id):
        """Guests go on with what they have open."""
        name = hashlib.sha1(image_id.encode(), usedforsecurity=False).hexdigest()
        move = 'cd {}/_base 2>/dev/null || exit 0; for f in {}{}*; do if [ -e "$f" ]; then mv "$f" "{}"; fi; done'
        self.bed.exec(host, 'sh', '-c', f'mkdir -p {self.instances}/.away')
        self.bed.exec(host, 'sh', '-c', move.format(self.instances, '', name, '../.away/'))
        try:
            yield
        finally:
            self.bed.exec(host, 'sh', '-c', f'cd {self.instances}/.away && for f in *; do [ ! -e "$f" ] || '
                                            f'mv "$f" ../_base/; done; rmdir {self.instances}/.away')

    @contextlib.contextmanager
    def volume_gone(self, _host, volume_id):
        with self._away(self.volumes / f'volume-{volume_id}'):
            yield

    @contextlib.contextmanager
    def volumes_not_shared(self, host):
        """A host has another directory where the others have their volumes."""
        self.bed.exec(host, 'mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', str(self.volumes))
        try:
            yield
        finally:
            self.bed.exec(host, 'umount', str(self.volumes))

    @staticmethod
    @contextlib.contextmanager
    def _away(path):
        with tempfile.TemporaryDirectory(dir=path.parent) as directory:
            shutil.move(path, directory)
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
                shutil.move(pathlib.Path(directory, path.name), path)


class Look:
    """All that servers have, on the hosts and in the records: a set of lines.

    :param volumes: as `Faults` has it.
    """

    def __init__(self, bed, volumes):
        self.bed, self.volumes = bed, pathlib.Path(volumes)
        self.instances = str(bed.directory / 'state' / 'instances')

    def __call__(self):
        return set().union(*(self._of_host(host) for host in self.bed.status['hosts']), self._records(),
                           self._stores())

    def _of_host(self, host):
        # One command: each takes its time to start.
        prune = ' -o '.join(f'-path {name}' for name in _NOBODYS)
        said = self.bed.exec(host, 'sh', '-c', f'''
            virsh list --all | awk 'NR > 2 && NF {{ print "domain", $2, $3, $4 }}'
            virsh pool-list --all --name | awk 'NF {{ print "pool", $1 }}'
            cd {self.instances} && find . \\( {prune} \\) -prune -o -type f -printf "file %p\\n"
            find snapshots _base -name '*.part*' -o -path 'snapshots/*' 2>/dev/null | sed 's/^/unfinished /'
            ls /var/lib/libvirt/qemu/save /var/lib/libvirt/qemu/nvram | awk '/^instance/ {{ print "saved", $1 }}'
            ls /var/lib/libvirt/swtpm 2>/dev/null | sed 's/^/module /'
            ip -br link | awk '/^tap/ {{ print "tap", $1 }}'
            bridge -o link 2>/dev/null | awk '/ tap/ {{ print "port", $2 }}'
            nft list ruleset | grep -E 'fa:16:3e|fe:16:3e|tap' | sed 's/ *# handle.*//; s/^ */rule /'
            ''', check=False)
        return {f'{host}: {line.rstrip()}' for line in said.splitlines()
                if line.strip() and '/console.log' not in line}

    def _records(self):
        found = set()
        for table, columns in _TABLES.items():
            where = ' WHERE deleted = 0' if table in _DELETED else \
                ' WHERE instance_uuid IS NOT NULL' if table == 'fixed_ips' else ''
            for row in self.bed.sql(f'SELECT {columns} FROM {table}{where}'):
                found.add(f'{table}: ' + ' '.join(str(value) for value in row.values()))
        return found

    def _stores(self):
        images = self.bed.api.get('/images/detail', version='2.35')['images']
        files = (self.bed.directory / 'images').iterdir()
        return {*(f'image {image["id"]} {image["status"]}' for image in images),
                *(f'image file {path.name}' for path in files if path.name != '.lock'),
                *(f'volume file {path.name}' for path in self.volumes.iterdir())}
