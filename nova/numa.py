# SPDX-License-Identifier: Apache-2.0
"""NUMA: what a guest wants of the cells of a host, what a host has, and how the one lies on the other.

Plain values (JSON) and pure functions.

    wanted      {'cells': [{'id', 'cpus': [guest CPU], 'memory_mb'}], 'cpu_policy', 'thread_policy', 'page_size'}
    topology    of a host: {'cells': [{'id', 'cpus': [CPU for shared use], 'pcpus': [CPU to pin], 'memory_mb',
                'siblings': [[CPU]], 'pages': [{'size_kb', 'total'}]}]}
    placement   [{'id', 'cpus', 'memory_mb', 'host_cell', 'page_size_kb', 'pinning': {guest CPU: host CPU} or None,
                'siblings': [host CPU kept idle beside the pinned]}]

What is promised of a cell is a resource class of the node like any other, so that claims keep it: `inventory` names
them (NUMA0_VCPU, NUMA0_MEMORY_MB, NUMA0_PAGES_2048KB, PCPU_7).

(Nova documentation, 3.3.6 NUMATopologyFilter and 3.5.2.)
"""

import itertools
import re

from nova import exception

POLICIES = ('shared', 'dedicated')
THREAD_POLICIES = ('prefer', 'isolate', 'require')
_SIZE = re.compile(r'(\d+)\s*(|K|KB|KIB|M|MB|MIB|G|GB|GIB)$')
_UNITS_KB = {'': 1, 'K': 1, 'M': 1024, 'G': 1024 * 1024}
#: More ways to lay guest cells on host cells than these are not tried.
_MOST_WAYS = 5000


class NumaInvalid(exception.Invalid):
    msg_fmt = '%(key)s: %(reason)s'


# What is wanted ------------------------------------------------------------------------------------------------------

def constraints(specs, properties, vcpus, memory_mb):
    """What flavor and image want, or None where they say nothing.

    :param specs: the flavor's extra specs.  :param properties: of the image.
    Raises NumaInvalid, naming the key.
    """
    policy = _policy(specs, properties)
    threads = _thread_policy(specs, properties, policy)
    pages = _page_size(specs, properties)
    cells = _cells(specs, properties, vcpus, memory_mb)
    if cells is None and policy != 'dedicated' and pages is None:
        return None
    if cells is None:
        cells = [{'id': 0, 'cpus': list(range(vcpus)), 'memory_mb': memory_mb}]
    return {'cells': cells, 'cpu_policy': policy, 'thread_policy': threads, 'page_size': pages}


def _both(specs, properties, name, known=None):
    """(what the flavor says, what the image says) of `hw:name` and `hw_name`."""
    found = specs.get(f'hw:{name}'), properties.get(f'hw_{name}')
    for key, value in zip((f'hw:{name}', f'hw_{name}'), found, strict=True):
        if value is not None and known is not None and value not in known:
            raise NumaInvalid(key=key, reason=f'{value!r} is not one of {", ".join(known)}.')
    return found


def _policy(specs, properties):
    flavor, image = _both(specs, properties, 'cpu_policy', POLICIES)
    if flavor is None and any(name.startswith('resources') and name.endswith(':PCPU') for name in specs):
        flavor = 'dedicated'
    if flavor == 'shared' and image == 'dedicated':
        raise NumaInvalid(key='hw_cpu_policy', reason='the image wants dedicated CPUs, and the flavor forbids them.')
    return flavor or image


def _thread_policy(specs, properties, policy):
    flavor, image = _both(specs, properties, 'cpu_thread_policy', THREAD_POLICIES)
    if flavor and image and flavor not in ('prefer', image):
        raise NumaInvalid(key='hw_cpu_thread_policy', reason=f'the flavor wants {flavor}, the image {image}.')
    found = (image if flavor in (None, 'prefer') else flavor) or flavor
    if found and policy != 'dedicated':
        raise NumaInvalid(key='hw:cpu_thread_policy', reason='is for dedicated CPUs (hw:cpu_policy) only.')
    return found


def _page_size(specs, properties):
    flavor, image = _both(specs, properties, 'mem_page_size')
    flavor, image = _pages('hw:mem_page_size', flavor), _pages('hw_mem_page_size', image)
    if image is not None and flavor not in ('large', 'any', image):
        raise NumaInvalid(key='hw_mem_page_size', reason='an image may choose pages only where the flavor says large '
                                                         'or any.')
    return image or flavor


def _pages(key, value):
    """'small', 'large', 'any' or a size in KiB; None for None."""
    if value is None or value in ('small', 'large', 'any'):
        return value
    match = _SIZE.match(str(value).upper())
    if match is None or not int(match[1]):
        raise NumaInvalid(key=key, reason=f'{value!r} is not small, large, any, or a size such as 2MB.')
    return int(match[1]) * _UNITS_KB[match[2][:1]]


def _cells(specs, properties, vcpus, memory_mb):
    flavor, image = _both(specs, properties, 'numa_nodes')
    if flavor is not None and image is not None and flavor != image:
        raise NumaInvalid(key='hw_numa_nodes', reason='the flavor decides, and says other than the image.')
    count = flavor if flavor is not None else image
    if count is None:
        return None
    key, scope, said = ('hw:numa_nodes', 'hw:', specs) if flavor is not None else ('hw_numa_nodes', 'hw_', properties)
    count = _number(key, count)
    if not 1 <= count <= vcpus:
        raise NumaInvalid(key=key, reason=f'{count} is not from 1 to the number of CPUs, {vcpus}.')
    cpus = [said.get(f'{scope}numa_cpus.{number}') for number in range(count)]
    memory = [said.get(f'{scope}numa_mem.{number}') for number in range(count)]
    given = [value is not None for value in cpus + memory]
    if any(given):
        if not all(given):
            raise NumaInvalid(key=key, reason='numa_cpus.N and numa_mem.N are to be given for all cells, or for none.')
        return _asymmetric(key, scope, cpus, memory, vcpus, memory_mb)
    if vcpus % count or memory_mb % count:
        raise NumaInvalid(key=key, reason=f'{vcpus} CPUs and {memory_mb} MiB cannot be split evenly into {count} '
                                          f'cells; give numa_cpus.N and numa_mem.N.')
    share = vcpus // count
    return [{'id': number, 'cpus': list(range(number * share, (number + 1) * share)), 'memory_mb': memory_mb // count}
            for number in range(count)]


def _asymmetric(key, scope, cpus, memory, vcpus, memory_mb):
    cells = []
    for number, (text, size) in enumerate(zip(cpus, memory, strict=True)):
        cells.append({'id': number, 'cpus': _cpu_list(f'{scope}numa_cpus.{number}', text),
                      'memory_mb': _number(f'{scope}numa_mem.{number}', size)})
    if sorted(itertools.chain(*(cell['cpus'] for cell in cells))) != list(range(vcpus)):
        raise NumaInvalid(key=key, reason=f'the cells do not have each CPU from 0 to {vcpus - 1} once.')
    if sum(cell['memory_mb'] for cell in cells) != memory_mb:
        raise NumaInvalid(key=key, reason=f'the memory of the cells is not the {memory_mb} MiB of the flavor.')
    return cells


def _number(key, value):
    try:
        return int(value)
    except (TypeError, ValueError):
        raise NumaInvalid(key=key, reason=f'{value!r} is no number.') from None


def _cpu_list(key, text):
    found = set()
    for part in str(text).split(','):
        first, dash, last = part.partition('-')
        found.update(range(_number(key, first), _number(key, last if dash else first) + 1))
    return sorted(found)


# What there is -------------------------------------------------------------------------------------------------------

def _class(cell, what):
    return f'NUMA{cell["id"]}_{what}'


def _page_class(cell, size_kb):
    return _class(cell, f'PAGES_{size_kb}KB')


def inventory(topology, cpu_ratio=1.0, memory_ratio=1.0):
    """The resource classes of a host's cells: {class: {'total', 'reserved', 'allocation_ratio'}}."""
    found = {}
    for cell in (topology or {}).get('cells', ()):
        found[_class(cell, 'VCPU')] = _amount(len(cell['cpus']), cpu_ratio)
        found[_class(cell, 'MEMORY_MB')] = _amount(cell['memory_mb'], memory_ratio)
        for pages in cell.get('pages', ()):
            found[_page_class(cell, pages['size_kb'])] = _amount(pages['total'], 1.0)
        for cpu in cell['pcpus']:
            found[f'PCPU_{cpu}'] = _amount(1, 1.0)
    return found


def _amount(total, ratio):
    return {'total': total, 'reserved': 0, 'allocation_ratio': ratio}


# How it lies ---------------------------------------------------------------------------------------------------------

def place(topology, left_of, wanted, accepts=lambda host_cells: True):
    """(placement, {resource class: amount}) of a guest on a host, or None.

    :param left_of: function of a resource class: how much of it is left.
    :param accepts: function of the host cells' numbers that a way would use: whether they will do.
    The first way that fits, cells packed from the lowest number on.
    """
    host_cells = (topology or {}).get('cells', ())
    guest_cells = wanted['cells']
    if len(guest_cells) > len(host_cells):
        return None
    fits = {}

    def fit(guest_cell, host_cell):
        key = guest_cell['id'], host_cell['id']
        if key not in fits:
            fits[key] = _fit(guest_cell, host_cell, left_of, wanted)
        return fits[key]
    for way in itertools.islice(itertools.permutations(host_cells, len(guest_cells)), _MOST_WAYS):
        found = []
        for guest_cell, host_cell in zip(guest_cells, way, strict=True):
            one = fit(guest_cell, host_cell)
            if one is None:
                break
            found.append(one)
        if len(found) == len(guest_cells) and accepts({cell['id'] for cell in way}):
            return [cell for cell, _amounts in found], {name: amount for _cell, amounts in found
                                                        for name, amount in amounts.items()}
    return None


def _fit(guest, host, left_of, wanted):
    """(the guest's cell as placed, its amounts) on a cell of the host, or None."""
    amounts = {}
    placed = {**guest, 'host_cell': host['id'], 'page_size_kb': None, 'pinning': None, 'siblings': []}
    if wanted['page_size'] is None:
        if left_of(_class(host, 'MEMORY_MB')) < guest['memory_mb']:
            return None
        amounts[_class(host, 'MEMORY_MB')] = guest['memory_mb']
    else:
        size_kb = _fitting_pages(guest, host, left_of, wanted['page_size'])
        if size_kb is None:
            return None
        placed['page_size_kb'] = size_kb
        amounts[_page_class(host, size_kb)] = guest['memory_mb'] * 1024 // size_kb
    if wanted['cpu_policy'] == 'dedicated':
        pinned = _pin(guest, host, left_of, wanted['thread_policy'])
        if pinned is None:
            return None
        cpus, placed['siblings'] = pinned
        placed['pinning'] = {str(guest_cpu): cpu for guest_cpu, cpu in zip(guest['cpus'], cpus, strict=True)}
        amounts |= dict.fromkeys((f'PCPU_{cpu}' for cpu in (*cpus, *placed['siblings'])), 1)
    else:
        count = len(guest['cpus'])
        # A cell never has a guest's cell larger than itself: it would compete with itself.
        if len(host['cpus']) < count or left_of(_class(host, 'VCPU')) < count:
            return None
        amounts[_class(host, 'VCPU')] = count
    return placed, amounts


def _fitting_pages(guest, host, left_of, asked):
    """The size (KiB) of the pages that the guest's cell gets, or None."""
    sizes = sorted(pages['size_kb'] for pages in host.get('pages', ()))
    if not sizes:
        return None
    tries = {'small': sizes[:1], 'large': sizes[:0:-1], 'any': sizes[::-1]}.get(asked, [asked])
    for size_kb in tries:
        memory_kb = guest['memory_mb'] * 1024
        if size_kb in sizes and memory_kb % size_kb == 0 and left_of(
                _page_class(host, size_kb)) >= memory_kb // size_kb:
            return size_kb
    return None


def _pin(guest, host, left_of, policy):
    """(host CPUs for the guest's, in their order; CPUs to keep idle), or None."""
    count = len(guest['cpus'])
    cores = _free_cores(host, left_of)
    if policy == 'isolate':
        whole = [free for free, is_whole in cores if is_whole]
        if len(whole) < count:
            return None
        return [core[0] for core in whole[:count]], [cpu for core in whole[:count] for cpu in core[1:]]
    if policy == 'require':
        whole = [free for free, is_whole in cores if is_whole and len(free) > 1]
        size = len(whole[0]) if whole else 0
        if not size or count % size or len(whole) * size < count:
            return None
        return list(itertools.chain(*whole))[:count], []
    # Prefer threads of the same cores: the fullest cores first.
    cpus = list(itertools.chain(*(free for free, _is_whole in sorted(cores, key=lambda core: -len(core[0])))))
    return (cpus[:count], []) if len(cpus) >= count else None


def _free_cores(host, left_of):
    """[([free CPUs of a core], whether that is all of the core)]."""
    groups = host.get('siblings') or [[cpu] for cpu in host['pcpus']]
    alone = [[cpu] for cpu in host['pcpus'] if not any(cpu in group for group in groups)]
    found = []
    for group in [*groups, *alone]:
        free = [cpu for cpu in sorted(group) if cpu in host['pcpus'] and left_of(f'PCPU_{cpu}') >= 1]
        if free:
            found.append((free, len(free) == len(group)))
    return found
