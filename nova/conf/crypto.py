# SPDX-License-Identifier: Apache-2.0
"""The certificate authority of this site, which signs certificates of users and of VPN servers."""

from oslo_config import cfg

GROUP = None
OPTS = [
    cfg.StrOpt('ca_path', default='$state_path/CA',
               help='Directory of the certificate authority. It is made with the first certificate that somebody asks '
                    'for; where several hosts serve the API, it must be the same directory on all of them.'),
    cfg.StrOpt('ca_file', default='cacert.pem', help="The authority's certificate, below ca_path or absolute."),
    cfg.StrOpt('key_file', default='private/cakey.pem',
               help="The authority's private key, below ca_path or absolute. Only this service may read it."),
    cfg.StrOpt('keys_path', default='$state_path/keys',
               help='Directory of private keys that this service keeps: those of the key pairs of VPN servers.'),
    cfg.IntOpt('certificate_days', default=365, min=1, help='Days for which a certificate is valid.'),
]
