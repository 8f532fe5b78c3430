# SPDX-License-Identifier: Apache-2.0
import functools
import json

from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import extra_specs_ops

SCOPE = 'capabilities'


class ComputeCapabilitiesFilter(filters.HostFilter):
    """What the host says of itself meets the flavor's extra specs.

    `capabilities:cpu_info:features = <in> avx2` looks into what a host reports; keys without a scope count too.  Other
    scopes are somebody else's business.
    """

    run_filter_once_per_request = True

    def applies(self, request):
        return any(True for _wanted in _wanted(request))

    def refuse(self, host, request):
        for name, path, value in _wanted(request):
            has = capability(host, path)
            if not extra_specs_ops.match(has, value):
                # The word is the same for all hosts: what this one has would make a word of its own for each.
                return Refusal('flavor', word=f'without {name} {value}')
        return None


def _wanted(request):
    for name, value in request.extra_specs.items():
        path = name.split(':')
        if len(path) == 1:
            yield name, path, value
        elif path[0] == SCOPE:
            yield name, path[1:], value


@functools.lru_cache(maxsize=1000)
def _parsed(text):
    # Hosts of one kind say the same.
    return json.loads(text)


def capability(host, path):
    """What a host has at a path, ['cpu_info', 'features']: an attribute of its state, and items within; else None."""
    found = getattr(host, path[0], None) if not path[0].startswith('_') else None
    if found is None:
        found = host.stats.get(path[0])
    for name in path[1:]:
        if isinstance(found, str):
            try:
                found = _parsed(found)
            except ValueError:
                return None
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return None if callable(found) else found
