# SPDX-License-Identifier: Apache-2.0
"""What we need of lvm2, for machines without device-mapper: volumes are loop devices over sparse files.

    with lvm_stand_in.volume_group('vg', directory, size_mb) as group:
        …    # lvcreate, lvs, … are found on PATH

It refuses what lvm2 refuses, in its words; sizes are rounded as lvm2 rounds them.  What is removed is kept as
`<directory>/removed/<name>`, for who wants to look at it.  A sparse volume and its pool are one file.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

_TOOLS = ('vgs', 'lvs', 'lvcreate', 'lvextend', 'lvrename', 'lvremove')
_EXTENT = 4 << 20
_POOL = '_pool'


def works():
    """Whether there are loop devices here."""
    return os.geteuid() == 0 and os.path.exists('/dev/loop-control') and subprocess.run(
        ['losetup', '-f'], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def volume_group(name, directory, size_mb):
    """A `Group` with the tools on PATH; nothing is left of it afterwards."""
    group = Group(name, directory)
    tools = pathlib.Path(directory, 'bin')
    for path in (tools, group.files, group.removed):
        path.mkdir(parents=True)
    for tool in _TOOLS:
        command = shlex.join([sys.executable, '-I', '-S', __file__, directory, tool])
        (tools / tool).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tools / tool).chmod(0o755)
    pathlib.Path(directory, 'group').write_text(json.dumps([name, size_mb << 20]))
    before = os.environ['PATH']
    os.environ['PATH'] = f'{tools}:{before}'
    try:
        yield group
    finally:
        os.environ['PATH'] = before
        for volume in group.names():
            group.detach(volume)
        shutil.rmtree(f'/dev/{name}', ignore_errors=True)


class Group:
    """A volume group."""

    def __init__(self, name, directory):
        self.name = name
        self.files, self.removed = (pathlib.Path(directory, part) for part in ('volumes', 'removed'))

    def names(self):
        return sorted(file.name for file in self.files.iterdir() if not file.name.endswith(_POOL))

    def device(self, name):
        return f'/dev/{self.name}/{name}'

    def attach(self, name):
        found = subprocess.run(['losetup', '-f', '--show', self.files / name], check=True, capture_output=True,
                               text=True).stdout.strip()
        os.makedirs(f'/dev/{self.name}', exist_ok=True)
        os.symlink(found, self.device(name))

    def detach(self, name):
        with contextlib.suppress(FileNotFoundError):
            device = os.path.realpath(self.device(name))
            os.unlink(self.device(name))
            subprocess.run(['losetup', '-d', device], check=False)


class _Refused(Exception):
    pass


class _Tool:
    """One run of a tool.  Raises _Refused."""

    def __init__(self, directory):
        name, self.size = json.loads(pathlib.Path(directory, 'group').read_text())
        self.group = Group(name, directory)

    def _file(self, full_name):
        group, _slash, name = full_name.partition('/')
        self._require(group)
        if not (self.group.files / name).exists():
            raise _Refused(f'Failed to find logical volume "{full_name}"')
        return self.group.files / name

    def _require(self, group):
        if group != self.group.name:
            raise _Refused(f'Volume group "{group}" not found')

    def _free(self):
        """What is not taken; a pool takes what it began with."""
        files = [file for file in self.group.files.iterdir()
                 if not self.group.files.joinpath(file.name + _POOL).exists()]
        return self.size - sum(file.stat().st_size for file in files)

    def _require_free(self, size):
        if size > self._free():
            raise _Refused(f'Volume group "{self.group.name}" has insufficient free space ({self._free() // _EXTENT} '
                           f'extents): {size // _EXTENT} required.')

    def vgs(self, args):
        self._require(args.names[0])
        sys.stdout.write(f'  {self.size} {self._free()}\n')

    def lvs(self, args):
        self._require(args.names[0])
        rows = []
        for file in self.group.files.iterdir():
            pool = file.name + _POOL
            is_sparse = self.group.files.joinpath(pool).exists()
            percent = f'{file.stat().st_blocks * 51200 / file.stat().st_size:.2f}' if is_sparse else ''
            rows.append({'lv_name': file.name, 'lv_size': str(file.stat().st_size), 'data_percent': percent,
                         'pool_lv': pool if is_sparse else ''})
        json.dump({'report': [{'lv': rows}]}, sys.stdout)

    def lvcreate(self, args):
        self._require(args.names[0])
        file = self.group.files / args.name
        if file.exists():
            raise _Refused(f'Logical Volume "{args.name}" already exists in volume group "{self.group.name}"')
        self._require_free(_bytes(args.size))
        if args.virtualsize:
            _truncate(file.with_name(args.thinpool), _bytes(args.size))
        _truncate(file, _bytes(args.virtualsize or args.size))
        self.group.attach(args.name)

    def lvextend(self, args):
        file, size = self._file(args.names[0]), _bytes(args.size)
        if size <= file.stat().st_size:
            raise _Refused('New size matches existing size.')
        self._require_free(size - file.stat().st_size)
        _truncate(file, size)
        subprocess.run(['losetup', '-c', os.path.realpath(self.group.device(file.name))], check=True)

    def lvrename(self, args):
        group, name, new_name = args.names
        self._file(f'{group}/{name}').rename(self.group.files / new_name)
        if not name.endswith(_POOL):
            os.rename(self.group.device(name), self.group.device(new_name))

    def lvremove(self, args):
        file = self._file(args.names[0])
        for gone in {file, file.with_name(file.name.removesuffix(_POOL))}:
            self.group.detach(gone.name)
            gone.rename(self.group.removed / gone.name)


def _bytes(text):
    """Whole extents."""
    return -(-int(text.removesuffix('b')) // _EXTENT) * _EXTENT


def _truncate(file, size):
    with file.open('ab') as out:
        out.truncate(size)


def _main(directory, tool, *arguments):
    parser = argparse.ArgumentParser(prog=tool)
    for option in ('--units', '-o', '--reportformat', '--wipesignatures', '--type', '--size', '--virtualsize',
                   '--thinpool', '--name'):
        parser.add_argument(option)
    for option in ('--nosuffix', '--noheadings', '--yes', '-f'):
        parser.add_argument(option, action='store_true')
    parser.add_argument('names', nargs='+')
    try:
        getattr(_Tool(directory), tool)(parser.parse_args(arguments))
    except _Refused as exc:
        sys.stderr.write(f'  {exc}\n')
        return 5
    return 0


if __name__ == '__main__':
    sys.exit(_main(*sys.argv[1:]))
