# SPDX-License-Identifier: Apache-2.0
"""Rules of [pci]device_spec: which devices of a host guests may have.

A rule that is not understood is refused as a whole.  Read as far as it is understood it would offer more than was
meant: all devices of the host, that of its own disk too.
"""

import fnmatch
import json
import re

from nova import exception
from nova.conf import CONF

_IDS = ('vendor_id', 'product_id')
#: What says which devices are meant; a rule has one of them at least.
_CHOOSES = {*_IDS, 'address'}
#: What is said of the devices besides, for other services.
_TAGS = {'physical_network', 'trusted', 'remote_managed', 'managed', 'live_migratable', 'resource_class', 'traits'}
_PARTS = ('domain', 'bus', 'slot', 'function')
#: Digits and largest value of each part.
_FORMS = {'domain': ('04x', 0xffff), 'bus': ('02x', 0xff), 'slot': ('02x', 0x1f), 'function': ('x', 0x7)}
_ADDRESS = re.compile(r'(?P<domain>[^:]+):(?P<bus>[^:]+):(?P<slot>[^:]+)\.(?P<function>.+)')


def rules():
    """Functions of a device, each whether it is offered by one rule.  Raises ConfigInvalid."""
    found = []
    for text in CONF.pci.device_spec:
        try:
            said = json.loads(text)
            found += [_rule(one) for one in (said if isinstance(said, list) else [said])]
        except (ValueError, TypeError, re.error) as exc:
            raise exception.ConfigInvalid(option='[pci]device_spec', reason=f'{text!r}: {exc}.') from exc
    return found


def _rule(said):
    """Raises ValueError, TypeError, re.error."""
    if not isinstance(said, dict):
        raise TypeError(f'{said!r} is no JSON object')
    unknown = set(said) - _CHOOSES - _TAGS
    if unknown:
        raise ValueError(f'{", ".join(sorted(unknown))}: devices are chosen by {", ".join(sorted(_CHOOSES))}')
    if not _CHOOSES & set(said):
        raise ValueError(f'none of {", ".join(sorted(_CHOOSES))} is said')
    ids = {key: said[key] for key in _IDS if said.get(key, '*') != '*'}
    parts = _parts(said.get('address', '*'))

    def offers(device):
        if any(device.get(key) != wanted for key, wanted in ids.items()):
            return False
        address = _ADDRESS.fullmatch(device['address'])
        return address is not None and all(parts[name].fullmatch(address[name]) for name in _PARTS)
    return offers


def _parts(address):
    """{part of an address: pattern} of what a rule says: the text of an address, of which parts may be left out or be
    `*`, or an object with a regular expression for each part.
    """
    if isinstance(address, dict):
        unknown = set(address) - set(_PARTS)
        if unknown:
            raise ValueError(f'address: {", ".join(sorted(unknown))}: its parts are {", ".join(_PARTS)}')
        return {name: re.compile(address.get(name, '.*')) for name in _PARTS}
    if not isinstance(address, str):
        raise TypeError(f'address: {address!r} is neither a text nor an object')
    before, _dot, function = address.lower().partition('.')
    named = before.split(':')
    if len(named) > 3:
        raise ValueError(f'address: {address!r} is not domain:bus:slot.function')
    # From the right: the domain, or domain and bus, may be left out.
    said = [*[''] * (3 - len(named)), *named, function]
    return {name: re.compile(_pattern(name, text.strip())) for name, text in zip(_PARTS, said, strict=True)}


def _pattern(name, text):
    if text in ('', '*'):
        return '.*'
    if '*' in text or '?' in text:
        return fnmatch.translate(text)
    form, most = _FORMS[name]
    number = int(text, 16)
    if not 0 <= number <= most:
        raise ValueError(f'address: the {name} {text} is larger than {most:x}')
    return format(number, form)
