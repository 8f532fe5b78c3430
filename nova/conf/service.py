# SPDX-License-Identifier: Apache-2.0
"""Daemons: which run, where they listen, how many processes they have."""

from oslo_config import cfg

GROUP = None


def _workers(name, what):
    return cfg.IntOpt(name, default=1, min=1,
                      help=f'Processes of {what}. With 1 there is no parent process. More than 1 needs a message '
                           'transport between processes (not local://).')


OPTS = [
    cfg.ListOpt('enabled_apis', item_type=cfg.types.String(choices=['osapi_compute', 'metadata']),
                default=['osapi_compute', 'metadata'],
                help='The APIs that nova-api serves: osapi_compute, metadata.'),
    cfg.ListOpt('enabled_ssl_apis', item_type=cfg.types.String(choices=['osapi_compute', 'metadata']), default=[],
                help='Those of them that speak HTTPS; see [wsgi]ssl_cert_file and ssl_key_file.'),
    cfg.HostAddressOpt('osapi_compute_listen',
                       help='Address on which the Compute API listens. Unset: 127.0.0.1 with [api]auth_strategy = '
                            'noauth2, because it believes whatever a client says about itself, else all addresses.'),
    cfg.PortOpt('osapi_compute_listen_port', default=8774, help='Port of the Compute API.'),
    _workers('osapi_compute_workers', 'nova-api, each of which serves all enabled APIs'),
    cfg.HostAddressOpt('metadata_listen', default='0.0.0.0',
                       help='Address on which the metadata service listens. Guests must reach it; it answers each only '
                            'about itself.'),
    cfg.PortOpt('metadata_listen_port', default=8775, help='Port of the metadata service.'),
    _workers('metadata_workers', 'nova-api-metadata, where it runs apart from nova-api'),
    cfg.ListOpt('all_services', item_type=cfg.types.String(
        choices=['network', 'conductor', 'scheduler', 'compute', 'osapi_compute', 'metadata']),
                default=['network', 'conductor', 'scheduler', 'compute', 'osapi_compute', 'metadata'],
                help='What nova-all runs, in the order of starting: network, conductor, scheduler, compute, '
                     'osapi_compute, metadata.'),
    cfg.StrOpt('network_manager', default='nova.network.manager.FlatDHCPManager',
               help='Manager class of nova-network: nova.network.manager.FlatDHCPManager, or a dotted path.'),
    cfg.IntOpt('background_nice', default=10, min=0, max=19,
               help='How far daemons that serve no API stand back for those that do, where they share CPUs: the nice '
                    'value they give themselves. Requests are then accepted at once in a burst, and worked off a '
                    'little later. 0: not at all.'),
    cfg.BoolOpt('periodic_enable', default=True, help='Run periodic tasks.'),
    cfg.IntOpt('periodic_fuzzy_delay', default=60, min=0,
               help='Upper limit (seconds) of the random delay before a periodic task runs for the first time, so '
                    'that many services started together do not work in step. Never more than the interval of the '
                    'task.'),
    cfg.IntOpt('periodic_task_limit', default=600, min=10,
               help='Seconds after which a periodic task that has not come any further counts as hanging: an error is '
                    'logged and the service gives no sign of life until it goes on.'),
]
