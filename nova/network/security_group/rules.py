# SPDX-License-Identifier: Apache-2.0
"""Rules of security groups as users write them, checked."""

import netaddr

from nova import exception

PROTOCOLS = ('tcp', 'udp', 'icmp')

#: Ports of a rule that names none: all of them (icmp: all types and codes).
_ALL_PORTS = {'tcp': (1, 65535), 'udp': (1, 65535), 'icmp': (-1, -1)}


def parse(protocol=None, from_port=None, to_port=None, cidr=None, group_id=None):
    """A rule as it is stored: {protocol, from_port, to_port, cidr, group_id}.

    A rule with a group needs no ports, and without a protocol lets in everything; one with a network needs all three.
    Raises InvalidInput, naming the field.
    """
    from_group = group_id is not None
    protocol = _protocol(protocol, from_group)
    if protocol is None:
        first, last = None, None
    elif from_group and from_port is None and to_port is None:
        first, last = _ALL_PORTS[protocol]
    else:
        first, last = _ports(protocol, from_port, to_port)
    return {'protocol': protocol, 'from_port': first, 'to_port': last,
            'cidr': None if from_group else network('cidr', cidr), 'group_id': group_id}


def _protocol(value, may_be_missing):
    if value in (None, '') and may_be_missing:
        return None
    found = str(value).lower()
    if found not in PROTOCOLS:
        raise exception.InvalidInput(reason=f'ip_protocol: {value!r} is not one of {", ".join(PROTOCOLS)}')
    return found


def _ports(protocol, first, last):
    low, high = (-1, 255) if protocol == 'icmp' else (1, 65535)
    found = []
    for name, value in (('from_port', first), ('to_port', last)):
        try:
            number = int(value)
        except (TypeError, ValueError) as exc:
            raise exception.InvalidInput(reason=f'{name}: {value!r} is no number') from exc
        if not low <= number <= high:
            raise exception.InvalidInput(reason=f'{name}: {number} is not between {low} and {high}')
        found.append(number)
    if protocol != 'icmp' and found[0] > found[1]:
        raise exception.InvalidInput(reason=f'to_port: {found[1]} is less than from_port {found[0]}')
    return tuple(found)


def network(name, value):
    """The text of a network; None or '' is everything of IPv4.  Raises InvalidInput."""
    if not value:
        return '0.0.0.0/0'
    try:
        found = netaddr.IPNetwork(value)
    except (netaddr.AddrFormatError, ValueError, TypeError) as exc:
        raise exception.InvalidInput(reason=f'{name}: {value!r} is no network') from exc
    if found.prefixlen == 0 and int(found.ip):
        raise exception.InvalidInput(reason=f'{name}: {value} has prefix /0, which only 0.0.0.0/0 and ::/0 may have')
    # As it was given: bits beyond the prefix do no harm.
    return str(found)
