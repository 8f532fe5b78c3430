# SPDX-License-Identifier: Apache-2.0
"""The commands of tools/testbed."""

import argparse
import json
import os
import signal
import sys

from testbed import bed as beds
from testbed import client, config, hosts, servers, services, state, wires

_DESCRIPTION = '''\
A cloud for tests on this machine: a control plane (nova-api, nova-conductor, nova-scheduler, a database and messages of
its own) and compute hosts, each with a network, host name, file system view and libvirtd of its own, nova-compute,
nova-network and the metadata service. Real guests boot in seconds; hosts and services can be killed, started, cut off.
'''
_EPILOG = '''\
A SERVICE is nova-api, nova-conductor, nova-scheduler, or one of a host: compute1/nova-compute, compute1/libvirtd;
without the host it is that service of all hosts. Needs root. The page: doc/source/contributor/testbed.rst
'''
_HINTS = '''
Use it:

    export OS_CLIENT_CONFIG_FILE={clouds} OS_CLOUD=testbed
    export OS_COMPUTE_API_VERSION=2.96 PATH={path}:$PATH
    openstack server list                       (as administrator: OS_CLOUD=testbed-admin)

The first boot (image {image}, flavors {flavors}, network {network} are there):

    openstack server create --image {image} --flavor m1.tiny --network {network} --wait one
    openstack console log show one              (it says "GUEST: ready" when it is up)
    OS_CLOUD=testbed-admin openstack server create --image {image} --flavor m1.tiny --network {network} \\
        --os-compute-api-version 2.74 --host {host} --wait two

Look, break, mend:

    {me} status
    {me} exec {host} virsh list
    {me} logs {host}/nova-compute -f
    {me} partition {host};  {me} heal {host}
    {me} kill {host};  {me} start {host}
    {manage} service list
    {me} down
'''


class Refused(Exception):
    """What was asked for cannot be done; the text says why."""


def _parser():
    parser = argparse.ArgumentParser('tools/testbed', description=_DESCRIPTION, epilog=_EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--name', default=os.environ.get('NOVA_TESTBED', 'default'),
                        help='which bed, where there are several (NOVA_TESTBED, or "default")')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')

    def command(function, help):
        made = commands.add_parser(function.__name__.rstrip('_'), help=help, description=help)
        made.set_defaults(function=function)
        return made

    _up_arguments(command(up, 'build a bed'))
    parser_of_exec = command(exec_, 'run a command inside a host; without one, a shell')
    parser_of_exec.add_argument('host', metavar='HOST')
    parser_of_exec.add_argument('words', nargs=argparse.REMAINDER, metavar='COMMAND')
    made = command(logs, 'show logs')
    made.add_argument('service', nargs='?', metavar='SERVICE|HOST', help='all unless named')
    made.add_argument('-f', '--follow', action='store_true', help='go on showing what is added')
    made.add_argument('-n', '--lines', default='30', help='lines of each log (30)')
    command(status, 'say what runs').add_argument('--json', action='store_true')
    made = command(kill, 'end a service with SIGKILL; a host as a power failure does')
    made.add_argument('target', metavar='SERVICE|HOST')
    made.add_argument('--signal', default='KILL', help='another signal for a service, as TERM')
    command(start, 'start what was killed, and wait until it reports').add_argument('target', metavar='SERVICE|HOST')
    made = command(partition, 'cut a host off; it goes on running')
    made.add_argument('host', metavar='HOST')
    made.add_argument('--only', choices=tuple(wires.SWITCHES), help='cut off only from this network')
    command(heal, 'undo "partition"').add_argument('host', metavar='HOST')
    command(down, 'remove the bed and all that it made').add_argument('--all', action='store_true', help='all beds')
    return parser


def _up_arguments(parser):
    parser.add_argument('--hosts', type=int, default=2, metavar='N', help='compute hosts, named compute1... (2)')
    parser.add_argument('--driver', choices=config.DRIVERS, default='libvirt', help='libvirt: real guests, the default')
    parser.add_argument('--db', choices=servers.DATABASES, default='mysql', help='(mysql)')
    parser.add_argument('--cells', type=int, default=1, metavar='M', help='cells, over which hosts are dealt out (1)')
    parser.add_argument('--shared-storage', action='store_true', help="all hosts see each other's servers' disks")
    parser.add_argument('--set', action='append', default=[], metavar='SECTION.OPTION=VALUE',
                        help='an option for all services; may be repeated')
    parser.add_argument('--debug', action='store_true', help='services log all that they do')
    parser.add_argument('--keep', action='store_true', help='a bed that fails to come up is not taken down')


def main(arguments):
    """Run one command; its exit status."""
    options = _parser().parse_args(arguments)
    if not servers.is_root():
        return _complain('it makes namespaces and devices, and needs root for that')
    try:
        return options.function(options) or 0
    except (Refused, ValueError, RuntimeError, client.Unreachable) as error:
        return _complain(error)


def _complain(text):
    print(f'testbed: {text}', file=sys.stderr)
    return 1


def _load(name):
    found = state.State.load(name)
    if found is None:
        others = ', '.join(state.names())
        raise Refused(f'there is no bed {name}' + (f', but: {others}' if others else '; make it: tools/testbed up'))
    return found


def _host(bed, name):
    if name not in bed['hosts']:
        raise Refused(f'{name} is no host of this bed; there are: {", ".join(bed["hosts"])}')
    return name


def _services(bed, name):
    """What a name stands for: one service, or that of all hosts."""
    found = [one for one in services.names(bed) if name in (one, one.rpartition('/')[2])]
    if not found:
        raise Refused(f'{name} is neither a host nor a service of this bed; there are: '
                      f'{", ".join([*bed["hosts"], *services.names(bed)])}')
    return found


# Commands ------------------------------------------------------------------------------------------------------------

def up(options):
    lack = hosts.missing(options.driver)
    if lack:
        raise Refused(lack)
    with state.alone(options.name):
        if state.State.load(options.name) is not None:
            raise Refused(f'there is a bed {options.name} already: tools/testbed status, tools/testbed down')
        bed = beds.plan(options.name, options)
        bed.save()
        # Asked to end, it ends as by the keyboard: with what it made removed.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            beds.up(bed)
        except BaseException as error:
            if not options.keep:
                print(f'testbed: {type(error).__name__}; taking down what there is', file=sys.stderr)
                for text in beds.down(bed):
                    _complain(text)
            raise
    _hint(bed)


def _hint(bed):
    me = 'tools/testbed' + ('' if bed.name == 'default' else f' --name {bed.name}')
    manage = f'{services.program("nova-manage")} --config-file {config.control_file(bed)}'
    print(_HINTS.format(clouds=config.clouds_file(bed), path=os.path.dirname(sys.executable), image=beds.IMAGE,
                        flavors=', '.join(row[0] for row in beds.FLAVORS), network=beds.NETWORK, me=me,
                        host=next(iter(bed['hosts'])), manage=manage))


def exec_(options):
    bed = _load(options.name)
    name = _host(bed, options.host)
    if not hosts.lives(bed['hosts'][name]):
        raise Refused(f'{name} does not run: start it')
    words = options.words[1:] if options.words[:1] == ['--'] else options.words
    sys.stdout.flush()
    hosts.of(bed, name).become(words or [os.environ.get('SHELL', '/bin/sh')])


def logs(options):
    bed = _load(options.name)
    if options.service in bed['hosts']:
        wanted = services.on(bed, options.service)
    else:
        wanted = _services(bed, options.service) if options.service else services.names(bed)
    paths = [path for path in (services.log_file(bed, name) for name in wanted) if os.path.exists(path)]
    if not paths:
        raise Refused('there is no log yet')
    words = ['tail', '-n', options.lines, *(['-F'] if options.follow else []), *paths]
    os.execvp(words[0], words)  # noqa: S606  a command of our own in our place


def status(options):
    # Into `head`, for example.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    bed = _load(options.name)
    found = _look(bed)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        _show(bed, found)
    return 0 if all(found['services'].values()) else 1


def _look(bed):
    """What runs, and what the API thinks of it."""
    found = {'name': bed.name, 'directory': bed['directory'], 'clouds': config.clouds_file(bed),
             'endpoint': config.endpoint(bed), 'driver': bed['driver'], 'db': bed['db'],
             'config': config.control_file(bed), 'hosts': {}, 'api': None,
             'services': {name: services.pid(bed, name) for name in services.names(bed)}}
    try:
        found['api'] = client.Client(bed).hypervisors()
    except (client.Unreachable, OSError) as error:
        found['api_error'] = str(error)
    for name, record in bed['hosts'].items():
        runs = hosts.lives(record)
        found['hosts'][name] = {
            'runs': runs, 'address': record['address'], 'cell': record['cell'], 'partitioned': record['partitioned'],
            'hypervisor': (found['api'] or {}).get(name),
            'guests': hosts.guests(hosts.of(bed, name)) if runs and bed['driver'] == 'libvirt' else None}
    return found


def _show(bed, found):
    print(f'bed {bed.name}: {found["driver"]}, {found["db"]}, {found["endpoint"]}, {found["directory"]}\n')
    print(f'{"host":<12} {"address":<14} {"cell":<7} {"runs":<6} {"hypervisor":<11} {"cut off from":<20} guests')
    for name, host in found['hosts'].items():
        guests = 'unknown' if host['guests'] is None else ', '.join(
            f'{guest} ({what})' for guest, what in host['guests'].items()) or 'none'
        print(f'{name:<12} {host["address"]:<14} {host["cell"]:<7} {"yes" if host["runs"] else "NO":<6} '
              f'{host["hypervisor"] or "unknown":<11} {", ".join(host["partitioned"]) or "nothing":<20} {guests}')
    print()
    for name, pid in found['services'].items():
        print(f'{name:<32} {f"process {pid}" if pid else "DOES NOT RUN"}')
    if found.get('api_error'):
        print(f'\nthe API: {found["api_error"]}')


def kill(options):
    sig = getattr(signal, f'SIG{options.signal.upper().removeprefix("SIG")}', None)
    if sig is None:
        raise Refused(f'--signal {options.signal}: there is no such signal')
    with state.alone(options.name):
        bed = _load(options.name)
        if options.target in bed['hosts']:
            left = hosts.pull_the_plug(bed, options.target)
            bed.save()
            if left:
                raise Refused('; '.join(left))
            return
        for name in _services(bed, options.target):
            services.kill(bed, name, sig)


def start(options):
    with state.alone(options.name):
        bed = _load(options.name)
        if options.target in bed['hosts']:
            wanted = services.on(bed, options.target)
            beds.start_host(bed, options.target)
        else:
            wanted = _services(bed, options.target)
            for name in wanted:
                services.start(bed, name)
        services.wait_up(bed, wanted)


def partition(options):
    with state.alone(options.name):
        bed = _load(options.name)
        beds.partition(bed, _host(bed, options.host), [options.only] if options.only else list(wires.SWITCHES))


def heal(options):
    with state.alone(options.name):
        bed = _load(options.name)
        beds.heal(bed, _host(bed, options.host))


def down(options):
    status = 0
    for name in state.names() if options.all else [options.name]:
        with state.alone(name):
            bed = state.State.load(name)
            if bed is None:
                beds.say(f'there is no bed {name}')
                continue
            for text in beds.down(bed):
                status = _complain(f'left: {text}')
            if not status:
                beds.say(f'bed {name} is removed')
    return status
