# SPDX-License-Identifier: Apache-2.0
"""What the REST API answers, and to whom."""

from oslo_config import cfg

GROUP = cfg.OptGroup('api', title='Compute API')
OPTS = [
    cfg.StrOpt('auth_strategy', default='keystone', choices=[
        ('keystone', 'tokens of a Keystone, see [keystone_authtoken]'),
        ('standalone', 'tokens of the front door /identity of this service, see [standalone]'),
        ('http_basic', 'user name and password, see http_basic_auth_user_file'),
        ('noauth2', 'whoever comes is who the token says, "user:project"; for tests, on loopback only')],
        help='How callers prove who they are.'),
    cfg.StrOpt('http_basic_auth_user_file', default='/etc/nova/htpasswd',
               help='File of user names and bcrypt hashes (htpasswd -B) for http_basic.'),
    cfg.StrOpt('http_basic_auth_project', default='default',
               help='Project of everybody who comes in by http_basic.'),
    cfg.ListOpt('http_basic_auth_admins', default=['admin'],
                help='User names that are administrators with http_basic.'),
    cfg.IntOpt('max_limit', default=1000, min=1, help='Items of one page of a list, at most.'),
    cfg.StrOpt('compute_link_prefix',
               help='URL that links to this API begin with, if clients see another one than this service does.'),
    cfg.BoolOpt('enable_proxy_headers_parsing', default=False,
                deprecated_opts=[cfg.DeprecatedOpt('enable_proxy_headers_parsing', 'oslo_middleware')],
                help='Believe the headers Forwarded, X-Forwarded-For, -Proto, -Host, -Port and -Prefix. Only where all '
                     'clients come through a proxy that sets them: others could say anything about themselves.'),
    cfg.StrOpt('glance_link_prefix', help='URL that links to images begin with.'),
    cfg.BoolOpt('allow_instance_snapshots', default=True,
                help='Let users make images and backups of servers. Shelving is not affected.'),
    cfg.BoolOpt('enable_instance_password', default=True,
                help='Show the administrator password in the answer of create, rebuild, rescue and evacuate.'),
    cfg.ListOpt('hide_server_address_states', default=['building'],
                help='vm_states in which the addresses of a server are not shown.'),
    cfg.BoolOpt('list_records_by_skipping_down_cells', default=True,
                help='Leave servers of a cell that does not answer out of lists; otherwise such a list fails.'),
    cfg.IntOpt('max_request_body_size', default=114688, min=1024, help='Bytes of a request body, at most.'),
]
