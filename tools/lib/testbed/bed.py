# SPDX-License-Identifier: Apache-2.0
"""A bed is built, changed and removed."""

import concurrent.futures
import getpass
import ipaddress
import os
import pathlib
import secrets
import shutil
import subprocess
import tempfile
import time
import uuid

import testbed
from nova.tests import harness
from testbed import client, config, hosts, processes, servers, services, state, wires

#: name, MiB of memory, CPUs, GiB of disk, id
FLAVORS = (('m1.tiny', 128, 1, 1, '1'), ('m1.small', 256, 1, 2, '2'), ('m1.medium', 512, 2, 5, '3'))
NETWORK = 'private'
CIDR = '10.11.0.0/24'
IMAGE = 'guest'
_GUEST = testbed.TREE / '.cache' / 'guest'


def say(text):
    print(f'testbed: {text}', flush=True)


def plan(name, options):
    """All names of a bed that is about to be made; nothing is made yet.

    :raises ValueError: for options that do not fit together.
    """
    if not 1 <= options.cells <= options.hosts:
        raise ValueError(f'--cells {options.cells}: from 1 to the number of hosts, {options.hosts}')
    bed_id = secrets.token_hex(3)
    cells = [f'cell{number}' for number in range(1, options.cells + 1)]
    planned = state.State(name, {
        'id': bed_id, 'by': getpass.getuser(), 'driver': options.driver, 'db': options.db, 'debug': options.debug,
        'shared': options.shared_storage, 'settings': config.parse(options.set), 'database': None, 'rabbit': None,
        'directory': os.path.join(tempfile.gettempdir(), f'nova-testbed-{bed_id}'),
        'subnet': wires.free_subnet(bed_id), 'port': harness.free_port(),
        'cells': _cells(bed_id, cells),
        'hosts': {}, 'services': {}})
    for number in range(1, options.hosts + 1):
        host = f'compute{number}'
        planned['hosts'][host] = {
            'number': number, 'address': wires.address(planned['subnet'], number), 'holder': None, 'cgroups': [],
            'cell': config.TOP if len(cells) == 1 else cells[(number - 1) % len(cells)],
            'root': os.path.join(planned['directory'], host, 'root'), 'partitioned': []}
    return planned


def _cells(bed_id, cells):
    """{cell: name of its database and of its virtual host}.

    With one cell that is the configured one, as on any small site.  With more, `top` has the API, the global tables and
    the servers that no cell has taken, and each cell has its own of everything.
    """
    name = f'nova_testbed_{bed_id}'
    if len(cells) == 1:
        return {config.TOP: name}
    return {config.TOP: name, **{cell: f'{name}_{cell}' for cell in cells}}


def up(bed):
    """Build what is planned; returns when every host is ready to take servers."""
    since = time.monotonic()
    say(f'bed {bed.name}, {len(bed["hosts"])} hosts, driver {bed["driver"]}, {bed["db"]}: {bed["directory"]}')
    image = _guest_image(bed)
    bed.update(servers.start(bed['db']))
    bed.save()
    directory = pathlib.Path(bed['directory'])
    directory.mkdir(mode=0o755)
    # Guests run as an ordinary user.
    directory.chmod(0o755)
    for name in ('control', 'images', 'instances', *bed['hosts']):
        (directory / name).mkdir(mode=0o755)
    config.write_users(bed)
    config.write_all(bed)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        filling = pool.submit(_make_databases, bed)
        say('hosts')
        _make_hosts(bed)
        filling.result()
    say('services')
    for name in services.names(bed):
        services.start(bed, name)
    services.wait_ready(bed, bed['hosts'], timeout_s=60 + 15 * len(bed['hosts']))
    _fill(bed, image)
    say(f'ready after {time.monotonic() - since:.0f} s')


def _guest_image(bed):
    """Path and format of the image of the test guest; for the fake driver some bytes will do."""
    if bed['driver'] == 'fake':
        return None
    done = subprocess.run([testbed.TREE / 'tools' / 'guest-image', '--output', _GUEST], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(f'tools/guest-image: {done.stdout}{done.stderr}')
    return _GUEST / 'guest.qcow2', 'qcow2'


def _make_hosts(bed):
    wires.make_switches(bed['id'], bed['subnet'])
    for name in bed['hosts']:
        hosts.launch(bed, name)


def manage(bed, *words, cell=config.TOP):
    """nova-manage, with the configuration of a cell; its output."""
    done = subprocess.run([services.program('nova-manage'), '--config-file', config.control_file(bed, cell), *words],
                          cwd=testbed.TREE, env=services.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        # The last lines of a traceback say what it is about.
        said = f'{done.stdout}{done.stderr}'.splitlines()[-5:]
        raise RuntimeError('\n'.join([f'nova-manage {" ".join(words)}:', *said]))
    return done.stdout


def _make_databases(bed):
    """Tables, cells, and the network of the guests in each cell."""
    for cell, name in bed['cells'].items():
        servers.make_database(bed['database'], name)
        servers.make_vhost(bed['rabbit'], name)
        manage(bed, 'db', 'sync', cell=cell)
    manage(bed, 'api_db', 'sync')
    below = [cell for cell in bed['cells'] if cell != config.TOP]
    manage(bed, 'cell_v2', 'map_cell0' if below else 'simple_cell_setup')
    for cell in below:
        manage(bed, 'cell_v2', 'create_cell', '--name', cell, '--transport-url', config.transport(bed, cell),
               '--database_connection', config.database(bed, cell))
    network = str(uuid.uuid4())
    for number, cell in enumerate(bed['cells']):
        # One network for all; each cell gives out addresses of its own.
        manage(bed, 'network', 'create', '--label', NETWORK, '--cidr', CIDR, '--bridge', 'br100', '--uuid', network,
               '--bridge-interface', 'data0', '--multi-host', *_part_of_network(number, len(bed['cells'])), cell=cell)


def _part_of_network(number, cells):
    if cells == 1:
        return ()
    addresses = list(ipaddress.ip_network(CIDR).hosts())[2:]
    size = len(addresses) // cells
    part = addresses[number * size:(number + 1) * size]
    return '--allowed-start', str(part[0]), '--allowed-end', str(part[-1])


def _fill(bed, image):
    api = client.Client(bed)
    for flavor in FLAVORS:
        api.make_flavor(*flavor)
    if image is None:
        image = pathlib.Path(bed['directory']) / 'disk.raw', 'raw'
        image[0].write_bytes(b'\0' * 65536)
    api.make_image(IMAGE, *image)


# Breaking and mending ------------------------------------------------------------------------------------------------

def start_host(bed, name):
    """Switch a host on that was killed: namespaces, cables, libvirtd, services; what its disks hold is there again."""
    if not hosts.lives(bed['hosts'][name]):
        # What is left of a host whose first process died by itself.
        hosts.pull_the_plug(bed, name)
        hosts.launch(bed, name)
    for service in services.on(bed, name):
        services.start(bed, service)


def partition(bed, name, kinds):
    """Cut a host off.  May be repeated."""
    record = bed['hosts'][name]
    _must_run(bed, name)
    wires.shut(bed['id'], record['number'], kinds)
    record['partitioned'] = sorted({*record['partitioned'], *kinds})
    bed.save()


def heal(bed, name):
    """Undo `partition`.  May be repeated."""
    record = bed['hosts'][name]
    _must_run(bed, name)
    wires.open_ports(bed['id'], record['number'])
    record['partitioned'] = []
    bed.save()


def _must_run(bed, name):
    if not hosts.lives(bed['hosts'][name]):
        raise ValueError(f'{name} does not run')


# The way back --------------------------------------------------------------------------------------------------------

def down(bed):
    """Remove a bed, or what there is of it, in whatever condition.

    What cannot be removed now (a database server that does not answer) is kept in the state file for the next time.

    :returns: what is left, as sentences.
    """
    left = []
    for name in bed['hosts']:
        left += hosts.pull_the_plug(bed, name)
    stubborn = processes.end_all(lambda: processes.of_bed(f'{bed["id"]}/', bed['directory'], ()))
    left += [f'process {pid} does not end' for pid in stubborn]
    for remove, words in _removals(bed):
        try:
            remove(*words)
        except Exception as error:  # noqa: BLE001  whatever is wrong with one, the others are to go
            left.append(f'{" ".join(str(word) for word in words[-1:])}: {error}')
    if left:
        bed.save()
    else:
        bed.forget()
    return left


def _removals(bed):
    """What is left when nothing runs any more: functions and their arguments."""
    yield wires.remove, (bed['id'],)
    for name in bed['cells'].values():
        # Without a URL it had not come to that.
        if bed['database']:
            yield servers.drop_database, (bed['database'], name)
        if bed['rabbit']:
            yield servers.drop_vhost, (name,)
    yield _remove_tree, (bed['directory'],)


def _remove_tree(directory):
    # A mount below it would be emptied with it.
    mounted = [line.split()[1] for line in pathlib.Path('/proc/self/mounts').read_text().splitlines()
               if line.split()[1].startswith(f'{directory}/')]
    for path in reversed(mounted):
        subprocess.run(['umount', '--lazy', path], check=True, capture_output=True)
    if os.path.isdir(directory):
        shutil.rmtree(directory)
