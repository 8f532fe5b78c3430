# SPDX-License-Identifier: Apache-2.0
"""How the Block Storage service is reached."""

from oslo_config import cfg

GROUP = cfg.OptGroup('cinder', title='Block Storage service',
                     help='The Block Storage service v3, used when [volume] backend = cinder. The credentials here '
                          '(auth_type and its options) are those of a user with the roles admin and service: work '
                          'that no user waits for is done as that user, and its token goes along with those of users, '
                          'since the service gives volumes of servers back to nobody else.')

OPTS = [
    cfg.StrOpt('catalog_info', default='block-storage::public', regex=r'^[^:]+:[^:]*:[^:]+$',
               help='How the service is found in the catalog: <type>:<name>:<interface>. The name may be empty. Other '
                    'names of the same type (volumev3) are found too.'),
    cfg.StrOpt('endpoint_template',
               help='URL of the service in place of what the catalog has, with %(project_id)s where the project '
                    'belongs, if it does: http://localhost:8776/v3/%(project_id)s.'),
    cfg.StrOpt('os_region_name', help='Region of the service in the catalog. Unset: the first found.'),
    cfg.IntOpt('http_retries', default=3, min=0,
               help='How many times more a request is made when no connection came about. What may have been done is '
                    'not asked for again.'),
    cfg.BoolOpt('cross_az_attach', default=True,
                help='Whether servers may have volumes of another availability zone. If not, volumes that are made '
                     'for a server are made in its zone, which the service must have too.'),
]


def late_opts():
    """Options of the connection and of the kind of credentials, for who reads them: `nova.conf.register_late`."""
    from keystoneauth1 import loading  # large, and only processes that talk to other services need it
    return [*loading.get_session_conf_options(), *loading.get_auth_common_conf_options()]


def sample_opts():
    """Options of the usual kind of credentials.  Their plugin registers them when it is chosen by `auth_type`."""
    from keystoneauth1 import loading  # see above
    return loading.get_auth_plugin_conf_options('v3password')
