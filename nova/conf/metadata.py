# SPDX-License-Identifier: Apache-2.0
"""What servers are told about themselves, by the metadata service and on the config drive."""

from oslo_config import cfg

GROUP = cfg.OptGroup('metadata', title='Instance metadata',
                     help='The metadata service (port 8775) and the content that it shares with the config drive.')


def _known_as(name, group='api'):
    return [cfg.DeprecatedOpt(name, group=group)]


OPTS = [
    cfg.IntOpt('cache_expiration_s', default=15, min=0, deprecated_opts=_known_as('metadata_cache_expiration'),
               help='Seconds for which the metadata of a server is kept after it was read. A change (a new tag, '
                    'another name) is seen by the guest at most so much later. 0: read for every request.'),
    cfg.BoolOpt('use_forwarded_for', default=False, deprecated_opts=_known_as('use_forwarded_for'),
                help='Take the address in X-Forwarded-For as that of the guest. Only behind a proxy that sets the '
                     'header itself: otherwise any guest can ask for the metadata of any other.'),
    cfg.BoolOpt('service_metadata_proxy', default=False, deprecated_opts=_known_as('service_metadata_proxy', 'neutron'),
                help='Requests come through the metadata proxy of the Network service, which says in signed headers '
                     'which server asks. Requests without them are refused.'),
    cfg.StrOpt('metadata_proxy_shared_secret', default='', secret=True,
               deprecated_opts=_known_as('metadata_proxy_shared_secret', 'neutron'),
               help='Key of the signature in X-Instance-ID-Signature. It must be set when service_metadata_proxy is.'),
    cfg.ListOpt('vendordata_providers', default=['StaticJSON'],
                deprecated_opts=_known_as('vendordata_providers'),
                help='Sources of vendor data: StaticJSON (a file, vendordata_jsonfile_path) and DynamicJSON (services, '
                     'vendordata_dynamic_targets).'),
    cfg.StrOpt('vendordata_jsonfile_path', deprecated_opts=_known_as('vendordata_jsonfile_path'),
               help='File with a JSON object that every server finds in vendor_data.json.'),
    cfg.ListOpt('vendordata_dynamic_targets', default=[], deprecated_opts=_known_as('vendordata_dynamic_targets'),
                help='Services asked for vendor data, each as <name>@<url>. The answer is in vendor_data2.json, under '
                     'the name.'),
    cfg.IntOpt('vendordata_dynamic_connect_timeout', default=5, min=1,
               deprecated_opts=_known_as('vendordata_dynamic_connect_timeout'),
               help='Seconds to wait for a connection to such a service.'),
    cfg.IntOpt('vendordata_dynamic_read_timeout', default=5, min=1,
               deprecated_opts=_known_as('vendordata_dynamic_read_timeout'),
               help='Seconds to wait for its answer.'),
    cfg.BoolOpt('vendordata_dynamic_failure_fatal', default=False,
                deprecated_opts=_known_as('vendordata_dynamic_failure_fatal'),
                help='Fail the build of a server with a config drive when such a service does not answer. Otherwise '
                     'its part is empty.'),
    cfg.StrOpt('config_drive_skip_versions',
               default='1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01',
               deprecated_opts=_known_as('config_drive_skip_versions'),
               help='EC2 versions that are left out of the config drive, separated by spaces.'),
]
