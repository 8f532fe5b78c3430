# SPDX-License-Identifier: Apache-2.0
"""How the Image service is reached."""

from oslo_config import cfg

GROUP = cfg.OptGroup('glance', title='Image service', help='The Image service v2, used when [image] backend = glance.')

OPTS = [
    cfg.StrOpt('service_type', default='image', help='Type of the Image service in the catalog.'),
    cfg.StrOpt('service_name', help='Name of the Image service in the catalog, where one type has several.'),
    cfg.StrOpt('region_name', help='Region of the Image service in the catalog. Unset: the first found.'),
    cfg.ListOpt('valid_interfaces', default=['internal', 'public'],
                help='Interfaces of the catalog to try, in this order.'),
    cfg.StrOpt('endpoint_override',
               help='URL of the Image service, without /v2. Unset: it is looked up in the catalog of the service '
                    'user, or of the token that came with the request.'),
    cfg.ListOpt('api_servers', default=[],
                help='URLs of Image services that are equal, tried in turn when one does not answer. Takes the place '
                     'of endpoint_override.'),
    cfg.IntOpt('num_retries', default=3, min=0,
               help='How many times more a request is made when no answer came or the service was not available. '
                    'Uploads are made once.'),
]


def late_opts():
    """Options of the connection and of the kind of credentials, for who reads them: `nova.conf.register_late`."""
    from keystoneauth1 import loading  # 9 MiB, which only processes that talk to other services need
    return [*loading.get_session_conf_options(), *loading.get_auth_common_conf_options()]


def sample_opts():
    """Options of the usual kind of credentials.  Their plugin registers them when it is chosen by `auth_type`."""
    from keystoneauth1 import loading  # see above
    return loading.get_auth_plugin_conf_options('v3password')
