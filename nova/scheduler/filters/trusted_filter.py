# SPDX-License-Identifier: Apache-2.0
"""Hosts by what an attestation service says of their integrity (Nova documentation, 3.7.605)."""

import datetime

from oslo_log import log as logging

from nova.conf import CONF
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal

LOG = logging.getLogger(__name__)

KEY = 'trust:trusted_host'
UNKNOWN = 'unknown'


class AttestationService:
    """Asks the service of [trust]."""

    def do_attestation(self, hosts):
        """{host: 'trusted', 'untrusted' or 'unknown'}.  Raises requests.RequestException."""
        import requests  # a large import, and this filter is rarely used
        options = CONF.trust
        answer = requests.post(
            f'https://{options.server}:{options.port}{options.api_url}/PollHosts', json={'hosts': list(hosts)},
            headers={'x-auth-blob': options.auth_blob or '', 'Accept': 'application/json'}, timeout=options.timeout,
            verify=False if options.insecure else (options.ca_file or True))
        answer.raise_for_status()
        return {found['host_name']: found['trust_lvl'] for found in answer.json().get('hosts') or ()}


class ComputeAttestationCache:
    """What the service said of each host, for [trust]auth_timeout seconds."""

    def __init__(self):
        self._service = AttestationService()
        self._known = {}

    def refresh(self, hosts):
        """Ask about those hosts of which nothing young is known; one request."""
        now = datetime.datetime.now(datetime.UTC)
        age = datetime.timedelta(seconds=CONF.trust.auth_timeout)
        unknown = [host for host in hosts if host not in self._known or now - self._known[host][1] > age]
        if not unknown:
            return
        try:
            found = self._service.do_attestation(unknown)
        except (OSError, ValueError, KeyError) as exc:  # what requests raises is an OSError
            LOG.warning('The attestation service %s says nothing; %d hosts are taken for unknown: %s',
                        CONF.trust.server, len(unknown), exc)
            found = {}
        for host in unknown:
            self._known[host] = (found.get(host, UNKNOWN), now)

    def get_host_attestation(self, host):
        """'trusted', 'untrusted' or 'unknown'."""
        return self._known.get(host, (UNKNOWN, None))[0]


class TrustedFilter(filters.HostFilter):
    """The host's integrity is what the flavor's extra spec `trust:trusted_host` says: trusted or untrusted."""

    run_filter_once_per_request = True

    def __init__(self):
        self.cache = ComputeAttestationCache()

    def applies(self, request):
        return KEY in request.extra_specs

    def refusals(self, hosts, request):
        self.cache.refresh([host.host for host in hosts])
        return [self._refusal(host, request.extra_specs[KEY]) for host in hosts]

    def refuse(self, host, request):
        return self.refusals([host], request)[0]

    def _refusal(self, host, wanted):
        level = self.cache.get_host_attestation(host.host)
        return None if level == wanted else Refusal('trust', word=level)
