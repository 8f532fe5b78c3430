# SPDX-License-Identifier: Apache-2.0
"""What a guest is made of, in terms that every hypervisor shares."""

import dataclasses

from nova import exception
from nova.virt import shapes


class CpuTopologyImpossible(exception.Invalid):
    msg_fmt = '%(what)s: %(reason)s'


class ImageSerialPortNumberInvalid(exception.Invalid):
    msg_fmt = '%(property)s: %(value)r is not a number of serial ports.'


class ImageSerialPortNumberExceedFlavorValue(exception.Invalid):
    msg_fmt = 'hw_serial_port_count of the image is more than hw:serial_port_count of the flavor allows.'


@dataclasses.dataclass(slots=True)
class InstanceInfo:
    """What a hypervisor says of one guest now.

    state: one of `nova.virt.power_state`; max_mem_kb, mem_kb: memory allowed and used (KiB); num_cpu: virtual CPUs;
    cpu_time_ns: CPU time used since it was started (ns); id: the hypervisor's own identity of it, which means nothing
    to anybody else.
    """

    state: int | None = None
    max_mem_kb: int = 0
    mem_kb: int = 0
    num_cpu: int = 0
    cpu_time_ns: int = 0
    id: object = None


def parse_cpu_spec(spec):
    """The set of CPU numbers that a text like '1-4,^3,6' means.

    A member is a number, a range, or, with a caret, a number to take out again, wherever it stands.
    Raises `exception.Invalid`.
    """
    wanted, unwanted = set(), set()
    for rule in spec.split(','):
        rule = rule.strip()
        if not rule:
            continue
        try:
            if rule.startswith('^'):
                unwanted.add(_cpu_number(rule[1:]))
                continue
            first, dash, last = rule.partition('-')
            first = _cpu_number(first)
            last = _cpu_number(last) if dash else first
        except ValueError:
            raise exception.Invalid(f'{spec!r} is not a set of CPUs: {rule!r} is not N, N-M or ^N.') from None
        if last < first:
            raise exception.Invalid(f'{spec!r} is not a set of CPUs: the range {rule!r} ends before it begins.')
        wanted.update(range(first, last + 1))
    return wanted - unwanted


def _cpu_number(text):
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def format_cpu_spec(cpuset, allow_ranges=True):
    """The text for a set of CPU numbers; `allow_ranges` joins neighbours: '1-3,6' instead of '1,2,3,6'."""
    numbers = sorted(cpuset)
    if not allow_ranges:
        return ','.join(map(str, numbers))
    runs = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ','.join(str(first) if first == last else f'{first}-{last}' for first, last in runs)


def get_number_of_serial_ports(flavor, image_meta):
    """How many serial ports the guest gets (default 1).

    The flavor's `hw:serial_port_count` is the default and the maximum; the image's `hw_serial_port_count` may ask for
    less; where the flavor says nothing the image decides.  Raises `ImageSerialPortNumberInvalid` and
    `ImageSerialPortNumberExceedFlavorValue`.
    """
    flavor_ports = _port_count('hw:serial_port_count', flavor.extra_specs or {})
    image_ports = _port_count('hw_serial_port_count', image_meta.properties or {})
    if flavor_ports is not None and image_ports is not None and image_ports > flavor_ports:
        raise ImageSerialPortNumberExceedFlavorValue()
    for ports in (image_ports, flavor_ports):
        if ports is not None:
            return ports
    return 1


def _port_count(key, mapping):
    value = mapping.get(key)
    if value is None:
        return None
    try:
        return _cpu_number(value)
    except (TypeError, ValueError):
        raise ImageSerialPortNumberInvalid(property=key, value=value) from None


# Sockets, cores, threads ---------------------------------------------------------------------------------------------

def cpu_topology(vcpus, specs, properties):
    """(sockets, cores, threads) of a guest.

    Of all that are within the maxima (hw_cpu_max_…), and there must be one, that which agrees most with what is
    preferred (hw_cpu_…); of several the one with the fewest threads, then the fewest cores.
    Raises CpuTopologyImpossible, `shapes.ShapeInvalid`.
    """
    limits = _cpu_limits(specs, properties)
    wanted = {part: _preferred(part, limits[part], specs, properties) for part in shapes.CPU_PARTS}
    possible = [dict(zip(shapes.CPU_PARTS, found, strict=True)) for found in _factors(vcpus)]
    possible = [found for found in possible
                if all(limits[part] is None or found[part] <= limits[part] for part in shapes.CPU_PARTS)]
    if not possible:
        said = ', '.join(f'{limits[part]} {part}' for part in shapes.CPU_PARTS if limits[part] is not None)
        raise CpuTopologyImpossible(what='hw_cpu_max_sockets, hw_cpu_max_cores, hw_cpu_max_threads',
                                    reason=f'{vcpus} CPUs cannot be had with at most {said}.')
    best = min(possible, key=lambda found: (-sum(found[part] == wanted[part] for part in wanted), found['threads'],
                                            found['cores']))
    return tuple(best[part] for part in shapes.CPU_PARTS)


def _factors(vcpus):
    """All (sockets, cores, threads) that make so many CPUs."""
    for threads in range(1, vcpus + 1):
        if vcpus % threads == 0:
            for cores in range(1, vcpus // threads + 1):
                if vcpus // threads % cores == 0:
                    yield vcpus // threads // cores, cores, threads


def _cpu_limits(specs, properties):
    """{part: maximum or None}.  Raises CpuTopologyImpossible for an image that wants more than the flavor allows."""
    found = {}
    for part in shapes.CPU_PARTS:
        flavor = shapes.value(f'cpu_max_{part}', specs, {})
        image = shapes.value(f'cpu_max_{part}', {}, properties)
        if None not in (flavor, image) and image > flavor:
            raise CpuTopologyImpossible(what=f'hw_cpu_max_{part}',
                                        reason=f'{image} is more than the {flavor} of hw:cpu_max_{part} of the flavor.')
        found[part] = image if image is not None else flavor
    return found


def _preferred(part, limit, specs, properties):
    wanted = shapes.value(f'cpu_{part}', specs, properties)
    if None not in (wanted, limit) and wanted > limit:
        raise CpuTopologyImpossible(what=f'hw_cpu_{part}', reason=f'{wanted} is more than the {limit} allowed.')
    return wanted
