# SPDX-License-Identifier: Apache-2.0
"""Devices of hosts and requests of flavors.  Plain values (JSON).

    device      {'address': '0000:03:00.1', 'vendor_id', 'product_id', 'dev_type', 'numa_node' or None, 'parent_addr'}
    request     {'alias', 'count', 'specs': [{'vendor_id', 'product_id', 'device_type'}], 'numa_policy'}

What is promised of a host's devices is a resource class for each (PCI_0000:03:00.1), so that claims keep it.
"""

import collections
import json

from nova import exception
from nova.conf import CONF
from nova.pci import devspec

NUMA_POLICIES = ('required', 'preferred', 'legacy', 'socket')
_TYPES = ('type-PCI', 'type-PF', 'type-VF')
_ALIAS_KEYS = {'name', 'vendor_id', 'product_id', 'capability_type', 'device_type', 'numa_policy'}


class PciRequestAliasNotDefined(exception.Invalid):
    msg_fmt = 'pci_passthrough:alias: this site has no alias %(alias)s.'


class PciInvalid(exception.Invalid):
    msg_fmt = '%(key)s: %(reason)s'


def aliases():
    """{name: request without its count}, of [pci]alias.  Raises ConfigInvalid."""
    found = {}
    for text in CONF.pci.alias:
        try:
            spec = json.loads(text)
            name = spec['name']
        except (ValueError, KeyError, TypeError):
            raise exception.ConfigInvalid(option='[pci]alias', reason=f'{text!r} is no JSON with a name.') from None
        unknown = set(spec) - _ALIAS_KEYS
        if unknown or spec.get('device_type', _TYPES[0]) not in _TYPES or (
                spec.get('numa_policy', 'legacy') not in NUMA_POLICIES):
            raise exception.ConfigInvalid(option='[pci]alias', reason=f'{text!r} is not understood.')
        made = found.setdefault(name, {'alias': name, 'specs': [], 'numa_policy': spec.get('numa_policy', 'legacy')})
        made['specs'].append({key: spec[key] for key in ('vendor_id', 'product_id', 'device_type') if key in spec})
    return found


def requests_of(specs, properties):
    """The requests of a flavor: pci_passthrough:alias = 'name:count,…'.  Raises PciInvalid and its kin."""
    text = specs.get('pci_passthrough:alias')
    if not text:
        return []
    known = aliases()
    policy = specs.get('hw:pci_numa_affinity_policy') or properties.get('hw_pci_numa_affinity_policy')
    if policy is not None and policy not in NUMA_POLICIES:
        raise PciInvalid(key='hw:pci_numa_affinity_policy', reason=f'{policy!r} is not one of '
                                                                   f'{", ".join(NUMA_POLICIES)}.')
    found = []
    for part in text.split(','):
        name, _colon, count = part.strip().partition(':')
        if name not in known:
            raise PciRequestAliasNotDefined(alias=name)
        if not count.isdigit() or not int(count):
            raise PciInvalid(key='pci_passthrough:alias', reason=f'{part.strip()!r} is not name:count.')
        found.append({**known[name], 'count': int(count), **({'numa_policy': policy} if policy else {})})
    return found


def offered(devices):
    """Those of a host's devices that [pci]device_spec offers to guests.  Raises ConfigInvalid."""
    rules = devspec.rules()
    return [device for device in devices if any(offers(device) for offers in rules)]


def resource_class(device):
    return f'PCI_{device["address"]}'


def inventory(devices):
    """The resource classes of devices."""
    return {resource_class(device): {'total': 1, 'reserved': 0, 'allocation_ratio': 1.0} for device in devices}


def _matches(device, request):
    return any(all(device.get({'device_type': 'dev_type'}.get(key, key)) == value for key, value in spec.items())
               for spec in request['specs'])


def place(devices, left_of, requests, numa_cells=None):
    """([device with its alias], {resource class: 1}) for these requests, or None where they cannot all be met.

    :param numa_cells: numbers of the host's cells that the guest is on; None: it is on no certain ones.
    Devices near to the guest come first; the policy `required` takes no others, `legacy` others only if they belong to
    no cell.  A physical function goes with the virtual ones that are made of it: whoever has it can end them.
    """
    chosen, taken = [], set()
    functions = collections.defaultdict(list)
    for device in devices:
        functions[device.get('parent_addr')].append(device)
    for request in requests:
        fitting = [device for device in devices if _matches(device, request)
                   and _is_near(device, request['numa_policy'], numa_cells)]
        if numa_cells is not None:
            fitting.sort(key=lambda device: device.get('numa_node') not in numa_cells)
        left = request['count']
        for device in fitting:
            whole = {resource_class(one) for one in (device, *functions[device['address']])}
            if left and taken.isdisjoint(whole) and all(left_of(name) >= 1 for name in whole):
                taken |= whole
                chosen.append({**device, 'alias': request['alias']})
                left -= 1
        if left:
            return None
    return chosen, dict.fromkeys(sorted(taken), 1)


def _is_near(device, policy, numa_cells):
    node = device.get('numa_node')
    if numa_cells is None or policy == 'preferred' or node in numa_cells:
        return True
    return policy == 'legacy' and node is None
