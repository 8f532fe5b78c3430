#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tests have left on a machine: compares it with what was there before.

    tools/lib/leaks.py snapshot FILE        # before
    tools/lib/leaks.py compare FILE         # after: prints what is new and ours, and ends with 1 if there is any

Ours is what bears a name that only our tests give: other programs come and go as they like.  What is about to go
(devices of a namespace that has just ended) gets time for that.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

#: Directories that tests make, by the beginning of their names.
_DIRECTORIES = ('nova-test-', 'nova-testbed-', 'nova-host-', 'nova-guests-', 'nova-guest-', 'nova-server-',
                'nova-network-test-', 'nova-template-')
_OURS = re.compile('|'.join(rf'/{re.escape(name)}' for name in _DIRECTORIES))
#: What a process has in its arguments that is ours, wherever its files are.
_COMMAND = re.compile(r'nova\.cmd\.|/nova-(api|compute|conductor|scheduler|network|all|novncproxy|serialproxy)\b|'
                      r'\bguest=instance-|NOVA_TESTBED')
_MARK = b'NOVA_TESTBED_PROCESS='
#: Devices, tables, namespaces, control groups, databases and virtual hosts, by their names.
_DEVICE = re.compile(r'tb[0-9a-f]{6}-|tap[0-9a-f]{8}-|br100$|vlan\d+$|fwd[0-9a-f]+|nt-')
_TABLE = re.compile(r'\bnova')
_NAMESPACE = re.compile('nt-')
_GROUP = re.compile('nova-host-')
_STORE = re.compile(r'nova_|nova-test')
#: Seconds that what is about to go gets.
PATIENCE_S = 30


# What there is: each yields one line for each thing -----------------------------------------------------------------

def processes():
    own = str(os.getpid())
    for path in pathlib.Path('/proc').iterdir():
        if not path.name.isdigit() or path.name == own:
            continue
        try:
            words = (path / 'cmdline').read_bytes().replace(b'\0', b' ').decode(errors='replace').strip()
            started = (path / 'stat').read_text().rpartition(')')[2].split()[19]
            is_marked = _MARK in (path / 'environ').read_bytes()
        except OSError:
            continue    # it has ended
        if words and (is_marked or _OURS.search(words) or _COMMAND.search(words)):
            yield f'process {path.name} (started {started}): {words[:120]}'


def devices():
    """Of this namespace; whether one is a port of a bridge is told, too."""
    for line in _lines('ip', '-o', 'link', 'show'):
        name = line.split()[1].rstrip(':').partition('@')[0]
        if _DEVICE.match(name):
            master = re.search(r'\bmaster (\S+)', line)
            yield f'device {name}' + (f', a port of {master[1]}' if master else '')


def tables():
    for line in _lines('nft', 'list', 'tables'):
        if _TABLE.search(line):
            yield f'nft {line.strip()}'


def namespaces():
    for path in _entries('/run/netns'):
        if _NAMESPACE.match(path.name):
            yield f'network namespace {path.name}'


def mounts():
    for line in pathlib.Path('/proc/self/mounts').read_text().splitlines():
        if _OURS.search(line.split()[1]):
            yield f'mount {line.split()[1]}'


def loops():
    for path in pathlib.Path('/sys/block').glob('loop*/loop/backing_file'):
        try:
            file = path.read_text().strip()
        except OSError:
            continue
        if _OURS.search(file):
            yield f'loop device {path.parts[3]} of {file}'


def domains():
    """Of this machine's own libvirtd; those of our hosts are their processes.

    Where it does not run, a definition still counts: who starts it next has the domain.
    """
    names = {path.stem for path in _entries('/etc/libvirt/qemu')}
    if os.path.exists('/run/libvirt/libvirt-sock'):
        names.update(_lines('virsh', '-c', 'qemu:///system', 'list', '--all', '--name'))
    yield from (f'domain {name}' for name in sorted(names) if name.startswith('instance-'))


def directories():
    for base in {tempfile.gettempdir(), os.environ.get('TMPDIR') or tempfile.gettempdir()}:
        for path in _entries(base):
            if path.name.startswith(_DIRECTORIES):
                yield f'directory {path}'


def groups():
    found = {path.name for pattern in ('*', '*/*') for path in pathlib.Path('/sys/fs/cgroup').glob(pattern)
             if _GROUP.match(path.name)}
    yield from (f'control group {name}' for name in found)


def databases():
    for variable, query in (('NOVA_TEST_MYSQL', 'SHOW DATABASES'),
                            ('NOVA_TEST_POSTGRESQL', 'SELECT datname FROM pg_database')):
        url = os.environ.get(variable)
        if not url:
            continue
        import sqlalchemy  # only where there is a server to ask
        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect() as connection:
                names = connection.execute(sqlalchemy.text(query)).scalars().all()
        finally:
            engine.dispose()
        yield from (f'database {engine.dialect.name} {name}' for name in names if _STORE.match(name))


def messages():
    """Virtual hosts of the broker that are ours, and queues of ours in that which all share."""
    if not shutil.which('rabbitmqctl'):
        return
    for name in _lines('rabbitmqctl', '-q', '--no-table-headers', 'list_vhosts', 'name'):
        if _STORE.match(name):
            yield f'virtual host {name}'
    for name in _lines('rabbitmqctl', '-q', '--no-table-headers', 'list_queues', '-p', '/', 'name'):
        yield f'queue {name}'


KINDS = (processes, devices, tables, namespaces, mounts, loops, domains, directories, groups, databases, messages)


def _lines(*words):
    """What a command printed; nothing where there is no such command, or it cannot be used here."""
    if not shutil.which(words[0]):
        return []
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        return []
    return [line for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def _entries(directory):
    try:
        return sorted(pathlib.Path(directory).iterdir())
    except OSError:
        return []


# Before and after ---------------------------------------------------------------------------------------------------

def look(kinds=KINDS):
    return sorted({line for kind in kinds for line in kind()})


def left(before, kinds=KINDS, patience_s=PATIENCE_S):
    """What is there and was not before, when what goes by itself has gone."""
    until = time.monotonic() + patience_s
    while True:
        new = sorted(set(look(kinds)) - set(before))
        if not new or time.monotonic() > until:
            return new
        time.sleep(min(1, patience_s))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('command', choices=('snapshot', 'compare'))
    parser.add_argument('file', type=pathlib.Path)
    options = parser.parse_args(arguments)
    if options.command == 'snapshot':
        options.file.write_text(json.dumps(look(), indent=1))
        return 0
    found = left(json.loads(options.file.read_text()))
    for line in found:
        print(f'left: {line}')
    print(f'{len(found)} things of the tests are left' if found else 'nothing is left of the tests')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
