# SPDX-License-Identifier: Apache-2.0
"""The front doors that stand in for the other services on a small site."""

from oslo_config import cfg

GROUP = cfg.OptGroup('standalone', title='Standalone front doors',
                     help='/identity/v3, /image/v2, /network/v2.0 and /volume/v3 on the port of the Compute API, for a '
                          'site without Keystone, Glance, Neutron and Cinder.')

OPTS = [
    cfg.BoolOpt('enabled', default=True,
                help='Answer at the front doors. Without users_file nobody can get a token there.'),
    cfg.StrOpt('users_file', default='$state_path/standalone-users.yaml',
               help='YAML file of users, their hashed passwords, projects and roles. It is read again when it changes. '
                    'See etc/nova/standalone-users.yaml.sample.'),
    cfg.StrOpt('secret_file', default='$state_path/standalone-secret',
               help='File with the keys that sign tokens, one on each line. Made on first use, readable by its owner '
                    'only. The first key signs; to change it, put a new line before it, and remove the old one after '
                    'token_ttl_s. All API processes of a site share it.'),
    cfg.StrOpt('grants_file', default='$state_path/standalone-grants.json',
               help='File of application credentials and of revoked tokens.'),
    cfg.IntOpt('token_ttl_s', default=14400, min=60, help='Seconds for which a token is valid.'),
    cfg.StrOpt('region', default='RegionOne', help='Name of the region in the catalog.'),
    cfg.StrOpt('public_url',
               help='URL of the API as clients see it, for the catalog. Unset: what the client asked for, so that one '
                    'server can be reached by several names.'),
]
