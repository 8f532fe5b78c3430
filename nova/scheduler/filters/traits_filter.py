# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal

SCOPE = 'trait'


class TraitsFilter(filters.HostFilter):
    """The host has the traits that flavor and image require (`trait:NAME=required`), and none that they forbid."""

    run_filter_once_per_request = True
    RUN_ON_REBUILD = True

    def applies(self, request):
        return bool(request.required_traits or request.forbidden_traits)

    def refuse(self, host, request):
        missing = request.required_traits.difference(host.traits)
        if missing:
            return Refusal('traits', word=f'without {", ".join(sorted(missing))}')
        unwanted = request.forbidden_traits.intersection(host.traits)
        return Refusal('traits', word=f'with {", ".join(sorted(unwanted))}') if unwanted else None

    def mask(self, hosts, request):
        return hosts.judge_kinds('traits_kind', lambda host: self.refuse(host, request) is None)
