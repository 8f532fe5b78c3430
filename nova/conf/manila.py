# SPDX-License-Identifier: Apache-2.0
"""Where shared file systems come from that servers may have."""

from oslo_config import cfg

GROUP = cfg.OptGroup('manila', title='Shared file systems',
                     help='The Shared File Systems service, or a file that names shares.')

OPTS = [
    cfg.StrOpt('backend', choices=(('manila', 'the Shared File Systems service'), ('file', 'those in shares_file')),
               help='Where shares come from. Unset: servers have none.'),
    cfg.StrOpt('service_type', default='shared-file-system', help='Type of the service in the catalog.'),
    cfg.StrOpt('region_name', help='Region of the service in the catalog. Unset: the first found.'),
    cfg.ListOpt('valid_interfaces', default=['internal', 'public'],
                help='Interfaces of the catalog to try, in this order.'),
    cfg.StrOpt('endpoint_override', help='URL of the service, with its version. Unset: it is in the catalog.'),
    cfg.IntOpt('share_apply_policy_timeout', default=10, min=1,
               help='Seconds to wait until the service has let a host mount a share, or has taken that back.'),
    cfg.StrOpt('cephx_user', default='nova', help='User of Ceph as which hosts mount shares of CephFS.'),
    cfg.StrOpt('shares_file',
               help='YAML file of shares: a map of ids to project_id, protocol (NFS or CEPHFS), export_location, and '
                    'status if it is not available. The API reads it, hosts do not.'),
]


def late_opts():
    """Options of the connection and of the kind of credentials, for who reads them: `nova.conf.register_late`."""
    from keystoneauth1 import loading  # large, and only processes that talk to other services need it
    return [*loading.get_session_conf_options(), *loading.get_auth_common_conf_options()]


def sample_opts():
    """Options of the usual kind of credentials.  Their plugin registers them when it is chosen by `auth_type`."""
    from keystoneauth1 import loading  # see above
    return loading.get_auth_plugin_conf_options('v3password')
