# SPDX-License-Identifier: Apache-2.0
"""The attestation service that says whether hosts can be trusted."""

from oslo_config import cfg

GROUP = cfg.OptGroup('trust', title='Trusted computing',
                     help='Where the filter TrustedFilter asks whether a host is what it should be. Nothing is asked '
                          'unless the filter is enabled and a flavor has the extra spec trust:trusted_host.')


def _old(name):
    return [cfg.DeprecatedOpt(name, group='trusted_computing')]


OPTS = [
    cfg.StrOpt('server', deprecated_opts=_old('attestation_server'), help='Name or address of the service.'),
    cfg.PortOpt('port', default=8443, deprecated_opts=_old('attestation_port'), help='Its port. It speaks HTTPS.'),
    cfg.StrOpt('api_url', default='/OpenAttestationWebServices/V1.0', deprecated_opts=_old('attestation_api_url'),
               help='The path in front of PollHosts.'),
    cfg.StrOpt('ca_file', deprecated_opts=_old('attestation_server_ca_file'),
               help='File with the certificate authority that signed the certificate of the service. Unset: those of '
                    'the system.'),
    cfg.StrOpt('auth_blob', secret=True, deprecated_opts=_old('attestation_auth_blob'),
               help='What authorises us there, sent in the header x-auth-blob.'),
    cfg.IntOpt('auth_timeout', default=60, min=0, deprecated_opts=_old('attestation_auth_timeout'),
               help='Seconds for which an answer about a host is believed. Should be less than what the service '
                    'believes itself.'),
    cfg.FloatOpt('timeout', default=10.0, min=0.1, help='Seconds to wait for an answer; then hosts count as unknown.'),
    cfg.BoolOpt('insecure', default=False, deprecated_opts=_old('attestation_insecure_ssl'),
                help='Do not check the certificate of the service.'),
]
