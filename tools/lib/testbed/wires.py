# SPDX-License-Identifier: Apache-2.0
"""The two switches of a bed, and the cables from them to its hosts.

`management` carries what the services say to each other, and this machine has an address on it; `data` carries the
guests' network, and this machine has none.  A host that is partitioned has its ports at the switches shut.
"""

import ipaddress
import json
import subprocess

from nova.tests.integration import libvirt_host

#: {switch: (last part of its device's name, the device inside a host)}; nova-network takes `data0` into its bridge.
SWITCHES = {'management': ('mgmt', 'eth0'), 'data': ('data', 'data0')}
#: Reserved for measurements between machines (RFC 2544): no other network has addresses in it.
_RANGE = ipaddress.ip_network('198.18.0.0/15')
_FIRST_HOST = 10


def prefix(bed_id):
    """What the names of all devices of a bed begin with."""
    return f'tb{bed_id}'


def _switch(bed_id, kind):
    return f'{prefix(bed_id)}-{SWITCHES[kind][0]}'


def port(bed_id, kind, number):
    """The device that is the port of host `number` (from 1) at a switch."""
    return f'{prefix(bed_id)}-{kind[0]}{number}'


def free_subnet(bed_id):
    """A /24 that this machine has no address in, as text."""
    used = [ipaddress.ip_interface(f'{address["local"]}/{address["prefixlen"]}').network
            for link in json.loads(_ip('-json', '-4', 'address', 'show') or '[]') for address in link['addr_info']]
    nets = list(_RANGE.subnets(new_prefix=24))
    # Two beds that are made at the same time begin to look in different places.
    begin = int(bed_id, 16) % len(nets)
    return str(next(net for net in nets[begin:] + nets[:begin] if not any(net.overlaps(other) for other in used)))


def gateway(subnet):
    """This machine's address among the hosts."""
    return str(ipaddress.ip_network(subnet)[1])


def address(subnet, number):
    """The address of host `number`, from 1."""
    return str(ipaddress.ip_network(subnet)[_FIRST_HOST + number])


def make_switches(bed_id, subnet):
    for kind in SWITCHES:
        _ip('link', 'add', _switch(bed_id, kind), 'type', 'bridge', 'forward_delay', '0')
        _ip('link', 'set', _switch(bed_id, kind), 'addrgenmode', 'none', 'up')
    _ip('address', 'add', f'{gateway(subnet)}/24', 'dev', _switch(bed_id, 'management'))


def plug(bed_id, subnet, host, number):
    """Connect a host to both switches."""
    for kind, (_name, device) in SWITCHES.items():
        here = port(bed_id, kind, number)
        inside = f'{address(subnet, number)}/24' if kind == 'management' else None
        libvirt_host.cable((host, device, inside), (None, here, None))
        _ip('link', 'set', here, 'addrgenmode', 'none', 'master', _switch(bed_id, kind))


def shut(bed_id, number, kinds=tuple(SWITCHES)):
    """Shut a host's ports: what it sends is lost, and what is sent to it.  May be repeated."""
    for kind in kinds:
        _ip('link', 'set', port(bed_id, kind, number), 'down')


def open_ports(bed_id, number, kinds=tuple(SWITCHES)):
    for kind in kinds:
        _ip('link', 'set', port(bed_id, kind, number), 'up')


def devices(bed_id):
    """Names of the devices of a bed in the namespace that this process is in."""
    return [link['ifname'] for link in json.loads(_ip('-json', 'link', 'show') or '[]')
            if link['ifname'].startswith(f'{prefix(bed_id)}-')]


def remove(bed_id, only=None):
    """Remove the devices of a bed; those named in `only`, if given.  What is not there any more is not missed."""
    for name in devices(bed_id):
        if only is None or name in only:
            subprocess.run(['ip', 'link', 'delete', name], check=False, capture_output=True)


def _ip(*words):
    done = subprocess.run(['ip', *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f'ip {" ".join(words)}: {done.stderr.strip()}')
    return done.stdout
